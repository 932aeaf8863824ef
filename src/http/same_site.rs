//! What is ours from what another site had a browser send, and cookies that only this host gets.

use axum::http::{HeaderMap, HeaderValue, Method, header};

/// Whether a request comes from another site. Browsers say so themselves (Fetch Metadata); older ones name the origin when
/// something is posted. Programs say neither, and have no cookie to be misused.
pub fn crosses(method: &Method, headers: &HeaderMap, is_page: bool) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("cross-site"));
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match text("sec-fetch-site") {
        Some("same-origin") => false,
        // Typed by hand, or from a bookmark.
        Some("none") => !reads,
        // A link in a mail or a chat may open a page; nothing else here is for other sites.
        Some(_) => {
            !(reads
                && is_page
                && text("sec-fetch-mode") == Some("navigate")
                && text("sec-fetch-dest") == Some("document"))
        }
        None if reads => false,
        None => match text("origin") {
            Some(origin) => {
                let host = origin.split_once("://").map_or("", |(_, host)| host);
                host.is_empty() || text("host") != Some(host)
            }
            None => is_page,
        },
    }
}

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Hands the cookie of a session over, or takes it back. The prefix `__Host-` of its name makes browsers hold us to
/// `Secure`, the whole host and the root (source: RFC 6265bis).
pub fn set_cookie(headers: &mut HeaderMap, name: &str, value: Option<&str>) {
    let (value, age) = value.map_or(("", "; Max-Age=0"), |value| (value, ""));
    let line = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{age}");
    if let Ok(line) = HeaderValue::from_str(&line) {
        headers.append(header::SET_COOKIE, line);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    const NAME: &str = "__Host-mainstay";

    fn crossing(method: &Method, lines: &[(&'static str, &'static str)], is_page: bool) -> bool {
        let headers =
            lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        crosses(method, &headers.collect(), is_page)
    }

    #[test]
    fn what_another_site_sends_is_told_from_what_is_ours() {
        let site = |site| ("sec-fetch-site", site);
        let opens = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        for (method, lines, page, crosses) in [
            (Method::POST, vec![site("same-origin")], true, false),
            (Method::POST, vec![site("same-site")], true, true),
            (Method::POST, vec![site("cross-site")], true, true),
            (Method::POST, vec![site("cross-site"), opens[0], opens[1]], true, true),
            (Method::POST, vec![site("none")], true, true),
            (Method::POST, vec![("host", "a.example"), ("origin", "https://a.example")], true, false),
            (Method::POST, vec![("host", "a.example"), ("origin", "https://b.example")], true, true),
            (Method::POST, vec![("host", "a.example"), ("origin", "null")], true, true),
            (Method::POST, vec![("host", "a.example")], true, true),
            (Method::POST, vec![("host", "a.example")], false, false),
            (Method::GET, vec![], true, false),
            (Method::GET, vec![site("none")], true, false),
            (Method::GET, vec![site("cross-site"), opens[0], opens[1]], true, false),
            (Method::GET, vec![site("cross-site"), opens[0], ("sec-fetch-dest", "iframe")], true, true),
            (Method::GET, vec![site("cross-site"), ("sec-fetch-mode", "no-cors")], true, true),
            (Method::GET, vec![site("cross-site"), opens[0], opens[1]], false, true),
            (Method::GET, vec![site("same-site"), ("sec-fetch-mode", "cors")], false, true),
        ] {
            assert_eq!(crossing(&method, &lines, page), crosses, "{method} {lines:?} {page}");
        }
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; x__Host-mainstay=2; __Host-mainstay-other=3"));
        assert_eq!(cookie(&headers, NAME), None);
        headers.append(header::COOKIE, HeaderValue::from_static("b=2;__Host-mainstay=4"));
        assert_eq!(cookie(&headers, NAME), Some("4"));
    }
}
