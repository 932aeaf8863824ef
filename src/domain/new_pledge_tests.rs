use proptest::prelude::*;

use super::*;
use crate::domain::campaign::Fee;

/// When the campaign ends.
const END: i64 = 1_000;

fn offer(code: &str, frequency: Frequency, min_minor: i64, max_minor: i64) -> Offer {
    let currency = Currency::parse(code).unwrap();
    Offer { currency, frequency, suggested_minor: vec![min_minor], min_minor, max_minor }
}

fn campaign() -> Campaign {
    let offers = vec![
        offer("USD", Frequency::Once, 200, 1_000_000),
        offer("USD", Frequency::Monthly, 200, 100_000),
        offer("JPY", Frequency::Once, 300, 1_000_000),
        offer("KWD", Frequency::Once, 100, 1_000_000),
    ];
    let fee = Fee { currency: Currency::USD, percent_hundredths: 290, fixed_minor: 30 };
    let plain = Campaign::plain("default", "Support us", Currency::USD, Frequency::Monthly, offers);
    Campaign { fees: vec![fee], ends_at: Some(END), ..plain }
}

fn sites() -> Sites {
    Sites { public_url: "https://give.example.org".to_owned(), allowed_origins: Vec::new() }
}

/// A right request with some of its fields replaced.
fn fields(given: &[(&str, Given)]) -> Fields {
    let right = [("frequency", text("once")), ("amount_minor", number("2500")), ("currency", text("usd"))];
    right.iter().chain(given).map(|(name, given)| ((*name).to_owned(), given.clone())).collect()
}

fn text(text: &str) -> Given {
    Given::Text(text.to_owned())
}

fn number(text: &str) -> Given {
    Given::Number(text.to_owned())
}

fn json(given: &[(&str, Given)]) -> Result<NewPledge, Vec<FieldError>> {
    Asked::json(fields(given)).parse(Some(&campaign()), &sites(), 0)
}

fn form(given: &[(&str, Given)]) -> Result<NewPledge, Vec<FieldError>> {
    Asked::form(fields(given)).parse(Some(&campaign()), &sites(), 0)
}

fn mistakes(result: Result<NewPledge, Vec<FieldError>>) -> Vec<(String, String)> {
    result.unwrap_err().into_iter().map(|error| (error.field, error.code)).collect()
}

#[test]
fn a_plain_request_is_read_and_the_currency_is_in_upper_case() {
    let pledge = json(&[]).unwrap();
    assert_eq!(pledge.money.to_string(), "$25.00");
    assert_eq!((pledge.frequency, pledge.source.as_str()), (Frequency::Once, ""));
    assert_eq!((pledge.locale, pledge.return_url), (None, None));
}

#[test]
fn each_wrong_field_is_named_with_a_stable_code() {
    for (field, given, code) in [
        ("campaign", number("1"), "unknown"),
        ("frequency", text("weekly"), "unknown"),
        ("frequency", text("Once"), "unknown"),
        ("frequency", text(""), "required"),
        ("frequency", number("1"), "wrong_type"),
        ("frequency", text("annual"), "not_offered"),
        ("currency", text("ZZZ"), "unknown"),
        ("currency", text("CHF"), "not_offered"),
        ("currency", Given::Other, "wrong_type"),
        ("amount_minor", number("199"), "too_small"),
        ("amount_minor", number("0"), "too_small"),
        ("amount_minor", number("-2500"), "too_small"),
        ("amount_minor", number("-99999999999999999999"), "too_small"),
        ("amount_minor", number("1000001"), "too_large"),
        ("amount_minor", number("9223372036854775807"), "too_large"),
        ("amount_minor", number("9223372036854775808"), "too_large"),
        ("amount_minor", number("25.5"), "not_whole"),
        ("amount_minor", number("2500.0"), "not_whole"),
        ("amount_minor", number("1e400"), "not_whole"),
        ("amount_minor", text("2500"), "wrong_type"),
        ("amount_minor", Given::Other, "wrong_type"),
        ("locale", text("tlh"), "unknown"),
        ("source", text("a b"), "malformed"),
        ("source", text("<script>"), "malformed"),
        ("source", text("reader@example.org"), "malformed"),
        ("source", text("a\0"), "malformed"),
        ("source", text(&"x".repeat(65)), "malformed"),
        ("return_url", text("https://evil.example"), "not_allowed"),
        ("return_url", number("1"), "wrong_type"),
        ("amount", text("25.00"), "unknown_field"),
        ("email", text("reader@example.org"), "unknown_field"),
    ] {
        let found = match field {
            // Which campaign is meant is looked up before: this one cannot be.
            "campaign" => mistakes(Asked::json(fields(&[(field, given.clone())])).parse(None, &sites(), 0)),
            _ => mistakes(json(&[(field, given.clone())])),
        };
        assert_eq!(found, [(field.to_owned(), code.to_owned())], "{field} {given:?}");
    }
}

#[test]
fn all_mistakes_come_at_once_and_repeat_no_value() {
    let given = ["frequency", "currency", "amount_minor", "return_url", "locale"].map(|name| (name, text("MARK MARK")));
    let errors = json(&given).unwrap_err();
    assert_eq!(errors.len(), 5, "{errors:?}");
    assert!(errors.iter().all(|error| !error.message.contains("MARK")));
    let nothing = mistakes(Asked::json(Fields::default()).parse(None, &sites(), 0));
    assert_eq!(
        nothing.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(),
        ["campaign", "frequency", "currency", "amount_minor"]
    );
}

#[test]
fn the_minimum_is_said_in_the_currency() {
    let message = |given: &[(&str, Given)]| json(given).unwrap_err().remove(0).message;
    assert_eq!(message(&[("amount_minor", number("1"))]), "the least one-time gift in USD is $2.00");
    assert_eq!(
        message(&[("amount_minor", number("1")), ("currency", text("JPY"))]),
        "the least one-time gift in JPY is ¥300"
    );
    assert_eq!(
        message(&[("amount_minor", number("1001")), ("currency", text("KWD"))]),
        "amounts in KWD are multiples of KWD 0.010"
    );
}

#[test]
fn a_region_the_checkout_does_not_know_falls_back_to_the_language() {
    for (given, kept) in [("de-AT", "de"), ("FR-ca", "fr-CA"), ("en", "en"), ("AUTO", "auto"), ("zh-Hant-TW", "zh")] {
        assert_eq!(json(&[("locale", text(given))]).unwrap().locale.as_deref(), Some(kept), "{given}");
    }
}

#[test]
fn a_form_is_read_in_major_units_and_what_is_typed_goes_before_what_is_picked() {
    let minor = |given: &[(&str, Given)]| form(given).unwrap().money.amount_minor;
    assert_eq!(minor(&[("amount", text("25"))]), 2500);
    assert_eq!(minor(&[("amount", text("25")), ("other_amount", text("7,50"))]), 750);
    assert_eq!(minor(&[("amount", text("25")), ("other_amount", text(" ")), ("utm_source", text("x"))]), 2500);
    assert_eq!(mistakes(form(&[])), [("amount".to_owned(), "required".to_owned())]);
    assert_eq!(mistakes(form(&[("amount", text("a lot"))])), [("amount".to_owned(), "malformed".to_owned())]);
    assert_eq!(mistakes(form(&[("amount", text("1"))])), [("amount".to_owned(), "too_small".to_owned())]);
    // What an amount means depends on its currency, whose mistake stands alone.
    assert_eq!(
        mistakes(form(&[("amount", text("25")), ("currency", text("ZZZ"))])),
        [("currency".to_owned(), "unknown".to_owned())]
    );
}

#[test]
fn a_slug_that_cannot_be_one_is_never_looked_up() {
    for (slug, looked_up) in [("spring-2027", true), ("", true), ("a\0", false), ("Spring", false), ("a/b", false)] {
        assert_eq!(Asked::json(fields(&[("campaign", text(slug))])).campaign().is_some(), looked_up, "{slug:?}");
    }
}

#[test]
fn the_fingerprint_follows_the_meaning_and_not_the_spelling() {
    let print = |given: &[(&str, Given)]| json(given).unwrap().fingerprint();
    assert_eq!(print(&[]), print(&[("currency", text("USD")), ("locale", text(""))]));
    assert_ne!(print(&[]), print(&[("source", text("footer"))]));
    assert_ne!(print(&[]), print(&[("amount_minor", number("2501"))]));
}

proptest! {
    #[test]
    fn whatever_is_taken_is_within_the_limits(
        digits in "-?[0-9]{1,22}(\\.[0-9])?", code in "USD|JPY|usd|EUR|KWD", word in "once|monthly|annual",
    ) {
        let given = [("amount_minor", number(&digits)), ("currency", text(&code)), ("frequency", text(&word))];
        if let Ok(pledge) = json(&given) {
            let campaign = campaign();
            let offer = campaign.offer(pledge.money.currency, pledge.frequency).unwrap();
            prop_assert!((offer.min_minor..=offer.max_minor).contains(&pledge.money.amount_minor));
        }
    }
}

#[test]
fn the_fee_is_added_only_where_it_was_asked_for_and_offered_and_limits_are_those_of_the_amount() {
    let yes = ("cover_fee", Given::Flag(true));
    let pledge = json(std::slice::from_ref(&yes)).unwrap();
    assert_eq!((pledge.money.amount_minor, pledge.cover_minor), (2500, 106));
    assert_eq!(json(&[("cover_fee", Given::Flag(false))]).unwrap().cover_minor, 0);
    assert_eq!(form(&[("amount", text("25")), ("cover_fee", text("1"))]).unwrap().cover_minor, 106);
    assert_ne!(pledge.fingerprint(), json(&[]).unwrap().fingerprint());
    // The greatest amount may be given with its fee.
    assert!(json(&[yes.clone(), ("amount_minor", number("1000000"))]).unwrap().cover_minor > 0);
    let jpy = [yes, ("currency", text("JPY"))];
    assert_eq!(mistakes(json(&jpy)), [("cover_fee".to_owned(), "not_offered".to_owned())]);
    assert_eq!(mistakes(json(&[("cover_fee", text("yes"))])), [("cover_fee".to_owned(), "wrong_type".to_owned())]);
}

#[test]
fn a_campaign_that_has_ended_takes_nothing_more() {
    let asked = Asked::json(fields(&[]));
    assert!(asked.parse(Some(&campaign()), &sites(), END - 1).is_ok());
    let late = asked.parse(Some(&campaign()), &sites(), END);
    assert_eq!(mistakes(late), [("campaign".to_owned(), "ended".to_owned())]);
}

#[test]
fn a_campaign_narrows_where_donors_return_to_and_never_widens_it() {
    let both = ["https://paper.example".to_owned(), "https://other.example".to_owned()];
    let sites = Sites { allowed_origins: both.to_vec(), ..sites() };
    let returns = |origins: &[&str], url: &str| {
        let return_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let campaign = Campaign { return_origins, ..campaign() };
        Asked::json(fields(&[("return_url", text(url))])).parse(Some(&campaign), &sites, 0).is_ok()
    };
    assert!(returns(&[], "https://other.example/a"));
    assert!(returns(&["https://paper.example"], "https://paper.example/a"));
    assert!(!returns(&["https://paper.example"], "https://other.example/a"));
    assert!(!returns(&["https://evil.example"], "https://evil.example/"));
    assert!(returns(&["https://paper.example"], "/give/thanks"), "our own pages are always there");
}
