//! What the image and the composition promise, read from their files: they are the first that an operator trusts, and
//! nothing else in the suite would notice when a promise is dropped.

use std::path::Path;
use std::process::Command;

use mainstay::config::SETTINGS;
use regex::Regex;

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of a YAML mapping's entry: from `key:` at this indent to the next line that is not deeper. No comments.
fn entry(yaml: &str, indent: usize, key: &str) -> String {
    let begin = format!("{}{key}:", " ".repeat(indent));
    let mut lines =
        yaml.lines().filter(|line| !line.trim_start().starts_with('#')).skip_while(|line| !line.starts_with(&begin));
    let first = lines.next().unwrap_or_else(|| panic!("docker-compose.yml has no `{key}`"));
    let deeper = |line: &&str| line.trim().is_empty() || line.len() - line.trim_start().len() > indent;
    [first].into_iter().chain(lines.take_while(deeper)).collect::<Vec<_>>().join("\n")
}

fn service(name: &str) -> String {
    entry(&entry(&file("docker-compose.yml"), 0, "services"), 2, name)
}

fn service_names() -> Vec<String> {
    let name = Regex::new(r"(?m)^  ([a-z]+):$").expect("a valid pattern");
    name.captures_iter(&entry(&file("docker-compose.yml"), 0, "services")).map(|found| found[1].to_owned()).collect()
}

#[test]
fn every_variable_of_the_image_and_the_composition_is_a_setting() {
    let known: Vec<String> =
        SETTINGS.iter().flat_map(|setting| [Some(setting.variable()), setting.file_variable()]).flatten().collect();
    let variable = Regex::new(r"MAINSTAY_[A-Z_]+").expect("a valid pattern");
    for path in ["Dockerfile", "docker-compose.yml"] {
        let text = file(path);
        let named: Vec<&str> = variable.find_iter(&text).map(|found| found.as_str()).collect();
        assert!(!named.is_empty(), "{path} sets nothing");
        for name in named {
            assert!(known.iter().any(|known| known == name), "{path} names {name}, which is no setting");
        }
    }
}

#[test]
fn the_image_runs_as_nobody_in_particular_and_knows_its_health() {
    let text = file("Dockerfile");
    let (_, image) = text.rsplit_once("\nFROM ").expect("a build and an image");
    let user = Regex::new(r"(?m)^USER ([1-9]\d*):([1-9]\d*)$").expect("a valid pattern");
    assert_eq!(user.find_iter(image).count(), 1, "one USER, by number, and not root");
    assert!(!image.contains("USER root"));
    for promise in ["VOLUME /data", "HEALTHCHECK ", "GET /healthz ", "ENTRYPOINT [\"mainstay\"]"] {
        assert!(image.contains(promise), "the image has no `{promise}`");
    }
}

#[test]
fn the_build_sees_only_what_is_named() {
    let text = file(".dockerignore");
    let mut rules = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    assert_eq!(rules.next(), Some("*"));
    for rule in rules {
        let path = rule.strip_prefix('!').unwrap_or_else(|| panic!("`{rule}`: all is shut out already"));
        assert!(!["mainstay.env", ".env", "secrets", "target"].contains(&path), "{path} must stay outside");
    }
}

#[test]
fn the_build_sees_every_package_of_ours() {
    let (manifest, ignored) = (file("Cargo.toml"), file(".dockerignore"));
    let path = Regex::new(r#"path = "([^"/]+)"#).expect("a valid pattern");
    let folders: Vec<&str> = path.captures_iter(&manifest).filter_map(|found| Some(found.get(1)?.as_str())).collect();
    assert!(folders.contains(&"cipher") && folders.contains(&"benches"), "{folders:?}");
    for folder in folders {
        assert!(ignored.lines().any(|line| line == format!("!{folder}")), "{folder} is not let into the build");
    }
}

#[test]
fn every_service_has_a_read_only_root_and_no_rights() {
    let compose = file("docker-compose.yml");
    let shared = entry(&compose, 0, "x-hardened");
    for name in service_names() {
        let own = service(&name);
        let whole = if own.contains("<<: *hardened") { format!("{shared}\n{own}") } else { own };
        for promise in ["read_only: true", "cap_drop: [ALL]", "no-new-privileges:true"] {
            assert!(whole.contains(promise), "{name} has no `{promise}`");
        }
        for contrary in ["privileged: true", "network_mode: host", "user: root", "read_only: false"] {
            assert!(!whole.contains(contrary), "{name} has `{contrary}`");
        }
    }
}

#[test]
fn every_port_is_published_on_loopback_only() {
    let compose = file("docker-compose.yml");
    let ports = Regex::new(r"ports: \[(.*)\]").expect("a valid pattern");
    for list in ports.captures_iter(&compose) {
        for port in list[1].split(", ") {
            assert!(
                port.starts_with("\"127.0.0.1:"),
                "{port} is open to the world, past the proxy and past the firewall"
            );
        }
    }
    assert_eq!(compose.matches("ports:").count(), ports.captures_iter(&compose).count(), "ports on one line each");
}

#[test]
fn web_and_worker_wait_for_the_migration_and_the_web_cannot_open_what_is_sealed() {
    let after = entry(&file("docker-compose.yml"), 0, "x-after-migration");
    assert!(after.contains("migrate: { condition: service_completed_successfully }"));
    for name in ["web", "worker"] {
        assert!(service(name).contains("depends_on: *after-migration"), "{name} starts before the schema is there");
        assert!(!service(name).contains("disable: true"), "{name} has no health check");
    }
    for secret in ["vault_private_key", "vault_index_key"] {
        assert!(!service("web").contains(secret), "web holds {secret}");
        assert!(service("worker").contains(secret), "worker lacks {secret}");
    }
    assert!(service("postgres").contains("pg_isready"));
}

#[test]
fn no_secret_stands_in_the_composition_itself() {
    let compose = file("docker-compose.yml");
    for setting in SETTINGS.iter().filter(|setting| setting.file_variable().is_some()) {
        let direct = Regex::new(&format!(r"{}\s*:", setting.variable())).expect("a valid pattern");
        assert!(!direct.is_match(&compose), "{} belongs in a file", setting.variable());
    }
}

#[test]
fn the_demo_has_a_profile_of_its_own_and_needs_nothing() {
    let demo = service("demo");
    assert!(demo.contains("profiles: [demo]"));
    for need in ["depends_on", "secrets", "environment", "volumes"] {
        assert!(!demo.contains(need), "the demo needs {need}");
    }
    for name in service_names().iter().filter(|name| *name != "demo") {
        assert!(!service(name).contains("profiles"), "{name} would not start by itself");
    }
}

/// The command of a service, written on one line or one word per line.
fn command(service: &str) -> Vec<&str> {
    let (_, text) = service.split_once("\n    command:").expect("a command");
    match text.trim_start_matches(' ').strip_prefix('[') {
        Some(list) => list.split(']').next().unwrap_or_default().split(", ").collect(),
        None => text.lines().skip(1).map_while(|line| line.strip_prefix("      - ")).collect(),
    }
}

#[test]
fn the_program_takes_the_commands_of_the_services() {
    for name in ["web", "worker", "migrate", "demo"] {
        let text = service(name);
        let words = command(&text);
        assert!(!words.is_empty(), "{name} has no command");
        let output = Command::new(env!("CARGO_BIN_EXE_mainstay")).args(&words).arg("--help").output();
        let output = output.expect("mainstay runs");
        assert!(output.status.success(), "{name} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn no_crate_that_deny_toml_bans_is_in_the_lock_file() {
    let (deny, lock) = (file("deny.toml"), file("Cargo.lock"));
    let banned = Regex::new(r#"\{ crate = "([a-z0-9-]+)" \}"#).expect("a valid pattern");
    let names: Vec<String> = banned.captures_iter(&deny).map(|found| found[1].to_owned()).collect();
    assert!(names.iter().any(|name| name == "openssl"), "deny.toml bans the second TLS stack");
    for name in names {
        assert!(
            !lock.contains(&format!("name = \"{name}\"\n")),
            "{name} came in: `cargo tree --invert {name}` says by whom"
        );
    }
}
