//! The command itself: exit codes, words for people and for programs, and the copy of the keys.

use std::collections::BTreeMap;
use std::path::Path;

use mainstay::clock::Clock;
use mainstay::config::{Flags, LenientSettings, Sources};
use mainstay::id::Random;
use mainstay::sandbox::{Delivery, Options, Sandbox};
use mainstay::service::doctor::{CHECKS, names_of_keys};
use mainstay::store::Fixed;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::ward::{OF_FILES, set_up, settings, variable};
use crate::support::app::{DAY, KEYS};
use crate::support::database::{BOTH, Database, Kind};
use crate::support::process::{Server, mainstay};
use crate::support::smtp::Smtp;

fn doctor(folder: &Path, settings: &BTreeMap<String, String>, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = mainstay(&["doctor"]).args(arguments).current_dir(folder).envs(settings).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// An installation that has just been set up, in real time.
async fn installed(kind: Kind) -> (Database, Sandbox, Smtp, BTreeMap<String, String>) {
    let listen = "127.0.0.1:0".parse().expect("an address");
    let options = Options { listen, clock: Clock::system(), random: Random::seeded(8), delivery: Delivery::Manual };
    let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
    set_up(&sandbox).await;
    let (database, smtp) = (Database::fresh(kind).await, Smtp::start().await);
    let settings = settings(&database.url, &sandbox.url(), &smtp.url(database.folder.path()));
    let lenient = LenientSettings::load(&Sources::new(Flags::default(), settings.clone(), ""));
    // Days are told alike by two looks, one after the other.
    let (store, now) = (database.open().await, Clock::system().now() - 3 * DAY);
    store.record_backup(now).await.expect("noted");
    store.record_keys_copied(&names_of_keys(&lenient).expect("keys"), now).await.expect("noted");
    store.fix(Fixed::StripeMode, "test").await.expect("recorded");
    store.fix(Fixed::TimeZone, "UTC").await.expect("recorded");
    store.close().await;
    (database, sandbox, smtp, settings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_the_same_beside_a_server_that_runs_and_ends_with_0_1_or_2() {
    for kind in BOTH {
        let (database, sandbox, _smtp, mut settings) = installed(kind).await;
        let folder = tempfile::tempdir().expect("a folder");
        let (code, text, errors) = doctor(folder.path(), &settings, &[]);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{text}");
        // How much room there is changes from look to look.
        let steady = |text: &str| {
            text.lines().filter(|line| !line.contains("free_space")).map(str::to_owned).collect::<Vec<_>>()
        };
        let server = Server::start(&database.url, &sandbox.url(), folder.path(), &[]);
        let (code, beside, errors) = doctor(folder.path(), &settings, &[]);
        assert_eq!((code, steady(&beside), errors.as_str()), (Some(0), steady(&text), ""));
        assert!(server.terminate().success());

        settings.insert(variable("TRUSTED_PROXIES"), "0".to_owned());
        let (code, text, _) = doctor(folder.path(), &settings, &[]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("  warn  proxies") && text.contains("=> set MAINSTAY_TRUSTED_PROXIES=1"), "{text}");
        settings.insert(variable("PUBLIC_URL"), "http://give.thepaper.org".to_owned());
        let (code, text, _) = doctor(folder.path(), &settings, &[]);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains("  FAIL  https"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_json_has_every_check_by_its_stable_name() {
    for kind in BOTH {
        let (_database, _sandbox, _smtp, mut settings) = installed(kind).await;
        let folder = tempfile::tempdir().expect("a folder");
        settings.insert(variable("TRUSTED_PROXIES"), "0".to_owned());
        let (code, text, errors) = doctor(folder.path(), &settings, &["--json"]);
        assert_eq!(code, Some(1), "{text}{errors}");
        let said: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(said["health"], "warning");
        let checks = said["checks"].as_array().expect("checks");
        let names: Vec<&str> = checks.iter().filter_map(|check| check["name"].as_str()).collect();
        assert_eq!(names, CHECKS);
        for check in checks {
            let name = check["name"].as_str().expect("a name");
            let expected = match name {
                "web.proxies" => "warning",
                // Nothing has been sent yet that could prove it.
                "stripe.secret" | "stripe.swept" => "passed_over",
                name if kind == Kind::Postgres && OF_FILES.contains(&name) => "passed_over",
                _ => "well",
            };
            assert_eq!(check["health"], expected, "{check}");
            assert_eq!(check["mend"].is_string(), expected == "warning", "{check}");
        }
    }
}

#[test]
fn settings_that_are_missing_or_wrong_are_reported_and_not_died_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let nothing = BTreeMap::new();
    let (code, text, errors) = doctor(folder.path(), &nothing, &["--json"]);
    assert_eq!((code, errors.as_str()), (Some(2), ""), "{text}");
    let said: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(said["checks"].as_array().map(Vec::len), Some(CHECKS.len()));
    assert!(said["checks"][0]["what"].as_str().expect("words").contains("MAINSTAY_STRIPE_SECRET_KEY"), "{text}");
    assert!(std::fs::read_dir(folder.path()).expect("the folder").next().is_none(), "and no database is made");

    std::fs::write(folder.path().join("mainstay.env"), [0xff, 0xfe]).expect("a file");
    let (code, text, errors) = doctor(folder.path(), &nothing, &[]);
    assert_eq!((code, errors.as_str()), (Some(2), ""), "{text}");
    assert!(text.contains("mainstay.env: cannot be read"), "{text}");

    let wrong: BTreeMap<String, String> = [(variable("VAULT_PRIVATE_KEY"), "hunter2".to_owned())].into();
    let (_, text, errors) = doctor(folder.path(), &wrong, &[]);
    assert!(!text.contains("hunter2") && !errors.contains("hunter2"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_keys_is_noted_only_if_it_is_one() {
    for kind in BOTH {
        let (database, _sandbox, _smtp, settings) = installed(kind).await;
        let folder = tempfile::tempdir().expect("a folder");
        database.execute("DELETE FROM instance WHERE name = 'keys_copied'").await;
        let (private, index) = (KEYS.private.expose_secret(), KEYS.index.expose_secret());
        let copy = folder.path().join("copy");
        for wrong in [
            String::new(),
            format!("MAINSTAY_VAULT_PRIVATE_KEY={private}"),
            format!("MAINSTAY_VAULT_INDEX_KEY={index}"),
            format!("{} {index}", private.replace(['0', '1'], "2")),
        ] {
            std::fs::write(&copy, wrong).expect("a file");
            let (code, output, errors) = doctor(folder.path(), &settings, &["--keys-copy", "copy"]);
            assert_eq!(code, Some(1), "{output}");
            assert!(errors.contains("Nothing was noted") && !errors.contains("vault_private_"), "{errors}");
        }
        assert_eq!(doctor(folder.path(), &settings, &[]).0, Some(1), "no copy was shown yet");
        std::fs::write(
            &copy,
            format!("# safe\nMAINSTAY_VAULT_PRIVATE_KEY={private}\nMAINSTAY_VAULT_INDEX_KEY={index}\n"),
        )
        .expect("a file");
        let (code, output, errors) = doctor(folder.path(), &settings, &["--keys-copy", "copy"]);
        assert_eq!(code, Some(0), "{output}{errors}");
        let (code, text, _) = doctor(folder.path(), &settings, &[]);
        assert_eq!(code, Some(0), "{text}");
        let noted = database.rows("SELECT value FROM instance WHERE name = 'keys_copied'").await;
        assert!(!noted[0].contains(&index[index.len() - 16..]) && !noted[0].contains(&private[20..40]), "{noted:?}");
    }
}
