//! The newsroom's own people, how they sign in, and the log of what they did.

mod audit;
mod people;
mod sessions;
mod tokens;

pub use audit::{AuditCursor, AuditEntry, NewAudit};
pub use people::{Admin, NewAdmin, TotpState};
pub use sessions::{LiveSession, NewSession, SessionKind};
pub use tokens::{ApiToken, NewApiToken};
