//! An address mail can be sent to: parsed once, and then known to be harmless in a header.
//!
//! It is kept as it was written, and found by its [`EmailAddress::normal`] form: upper and lower case are one person, and
//! so are both spellings of an internationalised domain. Invariant: it holds no control character, no line break and
//! nothing that turns the direction of writing.

use std::fmt;

use url::Host;

/// The longest address, in characters (source: RFC 5321 with its erratum 1690).
pub const MAX_ADDRESS: usize = 254;
/// The longest part before the `@`, in characters (source: RFC 5321, 4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// What an unquoted local part may hold besides letters and digits (source: RFC 5322, `atext`).
const ATEXT: &str = "!#$%&'*+-/=?^_`{|}~.";

/// What was sent is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an e-mail address, such as name@example.org, of at most 254 characters")]
pub struct BadAddress;

/// An address. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress {
    text: String,
    normal: String,
}

impl EmailAddress {
    /// Reads an address; spaces around it are a slip of the hand.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let text = text.trim_matches(' ');
        if text.chars().count() > MAX_ADDRESS || text.chars().any(is_harmful) {
            return Err(BadAddress);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(BadAddress)?;
        if !is_local(local) {
            return Err(BadAddress);
        }
        let domain = ascii_domain(domain).ok_or(BadAddress)?;
        if local.len() + 1 + domain.len() > MAX_ADDRESS {
            return Err(BadAddress);
        }
        Ok(Self { text: text.to_owned(), normal: format!("{}@{domain}", local.to_ascii_lowercase()) })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same for every spelling of one address: what blind indexes are made of.
    pub fn normal(&self) -> &str {
        &self.normal
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

/// Breaks lines, ends texts, turns the direction of writing, or cannot be seen.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

fn is_local(local: &str) -> bool {
    if !local.is_ascii() || local.is_empty() || local.len() > MAX_LOCAL {
        return false;
    }
    match local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => is_quoted(quoted),
        None => {
            local.split('.').all(|atom| !atom.is_empty())
                && local.chars().all(|c| c.is_ascii_alphanumeric() || ATEXT.contains(c))
        }
    }
}

/// Whether every quote and backslash inside is escaped.
fn is_quoted(quoted: &str) -> bool {
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return false,
            '\\' if chars.next().is_none() => return false,
            _ => {}
        }
    }
    !quoted.is_empty()
}

/// The domain as it is looked up: lower case, internationalised labels in their ASCII form.
fn ascii_domain(domain: &str) -> Option<String> {
    if domain.contains(['%', ' ', '/', '\\', '[']) {
        return None;
    }
    let Ok(Host::Domain(ascii)) = Host::parse(domain) else { return None };
    let labels: Vec<&str> = ascii.split('.').collect();
    let plain = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (labels.len() >= 2 && labels.iter().all(plain)).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_of_every_right_kind_come_back_as_they_were_written() {
        let long = format!("{}@{}.{}.{}.org", "a".repeat(64), "b".repeat(60), "c".repeat(60), "d".repeat(63));
        assert_eq!(long.chars().count(), 254);
        for address in [
            "reader@example.org",
            "Reader+news@Example.org",
            "o'brien@example.org",
            "\"two words\"@example.org",
            "\"an @ and \\\" inside\"@example.org",
            "reader@пример.рф",
            "reader@xn--e1afmkfd.xn--p1ai",
            "a.b-c_d@sub.example.co.uk",
            &long,
        ] {
            let parsed = EmailAddress::parse(address).unwrap_or_else(|_| panic!("{address}"));
            assert_eq!(parsed.as_str(), address);
            assert_eq!(EmailAddress::parse(parsed.normal()).unwrap().normal(), parsed.normal(), "{address}");
        }
        assert_eq!(EmailAddress::parse(" reader@example.org ").unwrap().as_str(), "reader@example.org");
    }

    #[test]
    fn every_spelling_of_one_address_is_one_person() {
        let normal = |text: &str| EmailAddress::parse(text).unwrap().normal().to_owned();
        assert_eq!(normal("Reader@EXAMPLE.org"), normal("reader@example.org"));
        assert_eq!(normal("reader@Пример.РФ"), normal("reader@xn--e1afmkfd.xn--p1ai"));
        assert_ne!(normal("reader+a@example.org"), normal("reader@example.org"), "a plus may be somebody else");
    }

    #[test]
    fn what_could_break_out_of_a_header_or_is_no_address_is_refused() {
        let too_long = format!("{}@{}.{}.{}.org", "a".repeat(64), "b".repeat(61), "c".repeat(60), "d".repeat(63));
        let huge = "a".repeat(1_000_000);
        for wrong in [
            "",
            "@",
            "reader",
            "reader@",
            "@example.org",
            "reader@example",
            "a..b@example.org",
            ".a@example.org",
            "a b@example.org",
            "a,b@example.org",
            "Reader <reader@example.org>",
            "reader@example.org\r\nBcc: all@example.org",
            "reader\n@example.org",
            "reader\0@example.org",
            "\"a\rb\"@example.org",
            "\"\"@example.org",
            "\"a\"b\"@example.org",
            "\"a\\\"@example.org",
            "reader\u{202e}@example.org",
            "reader@exam\u{202e}ple.org",
            "reader@exam\u{200b}ple.org",
            "reader\u{7f}@example.org",
            "reader@exam ple.org",
            "reader@exam%70le.org",
            "reader@192.0.2.1",
            "reader@[192.0.2.1]",
            "reader@-example.org",
            "reader@example..org",
            "читатель@example.org",
            &too_long,
            &huge,
        ] {
            assert!(EmailAddress::parse(wrong).is_err(), "{:?}", wrong.chars().take(80).collect::<String>());
        }
    }

    #[test]
    fn an_address_is_never_printed_by_accident() {
        assert!(!format!("{:?}", EmailAddress::parse("reader@example.org")).contains("reader"));
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_harmless(text in ".{0,40}", domain in "[a-z]{1,8}\\.(org|рф)") {
            if let Ok(address) = EmailAddress::parse(&format!("{text}@{domain}")) {
                prop_assert!(!address.as_str().chars().any(is_harmful));
                prop_assert!(address.normal().is_ascii());
            }
        }
    }
}
