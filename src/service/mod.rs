//! Verbs wanted from two entrances. A handler or worker that touches one table calls `store` itself.

pub mod balance;
pub mod event_body;
pub mod holding;
pub mod ingest;
pub mod later;
pub mod rebuild;
pub mod reconcile;
pub mod start_pledge;
