//! Mails: which there are, and how far a repeated one does harm.

/// The purpose under which addresses of the outbox and of suppressions are indexed.
pub const MAIL_INDEX: &str = "mail";

/// How long, in seconds, a mail is tried that cannot be sent at once: what its expiry is to be set to, where the mail
/// itself does not age sooner.
pub const TRY_FOR: i64 = 48 * 3600;

/// Why a payment failed, as mails put it into words; any other word is told as a plain failure.
pub const FAILURE_REASONS: [&str; 4] = ["insufficient_funds", "expired_card", "authentication_needed", "declined"];
/// Why a pledge ended, likewise.
pub const END_REASONS: [&str; 5] = ["by_donor", "by_newsroom", "asked", "unpaid", "disputed"];

macro_rules! kinds {
    ($($name:ident = $word:literal),+ $(,)?) => {
        /// A mail by its template.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EmailKind { $($name),+ }

        impl EmailKind {
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name of its template, as stored.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

kinds! {
    ReminderConfirmation = "reminder_confirmation",
    Reminder = "reminder",
    NewsletterConfirmation = "newsletter_confirmation",
    NewsletterWelcome = "newsletter_welcome",
    ThankYou = "thank_you",
    Receipt = "receipt",
    PaymentFailed = "payment_failed",
    PledgeEnded = "pledge_ended",
    RenewalNotice = "renewal_notice",
    Refund = "refund",
    ManageLink = "manage_link",
    PledgeChanged = "pledge_changed",
    ResumeNotice = "resume_notice",
}

impl EmailKind {
    /// Whether a second copy is worse than none: such a mail is never tried again once its text was begun to be handed over.
    pub fn at_most_once(self) -> bool {
        matches!(self, Self::Reminder | Self::RenewalNotice | Self::ResumeNotice)
    }

    /// Whether it can be unsubscribed from by one click (RFC 8058): what nobody needs to know.
    pub fn has_unsubscribe(self) -> bool {
        matches!(
            self,
            Self::ReminderConfirmation | Self::Reminder | Self::NewsletterConfirmation | Self::NewsletterWelcome
        )
    }
}

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailState {
    Waiting,
    Sent,
    /// Its address gets no mail.
    Suppressed,
    /// It could not be sent in time.
    Expired,
    /// It was refused for good, or may have arrived and must not be repeated.
    Failed,
}

impl EmailState {
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Sent, Self::Suppressed, Self::Expired, Self::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Suppressed => "suppressed",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }
}
