//! Tokens that somebody made up. Each is told the same: 401.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use mainstay::domain::admin::{Role, Scope};
use mainstay::service::admin::jwt::signing_key;
use serde_json::{Value, json};
use sha2::{Sha256, Sha384, Sha512};

use crate::support::app::TestApp;
use crate::support::database::Kind;

fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// What the signature covers.
fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encode(&header.to_string()), encode(&claims.to_string()))
}

macro_rules! mac {
    ($hash:ty, $key:expr, $text:expr) => {{
        let mut mac = Hmac::<$hash>::new_from_slice($key).expect("any key");
        mac.update($text.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }};
}

fn sign(text: &str, key: &[u8]) -> String {
    format!("{text}.{}", mac!(Sha256, key, text))
}

/// Whoever forges knows everything but the key; in some of these they even have that, and lie about something else.
struct Forger {
    key: Vec<u8>,
    header: Value,
    claims: Value,
    real: String,
}

impl Forger {
    /// The real claims with some changed, rightly signed.
    fn claiming(&self, changes: &Value) -> String {
        let mut claims = self.claims.clone();
        for (name, value) in changes.as_object().expect("an object") {
            let fields = claims.as_object_mut().expect("an object");
            // What is changed to nothing is left out.
            if value.is_null() {
                fields.remove(name)
            } else {
                fields.insert(name.clone(), value.clone())
            };
        }
        let head = self.real.split('.').next().expect("a header");
        sign(&format!("{head}.{}", encode(&claims.to_string())), &self.key)
    }

    /// Another header over the real claims, rightly signed.
    fn headed(&self, header: &Value) -> String {
        sign(&unsigned(header, &self.claims), &self.key)
    }

    fn all(&self, now: i64, refresh: &str) -> Vec<(&'static str, String)> {
        let parts: Vec<&str> = self.real.split('.').collect();
        let (head, body, signature) = (parts[0], parts[1], parts[2]);
        let rs256 = json!({"typ": "JWT", "alg": "RS256"});
        let hs384 = unsigned(&json!({"typ": "JWT", "alg": "HS384"}), &self.claims);
        let hs512 = unsigned(&json!({"typ": "JWT", "alg": "HS512"}), &self.claims);
        let none = |alg: &str| format!("{}.", unsigned(&json!({"typ": "JWT", "alg": alg}), &self.claims));
        let typed = |more: Value| {
            let mut header = self.header.clone();
            header.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            self.headed(&header)
        };
        let mut all = vec![
            ("alg none", none("none")),
            ("alg None", none("None")),
            ("alg NONE", none("NONE")),
            ("alg nOnE with a signature", format!("{}{signature}", none("nOnE"))),
            ("alg empty", none("")),
            ("alg none, rightly signed", self.headed(&json!({"typ": "JWT", "alg": "none"}))),
            ("HS384", format!("{hs384}.{}", mac!(Sha384, &self.key, hs384))),
            ("HS512", format!("{hs512}.{}", mac!(Sha512, &self.key, hs512))),
            ("RS256 with our key as secret", self.headed(&rs256)),
            ("ES256 with our key as secret", self.headed(&json!({"typ": "JWT", "alg": "ES256"}))),
            ("EdDSA with our key as secret", self.headed(&json!({"typ": "JWT", "alg": "EdDSA"}))),
            ("alg unknown", self.headed(&json!({"typ": "JWT", "alg": "HS1"}))),
            ("alg a number", self.headed(&json!({"typ": "JWT", "alg": 256}))),
            ("no alg", self.headed(&json!({"typ": "JWT"}))),
            ("kid", typed(json!({"kid": "1"}))),
            ("kid of a file", typed(json!({"kid": "../../../../dev/null"}))),
            ("kid of a table", typed(json!({"kid": "1' UNION SELECT 'key' --"}))),
            ("jku", typed(json!({"jku": "https://evil.example/keys.json"}))),
            ("x5u", typed(json!({"x5u": "https://evil.example/cert.pem"}))),
            ("jwk", typed(json!({"jwk": {"kty": "oct", "k": "AAAA"}}))),
            ("x5c", typed(json!({"x5c": ["AAAA"]}))),
            ("crit", typed(json!({"crit": ["b64"], "b64": false}))),
            ("another typ", self.headed(&json!({"typ": "at+jwt", "alg": "HS256"}))),
            ("the empty key", sign(&format!("{head}.{body}"), b"")),
            ("a guessed key", sign(&format!("{head}.{body}"), b"secret")),
            ("the key's own bytes of zero", sign(&format!("{head}.{body}"), &[0; 32])),
            ("expired", self.claiming(&json!({"iat": now - 901, "nbf": now - 901, "exp": now - 1}))),
            ("expired just now", self.claiming(&json!({"iat": now - 900, "nbf": now - 900, "exp": now}))),
            ("not yet", self.claiming(&json!({"nbf": now + 1}))),
            ("issued in the future", self.claiming(&json!({"iat": now + 60, "exp": now + 900}))),
            ("too long a life", self.claiming(&json!({"exp": now + 901}))),
            ("exp of the end of time", self.claiming(&json!({"exp": i64::MAX}))),
            ("exp beyond numbers", self.claiming(&json!({"exp": 1e300}))),
            ("exp as text", self.claiming(&json!({"exp": (now + 900).to_string()}))),
            ("exp with a fraction", self.claiming(&json!({"exp": 4_102_444_800.5_f64}))),
            ("nbf as text", self.claiming(&json!({"nbf": now.to_string()}))),
            ("nbf as a list", self.claiming(&json!({"nbf": [now]}))),
            ("another audience", self.claiming(&json!({"aud": "mainstay"}))),
            ("a list of audiences with ours", self.claiming(&json!({"aud": ["mainstay-admin", "other"]}))),
            ("another issuer", self.claiming(&json!({"iss": "https://evil.example"}))),
            (
                "the issuer with a slash",
                self.claiming(&json!({"iss": format!("{}/", self.claims["iss"].as_str().expect("text"))})),
            ),
            ("another type of token", self.claiming(&json!({"token_type": "refresh"}))),
            ("another person's session", self.claiming(&json!({"sub": "adm_00000000000000000000000000000000"}))),
            ("no such session", self.claiming(&json!({"sid": "ses_00000000000000000000000000000000"}))),
            ("a claim of a role", self.claiming(&json!({"role": "admin"}))),
            (
                "a swapped payload",
                format!("{head}.{}.{signature}", encode(&self.claims.to_string().replace("adm_", "adm_0"))),
            ),
            ("truncated", self.real[..self.real.len() - 1].to_owned()),
            ("without its signature", format!("{head}.{body}.")),
            ("two parts", format!("{head}.{body}")),
            ("four parts", format!("{}.{signature}", self.real)),
            ("another signature", format!("{head}.{body}.{}", "A".repeat(43))),
            ("standard base 64", format!("{head}.{body}.{}=", STANDARD.encode([0xfb; 32]).trim_end_matches('='))),
            ("padded", format!("{}=", self.real)),
            ("empty parts", "..".to_owned()),
            ("nothing", String::new()),
            ("no token", "null".to_owned()),
            ("a claim set that is a list", sign(&format!("{head}.{}", encode("[]")), &self.key)),
            ("claims that are no JSON", sign(&format!("{head}.{}", encode("{")), &self.key)),
            (
                "claims given twice",
                sign(
                    &format!("{head}.{}", encode(&self.claims.to_string().replacen('{', "{\"aud\":\"x\",", 1))),
                    &self.key,
                ),
            ),
            ("huge", format!("{head}.{}.{signature}", "A".repeat(6_000))),
            ("the refresh token", refresh.to_owned()),
            ("a program's token nobody made", format!("mst_{}", "0".repeat(64))),
        ];
        for name in ["iss", "aud", "sub", "sid", "iat", "nbf", "exp", "jti", "token_type"] {
            all.push(("a claim is missing", self.claiming(&json!({ name: null }))));
        }
        all
    }
}

async fn every_forged_token_is_refused(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.person("anna@paper.example", Role::Admin).await;
    let signed_in = app.api_sign_in("anna@paper.example", "seven herons wade", None).await;
    assert_eq!(signed_in.status, 201, "{}", signed_in.body);
    let tokens = signed_in.json();
    let real = tokens["access_token"].as_str().expect("a token").to_owned();
    let part = |nth: usize| -> Value {
        let part = real.split('.').nth(nth).expect("a part");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base 64")).expect("JSON")
    };
    let forger =
        Forger { key: signing_key(app.office()).to_vec(), header: part(0), claims: part(1), real: real.clone() };
    assert_eq!(forger.claiming(&json!({})).split('.').count(), 3);
    let all = forger.all(app.clock.now(), tokens["refresh_token"].as_str().expect("a token"));
    assert!(all.len() >= 40);
    for (what, token) in &all {
        let answer = app.with_token("DELETE", "/v1/admin/sessions", token).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("unauthorized")), "{what}: {token}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer", "{what}");
    }
    // Bytes that are no text, another scheme, and a token where none is looked for.
    for value in [
        b"Bearer \xd1\x82\xd0\xbe\xd0\xba\xd0\xb5\xd0\xbd".to_vec(),
        format!("Basic {real}").into_bytes(),
        real.clone().into_bytes(),
    ] {
        let value = reqwest::header::HeaderValue::from_bytes(&value).expect("a value");
        let request = app.http.delete(format!("{}/v1/admin/sessions", app.url)).header("authorization", value);
        assert_eq!(request.send().await.expect("an answer").status().as_u16(), 401);
    }
    let in_query = app.http.delete(format!("{}/v1/admin/sessions?access_token={real}", app.url));
    assert_eq!(in_query.send().await.expect("an answer").status().as_u16(), 401);
    // What the forger built on is real, so what was refused was refused for the lie; a page takes no token at all.
    assert!(app.office().by_token(&forger.claiming(&json!({}))).await.expect("looked up").is_some(), "as it stands");
    assert_eq!(app.with_token("GET", "/admin", &real).await.status, 303);
    assert_eq!(app.with_token("DELETE", "/v1/admin/sessions", &real).await.status, 204);
    assert_eq!(app.with_token("DELETE", "/v1/admin/sessions", &real).await.status, 401, "it is ended");
    let other = app.office().create_token("command_line", Scope::ReportsRead, 1, "").await.expect("a token").1;
    assert_eq!(app.with_token("DELETE", "/v1/admin/sessions", &other).await.status, 403, "a program has no session");
    app.finish().await;
}

#[tokio::test]
async fn every_forged_token_is_refused_on_sqlite() {
    every_forged_token_is_refused(Kind::Sqlite).await;
}

#[tokio::test]
async fn every_forged_token_is_refused_on_postgres() {
    every_forged_token_is_refused(Kind::Postgres).await;
}
