//! The donation back end of a newsroom that lives on its readers.

// The sandbox writes Stripe's objects out whole, and `json!` recurses once per field.
#![recursion_limit = "512"]

pub mod clock;
pub mod id;
pub mod sandbox;
