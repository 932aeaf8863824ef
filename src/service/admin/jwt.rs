//! Access tokens of the API: JWTs, signed with HS256 and nothing else (RFC 7519, RFC 8725).
//!
//! Times are ours to judge, by our clock: the library's own would be the machine's. There is one header, byte for byte, so
//! nothing in a header can choose a key or an algorithm. A token says who and in which session, and never what they may
//! do: that is looked up.

use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, new_error};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use signature::{Signer, Verifier};

use super::Office;
use crate::clock::MINUTE;

/// How long a token is taken, in seconds.
pub const LIFETIME: i64 = 15 * MINUTE;
/// For whom tokens are.
pub const AUDIENCE: &str = "mainstay-admin";
/// What kind of token it is: nothing else that is ever signed says the same.
pub const KIND: &str = "access";
/// Longer is none of ours, in bytes.
const MAX_TOKEN: usize = 2048;

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Our own origin.
    pub iss: String,
    pub aud: String,
    /// `adm_…`
    pub sub: String,
    /// `ses_…`
    pub sid: String,
    pub iat: i64,
    pub nbf: i64,
    /// The first second in which it is taken no more.
    pub exp: i64,
    pub jti: String,
    pub token_type: String,
}

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(key: &[u8]) -> Result<Self, Error> {
        Hmac::new_from_slice(key).map(Self).map_err(|_| new_error(ErrorKind::InvalidKeyFormat))
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.0.clone().chain_update(message).verify_slice(signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

/// HS256, and an error for whatever else.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(Hs256::new(key.as_bytes())?)),
        _ => Err(new_error(ErrorKind::InvalidAlgorithm)),
    },
    verifier_factory: |algorithm, key| match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(Hs256::new(key.try_get_as_bytes()?)?)),
        _ => Err(new_error(ErrorKind::InvalidAlgorithm)),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// Says once how tokens are signed. Whoever comes second finds it said.
pub fn install_provider() {
    let _ = PROVIDER.install_default();
}

fn header() -> Header {
    Header::new(Algorithm::HS256)
}

/// A token for this session.
pub fn sign(office: &Office, admin_id: &str, session_id: &str) -> Option<String> {
    let now = office.clock.now();
    let claims = Claims {
        iss: office.public_url.clone(),
        aud: AUDIENCE.to_owned(),
        sub: admin_id.to_owned(),
        sid: session_id.to_owned(),
        iat: now,
        nbf: now,
        exp: now + LIFETIME,
        jti: office.random.hex(),
        token_type: KIND.to_owned(),
    };
    jsonwebtoken::encode(&header(), &claims, &EncodingKey::from_secret(signing_key(office).as_slice())).ok()
}

/// The key tokens are signed with.
pub fn signing_key(office: &Office) -> zeroize::Zeroizing<[u8; 32]> {
    office.key.derive("mainstay admin access token v1")
}

/// What a token says, if it is one of ours and of now.
pub fn verify(office: &Office, token: &str) -> Option<Claims> {
    if token.len() > MAX_TOKEN {
        return None;
    }
    let key = signing_key(office);
    // One header: compared as it is written, before anything of it is believed.
    let ours = jsonwebtoken::encode(&header(), &(), &EncodingKey::from_secret(key.as_slice())).ok()?;
    if token.split('.').next() != ours.split('.').next() {
        return None;
    }
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    let claims: Claims =
        jsonwebtoken::decode(token, &DecodingKey::from_secret(key.as_slice()), &validation).ok()?.claims;
    let now = office.clock.now();
    let ours = claims.iss == office.public_url && claims.aud == AUDIENCE && claims.token_type == KIND;
    let lives =
        claims.nbf <= now && claims.iat <= now && now < claims.exp && claims.exp <= claims.iat.saturating_add(LIFETIME);
    (ours && lives).then_some(claims)
}
