//! What only Stripe tells of a payment that failed or of a pledge that ended, asked when a donor is to be told of it.
//!
//! None of it is kept: a hosted page's address opens the donor's invoice to whoever has it, and a bank's reason says more of
//! a donor than the books need. Banks' words are put into a few classes; the others, such as a stolen card, are nobody's
//! to hear by mail.

use serde_json::Value;
use url::Url;

use super::decode::path_of;
use super::{CallError, Gateway};

/// The reason where none is said; mails have no words for it.
pub const NOT_SAID: &str = "not_said";

/// How a payment stands that failed before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Failed(Failure),
    /// It is tried anew, and may fail again.
    OnItsWay,
    /// It came, or nobody wants it any more.
    Over,
}

/// A payment that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A word of [`crate::domain::email::FAILURE_REASONS`], or another.
    pub reason: &'static str,
    /// When Stripe tries again, in unix seconds.
    pub next_try_at: Option<i64>,
    /// Stripe's page to pay it or to use another card.
    pub pay_url: Option<String>,
}

impl Gateway {
    /// How the failed payment under `key` (`in_…` or `pi_…`) stands, which `intent` pays.
    pub async fn failure(&self, key: &str, intent: Option<&str>) -> Result<Standing, CallError> {
        let intent = match intent {
            Some(id) => self.object(id).await?,
            None => Value::Null,
        };
        let invoice = if key.starts_with("in_") { Some(self.object(key).await?) } else { None };
        Ok(standing(invoice.as_ref(), &intent))
    }

    /// Why a subscription ended: a word of [`crate::domain::email::END_REASONS`], or another.
    pub async fn end_reason(&self, subscription: &str) -> Result<&'static str, CallError> {
        Ok(end_reason(&self.object(subscription).await?))
    }

    /// An object by its id; null where Stripe has none or does not show it, for then what the books know must do. Another
    /// key than a good one is no such answer.
    async fn object(&self, id: &str) -> Result<Value, CallError> {
        let Some(path) = path_of(id) else { return Ok(Value::Null) };
        match self.fetch(&path).await {
            Ok(answer) => answer.json(),
            Err(CallError::Refused { status, .. }) if status != 401 => Ok(Value::Null),
            Err(error) => Err(error),
        }
    }
}

/// Whether a payment intent with this status may still bring its money, or fail, without anybody doing anything.
pub fn is_on_its_way(status: &str) -> bool {
    matches!(status, "processing" | "requires_capture")
}

/// What Stripe does not tell is as the books have it: it failed.
fn standing(invoice: Option<&Value>, intent: &Value) -> Standing {
    if invoice.and_then(|invoice| invoice["status"].as_str()).is_some_and(|status| status != "open") {
        return Standing::Over;
    }
    match intent["status"].as_str() {
        Some("succeeded") => return Standing::Over,
        Some(status) if is_on_its_way(status) => return Standing::OnItsWay,
        _ => {}
    }
    let told = |field: &str| invoice.map(|invoice| &invoice[field]);
    let page = told("hosted_invoice_url").and_then(Value::as_str).filter(|url| is_page(url));
    Standing::Failed(Failure {
        reason: failure_reason(intent),
        next_try_at: told("next_payment_attempt").and_then(Value::as_i64),
        pay_url: page.map(str::to_owned),
    })
}

fn is_page(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
}

fn failure_reason(intent: &Value) -> &'static str {
    let error = &intent["last_payment_error"];
    let words = [error["decline_code"].as_str(), error["code"].as_str()];
    let says = |word: &str| words.contains(&Some(word));
    if says("insufficient_funds") {
        "insufficient_funds"
    } else if says("expired_card") {
        "expired_card"
    } else if says("authentication_required")
        || says("payment_intent_authentication_failure")
        || intent["status"] == "requires_action"
    {
        "authentication_needed"
    } else if error.is_object() {
        "declined"
    } else {
        NOT_SAID
    }
}

fn end_reason(subscription: &Value) -> &'static str {
    match subscription["cancellation_details"]["reason"].as_str() {
        // Stripe does not say who asked.
        Some("cancellation_requested") => "asked",
        Some("payment_failed") => "unpaid",
        Some("payment_disputed") => "disputed",
        _ => NOT_SAID,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::email::{END_REASONS, FAILURE_REASONS};

    #[test]
    fn what_banks_say_is_put_into_classes_and_what_is_not_for_mail_is_not_said() {
        for (code, decline_code, class) in [
            ("card_declined", "insufficient_funds", "insufficient_funds"),
            ("insufficient_funds", "", "insufficient_funds"),
            ("expired_card", "expired_card", "expired_card"),
            ("authentication_required", "authentication_required", "authentication_needed"),
            ("payment_intent_authentication_failure", "", "authentication_needed"),
            ("card_declined", "stolen_card", "declined"),
            ("card_declined", "fraudulent", "declined"),
            ("a_word_of_tomorrow", "", "declined"),
        ] {
            let intent = json!({"last_payment_error": {"code": code, "decline_code": decline_code}});
            assert_eq!(failure_reason(&intent), class, "{code} {decline_code}");
            assert!(FAILURE_REASONS.contains(&class));
        }
        assert_eq!(failure_reason(&json!({"status": "requires_action"})), "authentication_needed");
        assert_eq!(failure_reason(&Value::Null), NOT_SAID);
    }

    #[test]
    fn a_payment_that_stripe_has_or_awaits_or_gave_up_does_not_stand_as_failed() {
        let stands =
            |invoice: &str, intent: &str| standing(Some(&json!({"status": invoice})), &json!({"status": intent}));
        let failed = |reason, pay_url: Option<&str>| {
            Standing::Failed(Failure { reason, next_try_at: None, pay_url: pay_url.map(str::to_owned) })
        };
        assert_eq!(stands("open", "requires_payment_method"), failed(NOT_SAID, None));
        assert_eq!(stands("open", "requires_action"), failed("authentication_needed", None));
        for (invoice, intent, how) in [
            ("paid", "succeeded", Standing::Over),
            ("open", "succeeded", Standing::Over),
            ("open", "processing", Standing::OnItsWay),
            ("void", "canceled", Standing::Over),
            ("uncollectible", "requires_payment_method", Standing::Over),
        ] {
            assert_eq!(stands(invoice, intent), how, "{invoice} {intent}");
        }
        assert_eq!(standing(None, &json!({"status": "processing"})), Standing::OnItsWay);
        assert_eq!(standing(Some(&Value::Null), &Value::Null), failed(NOT_SAID, None), "as the books have it");
        for (url, shown) in [("https://invoice.stripe.com/i/1", true), ("javascript:alert(1)", false)] {
            let invoice = json!({"status": "open", "hosted_invoice_url": url});
            assert_eq!(standing(Some(&invoice), &Value::Null), failed(NOT_SAID, Some(url).filter(|_| shown)));
        }
    }

    #[test]
    fn why_a_subscription_ended_is_said_as_far_as_stripe_says_it() {
        let why = |reason: &str| end_reason(&json!({"cancellation_details": {"reason": reason}}));
        for (reason, class) in
            [("cancellation_requested", "asked"), ("payment_failed", "unpaid"), ("payment_disputed", "disputed")]
        {
            assert_eq!(why(reason), class);
            assert!(END_REASONS.contains(&class));
        }
        assert_eq!((why("a_word_of_tomorrow"), end_reason(&Value::Null)), (NOT_SAID, NOT_SAID));
    }
}
