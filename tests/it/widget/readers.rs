//! What differs from page to page and from reader to reader: attributes, links, themes, directions, colours.

use serde_json::json;

use super::Stand;
use crate::support::axe::assert_accessible;
use crate::support::browser::Browser;
use crate::support::browser::emulation::Preference;
use crate::support::database::Kind;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attributes_choose_and_a_link_goes_before_them() {
    let stand = Stand::set(Kind::Sqlite, Browser::options()).await;
    stand.publish("frequency=annual amounts='30, 60,90' amount=60 currency=eur min=20 source=footer", "");
    stand.read("").await;
    assert_eq!(stand.text("button[type=submit]").await, "Continue – €60 a year");
    assert_eq!(stand.text("#minimum").await, "Annually from €20. You can cancel any time.");
    let amounts = "[...root.querySelectorAll('[name=amount]')].map(one => one.value)";
    assert_eq!(stand.value(amounts).await, json!(["3000", "6000", "9000"]));

    stand.read("?d_freq=monthly&d_amount=33.5&d_ref=mail-7").await;
    assert_eq!(stand.text("button[type=submit]").await, "Continue – €33.50 monthly");
    stand.click("button[type=submit]").await;
    stand.browser.element("input[value=works]").await;
    assert_eq!(stand.pledges().await, ["monthly 3350+0=3350 EUR mail-7 open"]);
    let session = stand.app.sandbox.objects("checkout.session").pop().expect("a session");
    let back = session["success_url"].as_str().expect("an address");
    assert!(
        back.starts_with(&format!("{}/article?pledge=plg_", stand.paper.url)),
        "the link's wishes are gone: {back}"
    );
    stand.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_understood_is_ignored_and_named_once_and_an_address_is_never_read() {
    let stand = Stand::set(Kind::Sqlite, Browser::options()).await;
    stand.publish("frequency=weekly currency=XTS amount=lots theme=loud min=-1 source='a b'", "");
    stand.read("?d_freq=daily&d_amount=1e9&d_ref=reader@example.org&email=reader@example.org").await;
    assert_eq!(stand.text("button[type=submit]").await, "Continue – $10 monthly");
    stand.click("[name=frequency][value=once]").await;
    let console = stand.browser.console().await;
    for name in ["frequency=", "currency=", "amount=", "theme=", "min=", "source=", "d_freq=", "d_amount=", "d_ref="] {
        let said = console.iter().filter(|line| line.contains(&format!("ignored {name}"))).count();
        assert_eq!(said, 1, "{name} {console:?}");
    }
    stand.click("button[type=submit]").await;
    stand.browser.element("input[value=works]").await;
    let sent = stand.gate.posted("/v1/pledges").pop().expect("a pledge").to_string();
    assert!(!sent.contains("reader@example.org\",\"source") && !sent.contains("\"source\""), "{sent}");
    stand.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_told_of_everything_and_of_nobody() {
    let stand = Stand::set(Kind::Sqlite, Browser::options()).await;
    stand.read("").await;
    stand.click("[name=frequency][value=once]").await;
    stand.gate.hold("/v1/pledges");
    stand.click("button[type=submit]").await;
    stand.reaches("submitting").await;
    let heard = stand.value("heard").await;
    let choice = json!({"campaign": "default", "frequency": "once", "currency": "USD", "amount_minor": 5000});
    assert_eq!(
        heard,
        json!([["ready", {"campaign": "default"}, true], ["change", choice, true], ["submit", choice, true]])
    );
    stand.gate.open();
    stand.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_read_in_the_dark_in_forced_colours_from_right_to_left_and_zoomed() {
    let stand = Stand::set(Kind::Sqlite, Browser::options()).await;
    for (theme, html) in [("", ""), ("theme=dark", ""), ("theme=light", ""), ("theme=auto", ""), ("", "dir=rtl")] {
        for preferences in
            [&[Preference::Light][..], &[Preference::Dark], &[Preference::Dark, Preference::ForcedColors]]
        {
            stand.browser.prefer(preferences).await;
            stand.paper.put("/article", &stand.article("en", html, theme, ""));
            stand.read("").await;
            assert_accessible(&stand.browser, &format!("{theme} {html} {preferences:?}")).await;
        }
    }
    // A page that is dark by its own choice, which the widget takes over.
    stand.paper.allow("style-src", "'self'");
    stand.paper.put("/own.css", "body { background: #101418; color: #e8e8e8 }");
    let dark = stand.article("en", "", "", "").replace("</head>", "<link rel=stylesheet href=/own.css></head>");
    stand.paper.put("/article", &dark);
    stand.browser.prefer(&[Preference::Light]).await;
    stand.read("").await;
    stand.write("#other", "1").await;
    stand.click("form > button[type=submit]").await;
    assert_accessible(&stand.browser, "an error on a dark page").await;

    // Lines begin where the language does.
    stand.paper.put("/article", &stand.article("en", "dir=rtl", "", ""));
    stand.read("").await;
    let side = "root.querySelector('legend').getBoundingClientRect().right > innerWidth / 2 &&
        getComputedStyle(root.querySelector('legend')).direction";
    assert_eq!(stand.value(side).await, "rtl");

    stand.browser.zoom(400).await;
    stand.read("").await;
    assert_eq!(stand.value("document.documentElement.scrollWidth <= innerWidth").await, true, "nothing is cut off");
    assert_accessible(&stand.browser, "at 400 %").await;
    stand.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_that_has_not_begun_says_so() {
    let stand = Stand::set(Kind::Sqlite, Browser::options()).await;
    let campaign = stand.app.store().campaign("default").await.expect("read").expect("it is there");
    let later = mainstay::domain::campaign::Campaign { starts_at: Some(i64::MAX), ..campaign };
    stand.app.store().put_campaign(&later, 0).await.expect("stored");
    stand.browser.goto(&format!("{}/article", stand.paper.url)).await;
    stand.reaches("upcoming").await;
    assert_eq!(stand.text("h2").await, "This campaign has not begun yet");
    assert_accessible(&stand.browser, "not begun").await;
    stand.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_styles_it_by_properties_and_parts() {
    let stand = Stand::set(Kind::Sqlite, Browser::options()).await;
    stand.paper.allow("style-src", "'self'");
    stand.paper.put(
        "/own.css",
        "donate-box { --donate-accent: rgb(1, 2, 3); --donate-on-accent: rgb(250, 251, 252); --donate-radius: 7px }
        donate-box::part(heading) { font-size: 33px } main { font-family: monospace }",
    );
    let page = stand.article("en", "", "", "").replace("</head>", "<link rel=stylesheet href=/own.css></head>");
    stand.paper.put("/article", &page);
    stand.read("").await;
    let style = "(css, name) => getComputedStyle(root.querySelector(css))[name]";
    let seen = stand
        .value(&format!(
            "[['button', 'backgroundColor'], ['button > span', 'color'], ['button', 'borderTopLeftRadius'], \
             ['h2', 'fontSize'], ['input', 'fontFamily'], ['#other', 'fontFamily']].map(([css, name]) => ({style})(css, name))"
        ))
        .await;
    assert_eq!(seen[0], "rgb(1, 2, 3)");
    assert_eq!(seen[1], "rgb(250, 251, 252)");
    assert_eq!((&seen[2], &seen[3], &seen[5]), (&json!("7px"), &json!("33px"), &json!("monospace")));
    stand.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reminders_and_the_newsletter_are_there_only_where_they_are_offered_and_wanted() {
    let stand = Stand::set(Kind::Sqlite, Browser::options()).await;
    let there = "[!!root.querySelector('[part=reminder-open]'), !!root.querySelector('[part=newsletter]')]";
    stand.gate.offer_nothing_later();
    stand.read("").await;
    assert_eq!(stand.value(there).await, json!([false, false]), "a campaign that offers neither");
    stand.gate.offer_as_it_is();
    let cleared = stand.browser.cdp().send_raw("Network.clearBrowserCache", json!({})).await;
    cleared.expect("the cache is emptied");
    for (attributes, shown) in
        [("", [true, true]), ("show-reminder=false", [false, true]), ("show-newsletter=false", [true, false])]
    {
        stand.publish(attributes, "");
        stand.read("").await;
        assert_eq!(stand.value(there).await, json!(shown), "{attributes}");
    }
    // A date, and the next payday: the last day of a month that is too short for it.
    stand.click("[part=reminder-open]").await;
    stand.click("[name=in][value=next_payday]").await;
    for (day, promised) in
        [("24", "November 24, 2026"), ("23", "December 23, 2026"), ("31", "November 30, 2026"), ("99", "")]
    {
        stand.write("#day", day).await;
        let said = stand.text("[part=promise]").await;
        assert!(said.contains(promised) && said.is_empty() == promised.is_empty(), "{day}: {said}");
    }
    stand.click("[part=reminder] > button[type=submit]").await;
    assert_eq!(stand.value("root.activeElement.id").await, "day");
    stand.finish().await;
}
