//! Refunds and endings asked for on the newsroom's pages: once, with a reason, and done only when Stripe said so.

use mainstay::domain::admin::Role;
use mainstay::gateway::setup::{self, RIGHTS, Right};
use mainstay::sandbox::{Access, ApiFault, Card};

use crate::support::app::{DAY, TestApp};
use crate::support::database::{BOTH, Kind};
use crate::support::reversals::newest_charge;

/// A server with somebody of finance signed in.
struct Desk {
    app: TestApp,
    cookie: String,
    id: String,
}

impl Desk {
    async fn open(kind: Kind) -> Self {
        let app = TestApp::start(kind).await;
        // With no more than a restricted key is told to have.
        let access = |right: &Right| match right.access {
            setup::Access::Read => (right.resource, Access::Read),
            setup::Access::Write => (right.resource, Access::Write),
        };
        app.sandbox.restrict_key("sk_test_of_the_tests", &RIGHTS.iter().map(access).collect::<Vec<_>>());
        let id = app.person("fin@paper.example", Role::Finance).await;
        let cookie = app.session(&id).await;
        Self { app, cookie, id }
    }

    /// A paid pledge; its id.
    async fn paid(&self, frequency: &str, amount_minor: i64) -> String {
        let (pledge, session) = self.app.pledge(frequency, amount_minor, "USD").await;
        self.app.pay(&session, Card::Works).await;
        self.app.settle().await;
        pledge
    }

    async fn page(&self, path: &str) -> String {
        let looked = self.app.look(path, &self.cookie).await;
        assert_eq!(looked.status, 200, "{path}: {}", looked.body);
        looked.body
    }

    /// The address of the form by which the only payment is given back.
    async fn refund_form(&self) -> String {
        let ids = self.app.database.rows("SELECT id AS line FROM payments").await;
        format!("/admin/payments/{}/refund", ids[0])
    }

    /// Opens a form and returns what makes it this one.
    async fn opened(&self, path: &str) -> String {
        let page = self.page(path).await;
        let (_, rest) = page.split_once("name=\"form\" value=\"").expect("a form");
        rest.split('"').next().expect("a value").to_owned()
    }

    /// Submits it; the status.
    async fn submits(&self, path: &str, form: &[(&str, &str)]) -> u16 {
        self.app.submit(path, Some(&self.cookie), form).await.status
    }

    async fn actions(&self) -> Vec<String> {
        let rows = "SELECT kind || ' ' || state || ' ' || COALESCE(error, '-') AS line FROM actions";
        self.app.database.rows(rows).await
    }

    /// What is in the audit log about pledges.
    async fn audited(&self) -> Vec<String> {
        let mut entries = self.app.audited().await;
        entries.retain(|entry| {
            entry.ends_with(&self.id) && !entry.starts_with("person.") && !entry.starts_with("session.")
        });
        entries
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_is_given_back_once_however_often_its_form_is_sent() {
    for kind in BOTH {
        let desk = Desk::open(kind).await;
        let pledge = desk.paid("once", 2500).await;
        let (path, story) = (desk.refund_form().await, format!("/admin/pledges/{pledge}"));
        let form = desk.opened(&path).await;
        let sent = [("form", form.as_str()), ("amount", "10,00"), ("reason", "gave twice by mistake")];
        for wrong in [("10.00", ""), ("25.01", "too much"), ("0", "nothing"), ("much", "no amount"), ("-5", "below 0")]
        {
            let sent = [sent[0], ("amount", wrong.0), ("reason", wrong.1)];
            assert_eq!(desk.submits(&path, &sent).await, 422, "{wrong:?}");
        }
        assert_eq!(
            desk.submits(&path, &[("form", "mine"), sent[1], sent[2]]).await,
            422,
            "a form that nobody was shown"
        );
        assert!(desk.app.sandbox.objects("refund").is_empty() && desk.audited().await.is_empty());

        assert_eq!(desk.submits(&path, &sent).await, 303);
        assert_eq!(desk.submits(&path, &sent).await, 303);
        let other = [sent[0], ("amount", "5"), sent[2]];
        assert_eq!(desk.submits(&path, &other).await, 422, "the form was used for something else");
        let refunds = desk.app.sandbox.objects("refund");
        assert_eq!((refunds.len(), &refunds[0]["amount"]), (1, &1000.into()), "on {kind:?}");
        let page = desk.page(&story).await;
        assert!(page.contains("has not confirmed it yet") && page.contains("gave twice by mistake"), "{page}");
        assert!(!page.contains("done, as Stripe confirmed") && !page.contains("Given back</strong>"), "{page}");

        desk.app.settle().await;
        let page = desk.page(&story).await;
        assert!(page.contains("done, as Stripe confirmed") && page.contains("Given back</strong> $10"), "{page}");
        assert_eq!(desk.app.revenue().await, ["20261123 USD 1 2500 1000 0"], "on {kind:?}");
        let audited = desk.audited().await;
        assert_eq!(audited.len(), 2, "{audited:?}");
        assert!(audited[0].starts_with("refund.asked by adm_") && audited[1].starts_with("refund.sent by adm_"));
        let reasons = "SELECT action || ' ' || reason AS line FROM audit_log WHERE action = 'refund.asked'";
        assert_eq!(desk.app.database.rows(reasons).await, ["refund.asked gave twice by mistake"]);

        // The rest, and then there is nothing to give back any more.
        let form = desk.opened(&path).await;
        let rest = [("form", form.as_str()), ("amount", "15"), ("reason", "all of it")];
        assert_eq!(desk.submits(&path, &rest).await, 303);
        desk.app.settle().await;
        assert_eq!(desk.app.revenue().await, ["20261123 USD 1 2500 2500 0"], "on {kind:?}");
        assert!(desk.page(&path).await.contains("cannot be done any more"));
        desk.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_whose_answer_was_lost_is_sent_again_and_made_once() {
    for kind in BOTH {
        for fault in [ApiFault::WorkThenStoredError, ApiFault::InternalError, ApiFault::Cut] {
            let desk = Desk::open(kind).await;
            let pledge = desk.paid("once", 2500).await;
            let path = desk.refund_form().await;
            let form = desk.opened(&path).await;
            // A line that is cut is tried again at once, twice.
            let times = if fault == ApiFault::Cut { 3 } else { 1 };
            desk.app.sandbox.fail_api(Some("POST"), "/v1/refunds", fault, times);
            let sent = [("form", form.as_str()), ("amount", "25"), ("reason", "asked by mail")];
            assert_eq!(desk.submits(&path, &sent).await, 303);
            let page = desk.page(&format!("/admin/pledges/{pledge}")).await;
            assert!(page.contains("not known whether Stripe has it"), "{fault:?}: {page}");
            let (_, again) = page.split_once("action=\"/admin/actions/").expect("a button");
            let again = format!("/admin/actions/{}", again.split('"').next().expect("an address"));
            desk.app.sandbox.heal();
            assert_eq!(desk.submits(&again, &[]).await, 303);
            assert_eq!(desk.submits(&again, &[]).await, 303, "there is nothing more to send");
            assert_eq!(desk.app.sandbox.objects("refund").len(), 1, "{fault:?} on {kind:?}");
            assert_eq!(desk.actions().await, ["refund sent -"]);
            desk.app.settle().await;
            assert_eq!(desk.app.revenue().await, ["20261123 USD 1 2500 2500 0"], "{fault:?} on {kind:?}");
            desk.app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stripe_refuses_is_shown_as_refused() {
    for kind in BOTH {
        let desk = Desk::open(kind).await;
        let pledge = desk.paid("once", 2500).await;
        desk.app.sandbox.dispute(&newest_charge(&desk.app), "fraudulent").expect("it is disputed");
        desk.app.settle().await;
        let path = desk.refund_form().await;
        let form = desk.opened(&path).await;
        let sent = [("form", form.as_str()), ("amount", "25"), ("reason", "asked by mail")];
        assert_eq!(desk.submits(&path, &sent).await, 303);
        assert_eq!(desk.actions().await, ["refund refused charge_disputed"]);
        let page = desk.page(&format!("/admin/pledges/{pledge}")).await;
        assert!(page.contains("refused by Stripe") && page.contains("charge_disputed"), "{page}");
        assert!(page.contains("A bank took the money for a dispute"), "{page}");
        assert_eq!(desk.audited().await.len(), 2);
        desk.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pledge_ends_with_its_period_or_at_once_and_is_ended_when_stripe_said_so() {
    for kind in BOTH {
        let desk = Desk::open(kind).await;
        let pledge = desk.paid("monthly", 500).await;
        let (path, story) = (format!("/admin/pledges/{pledge}/end"), format!("/admin/pledges/{pledge}"));
        let form = desk.opened(&path).await;
        let later = [("form", form.as_str()), ("when", "period_end"), ("reason", "asked by mail")];
        assert_eq!(desk.submits(&path, &[later[0], later[2]]).await, 422, "when was not said");
        assert_eq!(desk.submits(&path, &later).await, 303);
        assert_eq!(desk.submits(&path, &later).await, 303);
        let page = desk.page(&story).await;
        assert!(page.contains("has not confirmed it yet") && !page.contains("It is to end"), "{page}");
        desk.app.settle().await;
        let page = desk.page(&story).await;
        for said in ["done, as Stripe confirmed", "It is to end with the paid period", "ends with the paid period"] {
            assert!(page.contains(said), "{said} on {kind:?}: {page}");
        }
        assert_eq!(desk.app.status(&pledge).await, "active", "until the period is over");

        let form = desk.opened(&path).await;
        let now = [("form", form.as_str()), ("when", "now"), ("reason", "wants it at once")];
        assert_eq!(desk.submits(&path, &now).await, 303);
        assert_eq!(desk.app.status(&pledge).await, "active", "Stripe has not said it yet, on {kind:?}");
        desk.app.settle().await;
        assert_eq!(desk.app.status(&pledge).await, "canceled", "on {kind:?}");
        let page = desk.page(&story).await;
        assert!(!page.contains("has not confirmed it yet") && page.contains("<strong>Ended</strong>"), "{page}");
        assert_eq!(desk.actions().await, ["cancel sent -", "cancel_at_period_end sent -"]);
        let cancels: Vec<String> = desk.audited().await;
        assert_eq!(cancels.len(), 4, "{cancels:?}");
        desk.app.advance_days(32).await;
        assert_eq!(desk.app.revenue().await, ["20261123 USD 1 500 0 0"], "nothing more was charged, on {kind:?}");
        assert!(desk.app.clock.now() > 30 * DAY);
        desk.app.finish().await;
    }
}
