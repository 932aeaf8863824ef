//! A mail of each kind with facts that could be: for previews, and to try a newsroom's own templates before any is sent.

use serde_json::{Value, json};

use crate::domain::email::EmailKind;

/// The facts of a mail as it might be sent; every optional fact is there.
pub fn facts(kind: EmailKind) -> Value {
    let page = |path: &str| format!("https://give.example.org/{path}");
    let mut facts = match kind {
        EmailKind::ReminderConfirmation => json!({
            "confirm_url": page("r/sample/confirm"), "never_url": page("r/sample/never"), "due_on": "2027-01-15",
            "mails": 3, "asked_on": "2026-11-25",
        }),
        EmailKind::Reminder => json!({
            "give_url": page("give?ref=sample"), "manage_url": page("r/sample"),
            "unsubscribe_url": page("r/sample/never"), "asked_on": "2026-11-25", "frequency": "monthly",
            "amount_minor": 500, "currency": "USD",
        }),
        EmailKind::NewsletterConfirmation => json!({
            "confirm_url": page("n/sample/confirm"), "never_url": page("n/sample/never"), "asked_on": "2026-11-25",
            "list": "Morning Letter",
        }),
        EmailKind::NewsletterWelcome => json!({
            "unsubscribe_url": page("n/sample/unsubscribe"), "asked_on": "2026-11-25", "list": "Morning Letter",
            "preview_url": "https://paper.example/letter",
        }),
        EmailKind::ThankYou | EmailKind::Receipt => json!({
            "amount_minor": 1250, "currency": "EUR", "frequency": "monthly", "paid_on": "2026-11-25",
            "next_on": "2026-12-25", "statement": "THE PAPER", "stop_url": page("s/sample"),
            "other": { "amount_minor": 500, "currency": "USD", "frequency": "monthly" },
            "other_stop_url": page("s/another"),
        }),
        EmailKind::PaymentFailed => json!({
            "amount_minor": 500, "currency": "USD", "frequency": "monthly", "reason": "insufficient_funds",
            "next_try_on": "2026-11-28", "pay_url": "https://invoice.stripe.com/i/sample",
            "stop_url": page("s/sample"),
        }),
        EmailKind::PledgeEnded => json!({
            "amount_minor": 500, "currency": "USD", "frequency": "monthly", "ended_on": "2026-11-25", "why": "by_donor",
        }),
        EmailKind::RenewalNotice => json!({
            "amount_minor": 6000, "currency": "USD", "charged_on": "2026-12-02", "stop_url": page("s/sample"),
        }),
        EmailKind::Refund => json!({
            "amount_minor": 123_400, "currency": "USD", "refunded_on": "2026-11-25", "stop_url": page("s/sample"),
        }),
        EmailKind::ManageLink => json!({
            "continue_url": page("m/sample"), "asked_on": "2026-11-25", "asked_by": "donor", "minutes": 30,
        }),
        EmailKind::PledgeChanged => json!({
            "amount_minor": 6000, "currency": "USD", "frequency": "annual", "next_on": "2026-12-25",
            "before": { "amount_minor": 500, "currency": "USD", "frequency": "monthly" }, "stop_url": page("s/sample"),
        }),
        EmailKind::ResumeNotice => json!({
            "amount_minor": 500, "currency": "USD", "frequency": "monthly", "resumes_on": "2026-12-25",
            "stop_url": page("s/sample"),
        }),
    };
    if !matches!(
        kind,
        EmailKind::ReminderConfirmation
            | EmailKind::Reminder
            | EmailKind::NewsletterConfirmation
            | EmailKind::NewsletterWelcome
            | EmailKind::ManageLink
    ) {
        facts["support_url"] = json!(page("manage"));
    }
    facts["campaign_name"] = json!("The Paper");
    facts
}
