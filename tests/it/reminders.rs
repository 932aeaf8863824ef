//! Reminders from the first click to the last mail, on both databases. What leaves is read in the outbox.

mod asking;
mod commands;
mod links;
mod matrix;
mod time_zone;
mod who;
