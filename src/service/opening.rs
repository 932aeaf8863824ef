//! Opening what is sealed of donors for somebody to look at: with a reason that somebody typed, and only once that reason is
//! in the audit log. What programs of ours open to do their work, and show to nobody, is not meant.
//!
//! Invariant: whatever hands out an opened field to people or their programs takes a [`Noted`], and there is no other way to
//! one than [`note`].

use crate::domain::action::reason;
use crate::domain::email_address::EmailAddress;
use crate::id::PledgeId;
use crate::service::later::{Desk, LaterError};
use crate::store::NewAudit;
use crate::vault::Place;

/// What stands in the audit log where a program fetches what is its work to fetch, and says nothing.
pub const UNSAID: &str = "no reason was given";

/// Proof that it stands in the audit log who opens what, and why.
#[derive(Debug)]
pub struct Noted(());

/// Why nothing is opened.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    #[error("expected a reason of 3 to 500 characters")]
    NoReason,
    #[error(transparent)]
    Later(#[from] LaterError),
}

/// Writes down who opens what and why. Once this is answered, it is durable.
pub async fn note(desk: &Desk, entry: NewAudit) -> Result<Noted, OpeningError> {
    let typed = reason(&entry.reason).ok_or(OpeningError::NoReason)?.to_owned();
    let write = async {
        let mut tx = desk.store.begin().await?;
        tx.audit(NewAudit { reason: typed, ..entry }, desk.clock.now(), &desk.random).await?;
        tx.commit().await
    };
    write.await.map_err(LaterError::from)?;
    Ok(Noted(()))
}

impl Desk {
    /// The address of whoever made a pledge, where it is still known.
    pub async fn address_of(&self, pledge: &PledgeId, _: &Noted) -> Result<Option<EmailAddress>, LaterError> {
        let Some((donor, sealed)) = self.store.address_of(pledge).await? else { return Ok(None) };
        let plain = self.opener.open(Place { table: "donors", column: "email_sealed", id: &donor }, &sealed)?;
        let address = std::str::from_utf8(&plain).ok().and_then(|text| EmailAddress::parse(text).ok());
        address.map(Some).ok_or(LaterError::Unreadable("donor"))
    }
}
