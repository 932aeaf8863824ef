//! Whether a webhook's body was signed by Stripe.
//!
//! Stripe's library refuses signed bodies of shapes it does not know, so the check is done here, over the raw bytes
//! (source: Stripe's documentation, "Verify webhook signatures manually").

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// How far the signature's time may be from ours, in seconds.
pub const TOLERANCE: i64 = 300;
/// How many `v1` signatures are looked at: Stripe sends one per active secret.
const MAX_SIGNATURES: usize = 8;
/// A longer header is not Stripe's.
const MAX_HEADER: usize = 4096;

/// Why a body is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the Stripe-Signature header is missing or unreadable")]
    Missing,
    #[error("no signature in Stripe-Signature is ours")]
    Bad,
    /// Rightly signed, so either it is a replay or our clock is off.
    #[error("the signature is right but {seconds_off} seconds from our clock")]
    WrongTime {
        /// Stripe's time less ours.
        seconds_off: i64,
    },
}

/// Checks `header` (the value of `Stripe-Signature`) over `body`, under any of `secrets`.
pub fn verify(header: &str, body: &[u8], secrets: &[SecretString], now: i64) -> Result<(), SignatureError> {
    if header.len() > MAX_HEADER {
        return Err(SignatureError::Missing);
    }
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let time = parts().find(|(name, _)| *name == "t").map(|(_, value)| value).ok_or(SignatureError::Missing)?;
    let signed_at: i64 = time.parse().map_err(|_| SignatureError::Missing)?;
    let claimed: Vec<[u8; 32]> =
        parts().filter(|(name, _)| *name == "v1").filter_map(|(_, value)| unhex(value)).take(MAX_SIGNATURES).collect();
    let ours = secrets.iter().filter_map(|secret| sign(secret.expose_secret(), time, body));
    // Every pair is compared, so the time it takes says nothing about which was near.
    let good = ours.flat_map(|own| claimed.iter().map(move |claimed| own.ct_eq(claimed)));
    if !bool::from(good.fold(subtle::Choice::from(0), |any, equal| any | equal)) {
        return Err(if claimed.is_empty() { SignatureError::Missing } else { SignatureError::Bad });
    }
    match signed_at.saturating_sub(now) {
        off if off.saturating_abs() > TOLERANCE => Err(SignatureError::WrongTime { seconds_off: off }),
        _ => Ok(()),
    }
}

fn sign(secret: &str, time: &str, body: &[u8]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac.finalize().into_bytes().into())
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(n * 2..n * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::hex;

    const NOW: i64 = 1_700_000_000;

    fn header(secret: &str, at: i64, body: &[u8]) -> String {
        format!("t={at},v1={}", hex(&sign(secret, &at.to_string(), body).unwrap()))
    }

    fn secrets() -> Vec<SecretString> {
        vec!["whsec_old".into(), "whsec_new".into()]
    }

    #[test]
    fn any_of_several_secrets_and_any_v1_is_enough() {
        for secret in ["whsec_old", "whsec_new"] {
            assert_eq!(verify(&header(secret, NOW, b"{}"), b"{}", &secrets(), NOW), Ok(()));
        }
        let two = format!("t={NOW},v1={},v0=zz,{}", "0".repeat(64), &header("whsec_new", NOW, b"{}")[13..]);
        assert_eq!(verify(&two, b"{}", &secrets(), NOW), Ok(()));
    }

    #[test]
    fn another_body_secret_or_time_is_refused() {
        let good = header("whsec_new", NOW, b"{}");
        assert_eq!(verify(&good, b"{} ", &secrets(), NOW), Err(SignatureError::Bad));
        assert_eq!(verify(&header("whsec_evil", NOW, b"{}"), b"{}", &secrets(), NOW), Err(SignatureError::Bad));
        let moved = good.replace(&NOW.to_string(), &(NOW + 1).to_string());
        assert_eq!(verify(&moved, b"{}", &secrets(), NOW), Err(SignatureError::Bad));
        for off in [-301, 301] {
            let late = header("whsec_new", NOW + off, b"{}");
            assert_eq!(verify(&late, b"{}", &secrets(), NOW), Err(SignatureError::WrongTime { seconds_off: off }));
        }
        assert_eq!(verify(&header("whsec_new", NOW - 300, b"{}"), b"{}", &secrets(), NOW), Ok(()));
    }

    #[test]
    fn a_header_that_is_none_is_refused() {
        let long = "v1=00,".repeat(2000);
        for wrong in ["", "t=", "t=1", "v1=00", "t=x,v1=00", "t=1,v1=", "t=1,v1=é", "=,=,=", &long] {
            assert_eq!(verify(wrong, b"{}", &secrets(), NOW), Err(SignatureError::Missing), "{wrong:.20}");
        }
    }
}
