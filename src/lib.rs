//! The donation back end of a newsroom that lives on its readers.

pub mod clock;
pub mod id;
pub mod sandbox;
pub mod store;
