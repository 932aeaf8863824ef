//! Each check, seen to pass and seen to fail.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mainstay::clock::Clock;
use mainstay::domain::event::API_VERSION;
use mainstay::id::Random;
use mainstay::sandbox::{Access, ApiFault};
use mainstay::service::doctor::{CHECKS, Health, Outcome};
use mainstay::store::Db;
use mainstay::vault::{AdminKey, NewKeys};
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::ward::{KEY, OF_FILES, Ward, set_up, variable};
use crate::support::app::NOON;
use crate::support::database::{BOTH, Kind};

use Health::{Failed, PassedOver, Warning, Well};

fn health(outcomes: &[Outcome]) -> BTreeMap<&str, Health> {
    outcomes.iter().map(|outcome| (outcome.name, outcome.health)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_check_passes_where_all_is_well_and_each_fails_where_its_matter_is_not() {
    for kind in BOTH {
        let mut ward = Box::pin(Ward::healthy(kind)).await;
        let begun = Instant::now();
        let outcomes = ward.examine().await;
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        for outcome in &outcomes {
            let of_file = kind == Kind::Postgres && OF_FILES.contains(&outcome.name);
            assert_eq!(outcome.health, if of_file { PassedOver } else { Well }, "{outcome:?}");
            assert_eq!(outcome.advice, None, "{outcome:?}");
        }
        Box::pin(settings(&mut ward)).await;
        Box::pin(storage(&mut ward)).await;
        if kind == Kind::Sqlite {
            Box::pin(file(&mut ward)).await;
        }
        Box::pin(stripe(&mut ward)).await;
        Box::pin(mail_and_web(&mut ward)).await;
        Box::pin(privacy(&mut ward)).await;
        ward.finds(&[], "everything was changed back").await;
        Box::pin(events(&mut ward)).await;
        let looked_at = |name: &&str| kind == Kind::Sqlite || !OF_FILES.contains(name);
        let unseen: Vec<&str> = CHECKS.into_iter().filter(looked_at).filter(|name| !ward.seen.contains(name)).collect();
        assert!(unseen.is_empty(), "nothing here makes these fail: {unseen:?}");
    }
}

async fn settings(ward: &mut Ward) {
    ward.finds_with("LISTN", "127.0.0.1:1", &[("settings.values", Failed)]).await;
    ward.finds_with("REMINDER_HOUR", "25", &[("settings.values", Failed)]).await;
    ward.finds_with("STRIPE_SECRET_KEY", "sk_test_whole", &[("settings.key", Warning)]).await;
    let live = [("settings.key", Failed), ("stripe.reachable", Failed)];
    ward.finds_with("STRIPE_SECRET_KEY", "rk_live_whole", &live).await;
    ward.finds_with("TIME_ZONE", "Europe/Riga", &[("settings.time_zone", Failed)]).await;
    for (off, health) in [(120, Warning), (-120, Warning), (900, Failed)] {
        ward.our_clock = Some(Clock::manual(NOON + off));
        ward.finds(&[("settings.clock", health)], "another time").await;
    }
    ward.our_clock = None;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        let path = ward.database.folder.path().join("mainstay.env");
        std::fs::write(&path, "").expect("a file");
        let set = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
        set(0o604);
        ward.machine.env_file = Some(path.clone());
        ward.finds(&[("settings.file_modes", Failed)], "an open file").await;
        set(0o600);
        ward.finds(&[], "a private file").await;
        ward.machine.env_file = None;
        let secret = ward.database.folder.path().join("secret");
        std::fs::write(&secret, KEY).expect("a file");
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).expect("a mode");
        let key = ward.settings.remove(&variable("STRIPE_SECRET_KEY")).expect("a key");
        let named = secret.display().to_string();
        ward.finds_with("STRIPE_SECRET_KEY_FILE", &named, &[("settings.file_modes", Failed)]).await;
        ward.settings.insert(variable("STRIPE_SECRET_KEY"), key);
    }
}

async fn storage(ward: &mut Ward) {
    let url = ward.database.url.clone();
    let (gone, read_only) = match ward.database.kind {
        Kind::Sqlite => ("sqlite:///nowhere/mainstay.db".to_owned(), format!("{url}?mode=ro")),
        Kind::Postgres => {
            let mark = if url.contains('?') { '&' } else { '?' };
            let read_only = format!("{url}{mark}options=-c%20default_transaction_read_only%3Don");
            ("postgres://127.0.0.1:9/nowhere".to_owned(), read_only)
        }
    };
    for url in [gone, read_only] {
        ward.finds_with("DATABASE_URL", &url, &[("storage.writable", Failed)]).await;
    }
    let late = "UPDATE instance SET value = CAST(CAST(value AS BIGINT) - 1000000 AS TEXT) WHERE name = 'backed_up_at'";
    let back = "UPDATE instance SET value = CAST(CAST(value AS BIGINT) + 1000000 AS TEXT) WHERE name = 'backed_up_at'";
    ward.finds_after(late, back, &[("storage.backup", Warning)]).await;
    ward.database.execute("DELETE FROM instance WHERE name = 'backed_up_at'").await;
    ward.finds(&[("storage.backup", Warning)], "no backup").await;
    ward.write_notes().await;
    ward.finds_after(
        "UPDATE _sqlx_migrations SET success = false WHERE version = 20261127110000",
        "UPDATE _sqlx_migrations SET success = true WHERE version = 20261127110000",
        &[("storage.migrations", Failed)],
    )
    .await;
    ward.finds_after(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 29990101000000, description, success, checksum, execution_time FROM _sqlx_migrations \
         WHERE version = 20261127110000",
        "DELETE FROM _sqlx_migrations WHERE version = 29990101000000",
        &[],
    )
    .await;
    let damaged = "INSERT INTO instance (name, value) VALUES ('damage', '1795435200 it is shorter.')";
    ward.finds_after(
        damaged,
        "INSERT INTO instance (name, value) VALUES ('sweep_wanted', 'damaged 1795435200')",
        &[("storage.damage", Warning)],
    )
    .await;
    ward.finds(&[("storage.damage", Failed)], "damage that is not healed").await;
    ward.database.execute("DELETE FROM instance WHERE name IN ('damage', 'sweep_wanted')").await;
    for (change, back) in [
        (
            "UPDATE revenue_totals SET gross_minor = gross_minor + 1 WHERE period = 202611 AND currency = 'USD'",
            "UPDATE revenue_totals SET gross_minor = gross_minor - 1 WHERE period = 202611 AND currency = 'USD'",
        ),
        (
            "UPDATE revenue_totals SET currency = 'GBP' WHERE period > 20000000 AND currency = 'USD'",
            "UPDATE revenue_totals SET currency = 'USD' WHERE period > 20000000 AND currency = 'GBP'",
        ),
        (
            "UPDATE revenue_monthly SET payments = payments + 1 WHERE view = 'charge'",
            "UPDATE revenue_monthly SET payments = payments - 1 WHERE view = 'charge'",
        ),
        (
            "UPDATE revenue_daily SET refunds_minor = refunds_minor + 1 WHERE currency = 'EUR'",
            "UPDATE revenue_daily SET refunds_minor = refunds_minor - 1 WHERE currency = 'EUR'",
        ),
        (
            "INSERT INTO revenue_totals (view, period, currency, frequency, payments, gross_minor, refunds_minor, \
             disputes_minor, fees_minor) VALUES ('settlement', 202601, 'USD', 'once', 0, 0, 0, 0, 1)",
            "DELETE FROM revenue_totals WHERE period = 202601",
        ),
    ] {
        ward.finds_after(change, back, &[("storage.totals", Failed)]).await;
    }
    // Those of a program of the release before are made up by the worker, and not relied on until then.
    ward.finds_after(
        "UPDATE turns SET taken = taken + 1 WHERE name = 'reconcile'",
        "UPDATE turns SET taken = taken - 1 WHERE name = 'reconcile'",
        &[],
    )
    .await;
    ward.finds_after(
        "UPDATE instance SET value = '29990101000000' WHERE name = 'oldest_program'",
        "UPDATE instance SET value = '20261126130000' WHERE name = 'oldest_program'",
        &[("storage.migrations", Failed)],
    )
    .await;
}

/// What can be wrong with an SQLite file.
async fn file(ward: &mut Ward) {
    let whole = ward.machine.clone();
    ward.machine.mountinfo = Some("22 1 0:50 / / rw - nfs4 nas:/srv rw".to_owned());
    ward.finds(&[("storage.local_disk", Failed)], "a network's disk").await;
    ward.machine = whole.clone();
    for (free, health) in [(100 << 20, Failed), (500 << 20, Warning)] {
        ward.machine.free_bytes = Some(free);
        ward.finds(&[("storage.free_space", health)], "a full disk").await;
    }
    ward.machine = whole;

    let mut lite = SqliteConnection::connect(&ward.database.url).await.expect("it opens");
    lite.execute("PRAGMA journal_mode = DELETE").await.expect("it is done");
    lite.close().await.expect("it closes");
    ward.finds(&[("storage.wal", Failed)], "no log").await;
    ward.finds(&[("storage.wal", Failed)], "it was not changed by looking").await;
    Db::open(&ward.database.url).await.expect("it opens").close().await;

    let root = "SELECT CAST(rootpage AS TEXT) FROM sqlite_master WHERE name = 'campaign_texts' AND type = 'table'";
    let root: usize = ward.database.rows(root).await[0].parse().expect("a page");
    let original = PathBuf::from(ward.database.url.strip_prefix("sqlite://").expect("a path"));
    let mut bytes = std::fs::read(&original).expect("the file");
    bytes[(root - 1) * 4096..root * 4096].fill(0xff);
    let damaged = ward.database.folder.path().join("damaged.db");
    std::fs::write(&damaged, bytes).expect("a file");
    let url = format!("sqlite://{}", damaged.display());
    ward.finds_with("DATABASE_URL", &url, &[("storage.integrity", Failed)]).await;
}

async fn stripe(ward: &mut Ward) {
    ward.sandbox.fail_api(None, "/v1/account", ApiFault::InternalError, 1);
    ward.finds(&[("stripe.reachable", Failed)], "Stripe fails").await;
    ward.finds_with("STRIPE_API_URL", "http://127.0.0.1:9/", &[("stripe.reachable", Failed)]).await;
    let other = old_stripe().await;
    let ill = [("stripe.api_version", Failed), ("stripe.endpoint", Failed)];
    ward.finds_with("STRIPE_API_URL", &other, &ill).await;

    let endpoint = ward.endpoint();
    ward.call("POST", &endpoint, "disabled=true");
    ward.finds(&[("stripe.endpoint", Failed)], "disabled").await;
    ward.call("POST", &endpoint, "disabled=false");
    let before = ward.call("GET", &endpoint, "")["enabled_events"].clone();
    ward.call("POST", &endpoint, "enabled_events[]=invoice.paid");
    ward.finds(&[("stripe.endpoint", Failed)], "too few events").await;
    let all: Vec<String> = before
        .as_array()
        .expect("events")
        .iter()
        .enumerate()
        .map(|(at, kind)| format!("enabled_events[{at}]={}", kind.as_str().expect("a kind")))
        .collect();
    ward.call("POST", &endpoint, &all.join("&"));
    ward.finds_with("PUBLIC_URL", "https://elsewhere.thepaper.org", &[("stripe.endpoint", Failed)]).await;
    ward.sandbox.restrict_key(
        "rk_test_narrow",
        &[("events", Access::Read), ("payment_intents", Access::Read), ("invoices", Access::Read)],
    );
    ward.finds_with("STRIPE_SECRET_KEY", "rk_test_narrow", &[("stripe.endpoint", Warning)]).await;

    ward.finds_after(
        "UPDATE stripe_events SET state = 'parked' WHERE id = (SELECT MIN(id) FROM stripe_events WHERE state = 'applied')",
        "UPDATE stripe_events SET state = 'applied' WHERE state = 'parked'",
        &[("stripe.backlog", Failed)],
    )
    .await;
    for (ago, back, health) in [
        (
            "UPDATE stripe_events SET state = 'received', received_at = received_at - 1200 \
             WHERE id = (SELECT MIN(id) FROM stripe_events WHERE state = 'applied')",
            "UPDATE stripe_events SET state = 'applied', received_at = received_at + 1200 WHERE state = 'received'",
            Warning,
        ),
        (
            "UPDATE stripe_events SET state = 'received', received_at = received_at - 7200 \
             WHERE id = (SELECT MIN(id) FROM stripe_events WHERE state = 'applied')",
            "UPDATE stripe_events SET state = 'applied', received_at = received_at + 7200 WHERE state = 'received'",
            Failed,
        ),
    ] {
        ward.finds_after(ago, back, &[("stripe.backlog", health)]).await;
    }
    for (change, back) in [
        ("UPDATE payments SET amount_minor = amount_minor + 1", "UPDATE payments SET amount_minor = amount_minor - 1"),
        (
            "UPDATE payments SET currency = 'GBP' WHERE currency = 'USD'",
            "UPDATE payments SET currency = 'USD' WHERE currency = 'GBP'",
        ),
        (
            "UPDATE payments SET stripe_key = stripe_key || '_zz' WHERE currency = 'EUR'",
            "UPDATE payments SET stripe_key = REPLACE(stripe_key, '_zz', '') WHERE currency = 'EUR'",
        ),
    ] {
        ward.finds_after(change, back, &[("stripe.drift", Failed)]).await;
    }
    ward.finds_after(
        "UPDATE marks SET at = at - 100000 WHERE name = 'swept_until'",
        "UPDATE marks SET at = at + 100000 WHERE name = 'swept_until'",
        &[("stripe.swept", Warning)],
    )
    .await;
    ward.finds_after(
        "INSERT INTO breaks (what, object_id, day, currency, expected_minor, found_minor, opened_at) \
         VALUES ('payment_differs', 'pi_1', 20261123, 'USD', 100, 200, 1)",
        "DELETE FROM breaks",
        &[("stripe.agreement", Failed)],
    )
    .await;
}

/// A Stripe that answers everything in an old version.
async fn old_stripe() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    assert_ne!(API_VERSION, "2020-08-27");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await;
                let answer =
                    "HTTP/1.1 200 OK\r\nstripe-version: 2020-08-27\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    url
}

async fn mail_and_web(ward: &mut Ward) {
    ward.finds_with("SMTP_URL", "smtp://127.0.0.1:9?tls=none", &[("mail.transport", Failed)]).await;
    ward.finds_with("SMTP_URL", "file:no-such-folder", &[("mail.transport", Failed)]).await;
    assert!(!PathBuf::from("no-such-folder").exists(), "a look makes no folder");
    ward.finds_with("SMTP_URL", "", &[("mail.transport", Warning)]).await;
    let stripped = crate::support::smtp::Smtp::start_stripped().await;
    let folder = tempfile::tempdir().expect("a folder");
    let url = stripped.url(folder.path());
    ward.finds_with("SMTP_URL", &url, &[("mail.transport", Failed)]).await;
    // Every address of this machine, which no packet leaves, and which is not the loopback's name.
    let in_clear = format!("smtp://0.0.0.0:{}?tls=none", ward.smtp.address.port());
    ward.finds_with("SMTP_URL", &in_clear, &[("mail.tls", Failed)]).await;
    assert!(ward.smtp.mails().is_empty() && stripped.mails().is_empty(), "nothing was sent");
    for from in ["The Paper <support@paper.example>", "The Paper <support@mail.lan>"] {
        ward.finds_with("MAIL_FROM", from, &[("mail.sender", Failed)]).await;
    }
    let endpoint = ("stripe.endpoint", Failed);
    ward.finds_with("PUBLIC_URL", "http://give.thepaper.org", &[endpoint, ("web.https", Failed)]).await;
    ward.finds_with("PUBLIC_URL", "http://127.0.0.1:8787", &[endpoint, ("web.https", Warning)]).await;
    ward.finds_with("ALLOWED_ORIGINS", "http://thepaper.org", &[("web.origins", Warning)]).await;
    ward.finds_with("TRUSTED_PROXIES", "0", &[("web.proxies", Warning)]).await;
}

async fn privacy(ward: &mut Ward) {
    let other = NewKeys::generate(&Random::seeded(77));
    let unlike = [("settings.values", Failed), ("privacy.keys", Failed)];
    ward.finds_with("VAULT_PRIVATE_KEY", other.private.expose_secret(), &unlike).await;
    let whole = ward.settings.clone();
    ward.settings.insert(variable("VAULT_PUBLIC_KEY"), other.public.clone());
    ward.settings.insert(variable("VAULT_PRIVATE_KEY"), other.private.expose_secret().to_owned());
    let strange = [("privacy.keys", Failed), ("privacy.keys_copied", Warning)];
    ward.finds(&strange, "keys of another installation").await;
    ward.settings = whole;
    let admin_key = AdminKey::generate(&Random::seeded(78));
    ward.finds_with("ADMIN_KEY", admin_key.expose_secret(), &[("privacy.admin_key", Failed)]).await;
    ward.finds_with("ADMIN_KEY", "", &[("privacy.admin_key", Failed)]).await;
    let no_key = [("settings.values", Failed), ("privacy.admin_key", Failed)];
    ward.finds_with("ADMIN_KEY", "admin_key_of_no_kind", &no_key).await;
    ward.finds_after(
        "UPDATE admins SET totp_sealed = email_sealed",
        "UPDATE admins SET totp_sealed = NULL",
        &[("privacy.admin_key", Failed)],
    )
    .await;
    ward.database.execute("DELETE FROM instance WHERE name = 'keys_copied'").await;
    ward.finds(&[("privacy.keys_copied", Warning)], "no copy was shown").await;
    ward.write_notes().await;
    ward.finds_after(
        "UPDATE idempotency_keys SET created_at = created_at - 200000",
        "UPDATE idempotency_keys SET created_at = created_at + 200000",
        &[("privacy.retention", Failed)],
    )
    .await;
    ward.finds_after(
        "UPDATE pledges SET paid_at = paid_at - 3000000, ended_at = 1, status = REPLACE(status, 'active', 'canceled') \
         WHERE paid_at IS NOT NULL",
        "UPDATE pledges SET paid_at = paid_at + 3000000, ended_at = NULL, status = REPLACE(status, 'canceled', 'active') \
         WHERE paid_at IS NOT NULL",
        &[("privacy.retention", Failed)],
    )
    .await;
}

/// Events that Stripe made and that never came: what was made cannot be made undone, so it comes last.
async fn events(ward: &mut Ward) {
    ward.call("POST", "/v1/customers", "name=Reader");
    ward.finds(&[], "an event is on its way").await;
    ward.clock.advance(3600);
    ward.finds(&[("stripe.last_event", Failed)], "an event never came").await;
    let endpoint = ward.endpoint();
    ward.call("DELETE", &endpoint, "");
    set_up(&ward.sandbox).await;
    ward.finds(&[("stripe.last_event", Failed)], "a new endpoint, to which nothing was sent").await;
    assert_eq!(health(&ward.examine().await)["stripe.secret"], PassedOver, "it is not known yet");
    ward.call("POST", "/v1/customers", "name=Reader");
    ward.clock.advance(3600);
    let ill = [("stripe.secret", Failed), ("stripe.last_event", Failed)];
    ward.finds(&ill, "the new endpoint's events never come").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn examining_changes_nothing() {
    for kind in BOTH {
        let ward = Box::pin(Ward::healthy(kind)).await;
        let look = async || {
            let mut rows = ward.database.books().await;
            for sql in [
                "SELECT name || ' ' || CAST(taken AS TEXT) FROM turns",
                "SELECT name || ' ' || value FROM instance",
                "SELECT name || ' ' || value FROM instance",
                "SELECT id || state || CAST(lease_until AS TEXT) FROM stripe_events",
            ] {
                rows.extend(ward.database.rows(sql).await);
            }
            let mut files: Vec<String> = std::fs::read_dir(ward.database.folder.path())
                .expect("the folder")
                .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
                .collect();
            files.sort();
            let posts = ward.sandbox.requests().iter().filter(|request| request.method != "GET").count();
            (rows, files, posts)
        };
        let before = look().await;
        ward.examine().await;
        assert_eq!(look().await, before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stripe_that_never_answers_is_not_waited_for() {
    let mut ward = Box::pin(Ward::healthy(Kind::Sqlite)).await;
    ward.sandbox.fail_api(None, "/v1/", ApiFault::Stall, 1000);
    let begun = Instant::now();
    ward.finds(&[("stripe.reachable", Failed)], "silence").await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    ward.sandbox.heal();
}
