//! What a request can do to a subscription or an invoice.
//!
//! It must not decide what time does ([`super::billing`]). Invariant: a canceled subscription refuses every change.

use serde_json::{Value, json};

use super::changes;
use super::error::{ApiError, ApiResult};
use super::form::Node;
use super::params::{Kind, Param, check, optional, required};
use super::payments::{Attempt, decline_message};
use super::state::{Due, State, merged_metadata, text};

const CANCELLATION: &[Param] = &[
    optional("comment", Kind::Clearable(&Kind::Text)),
    optional(
        "feedback",
        Kind::Clearable(&Kind::OneOf(&[
            "customer_service",
            "low_quality",
            "missing_features",
            "other",
            "switched_service",
            "too_complex",
            "too_expensive",
            "unused",
        ])),
    ),
];

const PAUSE: &[Param] = &[
    required("behavior", Kind::OneOf(&["keep_as_draft", "mark_uncollectible", "void"])),
    optional("resumes_at", Kind::Time),
];

const UPDATE: &[Param] = &[
    optional("billing_cycle_anchor", Kind::OneOf(&["now", "unchanged"])),
    optional("cancel_at", Kind::Clearable(&Kind::Time)),
    optional("cancel_at_period_end", Kind::Bool),
    optional("cancellation_details", Kind::Object(CANCELLATION)),
    optional("default_payment_method", Kind::Unmodelled),
    optional("description", Kind::Clearable(&Kind::Short(500))),
    optional("items", Kind::List(&changes::ITEM)),
    optional("metadata", Kind::Metadata),
    optional("off_session", Kind::Bool),
    optional("pause_collection", Kind::Clearable(&Kind::Object(PAUSE))),
    optional("payment_behavior", Kind::Unmodelled),
    optional("payment_settings", Kind::Unmodelled),
    optional("proration_behavior", Kind::OneOf(&["always_invoice", "create_prorations", "none"])),
    optional("trial_settings", Kind::Unmodelled),
];

const CANCEL: &[Param] = &[
    optional("cancellation_details", Kind::Object(CANCELLATION)),
    optional("invoice_now", Kind::Bool),
    optional("prorate", Kind::Bool),
];

const RESUME: &[Param] = &[
    optional("billing_cycle_anchor", Kind::OneOf(&["now", "unchanged"])),
    optional("proration_behavior", Kind::OneOf(&["always_invoice", "create_prorations", "none"])),
    optional("proration_date", Kind::Time),
];

const PAY: &[Param] = &[
    optional("forgive", Kind::Bool),
    optional("mandate", Kind::Unmodelled),
    optional("off_session", Kind::Bool),
    optional("paid_out_of_band", Kind::Bool),
    optional("payment_method", Kind::Unmodelled),
    optional("source", Kind::Unmodelled),
];

impl State {
    pub fn alive(&self, id: &str) -> Result<(), ApiError> {
        match self.text(id, "status").as_str() {
            "canceled" | "incomplete_expired" => {
                let message = "A canceled subscription can only update its cancellation_details and metadata.";
                Err(ApiError::invalid(message))
            }
            _ => Ok(()),
        }
    }

    /// `POST /v1/subscriptions/{id}`
    pub fn update_subscription(&mut self, id: &str, form: &Node) -> ApiResult {
        let params = check(form, UPDATE)?;
        self.alive(id)?;
        self.may_change_ending(id, &params)?;
        let change = changes::read(self, id, &params)?;
        let mut fields = json!({});
        for name in ["description", "pause_collection"] {
            if let Some(value) = params.get(name) {
                fields[name] = value.clone();
            }
        }
        if fields["pause_collection"].is_object() {
            self.pause_until(id, &mut fields["pause_collection"])?;
        }
        if !params["metadata"].is_null() {
            fields["metadata"] = merged_metadata(&self.get(id)["metadata"], &params["metadata"]);
        }
        if let Some(at_end) = params["cancel_at_period_end"].as_bool() {
            self.wish_to_cancel(id, at_end, &mut fields);
        }
        if let Some(cancel_at) = params.get("cancel_at") {
            self.wish_to_cancel_at(id, cancel_at, &mut fields)?;
        }
        for (name, value) in params["cancellation_details"].as_object().into_iter().flatten() {
            if fields["cancellation_details"].is_null() {
                fields["cancellation_details"] = self.get(id)["cancellation_details"].clone();
            }
            fields["cancellation_details"][name] = value.clone();
        }
        let invoices = change.map(|change| self.take_price(id, &change, &mut fields));
        let before = self.get(id).clone();
        let previous = self.patch(id, fields);
        if *self.get(id) != before {
            self.emit_previous("customer.subscription.updated", id, previous);
        }
        if invoices == Some(true) {
            self.invoice_at_once(id);
        }
        Ok(self.get(id).clone())
    }

    /// A schedule decides when its subscription ends.
    fn may_change_ending(&self, id: &str, params: &Value) -> Result<(), ApiError> {
        let schedule = self.text(id, "schedule");
        let asked = params["cancel_at_period_end"] == true || params["cancel_at"].is_i64();
        if schedule.is_empty() || !asked {
            return Ok(());
        }
        Err(ApiError::invalid(format!(
            "The subscription is managed by the subscription schedule `{schedule}`, and updating any cancelation \
             behavior directly is not allowed. Please update the schedule instead."
        )))
    }

    fn pause_until(&mut self, id: &str, pause: &mut Value) -> Result<(), ApiError> {
        match pause["resumes_at"].as_i64() {
            Some(at) if at <= self.at => {
                let message = "Invalid timestamp: must be an integer Unix timestamp in the future.";
                Err(ApiError::param("pause_collection[resumes_at]", message))
            }
            Some(at) => {
                self.schedule(at, Due::ResumeCollection(id.to_owned()));
                Ok(())
            }
            None => {
                pause["resumes_at"] = Value::Null;
                Ok(())
            }
        }
    }

    /// The end of a pause has come, if it still stands.
    pub fn resume_collection(&mut self, id: &str) {
        let until = self.get(id)["pause_collection"]["resumes_at"].as_i64();
        if self.alive(id).is_ok() && until.is_some_and(|at| at <= self.at) {
            self.change("customer.subscription.updated", id, json!({"pause_collection": null}));
        }
    }

    fn wish_to_cancel(&self, id: &str, at_end: bool, fields: &mut Value) {
        let mut details = self.get(id)["cancellation_details"].clone();
        details["reason"] = if at_end { json!("cancellation_requested") } else { Value::Null };
        fields["cancellation_details"] = details;
        fields["cancel_at_period_end"] = json!(at_end);
        let end = &self.get(id)["items"]["data"][0]["current_period_end"];
        fields["cancel_at"] = if at_end { end.clone() } else { Value::Null };
        fields["canceled_at"] = if at_end { json!(self.at) } else { Value::Null };
    }

    fn wish_to_cancel_at(&mut self, id: &str, cancel_at: &Value, fields: &mut Value) -> Result<(), ApiError> {
        if let Some(at) = cancel_at.as_i64() {
            if at <= self.at {
                return Err(ApiError::param("cancel_at", "Invalid timestamp: must be in the future."));
            }
            self.schedule(at, Due::CancelAt(id.to_owned()));
        }
        fields["cancel_at"] = cancel_at.clone();
        fields["canceled_at"] = if cancel_at.is_null() { Value::Null } else { json!(self.at) };
        Ok(())
    }

    /// `DELETE /v1/subscriptions/{id}`
    pub fn delete_subscription(&mut self, id: &str, form: &Node) -> ApiResult {
        let params = check(form, CANCEL)?;
        if self.alive(id).is_err() {
            return Err(ApiError::no_such("subscription", id));
        }
        let mut details = self.get(id)["cancellation_details"].clone();
        for (name, value) in params["cancellation_details"].as_object().into_iter().flatten() {
            details[name] = value.clone();
        }
        self.patch(id, json!({"cancellation_details": details, "canceled_at": self.at}));
        self.cancel(id, "cancellation_requested");
        Ok(self.get(id).clone())
    }

    /// Stripe pauses a subscription whose trial ended without a way to pay; here a person asks for it.
    pub fn pause_subscription(&mut self, id: &str) {
        if self.text(id, "status") != "paused" && self.alive(id).is_ok() {
            self.patch(id, json!({"status": "paused"}));
            self.emit("customer.subscription.paused", id);
        }
    }

    /// `POST /v1/subscriptions/{id}/resume`
    pub fn resume_subscription(&mut self, id: &str, form: &Node) -> ApiResult {
        check(form, RESUME)?;
        if self.text(id, "status") != "paused" {
            return Err(ApiError::invalid("You can only resume a subscription that is paused."));
        }
        self.patch(id, json!({"status": "active"}));
        self.emit("customer.subscription.resumed", id);
        Ok(self.get(id).clone())
    }

    /// `POST /v1/invoices/{id}/pay`
    pub fn pay_invoice(&mut self, id: &str, form: &Node) -> ApiResult {
        check(form, PAY)?;
        match self.text(id, "status").as_str() {
            "open" => {}
            "paid" => return Err(ApiError::invalid("Invoice is already paid").code("invoice_already_paid")),
            status => return Err(ApiError::invalid(format!("This invoice can't be paid: it is {status}."))),
        }
        match self.collect(id) {
            Attempt::Declined(code) => Err(ApiError::card("card_declined", decline_message(code))),
            Attempt::NeedsAction => {
                let message = "This invoice's payment needs an additional action by the customer.";
                Err(ApiError::card("invoice_payment_intent_requires_action", message))
            }
            Attempt::Succeeded | Attempt::Processing => Ok(self.get(id).clone()),
        }
    }

    /// `POST /v1/invoices/{id}/void` and `…/mark_uncollectible`
    pub fn close_invoice_by_request(&mut self, id: &str, verb: &str) -> ApiResult {
        let status = self.text(id, "status");
        if status != "open" {
            return Err(ApiError::invalid(format!("Only open invoices can be closed; this one is {status}.")));
        }
        if verb == "void" {
            self.close_invoice(id, "void", "voided_at", "invoice.voided");
        } else {
            self.close_invoice(id, "uncollectible", "marked_uncollectible_at", "invoice.marked_uncollectible");
        }
        Ok(self.get(id).clone())
    }

    /// The newest subscription a customer has, for the portal's page.
    pub fn subscription_of_customer(&self, customer: &str) -> Option<&Value> {
        self.all("subscription").rev().find(|known| text(known, "customer") == customer)
    }
}
