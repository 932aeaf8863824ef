//! Sealing what could identify a donor.
//!
//! Writers hold only the public key: they make one fresh data key per batch, seal it to the public key (X25519, HKDF,
//! ChaCha20-Poly1305), and seal rows under it by AEAD bound to table, column and row id. Only a process with the private
//! key opens them. Look-ups by address use a keyed hash (the blind index). Nothing here logs or prints a key or a
//! plaintext; every ciphertext names the key it needs.
//!
//! A sealed value is: version (1 byte) · key id (8) · sealed data key (80) · nonce (24) · ciphertext with tag.

mod admin_key;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac};
use mainstay_cipher::{Cipher, KEY, NONCE, Refused, unwrap_key, wrap_key};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use crate::id::{Random, hex};
pub use admin_key::AdminKey;

const VERSION: u8 = 1;
const KEY_ID: usize = 8;
/// Ephemeral public key (32), data key (32) and its tag (16).
const SEALED_KEY: usize = 80;
const HEADER: usize = 1 + KEY_ID + SEALED_KEY + NONCE;
/// How many opened data keys are remembered: a worker's batch holds rows of a few ingest batches.
const REMEMBERED_KEYS: usize = 256;

/// Why something could not be sealed, opened or read as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error("expected {prefix} and 64 hex digits, as `mainstay init` writes it")]
    BadKey {
        /// What the key begins with.
        prefix: &'static str,
    },
    #[error("sealed under a key that is not configured")]
    UnknownKey,
    #[error("damaged, or moved from another row")]
    Damaged,
}

impl From<Refused> for VaultError {
    fn from(_: Refused) -> Self {
        Self::Damaged
    }
}

/// Where a sealed value lives; it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub table: &'a str,
    pub column: &'a str,
    pub id: &'a str,
}

impl Place<'_> {
    fn bytes(&self) -> Vec<u8> {
        [self.table, self.column, self.id].join("\0").into_bytes()
    }
}

/// The public half: seals, cannot open.
#[derive(Clone)]
pub struct Sealer {
    key: PublicKey,
    id: [u8; KEY_ID],
    random: Random,
}

impl Sealer {
    pub const PREFIX: &'static str = "vault_public_";

    /// Reads the public key as `mainstay init` writes it.
    pub fn parse(text: &str, random: Random) -> Result<Self, VaultError> {
        let key = PublicKey::from(key_bytes(text, Self::PREFIX)?);
        Ok(Self { id: key_id(&key), key, random })
    }

    /// A fresh data key for one batch of rows.
    pub fn data_key(&self) -> Result<DataKey, VaultError> {
        let ephemeral = StaticSecret::from(self.random.bytes::<32>());
        let data_key = Zeroizing::new(self.random.bytes::<KEY>());
        let ephemeral_public = PublicKey::from(&ephemeral);
        // Used once, as it must be: it follows from a key pair made for this data key alone.
        let wrapping = wrapping_key(&ephemeral.diffie_hellman(&self.key), &ephemeral_public, &self.key)?;
        let sealed = wrap_key(&wrapping, &data_key)?;
        let mut header = Vec::with_capacity(HEADER - NONCE);
        header.push(VERSION);
        header.extend(self.id);
        header.extend(ephemeral_public.as_bytes());
        header.extend(sealed);
        Ok(DataKey { header, cipher: Cipher::new(&data_key), random: self.random.clone() })
    }

    /// Seals one value under a data key of its own.
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.data_key()?.seal(place, plain)
    }

    /// The key's name in ciphertexts, for settings and `doctor`.
    pub fn key_id(&self) -> String {
        hex(&self.id)
    }
}

/// A data key and how it is written before each value sealed under it.
pub struct DataKey {
    header: Vec<u8>,
    cipher: Cipher,
    random: Random,
}

impl DataKey {
    /// Seals `plain` for `place`.
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let nonce = self.random.bytes::<NONCE>();
        let sealed = self.cipher.seal(&nonce, &place.bytes(), plain)?;
        Ok([self.header.as_slice(), &nonce, &sealed].concat())
    }
}

/// The private half: opens.
pub struct Opener {
    keys: HashMap<[u8; KEY_ID], StaticSecret>,
    opened: Mutex<HashMap<[u8; SEALED_KEY], Cipher>>,
}

impl Opener {
    pub const PREFIX: &'static str = "vault_private_";

    /// Reads the private key as `mainstay init` writes it; after a rotation several, parted by commas.
    pub fn parse(text: &SecretString) -> Result<Self, VaultError> {
        let mut keys = HashMap::new();
        for part in text.expose_secret().split(',') {
            let mut bytes = key_bytes(part.trim(), Self::PREFIX)?;
            let secret = StaticSecret::from(bytes);
            bytes.zeroize();
            keys.insert(key_id(&PublicKey::from(&secret)), secret);
        }
        Ok(Self { keys, opened: Mutex::default() })
    }

    /// Whether it opens what `sealer` seals.
    pub fn opens(&self, sealer: &Sealer) -> bool {
        self.keys.contains_key(&sealer.id)
    }

    /// Opens a value sealed for `place`.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (header, body) = sealed.split_at_checked(HEADER).ok_or(VaultError::Damaged)?;
        if header[0] != VERSION {
            return Err(VaultError::Damaged);
        }
        let key_id: [u8; KEY_ID] = header[1..=KEY_ID].try_into().map_err(|_| VaultError::Damaged)?;
        let sealed_key: [u8; SEALED_KEY] =
            header[1 + KEY_ID..HEADER - NONCE].try_into().map_err(|_| VaultError::Damaged)?;
        let nonce: [u8; NONCE] = header[HEADER - NONCE..].try_into().map_err(|_| VaultError::Damaged)?;
        Ok(Zeroizing::new(self.data_cipher(key_id, sealed_key)?.open(&nonce, &place.bytes(), body)?))
    }

    fn data_cipher(&self, key_id: [u8; KEY_ID], sealed_key: [u8; SEALED_KEY]) -> Result<Cipher, VaultError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cipher) = opened.get(&sealed_key) {
            return Ok(cipher.clone());
        }
        let secret = self.keys.get(&key_id).ok_or(VaultError::UnknownKey)?;
        let (ephemeral, wrapped) = sealed_key.split_at(32);
        let ephemeral: [u8; 32] = ephemeral.try_into().map_err(|_| VaultError::Damaged)?;
        let ephemeral = PublicKey::from(ephemeral);
        let wrapping = wrapping_key(&secret.diffie_hellman(&ephemeral), &ephemeral, &PublicKey::from(secret))?;
        let key = Zeroizing::new(unwrap_key(&wrapping, wrapped)?);
        let cipher = Cipher::new(key.as_slice().try_into().map_err(|_| VaultError::Damaged)?);
        if opened.len() >= REMEMBERED_KEYS {
            opened.clear();
        }
        opened.insert(sealed_key, cipher.clone());
        Ok(cipher)
    }
}

/// The key of the blind index.
pub struct IndexKey(Zeroizing<[u8; 32]>);

impl IndexKey {
    pub const PREFIX: &'static str = "vault_index_";

    /// Reads the key as `mainstay init` writes it.
    pub fn parse(text: &SecretString) -> Result<Self, VaultError> {
        Ok(Self(Zeroizing::new(key_bytes(text.expose_secret(), Self::PREFIX)?)))
    }

    /// What an address is found by: the same for every spelling of one address, and meaningless without the key.
    /// `purpose` keeps indexes of different lists from being joined.
    pub fn of(&self, purpose: &str, address: &str) -> String {
        let key = Hkdf::<Sha256>::new(None, self.0.as_slice());
        let mut derived = Zeroizing::new([0; 32]);
        // 32 bytes are always to be had from one SHA-256 HKDF.
        let _ = key.expand(purpose.as_bytes(), derived.as_mut_slice());
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(derived.as_slice()) else { return String::new() };
        mac.update(address.trim().to_lowercase().as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    /// The token of the link that stops a pledge: 128 bits, always the same for one pledge, so that every mail about it holds
    /// the same link and only its hash need be stored.
    pub fn stop_token(&self, pledge_id: &str) -> String {
        let mut token = self.of("stop", pledge_id);
        token.truncate(32);
        token
    }
}

/// A fresh set of keys as `mainstay init` writes them.
pub struct NewKeys {
    pub public: String,
    pub private: SecretString,
    pub index: SecretString,
}

impl NewKeys {
    pub fn generate(random: &Random) -> Self {
        let secret = StaticSecret::from(random.bytes::<32>());
        let public = PublicKey::from(&secret);
        Self {
            public: format!("{}{}", Sealer::PREFIX, hex(public.as_bytes())),
            private: format!("{}{}", Opener::PREFIX, hex(secret.as_bytes())).into(),
            index: format!("{}{}", IndexKey::PREFIX, hex(&random.bytes::<32>())).into(),
        }
    }
}

macro_rules! never_printed {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )+};
}
never_printed!(Sealer, Opener, IndexKey, DataKey, NewKeys);

fn wrapping_key(
    shared: &x25519_dalek::SharedSecret,
    ephemeral: &PublicKey,
    recipient: &PublicKey,
) -> Result<Zeroizing<[u8; KEY]>, VaultError> {
    let salt = [ephemeral.as_bytes().as_slice(), recipient.as_bytes()].concat();
    let mut key = Zeroizing::new([0; KEY]);
    Hkdf::<Sha256>::new(Some(&salt), shared.as_bytes())
        .expand(b"mainstay data key v1", key.as_mut_slice())
        .map_err(|_| VaultError::Damaged)?;
    Ok(key)
}

fn key_id(key: &PublicKey) -> [u8; KEY_ID] {
    let digest = Sha256::digest(key.as_bytes());
    let mut id = [0; KEY_ID];
    id.copy_from_slice(&digest[..KEY_ID]);
    id
}

fn key_bytes(text: &str, prefix: &'static str) -> Result<[u8; 32], VaultError> {
    let wrong = VaultError::BadKey { prefix };
    let digits = text.strip_prefix(prefix).filter(|digits| digits.len() == 64 && digits.is_ascii()).ok_or(wrong)?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(0..) {
        *byte = u8::from_str_radix(&digits[pair * 2..pair * 2 + 2], 16).map_err(|_| wrong)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place { table: "stripe_events", column: "body", id: "evt_1" };

    fn vault(seed: u64) -> (Sealer, Opener, IndexKey) {
        let random = Random::seeded(seed);
        let keys = NewKeys::generate(&random);
        (
            Sealer::parse(&keys.public, random).unwrap(),
            Opener::parse(&keys.private).unwrap(),
            IndexKey::parse(&keys.index).unwrap(),
        )
    }

    #[test]
    fn what_is_sealed_opens_in_its_own_place_and_nowhere_else() {
        let (public, opener, _) = vault(1);
        let sealed = public.seal(PLACE, b"reader@example.org").unwrap();
        assert_eq!(opener.open(PLACE, &sealed).unwrap().as_slice(), b"reader@example.org");
        assert_eq!(opener.open(Place { id: "evt_2", ..PLACE }, &sealed), Err(VaultError::Damaged));
        assert_eq!(opener.open(Place { column: "error", ..PLACE }, &sealed), Err(VaultError::Damaged));
        assert_eq!(vault(2).1.open(PLACE, &sealed), Err(VaultError::UnknownKey));
    }

    /// Written by libsodium, as the head of this file describes it, with keys and nonce counted up from 0.
    #[test]
    fn a_value_that_another_implementation_sealed_opens() {
        const SEALED: &str = "01eedd883da0a94515358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd1662543\
            69b2009348ab007128dd721a57fbb9423cabad24d9c5f8a176bd0c164eb4fe67c69cd678444b65747472166ab5c5e736061626364\
            65666768696a6b6c6d6e6f7071727374757677e71b92011660a34e85d25a0a36a7f3848e405e383000ecafc1c4fc22fb30a9d7cd4c";
        let byte = |at| u8::from_str_radix(&SEALED[at..at + 2], 16).unwrap();
        let sealed: Vec<u8> = (0..SEALED.len()).step_by(2).map(byte).collect();
        let key = hex(&(0..32).collect::<Vec<u8>>());
        let opener = Opener::parse(&format!("{}{key}", Opener::PREFIX).into()).unwrap();
        assert_eq!(opener.open(PLACE, &sealed).unwrap().as_slice(), b"reader@example.org");
    }

    #[test]
    fn no_damaged_byte_and_no_shorter_value_opens() {
        let (public, opener, _) = vault(1);
        let sealed = public.seal(PLACE, b"x").unwrap();
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(opener.open(PLACE, &damaged).is_err(), "byte {at}");
            assert!(opener.open(PLACE, &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn one_data_key_serves_a_batch_and_equal_values_look_different() {
        let (sealer, opener, _) = vault(1);
        let key = sealer.data_key().unwrap();
        let (one, two) = (key.seal(PLACE, b"same").unwrap(), key.seal(PLACE, b"same").unwrap());
        assert_ne!(one, two);
        assert_eq!(opener.open(PLACE, &one).unwrap(), opener.open(PLACE, &two).unwrap());
    }

    #[test]
    fn one_address_has_one_index_whatever_its_case_and_lists_cannot_be_joined() {
        let (.., index) = vault(1);
        assert_eq!(index.of("donor", "Reader@Example.org "), index.of("donor", "reader@example.org"));
        assert_ne!(index.of("donor", "reader@example.org"), index.of("newsletter", "reader@example.org"));
        assert_ne!(index.of("donor", "reader@example.org"), vault(2).2.of("donor", "reader@example.org"));
    }

    #[test]
    fn keys_of_the_wrong_kind_are_refused_and_never_printed() {
        let keys = NewKeys::generate(&Random::seeded(1));
        assert!(Opener::parse(&keys.public.clone().into()).is_err());
        assert!(Sealer::parse(keys.private.expose_secret(), Random::seeded(1)).is_err());
        assert!(!format!("{keys:?}").contains("vault_"));
    }
}
