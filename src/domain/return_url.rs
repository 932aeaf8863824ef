//! Where a donor may be sent back to: a path of ours, or a page of an origin that is exactly allowed.
//!
//! An open redirect behind a page that takes money is what phishers look for, so everything two programs could read
//! differently is refused: user info, backslashes, `//`, control characters, other schemes.

use url::Url;

/// The longest address, in bytes.
const MAX_LENGTH: usize = 2000;

/// The addresses a donor may be sent to.
#[derive(Debug, Clone)]
pub struct Sites {
    /// Our own origin, without a slash at the end.
    pub public_url: String,
    /// Exact origins, such as `https://paper.example`.
    pub allowed_origins: Vec<String>,
}

/// The address is not one donors are sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a path such as /give/thanks, or an https address whose origin is in ALLOWED_ORIGINS")]
pub struct NotAllowed;

/// Reads an address; the answer is absolute.
pub fn parse(text: &str, public_url: &str, allowed_origins: &[String]) -> Result<String, NotAllowed> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') && text.len() <= MAX_LENGTH;
    if !plain {
        return Err(NotAllowed);
    }
    if text.starts_with('/') {
        if text.starts_with("//") {
            return Err(NotAllowed);
        }
        let base = Url::parse(public_url).map_err(|_| NotAllowed)?;
        let url = base.join(text).map_err(|_| NotAllowed)?;
        return if url.origin() == base.origin() { Ok(url.into()) } else { Err(NotAllowed) };
    }
    let url = Url::parse(text).map_err(|_| NotAllowed)?;
    let scheme = text.split_once("://").map(|(scheme, _)| scheme).ok_or(NotAllowed)?;
    let after_scheme = &text[scheme.len() + 3..];
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    let bare =
        !authority.is_empty() && !authority.contains('@') && url.username().is_empty() && url.password().is_none();
    let origin = url.origin().ascii_serialization();
    // Written exactly as the origin is: what a parser had to mend is not what was allowed.
    let exact = text.starts_with(&origin) && authority == origin.split_once("://").map_or("", |(_, host)| host);
    if bare && exact && matches!(url.scheme(), "https" | "http") && allowed_origins.contains(&origin) {
        Ok(url.into())
    } else {
        Err(NotAllowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "https://give.example.org";

    fn parsed(text: &str) -> Result<String, NotAllowed> {
        parse(text, PUBLIC, &["https://paper.example".to_owned(), "http://localhost:3000".to_owned()])
    }

    #[test]
    fn our_paths_and_allowed_origins_are_taken() {
        for (text, url) in [
            ("/give/thanks", "https://give.example.org/give/thanks"),
            ("/a?b=c#d", "https://give.example.org/a?b=c#d"),
            ("https://paper.example/article?x=1", "https://paper.example/article?x=1"),
            ("https://paper.example", "https://paper.example/"),
            ("http://localhost:3000/x", "http://localhost:3000/x"),
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(url), "{text}");
        }
    }

    #[test]
    fn nothing_leads_anywhere_else() {
        for hostile in [
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "https://evil.example",
            "https://paper.example.evil.example",
            "https://paper.example@evil.example",
            "https://evil.example@paper.example",
            "https://user:pass@paper.example",
            "https://@paper.example",
            "https:paper.example",
            "https:/paper.example",
            "https:///paper.example",
            "https:\\\\paper.example",
            "https://paper.example:444/",
            "http://paper.example/",
            "https://paper.example\\@evil.example",
            "https://paper.example%2eevil.example",
            "https://PAPER.example.evil",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "blob:https://paper.example/x",
            "ftp://paper.example/",
            "mailto:x@paper.example",
            "https://[::1]/",
            "https://127.0.0.1/",
            "http://localhost:3001/",
            "http://localhost/",
            " https://paper.example/",
            "https://paper.example /",
            "https://paper.example\u{2024}evil/",
            "https://paper。example/",
            "https://раper.example/",
            "evil.example",
            "?next=//evil.example",
            "#x",
            "https://",
            "about:blank",
            "https://paper.example\0/",
            "https://paper.example.",
            "intent://paper.example#Intent;end",
        ] {
            assert_eq!(parsed(hostile), Err(NotAllowed), "{hostile:?}");
        }
        assert_eq!(parsed(&format!("/{}", "a".repeat(MAX_LENGTH))), Err(NotAllowed));
    }
}
