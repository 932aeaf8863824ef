//! One-time codes of an authenticator (RFC 6238: SHA-1, six digits, 30 seconds), and recovery codes for a lost one.

use totp_rs::{Algorithm, Builder, Secret, Totp};
use zeroize::Zeroizing;

use super::{AdminError, Office};
use crate::vault::Place;

/// Seconds of one code. A code of the step before or after is taken too: clocks differ, and people type slowly.
const STEP: u64 = 30;
const SKEW: u16 = 1;
/// Bytes of a secret (source: RFC 4226, 4, R6).
const SECRET: usize = 20;
/// How many recovery codes somebody gets.
pub const RECOVERY_CODES: usize = 10;
/// Their hex digits: 64 bits, which nobody guesses through a sign-in that slows down.
const RECOVERY_DIGITS: usize = 16;

/// A secret being shown to whoever sets it up.
pub struct NewTotp {
    /// Sealed, as it is stored.
    pub sealed: Vec<u8>,
    /// In base 32, to be typed.
    pub secret: String,
    /// `otpauth://totp/…`
    pub url: String,
}

fn totp(secret: &[u8], account: &str) -> Option<Totp> {
    // What parts issuer and account in the address of a code.
    let account = account.replace(':', "");
    let built = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_skew(SKEW).with_step_duration(STEP);
    built.with_secret(secret.to_vec()).with_account_name(account).with_issuer(Some("Mainstay")).build().ok()
}

impl Office {
    fn totp_place(id: &str) -> Place<'_> {
        Place { table: "admins", column: "totp_sealed", id }
    }

    /// A fresh secret for somebody.
    pub fn new_totp(&self, id: &str, email: &str) -> Result<NewTotp, AdminError> {
        let secret = Zeroizing::new(self.random.bytes::<SECRET>());
        let sealed = self.key.seal(Self::totp_place(id), secret.as_slice(), &self.random)?;
        self.show_totp(id, email, sealed)
    }

    /// A secret that is being set up.
    pub fn show_totp(&self, id: &str, email: &str, sealed: Vec<u8>) -> Result<NewTotp, AdminError> {
        let secret = self.key.open(Self::totp_place(id), &sealed)?;
        let totp = totp(&secret, email).ok_or(AdminError::Unreadable("secret of one-time codes"))?;
        let url = totp.to_url().map_err(|_| AdminError::Unreadable("secret of one-time codes"))?;
        Ok(NewTotp { sealed, secret: Secret::from(secret.to_vec()).to_base32(), url })
    }

    /// The step a code is of, if it is one of now.
    pub fn totp_step(&self, id: &str, sealed: &[u8], code: &str) -> Result<Option<i64>, AdminError> {
        let secret = self.key.open(Self::totp_place(id), sealed)?;
        let totp = totp(&secret, "").ok_or(AdminError::Unreadable("secret of one-time codes"))?;
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).take(7).collect();
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(None);
        }
        let now = u64::try_from(self.clock.now()).unwrap_or(0);
        Ok(totp.check(&digits, now).and_then(|step| i64::try_from(step).ok()))
    }

    /// The code of now, for whoever holds the secret: tests and the demo.
    pub fn totp_code(secret_base32: &str, now: i64) -> Option<String> {
        let secret = Secret::try_from_base32(secret_base32).ok()?;
        let built = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(STEP);
        let totp = built.with_secret(secret).build().ok()?;
        Some(totp.generate(u64::try_from(now).ok()?).to_string())
    }

    /// Fresh recovery codes, as they are typed: `0123-4567-89ab-cdef`.
    pub fn new_recovery_codes(&self) -> Vec<String> {
        let code = |_| {
            let digits = self.random.hex();
            let parts: Vec<&str> =
                (0..RECOVERY_DIGITS / 4).filter_map(|part| digits.get(part * 4..part * 4 + 4)).collect();
            parts.join("-")
        };
        (0..RECOVERY_CODES).map(code).collect()
    }

    /// What a recovery code is stored as; none for what is not one.
    pub fn recovery_hash(&self, id: &str, code: &str) -> Option<String> {
        let digits: String = code.chars().filter(char::is_ascii_hexdigit).take(RECOVERY_DIGITS + 1).collect();
        let digits = digits.to_ascii_lowercase();
        let whole = digits.len() == RECOVERY_DIGITS;
        whole.then(|| self.key.hash("mainstay admin recovery code v1", &format!("{id} {digits}")))
    }
}
