//! Messages: a letter with its headers, for one recipient.
//!
//! A header is made of types that cannot hold the end of a line: [`Line`], [`Address`], an id of ours, a `Url`. Made
//! again of the same draft a message is the same to the byte, so that a repeated mail is known as one.

use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{ContentType, Date, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox as LettreMailbox, MultiPart, SinglePart};
use url::Url;

use super::render::Letter;
use crate::domain::mailbox::{Address, Mailbox};
use crate::id::EmailId;

/// A message cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a message cannot be made: {0}")]
pub struct MessageError(String);

/// What a message is made of.
#[derive(Debug)]
pub struct Draft<'a> {
    pub id: &'a EmailId,
    /// When the mail came to be, in unix seconds: the same at every try.
    pub at: i64,
    pub from: &'a Mailbox,
    pub to: &'a Address,
    pub letter: &'a Letter,
    /// Where one POST ends mails like this (RFC 8058).
    pub unsubscribe: Option<&'a Url>,
}

/// A message and its envelope.
#[derive(Clone)]
pub struct Message {
    pub(super) id: EmailId,
    pub(super) from: lettre::Address,
    pub(super) to: lettre::Address,
    pub(super) text: String,
}

impl Message {
    /// Makes the message of a draft.
    pub fn new(draft: &Draft<'_>) -> Result<Self, MessageError> {
        let (from, to) = (address(&draft.from.address)?, address(draft.to)?);
        let name = draft.from.name.as_ref().map(ToString::to_string);
        // Given rather than read back from the headers, which fails for quoted addresses.
        let envelope = Envelope::new(Some(from.clone()), vec![to.clone()]);
        let mut builder = lettre::Message::builder()
            .envelope(envelope.map_err(|error| MessageError(error.to_string()))?)
            .header(Date::from(moment(draft.at)))
            .from(LettreMailbox::new(name, from.clone()))
            .to(LettreMailbox::new(None, to.clone()))
            .subject(draft.letter.subject.as_str())
            .message_id(Some(format!("<{}@{}>", draft.id, draft.from.address.domain())))
            .header(AutoSubmitted);
        if let Some(url) = draft.unsubscribe {
            builder = builder.header(ListUnsubscribe(url.clone())).header(OneClick);
        }
        let parts = MultiPart::alternative()
            .boundary(format!("part_{}", draft.id))
            .singlepart(part(ContentType::TEXT_PLAIN, &draft.letter.text))
            .singlepart(part(ContentType::TEXT_HTML, &draft.letter.html));
        let made = builder.multipart(parts).map_err(|error| MessageError(error.to_string()))?;
        // Whatever is not ASCII has been encoded.
        let text = String::from_utf8(made.formatted()).map_err(|error| MessageError(error.to_string()))?;
        Ok(Self { id: draft.id.clone(), from, to, text })
    }

    /// The message as it is handed over.
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// Whom it goes to and what it says is nobody's business.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({})", self.id)
    }
}

fn part(kind: ContentType, text: &str) -> SinglePart {
    SinglePart::builder().header(kind).body(text.to_owned())
}

fn address(address: &Address) -> Result<lettre::Address, MessageError> {
    lettre::Address::new(address.local(), address.domain()).map_err(|error| MessageError(error.to_string()))
}

fn moment(at: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(at).unwrap_or(0))
}

/// Source: RFC 3834, 5.
#[derive(Clone)]
struct AutoSubmitted;

/// Source: RFC 2369, 3.2.
#[derive(Clone)]
struct ListUnsubscribe(Url);

/// Source: RFC 8058, 3.1.
#[derive(Clone)]
struct OneClick;

/// A header that we write and never read.
macro_rules! written {
    ($type:ty, $name:literal, $this:ident => $value:expr) => {
        impl Header for $type {
            fn name() -> HeaderName {
                const NAME: HeaderName = HeaderName::new_from_ascii_str($name);
                NAME
            }

            fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Err("it is written only".into())
            }

            fn display(&self) -> HeaderValue {
                let $this = self;
                HeaderValue::new(Self::name(), $value)
            }
        }
    };
}
written!(AutoSubmitted, "Auto-Submitted", _this => "auto-generated".to_owned());
written!(ListUnsubscribe, "List-Unsubscribe", this => format!("<{}>", this.0));
written!(OneClick, "List-Unsubscribe-Post", _this => "List-Unsubscribe=One-Click".to_owned());

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mailbox::Line;
    use crate::id::Random;

    const HOSTILE: [&str; 6] =
        ["a\r\nBcc: x@y.z", "a\nBcc: x@y.z\n\nbody", "a\0b", "a\u{202e}b", "a\u{2028}Bcc: x@y.z", "a\u{85}b"];

    fn message(name: &str, subject: &str, text: &str, unsubscribe: Option<&Url>) -> String {
        let id = EmailId::new(&Random::seeded(1));
        let from = Mailbox { name: Some(Line::of(name)), address: Address::parse("support@paper.example").unwrap() };
        let to = Address::parse("\"odd one\"@пример.рф").unwrap();
        let letter = Letter { subject: Line::of(subject), text: text.to_owned(), html: "<p>x</p>".to_owned() };
        let draft = Draft { id: &id, at: 1_795_435_200, from: &from, to: &to, letter: &letter, unsubscribe };
        let made = Message::new(&draft).unwrap();
        assert_eq!(made.bytes(), Message::new(&draft).unwrap().bytes(), "a repeated mail is the same");
        String::from_utf8(made.bytes().to_vec()).unwrap()
    }

    fn headers(message: &str) -> Vec<&str> {
        let head = message.split_once("\r\n\r\n").unwrap().0;
        head.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])).map(|l| l.split(':').next().unwrap()).collect()
    }

    #[test]
    fn headers_say_who_when_and_how_to_stop() {
        let url = Url::parse("https://give.example.org/r/abc/never").unwrap();
        let message = message("Голос", "Напоминание", "текст", Some(&url));
        for line in [
            "Date: Mon, 23 Nov 2026 12:00:00 +0000",
            "To: \"odd one\"@xn--e1afmkfd.xn--p1ai",
            "Auto-Submitted: auto-generated",
            "List-Unsubscribe: <https://give.example.org/r/abc/never>",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        ] {
            assert!(message.contains(&format!("{line}\r\n")), "{line}\n{message}");
        }
        let id = EmailId::new(&Random::seeded(1));
        assert!(message.contains(&format!("Message-ID: <{id}@paper.example>\r\n")), "{message}");
        assert!(message.is_ascii() && message.lines().all(|line| line.len() < 998));
    }

    #[test]
    fn nothing_that_is_put_into_a_message_makes_a_header_of_its_own() {
        let clean = message("a", "a", "a", None);
        for hostile in HOSTILE {
            let message = message(hostile, hostile, hostile, None);
            assert_eq!(headers(&message), headers(&clean), "{hostile:?}");
            let url = Url::parse(&format!("https://give.example.org/r/{hostile}")).unwrap();
            assert!(!url.as_str().chars().any(|c| c.is_control() || !c.is_ascii()), "{hostile:?}");
        }
    }
}
