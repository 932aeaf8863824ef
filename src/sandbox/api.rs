//! The API as one function: a request in, a status and bytes out.
//!
//! It must not do I/O ([`super::server`] does). Invariants: every request is logged once; no work is done for one that
//! is refused; a request sees everything that was due before it.

use serde_json::Value;

use super::error::{ApiError, ApiResult};
use super::faults::ApiFault;
use super::form::{self, Node};
use super::idempotency::Stored;
use super::list;
use super::log::{Auth, LoggedRequest};
use super::params::{Param, check};
use super::state::{RequestMark, State};
use super::{catalog, endpoints, portal};

/// A request as it was read from the wire.
#[derive(Debug, Clone, Default)]
pub struct ApiRequest {
    pub method: String,
    pub path: String,
    pub query: String,
    pub authorization: Option<String>,
    pub idempotency_key: Option<String>,
    pub stripe_version: Option<String>,
    pub user_agent: Option<String>,
    pub body: Vec<u8>,
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiAnswer {
    pub status: u16,
    pub request_id: String,
    pub body: Vec<u8>,
    pub replayed: bool,
    /// Seconds, for the `Retry-After` header.
    pub retry_after_seconds: Option<u32>,
}

/// Where a request stands after it was read: answered, or with work to do.
pub(super) enum Admitted {
    Answer(ApiAnswer),
    Work(Box<Work>),
}

/// A request that was let in.
pub(super) struct Work {
    request: ApiRequest,
    form: Node,
    id: String,
    logged: usize,
    /// The key it holds, if any.
    key: Option<String>,
}

const NOTHING: &[Param] = &[];

impl State {
    /// Checks who asks and whether the same was asked before.
    pub fn admit(&mut self, request: ApiRequest, fault: Option<ApiFault>) -> Admitted {
        self.run_due();
        let id = self.new_id("req");
        let auth = authenticate(request.authorization.as_deref());
        let raw = String::from_utf8_lossy(&request.body).into_owned();
        let form = read_form(&request, &raw);
        let logged = self.note(&request, &id, auth, &form, raw);
        let refusal =
            |state: &mut Self, error: &ApiError| Admitted::Answer(state.answer(&id, logged, Err(error.clone())));
        if matches!(auth, Auth::Missing | Auth::Refused) {
            return refusal(self, &unauthorized(auth));
        }
        let may = self.restricted.check(request.authorization.as_deref(), &request.method, &request.path);
        if let Err(error) = may {
            return refusal(self, &error);
        }
        match fault {
            Some(ApiFault::TooManyRequests { retry_after_seconds }) => {
                let mut answer = self.answer(&id, logged, Err(ApiError::too_many_requests()));
                answer.retry_after_seconds = Some(retry_after_seconds);
                return Admitted::Answer(answer);
            }
            Some(ApiFault::InternalError) => return refusal(self, &ApiError::internal()),
            _ => {}
        }
        let form = match form {
            Ok(form) => form,
            Err(error) => return refusal(self, &error),
        };
        let key = request.idempotency_key.clone().filter(|_| request.method == "POST");
        if let Some(key) = &key {
            match self.keys.claim(key, &request.path, &form.canonical(), self.at) {
                Ok(None) => {}
                Ok(Some(stored)) => return Admitted::Answer(self.replay(&stored, logged)),
                Err(error) => return refusal(self, &error),
            }
        }
        Admitted::Work(Box::new(Work { request, form, id, logged, key }))
    }

    /// Does the work of a request that was let in.
    pub fn work(&mut self, work: &Work, fault: Option<ApiFault>) -> ApiAnswer {
        self.run_due();
        self.request = Some(RequestMark { id: work.id.clone(), idempotency_key: work.request.idempotency_key.clone() });
        let mut result = self.route(&work.request, &work.form);
        self.request = None;
        if fault == Some(ApiFault::WorkThenStoredError) {
            result = Err(ApiError::internal());
        }
        let answer = self.answer(&work.id, work.logged, result);
        if let Some(key) = &work.key {
            let stored =
                Stored { status: answer.status, request_id: answer.request_id.clone(), body: answer.body.clone() };
            self.keys.finish(key, stored);
        }
        answer
    }

    /// Gives up a request whose connection was cut before its work.
    pub fn abandon(&mut self, work: &Work) {
        if let Some(key) = &work.key {
            self.keys.free(key);
        }
    }

    fn answer(&mut self, id: &str, logged: usize, result: ApiResult) -> ApiAnswer {
        let (status, body) = match result {
            Ok(value) => (200, value),
            Err(error) => (error.status, error.body(id)),
        };
        if let Some(entry) = self.log.get_mut(logged) {
            entry.status = status;
        }
        let body = body.to_string().into_bytes();
        ApiAnswer { status, request_id: id.to_owned(), body, replayed: false, retry_after_seconds: None }
    }

    fn replay(&mut self, stored: &Stored, logged: usize) -> ApiAnswer {
        if let Some(entry) = self.log.get_mut(logged) {
            entry.status = stored.status;
            entry.replayed = true;
        }
        ApiAnswer {
            status: stored.status,
            request_id: stored.request_id.clone(),
            body: stored.body.clone(),
            replayed: true,
            retry_after_seconds: None,
        }
    }

    fn note(
        &mut self,
        request: &ApiRequest,
        id: &str,
        auth: Auth,
        form: &Result<Node, ApiError>,
        raw: String,
    ) -> usize {
        self.log.push(LoggedRequest {
            id: id.to_owned(),
            at: self.at,
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            auth,
            idempotency_key: request.idempotency_key.clone(),
            stripe_version: request.stripe_version.clone(),
            user_agent: request.user_agent.clone(),
            form: form.as_ref().map_or(Value::Null, Node::to_json),
            raw_body: raw,
            status: 0,
            replayed: false,
        });
        self.log.len() - 1
    }

    fn route(&mut self, request: &ApiRequest, form: &Node) -> ApiResult {
        let path = request.path.trim_start_matches("/v1/").trim_end_matches('/').to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        let answer = match request.method.as_str() {
            "GET" => self.read(&parts, &path, form),
            "POST" => self.write(&parts, form),
            "DELETE" => self.delete(&parts, form),
            _ => Err(ApiError::no_such_route(&request.method, &request.path)),
        };
        let answer = match answer {
            Err(error) if error.status == 404 && error.code.is_none() => {
                return Err(ApiError::no_such_route(&request.method, &request.path));
            }
            other => other?,
        };
        list::expand(self, answer, form)
    }

    fn read(&self, parts: &[&str], path: &str, form: &Node) -> ApiResult {
        if list::kind_of(path).is_some() {
            return list::list(self, path, form);
        }
        match parts {
            ["account"] => {
                check(form, NOTHING)?;
                Ok(catalog::account())
            }
            ["checkout", "sessions", id, "line_items"] => {
                self.found("checkout/sessions", id)?;
                Ok(list::session_lines(self, id))
            }
            ["checkout", "sessions", id] => self.one("checkout/sessions", id, form),
            ["billing_portal", "configurations", id] => self.one("billing_portal/configurations", id, form),
            [collection, id] => self.one(collection, id, form),
            _ => Err(ApiError::no_such_route("GET", path)),
        }
    }

    fn one(&self, collection: &str, id: &str, form: &Node) -> ApiResult {
        self.found(collection, id)?;
        check(form, NOTHING)?;
        let object = self.get(id);
        if object["deleted"] == true {
            return Ok(serde_json::json!({"id": id, "object": object["object"], "deleted": true}));
        }
        Ok(object.clone())
    }

    fn found(&self, collection: &str, id: &str) -> Result<(), ApiError> {
        let kind = list::kind_of(collection).ok_or_else(|| ApiError::no_such_route("", collection))?;
        if self.has(kind, id) { Ok(()) } else { Err(ApiError::no_such(kind, id)) }
    }

    fn write(&mut self, parts: &[&str], form: &Node) -> ApiResult {
        match parts {
            ["checkout", "sessions"] => return self.create_session(form),
            ["products"] => return catalog::create_product(self, form),
            ["webhook_endpoints"] => return endpoints::create(self, form),
            ["customers"] => return catalog::create_customer(self, form),
            ["refunds"] => return self.create_refund(form),
            ["subscription_schedules"] => return self.create_schedule(form),
            ["billing_portal", "sessions"] => return portal::create(self, form),
            ["billing_portal", "configurations"] => return portal::create_configuration(self, form),
            ["billing_portal", "configurations", id] => {
                self.found("billing_portal/configurations", id)?;
                return portal::update_configuration(self, id, form);
            }
            ["checkout", "sessions", id, ..] => self.found("checkout/sessions", id)?,
            [collection, id, ..] => self.found(collection, id)?,
            _ => {}
        }
        match parts {
            ["checkout", "sessions", id, "expire"] => {
                check(form, NOTHING)?;
                self.expire_by_request(id)
            }
            ["customers", id] if self.get(id)["deleted"] == true => Err(ApiError::no_such("customer", id)),
            ["customers", id] => catalog::update_customer(self, id, form),
            ["products", id] => catalog::update_product(self, id, form),
            ["webhook_endpoints", id] => endpoints::update(self, id, form),
            ["subscriptions", id] => self.update_subscription(id, form),
            ["subscriptions", id, "resume"] => self.resume_subscription(id, form),
            ["subscription_schedules", id] => self.update_schedule(id, form),
            ["subscription_schedules", id, "release"] => self.release_by_request(id, form),
            ["subscription_schedules", id, "cancel"] => self.cancel_schedule(id, form),
            ["invoices", id, "pay"] => self.pay_invoice(id, form),
            ["invoices", id, verb @ ("void" | "mark_uncollectible")] => {
                check(form, NOTHING)?;
                self.close_invoice_by_request(id, verb)
            }
            _ => Err(ApiError::no_such_route("POST", "")),
        }
    }

    fn delete(&mut self, parts: &[&str], form: &Node) -> ApiResult {
        if let [collection, id] = parts {
            self.found(collection, id)?;
        }
        match parts {
            ["customers", id] if self.get(id)["deleted"] == true => Err(ApiError::no_such("customer", id)),
            ["customers", id] => catalog::delete_customer(self, id, form),
            ["subscriptions", id] => self.delete_subscription(id, form),
            ["webhook_endpoints", id] => endpoints::delete(self, id, form),
            _ => Err(ApiError::no_such_route("DELETE", "")),
        }
    }
}

fn read_form(request: &ApiRequest, raw: &str) -> Result<Node, ApiError> {
    match request.method.as_str() {
        "POST" if !request.query.is_empty() => form::parse(&format!("{raw}&{}", request.query)),
        "POST" => form::parse(raw),
        // DELETE carries its parameters in the query or in the body.
        "DELETE" if !raw.is_empty() => form::parse(raw),
        _ => form::parse(&request.query),
    }
}

fn authenticate(header: Option<&str>) -> Auth {
    use base64::Engine as _;
    let Some(header) = header else { return Auth::Missing };
    let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
    let good =
        |key: &str| ["sk_test_", "rk_test_"].iter().any(|prefix| key.len() > prefix.len() && key.starts_with(prefix));
    if scheme.eq_ignore_ascii_case("bearer") {
        return if good(rest.trim()) { Auth::Bearer } else { Auth::Refused };
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(rest.trim()).unwrap_or_default();
    let user = String::from_utf8_lossy(&decoded).split(':').next().unwrap_or_default().to_owned();
    if scheme.eq_ignore_ascii_case("basic") && good(&user) { Auth::Basic } else { Auth::Refused }
}

fn unauthorized(auth: Auth) -> ApiError {
    ApiError::unauthorized(match auth {
        Auth::Missing => {
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        }
        _ => "Invalid API Key provided: the sandbox takes sk_test_… and rk_test_… keys only.",
    })
}
