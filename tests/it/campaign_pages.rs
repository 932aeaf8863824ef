//! The newsroom's pages about campaigns: what is typed there is what a file would say, and is held to the same rules.

mod browser;
mod rules;
mod seen;

use mainstay::domain::admin::Role;
use serde_json::{Value, json};

use crate::campaigns::run_at;
use crate::support::app::TestApp;
use crate::support::database::{BOTH, Database, Kind};
use crate::support::newsroom::{Answer, answer};

pub const SAMPLE: &str = include_str!("../../docs/campaign.toml");
pub const RIGA: (&str, &str) = ("TIME_ZONE", "Europe/Riga");

/// The form of docs/campaign.toml, as a browser sends it.
const TYPED: [(&str, &str); 41] = [
    ("slug", "winter"),
    ("name", "Winter appeal"),
    ("default_currency", "usd"),
    ("default_frequency", "monthly"),
    ("default_language", "en"),
    ("statement", "EXAMPLE PAPER"),
    ("methods", "card"),
    ("methods", "apple_pay"),
    ("methods", "google_pay"),
    ("accent", "#1f5f8b"),
    ("logo", ""),
    ("policy_url", "https://paper.example/privacy"),
    ("newsletter_preview_url", "https://paper.example/newsletter/latest"),
    ("return_origins", ""),
    ("starts_at", "2026-12-01T00:00"),
    ("ends_at", "2027-03-01T00:00"),
    ("amounts[0].currency", "USD"),
    ("amounts[0].frequency", "once"),
    ("amounts[0].suggested", "10 25, 50  100"),
    ("amounts[0].min", "2"),
    ("amounts[0].max", "10000"),
    ("amounts[1].currency", "USD"),
    ("amounts[1].frequency", "monthly"),
    ("amounts[1].suggested", "2 5 10 25"),
    ("amounts[1].min", "2"),
    ("amounts[1].max", "1000"),
    // An empty row between others is left out.
    ("amounts[2].currency", ""),
    ("amounts[2].frequency", "once"),
    ("amounts[3].currency", "EUR"),
    ("amounts[3].frequency", "monthly"),
    ("amounts[3].suggested", "2,50 5 10"),
    ("amounts[3].min", "2"),
    ("amounts[3].max", "1000"),
    ("fee_cover[0].currency", "USD"),
    ("fee_cover[0].percent", "2.9"),
    ("fee_cover[0].fixed", "0.30"),
    ("texts.en.name", "Help us through the winter"),
    ("texts.en.lead", "Every dollar pays for a day of reporting."),
    ("texts.en.warning", "Giving from inside the country can be dangerous. Read our advice first."),
    ("texts.en.thanks", "You keep us writing."),
    ("texts.ru.name", "Помогите нам пережить зиму"),
];
const TYPED_RU: [(&str, &str); 3] = [
    ("texts.ru.lead", "Каждый доллар – это день работы редакции."),
    ("texts.ru.warning", "Переводы изнутри страны могут быть опасны. Сначала прочитайте наши советы."),
    ("texts.ru.thanks", "Мы пишем благодаря вам."),
];

/// The sample's form with other values in some fields.
pub fn typed(other: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut form: Vec<(&str, &str)> = TYPED.into_iter().chain(TYPED_RU).collect();
    for (name, value) in other {
        match form.iter_mut().find(|(field, _)| field == name) {
            Some(field) => field.1 = value,
            None => form.push((name, value)),
        }
    }
    form
}

/// What a page says, without what HTML escapes.
pub fn read(page: &str) -> String {
    let signs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#x2f;", "/"), ("&amp;", "&")];
    signs.iter().fold(page.to_owned(), |page, (escaped, sign)| page.replace(escaped, sign))
}

/// A page that was fetched as anything is.
pub fn text(body: Value) -> String {
    let Value::String(page) = body else { panic!("a page: {body}") };
    page
}

/// The version of the campaign that a page shows.
pub fn version(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"version\" value=\"").expect("a form");
    rest.split('"').next().expect("its end").to_owned()
}

/// An app with somebody of each role, by their sessions.
pub struct Newsroom {
    pub app: TestApp,
    pub admin: String,
    pub finance: String,
    pub viewer: String,
    pub admin_id: String,
}

impl Newsroom {
    pub async fn start(kind: Kind) -> Self {
        let app = TestApp::start_with(kind, &[RIGA]).await;
        let admin_id = app.person("anna@paper.example", Role::Admin).await;
        let finance = app.person("finn@paper.example", Role::Finance).await;
        let viewer = app.person("vera@paper.example", Role::Viewer).await;
        let (admin, finance, viewer) =
            (app.session(&admin_id).await, app.session(&finance).await, app.session(&viewer).await);
        Self { app, admin, finance, viewer, admin_id }
    }

    pub async fn create(&self, other: &[(&'static str, &'static str)]) -> Answer {
        self.app.submit("/admin/new-campaign", Some(&self.admin), &typed(other)).await
    }

    pub async fn page(&self) -> String {
        let page = self.app.look("/admin/campaigns/winter?lang=en", &self.admin).await;
        assert_eq!(page.status, 200, "{}", page.body);
        read(&page.body)
    }

    /// Sends the form of the campaign that is there, as it was shown with this version.
    pub async fn change(&self, version: &str, other: &[(&'static str, &'static str)]) -> Answer {
        let mut form = typed(other);
        form.push(("version", version));
        self.app.submit("/admin/campaigns/winter", Some(&self.admin), &form).await
    }

    /// The entries about campaigns, in no order: action, actor, before and after.
    pub async fn audited(&self) -> Vec<(String, String, Value, Value)> {
        let entries = self.app.store().audit_log(None, 500).await.expect("they are read");
        let read = |text: &str| serde_json::from_str(text).unwrap_or_default();
        let entries = entries.into_iter().filter(|entry| entry.action.starts_with("campaign."));
        entries.map(|entry| (entry.action, entry.actor, read(&entry.before), read(&entry.after))).collect()
    }

    /// Before and after of the one entry of this action by this actor.
    pub async fn noted(&self, action: &str, actor: &str) -> (Value, Value) {
        let mut entries = self.audited().await;
        entries.retain(|(what, who, ..)| what == action && who == actor);
        assert_eq!(entries.len(), 1, "{entries:?}");
        let (.., before, after) = entries.remove(0);
        (before, after)
    }

    /// What `mainstay campaign apply` says of a file.
    pub async fn apply(&self, file: &str) -> (Option<i32>, String, String) {
        std::fs::write(self.app.database.folder.path().join("campaign.toml"), file).expect("the file is written");
        self.command(&["campaign", "apply", "campaign.toml"]).await
    }

    pub async fn command(&self, arguments: &'static [&'static str]) -> (Option<i32>, String, String) {
        let Database { url, folder, .. } = &self.app.database;
        let (url, folder) = (url.clone(), folder.path().to_owned());
        let ran = tokio::task::spawn_blocking(move || run_at(&url, &folder, arguments));
        ran.await.expect("it ends")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_page_makes_is_what_the_file_says_and_each_undoes_the_other() {
    for kind in BOTH {
        let room = Newsroom::start(kind).await;
        let made = room.create(&[]).await;
        assert_eq!(
            (made.status, made.location.as_str()),
            (303, "/admin/campaigns/winter?saved=1"),
            "{}",
            read(&made.body)
        );
        assert_eq!(room.create(&[]).await.status, 303, "a form that was sent twice");
        assert!(room.app.look("/admin/campaigns/winter?saved=1&lang=en", &room.admin).await.body.contains("Saved."));
        // Field by field the same; so nothing is to be written.
        assert_eq!(room.apply(SAMPLE).await.1, "unchanged: campaign winter\n", "on {kind:?}");
        assert_eq!(room.audited().await.len(), 1, "what changes nothing writes nothing");
        let page = room.page().await;
        for shown in [
            "value=\"Winter appeal\"",
            "value=\"2026-12-01T00:00\"",
            "value=\"2.50 5 10\"",
            "value=\"2.90\"",
            ">scheduled<",
            "As clocks show it in Europe/Riga",
        ] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        // The form as it is shown, sent back, changes nothing either; nor does one that is sent twice.
        let (shown, other) = (version(&page), [("name", "Winter and spring"), ("accent", "")]);
        assert_eq!(room.change(&shown, &[]).await.status, 303);
        assert_eq!(room.change(&shown, &other).await.status, 303);
        assert_eq!(room.change(&shown, &other).await.status, 303);
        assert_eq!(room.apply(SAMPLE).await.1, "changed: campaign winter\n");
        assert_eq!(room.apply(SAMPLE).await.1, "unchanged: campaign winter\n");
        assert_eq!(room.audited().await.len(), 3, "on {kind:?}");
        let (before, after) = room.noted("campaign.created", &room.admin_id).await;
        assert_eq!(before, Value::Null);
        assert_eq!((&after["name"], &after["starts_at"]), (&json!("Winter appeal"), &json!("2026-12-01T00:00")));
        // Of a change, what differs.
        let (old, new) = (json!({"accent": "#1f5f8b", "name": "Winter appeal"}), json!({"name": "Winter and spring"}));
        assert_eq!(room.noted("campaign.changed", &room.admin_id).await, (old.clone(), new.clone()));
        assert_eq!(room.noted("campaign.changed", "command_line").await, (new, old));
        room.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_no_admin_looks_and_changes_nothing() {
    for kind in BOTH {
        let room = Newsroom::start(kind).await;
        assert_eq!(room.create(&[]).await.status, 303);
        let shown = version(&room.page().await);
        for cookie in [&room.viewer, &room.finance] {
            let list = room.app.look("/admin/campaigns?lang=en", cookie).await;
            assert!(list.status == 200 && list.body.contains("Winter appeal"), "{}", list.body);
            assert!(!list.body.contains("/admin/new-campaign"), "{}", list.body);
            let page = room.app.look("/admin/campaigns/winter?lang=en", cookie).await;
            let said = read(&page.body);
            for fact in
                ["USD, once: $10; $25; $50; $100 ($2 – $10,000)", "USD: 2.90 % + $0.30", "2026-12-01 00:00", "#1f5f8b"]
            {
                assert!(said.contains(fact), "{fact}: {said}");
            }
            assert!(!said.contains("enctype") && !said.contains("/end\""), "{said}");
            let form = typed(&[("name", "Mine")]);
            let form: Vec<(&str, &str)> = form.into_iter().chain([("version", shown.as_str())]).collect();
            for path in [
                "/admin/new-campaign",
                "/admin/campaigns/winter",
                "/admin/campaigns/default/end",
                "/admin/campaign-preview",
            ] {
                assert_eq!(room.app.submit(path, Some(cookie), &form).await.status, 403, "{path} on {kind:?}");
            }
            assert_eq!(room.app.look("/admin/new-campaign", cookie).await.status, 403);
            assert_eq!(room.app.look("/admin/campaigns/default/end", cookie).await.status, 403);
        }
        // Nor does another site that an admin's browser is led through.
        for path in ["/admin/new-campaign", "/admin/campaigns/winter", "/admin/campaigns/default/end"] {
            let request = room.app.http.post(format!("{}{path}", room.app.url)).form(&typed(&[("name", "Theirs")]));
            let request = request.header("sec-fetch-site", "cross-site");
            let crossed = answer(request.header("cookie", format!("__Host-mainstay={}", room.admin))).await;
            assert_eq!(crossed.status, 403, "{path} on {kind:?}");
        }
        assert_eq!(room.audited().await.len(), 1);
        assert_eq!(room.app.look("/admin/campaigns/none", &room.viewer).await.status, 404);
        room.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_change_it_the_second_is_told_and_loses_nothing() {
    for kind in BOTH {
        let room = Newsroom::start(kind).await;
        assert_eq!(room.create(&[]).await.status, 303);
        let shown = version(&room.page().await);
        assert_eq!(room.change(&shown, &[("statement", "THE PAPER"), ("name", "Same")]).await.status, 303);
        let late = room.change(&shown, &[("name", "Same"), ("texts.en.lead", "Typed in vain?")]).await;
        assert_eq!(late.status, 409, "on {kind:?}");
        let page = read(&late.body);
        assert!(page.contains("Typed in vain?"), "what was typed is kept: {page}");
        let (_, stored) = page.split_once("id=\"stored\"").expect("what is stored");
        let stored = stored.split("</section>").next().expect("its end");
        assert!(stored.contains("THE PAPER") && stored.contains("Every dollar pays"), "{stored}");
        assert!(!stored.contains(">Same<"), "what is the same is not shown: {stored}");
        assert_eq!(room.audited().await.len(), 2, "nothing was saved");
        // Sent again from that page it takes the place of what that page showed.
        let seen = version(&page);
        assert_ne!(seen, shown);
        let again = room.change(&seen, &[("name", "Same"), ("texts.en.lead", "Typed in vain?")]).await;
        assert_eq!(again.status, 303, "{}", read(&again.body));
        let stored = room.app.store().campaign("winter").await.expect("read").expect("it is there");
        assert_eq!(stored.statement.as_deref(), Some("EXAMPLE PAPER"));
        room.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_make_one_of_the_same_name_one_is_told_to_choose_another() {
    for kind in BOTH {
        let room = Newsroom::start(kind).await;
        let (one, other) = tokio::join!(room.create(&[("name", "One")]), room.create(&[("name", "Other")]));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 422], "on {kind:?}");
        let refused = read(&if one.status == 422 { one } else { other }.body);
        assert!(refused.contains("expected a name that no campaign has yet"), "{refused}");
        assert_eq!(room.audited().await.len(), 1);
        room.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_by_hand_is_at_once_and_once_and_can_be_taken_back() {
    for kind in BOTH {
        let room = Newsroom::start(kind).await;
        let give = async || text(room.app.get("/give?campaign=winter&lang=en").await.1);
        assert_eq!(room.create(&[("starts_at", ""), ("ends_at", "")]).await.status, 303);
        assert!(give().await.contains("Every dollar pays"));
        let asked = read(&room.app.look("/admin/campaigns/winter/end?lang=en", &room.admin).await.body);
        assert!(asked.contains("Monthly and annual gifts go on") && !asked.contains("names none"), "{asked}");
        let default = room.app.look("/admin/campaigns/default/end?lang=en", &room.admin).await.body;
        assert!(default.contains("names none"), "{default}");
        assert!(give().await.contains("Every dollar pays"), "asking ends nothing");
        let end = async || room.app.submit("/admin/campaigns/winter/end?lang=en", Some(&room.admin), &[]).await;
        assert_eq!(end().await.location, "/admin/campaigns/winter?saved=1");
        let ended = read(&give().await);
        assert!(ended.contains("This campaign has ended"), "on {kind:?}: {ended}");
        // It leads to where gifts are still taken, and nowhere when there is no such page.
        assert!(ended.contains("support us on our giving page") && ended.contains("href=\"/give?lang=en\""), "{ended}");
        let again = end().await;
        assert!(again.status == 409 && again.body.contains("it is ended"), "{}", again.body);
        assert_eq!(room.audited().await.len(), 2);
        let ended = (json!({}), json!({"ends_at": "2026-11-23T14:00"}));
        assert_eq!(room.noted("campaign.ended", &room.admin_id).await, ended);
        assert!(room.page().await.contains("value=\"2026-11-23T14:00\""));
        let shown = version(&room.page().await);
        assert_eq!(room.change(&shown, &[("starts_at", ""), ("ends_at", "")]).await.status, 303);
        assert!(give().await.contains("Every dollar pays"), "on {kind:?}");
        // What has not begun does not end: its times are changed.
        let shown = version(&room.page().await);
        assert_eq!(room.change(&shown, &[]).await.status, 303);
        let scheduled = end().await;
        assert!(scheduled.status == 409 && scheduled.body.contains("it is scheduled"), "{}", scheduled.body);
        assert_eq!(room.app.submit("/admin/campaigns/default/end", Some(&room.admin), &[]).await.status, 303);
        let ended = read(&text(room.app.get("/give?lang=en").await.1));
        assert!(ended.contains("This campaign has ended") && ended.contains("Thank you to everybody"), "{ended}");
        assert!(!ended.contains("our giving page") && !ended.contains("class=\"button\""), "{ended}");
        assert_eq!(room.app.look("/admin/campaigns/none/end", &room.admin).await.status, 404);
        assert_eq!(room.app.submit("/admin/campaigns/none/end", Some(&room.admin), &[]).await.status, 404);
        room.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn campaigns_are_listed_page_by_page_in_the_words_of_the_terminal() {
    for kind in BOTH {
        let room = Newsroom::start(kind).await;
        let plain = room.app.store().campaign("default").await.expect("read").expect("it is there");
        for number in 0..52_i64 {
            // Several of them were made in one second.
            let campaign = mainstay::domain::campaign::Campaign {
                slug: format!("c-{number}"),
                ends_at: (number == 7).then_some(1),
                starts_at: (number == 8).then_some(4_000_000_000),
                ..plain.clone()
            };
            room.app.store().put_campaign(&campaign, 1_795_000_000 + number / 5).await.expect("stored");
        }
        let first = room.app.look("/admin/campaigns?lang=en", &room.viewer).await.body;
        let (_, older) = first.split_once("rel=\"next\" href=\"").expect("a second page");
        let second = room.app.look(&read(older.split('"').next().expect("an address")), &room.viewer).await.body;
        let rows = |page: &str| -> Vec<String> {
            let links = page.split("href=\"/admin/campaigns/").skip(1).filter_map(|rest| rest.split('"').next());
            links.map(str::to_owned).collect()
        };
        let mut all = [rows(&first), rows(&second)].concat();
        assert_eq!((rows(&first).len(), all.len()), (50, 53), "on {kind:?}");
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 53, "none is shown twice");
        let (_, list, _) = room.command(&["campaign", "list"]).await;
        for (slug, state) in [("c-7", "ended"), ("c-8", "scheduled"), ("c-9", "running")] {
            let line = list.lines().find(|line| line.starts_with(&format!("{slug} "))).expect("a line");
            assert_eq!(line.split_whitespace().nth(1), Some(state), "{line}");
            let row = [&first, &second]
                .iter()
                .find_map(|page| page.split_once(&format!("campaigns/{slug}\"")))
                .expect("a row");
            assert!(row.1.split("</tr>").next().expect("its end").contains(&format!("<td>{state}</td>")), "{slug}");
        }
        room.app.finish().await;
    }
}
