//! Mail: its words, its form, and how it is handed to a server.
//!
//! `render` makes a letter of facts, `message` a message of a letter, `mailer` hands it over and knows how far it came.
//! Nothing here knows the outbox, decides whether a mail is sent, or logs whom it goes to or what it says.

mod facts;
pub mod mailer;
pub mod message;
mod post;
pub mod render;
pub mod sample;
mod smtp;

pub use mailer::{CheckError, Mailer, MailerError, SendError};
pub use message::{Draft, Message};
pub use post::{Post, PostError, WriteError};
pub use render::{Letter, RenderError, Templates};
