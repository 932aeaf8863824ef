//! Who may import whom.

use std::sync::LazyLock;

use regex::Regex;

use super::Finding;
use super::source::{Source, line_of};

/// What any layer above `domain` may use.
const BASE: [&str; 7] = ["clock", "config", "crash", "id", "telemetry", "text", "vault"];

/// What each layer may use besides itself and, but for `domain` and `sandbox`, [`BASE`].
const LAYERS: [(&str, &[&str]); 18] = [
    ("main", &["cli"]),
    ("cli", &["app", "http", "worker", "service", "store", "gateway", "mail", "domain"]),
    ("app", &["http", "worker", "service", "store", "gateway", "mail", "domain"]),
    ("http", &["service", "store", "gateway", "mail", "domain"]),
    ("worker", &["service", "store", "gateway", "mail", "domain"]),
    ("service", &["store", "gateway", "mail", "domain"]),
    ("store", &["domain"]),
    ("gateway", &["domain"]),
    ("mail", &["domain"]),
    ("domain", &["id"]),
    // A stand-in that shared our rules would share our mistakes.
    ("sandbox", &["clock", "id"]),
    ("config", &["domain"]),
    ("crash", &[]),
    ("telemetry", &[]),
    ("text", &["domain"]),
    ("vault", &[]),
    ("clock", &[]),
    ("id", &[]),
];
const WITHOUT_BASE: [&str; 2] = ["domain", "sandbox"];
/// The commands that run the stand-in. The product reaches it through a URL only.
const COMMANDS_WITH_SANDBOX: [&str; 3] = ["demo", "sandbox", "simulate"];

/// A crate that is named in these places only.
struct Confined {
    name: &'static str,
    places: &'static [&'static str],
    /// May the tests of the sandbox name it, to hold its answers against the real types?
    in_tests_of_sandbox: bool,
}

const CONFINED: [Confined; 5] = [
    Confined { name: "sqlx", places: &["store"], in_tests_of_sandbox: false },
    Confined { name: "stripe", places: &["gateway"], in_tests_of_sandbox: true },
    Confined { name: "axum", places: &["http", "sandbox", "app"], in_tests_of_sandbox: false },
    Confined { name: "lettre", places: &["mail"], in_tests_of_sandbox: false },
    Confined { name: "mainstay_cipher", places: &["vault"], in_tests_of_sandbox: false },
];

/// The layer that a file of `src/` belongs to: its folder there, or its name. `None` for the map of them all.
fn layer(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let name = inside.split_once('/').map_or_else(|| inside.trim_end_matches(".rs"), |(folder, _)| folder);
    (name != "lib").then_some(name)
}

/// Every `crate::…` stays within what the layer may use.
pub fn layers(source: &Source) -> Vec<Finding> {
    let Some(layer) = layer(&source.path).filter(|_| source.is_rust()) else { return Vec::new() };
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        return vec![finding(source, 1, format!("`{layer}` is no layer: add it to DESIGN's map and to this test"))];
    };
    let tests = source.test_lines();
    let mut findings = Vec::new();
    for (line, used) in modules_named(source) {
        let base = BASE.contains(&used) && !WITHOUT_BASE.contains(&layer);
        let sandbox = used == "sandbox" && (tests[line - 1] || runs_sandbox(&source.path));
        let known = LAYERS.iter().any(|(name, _)| *name == used);
        if known && used != layer && !base && !sandbox && !allowed.contains(&used) {
            findings.push(finding(source, line, advice(layer, used, allowed)));
        }
    }
    findings
}

fn advice(layer: &str, used: &str, allowed: &[&str]) -> String {
    let mut may = allowed.to_vec();
    if !WITHOUT_BASE.contains(&layer) {
        may.extend(BASE.iter().filter(|name| **name != layer));
    }
    format!(
        "`{layer}` must not import `{used}`; it may import {}. Move what both need down, or the caller up",
        may.join(", ")
    )
}

fn runs_sandbox(path: &str) -> bool {
    let inside = path.strip_prefix("src/cli/").unwrap_or_default();
    COMMANDS_WITH_SANDBOX.iter().any(|name| inside == format!("{name}.rs") || inside.starts_with(&format!("{name}/")))
}

/// The first segment of each path of ours, with its line: from `crate::a::b`, `crate::{a, b::c}` and, in the file at the
/// head of a layer, where it means the same, `super::a`.
fn modules_named(source: &Source) -> Vec<(usize, &str)> {
    static PATH: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?:^|[^$\w:])(crate|mainstay|super)::").expect("valid"));
    let head = source.path.matches('/').count() == 1 || source.path.ends_with("/mod.rs");
    let mut found = Vec::new();
    for path in PATH.captures_iter(&source.code) {
        let (whole, root) = (path.get(0).expect("it matched"), &path[1]);
        if root != "super" || head {
            found.extend(first_segments(&source.code, whole.end()));
        }
    }
    found.into_iter().map(|(at, name)| (line_of(&source.code, at), name)).collect()
}

/// The name that begins at `start`, or each that begins an entry of the braces there.
fn first_segments(code: &str, start: usize) -> Vec<(usize, &str)> {
    if !code[start..].starts_with('{') {
        return name_at(code, start).into_iter().collect();
    }
    let (mut depth, mut expected, mut found) = (0_usize, false, Vec::new());
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'{' => (depth, expected) = (depth + 1, depth == 0),
            b'}' if depth == 1 => break,
            b'}' => depth -= 1,
            b',' => expected = depth == 1,
            _ if expected && !byte.is_ascii_whitespace() => {
                found.extend(name_at(code, at));
                expected = false;
            }
            _ => {}
        }
    }
    found
}

fn name_at(code: &str, start: usize) -> Option<(usize, &str)> {
    let rest = &code[start..];
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    (end > 0).then(|| (start, &rest[..end]))
}

/// Each confined crate is named in its own layer only.
pub fn crates(source: &Source) -> Vec<Finding> {
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:^|[^\w:])((sqlx|stripe|axum|lettre|mainstay_cipher)(?:_[a-z_]+)?)::").expect("valid")
    });
    let Some(layer) = layer(&source.path).filter(|_| source.is_rust()) else { return Vec::new() };
    let tests = source.test_lines();
    let mut findings = Vec::new();
    for named in NAMED.captures_iter(&source.code) {
        let whole = named.get(1).expect("it matched");
        let line = line_of(&source.code, whole.start());
        let confined = CONFINED.iter().find(|confined| confined.name == &named[2]).expect("one for each name");
        let in_tests = confined.in_tests_of_sandbox && layer == "sandbox" && tests[line - 1];
        if !confined.places.contains(&layer) && !in_tests {
            let advice =
                format!("`{}` is named only in {}; ask that layer", whole.as_str(), confined.places.join(", "));
            findings.push(finding(source, line, advice));
        }
    }
    findings
}

fn finding(source: &Source, line: usize, advice: String) -> Finding {
    Finding { rule: "imports", path: source.path.clone(), line, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
        rule(&Source::new(path, text)).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn an_import_against_the_stream_is_found_in_every_spelling() {
        assert_eq!(
            broken(layers, "src/store/books.rs", "use crate::domain::Money;\nuse crate::gateway::Gateway;"),
            [2]
        );
        assert_eq!(broken(layers, "src/domain/money.rs", "fn now() -> i64 { crate::clock::now() }"), [1]);
        assert_eq!(
            broken(layers, "src/http/pledges.rs", "use crate::{\n    domain::{worker, id},\n    worker::Loop,\n};"),
            [3]
        );
        assert_eq!(broken(layers, "src/worker/mod.rs", "use super::http::Router;"), [1]);
        assert_eq!(broken(layers, "src/main.rs", "fn main() { mainstay::store::open() }"), [1]);
        assert_eq!(broken(layers, "src/newcomer/mod.rs", ""), [1]);
    }

    #[test]
    fn an_import_along_the_stream_is_none_of_our_business() {
        assert!(
            broken(layers, "src/http/pledges.rs", "use crate::store::Store;\nuse super::error::ApiError;").is_empty()
        );
        assert!(broken(layers, "src/store/db.rs", "//! As crate::http wants it.\nuse crate::clock::Clock;").is_empty());
        assert!(broken(layers, "tests/it/pledges.rs", "use crate::sandbox::Sandbox;").is_empty());
    }

    #[test]
    fn the_sandbox_is_for_tests_and_three_commands() {
        let text = "use crate::sandbox::Sandbox;";
        assert_eq!(broken(layers, "src/cli/serve.rs", text), [1]);
        assert!(broken(layers, "src/cli/demo.rs", text).is_empty());
        assert!(broken(layers, "src/cli/demo/once.rs", text).is_empty());
        assert_eq!(broken(layers, "src/gateway/mod.rs", text), [1]);
        assert!(
            broken(layers, "src/gateway/mod.rs", &format!("#[cfg(test)]\nmod tests {{\n    {text}\n}}")).is_empty()
        );
        assert_eq!(broken(layers, "src/sandbox/mod.rs", "use crate::domain::Money;"), [1]);
    }

    #[test]
    fn a_crate_outside_its_layer_is_found() {
        assert_eq!(broken(crates, "src/service/ingest.rs", "\n#[derive(sqlx::FromRow)]\nstruct Row;"), [2]);
        assert_eq!(broken(crates, "src/worker/sweep.rs", "use stripe_shared::Event;"), [1]);
        assert_eq!(broken(crates, "src/worker/mod.rs", "use axum::Router;"), [1]);
        assert_eq!(broken(crates, "src/service/mod.rs", "use lettre::Message;"), [1]);
        assert_eq!(broken(crates, "src/store/db.rs", "use mainstay_cipher::Cipher;"), [1]);
        assert!(broken(crates, "src/vault/admin_key.rs", "use mainstay_cipher::Cipher;").is_empty());
        assert!(broken(crates, "src/store/db.rs", "use sqlx::PgPool;").is_empty());
        assert!(broken(crates, "src/http/router.rs", "use axum::Router; // no sqlx::Pool here").is_empty());
    }

    #[test]
    fn the_sandbox_may_hold_its_answers_against_stripes_types_in_tests_only() {
        assert_eq!(broken(crates, "src/sandbox/api.rs", "use stripe_shared::Charge;"), [1]);
        assert!(broken(crates, "src/sandbox/tests/shapes.rs", "use stripe_shared::Charge;").is_empty());
    }
}
