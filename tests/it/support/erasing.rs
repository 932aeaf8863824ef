//! Erasing as the server does it, on its database, clock and Stripe, and looking for what must be gone.

use mainstay::domain::email_address::EmailAddress;
use mainstay::domain::retention::Periods;
use mainstay::sandbox::{Card, Person};
use mainstay::service::erase_donor::{Eraser, Whom};
use mainstay::service::event_body;
use mainstay::service::forget::Forgetter;
use mainstay::service::onlooker::Onlooker;
use mainstay::vault::Opener;

use super::app::{KEYS, TestApp};
use super::database::{Database, Kind};
use super::later::desk;

/// Donors of whom an address is there.
pub const ADDRESSES: &str = "SELECT id AS line FROM donors WHERE LENGTH(email_sealed) > 0";
/// Donors who are found by an address.
pub const INDEXES: &str = "SELECT id AS line FROM donors WHERE email_index <> id OR reminder_index IS NOT NULL";
/// Pledges of which it is known whose they are.
pub const LINKS: &str = "SELECT id AS line FROM pledges WHERE donor_id IS NOT NULL";

/// On the server's database, clock and Stripe.
pub fn eraser(app: &TestApp) -> Eraser {
    Eraser { desk: desk(app.store(), &app.clock, "UTC"), gateway: app.gateway() }
}

pub fn whoever_has(address: &str) -> Whom {
    Whom::Address(EmailAddress::parse(address).expect("an address"))
}

/// Forgets what is due now, by the periods that hold where nothing is set.
pub async fn forget(app: &TestApp) -> u64 {
    let forgetter = Forgetter { store: app.store().clone(), periods: Periods::DEFAULT };
    forgetter.run_once(app.clock.now()).await.expect("it is forgotten")
}

/// Looks into what says nothing to us, for forgotten pledges.
pub async fn look_on(app: &TestApp) {
    let opener = std::sync::Arc::new(Opener::parse(&KEYS.private).expect("a key"));
    // What came a moment ago is looked into the next time.
    app.clock.advance(120);
    Onlooker { store: app.store().clone(), opener }.run_once(app.clock.now()).await.expect("it is looked into");
}

/// Gives as somebody with this address, and is heard of.
pub async fn gift(app: &TestApp, frequency: &str, card: Card, address: &str, name: &str) -> String {
    let (pledge, session) = app.pledge(frequency, 500, "USD").await;
    let person = Person { email: address.to_owned(), name: name.to_owned() };
    app.sandbox.pay_as(&session, card, person).await.expect("the session is open");
    app.settle().await;
    pledge
}

/// The bodies that are kept, opened, in the order of their events.
pub async fn open_bodies(app: &TestApp) -> Vec<(String, String)> {
    let opener = Opener::parse(&KEYS.private).expect("a key");
    let (mut after, mut bodies) = (String::new(), Vec::new());
    loop {
        let page = app.store().bodies_after(&after, 500).await.expect("they are read");
        let Some((last, _)) = page.last() else { return bodies };
        after.clone_from(last);
        for (id, body) in &page {
            let body = event_body::open(&opener, id, body).expect("it opens");
            bodies.push((id.clone(), String::from_utf8_lossy(&body).into_owned()));
        }
    }
}

/// Everything sealed and every blind index that is there now, as it is written on disk; none of those who stay.
pub async fn sealed(database: &Database) -> Vec<Vec<u8>> {
    let sealed = match database.kind {
        Kind::Sqlite => [
            "SELECT hex(email_sealed) AS line FROM donors WHERE LENGTH(email_sealed) > 0",
            "SELECT hex(contact_sealed) AS line FROM reminders WHERE contact_sealed IS NOT NULL",
            "SELECT hex(contact_sealed) AS line FROM newsletter_signups WHERE contact_sealed IS NOT NULL",
            "SELECT hex(recipient_sealed) AS line FROM outbox_emails WHERE recipient_sealed IS NOT NULL",
            "SELECT hex(facts_sealed) AS line FROM outbox_emails WHERE facts_sealed IS NOT NULL",
            "SELECT hex(body) AS line FROM stripe_event_bodies",
            "SELECT hex(email_sealed) AS line FROM manage_links",
        ],
        Kind::Postgres => [
            "SELECT encode(email_sealed, 'hex') AS line FROM donors WHERE LENGTH(email_sealed) > 0",
            "SELECT encode(contact_sealed, 'hex') AS line FROM reminders WHERE contact_sealed IS NOT NULL",
            "SELECT encode(contact_sealed, 'hex') AS line FROM newsletter_signups WHERE contact_sealed IS NOT NULL",
            "SELECT encode(recipient_sealed, 'hex') AS line FROM outbox_emails WHERE recipient_sealed IS NOT NULL",
            "SELECT encode(facts_sealed, 'hex') AS line FROM outbox_emails WHERE facts_sealed IS NOT NULL",
            "SELECT encode(body, 'hex') AS line FROM stripe_event_bodies",
            "SELECT encode(email_sealed, 'hex') AS line FROM manage_links",
        ],
    };
    let mut found = Vec::new();
    for sql in sealed {
        let rows = database.rows(sql).await;
        found.extend(rows.iter().map(|row| match database.kind {
            Kind::Sqlite => raw(row),
            // A row of PostgreSQL's is read as text: see `stored`.
            Kind::Postgres => row.to_lowercase().into_bytes(),
        }));
    }
    for sql in [
        "SELECT email_index AS line FROM donors WHERE email_index <> id",
        "SELECT reminder_index AS line FROM donors WHERE reminder_index IS NOT NULL",
        "SELECT email_index AS line FROM reminders WHERE email_index IS NOT NULL",
        "SELECT email_index AS line FROM newsletter_signups WHERE email_index IS NOT NULL",
        "SELECT recipient_index AS line FROM outbox_emails WHERE recipient_index IS NOT NULL",
        "SELECT email_index AS line FROM manage_links",
    ] {
        found.extend(database.rows(sql).await.into_iter().map(String::into_bytes));
    }
    found
}

fn raw(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hex")).collect()
}

/// Which of these stand in `bytes`. Of what is long its middle is looked for: SQLite parts what has no room on one page, and
/// the head of a sealed value is shared by all under one data key.
pub fn standing<'a>(noted: &'a [Vec<u8>], bytes: &[u8]) -> Vec<&'a [u8]> {
    let piece = |sealed: &'a Vec<u8>| if sealed.len() > 200 { &sealed[sealed.len() - 32..] } else { &sealed[..] };
    let places: std::collections::HashSet<&[u8]> = bytes.windows(32).collect();
    let stands = |piece: &&[u8]| {
        if piece.len() == 32 {
            places.contains(piece)
        } else {
            piece.len() >= 32
                && places.contains(&piece[piece.len() - 32..])
                && bytes.windows(piece.len()).any(|window| window == *piece)
        }
    };
    noted.iter().map(piece).filter(stands).collect()
}
