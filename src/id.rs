//! Our own ids, and the randomness behind them and every key and token.
//!
//! An id is a prefix that says what it names and 128 random bits in lower-case hex, so it is ASCII, cannot be
//! guessed, and says nothing about when or in what order things were made. Ids are newtypes: a donor's id does not
//! fit where a pledge's is wanted.

use std::fmt;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

/// Where random bytes come from: the operating system, or a seed that repeats.
#[derive(Clone)]
pub struct Random(Source);

#[derive(Clone)]
enum Source {
    System,
    Seeded(Arc<Mutex<Seeded>>),
}

struct Seeded {
    seed: u64,
    drawn: u64,
}

impl Random {
    /// The operating system's generator.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A stream that is the same for the same seed. For tests, the demo and the sandbox; never for keys that protect
    /// anything.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(Seeded { seed, drawn: 0 }))))
    }

    /// Fills `bytes`.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing safe can be done without it.
    #[expect(clippy::disallowed_methods, clippy::expect_used, reason = "the one place that asks the operating system")]
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            Source::System => getrandom::fill(bytes).expect("the operating system gives random bytes"),
            Source::Seeded(state) => {
                let mut state = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                for chunk in bytes.chunks_mut(32) {
                    let block = Sha256::new()
                        .chain_update(state.seed.to_be_bytes())
                        .chain_update(state.drawn.to_be_bytes())
                        .finalize();
                    state.drawn += 1;
                    chunk.copy_from_slice(&block[..chunk.len()]);
                }
            }
        }
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A number below `bound` (which is at least 1); the bias is below `bound / 2^64`.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        u64::from_be_bytes(self.bytes()) % bound.max(1)
    }

    /// 128 random bits as 32 lower-case hex digits.
    #[must_use]
    pub fn hex(&self) -> String {
        hex(&self.bytes::<16>())
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System => "Random::system",
            Source::Seeded(_) => "Random::seeded",
        })
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What is wrong with a text that should have been an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected {prefix}_ and 32 lower-case hex digits")]
pub struct BadId {
    prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// What every id of this kind begins with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh one.
            #[must_use]
            pub fn new(random: &Random) -> Self {
                Self(format!("{}_{}", Self::PREFIX, random.hex()))
            }

            /// Always the same one for the same text.
            #[must_use]
            pub fn derived(text: &str) -> Self {
                let digest = Sha256::digest(text.as_bytes());
                Self(format!("{}_{}", Self::PREFIX, hex(digest.get(..16).unwrap_or_default())))
            }

            /// Reads an id somebody sent us.
            ///
            /// # Errors
            /// When the text is not of this kind's form.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                let hex = text.strip_prefix(Self::PREFIX).and_then(|rest| rest.strip_prefix('_'));
                match hex {
                    Some(hex) if hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) => {
                        Ok(Self(text.to_owned()))
                    }
                    _ => Err(BadId { prefix: Self::PREFIX }),
                }
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )*};
}

ids! {
    /// What a donor chose to give.
    PledgeId = "plg";
    /// Somebody who gave, known only as far as needed.
    DonorId = "dnr";
    /// One attempt to move money.
    PaymentId = "pmt";
    /// One mail.
    EmailId = "eml";
    /// One reminder.
    ReminderId = "rmd";
    /// One signup to the newsletter.
    SignupId = "nls";
    /// Something done at Stripe because a person of the newsroom asked for it.
    ActionId = "act";
    /// A link by which a donor comes to what they give, and then the session of the browser that opened it.
    ManageId = "mng";
    /// One of the newsroom's people who may sign in.
    AdminId = "adm";
    /// Somebody being signed in.
    SessionId = "ses";
    /// A token of a program.
    TokenId = "tok";
    /// An entry of the audit log.
    AuditId = "aud";
    /// One HTTP request, named in logs and errors.
    RequestId = "req";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_other_text_does_not() {
        let id = PledgeId::new(&Random::seeded(1));
        assert_eq!(PledgeId::parse(id.as_str()), Ok(id.clone()));
        let digits = id.as_str().trim_start_matches("plg_");
        for wrong in [
            "",
            "plg",
            "plg_",
            "plg_00",
            &format!("dnr_{digits}"),
            &format!("plg_{digits}0"),
            &format!("plg_G{}", &digits[1..]),
        ] {
            assert!(PledgeId::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_bytes_and_never_the_same_twice() {
        let (one, two) = (Random::seeded(7), Random::seeded(7));
        let first = one.bytes::<40>();
        assert_eq!(first, two.bytes::<40>());
        assert_ne!(first, one.bytes::<40>());
    }
}
