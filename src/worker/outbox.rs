//! Sending the outbox: each mail once per cause, or not at all where a second copy is worse than none.
//!
//! A batch is leased in a short transaction and sent outside of any. What a mail is refused for is told apart by how far
//! it came: what cannot have arrived is tried again until it expires; what may have arrived is tried again under the same
//! `Message-ID`, or given up if a second copy does harm. One bad mail is settled alone. Logs name ids only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt as _, stream};
use serde_json::Value as Json;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, HOUR, MINUTE};
use crate::domain::email::{EmailKind, EmailState};
use crate::domain::language::Language;
use crate::domain::mailbox::Address;
use crate::id::{EmailId, Random};
use crate::mail::{Message, Post, RenderError, SendError, WriteError};
use crate::store::{LeasedEmail, Store, StoreError};
use crate::vault::{Opener, Place};

/// Mails taken at once.
pub const MOST: i64 = 64;
/// Mails sent at the same time: as many connections.
const AT_ONCE: usize = 8;
/// How long, in seconds, a batch is held. A slow server may take longer: then another worker takes over what was not begun,
/// for nothing is begun under a lease that has passed on.
pub const LEASE: i64 = 10 * MINUTE;
/// The first pause before a mail is tried again, in seconds; each next is twice as long.
const FIRST_PAUSE: i64 = MINUTE;
/// The longest pause.
const LONGEST_PAUSE: i64 = 2 * HOUR;
/// Mails that expire in one statement where no mail is sent.
const EXPIRE_AT_ONCE: i64 = 1000;

/// Sends what is due.
#[derive(Clone, Debug)]
pub struct OutboxWorker {
    pub store: Store,
    pub clock: Clock,
    pub random: Random,
    pub opener: Arc<Opener>,
    /// Nothing where no mail is sent: mails then wait, and expire.
    pub post: Option<Arc<Post>>,
    /// Once cancelled, mails that were not begun are put back.
    pub stop: CancellationToken,
}

/// What became of one try.
enum Outcome {
    Settled(EmailState, Option<String>),
    /// To be tried again.
    Later(String),
    /// Another worker holds it now.
    Lost,
    /// The database could not be written: it is left as it is until its lease ends.
    Unnoted,
}

impl Outcome {
    fn failed(why: &str) -> Self {
        Self::Settled(EmailState::Failed, Some(why.to_owned()))
    }
}

/// One batch under one lease.
struct Batch<'a> {
    worker: &'a OutboxWorker,
    post: &'a Post,
    token: String,
    /// Set when the server could not be used: the others would only wait for it as well.
    down: AtomicBool,
    /// Where it is noted how far a mail has come.
    notes: mpsc::Sender<Note>,
}

/// How far a mail has come.
struct Note {
    id: String,
    step: Step,
    /// Whether the mail is still ours; dropped unanswered where nothing could be noted.
    answer: oneshot::Sender<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Its text is about to be handed over.
    Begun,
    Sent,
}

impl OutboxWorker {
    /// Sends what is due, and returns how many mails were settled. Those that could not be sent are due again later.
    pub async fn run_once(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float by its format")]
        metrics::gauge!("mainstay_outbox_last_run_timestamp_seconds").set(now as f64);
        let Some(post) = &self.post else {
            return self.expire(now).await;
        };
        let token = self.random.hex();
        let leased = self.store.lease_emails(&token, now, now + LEASE, MOST).await?;
        let (notes, waiting) = mpsc::channel(AT_ONCE);
        let batch = Batch { worker: self, post, token: token.clone(), down: AtomicBool::new(false), notes };
        let sending = async move {
            let work = stream::iter(leased).map(|mail| batch.work_on(mail)).buffer_unordered(AT_ONCE);
            work.collect::<Vec<Result<bool, StoreError>>>().await
        };
        let (outcomes, committed) = tokio::join!(sending, self.take_notes(&token, waiting));
        committed?;
        let mut settled = 0;
        for outcome in outcomes {
            settled += usize::from(outcome?);
        }
        Ok(settled)
    }

    /// Commits what is noted: mails that are sent side by side share a commit, for on SQLite there is one at a time. The
    /// first commit that fails ends it, and nothing more of the batch is begun.
    async fn take_notes(&self, token: &str, mut waiting: mpsc::Receiver<Note>) -> Result<(), StoreError> {
        let mut notes = Vec::with_capacity(AT_ONCE);
        while waiting.recv_many(&mut notes, AT_ONCE).await > 0 {
            let of = |step: Step| -> Vec<String> {
                notes.iter().filter(|note| note.step == step).map(|note| note.id.clone()).collect()
            };
            let (begun, sent) = (of(Step::Begun), of(Step::Sent));
            let held = self.store.note_mails(token, &begun, &sent, self.clock.now()).await?;
            for note in notes.drain(..) {
                // Who asked waits for the answer.
                let _ = note.answer.send(held.contains(&note.id));
            }
        }
        Ok(())
    }

    /// Where no mail is sent, a mail whose time is over is not left to look as if it were still to come.
    async fn expire(&self, now: i64) -> Result<usize, StoreError> {
        let expired = self.store.expire_emails(now, EXPIRE_AT_ONCE).await?;
        if expired > 0 {
            tracing::warn!(expired, "mails expired unsent: MAINSTAY_SMTP_URL is not set");
        }
        Ok(usize::try_from(expired).unwrap_or(usize::MAX))
    }

    /// When a mail is tried again after so many attempts; some earlier, some later, so that they do not come all at once.
    fn again_at(&self, attempts: i64, now: i64, expires_at: i64) -> i64 {
        let doublings = u32::try_from(attempts.clamp(1, 8) - 1).unwrap_or(0);
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        let jitter = self.random.below(u64::try_from(pause / 4).unwrap_or(1));
        // At its end it is looked at once more, to be expired.
        (now + pause + i64::try_from(jitter).unwrap_or(0)).min(expires_at)
    }
}

impl Batch<'_> {
    /// Notes how far a mail has come, and returns once that is committed: whether the mail is still ours. None where it could
    /// not be noted; the batch then ends with the reason.
    async fn note(&self, id: &str, step: Step) -> Option<bool> {
        let (answer, answered) = oneshot::channel();
        self.notes.send(Note { id: id.to_owned(), step, answer }).await.ok()?;
        answered.await.ok()
    }

    /// Tries one mail and notes what became of it; true when it is settled.
    async fn work_on(&self, mail: LeasedEmail) -> Result<bool, StoreError> {
        let store = &self.worker.store;
        if self.worker.stop.is_cancelled() {
            store.retry_email(&mail.id, &self.token, "put_back", mail.created_at).await?;
            return Ok(false);
        }
        let outcome = self.outcome(&mail).await?;
        let now = self.worker.clock.now();
        match outcome {
            Outcome::Settled(state, error) => {
                let (id, name) = (&mail.id, state.as_str());
                match &error {
                    None => tracing::info!(id, kind = mail.kind, "a mail was sent"),
                    Some(reason) => tracing::warn!(id, kind = mail.kind, state = name, reason, "a mail was not sent"),
                }
                metrics::counter!("mainstay_emails_settled", "state" => name).increment(1);
                if state == EmailState::Sent {
                    return Ok(self.note(id, Step::Sent).await.unwrap_or(false));
                }
                store.settle_email(id, &self.token, state, error.as_deref(), now).await
            }
            Outcome::Later(error) => {
                let due_at = self.worker.again_at(mail.attempts, now, mail.expires_at);
                tracing::info!(id = mail.id, reason = error, due_at, "a mail could not be sent; trying again later");
                store.retry_email(&mail.id, &self.token, &error, due_at).await?;
                Ok(false)
            }
            Outcome::Unnoted => Ok(false),
            Outcome::Lost => {
                tracing::warn!(id = mail.id, "a mail had passed to another worker and was left to it");
                Ok(false)
            }
        }
    }

    async fn outcome(&self, mail: &LeasedEmail) -> Result<Outcome, StoreError> {
        let Some(kind) = EmailKind::parse(&mail.kind) else { return Ok(Outcome::failed("unknown_kind")) };
        if kind.at_most_once() && mail.data_at.is_some() {
            return Ok(Outcome::failed("may_have_arrived"));
        }
        if self.worker.clock.now() >= mail.expires_at {
            return Ok(Outcome::Settled(EmailState::Expired, Some("too_late".to_owned())));
        }
        if self.worker.store.is_suppressed(&mail.recipient_index).await? {
            return Ok(Outcome::Settled(EmailState::Suppressed, Some("suppressed".to_owned())));
        }
        if self.down.load(Ordering::Relaxed) {
            return Ok(Outcome::Later("server_down".to_owned()));
        }
        match self.message(mail, kind) {
            Ok(message) => self.send(mail, kind, &message).await,
            Err(outcome) => Ok(outcome),
        }
    }

    /// The message of a mail; what is wrong with it is wrong for good, but for a newsroom's template, which can be mended.
    fn message(&self, mail: &LeasedEmail, kind: EmailKind) -> Result<Message, Outcome> {
        let failed = Outcome::failed;
        let open = |column, sealed: &[u8]| {
            let place = Place { table: "outbox_emails", column, id: &mail.id };
            self.worker.opener.open(place, sealed).map_err(|_| failed("cannot_be_opened"))
        };
        let recipient = open("recipient_sealed", &mail.recipient_sealed)?;
        let recipient = std::str::from_utf8(&recipient).ok().and_then(Address::parse).ok_or(failed("bad_address"))?;
        let facts = open("facts_sealed", &mail.facts_sealed)?;
        let facts: Json = serde_json::from_slice(&facts).map_err(|_| failed("bad_facts"))?;
        let language = Language::parse(&mail.language).ok_or(failed("unknown_language"))?;
        let id = EmailId::parse(&mail.id).map_err(|_| failed("bad_id"))?;
        let written = self.post.write(&id, mail.created_at, &recipient, kind, language, &facts);
        written.map_err(|error| {
            tracing::error!(id = mail.id, %error, "a mail cannot be written");
            match error {
                WriteError::Render(RenderError::Fact(_)) => failed("bad_facts"),
                WriteError::Render(_) => Outcome::Later("template".to_owned()),
                WriteError::Message(_) => failed("cannot_be_written"),
            }
        })
    }

    async fn send(&self, mail: &LeasedEmail, kind: EmailKind, message: &Message) -> Result<Outcome, StoreError> {
        let opened = match self.post.mailer.open(message).await {
            Ok(opened) => opened,
            Err(error) => return self.refused(mail, kind, error).await,
        };
        crate::crash::passing("mail before text");
        // Committed before the first byte of the text, and refused if somebody else holds the mail by now.
        match self.note(&mail.id, Step::Begun).await {
            Some(true) => {}
            Some(false) => return Ok(Outcome::Lost),
            None => return Ok(Outcome::Unnoted),
        }
        crate::crash::passing("mail text begun");
        match opened.hand_over().await {
            Ok(()) => {
                crate::crash::passing("mail handed over");
                Ok(Outcome::Settled(EmailState::Sent, None))
            }
            Err(error) => self.refused(mail, kind, error).await,
        }
    }

    async fn refused(&self, mail: &LeasedEmail, kind: EmailKind, error: SendError) -> Result<Outcome, StoreError> {
        Ok(match error {
            SendError::NotReached(_) => {
                self.down.store(true, Ordering::Relaxed);
                Outcome::Later(error.code())
            }
            SendError::DeferredText(_) | SendError::MayHaveArrived if kind.at_most_once() => {
                Outcome::failed(&error.code())
            }
            SendError::Deferred(_) | SendError::DeferredText(_) | SendError::MayHaveArrived => {
                Outcome::Later(error.code())
            }
            SendError::Refused(_) => Outcome::failed(&error.code()),
            SendError::Bounced(_) => {
                self.worker.store.suppress(&mail.recipient_index, "bounced", self.worker.clock.now()).await?;
                Outcome::failed(&error.code())
            }
        })
    }
}
