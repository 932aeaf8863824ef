//! The matrix: whatever a reader may have done until the reminder is due, side by side, on real gifts and both databases.

use mainstay::domain::email::MAIL_INDEX;
use mainstay::sandbox::Card;

use super::who::give;
use crate::support::app::{DAY, TestApp};
use crate::support::database::BOTH;
use crate::support::erasing::{eraser, whoever_has};
use crate::support::later::{desk, reminder};
use crate::support::reversals::newest_charge;

/// What a reader did, named by the address it is done under.
struct Cell {
    name: &'static str,
    before: Step,
    after: Step,
    /// Whether a mail goes when the reminder is due, and how the reminder stands then.
    mail: bool,
    stands: &'static str,
}

#[derive(Clone, Copy)]
enum Step {
    Nothing,
    Gives(&'static str, Card),
    /// Once, and is given it back in full at once.
    GivesAndIsRefunded,
    /// Is given back what was given before.
    IsRefunded,
    Cancels,
    Unsubscribes,
    Never,
    /// Asks to be erased.
    IsErased,
    /// Nothing of the reader's doing: a mail came back, or was called spam.
    Suppressed(&'static str),
}

const fn cell(name: &'static str, before: Step, after: Step, mail: bool, stands: &'static str) -> Cell {
    Cell { name, before, after, mail, stands }
}

const CELLS: [Cell; 20] = {
    use Step::{Cancels, Gives, GivesAndIsRefunded, IsErased, IsRefunded, Never, Nothing, Suppressed, Unsubscribes};
    [
        cell("nothing", Nothing, Nothing, true, "done sent"),
        cell("gave", Nothing, Gives("once", Card::Works), false, "done gave"),
        cell("gave-before", Gives("once", Card::Works), Nothing, true, "done sent"),
        cell("active", Gives("monthly", Card::Works), Nothing, false, "done active"),
        cell("active-since", Nothing, Gives("annual", Card::Works), false, "done gave"),
        cell("pending", Nothing, Gives("once", Card::BankDebitSettles), false, "confirmed -"),
        cell("failed", Nothing, Gives("once", Card::Declined), true, "done sent"),
        cell("failed-before", Gives("once", Card::Declined), Nothing, true, "done sent"),
        // Who gave and was given it back has given: that the newsroom, or the reader, wanted it back is no reason to ask
        // for it again.
        cell("refunded", Nothing, GivesAndIsRefunded, false, "done gave"),
        // Who asked after a refund, or gave before asking, asked all the same.
        cell("refunded-before", GivesAndIsRefunded, Nothing, true, "done sent"),
        cell("refunded-since", Gives("once", Card::Works), IsRefunded, true, "done sent"),
        cell("refunded-active", Gives("monthly", Card::Works), IsRefunded, false, "done active"),
        cell("cancelled", Gives("monthly", Card::Works), Cancels, true, "done sent"),
        cell("unsubscribed", Nothing, Unsubscribes, false, "done unsubscribed"),
        cell("never", Nothing, Never, false, "done never"),
        cell("erased", Nothing, IsErased, false, "done erased"),
        cell("erased-giver", Gives("monthly", Card::Works), IsErased, false, "done erased"),
        cell("bounced", Nothing, Suppressed("bounced"), false, "done bounced"),
        cell("complained", Nothing, Suppressed("complained"), false, "done complained"),
        cell("bounced-giver", Gives("once", Card::Works), Suppressed("bounced"), false, "done bounced"),
    ]
};

/// What a reader has from us, and from Stripe.
#[derive(Default)]
struct Reader {
    link: String,
    charge: String,
    pledge: String,
}

async fn step(app: &TestApp, step: Step, address: &str, reader: &mut Reader) {
    match step {
        Step::Nothing => {}
        Step::Gives(frequency, card) => {
            reader.pledge = give(app, frequency, card, address).await;
            reader.charge = newest_charge(app);
        }
        Step::GivesAndIsRefunded => {
            let pledge = app.pledge("once", 500, "USD").await;
            let person = mainstay::sandbox::Person { email: address.to_owned(), ..Default::default() };
            app.sandbox.pay_as(&pledge.1, Card::Works, person).await.expect("the session is open");
            // Both are heard at once: between the gift and its refund nobody looks.
            app.sandbox.refund(&newest_charge(app), None).expect("it is given back");
            app.settle().await;
        }
        Step::IsRefunded => {
            app.sandbox.refund(&reader.charge, None).expect("it is given back");
            app.settle().await;
        }
        Step::Cancels => {
            let rows = app.database.rows("SELECT id || ' ' || stripe_subscription_id AS line FROM pledges WHERE stripe_subscription_id IS NOT NULL").await;
            let subscription = rows.iter().find_map(|row| row.strip_prefix(&format!("{} ", reader.pledge)));
            app.sandbox.cancel_subscription(subscription.expect("a subscription"), false);
            app.settle().await;
        }
        Step::Unsubscribes => {
            let (status, _) = app.press(&format!("{}/unsubscribe", reader.link), "List-Unsubscribe=One-Click").await;
            assert_eq!(status, 200);
        }
        Step::Never => assert_eq!(app.press(&format!("{}/never", reader.link), "").await.0, 200),
        Step::IsErased => {
            let erased = eraser(app).erase_donor(&whoever_has(address), false).await.expect("it is erased");
            assert_eq!(erased.reminders, 1);
            app.settle().await;
        }
        Step::Suppressed(reason) => {
            let index = desk(app.store(), &app.clock, "UTC").index.of(MAIL_INDEX, address);
            app.store().suppress(&index, reason, app.clock.now()).await.expect("suppressed");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reminder_goes_in_the_right_cells_of_the_matrix_only() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let address = |cell: &Cell| format!("{}@example.org", cell.name);
        let mut readers = Vec::new();
        for cell in &CELLS {
            let mut reader = Reader::default();
            step(&app, cell.before, &address(cell), &mut reader).await;
            readers.push(reader);
        }
        app.clock.advance(60);
        for (cell, reader) in CELLS.iter().zip(&mut readers) {
            reader.link = app.remind(&reminder(&address(cell))).await.path("confirm_url");
        }
        // The evening before the day, so that a bank debit is still on its way at nine.
        app.clock.advance(29 * DAY + 6 * 3_600);
        for (cell, reader) in CELLS.iter().zip(&mut readers) {
            step(&app, cell.after, &address(cell), reader).await;
        }
        app.clock.advance(DAY - 7 * 3_600);
        app.work_later("UTC").await;
        let mails = app.mails().await;
        assert!(mails.iter().all(|mail| mail.kind == "reminder"), "{mails:?}");
        let to: Vec<&str> = mails.iter().map(|mail| mail.to.as_str()).collect();
        let mut right: Vec<String> = CELLS.iter().filter(|cell| cell.mail).map(address).collect();
        right.sort();
        assert_eq!(to, right, "{kind:?}");
        let stands = app
            .database
            .rows("SELECT token_hash || ' ' || state || ' ' || COALESCE(reason, '-') AS line FROM reminders")
            .await;
        for (cell, reader) in CELLS.iter().zip(&readers) {
            let token = reader.link.rsplit('/').next().expect("a token");
            let hash = mainstay::service::later::token_hash(token);
            let row = stands.iter().find_map(|row| row.strip_prefix(&format!("{hash} ")));
            assert_eq!(row, Some(cell.stands), "{} on {kind:?}", cell.name);
        }
        app.finish().await;
    }
}
