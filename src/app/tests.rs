//! Starting, refusing to start, and stopping.

use std::path::Path;

use secrecy::ExposeSecret as _;

use super::identity::IdentityError;
use super::*;
use crate::config::{Flags, Role, Sources};
use crate::id::Random;
use crate::sandbox::{Delivery, Options, Sandbox};
use crate::store::Fixed;
use crate::vault::NewKeys;

/// Nobody listens there, so calls to Stripe fail at once.
const NOBODY: &str = "http://127.0.0.1:1/";

fn settings(folder: &Path, role: Role, changes: &[(&str, &str)]) -> Settings {
    let keys = NewKeys::generate(&Random::seeded(1));
    let database = format!("sqlite://{}", folder.join("m.db").display());
    let given = [
        ("DATABASE_URL", database.as_str()),
        ("LISTEN", "127.0.0.1:0"),
        ("PUBLIC_URL", "http://127.0.0.1:8787"),
        ("STRIPE_API_URL", NOBODY),
        ("STRIPE_SECRET_KEY", "sk_test_1"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_1"),
        ("VAULT_PUBLIC_KEY", &keys.public),
        ("VAULT_PRIVATE_KEY", keys.private.expose_secret()),
        ("VAULT_INDEX_KEY", keys.index.expose_secret()),
    ];
    let variables = given.iter().chain(changes).map(|(name, value)| (format!("MAINSTAY_{name}"), (*value).to_owned()));
    Settings::load(Sources::new(Flags::default(), variables.collect(), ""), role).unwrap()
}

async fn start(settings: Settings) -> Result<Running, AppError> {
    App::start(settings, Clock::system(), Random::seeded(2)).await
}

/// The answer's status, or nothing when nobody answers.
async fn get(address: SocketAddr, path: &str) -> Option<u16> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(format!("http://{address}{path}")).send().await.ok().map(|answer| answer.status().as_u16())
}

#[tokio::test]
async fn it_serves_until_it_is_stopped_and_then_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(settings(folder.path(), Role::All, &[])).await.unwrap();
    let address = running.address;
    assert_eq!(get(address, "/readyz").await, Some(200));
    assert_eq!(get(address, "/v1/campaigns/default").await, Some(200));
    running.stop().await;
    assert_eq!(get(address, "/healthz").await, None);
}

#[tokio::test]
async fn a_worker_alone_answers_supervisors_and_monitors_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(settings(folder.path(), Role::Worker, &[])).await.unwrap();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(running.address, path).await, Some(200), "{path}");
    }
    assert_eq!(get(running.address, "/v1/campaigns/default").await, Some(404));
    running.stop().await;
}

#[tokio::test]
async fn a_web_and_a_worker_share_an_sqlite_file_and_a_second_worker_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let worker = start(settings(folder.path(), Role::Worker, &[])).await.unwrap();
    let web = start(settings(folder.path(), Role::Web, &[])).await.unwrap();
    let second = start(settings(folder.path(), Role::All, &[])).await;
    assert!(matches!(second, Err(AppError::SecondWorker { .. })));
    worker.stop().await;
    let next = start(settings(folder.path(), Role::Worker, &[])).await.unwrap();
    next.stop().await;
    web.stop().await;
}

#[tokio::test]
async fn another_time_zone_and_another_mode_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    start(settings(folder.path(), Role::All, &[("TIME_ZONE", "Europe/Riga")])).await.unwrap().stop().await;
    let other = [("TIME_ZONE", "Europe/Riga"), ("STRIPE_SECRET_KEY", "rk_live_1")];
    for (changes, advice) in [(&other[..0], "Set it to Europe/Riga"), (&other[..], "Use a test key")] {
        let error = start(settings(folder.path(), Role::All, changes)).await.err().unwrap().to_string();
        assert!(error.contains(advice), "{error}");
    }
}

#[tokio::test]
async fn another_stripe_account_ends_the_server_and_an_unreachable_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(Options {
        listen: ([127, 0, 0, 1], 0).into(),
        clock: Clock::system(),
        random: Random::seeded(3),
        delivery: Delivery::Manual,
    })
    .await
    .unwrap();

    let unreachable = start(settings(folder.path(), Role::Web, &[])).await.unwrap();
    unreachable.store.fix(Fixed::StripeAccount, "acct_of_somebody_else").await.unwrap();
    assert_eq!(get(unreachable.address, "/readyz").await, Some(200));
    unreachable.stop().await;

    let mut other = start(settings(folder.path(), Role::Web, &[("STRIPE_API_URL", &sandbox.url())])).await.unwrap();
    let reason = other.failure().await;
    assert!(
        matches!(&reason, AppError::Identity(IdentityError::StripeAccount { recorded, .. }) if recorded == "acct_of_somebody_else"),
        "{reason}"
    );
    other.stop().await;
    sandbox.shutdown().await;
}
