//! Places at which a test stops the process to kill it.
//!
//! A debug build started with the hidden `serve --stop-at NAME` says so on standard error when it first comes to that
//! place, and stands still there: what is written before is on disk or it is not, as after a power cut. A release build
//! holds none of this.

/// The places, in the order an event passes them.
pub const PLACES: [&str; 4] =
    ["ingest before commit", "ingest after commit", "apply before commit", "apply after commit"];
/// Those that a page of Stripe's balance transactions passes.
pub const BALANCE_PLACES: [&str; 2] = ["balance before commit", "balance after commit"];
/// Those that a mail passes.
pub const MAIL_PLACES: [&str; 3] = ["mail before text", "mail text begun", "mail handed over"];

/// Those that a request passes: what a reader asked for, or what a mail service told.
pub const REQUEST_PLACES: [&str; 3] = ["request leased", "request before commit", "request after commit"];
/// Those that a reminder passes on its way into the outbox.
pub const REMINDER_PLACES: [&str; 2] = ["reminder before commit", "reminder after commit"];
/// Those that a reader of the newsletter passes who is to be welcomed.
pub const NEWSLETTER_PLACES: [&str; 2] = ["welcome before commit", "welcome after commit"];

#[cfg(debug_assertions)]
static ARMED: std::sync::OnceLock<String> = std::sync::OnceLock::new();

/// Makes the process stand still when it comes to `place`.
#[cfg(debug_assertions)]
pub fn stop_at(place: String) {
    let _ = ARMED.set(place);
}

/// The process comes to `place`.
#[cfg(debug_assertions)]
pub fn passing(place: &'static str) {
    let known = [&PLACES[..], &BALANCE_PLACES, &MAIL_PLACES, &REQUEST_PLACES, &REMINDER_PLACES, &NEWSLETTER_PLACES];
    debug_assert!(known.concat().contains(&place), "an unknown place");
    if ARMED.get().is_some_and(|armed| armed == place) {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "stopped at {place}");
        loop {
            std::thread::park();
        }
    }
}

#[cfg(not(debug_assertions))]
pub fn passing(_: &'static str) {}
