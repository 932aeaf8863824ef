//! Could a mail be handed over, by a protected way, from an address that exists in the world?
//!
//! Whether it arrives is more than can be seen from here: SPF, DKIM and DMARC are the domain's owner's to set, and
//! `mainstay mail send-test` tells.

use tokio::time::timeout;

use super::{Outcome, PATIENCE, Patient};
use crate::config::{MailTransport, Protection, Sending};
use crate::mail::{Mailer, Templates};

/// Ends of names that no mail reaches (source: RFC 6761, RFC 6762, RFC 7686, and what home routers use).
const NOWHERE: [&str; 10] =
    ["test", "example", "invalid", "localhost", "local", "lan", "internal", "home", "localdomain", "onion"];

pub(super) async fn examine(patient: &Patient<'_>) -> Vec<Outcome> {
    let Some(mail) = &patient.settings.mail else {
        let unread = |name| Outcome::passed_over(name, "the settings of mail are wrong");
        return vec![unread("mail.transport"), unread("mail.tls"), unread("mail.sender")];
    };
    let Some(sending) = &mail.sending else {
        let what = "no mail is sent: MAINSTAY_SMTP_URL is not set.";
        let why = "Reminders, receipts and confirmations wait, and expire.";
        let mend = "set MAINSTAY_SMTP_URL, MAINSTAY_MAIL_FROM and MAINSTAY_MAIL_POSTAL_ADDRESS";
        let none = |name| Outcome::passed_over(name, "no mail is sent");
        return vec![Outcome::warning("mail.transport", what, why, mend), none("mail.tls"), none("mail.sender")];
    };
    let transport = match Templates::read(mail.templates.as_deref()) {
        Ok(_) => transport(sending).await,
        Err(error) => {
            let why = "`mainstay serve` does not start with it.";
            let what = format!("a template cannot be used: {error}.");
            Outcome::failed("mail.transport", what, why, "mainstay mail preview reminder, once it is mended")
        }
    };
    vec![transport, tls(sending), sender(sending)]
}

async fn transport(sending: &Sending) -> Outcome {
    let name = "mail.transport";
    let failed = |what: String| {
        let why = "Mails wait in the outbox, and what waits too long is never sent.";
        Outcome::failed(name, what, why, "mend MAINSTAY_SMTP_URL, then mainstay mail send-test ADDRESS")
    };
    match timeout(PATIENCE, Mailer::check(sending)).await {
        Ok(Ok(())) => Outcome::well(name, format!("mail is taken by {}", sending.transport)),
        Ok(Err(error)) => failed(format!("{error}, at {}.", sending.transport)),
        Err(_) => failed(format!("the mail server does not answer, at {}.", sending.transport)),
    }
}

fn tls(sending: &Sending) -> Outcome {
    let name = "mail.tls";
    match &sending.transport {
        MailTransport::Folder(_) => Outcome::passed_over(name, "mails are written into a folder"),
        MailTransport::Smtp(server) if server.is_open_to_others() => {
            let what = format!("mail goes to {} in clear.", server.host);
            let why = "Whoever is on the way reads who gives to you.";
            Outcome::failed(name, what, why, "remove ?tls=none from MAINSTAY_SMTP_URL")
        }
        MailTransport::Smtp(server) if server.protection == Protection::None => {
            Outcome::well(name, "mail leaves this machine by a server of its own")
        }
        MailTransport::Smtp(_) => Outcome::well(name, "the way to the mail server is encrypted"),
    }
}

fn sender(sending: &Sending) -> Outcome {
    let name = "mail.sender";
    let domain = sending.from.address.domain().to_ascii_lowercase();
    let last = domain.rsplit('.').next().unwrap_or_default();
    let number = domain.starts_with('[') || last.bytes().all(|byte| byte.is_ascii_digit());
    if !domain.contains('.') || number || NOWHERE.contains(&last) {
        let what = format!("mail comes from {domain}, which is no domain of the public Internet.");
        let why = "Mail from a domain that nobody can look up is refused, and replies go nowhere.";
        return Outcome::failed(name, what, why, "set MAINSTAY_MAIL_FROM to an address of your domain");
    }
    Outcome::well(name, format!("mail comes from {domain} (its SPF and DKIM are not looked at)"))
}
