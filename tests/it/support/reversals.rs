//! Gifts that go back: refunded in parts, in whole, in vain, and disputed.

use mainstay::sandbox::Card;

use super::app::TestApp;

/// Gifts that have come in and are to go back.
pub struct Reversals {
    /// Name, pledge, and the status it keeps: a gift that went back was given all the same.
    pub pledges: Vec<(&'static str, String, &'static str)>,
    charges: Vec<String>,
}

/// Gives every gift that [`Reversals::first_week`] and [`Reversals::later`] take back.
pub async fn begin(app: &TestApp) -> Reversals {
    let gifts = [
        ("once, refunded in three parts", "once", 3000, "USD", Card::Works, "paid"),
        ("once, refunded, and the refund failed", "once", 1500, "EUR", Card::Works, "paid"),
        ("once, a bank debit refunded", "once", 4000, "EUR", Card::BankDebitSettles, "paid"),
        ("once, disputed and lost", "once", 8000, "USD", Card::Works, "paid"),
        ("once, disputed and won", "once", 9000, "GBP", Card::Works, "paid"),
        ("monthly, its first month refunded", "monthly", 800, "EUR", Card::Works, "active"),
        ("annual, disputed and open", "annual", 5200, "USD", Card::Works, "active"),
    ];
    let (mut pledges, mut charges) = (Vec::new(), Vec::new());
    for (name, frequency, amount_minor, currency, card, status) in gifts {
        let (pledge, session) = app.pledge(frequency, amount_minor, currency).await;
        app.pay(&session, card).await;
        charges.push(newest_charge(app));
        pledges.push((name, pledge, status));
    }
    Reversals { pledges, charges }
}

impl Reversals {
    fn charge(&self, gift: usize) -> &str {
        &self.charges[gift]
    }

    /// Refunds and disputes within the first days, with the bank debit settled; seven days.
    pub async fn first_week(&self, app: &TestApp) {
        let sandbox = &app.sandbox;
        sandbox.refund(self.charge(0), Some(500)).expect("a first part");
        sandbox.refund(self.charge(0), Some(700)).expect("a second part in the same second");
        app.advance_days(1).await;
        sandbox.refund(self.charge(0), None).expect("the rest, a day later");
        let failing = sandbox.refund(self.charge(1), None).expect("it is refunded");
        sandbox.refund(self.charge(5), None).expect("the first month is refunded");
        for gift in [3, 4, 6] {
            sandbox.dispute(self.charge(gift), "fraudulent").expect("it is disputed");
        }
        app.advance_days(2).await;
        sandbox.fail_refund(&failing).expect("the bank sent it back");
        app.advance_days(2).await;
        sandbox.refund(self.charge(2), Some(1000)).expect("a part of the bank debit");
        app.advance_days(2).await;
    }

    /// Two weeks on: refunds arrive, disputes are decided.
    pub fn later(&self, app: &TestApp) {
        for refund in app.sandbox.objects("refund").iter().filter(|refund| refund["status"] == "pending") {
            app.sandbox.succeed_refund(refund["id"].as_str().expect("an id")).expect("it arrives");
        }
        for (gift, won) in [(3, false), (4, true)] {
            let disputes = app.sandbox.objects("dispute");
            let dispute = disputes.iter().find(|dispute| dispute["charge"] == self.charge(gift)).expect("a dispute");
            let id = dispute["id"].as_str().expect("an id");
            app.sandbox.submit_evidence(id).expect("the newsroom answers");
            app.sandbox.close_dispute(id, won).expect("the bank decides");
        }
    }
}

/// The charge made last.
pub fn newest_charge(app: &TestApp) -> String {
    let charges = app.sandbox.objects("charge");
    charges.last().and_then(|charge| charge["id"].as_str()).expect("a charge").to_owned()
}
