//! Every state of the widget: reached, worded in both languages, told to screen readers, and without barriers.

use serde_json::json;

use super::Stand;
use crate::support::app::NOON;
use crate::support::axe::assert_accessible;
use crate::support::browser::Browser;
use crate::support::browser::emulation::Preference;
use crate::support::database::Kind;
use crate::support::gate::Gate;

/// The texts of one language, in the order of the walk.
struct Words {
    language: &'static str,
    least: &'static str,
    most: &'static str,
    figures: &'static str,
    submitting: &'static str,
    redirecting: &'static str,
    offline: &'static str,
    failed: &'static str,
    limited: &'static str,
    reminder: &'static str,
    promise: &'static str,
    asked: &'static str,
    newsletter: &'static str,
    ended: &'static str,
    cancelled: &'static str,
}

const ENGLISH: Words = Words {
    language: "en",
    least: "The least is $2.",
    most: "The most is $10,000.",
    figures: "Write the amount in figures, such as $25.",
    submitting: "One moment…",
    redirecting: "Taking you to the payment page…",
    offline: "You seem to be offline.",
    failed: "That did not work. Nothing was charged",
    limited: "Please try again in 2 minutes.",
    reminder: "Not ready to support today? Remind me later",
    promise: "We will write on December 23, 2026, 2 mails at most.",
    asked: "Confirm it, and we will write on December 23, 2026.",
    newsletter: "Confirm it, and the newsletter is on its way.",
    ended: "This campaign has ended",
    cancelled: "Nothing was charged",
};

const RUSSIAN: Words = Words {
    language: "ru",
    least: "Наименьшая сумма – 2\u{a0}$.",
    most: "Наибольшая сумма – 10\u{a0}000\u{a0}$.",
    figures: "Впишите сумму цифрами, например 25\u{a0}$.",
    submitting: "Минутку…",
    redirecting: "Открываем страницу оплаты…",
    offline: "Похоже, нет связи с интернетом.",
    failed: "Не получилось. Деньги не списаны",
    limited: "Попробуйте снова через 2 минуты.",
    reminder: "Сегодня не готовы поддержать? Напомните мне позже",
    promise: "Мы напишем 23 декабря 2026\u{a0}г., не больше 2 писем.",
    asked: "Подтвердите его, и мы напишем 23 декабря 2026\u{a0}г.",
    newsletter: "Подтвердите его, и рассылка начнёт приходить.",
    ended: "Эта кампания завершена",
    cancelled: "Деньги не списаны",
};

impl Stand {
    /// The state holds no barrier, and says this in the part that is shown.
    async fn shows(&self, css: &str, words: &str, what: &str) {
        // Which space a language puts where is the browser's affair.
        let plain = |text: &str| text.replace(['\u{a0}', '\u{202f}'], " ");
        let (text, words) = (plain(&self.text(css).await), plain(words));
        assert!(text.contains(&words), "{what}: {text:?} says {words:?}");
        assert_accessible(&self.browser, what).await;
    }
}

async fn each_form_asked_for_one_mail(stand: &Stand) {
    stand.app.caught_up().await;
    assert_eq!(stand.app.database.rows("SELECT state AS line FROM newsletter_signups").await, ["asked"]);
    let mut kinds: Vec<String> = stand.app.mails().await.into_iter().map(|mail| mail.kind).collect();
    kinds.sort();
    assert_eq!(kinds, ["newsletter_confirmation", "reminder_confirmation"]);
}

async fn walk(words: &Words, preferences: &[Preference], width: u32) {
    let stand = Stand::set(Kind::Sqlite, Browser::options().with_window(width, 900)).await;
    stand.browser.prefer(preferences).await;
    stand.gate.offer_links();
    stand.publish(&format!("lang={}", words.language), "<p slot=warning>Read our advice first.</p>");

    stand.gate.hold("/v1/campaigns/");
    stand.browser.goto(&format!("{}/article", stand.paper.url)).await;
    stand.reaches("loading").await;
    assert!(
        stand.browser.element("donate-box form button").await.is_displayed().await.expect("known"),
        "usable meanwhile"
    );
    assert_accessible(&stand.browser, "loading").await;
    stand.gate.open();
    stand.reaches("idle").await;
    assert_accessible(&stand.browser, "idle").await;
    assert_eq!(stand.value("document.documentElement.scrollWidth <= innerWidth").await, true, "nothing is cut off");
    let small = "[...root.querySelectorAll('button, input:not([type=checkbox]), select, label.check')]
        .map(one => one.getBoundingClientRect()).filter(box => box.width && box.height && box.height < 43.9).length";
    assert_eq!(stand.value(small).await, 0, "everything to be hit is 44 px high");

    for (typed, said) in [("1", words.least), ("10000.01", words.most), ("ten", words.figures)] {
        stand.write("#other", typed).await;
        stand.click("form > button[type=submit]").await;
        stand.shows("#wrong", said, typed).await;
        stand.shows("[part=errors]", said, "the summary").await;
        assert_eq!(stand.value("root.activeElement.part.value").await, "errors", "the focus is on what is wrong");
        let told = stand.value("root.querySelector('#other').getAttribute('aria-describedby')").await;
        assert_eq!(told, "wrong minimum", "and the field says what is wrong with it");
    }
    stand.write("#other", "7").await;
    assert_eq!(stand.value("root.querySelector('[part=errors]').hidden").await, true);
    assert_eq!(stand.value("document.querySelector('donate-box').dataset.other").await, "true");

    stand.gate.hold("/v1/pledges");
    stand.click("form > button[type=submit]").await;
    stand.reaches("submitting").await;
    stand.shows("[role=status]", words.submitting, "submitting").await;
    stand.gate.answer("/v1/pledges", 500, &[], json!({"status": 500, "errors": []}));
    stand.gate.release();
    stand.reaches("error").await;
    stand.shows("[part=errors]", words.failed, "a server error").await;

    stand.gate.answer("/v1/pledges", 429, &[("retry-after", "90")], json!({"status": 429, "errors": []}));
    stand.click("form > button[type=submit]").await;
    stand.reaches("limited").await;
    stand.shows("[part=errors]", words.limited, "rate limited").await;

    let nowhere = format!("{}{}", stand.gate.url, Gate::NOWHERE);
    stand.gate.answer("/v1/pledges", 201, &[], json!({"checkout_url": nowhere}));
    stand.click("form > button[type=submit]").await;
    stand.reaches("redirecting").await;
    stand.shows("[role=status]", words.redirecting, "redirecting").await;
    stand.read("").await;
    stand.write("#other", "7").await;

    stand.browser.go_offline().await;
    stand.click("form > button[type=submit]").await;
    stand.reaches("offline").await;
    stand.shows("[part=errors]", words.offline, "offline").await;
    stand.browser.go_online().await;
    stand.reaches("idle").await;
    assert_eq!(stand.value("root.querySelector('#other').value").await, "7", "the choice is kept through all of it");

    assert_eq!(stand.text("[part=reminder-open]").await, words.reminder);
    stand.click("[part=reminder-open]").await;
    stand.reaches("reminder").await;
    stand.shows("[part=promise]", words.promise, "the reminder's form").await;
    stand.click("[part=reminder] > button[type=submit]").await;
    assert_eq!(stand.value("root.activeElement.id").await, "email", "the focus is where something is missing");
    stand.shows("#email-wrong", "", "an address is missing").await;
    stand.write("#email", "reader@example.org").await;
    stand.click("[part=reminder] > button[type=submit]").await;
    stand.reaches("reminder-asked").await;
    stand.shows("[part=message]", words.asked, "the reminder was asked for").await;
    let asked = stand.gate.posted("/v1/reminders").pop().expect("it was asked for");
    assert_eq!((&asked["due"], &asked["amount_minor"]), (&json!({"in": "next_month"}), &json!(700)));
    // It was the server itself that answered.
    stand.app.caught_up().await;
    let stored =
        stand.app.database.rows("SELECT CAST(due_on AS TEXT) || ' ' || frequency AS line FROM reminders").await;
    assert_eq!(stored.len(), 1, "{stored:?}");
    assert!(stored[0].starts_with("20261223 "), "the day that was shown: {stored:?}");
    assert!(stand.heard().await.contains(&"reminder-set".to_owned()));

    stand.read("").await;
    assert_eq!(stand.value("root.querySelector('#agree').checked").await, false, "no box is ticked beforehand");
    stand.write("#news-email", "reader@example.org").await;
    stand.click("[part=newsletter] button").await;
    assert_eq!(stand.value("root.activeElement.id").await, "agree");
    assert_accessible(&stand.browser, "the newsletter's box is not ticked").await;
    stand.click("#agree").await;
    stand.click("[part=newsletter] button").await;
    stand.reaches("newsletter-asked").await;
    stand.shows("[part=message]", words.newsletter, "the newsletter was asked for").await;
    assert_eq!(stand.heard().await.last().map(String::as_str), Some("newsletter"));
    each_form_asked_for_one_mail(&stand).await;

    let nobody = "?pledge=plg_00000000000000000000000000000000&pledge_state=cancelled";
    stand.browser.goto(&format!("{}/article{nobody}", stand.paper.url)).await;
    stand.reaches("cancelled").await;
    stand.shows("h2", words.cancelled, "cancelled").await;

    end_campaign(&stand).await;
    stand.browser.goto(&format!("{}/article", stand.paper.url)).await;
    stand.reaches("ended").await;
    stand.shows("h2", words.ended, "the campaign has ended").await;
    stand.finish().await;
}

/// Limits that a test can overstep, and an end that has come.
async fn end_campaign(stand: &Stand) {
    let campaign = stand.app.store().campaign("default").await.expect("read").expect("it is there");
    let ended = mainstay::domain::campaign::Campaign { ends_at: Some(NOON), ..campaign };
    stand.app.store().put_campaign(&ended, 0).await.expect("stored");
    // Browsers keep a campaign for a minute.
    stand.browser.execute("performance.clearResourceTimings()", vec![]).await.expect("the script runs");
    let cleared = stand.browser.cdp().send_raw("Network.clearBrowserCache", json!({})).await;
    cleared.expect("the cache is emptied");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_is_worded_told_and_without_barriers_in_english() {
    walk(&ENGLISH, &[Preference::Light], 1280).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_is_worded_told_and_without_barriers_in_russian_on_a_small_telephone() {
    walk(&RUSSIAN, &[Preference::Dark, Preference::ReducedMotion], 320).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_server_cannot_be_reached_the_papers_own_form_stays_and_it_can_be_tried_again() {
    let stand = Stand::set(Kind::Sqlite, Browser::options()).await;
    stand.publish("campaign=there-is-none", "");
    stand.browser.goto(&format!("{}/article", stand.paper.url)).await;
    stand.reaches("error").await;
    stand.shows("[part=error]", ENGLISH.failed, "no campaign").await;
    assert!(stand.browser.element("donate-box form button").await.is_displayed().await.expect("known"));
    assert_eq!(stand.heard().await, ["error"]);
    stand.publish("", "");
    stand.read("").await;
    // A link names another campaign, which goes before the page's.
    stand.browser.goto(&format!("{}/article?d_campaign=there-is-none", stand.paper.url)).await;
    stand.reaches("error").await;
    stand.finish().await;
}
