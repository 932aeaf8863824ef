//! `mainstay stripe setup`: an account that lacks everything, and one that has it otherwise.

use std::path::Path;

use mainstay::clock::Clock;
use mainstay::domain::event::{API_VERSION, HANDLED};
use mainstay::gateway::setup::{self, RIGHTS};
use mainstay::id::Random;
use mainstay::sandbox::{Access, ApiFault, ApiRequest, Card, Delivery, Options, Sandbox};
use serde_json::Value;

use crate::support::app::{NOON, TestApp};
use crate::support::database::{BOTH, Database, Kind};
use crate::support::process::mainstay;

const URL: &str = "https://give.paper.example";
const ENDPOINT: &str = "https://give.paper.example/webhooks/stripe";

struct Account {
    sandbox: Sandbox,
    database: Database,
}

impl Account {
    async fn new(kind: Kind) -> Self {
        let listen = "127.0.0.1:0".parse().expect("an address");
        let options =
            Options { listen, clock: Clock::manual(NOON), random: Random::seeded(5), delivery: Delivery::Manual };
        let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
        Self { sandbox, database: Database::fresh(kind).await }
    }

    /// The command with its exit code and what it said, on standard output and error.
    fn setup_with(&self, key: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = mainstay(&["stripe", "setup"]);
        command.args(arguments).current_dir(self.folder()).envs([
            ("MAINSTAY_DATABASE_URL", self.database.url.as_str()),
            ("MAINSTAY_PUBLIC_URL", URL),
            ("MAINSTAY_STRIPE_SECRET_KEY", key),
            ("MAINSTAY_STRIPE_API_URL", &self.sandbox.url()),
        ]);
        let output = command.output().expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn setup(&self, arguments: &[&str]) -> String {
        let (code, output, errors) = self.setup_with("rk_test_whole", arguments);
        assert_eq!(code, Some(0), "{output}{errors}");
        output
    }

    fn folder(&self) -> &Path {
        self.database.folder.path()
    }

    fn call(&self, method: &str, path: &str, body: &str) -> Value {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let request = ApiRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            authorization: Some("Bearer sk_test_of_the_test".to_owned()),
            body: body.as_bytes().to_vec(),
            ..ApiRequest::default()
        };
        serde_json::from_slice(&self.sandbox.call(request).body).expect("JSON")
    }

    fn list(&self, path: &str) -> Vec<Value> {
        self.call("GET", path, "")["data"].as_array().expect("a list").clone()
    }

    /// Everything setup looks after, without times.
    fn standing(&self) -> Vec<Value> {
        let lists = ["/v1/webhook_endpoints", "/v1/products", "/v1/billing_portal/configurations"];
        lists.into_iter().flat_map(|path| self.list(path)).collect()
    }

    /// Requests that change something.
    fn posts(&self) -> usize {
        self.sandbox.requests().iter().filter(|request| request.method == "POST").count()
    }
}

fn events(endpoint: &Value) -> Vec<&str> {
    endpoint["enabled_events"].as_array().expect("events").iter().filter_map(Value::as_str).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_made_once_and_made_again_nothing_changes() {
    for kind in BOTH {
        let account = Account::new(kind).await;
        let plan = account.setup(&["--dry-run"]);
        assert_eq!(plan.matches("to make").count(), 3, "{plan}");
        assert!(plan.contains("nothing was changed") && account.posts() == 0, "{plan}");

        let made = account.setup(&[]);
        assert_eq!(made.lines().filter(|line| line.starts_with("made ")).count(), 3, "{made}");
        let endpoints = account.list("/v1/webhook_endpoints");
        let [endpoint] = endpoints.as_slice() else { panic!("one endpoint: {endpoints:?}") };
        assert_eq!((&endpoint["url"], &endpoint["api_version"]), (&ENDPOINT.into(), &API_VERSION.into()));
        assert_eq!(events(endpoint), HANDLED, "exactly the events we use");
        let product = account.call("GET", "/v1/products/mainstay_default", "");
        assert_eq!(product["name"], "Support our journalism");
        let portals = account.list("/v1/billing_portal/configurations");
        let features = &portals[0]["features"];
        let may = |feature: &str| features[feature]["enabled"].as_bool().expect("said");
        assert!(may("payment_method_update") && may("invoice_history"));
        assert!(!may("subscription_cancel") && !may("subscription_update") && !may("customer_update"));

        let (before, posts) = (account.standing(), account.posts());
        let again = account.setup(&[]);
        assert_eq!(again.lines().filter(|line| line.starts_with("there ")).count(), 3, "{again}");
        assert!(!again.contains("whsec_"), "{again}");
        assert_eq!((account.standing(), account.posts()), (before, posts));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_is_told_once_and_never_logged() {
    let account = Account::new(Kind::Sqlite).await;
    let (_, output, errors) = account.setup_with("rk_test_whole", &["--log", "trace"]);
    let secret = output.lines().find_map(|line| line.trim().strip_prefix("whsec_")).expect("a secret").to_owned();
    assert!(output.contains("MAINSTAY_STRIPE_WEBHOOK_SECRETS"), "{output}");
    assert_eq!(output.matches("whsec_").count(), 1, "{output}");
    assert!(!errors.contains(&secret) && !errors.contains("rk_test_whole"), "no log holds it: {errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_goes_into_a_private_file_that_is_never_overwritten() {
    use std::os::unix::fs::PermissionsExt as _;

    let account = Account::new(Kind::Sqlite).await;
    let file = account.folder().join("webhook-secret");
    std::fs::write(&file, "mine").expect("a file");
    let (code, output, errors) = account.setup_with("rk_test_whole", &["--secret-file", "webhook-secret"]);
    assert_eq!(code, Some(1), "{output}{errors}");
    assert!(errors.contains("is left as it is"), "{errors}");
    assert!(account.list("/v1/webhook_endpoints").is_empty(), "nothing is made whose secret has no place");
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), "mine");

    std::fs::remove_file(&file).expect("it goes");
    account.sandbox.fail_api(Some("POST"), "/v1/webhook_endpoints", ApiFault::InternalError, 1);
    let (code, ..) = account.setup_with("rk_test_whole", &["--secret-file", "webhook-secret"]);
    assert_eq!(code, Some(1));
    assert!(!file.exists(), "an empty file is not in the way of the next attempt");

    let output = account.setup(&["--secret-file", "webhook-secret"]);
    let secret = std::fs::read_to_string(&file).expect("the file");
    assert!(secret.starts_with("whsec_") && !output.contains("whsec_"), "{output}");
    assert_eq!(std::fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    assert!(output.contains("MAINSTAY_STRIPE_WEBHOOK_SECRETS_FILE"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_makes_no_second_endpoint() {
    let account = Account::new(Kind::Sqlite).await;
    account.sandbox.fail_api(Some("POST"), "/v1/webhook_endpoints", ApiFault::WorkThenCut, 1);
    account.sandbox.fail_api(Some("POST"), "/v1/billing_portal", ApiFault::WorkThenCut, 1);
    let output = account.setup(&[]);
    assert!(output.contains("whsec_"), "the secret is told all the same: {output}");
    assert_eq!(account.list("/v1/webhook_endpoints").len(), 1);
    assert_eq!(account.list("/v1/billing_portal/configurations").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_otherwise_is_put_right_and_what_is_not_ours_is_left_alone() {
    let account = Account::new(Kind::Sqlite).await;
    account.setup(&[]);
    let foreign = "url=https://shop.paper.example/hook&enabled_events[]=*";
    let foreign = account.call("POST", "/v1/webhook_endpoints", foreign);
    let theirs =
        account.call("POST", "/v1/billing_portal/configurations", "features[subscription_cancel][enabled]=true");
    let id = |value: &Value| value["id"].as_str().expect("an id").to_owned();
    let ours = account.list("/v1/webhook_endpoints").into_iter().find(|endpoint| endpoint["url"] == ENDPOINT);
    let ours = format!("/v1/webhook_endpoints/{}", id(&ours.expect("it is there")));
    account.call("POST", &ours, "disabled=true&enabled_events[0]=invoice.paid&enabled_events[1]=payout.paid");
    account.call("POST", "/v1/products/mainstay_default", "name=Old&active=false");
    let portals = account.list("/v1/billing_portal/configurations");
    let portal = portals.iter().find(|portal| portal["metadata"]["mainstay"] == "portal").expect("ours");
    let portal = format!("/v1/billing_portal/configurations/{}", id(portal));
    account.call(
        "POST",
        &portal,
        "features[subscription_cancel][enabled]=true&features[invoice_history][enabled]=false",
    );

    let plan = account.setup(&["--dry-run"]);
    assert_eq!(plan.matches("to change").count(), 3, "{plan}");
    assert!(plan.contains("it was disabled, 41 events were missing, 1 events were needless"), "{plan}");
    let output = account.setup(&[]);
    assert_eq!(output.lines().filter(|line| line.starts_with("changed ")).count(), 3, "{output}");
    let endpoint = account.call("GET", &ours, "");
    assert_eq!((events(&endpoint), &endpoint["status"]), (HANDLED.to_vec(), &"enabled".into()));
    let product = account.call("GET", "/v1/products/mainstay_default", "");
    assert_eq!((&product["name"], &product["active"]), (&"Support our journalism".into(), &true.into()));
    let features = account.call("GET", &portal, "")["features"].clone();
    assert_eq!(features["subscription_cancel"]["enabled"], false);
    assert_eq!(features["invoice_history"]["enabled"], true);
    let same = account.call("GET", &format!("/v1/webhook_endpoints/{}", id(&foreign)), "");
    assert_eq!((events(&same), &same["status"]), (vec!["*"], &"enabled".into()));
    let theirs = account.call("GET", &format!("/v1/billing_portal/configurations/{}", id(&theirs)), "");
    assert_eq!(theirs["features"]["subscription_cancel"]["enabled"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_of_another_version_is_left_and_one_is_made_beside_it_only_when_asked() {
    let account = Account::new(Kind::Sqlite).await;
    let old = format!("url={ENDPOINT}&api_version=2025-03-31.basil&enabled_events[]=*");
    let old = account.call("POST", "/v1/webhook_endpoints", &old)["id"].as_str().expect("an id").to_owned();
    let (code, output, errors) = account.setup_with("rk_test_whole", &[]);
    assert_eq!(code, Some(1), "{output}");
    for word in [old.as_str(), "2025-03-31.basil", API_VERSION, "--beside"] {
        assert!(errors.contains(word), "{word}: {errors}");
    }
    assert_eq!(account.list("/v1/webhook_endpoints").len(), 1);
    assert_eq!(account.list("/v1/products").len(), 1, "the rest is done");
    let output = account.setup(&["--beside"]);
    assert!(output.contains("whsec_"), "{output}");
    assert_eq!(account.list("/v1/webhook_endpoints").len(), 2);
    let again = account.setup(&["--beside"]);
    assert_eq!(again.lines().filter(|line| line.starts_with("there ")).count(), 3, "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_without_a_permission_is_told_which_and_the_rest_is_done() {
    for (lacking, resource) in [
        (setup::ENDPOINTS, "webhook_endpoints"),
        (setup::PORTAL, "billing_portal/configurations"),
        (setup::PRODUCTS, "products"),
    ] {
        // Reading alone is not enough, and is found out when something is to be made.
        for left in [None, Some(Access::Read)] {
            let fresh = Account::new(Kind::Sqlite).await;
            let mut rights: Vec<(&str, Access)> = ["webhook_endpoints", "billing_portal/configurations", "products"]
                .into_iter()
                .filter(|name| *name != resource)
                .map(|name| (name, Access::Write))
                .collect();
            rights.extend(left.map(|access| (resource, access)));
            fresh.sandbox.restrict_key("rk_test_narrow", &rights);
            let (code, output, errors) = fresh.setup_with("rk_test_narrow", &[]);
            assert_eq!(code, Some(1), "{output}{errors}");
            assert_eq!(errors.matches("the key may not do this").count(), 1, "{errors}");
            assert!(errors.contains(&format!("\"{lacking}\"")), "{errors}");
            assert!(!errors.contains("rk_test_narrow"), "{errors}");
            assert_eq!(output.lines().filter(|line| line.starts_with("made ")).count(), 2, "{output}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_key_needs_https_and_a_database_of_its_own() {
    let account = Account::new(Kind::Sqlite).await;
    let (code, _, errors) = account.setup_with("rk_live_whole", &["--public-url", "http://give.paper.example"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("HTTPS"), "{errors}");
    let store = account.database.open().await;
    store.fix(mainstay::store::Fixed::StripeMode, "test").await.expect("recorded");
    store.close().await;
    let (code, _, errors) = account.setup_with("rk_live_whole", &[]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("holds test gifts"), "{errors}");
    assert!(account.sandbox.requests().is_empty(), "Stripe is not even asked");
}

/// The sandbox's name for what a key may do.
fn access(right: &setup::Right) -> (&'static str, Access) {
    let access = if right.access == setup::Access::Write { Access::Write } else { Access::Read };
    (right.resource, access)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_permissions_that_we_list_are_enough_for_setup_and_for_gifts() {
    let app = TestApp::start(Kind::Sqlite).await;
    let rights: Vec<(&str, Access)> = RIGHTS.iter().map(access).collect();
    app.sandbox.restrict_key("sk_test_of_the_tests", &rights);
    app.sandbox.restrict_key("rk_test_whole", &rights);
    for frequency in ["once", "monthly"] {
        let (_, session) = app.pledge(frequency, 2500, "USD").await;
        app.pay(&session, Card::Works).await;
    }
    app.settle().await;
    app.advance_days(31).await;
    // Events of another version make us fetch whatever they are about.
    for (object, event) in [
        ("checkout.session", "checkout.session.completed"),
        ("payment_intent", "payment_intent.succeeded"),
        ("charge", "charge.updated"),
        ("invoice", "invoice.updated"),
        ("invoice_payment", "invoice_payment.paid"),
        ("subscription", "customer.subscription.updated"),
        ("customer", "customer.updated"),
    ] {
        let about = app.sandbox.objects(object).pop().unwrap_or_else(|| panic!("a {object}"));
        let id = format!("evt_other_{}", object.replace('.', "_"));
        let event = serde_json::json!({"id": id, "object": "event", "type": event, "livemode": false,
            "api_version": "2025-03-31.basil", "created": app.clock.now(), "data": {"object": {"id": about["id"]}}});
        assert_eq!(app.deliver(event.to_string().as_bytes()).await, 200);
        app.caught_up().await;
    }
    let account = Account { sandbox: app.sandbox.clone(), database: Database::fresh(Kind::Sqlite).await };
    account.setup(&[]);
    let refused: Vec<String> = app
        .sandbox
        .requests()
        .iter()
        .filter(|request| request.status == 403 && request.path != "/v1/account")
        .map(|request| format!("{} {}", request.method, request.path))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    assert!(app.reads() >= 7, "objects were fetched");
    app.finish().await;
}

#[test]
fn the_documents_list_every_permission() {
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATIONS.md")).expect("it is there");
    for right in RIGHTS {
        let (name, access) = (right.name, if right.access == setup::Access::Write { "write" } else { "read" });
        assert!(document.contains(&format!("| {name} | {access} |")), "{right}");
    }
}
