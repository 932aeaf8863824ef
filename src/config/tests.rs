//! What the settings promise.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use super::*;
use crate::id::Random;
use crate::vault::NewKeys;

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| (format!("MAINSTAY_{name}"), (*value).to_owned())).collect()
}

/// All that a server needs, in its environment.
fn complete() -> BTreeMap<String, String> {
    let keys = NewKeys::generate(&Random::seeded(1));
    environment(&[
        ("PUBLIC_URL", "https://give.example.org"),
        ("STRIPE_SECRET_KEY", "sk_test_1"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_one, whsec_two"),
        ("VAULT_PUBLIC_KEY", &keys.public),
        ("VAULT_PRIVATE_KEY", keys.private.expose_secret()),
        ("VAULT_INDEX_KEY", keys.index.expose_secret()),
    ])
}

fn load(environment: BTreeMap<String, String>, env_file: &str) -> Result<Settings, ConfigError> {
    Settings::load(Sources::new(Flags::default(), environment, env_file), Role::All)
}

fn problems(environment: BTreeMap<String, String>, env_file: &str) -> String {
    load(environment, env_file).unwrap_err().to_string()
}

#[test]
fn a_flag_beats_the_environment_and_the_environment_beats_the_file() {
    let file = "MAINSTAY_LISTEN=127.0.0.1:1\nMAINSTAY_TIME_ZONE=Europe/Riga\nMAINSTAY_LOG=warn\n";
    let mut variables = complete();
    variables.extend(environment(&[("LISTEN", "127.0.0.1:2"), ("TIME_ZONE", "Europe/Berlin")]));
    let flags = Flags::of([("LISTEN", "127.0.0.1:3")]);
    let settings = Settings::load(Sources::new(flags, variables, file), Role::All).unwrap();
    assert_eq!(settings.listen.port(), 3);
    assert_eq!(settings.basics.time_zone.name(), "Europe/Berlin");
    assert_eq!(settings.basics.log.filter, "warn");
    assert_eq!(settings.basics.database_url.to_string(), "sqlite://mainstay.db");
}

#[test]
fn every_problem_is_reported_at_once_with_what_was_expected() {
    let variables = environment(&[
        ("LISTEN", "localhost"),
        ("PUBLIC_URL", "https://give.example.org/path"),
        ("TIME_ZONE", "Mars/Base"),
        ("STRIPE_SECRET_KEY", "pk_test_1"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_1"),
        ("LOG_FORMAT", "xml"),
    ]);
    let text = problems(variables, "MAINSTAY_LOG=info\nnonsense\nMAINSTAY_LOG=debug\nMAINSTAY_LISTEN=\"x\"\n");
    for part in [
        "MAINSTAY_LISTEN: \"localhost\" is wrong: expected an address and a port",
        "MAINSTAY_PUBLIC_URL: ",
        "expected an origin without a path",
        "\"Mars/Base\" is wrong: expected an IANA name",
        "MAINSTAY_STRIPE_SECRET_KEY: expected a key beginning with sk_test_",
        "MAINSTAY_STRIPE_WEBHOOK_SECRET is not a setting. Did you mean MAINSTAY_STRIPE_WEBHOOK_SECRETS?",
        "MAINSTAY_STRIPE_WEBHOOK_SECRETS: is needed and not given.",
        "MAINSTAY_VAULT_PUBLIC_KEY: is needed",
        "MAINSTAY_VAULT_PRIVATE_KEY: is needed",
        "MAINSTAY_VAULT_INDEX_KEY: is needed",
        "expected text or json",
        "mainstay.env line 2: expected NAME=VALUE",
        "mainstay.env line 3: MAINSTAY_LOG is given on line 1 already",
        "mainstay.env line 4: remove the quotes",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
}

#[test]
fn secrets_are_printed_neither_by_errors_nor_by_debug() {
    let secret = "SECRETSECRET";
    let mut wrong = BTreeMap::new();
    let mut file = format!("{secret}\n");
    for setting in SETTINGS.iter().filter(|setting| setting.secrecy != Secrecy::Open) {
        wrong.insert(setting.variable(), format!("wrong-{secret}"));
        file += &[&setting.variable(), "='", secret, "'\n"].concat();
    }
    assert!(!problems(wrong, &file).contains(secret));

    let mut right = complete();
    right.extend(environment(&[
        ("DATABASE_URL", "postgres://me:SECRETSECRET@db.example.org/mainstay?password=SECRETSECRET"),
        ("STRIPE_SECRET_KEY", "sk_live_SECRETSECRET"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_SECRETSECRET"),
    ]));
    let private = right["MAINSTAY_VAULT_PRIVATE_KEY"].clone();
    let settings = load(right, "").unwrap();
    let shown = format!("{settings:?} {}", settings.basics.database_url);
    assert!(!shown.contains(secret) && !shown.contains(&private), "{shown}");
    assert!(shown.contains("db.example.org/mainstay"), "{shown}");
    assert_eq!(settings.stripe_secret_key.mode(), Mode::Live);
}

#[test]
fn a_secret_of_programs_is_long_and_whole_in_a_header() {
    for (given, right) in [
        ("", true),
        ("0123456789abcdef0123456789abcdef", true),
        ("0123456789abcdef0123456789abcde", false),
        ("0123456789abcdef 0123456789abcdef", false),
        ("0123456789abcdef0123456789abcdé!", false),
    ] {
        let mut variables = complete();
        variables.extend(environment(&[("MAIL_BOUNCE_SECRET", given)]));
        let loaded = load(variables, "");
        assert_eq!(loaded.is_ok(), right, "{given:?}");
        if let Ok(settings) = loaded {
            let secret = settings.web.and_then(|web| web.mail_bounce_secret);
            assert_eq!(secret.is_some(), !given.is_empty());
        }
    }
}

#[test]
fn no_secret_is_a_flag_and_every_other_setting_is_one() {
    let command = <Flags as clap::Args>::augment_args(clap::Command::new("serve"));
    let flags: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    assert_eq!(
        flags,
        [
            "database-url",
            "listen",
            "public-url",
            "allowed-origins",
            "trusted-proxies",
            "time-zone",
            "reminder-hour",
            "reminder-stale-days",
            "stripe-api-url",
            "stripe-reads-per-second",
            "sweep-minutes",
            "silence-hours",
            "vault-public-key",
            "mail-from",
            "mail-postal-address",
            "mail-templates",
            "admin-totp",
            "receipts",
            "renewal-notice-days",
            "keep-abandoned-hours",
            "keep-once-days",
            "keep-recurring-days",
            "keep-index-days",
            "keep-bodies-days",
            "keep-parked-days",
            "log",
            "log-format",
        ]
    );
}

#[test]
fn a_password_is_no_flag_either() {
    let flags = Flags::of([("DATABASE_URL", "postgres://me:hidden@localhost/mainstay")]);
    let error = Settings::load(Sources::new(flags, complete(), ""), Role::All).unwrap_err().to_string();
    assert!(error.contains("--database-url: a password in a flag shows in process lists"), "{error}");
    assert!(!error.contains("hidden"), "{error}");
}

#[test]
fn a_secret_may_be_read_from_a_file_but_not_be_given_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "\n  rk_live_from_file \n").unwrap();
    let path = path.display().to_string();

    let mut variables = complete();
    variables.remove("MAINSTAY_STRIPE_SECRET_KEY");
    variables.extend(environment(&[("STRIPE_SECRET_KEY_FILE", &path)]));
    let settings = load(variables.clone(), "MAINSTAY_STRIPE_SECRET_KEY=sk_test_of_the_file\n").unwrap();
    assert_eq!(settings.stripe_secret_key.secret().expose_secret(), "rk_live_from_file");

    variables.extend(environment(&[("STRIPE_SECRET_KEY", "sk_test_1")]));
    assert!(problems(variables.clone(), "").contains("MAINSTAY_STRIPE_SECRET_KEY is given too"));
    variables.remove("MAINSTAY_STRIPE_SECRET_KEY");
    variables.extend(environment(&[("STRIPE_SECRET_KEY_FILE", "/nowhere/at/all")]));
    assert!(problems(variables, "").contains("/nowhere/at/all: cannot be read"));
    assert!(problems(environment(&[("LISTEN_FILE", "x")]), "").contains("MAINSTAY_LISTEN is no secret"));
}

#[test]
fn each_half_of_the_server_needs_its_own_settings_only() {
    let without = |names: &[&str]| {
        let mut variables = complete();
        for name in names {
            variables.remove(&format!("MAINSTAY_{name}"));
        }
        Sources::new(Flags::default(), variables, "")
    };
    let web = Settings::load(without(&["VAULT_PRIVATE_KEY", "VAULT_INDEX_KEY"]), Role::Web).unwrap();
    assert!(web.web.is_some() && web.worker.is_none());
    let worker = Settings::load(without(&["STRIPE_WEBHOOK_SECRETS"]), Role::Worker).unwrap();
    assert!(worker.web.is_none() && worker.worker.is_some());
    assert!(Basics::load(Sources::default()).is_ok());
    // The worker writes mails, and their links lead to the web half.
    let error = Settings::load(without(&["PUBLIC_URL"]), Role::Worker).unwrap_err();
    assert_eq!(error.problems.len(), 1, "{error}");
    let error = Settings::load(without(&["PUBLIC_URL"]), Role::All).unwrap_err();
    assert_eq!(error.problems.len(), 1, "{error}");
}

#[test]
fn the_private_key_must_open_what_the_public_key_seals() {
    let mut variables = complete();
    let other = NewKeys::generate(&Random::seeded(2));
    variables.extend(environment(&[("VAULT_PRIVATE_KEY", other.private.expose_secret())]));
    assert!(problems(variables, "").contains("does not open what MAINSTAY_VAULT_PUBLIC_KEY seals"));
}

#[test]
fn origins_are_exact_and_the_api_url_ends_with_a_slash() {
    let mut variables = complete();
    variables.extend(environment(&[
        ("ALLOWED_ORIGINS", "https://Example.org, https://www.example.org:8443/"),
        ("STRIPE_API_URL", "http://127.0.0.1:12111"),
    ]));
    let settings = load(variables, "").unwrap();
    let origins: Vec<String> = settings.web.unwrap().allowed_origins.iter().map(ToString::to_string).collect();
    assert_eq!(origins, ["https://example.org", "https://www.example.org:8443"]);
    assert_eq!(settings.stripe_api_url.as_str(), "http://127.0.0.1:12111/");
    for wrong in
        ["example.org", "https://a@example.org", "ftp://example.org", "https://example.org/x", "https://*", "*", "null"]
    {
        assert_eq!(Origin::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn proxies_are_counted_and_none_stand_in_front_unless_it_is_said() {
    let trusted = |given: &[(&str, &str)]| {
        let mut variables = complete();
        variables.extend(environment(given));
        load(variables, "").map(|settings| settings.web.unwrap().trusted_proxies)
    };
    assert_eq!(trusted(&[]), Ok(0));
    assert_eq!(trusted(&[("TRUSTED_PROXIES", "2")]), Ok(2));
    for wrong in ["-1", "17", "1.0", "one", "10.0.0.1"] {
        let error = trusted(&[("TRUSTED_PROXIES", wrong)]).unwrap_err().to_string();
        assert!(error.contains("expected a whole number from 0 to 16"), "{wrong}: {error}");
    }
}

#[test]
fn only_stripes_four_kinds_of_secret_key_are_taken() {
    for (key, mode) in
        [("sk_test_1", Mode::Test), ("rk_test_1", Mode::Test), ("sk_live_1", Mode::Live), ("rk_live_1", Mode::Live)]
    {
        assert_eq!(StripeKey::parse(key).map(|key| key.mode()), Some(mode), "{key}");
        assert_eq!(is_live_key(key), mode == Mode::Live, "{key}");
    }
    for wrong in ["", "sk_test_", "pk_test_1", "whsec_1", "sk_1", "SK_TEST_1", "sk_test_a b"] {
        assert!(StripeKey::parse(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn only_files_and_servers_are_databases() {
    for wrong in ["", "mainstay.db", "sqlite://", "sqlite://:memory:", "mysql://localhost/x"] {
        assert!(DatabaseUrl::parse(wrong).is_none(), "{wrong}");
    }
    assert_eq!(
        DatabaseUrl::parse("sqlite:///var/lib/m.db?mode=rwc").unwrap().sqlite_path().unwrap().to_str(),
        Some("/var/lib/m.db")
    );
}

/// The table of settings as the README has it.
fn settings_table() -> String {
    let row = |setting: &Setting| {
        let default = setting.default.filter(|default| !default.is_empty());
        let default = default.map_or_else(String::new, |default| format!("`{default}`"));
        let kind = match setting.secrecy {
            Secrecy::Open => "flag",
            Secrecy::Mixed => "flag, file",
            Secrecy::Secret => "secret, file",
        };
        format!("| `{}` | {kind} | {default} | {} |\n", setting.variable(), setting.what)
    };
    let rows: String = SETTINGS.iter().map(row).collect();
    format!("| variable | given by | default | what it is |\n|---|---|---|---|\n{rows}")
}

#[test]
fn the_readmes_table_is_the_settings() {
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&settings_table()), "README.md should hold this table:\n{}", settings_table());
}
