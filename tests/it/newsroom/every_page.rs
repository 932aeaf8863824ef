//! Every page of the newsroom's side, as its table of routes has them, looked at by eyes of every kind: without barriers, by
//! day and by night, at 320 px and at 400 %, on paper, and where no script runs. A new page is looked at because it is in the
//! table; one whose address cannot be filled in here fails.

use std::fmt::Write as _;

use mainstay::domain::admin::Role;
use mainstay::domain::email_address::EmailAddress;
use mainstay::domain::report::query::Name;
use mainstay::http::admin::table;
use mainstay::sandbox::Card;
use thirtyfour::prelude::*;

use super::browser::{gifts, says, write};
use super::parked;
use crate::support::app::TestApp;
use crate::support::axe::violations;
use crate::support::browser::Browser;
use crate::support::browser::emulation::Preference;
use crate::support::database::Kind;
use crate::support::erasing::gift;
use crate::support::newsroom::{PASSWORD, token_of};
use crate::support::setting;

const ANNA: &str = "anna@paper.example";
/// What is looked at in the browser: by how much the page is wider than the window.
const TOO_WIDE: &str = "const root = document.documentElement; return root.scrollWidth - root.clientWidth";
/// What paper does not bear: what cannot be pressed there, grounds that are not light, letters that are not dark, and what is
/// cut off because it would have to be scrolled.
const OFF_PAPER: &str = "
const light = colour => {
    const [red, green, blue, alpha = 1] = colour.match(/[\\d.]+/g).map(Number);
    return alpha === 0 ? null : (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
};
const name = element => element.tagName.toLowerCase() + [...element.classList].map(word => `.${word}`).join('');
const seen = [...document.querySelectorAll('html, body, body *')].filter(element => element.checkVisibility());
const wrong = [];
for (const element of seen) {
    const { backgroundColor, color, overflowX } = getComputedStyle(element);
    const ground = light(backgroundColor);
    if (element.matches('nav, footer, .skip, button, a.button, form.filters')) wrong.push(`${name(element)} is there`);
    if (ground !== null && ground < 0.8) wrong.push(`${name(element)} has a dark ground`);
    const written = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (written && light(color) > 0.45) wrong.push(`${name(element)} is written too lightly`);
    const typed = element.matches('input, textarea, select') || element.clientWidth < 2;
    if (!typed && overflowX !== 'visible' && element.scrollWidth > element.clientWidth + 1) wrong.push(`${name(element)} is cut off`);
}
return [...new Set(wrong)];";

/// What leads elsewhere, how and where: what forms answer in place, asked for by its address alone (a language link, the back
/// button), and another spelling.
const LEAD_ELSEWHERE: [(&str, u16, &str); 2] =
    [("/admin/campaign-preview", 303, "/admin/campaigns"), ("/admin/", 308, "/admin")];
/// A page that is not there.
const NOWHERE: &str = "/admin/no/such/page";

/// A server with something on every page, and what fills addresses in.
struct Filled {
    app: TestApp,
    cookie: String,
    pledge: String,
    payment: String,
    link: String,
}

impl Filled {
    async fn new() -> Self {
        let app = TestApp::start(Kind::Sqlite).await;
        gifts(&app).await;
        let pledge = gift(&app, "monthly", Card::Works, "reader.quill@example.org", "A Reader").await;
        parked(&app).await;
        let anna = app.person(ANNA, Role::Admin).await;
        let ben = EmailAddress::parse("ben@paper.example").expect("an address");
        let link = app.office().create("command_line", &ben, Role::Viewer).await.expect("he is made");
        let cookie = app.session(&anna).await;
        assert_eq!(app.submit("/admin/me/totp/new", Some(&cookie), &[]).await.status, 303);
        let of_pledge = format!("SELECT id AS line FROM payments WHERE pledge_id = '{pledge}'");
        let payment = app.database.rows(of_pledge.leak()).await.remove(0);
        Self { link: token_of(&link).to_owned(), app, cookie, pledge, payment }
    }

    /// The addresses that a path of the table stands for.
    fn addresses(&self, path: &str) -> Vec<String> {
        let Some((before, rest)) = path.split_once('{') else { return vec![path.to_owned()] };
        let (what, after) = rest.split_once('}').expect("a placeholder ends");
        let values: Vec<String> = match (before, what) {
            ("/admin/pledges/", "id") => vec![self.pledge.clone()],
            ("/admin/payments/", "id") => vec![self.payment.clone()],
            ("/admin/events/", "id") => vec!["evt_old".to_owned()],
            ("/admin/link/", "token") => vec![self.link.clone()],
            (_, "slug") => vec!["default".to_owned()],
            ("/admin/", "*nowhere") => return vec![NOWHERE.to_owned()],
            // Payments one by one have no page of their own.
            ("/admin/reports/", "name") => {
                Name::ALL.iter().filter(|name| **name != Name::Payments).map(ToString::to_string).collect()
            }
            _ => panic!("{path} is a page that nothing here fills in: say what stands for {{{what}}}"),
        };
        values.into_iter().map(|value| format!("{before}{value}{after}")).collect()
    }

    /// Every page there is.
    fn pages(&self) -> Vec<String> {
        let page = |(method, path): (&str, &str)| {
            method == "GET" && path.starts_with("/admin") && !LEAD_ELSEWHERE.iter().any(|(known, ..)| *known == path)
        };
        let pages = table().into_iter().filter(|(method, path, _)| page((method, path)));
        pages.flat_map(|(_, path, _)| self.addresses(path)).collect()
    }

    async fn sign_in(&self, browser: &Browser) {
        browser.goto(&format!("{}/admin/sign-in", self.app.url)).await;
        write(browser, "#email", ANNA).await;
        write(browser, "#password", PASSWORD).await;
        browser.click("main button").await;
        says(browser, "Dashboard").await;
    }
}

/// What is wrong with pages, all told at once: a browser is slow.
#[derive(Default)]
struct Wrong(String);

impl Wrong {
    fn found(&mut self, page: &str, how: &str, found: &[String]) {
        for line in found {
            let _ = writeln!(self.0, "{page} {how}: {line}");
        }
    }

    async fn fits(&mut self, browser: &Browser, page: &str, how: &str) {
        let wide = browser.execute(TOO_WIDE, vec![]).await.expect("it runs").json().as_i64();
        if wide != Some(0) {
            self.found(page, how, &[format!("wider than the window by {wide:?} px")]);
        }
    }

    /// As it stands: by day and by night without barriers and no wider than the window.
    async fn looks(&mut self, browser: &Browser, page: &str, how: &str) {
        for (time, preference) in [("by day", Preference::Light), ("by night", Preference::Dark)] {
            browser.prefer(&[preference]).await;
            let how = format!("{how} {time}");
            self.fits(browser, page, &how).await;
            self.found(page, &how, &violations(browser).await);
            picture(browser, page, &how).await;
        }
    }

    async fn prints(&mut self, browser: &Browser, page: &str) {
        for preference in [Preference::Light, Preference::Dark] {
            browser.on_paper(&[preference]).await;
            let found = browser.execute(OFF_PAPER, vec![]).await.expect("it runs").json().clone();
            let found: Vec<String> = serde_json::from_value(found).expect("a list");
            self.found(page, "on paper", &found);
            self.fits(browser, page, "on paper").await;
        }
        picture(browser, page, "on paper").await;
        browser.prefer(&[]).await;
    }
}

/// Keeps a picture where somebody asks for pictures.
async fn picture(browser: &Browser, page: &str, how: &str) {
    let Some(folder) = setting("TEST_PICTURES") else { return };
    let name = format!("{}-{}", page.trim_start_matches('/'), how).replace(['/', ' ', '?', '='], "-");
    browser.screenshot(std::path::Path::new(&folder).join(format!("{name}.png")).as_path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_without_barriers_by_day_and_night_small_and_large_and_on_paper() {
    let filled = Filled::new().await;
    let browser = Browser::open().await;
    filled.sign_in(&browser).await;
    for (page, status, elsewhere) in LEAD_ELSEWHERE {
        let answer = filled.app.look(page, &filled.cookie).await;
        assert_eq!((answer.status, answer.location.as_str()), (status, elsewhere), "{page}");
    }
    let mut wrong = Wrong::default();
    for page in filled.pages() {
        let answer = filled.app.look(&page, &filled.cookie).await;
        assert_eq!(answer.status, if page == NOWHERE { 404 } else { 200 }, "{page}: {}", answer.body);
        for language in ["en", "ru"] {
            let here = format!("{page}?lang={language}");
            browser.resize(1280, 900).await;
            browser.goto(&format!("{}{here}", filled.app.url)).await;
            wrong.looks(&browser, &here, "wide").await;
            browser.resize(320, 640).await;
            wrong.looks(&browser, &here, "at 320 px").await;
            browser.zoom(400).await;
            wrong.fits(&browser, &here, "at 400 %").await;
            wrong.found(&here, "at 400 %", &violations(&browser).await);
            // A sheet of A4 with its margins, in CSS pixels.
            browser.resize(718, 1000).await;
            wrong.prints(&browser, &here).await;
        }
    }
    assert!(wrong.0.is_empty(), "{}", wrong.0);
    // The browser notes a page that is not there.
    let console: Vec<String> = browser.console().await.into_iter().filter(|line| !line.contains(NOWHERE)).collect();
    assert_eq!(console, [""; 0], "nothing was refused to a page by its policy");
    browser.close().await;
    filled.app.sandbox.heal();
    filled.app.abandon().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_says_all_it_has_to_say_where_no_script_runs() {
    let filled = Filled::new().await;
    let browser = Browser::options().javascript_off().open().await;
    filled.sign_in(&browser).await;
    for page in filled.pages() {
        let served = filled.app.look(&page, &filled.cookie).await;
        assert!(!served.body.contains("<script") && !served.body.contains(" onclick="), "{page} runs a script");
        assert!(served.headers["content-security-policy"].to_str().expect("text").starts_with("default-src 'none'"));
        browser.goto(&format!("{}{page}", filled.app.url)).await;
        let heading = browser.element("main h1").await.text().await.expect("its text");
        assert!(!heading.is_empty() && served.body.contains("<h1>"), "{page} has a heading");
        // All that is in the page is shown, or is opened by a press: nothing waits for a script.
        let hidden = browser.find_all(By::Css("main [hidden], main noscript, main template")).await.expect("it looks");
        assert_eq!(hidden.len(), 0, "{page} hides something");
        let text = browser.element("main").await.text().await.expect("its text");
        assert!(text.len() > heading.len(), "{page} says something: {text}");
    }
    browser.close().await;
    filled.app.sandbox.heal();
    filled.app.abandon().await;
}
