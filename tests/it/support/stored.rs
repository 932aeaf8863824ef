//! All bytes a database holds, for tests that look for what must not be there.

use std::process::Command;

use super::database::{Database, Kind};

/// Everything on disk of an SQLite database, its WAL included; of a PostgreSQL one, every value of every table about gifts.
pub async fn everything(database: &Database) -> Vec<u8> {
    match database.kind {
        Kind::Sqlite => {
            // By another program: a file that is closed takes with it the locks that its process holds there, and SQLite would
            // no longer know that it is not alone.
            let files = std::fs::read_dir(database.folder.path()).expect("the folder is read");
            let files = files.map(|file| file.expect("a file").path()).filter(|path| path.is_file());
            Command::new("cat").args(files).output().expect("they are read").stdout
        }
        Kind::Postgres => rows(database).await,
    }
}

async fn rows(database: &Database) -> Vec<u8> {
    let mut bytes = Vec::new();
    for sql in [
        "SELECT CAST(p AS TEXT) AS line FROM pledges p",
        "SELECT CAST(k AS TEXT) AS line FROM idempotency_keys k",
        "SELECT CAST(o AS TEXT) AS line FROM stripe_objects o",
        "SELECT CAST(y AS TEXT) AS line FROM payments y",
        "SELECT CAST(r AS TEXT) AS line FROM refunds r",
        "SELECT CAST(x AS TEXT) AS line FROM disputes x",
        "SELECT CAST(v AS TEXT) AS line FROM subscription_versions v",
        "SELECT CAST(d AS TEXT) AS line FROM donors d",
        "SELECT CAST(e AS TEXT) AS line FROM stripe_events e",
        "SELECT CAST(b AS TEXT) AS line FROM stripe_event_bodies b",
        "SELECT CAST(q AS TEXT) AS line FROM requests q",
        "SELECT CAST(m AS TEXT) AS line FROM reminders m",
        "SELECT CAST(n AS TEXT) AS line FROM newsletter_signups n",
        "SELECT CAST(a AS TEXT) AS line FROM never_again a",
        "SELECT CAST(u AS TEXT) AS line FROM outbox_emails u",
        "SELECT CAST(w AS TEXT) AS line FROM admins w",
        "SELECT CAST(l AS TEXT) AS line FROM audit_log l",
    ] {
        for row in database.rows(sql).await {
            bytes.extend_from_slice(row.as_bytes());
            bytes.push(b'\n');
        }
    }
    bytes
}
