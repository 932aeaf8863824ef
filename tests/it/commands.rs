//! The program as a newcomer runs it.

use std::process::Output;

use mainstay::sandbox::Card;

use crate::support::app::{KEYS, TestApp, WEBHOOK_SECRET};
use crate::support::database::{Database, Kind};
use crate::support::process::{Server, mainstay};

fn run(folder: &std::path::Path, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        mainstay(arguments).current_dir(folder).envs(environment.iter().copied()).output().expect("it runs");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn demo_once_takes_three_gifts_refunds_a_part_and_prints_their_revenue() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, output, errors) = run(folder.path(), &["demo", "--once"], &[]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(!errors.contains("WARN"), "{errors}");
    for line in [("USD", "$25.00"), ("EUR", "€2.00"), ("JPY", "¥5,000")] {
        assert!(output.lines().any(|row| row.contains(line.0) && row.contains(line.1)), "{output}");
    }
    let refunded = output.lines().any(|row| row.contains("USD") && row.contains("$10.00") && row.contains("$15.00"));
    assert!(refunded, "ten of the 25 dollars went back: {output}");
    let renewals = output.lines().filter(|row| row.contains("EUR")).count();
    assert_eq!(renewals, 4, "the monthly gift and three renewals: {output}");
    let agreement = output.lines().find(|line| line.contains("agrees with Stripe to the cent"));
    assert!(agreement.is_some_and(|line| line.starts_with("Of 7 lines")), "6 payments and a refund: {output}");
    assert!(std::fs::read_dir(folder.path()).expect("the folder").next().is_none(), "it leaves nothing here");
}

#[test]
fn demo_refuses_to_run_beside_a_live_key() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["MAINSTAY_STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY", "STRIPE_API_KEY"] {
        for key in ["sk_live_0123456789", "rk_live_0123456789"] {
            let (code, output, errors) = run(folder.path(), &["demo", "--once"], &[(name, key)]);
            assert_ne!(code, Some(0), "{output}");
            assert!(errors.contains(name) && !errors.contains(key), "{errors}");
        }
    }
}

#[test]
fn init_writes_a_private_file_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, output, _) = run(folder.path(), &["init"], &[]);
    assert_eq!(code, Some(0));
    let said = output.to_lowercase();
    assert!(said.contains("copy") && said.contains("private"), "it says to keep a copy of the private key: {output}");
    let file = folder.path().join("mainstay.env");
    let text = std::fs::read_to_string(&file).expect("it is there");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    }
    let (code, _, errors) = run(folder.path(), &["init"], &[]);
    assert_eq!(code, Some(1), "{errors}");
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), text, "it never overwrites");
}

#[test]
fn all_problems_of_the_settings_are_said_at_once_and_no_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let wrong = [
        ("MAINSTAY_STRIPE_SECRET_KEY", "pk_test_notasecret"),
        ("MAINSTAY_TIME_ZONE", "Mars/Olympus"),
        ("MAINSTAY_LISTN", "127.0.0.1:1"),
        ("MAINSTAY_VAULT_PRIVATE_KEY", "hunter2"),
    ];
    let (code, _, errors) = run(folder.path(), &["serve"], &wrong);
    assert_eq!(code, Some(2), "{errors}");
    for (name, value) in wrong {
        assert!(errors.contains(name), "{name} is named: {errors}");
        assert!(!errors.contains("hunter2") && (!name.contains("KEY") || !errors.contains(value)), "{errors}");
    }
    assert!(errors.contains("MAINSTAY_LISTEN") && errors.contains("MAINSTAY_PUBLIC_URL"), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_worker_on_one_sqlite_file_is_refused_and_sigterm_ends_with_0() {
    let database = Database::fresh(Kind::Sqlite).await;
    let server = Server::start(&database.url, "http://127.0.0.1:9/", database.folder.path(), &[]);
    let keys = [
        ("MAINSTAY_DATABASE_URL", database.url.as_str()),
        ("MAINSTAY_LISTEN", "127.0.0.1:0"),
        ("MAINSTAY_PUBLIC_URL", "https://give.example.org"),
        ("MAINSTAY_STRIPE_SECRET_KEY", "sk_test_of_the_tests"),
        ("MAINSTAY_VAULT_PUBLIC_KEY", KEYS.public.as_str()),
        ("MAINSTAY_VAULT_PRIVATE_KEY", secrecy::ExposeSecret::expose_secret(&KEYS.private)),
        ("MAINSTAY_VAULT_INDEX_KEY", secrecy::ExposeSecret::expose_secret(&KEYS.index)),
    ];
    let (code, _, errors) = run(database.folder.path(), &["serve", "--only", "worker"], &keys);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("another worker"), "{errors}");
    assert_eq!(server.terminate().code(), Some(0));

    let worker = Server::start(&database.url, "http://127.0.0.1:9/", database.folder.path(), &["--only", "worker"]);
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/give", 404), ("/v1/pledges", 404)]
    {
        let answer = http.get(format!("{}{path}", worker.url)).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
    }
    assert_eq!(worker.terminate().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_stripe_mode_or_time_zone_is_refused_with_the_reason() {
    let database = Database::fresh(Kind::Sqlite).await;
    let server = Server::start(&database.url, "http://127.0.0.1:9/", database.folder.path(), &[]);
    assert_eq!(server.terminate().code(), Some(0));
    let keys = [
        ("MAINSTAY_DATABASE_URL", database.url.as_str()),
        ("MAINSTAY_LISTEN", "127.0.0.1:0"),
        ("MAINSTAY_PUBLIC_URL", "https://give.example.org"),
        ("MAINSTAY_VAULT_PUBLIC_KEY", KEYS.public.as_str()),
        ("MAINSTAY_VAULT_PRIVATE_KEY", secrecy::ExposeSecret::expose_secret(&KEYS.private)),
        ("MAINSTAY_VAULT_INDEX_KEY", secrecy::ExposeSecret::expose_secret(&KEYS.index)),
    ];
    for (name, value, says) in
        [("MAINSTAY_STRIPE_SECRET_KEY", "sk_live_of_the_tests", "test"), ("MAINSTAY_TIME_ZONE", "Europe/Riga", "UTC")]
    {
        let mut environment = keys.to_vec();
        environment.push(("MAINSTAY_STRIPE_SECRET_KEY", "sk_test_of_the_tests"));
        environment.retain(|(other, _)| *other != name);
        environment.push((name, value));
        let (code, _, errors) = run(database.folder.path(), &["serve", "--only", "worker"], &environment);
        assert_eq!(code, Some(1), "{errors}");
        assert!(errors.to_lowercase().contains(&says.to_lowercase()), "{errors}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_and_a_worker_process_share_one_sqlite_file() {
    let app = TestApp::start(Kind::Sqlite).await;
    let (id, session) = app.pledge("once", 2500, "USD").await;
    app.pay(&session, Card::Works).await;
    let id = mainstay::id::PledgeId::parse(&id).expect("an id");
    let pledge = app.store().pledge(&id).await.expect("it is read").expect("it is there");
    let events = app.sandbox.events();

    let database = Database::fresh(Kind::Sqlite).await;
    let store = database.open().await;
    store.insert_pledge(&pledge, None).await.expect("it is stored");
    let folder = database.folder.path();
    let web = Server::start(&database.url, "http://127.0.0.1:9/", folder, &["--only", "web"]);
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    for event in &events {
        let signature = mainstay::sandbox::sign(&event.body, WEBHOOK_SECRET, mainstay::clock::Clock::system().now());
        let post = http.post(format!("{}/webhooks/stripe", web.url)).header("stripe-signature", signature);
        assert_eq!(post.body(event.body.clone()).send().await.expect("an answer").status(), 200);
    }
    let waiting = store.count_events().await.expect("events are counted")["received"];
    assert!(waiting > 0, "the web alone reconciles nothing");

    let worker = Server::start(&database.url, "http://127.0.0.1:9/", folder, &["--only", "worker"]);
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(20));
    for _ in 0..1_000 {
        looks.tick().await;
        if store.count_events().await.expect("events are counted")["received"] == 0 {
            break;
        }
    }
    let status = store.pledge(&id).await.expect("it is read").expect("it is there").status;
    assert_eq!(status.as_str(), "paid", "the worker applied what the web took");
    let shown = http.get(format!("{}/v1/pledges/{id}", web.url)).send().await.expect("an answer");
    assert_eq!(shown.json::<serde_json::Value>().await.expect("JSON")["status"], "paid");
    let figures = http.get(format!("{}/metrics", worker.url)).send().await.expect("an answer").text().await;
    assert!(figures.expect("a text").contains("mainstay_events{state=\"received\"} 0"), "caught up");
    assert!(web.terminate().success() && worker.terminate().success());
    store.close().await;
    app.settle().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_and_migrate_read_either_database_from_the_command_line() {
    for kind in crate::support::database::BOTH {
        let app = TestApp::start(kind).await;
        let (_, session) = app.pledge("once", 2500, "USD").await;
        app.pay(&session, Card::Works).await;
        app.settle().await;
        let folder = tempfile::tempdir().expect("a folder");
        let mut arguments = vec!["report", "revenue", "--from", "2026-11-01", "--to", "2026-12-01", "--by", "month"];
        arguments.extend(["--format", "json", "--database-url", &app.database.url]);
        let (code, output, errors) = run(folder.path(), &arguments, &[]);
        assert_eq!(code, Some(0), "{errors}");
        let report: serde_json::Value = serde_json::from_str(&output).expect("JSON");
        let row = &report["rows"][0];
        assert_eq!((&row["currency"], &row["frequency"], &row["count"]), (&"USD".into(), &"once".into(), &1.into()));
        assert_eq!((&row["gross_minor"], &row["net_minor"]), (&2500.into(), &2500.into()), "{output}");
        assert!(row["fees_minor"].is_null(), "not known yet");
        arguments[3..6].copy_from_slice(&["2026-11-01", "--to", "2026-11-23"]);
        let (_, output, _) = run(folder.path(), &arguments, &[]);
        let report: serde_json::Value = serde_json::from_str(&output).expect("JSON");
        assert_eq!(report["rows"].as_array().map(Vec::len), Some(0), "--to is exclusive: {output}");
        let (code, output, errors) =
            run(folder.path(), &["migrate", "--status", "--database-url", &app.database.url], &[]);
        assert_eq!(code, Some(0), "{errors}");
        assert!(output.contains("create ledger"), "{output}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandbox_runs_alone_and_asks_for_a_key() {
    use std::io::BufRead as _;
    let mut child = mainstay(&["sandbox", "--listen", "127.0.0.1:0"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let output = std::io::BufReader::new(child.stdout.take().expect("standard output"));
    let mut lines = output.lines().map_while(Result::ok);
    let url =
        lines.find_map(|line| line.strip_prefix("dashboard ").map(|url| url.trim().to_owned())).expect("an address");
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let bare = http.get(format!("{url}v1/account")).send().await.expect("an answer").status();
    let keyed = http.get(format!("{url}v1/account")).bearer_auth("sk_test_x").send().await.expect("an answer").status();
    child.kill().expect("it is ended");
    child.wait().expect("it ends");
    assert_eq!((bare.as_u16(), keyed.as_u16()), (401, 200));
}
