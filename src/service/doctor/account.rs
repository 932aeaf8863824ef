//! Does Stripe answer, does what it says reach us, and do our books agree with it?

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::time::timeout;

use super::{Outcome, PATIENCE, Patient, look, span};
use crate::clock::{DAY, HOUR, MINUTE};
use crate::domain::event::{API_VERSION, Envelope, Reading, is_handled};
use crate::domain::facts::State;
use crate::gateway::probe::MadeEvent;
use crate::gateway::setup::{ENDPOINTS, Endpoint};
use crate::gateway::{CallError, Gateway, decode};
use crate::service::stripe_setup::{Standing, at, standing};
use crate::store::{Mark, SettledPayment};

/// How many payments are held against Stripe's.
const SAMPLE: i64 = 20;
/// How many of them at once.
const AT_ONCE: usize = 10;
/// How many of Stripe's events are looked for in the inbox.
const EVENTS: i64 = 20;
/// How long ago the last sweep may have been, in seconds: longer than any setting but one that is meant.
const SWEPT: i64 = DAY + HOUR;
/// How long an event may be under way, in seconds.
const UNDER_WAY: i64 = 10 * MINUTE;

pub(super) async fn examine(patient: &Patient<'_>) -> Vec<Outcome> {
    let (endpoints, missing, backlog, drift, swept, agreement) = tokio::join!(
        endpoints(patient),
        missing(patient),
        backlog(patient),
        drift(patient),
        swept(patient),
        agreement(patient)
    );
    vec![
        reachable(patient),
        api_version(patient),
        endpoint(patient, endpoints.as_ref()),
        secret(patient, endpoints.as_ref(), missing.as_ref()).await,
        last_event(patient, missing.as_ref()).await,
        backlog,
        drift,
        swept,
        agreement,
    ]
}

const UNREACHED: &str = "Stripe cannot be asked";

fn reachable(patient: &Patient<'_>) -> Outcome {
    let name = "stripe.reachable";
    let why = "Without Stripe no checkout can be begun.";
    match &patient.probe {
        None => Outcome::passed_over(name, "there is no Stripe key to ask with"),
        Some(Ok(probe)) if probe.status == 401 => {
            let what = "Stripe does not take the key.";
            let mend = "set MAINSTAY_STRIPE_SECRET_KEY to a key of the dashboard, under Developers, API keys";
            Outcome::failed(name, what, why, mend)
        }
        Some(Ok(probe)) if probe.status >= 500 => {
            let what = format!("Stripe fails (HTTP {}).", probe.status);
            Outcome::failed(name, what, why, "wait, and look at https://status.stripe.com")
        }
        Some(Ok(_)) => Outcome::well(name, "Stripe answers and takes the key"),
        Some(Err(error)) => {
            let host = patient.settings.stripe_api_url.as_ref().map(ToString::to_string).unwrap_or_default();
            Outcome::failed(name, format!("{error} at {host}."), why, format!("curl -sSI {host}"))
        }
    }
}

fn api_version(patient: &Patient<'_>) -> Outcome {
    let name = "stripe.api_version";
    let Some(Ok(probe)) = &patient.probe else { return Outcome::passed_over(name, UNREACHED) };
    match probe.version.as_deref() {
        Some(API_VERSION) => Outcome::well(name, format!("Stripe answers in {API_VERSION}")),
        Some(other) => {
            let what = format!("Stripe was asked in {API_VERSION} and answers in {other}.");
            let why = "What is answered in another shape may be misread.";
            Outcome::failed(name, what, why, "install the newest Mainstay, or remove MAINSTAY_STRIPE_API_URL")
        }
        // An answer of 401 names none.
        None => Outcome::passed_over(name, "Stripe does not say in which version it answers"),
    }
}

/// Of the endpoints at our address: one in our version, and one in another.
type Endpoints = Result<(Option<Endpoint>, Option<Endpoint>), CallError>;

async fn endpoints(patient: &Patient<'_>) -> Option<Endpoints> {
    let (gateway, public_url) = (patient.stripe()?, patient.settings.public_url.as_ref()?);
    let all = timeout(PATIENCE, gateway.endpoints()).await.unwrap_or(Err(CallError::Cut));
    Some(all.map(|all| at(all, &format!("{public_url}/webhooks/stripe"))))
}

fn endpoint(patient: &Patient<'_>, endpoints: Option<&Endpoints>) -> Outcome {
    let name = "stripe.endpoint";
    let why = "Gifts are known through Stripe's events: what is not sent is not counted.";
    let mend = "mainstay stripe setup";
    match endpoints {
        None => Outcome::passed_over(name, UNREACHED),
        Some(Err(CallError::Refused { status: 403, .. })) => {
            let what = "the key may not look at webhook endpoints.";
            let why = "Then nobody notices that Stripe has disabled ours.";
            Outcome::warning(name, what, why, format!("give the key the permission \"{}: read\"", ENDPOINTS.name))
        }
        Some(Err(error)) => Outcome::failed(name, format!("{error}."), why, "mainstay doctor, once more"),
        Some(Ok((Some(there), _))) => match standing(there) {
            Standing::Wrong(how) => {
                let what = format!("the webhook endpoint {} is not as it should be: {how}.", there.id);
                Outcome::failed(name, what, why, mend)
            }
            Standing::Right | Standing::Missing => {
                Outcome::well(name, format!("{} sends our {} events", there.id, there.events.len()))
            }
        },
        Some(Ok((None, Some(other)))) => {
            let version = other.api_version.as_deref().unwrap_or("the account's own version");
            let what = format!("the webhook endpoint {} sends {version}, and not {API_VERSION}.", other.id);
            Outcome::failed(name, what, why, "mainstay stripe setup --beside")
        }
        Some(Ok((None, None))) => {
            let url = patient.settings.public_url.as_ref().map(ToString::to_string).unwrap_or_default();
            Outcome::failed(name, format!("no webhook endpoint sends events to {url}/webhooks/stripe."), why, mend)
        }
    }
}

/// Of Stripe's newest events that we act on, those that should be in the inbox by now and are not.
async fn missing(patient: &Patient<'_>) -> Option<Result<Vec<MadeEvent>, String>> {
    let (gateway, store) = (patient.stripe()?, patient.store()?);
    let made = match timeout(PATIENCE, gateway.newest_events(EVENTS)).await.unwrap_or(Err(CallError::Cut)) {
        Ok(made) => made,
        Err(error) => return Some(Err(error.to_string())),
    };
    let due = patient.stripe_time() - UNDER_WAY;
    let made: Vec<MadeEvent> =
        made.into_iter().filter(|event| event.created <= due && is_handled(&event.kind)).collect();
    let ids: Vec<String> = made.iter().map(|event| event.id.clone()).collect();
    let held = look(Box::pin(store.events_held(&ids))).await;
    Some(held.map(|held| made.into_iter().filter(|event| !held.contains(&event.id)).collect()))
}

/// Stripe tells a signing secret only once, so whether ours is right is known by what arrives.
async fn secret(
    patient: &Patient<'_>,
    endpoints: Option<&Endpoints>,
    missing: Option<&Result<Vec<MadeEvent>, String>>,
) -> Outcome {
    let name = "stripe.secret";
    let (Some(Ok((Some(endpoint), _))), Some(store)) = (endpoints, patient.store()) else {
        return Outcome::passed_over(name, "without an endpoint there is no secret to look at");
    };
    let proven = match look(store.mark(Mark::WebhookReceived)).await {
        Ok(newest) => newest.is_some_and(|at| at >= endpoint.created),
        Err(error) => return Outcome::passed_over(name, format!("the inbox could not be read: {error}")),
    };
    if proven {
        return Outcome::well(name, "events signed with our secret have come since the endpoint was made");
    }
    let sent = match missing {
        Some(Ok(missing)) => missing.iter().filter(|event| event.created >= endpoint.created).count(),
        _ => 0,
    };
    if sent == 0 {
        return Outcome::passed_over(name, "not known until the first event comes: Stripe tells the secret only once");
    }
    let what =
        format!("Stripe has made {sent} events since the endpoint was made, and none came with a signature of ours.");
    let why = "Events that are not signed with MAINSTAY_STRIPE_WEBHOOK_SECRETS are refused.";
    let mend = format!("reveal the signing secret of {} in the dashboard, set it, and restart the server", endpoint.id);
    Outcome::failed(name, what, why, mend)
}

async fn last_event(patient: &Patient<'_>, missing: Option<&Result<Vec<MadeEvent>, String>>) -> Outcome {
    let name = "stripe.last_event";
    let missing = match missing {
        None => return Outcome::passed_over(name, "without Stripe and the database they cannot be compared"),
        Some(Err(error)) => return Outcome::passed_over(name, format!("Stripe's events could not be read: {error}")),
        Some(Ok(missing)) => missing,
    };
    if let Some(oldest) = missing.iter().map(|event| event.created).min() {
        let age = span(patient.stripe_time() - oldest);
        let what = format!(
            "{} of Stripe's last {EVENTS} events have not come; the oldest of them is {age} old.",
            missing.len()
        );
        let why = "Gifts are there that Mainstay does not know, and Stripe disables an endpoint that fails for days.";
        return Outcome::failed(name, what, why, "see that the server runs and is reached; then mainstay backfill");
    }
    let newest = match patient.store() {
        Some(store) => look(store.mark(Mark::WebhookReceived)).await.ok().flatten(),
        None => None,
    };
    match newest {
        Some(at) => {
            Outcome::well(name, format!("the last event came {} ago, and none is missing", span(patient.now - at)))
        }
        None => Outcome::well(name, "Stripe has had nothing to tell yet"),
    }
}

async fn backlog(patient: &Patient<'_>) -> Outcome {
    let name = "stripe.backlog";
    let Some(store) = patient.store() else { return Outcome::passed_over(name, "there is no inbox to look at") };
    let (oldest, counts) =
        match look(async { Ok((store.oldest_received_at().await?, store.count_events().await?)) }).await {
            Ok(seen) => seen,
            Err(error) => return Outcome::passed_over(name, format!("the inbox could not be read: {error}")),
        };
    let why = "What is not applied is in no report, and its donor gets no receipt.";
    let waited = oldest.map_or(0, |at| patient.now - at);
    if waited > UNDER_WAY {
        let what = format!("an event has waited for {} to be applied.", span(waited));
        let mend = "see that a worker runs: mainstay serve (without --only web)";
        return if waited > HOUR {
            Outcome::failed(name, what, why, mend)
        } else {
            Outcome::warning(name, what, why, mend)
        };
    }
    match counts.get("parked").copied().unwrap_or(0) {
        0 => Outcome::well(name, "no event waits"),
        parked => {
            let what = format!("{parked} events are parked: they could not be applied.");
            Outcome::failed(name, what, why, "mainstay events list --parked, then mainstay events replay --all")
        }
    }
}

async fn drift(patient: &Patient<'_>) -> Outcome {
    let name = "stripe.drift";
    let (Some(gateway), Some(store)) = (patient.stripe(), patient.store()) else {
        return Outcome::passed_over(name, "without Stripe and the database they cannot be compared");
    };
    let sample = match look(store.newest_payments(SAMPLE)).await {
        Ok(sample) => sample,
        Err(error) => return Outcome::passed_over(name, format!("our payments could not be read: {error}")),
    };
    let compare = stream::iter(&sample).map(|payment| compare(gateway, payment)).buffer_unordered(AT_ONCE).collect();
    let Ok(compared): Result<Vec<Result<bool, CallError>>, _> = timeout(PATIENCE, compare).await else {
        return Outcome::passed_over(name, "Stripe answers too slowly to compare");
    };
    if let Some(error) = compared.iter().find_map(|one| one.as_ref().err()) {
        return Outcome::passed_over(name, format!("Stripe's payments could not be read: {error}"));
    }
    let wrong: Vec<&Result<bool, CallError>> = compared.iter().filter(|one| **one == Ok(false)).collect();
    if wrong.is_empty() {
        return Outcome::well(
            name,
            match compared.len() {
                0 => "there are no payments yet".to_owned(),
                count => format!("the {count} newest payments are at Stripe what they are here"),
            },
        );
    }
    let what =
        format!("{} of the {} newest payments are not at Stripe what they are here.", wrong.len(), compared.len());
    let why = "Reports say what did not happen.";
    Outcome::failed(name, what, why, "mainstay backfill, then mainstay rebuild --dry-run")
}

async fn swept(patient: &Patient<'_>) -> Outcome {
    let name = "stripe.swept";
    let Some(store) = patient.store() else { return Outcome::passed_over(name, "there is no database to look at") };
    let why = "What a webhook does not bring, the sweep finds; while it fails, gifts may be missing.";
    match look(store.mark(Mark::SweptUntil)).await {
        Ok(Some(at)) if patient.now - at > SWEPT => {
            let what = format!("Stripe was last looked through {} ago.", span(patient.now - at));
            Outcome::warning(name, what, why, "mainstay backfill, and see why the server does not do it: its log")
        }
        Ok(Some(at)) => Outcome::well(name, format!("nothing is missing from before {} ago", span(patient.now - at))),
        Ok(None) => Outcome::passed_over(name, "no worker has looked through Stripe yet"),
        Err(error) => Outcome::passed_over(name, format!("it could not be read: {error}")),
    }
}

async fn agreement(patient: &Patient<'_>) -> Outcome {
    let name = "stripe.agreement";
    let Some(store) = patient.store() else { return Outcome::passed_over(name, "there are no books to look at") };
    match look(store.count_open_breaks()).await {
        Ok(0) => Outcome::well(name, "the books agree with what Stripe booked, as far as it was read"),
        Ok(breaks) => {
            let what = format!("the books differ from what Stripe booked in {breaks} places.");
            let why = "Reports say what did not happen, or leave out what did.";
            Outcome::failed(name, what, why, "mainstay reconcile --from DAY --to DAY tells each")
        }
        Err(error) => Outcome::passed_over(name, format!("it could not be read: {error}")),
    }
}

/// Whether a payment that brought money is the same at Stripe: amount, currency, status.
async fn compare(gateway: &Gateway, payment: &SettledPayment) -> Result<bool, CallError> {
    let Some(path) = decode::path_of(&payment.stripe_key) else { return Ok(false) };
    let answer = match gateway.fetch(&path).await {
        Ok(answer) => answer,
        Err(CallError::Refused { status: 404, .. }) => return Ok(false),
        Err(error) => return Err(error),
    };
    let nobody = Envelope {
        id: String::new(),
        kind: String::new(),
        object_id: None,
        api_version: None,
        livemode: None,
        created: None,
    };
    let Reading::Said(news) = decode::read_fetched(&answer.body, answer.at.unwrap_or(0), &nobody) else {
        return Err(CallError::Unreadable);
    };
    Ok(match news.object.fact.state {
        State::PaymentIntent { status, received_minor, currency, .. } => {
            (status.as_str(), received_minor, &currency) == ("succeeded", payment.amount_minor, &payment.currency)
        }
        State::Invoice { status, paid_minor, currency, .. } => {
            (status.as_str(), paid_minor, &currency) == ("paid", payment.amount_minor, &payment.currency)
        }
        _ => false,
    })
}
