//! Where fields of donors are opened. A place that opens them for people takes a `Noted`: the typed reason is then in the
//! audit log already.

use std::sync::LazyLock;

use regex::Regex;

use super::Finding;
use super::source::{Source, line_of};

/// What is done with what is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// People or their programs are shown it, and it was noted why.
    Shown,
    /// It is needed for work that the program does for the donor, and shown to nobody.
    Works,
    /// The donor's own browser shows it to the donor.
    Donors,
}

/// Every place outside of the worker, which mails donors and shows nobody anything.
const PLACES: [(&str, Use); 11] = [
    ("src/http/admin/donor.rs", Use::Shown),
    ("src/http/export.rs", Use::Shown),
    ("src/cli/newsletter.rs", Use::Shown),
    ("src/service/opening.rs", Use::Shown),
    ("src/service/newsletter.rs", Use::Shown),
    // Whose session it is; requests and contacts, for the worker.
    ("src/service/manage.rs", Use::Donors),
    ("src/service/later.rs", Use::Works),
    // Which bodies and accounts are somebody's; what their customer is at Stripe. Numbers are all that is told.
    ("src/service/erase_donor.rs", Use::Works),
    // The bodies of events, for those below and the worker.
    ("src/service/event_body.rs", Use::Works),
    // Whether the key still opens what is there.
    ("src/service/doctor/privacy.rs", Use::Works),
    // Whether a body is somebody's of another product: counted and deleted.
    ("src/service/onlooker.rs", Use::Works),
];

/// What opens a sealed value, and what hands out what was opened.
static OPENS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"\bopener\.open\(|\bevent_body::open\(|\.open_contact\(|\.open_request\(|\.address_of\(&id, |\bexport\(\s*&?desk\b|\bfn export\(|\bopening::",
    )
    .expect("a valid pattern")
});

/// What is opened in a place that is not known, and what is shown without a proof that it was noted.
pub fn openings(source: &Source) -> Vec<Finding> {
    if !source.is_rust() || !source.path.starts_with("src/") || source.path.starts_with("src/worker/") {
        return Vec::new();
    }
    let tests = source.test_lines();
    let finding = |at: usize, advice: &str| Finding {
        rule: "openings are noted",
        path: source.path.clone(),
        line: line_of(&source.code, at),
        advice: advice.to_owned(),
    };
    let place = PLACES.iter().find(|(path, _)| *path == source.path).map(|(_, used)| *used);
    let opens = OPENS.find_iter(&source.code).map(|found| found.start());
    let mut opens = opens.filter(|at| !tests.get(line_of(&source.code, *at) - 1).copied().unwrap_or_default());
    let Some(at) = opens.next() else { return Vec::new() };
    let noted = source.code.contains("&Noted") || source.code.contains("&noted");
    match place {
        None => {
            vec![finding(at, "what opens fields of donors takes a `Noted` of service/opening.rs, and stands in PLACES")]
        }
        Some(Use::Shown) if !noted => vec![finding(at, "take a `Noted`: no field is shown before it was noted why")],
        // Nothing of a donor's own page or of the worker's is an address on a page of the newsroom's.
        Some(Use::Works | Use::Donors)
            if source.path.starts_with("src/http/admin") || source.path.starts_with("src/cli") =>
        {
            vec![finding(at, "what people of the newsroom are shown is `Use::Shown`")]
        }
        Some(_) => Vec::new(),
    }
}

#[test]
fn every_opening_is_known_and_those_for_people_are_noted() {
    let sources = super::sources();
    let found: Vec<String> = sources.iter().flat_map(openings).map(|finding| finding.to_string()).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    for (path, _) in PLACES {
        let source = sources.iter().find(|source| source.path == path).unwrap_or_else(|| panic!("{path} is there"));
        assert!(OPENS.is_match(&source.code), "{path} opens nothing any more");
    }
}

#[test]
fn an_opening_that_nobody_noted_is_found() {
    let found = |path: &str, code: &str| openings(&Source::new(path, code)).len();
    let opens = "fn a(desk: &Desk) { desk.opener.open(place, sealed) }";
    assert_eq!(found("src/http/admin/pledges.rs", opens), 1);
    assert_eq!(found("src/cli/report.rs", "fn a() { newsletter::export(desk, since, format, &noted) }"), 1);
    assert_eq!(found("src/http/export.rs", "fn a() { export(&desk, since, format) }"), 1);
    assert_eq!(found("src/http/export.rs", "fn a() { export(&desk, since, format, &noted) }"), 0);
    assert_eq!(found("src/worker/letters.rs", opens), 0, "the worker shows nobody anything");
    assert_eq!(found("src/http/admin/pledges.rs", "#[cfg(test)]\nmod tests { fn a() { desk.opener.open(b, c) } }"), 0);
}
