//! What could identify a donor is found nowhere: not in files, not in logs, not in what Stripe is sent.

use std::fmt::Write as _;

use base64::Engine as _;
use mainstay::config::DatabaseUrl;
use mainstay::sandbox::{Card, Person};
use mainstay::service::backup::{PgPrograms, take};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::app::{DAY, KEYS, TestApp, session_of};
use crate::support::database::Kind;
use crate::support::erasing::{eraser, forget, sealed, standing, whoever_has};
use crate::support::log::Log;
use crate::support::{postgres, stored};

const ADDRESS: &str = "Marked.Donor+Xq7Zk@readers-of-the-paper.example";
const NAME: &str = "Zaphira Markwoman-Qvist";

/// Every spelling a marked text could hide in.
fn spellings(text: &str) -> Vec<Vec<u8>> {
    let base64 = base64::engine::general_purpose::STANDARD;
    let hex = text.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut spellings =
        vec![text.into(), text.to_lowercase().into_bytes(), hex.to_uppercase().into_bytes(), hex.into_bytes(), utf16];
    // Base64 depends on what stands before: all three alignments, without the letters that neighbours change.
    for padding in ["", "x", "xx"] {
        let encoded = base64.encode(format!("{padding}{text}"));
        spellings.push(encoded.as_bytes()[4..encoded.len() - 4].to_vec());
    }
    spellings
}

/// The first marked text found, if any.
fn leak(bytes: &[u8]) -> Option<String> {
    [ADDRESS, NAME].iter().find_map(|text| {
        let found =
            spellings(text).into_iter().any(|spelling| bytes.windows(spelling.len()).any(|window| window == spelling));
        found.then(|| (*text).to_owned())
    })
}

/// What a backup holds; a dump of PostgreSQL as the text it unpacks to.
async fn backed_up(app: &TestApp) -> Vec<u8> {
    let file = app.database.folder.path().join("a-backup");
    let url = DatabaseUrl::parse(&app.database.url).expect("an address");
    take(app.store(), &url, &PgPrograms::within(vec![postgres::programs()]), &file).await.expect("it is taken");
    if app.database.kind == Kind::Sqlite {
        let backup = std::fs::read(&file).expect("it is read");
        std::fs::remove_file(&file).expect("it is removed");
        return backup;
    }
    let restore =
        std::process::Command::new(postgres::programs().join("pg_restore")).arg("--file=-").arg(&file).output();
    restore.expect("it runs").stdout
}

async fn no_trace_is_left(kind: Kind) {
    // One thread does everything of this test, so this is the log of all of it.
    let (log, _logging) = Log::of_this_thread();
    let app = TestApp::start(kind).await;
    let person = || Person { email: ADDRESS.to_owned(), name: NAME.to_owned() };
    for (frequency, amount_minor) in [("once", 2500), ("monthly", 500)] {
        let (_, session) = app.pledge(frequency, amount_minor, "USD").await;
        app.sandbox.pay_as(&session, Card::Declined, person()).await.expect("the session is open");
        app.sandbox.pay_as(&session, Card::Works, person()).await.expect("the session is open");
        app.settle().await;
    }
    // Refused and mangled deliveries of the same.
    for event in app.sandbox.events() {
        let forged = app.http.post(format!("{}/webhooks/stripe", app.url)).header("stripe-signature", "t=1,v1=00");
        forged.body(event.body.clone()).send().await.expect("an answer");
        app.deliver(&event.body[..event.body.len() - 1]).await;
    }
    app.get(&format!("/v1/pledges/{ADDRESS}")).await;
    app.get(&format!("/give?email={ADDRESS}&name={NAME}")).await;
    // Reminders and the newsletter: asked for, confirmed, sent and refused.
    let mail = app.remind(&crate::support::later::reminder(ADDRESS)).await;
    let news = json!({"email": ADDRESS, "list": "newsletter", "consent": {"text_version": "newsletter-1"}});
    assert_eq!(app.post("/v1/newsletter", &news).await.0, 202);
    let wrong = json!({"email": format!("{ADDRESS}\n"), "name": NAME});
    assert_eq!(app.post("/v1/reminders", &wrong).await.0, 422);
    app.get(&format!("{}?email={ADDRESS}", mail.path("confirm_url"))).await;
    app.advance_days(35).await;

    let sent: Vec<u8> = app.sandbox.events().into_iter().flat_map(|event| event.body).collect();
    assert!(leak(&sent).is_some(), "the marks were really sent to us");
    let donors = app.database.rows("SELECT email_index AS line FROM donors").await;
    assert_eq!(donors.len(), 1, "and understood: one donor");
    assert_eq!(leak(&stored::everything(&app.database).await), None, "in the database, {kind:?}");
    let backup = backed_up(&app).await;
    assert!(backup.windows(4).any(|window| window == b"plg_"), "the backup holds the gifts");
    assert_eq!(leak(&backup), None, "in a backup, {kind:?}");
    for key in [&KEYS.private, &KEYS.index] {
        let (_, digits) = key.expose_secret().rsplit_once('_').expect("a key begins with what it is");
        let raw: Vec<u8> =
            (0..digits.len() / 2).map(|n| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).expect("hex")).collect();
        for spelling in spellings(digits).into_iter().chain([raw]) {
            assert!(!backup.windows(spelling.len()).any(|window| window == spelling), "a key in a backup, {kind:?}");
        }
    }
    let logged = log.bytes();
    assert!(logged.len() > 10_000, "TRACE was on");
    assert_eq!(leak(&logged), None, "in the log");
    for request in app.sandbox.requests() {
        let said = format!("{} {} {}", request.path, request.query, request.raw_body);
        assert_eq!(leak(said.as_bytes()), None, "in a call to Stripe");
    }
    // Of whoever gives every month nothing is left to be sent but this.
    app.work_later("UTC").await;
    let kinds: Vec<String> = app.mails().await.into_iter().map(|mail| mail.kind).collect();
    assert_eq!(kinds, ["newsletter_confirmation"]);
    stolen_when_all_is_forgotten(&app).await;
    app.finish().await;
}

/// Whoever takes the files of a database that has been lived in, once its donor was erased and all clocks have run out, has
/// nothing of them: neither in clear nor sealed.
async fn stolen_when_all_is_forgotten(app: &TestApp) {
    const AGENT: &str = "Marked-Agent/7.7 (Xq7Zk)";
    const ADDRESS_ON_THE_NETWORK: &str = "203.0.113.77";
    let gift = json!({"frequency": "once", "amount_minor": 2500, "currency": "USD"});
    let request = app.http.post(format!("{}/v1/pledges", app.url)).json(&gift).header("user-agent", AGENT);
    let answer = request.header("x-forwarded-for", ADDRESS_ON_THE_NETWORK).send().await.expect("an answer");
    assert_eq!(answer.status(), 201);
    let person = Person { email: ADDRESS.to_owned(), name: NAME.to_owned() };
    let session = session_of(&answer.json().await.expect("JSON"));
    app.sandbox.pay_as(&session, Card::Works, person).await.expect("the session is open");
    app.settle().await;
    let noted = sealed(&app.database).await;
    assert!(noted.len() > 10, "{}", noted.len());
    eraser(app).erase_donor(&whoever_has(ADDRESS), false).await.expect("it is erased");
    app.settle().await;
    app.clock.advance(91 * DAY);
    forget(app).await;
    assert!(app.store().purge().await.expect("it is purged"));
    assert_eq!(
        sealed(&app.database).await,
        Vec::<Vec<u8>>::new(),
        "nothing is left to be sealed, {:?}",
        app.database.kind
    );
    let bytes = stored::everything(&app.database).await;
    assert_eq!(leak(&bytes), None, "in clear, {:?}", app.database.kind);
    assert_eq!(standing(&noted, &bytes).len(), 0, "sealed, {:?}", app.database.kind);
    for word in ["last4", "fingerprint", "4242424242424242", AGENT, ADDRESS_ON_THE_NETWORK] {
        assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word}, {:?}", app.database.kind);
    }
}

#[tokio::test]
async fn marked_addresses_and_names_leave_no_trace_on_sqlite() {
    no_trace_is_left(Kind::Sqlite).await;
}

#[tokio::test]
async fn marked_addresses_and_names_leave_no_trace_on_postgres() {
    no_trace_is_left(Kind::Postgres).await;
}

#[test]
fn a_planted_leak_is_found_in_every_spelling() {
    for text in [ADDRESS, NAME] {
        for spelling in spellings(text) {
            let planted = [b"before ".as_slice(), &spelling, b" after"].concat();
            assert_eq!(leak(&planted).as_deref(), Some(text));
        }
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("some text, {text}, more"));
        assert_eq!(leak(encoded.as_bytes()).as_deref(), Some(text));
    }
    assert_eq!(leak(b"nothing of the kind"), None);
}
