//! Do readers reach us by a protected way, and can floods be told from readers?

use url::{Host, Url};

use super::{Outcome, Patient};
use crate::config::Origin;

pub(super) fn examine(patient: &Patient<'_>) -> Vec<Outcome> {
    vec![https(patient), origins(patient), proxies(patient)]
}

fn is_https(origin: &Origin) -> bool {
    origin.as_str().starts_with("https://")
}

fn is_this_machine(origin: &Origin) -> bool {
    match Url::parse(origin.as_str()).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn https(patient: &Patient<'_>) -> Outcome {
    let name = "web.https";
    let Some(public_url) = &patient.settings.public_url else {
        return Outcome::passed_over(name, "there is no public address to look at");
    };
    if is_https(public_url) {
        return Outcome::well(name, format!("donors reach us at {public_url}"));
    }
    let what = format!("donors reach us at {public_url}, without TLS.");
    let why = "Whoever is on the way reads who gives, and can send them to a checkout of their own.";
    let mend = "put a proxy that speaks HTTPS in front, and set MAINSTAY_PUBLIC_URL to https://…";
    if is_this_machine(public_url) {
        return Outcome::warning(name, format!("{what} Only this machine does."), why, mend);
    }
    Outcome::failed(name, what, why, mend)
}

fn origins(patient: &Patient<'_>) -> Outcome {
    let name = "web.origins";
    let Some(origins) = &patient.settings.allowed_origins else {
        return Outcome::passed_over(name, "there are no origins to look at");
    };
    let open: Vec<&str> =
        origins.iter().filter(|one| !is_https(one) && !is_this_machine(one)).map(Origin::as_str).collect();
    if open.is_empty() {
        return Outcome::well(
            name,
            match origins.len() {
                0 => "gifts are asked for on our own page only".to_owned(),
                count => format!("{count} origins of other sites, all over HTTPS"),
            },
        );
    }
    let what = format!("the widget may stand on {}, without TLS.", open.join(", "));
    let why = "Whoever is on the way can change the page, and the form on it.";
    Outcome::warning(name, what, why, "set MAINSTAY_ALLOWED_ORIGINS to https:// addresses")
}

fn proxies(patient: &Patient<'_>) -> Outcome {
    let name = "web.proxies";
    let (Some(public_url), Some(proxies)) = (&patient.settings.public_url, patient.settings.trusted_proxies) else {
        return Outcome::passed_over(name, "there are no proxies to look at");
    };
    // We speak no TLS ourselves, so somebody in front does.
    if is_https(public_url) && proxies == 0 {
        let what = "a proxy must be in front, for the address is https, and MAINSTAY_TRUSTED_PROXIES is 0.";
        let why = "All readers then look like one, and nobody is limited by address.";
        return Outcome::warning(name, what, why, "set MAINSTAY_TRUSTED_PROXIES=1");
    }
    Outcome::well(
        name,
        match proxies {
            0 => "readers reach us directly".to_owned(),
            1 => "readers are told apart behind one proxy".to_owned(),
            more => format!("readers are told apart behind {more} proxies"),
        },
    )
}
