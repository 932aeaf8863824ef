//! What the field means, with no I/O: types that cannot hold nonsense, parsing at the edge, and state as a function of
//! facts.
//!
//! Nothing here is async, reads a clock, or names a database, a web framework or Stripe's library. It imports nothing of
//! ours but `id`.

pub mod action;
pub mod admin;
pub mod adoption;
pub mod agreement;
pub mod books;
pub mod bounce;
pub mod calendar;
pub mod campaign;
pub mod campaign_file;
pub mod email;
pub mod email_address;
pub mod event;
pub mod facts;
pub mod field;
pub mod language;
pub mod mailbox;
pub mod money;
pub mod new_pledge;
pub mod new_reminder;
pub mod pledge;
pub mod reminder;
pub mod reminder_report;
pub mod report;
pub mod retention;
pub mod return_url;
pub mod settlement;
pub mod story;
