//! Giving through the widget, from the article to the thanks.

use thirtyfour::Key;

use super::Stand;
use crate::support::axe::assert_accessible;
use crate::support::browser::Browser;
use crate::support::database::{BOTH, Kind};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_gives_once_monthly_and_annually_and_comes_back_to_the_article() {
    for kind in BOTH {
        let stand = Stand::set(kind, Browser::options()).await;
        stand.publish("source=article-middle", "");
        for (frequency, amount, given) in
            [("once", "1000", "$10 once"), ("monthly", "200", "$2 monthly"), ("annual", "2500", "$25 a year")]
        {
            stand.read("").await;
            stand.browser.requests().await;
            stand.click(&format!("[name=frequency][value={frequency}]")).await;
            stand.click(&format!("[name=amount][value='{amount}']")).await;
            let button = stand.text("button[type=submit]").await;
            assert!(button.starts_with("Continue – ") && button.ends_with(given), "{button}");
            stand.click("button[type=submit]").await;
            stand.pay("works").await;
            stand.reaches("waiting").await;
            stand.app.settle().await;
            stand.reaches("thanks").await;
            assert_eq!(stand.text("[part=given]").await, given);
            let address = stand.value("location.href").await;
            assert_eq!(address, format!("{}/article", stand.paper.url), "nothing of the gift stays in the address");
        }
        let mut pledges = stand.pledges().await;
        pledges.sort();
        assert_eq!(
            pledges,
            [
                "annual 2500+0=2500 USD article-middle active",
                "monthly 200+0=200 USD article-middle active",
                "once 1000+0=1000 USD article-middle paid"
            ]
        );
        assert_eq!(stand.browser.console().await, [""; 0]);
        stand.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_checkout_the_browser_talks_to_the_paper_and_to_us_once_and_keeps_nothing() {
    let stand = Stand::set(Kind::Sqlite, Browser::options()).await;
    stand.read("").await;
    stand.click("[name=frequency][value=once]").await;
    let asked: Vec<String> = stand.browser.requests().await.into_iter().map(|request| request.url).collect();
    let ours: Vec<&String> = asked.iter().filter(|url| !url.starts_with(&stand.paper.url)).collect();
    let (script, campaign) =
        (format!("{}/w/v1/donate.js", stand.gate.url), format!("{}/v1/campaigns/default?lang=en", stand.gate.url));
    assert_eq!(ours, [&script, &campaign], "{asked:?}");
    assert_eq!(stand.value("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})").await, "{}");
    assert!(stand.browser.get_all_cookies().await.expect("cookies").is_empty());
    stand.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_keyboard_alone_a_reader_writes_an_amount_and_covers_the_fee() {
    let stand = Stand::set(Kind::Sqlite, Browser::options()).await;
    let campaign = stand.app.store().campaign("default").await.expect("read").expect("it is there");
    let usd = mainstay::domain::money::Currency::USD;
    let fee = mainstay::domain::campaign::Fee { currency: usd, percent_hundredths: 290, fixed_minor: 30 };
    let campaign = mainstay::domain::campaign::Campaign { fees: vec![fee], ..campaign };
    stand.app.store().put_campaign(&campaign, 0).await.expect("stored");
    stand.read("").await;
    // Frequency, amounts, another amount; currency, fee, button.
    stand.browser.press(Key::Tab + Key::Left).await;
    assert!(stand.text("button[type=submit]").await.ends_with(" once"));
    stand.browser.press(Key::Tab + Key::Tab + "12.50").await;
    assert_eq!(stand.text("[part=cover]").await, "Add $0.69 to cover the payment fee: $13.19 in total");
    stand.browser.press(Key::Tab + Key::Tab + Key::Space).await;
    assert_eq!(stand.text("button[type=submit]").await, "Continue – $13.19 once");
    stand.browser.press(Key::Tab + Key::Enter).await;
    stand.browser.element("input[value=works]").await;
    assert_eq!(stand.pledges().await, ["once 1250+69=1319 USD  open"]);
    let session = stand.app.sandbox.objects("checkout.session").pop().expect("a session");
    assert_eq!(session["amount_total"], 1319, "the whole of it is charged");
    stand.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_script_the_form_in_the_article_leads_to_the_checkout() {
    let stand = Stand::set(Kind::Sqlite, Browser::options().with_window(320, 640).javascript_off()).await;
    stand.browser.goto(&format!("{}/article", stand.paper.url)).await;
    stand.browser.click("donate-box button").await;
    stand.browser.element("input[value=works]").await;
    assert_eq!(stand.pledges().await, ["monthly 500+0=500 USD  open"]);
    stand.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leaves_the_checkout_comes_back_to_the_article_where_nothing_was_charged() {
    let stand = Stand::set(Kind::Sqlite, Browser::options()).await;
    stand.read("").await;
    stand.click("button[type=submit]").await;
    stand.browser.element("input[value=works]").await;
    // The checkout's own link back.
    stand.browser.click("p a").await;
    stand.reaches("cancelled").await;
    assert_eq!(stand.text("h2").await, "Nothing was charged");
    stand.click("[part=again]").await;
    stand.reaches("idle").await;
    assert_eq!(stand.heard().await.last().map(String::as_str), Some("return"));
    stand.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_debit_is_on_its_way_and_turns_by_itself_to_how_it_ended() {
    let stand = Stand::set(Kind::Sqlite, Browser::options()).await;
    stand.publish("currency=EUR frequency=once lang=ru", "");
    for (card, end) in [("bank_debit_settles", "thanks"), ("bank_debit_fails", "refused")] {
        stand.read("").await;
        stand.click("button[type=submit]").await;
        stand.pay(card).await;
        stand.reaches("waiting").await;
        assert_accessible(&stand.browser, "waiting").await;
        stand.app.settle().await;
        stand.reaches("processing").await;
        assert_accessible(&stand.browser, "processing").await;
        // A pledge is shown for a day after it has settled.
        while stand.pledges().await.iter().any(|pledge| pledge.ends_with("processing")) {
            stand.app.advance_days(1).await;
        }
        stand.reaches(end).await;
        assert_accessible(&stand.browser, end).await;
    }
    stand.click("[part=again]").await;
    stand.reaches("idle").await;
    stand.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_after_a_failure_and_a_double_click_make_one_pledge() {
    let stand = Stand::set(Kind::Sqlite, Browser::options()).await;
    stand.read("").await;
    stand.write("#other", "7").await;
    // The answer is lost on its way: the pledge was made all the same.
    stand.gate.answer("/v1/pledges", 502, &[], serde_json::json!({"status": 502, "code": "x", "errors": []}));
    stand.click("button[type=submit]").await;
    stand.reaches("error").await;
    assert_eq!(stand.value("root.querySelector('#other').value").await, "7", "what was written is kept");
    stand.gate.open();
    stand.gate.hold("/v1/pledges");
    stand.click("[part=retry]").await;
    stand.reaches("submitting").await;
    stand.click("form > button[type=submit]").await;
    stand.click("form > button[type=submit]").await;
    stand.gate.open();
    stand.browser.element("input[value=works]").await;
    assert_eq!(stand.gate.posted("/v1/pledges").len(), 2, "one that failed, one retry, and no double click");
    assert_eq!(stand.pledges().await.len(), 1);
    // Back by the browser's own button, the same choice is the same pledge.
    stand.browser.back().await.expect("back");
    stand.reaches("idle").await;
    stand.finish().await;
}
