//! The key of the admin side: seals what the newsroom's own people sign in by.
//!
//! One symmetric key, since whoever seals these also opens them, and none of the vault's: a process that only serves the
//! web has this one and opens no donor with it. Each use has a key of its own, derived under a name (HKDF-SHA256).

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use mainstay_cipher::{Cipher, NONCE};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Place, VaultError, key_bytes};
use crate::id::{Random, hex};

/// The first byte of what this key sealed: the form of what follows it, nonce and ciphertext.
const SEALED_V1: u8 = 0xa1;

/// Derives keys; is never used itself.
#[derive(Clone)]
pub struct AdminKey(Zeroizing<[u8; 32]>);

impl AdminKey {
    pub const PREFIX: &'static str = "admin_key_";

    /// Reads the key as `mainstay init` writes it.
    pub fn parse(text: &SecretString) -> Result<Self, VaultError> {
        Ok(Self(Zeroizing::new(key_bytes(text.expose_secret(), Self::PREFIX)?)))
    }

    /// A fresh one, as `mainstay init` writes it.
    pub fn generate(random: &Random) -> SecretString {
        format!("{}{}", Self::PREFIX, hex(&random.bytes::<32>())).into()
    }

    /// The key of one use.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut derived = Zeroizing::new([0; 32]);
        // 32 bytes are always to be had from one SHA-256 HKDF.
        let _ = Hkdf::<Sha256>::new(None, self.0.as_slice()).expand(purpose.as_bytes(), derived.as_mut_slice());
        derived
    }

    /// Keyed hash of `text`, in hex; that of one purpose says nothing about another's.
    pub fn hash(&self, purpose: &str, text: &str) -> String {
        let key = self.derive(purpose);
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_slice()) else { return String::new() };
        mac.update(text.as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    fn cipher(&self) -> Cipher {
        Cipher::new(&self.derive("mainstay admin seal v1"))
    }

    /// Seals `plain` for `place`.
    pub fn seal(&self, place: Place<'_>, plain: &[u8], random: &Random) -> Result<Vec<u8>, VaultError> {
        let nonce = random.bytes::<NONCE>();
        let sealed = self.cipher().seal(&nonce, &place.bytes(), plain)?;
        Ok([[SEALED_V1].as_slice(), &nonce, &sealed].concat())
    }

    /// Opens what was sealed for `place`.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (head, body) = sealed.split_at_checked(1 + NONCE).ok_or(VaultError::Damaged)?;
        let nonce: [u8; NONCE] = head[1..].try_into().map_err(|_| VaultError::Damaged)?;
        if head[0] != SEALED_V1 {
            return Err(VaultError::Damaged);
        }
        Ok(Zeroizing::new(self.cipher().open(&nonce, &place.bytes(), body)?))
    }
}

impl std::fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_what_it_sealed_in_its_place_only_and_each_use_has_its_own_key() {
        let random = Random::seeded(5);
        let key = AdminKey::parse(&AdminKey::generate(&random)).unwrap();
        let place = Place { table: "admins", column: "totp_sealed", id: "adm_1" };
        let sealed = key.seal(place, b"a secret", &random).unwrap();
        assert_eq!(key.open(place, &sealed).unwrap().as_slice(), b"a secret");
        assert!(key.open(Place { id: "adm_2", ..place }, &sealed).is_err());
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(key.open(place, &damaged).is_err() && key.open(place, &sealed[..at]).is_err(), "byte {at}");
        }
        let other = AdminKey::parse(&AdminKey::generate(&random)).unwrap();
        assert!(other.open(place, &sealed).is_err());
        assert_ne!(key.derive("one"), key.derive("two"));
        assert_ne!(key.hash("one", "x"), key.hash("two", "x"));
        assert!(!format!("{key:?}").contains("admin_key_"));
        assert!(AdminKey::parse(&"vault_index_00".to_owned().into()).is_err());
    }
}
