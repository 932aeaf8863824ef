//! Addresses and lines of mail headers: what cannot end a line cannot begin a header of its own.

use std::fmt;

/// The longest address (source: RFC 5321, 4.5.3.1.3, without the brackets).
pub const MAX_ADDRESS: usize = 254;
/// The longest part before the @ (source: RFC 5321, 4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// The longest line of a header we write, before it is encoded and folded; what is beyond is cut.
pub const MAX_LINE: usize = 200;

/// One line of text: no control character, nothing that turns or hides what follows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line(String);

impl Line {
    /// The text as one line: what ends or turns a line becomes a blank, and blanks become one.
    pub fn of(text: &str) -> Self {
        let safe: String = text.chars().map(|c| if breaks(c) { ' ' } else { c }).collect();
        let words: Vec<&str> = safe.split_whitespace().collect();
        Self(words.join(" ").chars().take(MAX_LINE).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a character ends a line, turns its direction, or is not seen (source: Unicode, UAX #9, the explicit
/// directional characters; the line and paragraph separators; the byte-order mark).
pub fn breaks(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{200b}')
}

/// An address that mail can be sent to: its domain in ASCII (IDN as `xn--…`).
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    local: String,
    domain: String,
}

impl Address {
    /// Reads `reader@example.org`; quotes before the @ and IDN after it are taken.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        let domain = match url::Host::parse(domain).ok()? {
            url::Host::Domain(domain) if domain.contains('.') || domain == "localhost" => domain,
            _ => return None,
        };
        let right = (is_dot_atom(local) || is_quoted(local)) && local.len() <= MAX_LOCAL && is_domain(&domain);
        (right && local.len() + 1 + domain.len() <= MAX_ADDRESS).then(|| Self { local: local.to_owned(), domain })
    }

    /// The part before the @.
    pub fn local(&self) -> &str {
        &self.local
    }

    pub fn domain(&self) -> &str {
        &self.domain
    }
}

/// Printed where it is used only, never by `Debug`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(…)")
    }
}

/// Source: RFC 5322, 3.2.3.
fn is_dot_atom(text: &str) -> bool {
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    !text.is_empty() && text.split('.').all(|part| !part.is_empty() && part.chars().all(atom))
}

/// Source: RFC 5321, 4.1.2, `Quoted-string`.
fn is_quoted(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    let mut escaped = false;
    for c in inside.chars() {
        match c {
            _ if !(' '..='~').contains(&c) => return false,
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return false,
            _ => escaped = false,
        }
    }
    !escaped && !inside.is_empty()
}

fn is_domain(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.split('.')
        .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(letter))
}

/// Who a mail comes from: `The Paper <support@paper.example>`, or an address alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    pub name: Option<Line>,
    pub address: Address,
}

impl Mailbox {
    /// Reads a name and an address, or an address alone. A name with what breaks a line is refused.
    pub fn parse(text: &str) -> Option<Self> {
        if text.chars().any(breaks) {
            return None;
        }
        let Some((name, address)) = text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) else {
            return Some(Self { name: None, address: Address::parse(text.trim())? });
        };
        let name = name.trim().trim_matches('"').trim();
        if name.contains(['"', '\\', '<', '>', '@']) {
            return None;
        }
        let name = (!name.is_empty()).then(|| Line::of(name));
        Some(Self { name, address: Address::parse(address.trim())? })
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_every_sort_round_trip_and_their_domain_is_ascii() {
        let long = format!("{}@{}.example", "a".repeat(64), ["b"; 90].join("."));
        for (text, read) in [
            ("reader@example.org", "reader@example.org"),
            ("Reader+paper@Example.org", "Reader+paper@example.org"),
            ("\"a b\"@example.org", "\"a b\"@example.org"),
            ("\"a@b\"@example.org", "\"a@b\"@example.org"),
            ("reader@пример.рф", "reader@xn--e1afmkfd.xn--p1ai"),
            (&long, &long),
        ] {
            assert_eq!(Address::parse(text).map(|address| address.to_string()).as_deref(), Some(read));
        }
    }

    #[test]
    fn what_could_be_more_than_one_address_is_none() {
        let long = format!("{}@{}.example", "a".repeat(64), "b.".repeat(100));
        for text in [
            "",
            "@",
            "a@",
            "@b.c",
            "a b@c.d",
            "a@b@c.d",
            "a@b",
            "a@127.0.0.1",
            "a@[::1]",
            "a..b@c.d",
            ".a@c.d",
            "a@c.d\r\nBcc: e@f.g",
            "a\r\n@c.d",
            "a\0@c.d",
            "a\u{202e}@c.d",
            "\"a\"b\"@c.d",
            "\"a\\\"@c.d",
            "\"\r\n\"@c.d",
            "<a@c.d>",
            "a@c.d>",
            "a@-c.d",
            "a@c..d",
            "a,b@c.d",
            &long,
            &format!("{}@c.d", "a".repeat(65)),
        ] {
            assert_eq!(Address::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_line_stays_one_line_whatever_it_is_made_of() {
        for text in ["a\r\nBcc: b", "a\nb", "a\0b", "a\u{202e}b", "a\u{2028}b", "a\u{85}b", "\u{feff}a\u{200b}\tb"] {
            assert!(!Line::of(text).as_str().chars().any(breaks), "{text:?}");
            assert!(!Line::of(text).as_str().is_empty());
        }
        assert_eq!(Line::of("  Газета\r\n «Голос» ").as_str(), "Газета «Голос»");
        assert_eq!(Line::of(&"x".repeat(1_000_000)).as_str().len(), MAX_LINE);
    }

    #[test]
    fn a_sender_has_a_name_and_an_address_or_an_address_alone() {
        let read = |text| Mailbox::parse(text).map(|mailbox| mailbox.to_string());
        assert_eq!(read("The Paper <a@paper.example>").as_deref(), Some("The Paper <a@paper.example>"));
        assert_eq!(read("\"Голос\" <a@paper.example>").as_deref(), Some("Голос <a@paper.example>"));
        assert_eq!(read("a@paper.example").as_deref(), Some("a@paper.example"));
        for wrong in ["", "The Paper", "The <Paper> <a@b.c>", "A\r\nB <a@b.c>", "A <a@b.c> B", "A, B@c.d <a@b.c>"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
