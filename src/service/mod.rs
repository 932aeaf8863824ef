//! Verbs wanted from two entrances. A handler or worker that touches one table calls `store` itself.

pub mod act;
pub mod admin;
pub mod adopt;
pub mod backup;
pub mod balance;
pub mod campaigns;
pub mod chain;
pub mod doctor;
pub mod erase_donor;
pub mod event_body;
pub mod forget;
pub mod holding;
pub mod ingest;
pub mod later;
pub mod manage;
pub mod newsletter;
pub mod onlooker;
pub mod opening;
pub mod parallel;
pub mod rebuild;
pub mod reconcile;
mod recover;
pub mod reports;
pub mod start_pledge;
pub mod stripe_setup;
pub mod sweep;
pub mod totals;
