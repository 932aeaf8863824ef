//! The only `use stripe::…`: calls to Stripe, the signature of its webhooks, and reading what it sends.

pub mod decode;
pub mod signature;
