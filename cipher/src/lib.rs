//! The ciphers of the vault: XChaCha20-Poly1305 for values, ChaCha20-Poly1305 for the keys they are sealed under.
//!
//! They are generic code, which is compiled in the package that names them. In Mainstay itself a debug build would leave
//! them unoptimised; here every build optimises them (see the profiles in `Cargo.toml`).
//!
//! It must not decide where a value may be opened, nor where keys and nonces come from: the vault does.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, XChaCha20Poly1305};

/// Bytes of a key.
pub const KEY: usize = 32;
/// Bytes of a nonce: so many that random ones never meet.
pub const NONCE: usize = 24;

/// Another key, another place, or damage; there is no telling which. Or what was to be sealed is longer than 256 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// Seals and opens values under one key.
#[derive(Clone)]
pub struct Cipher(XChaCha20Poly1305);

impl Cipher {
    #[must_use]
    pub fn new(key: &[u8; KEY]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// `plain` encrypted, and its tag (16 bytes), which holds for `place` too. No nonce may be used twice.
    ///
    /// # Errors
    /// When `plain` is too long.
    pub fn seal(&self, nonce: &[u8; NONCE], place: &[u8], plain: &[u8]) -> Result<Vec<u8>, Refused> {
        self.0.encrypt(nonce.into(), Payload { msg: plain, aad: place }).map_err(|_| Refused)
    }

    /// What was sealed with this nonce for this place.
    ///
    /// # Errors
    /// When it was not, or not under this key.
    pub fn open(&self, nonce: &[u8; NONCE], place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Refused> {
        self.0.decrypt(nonce.into(), Payload { msg: sealed, aad: place }).map_err(|_| Refused)
    }
}

/// A key encrypted under another, and its tag (16 bytes). `wrapping` may be used once only: the nonce is always the same.
///
/// # Errors
/// Never in practice: keys are short.
pub fn wrap_key(wrapping: &[u8; KEY], key: &[u8; KEY]) -> Result<Vec<u8>, Refused> {
    ChaCha20Poly1305::new(wrapping.into()).encrypt(&[0; 12].into(), key.as_slice()).map_err(|_| Refused)
}

/// The key that was wrapped.
///
/// # Errors
/// When it was not, or not under this key.
pub fn unwrap_key(wrapping: &[u8; KEY], wrapped: &[u8]) -> Result<Vec<u8>, Refused> {
    ChaCha20Poly1305::new(wrapping.into()).decrypt(&[0; 12].into(), wrapped).map_err(|_| Refused)
}
