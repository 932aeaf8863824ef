//! How the raw body of an event is kept: compressed, then sealed.
//!
//! Stripe's JSON says the same words over and over, and what is a third as long is written, synced and read three times as
//! fast. Bodies are compressed each for itself, so that no length depends on another's content.

use crate::vault::{DataKey, Opener, Place, VaultError};

const fn place(id: &str) -> Place<'_> {
    Place { table: "stripe_event_bodies", column: "body", id }
}

/// The body of the event `id`, as it is stored.
pub fn seal(key: &DataKey, id: &str, body: &[u8]) -> Result<Vec<u8>, VaultError> {
    key.seal(place(id), &lz4_flex::compress_prepend_size(body))
}

/// The body of the event `id`, as Stripe sent it.
pub fn open(opener: &Opener, id: &str, stored: &[u8]) -> Result<Vec<u8>, VaultError> {
    let compressed = opener.open(place(id), stored)?;
    // What opens was sealed by us: a length that lies would be our own.
    lz4_flex::decompress_size_prepended(&compressed).map_err(|_| VaultError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::{open, seal};
    use crate::id::Random;
    use crate::vault::{NewKeys, Opener, Sealer};

    #[test]
    fn a_body_comes_back_byte_for_byte_and_its_words_take_room_once() {
        let random = Random::seeded(1);
        let keys = NewKeys::generate(&random);
        let key = Sealer::parse(&keys.public, random).unwrap().data_key().unwrap();
        let opener = Opener::parse(&keys.private).unwrap();
        let repeated = br#"{"object": "payment_intent"}"#.repeat(100);
        for body in [&b""[..], b"\0\xff", &repeated] {
            let stored = seal(&key, "evt_1", body).unwrap();
            assert_eq!(open(&opener, "evt_1", &stored).unwrap(), body);
            assert!(open(&opener, "evt_2", &stored).is_err());
            assert!(body.len() < 1000 || stored.len() < body.len() / 3);
        }
    }
}
