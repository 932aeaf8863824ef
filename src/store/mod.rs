//! The only SQL. One file per noun; every function runs the same text on SQLite and PostgreSQL.
//!
//! This layer decides nothing: it reads and writes what `domain` computed. It must not talk to Stripe or send mail, and
//! no transaction it opens may be held across a network call.

mod db;

pub use db::{Bind, Db, Query, Row, StoreError, Tx};
