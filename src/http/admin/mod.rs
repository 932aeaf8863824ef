//! What people and programs of the newsroom ask. Whoever mounts these routes has made sure who asks.

pub mod reports;
