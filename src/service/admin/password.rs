//! Passwords: argon2id, a few at a time.
//!
//! Each check takes 19 MiB and some hundredths of a second of one core. So at most [`AT_ONCE`] run, at most [`WAITING`] wait,
//! and whoever comes beyond is told to come again: signing in cannot exhaust the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::AdminError;
use crate::id::Random;

/// KiB of memory, passes and lanes (source: OWASP Password Storage Cheat Sheet, argon2id: m=19456, t=2, p=1).
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Checked at the same time.
const AT_ONCE: usize = 2;
/// Waiting to be checked: about two seconds of work.
const WAITING: usize = 32;

/// Checks and hashes passwords.
#[derive(Clone)]
pub struct Passwords {
    at_once: Arc<Semaphore>,
    inside: Arc<AtomicUsize>,
    random: Random,
    /// Of no password: checked where there is none, so that it takes as long.
    dummy: Arc<str>,
}

/// One of those inside.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    Wrong,
    Right,
    /// Right, and this hash under today's parameters is to take the place of the old one.
    Rehashed(String),
}

impl Passwords {
    pub fn new(random: Random) -> Self {
        // Under the parameters of every other hash, with an output nothing is known to give.
        let dummy = format!("$argon2id$v=19$m={MEMORY},t={PASSES},p={LANES}$bm90aGluZyBrbm93bg${}", "A".repeat(43));
        Self { at_once: Arc::new(Semaphore::new(AT_ONCE)), inside: Arc::default(), random, dummy: dummy.into() }
    }

    /// Hashes a new password.
    pub async fn hash(&self, password: &str) -> Result<String, AdminError> {
        let salt = self.random.bytes::<16>();
        let password = Zeroizing::new(password.to_owned());
        self.work(move || hash(&password, &salt)).await?.ok_or(AdminError::Hashing)
    }

    /// Checks a password against a stored hash, or against nothing for the same time.
    pub async fn check(&self, password: &str, stored: Option<&str>) -> Result<Checked, AdminError> {
        let (known, stored) = (stored.is_some(), stored.unwrap_or(&self.dummy).to_owned());
        let salt = self.random.bytes::<16>();
        let password = Zeroizing::new(password.to_owned());
        self.work(move || {
            let Ok(argon2) = argon2() else { return Checked::Wrong };
            // The parameters are those of the stored hash.
            let right = argon2.verify_password(password.as_bytes(), stored.as_str()).is_ok();
            match (known && right, current(&stored)) {
                (false, _) => Checked::Wrong,
                (true, true) => Checked::Right,
                (true, false) => hash(&password, &salt).map_or(Checked::Right, Checked::Rehashed),
            }
        })
        .await
    }

    /// Runs it where it blocks nobody, in its turn.
    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, AdminError> {
        let place = Place(Arc::clone(&self.inside));
        if self.inside.fetch_add(1, Ordering::SeqCst) >= AT_ONCE + WAITING {
            return Err(AdminError::Busy);
        }
        let turn = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| AdminError::Busy)?;
        // The turn goes along: whoever hangs up does not make room for more than the machine can do.
        let done = tokio::task::spawn_blocking(move || (work(), turn, place));
        done.await.map(|(done, ..)| done).map_err(|_| AdminError::Hashing)
    }
}

fn argon2() -> argon2::Result<Argon2<'static>> {
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(MEMORY, PASSES, LANES, None)?))
}

fn hash(password: &str, salt: &[u8]) -> Option<String> {
    Some(argon2().ok()?.hash_password_with_salt(password.as_bytes(), salt).ok()?.to_string())
}

/// Whether a hash was made as hashes are made today.
fn current(stored: &str) -> bool {
    let Ok(hash) = PasswordHash::new(stored) else { return false };
    let Ok(params) = Params::try_from(&hash) else { return false };
    let ours = (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY, PASSES, LANES);
    ours && hash.algorithm == Algorithm::Argon2id.ident() && hash.version == Some(Version::V0x13.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_right_or_wrong_and_an_unknown_person_has_none() {
        let passwords = Passwords::new(Random::seeded(1));
        let stored = passwords.hash("correct horse battery").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_eq!(passwords.check("correct horse battery", Some(&stored)).await.unwrap(), Checked::Right);
        assert_eq!(passwords.check("correct horse batterx", Some(&stored)).await.unwrap(), Checked::Wrong);
        assert_eq!(passwords.check("", None).await.unwrap(), Checked::Wrong);
        assert_ne!(stored, passwords.hash("correct horse battery").await.unwrap(), "salted");
        assert!(PasswordHash::new(&passwords.dummy).is_ok(), "the dummy is really checked");
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_is_made_anew_when_the_password_is_known() {
        let passwords = Passwords::new(Random::seeded(1));
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8 * 1024, 1, 1, None).unwrap());
        let stored = weak.hash_password_with_salt(b"correct horse battery", &[7; 16]).unwrap().to_string();
        let Checked::Rehashed(new) = passwords.check("correct horse battery", Some(&stored)).await.unwrap() else {
            panic!("it is to be made anew")
        };
        assert!(current(&new) && !current(&stored));
        assert_eq!(passwords.check("correct horse battery", Some(&new)).await.unwrap(), Checked::Right);
        assert_eq!(passwords.check("wrong horse battery", Some(&stored)).await.unwrap(), Checked::Wrong);
    }

    #[tokio::test]
    async fn more_than_may_wait_are_sent_away_and_then_there_is_room_again() {
        let passwords = Passwords::new(Random::seeded(1));
        let checks = (0..AT_ONCE + WAITING + 10).map(|_| {
            let passwords = passwords.clone();
            tokio::spawn(async move { passwords.check("x", None).await })
        });
        let (mut busy, mut done) = (0, 0);
        for check in checks.collect::<Vec<_>>() {
            match check.await.unwrap() {
                Err(AdminError::Busy) => busy += 1,
                checked => done += usize::from(checked.is_ok()),
            }
        }
        assert_eq!((busy, done), (10, AT_ONCE + WAITING));
        assert_eq!(passwords.inside.load(Ordering::SeqCst), 0);
        assert!(passwords.check("x", None).await.is_ok());
    }
}
