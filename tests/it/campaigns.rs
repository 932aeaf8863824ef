//! Campaigns as a newsroom manages them: a file, checked as a whole and put in place as a whole.

use std::path::Path;

use serde_json::json;

use crate::support::app::TestApp;
use crate::support::database::{BOTH, Database, Kind};
use crate::support::process::mainstay;

const SAMPLE: &str = include_str!("../../docs/campaign.toml");

/// Runs a command on the database at `url`, in a folder; its exit code, standard output and standard error.
pub fn run_at(url: &str, folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = mainstay(arguments);
    command.env("MAINSTAY_DATABASE_URL", url).env("MAINSTAY_TIME_ZONE", "Europe/Riga");
    command.env("MAINSTAY_PUBLIC_URL", "https://give.example.org").current_dir(folder);
    let output = command.output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn run(database: &Database, arguments: &[&str]) -> (Option<i32>, String, String) {
    run_at(&database.url, database.folder.path(), arguments)
}

fn apply(database: &Database, file: &str) -> (Option<i32>, String, String) {
    std::fs::write(database.folder.path().join("campaign.toml"), file).expect("the file is written");
    run(database, &["campaign", "apply", "campaign.toml"])
}

#[tokio::test]
async fn the_sample_is_put_in_place_shown_and_changes_nothing_the_second_time() {
    for kind in BOTH {
        let database = Database::fresh(kind).await;
        assert_eq!(apply(&database, SAMPLE).1, "made: campaign winter\n");
        assert_eq!(apply(&database, SAMPLE).1, "unchanged: campaign winter\n");
        assert_eq!(apply(&database, &SAMPLE.replace("#1f5f8b", "#000000")).1, "changed: campaign winter\n");
        let (_, list, _) = run(&database, &["campaign", "list"]);
        assert!(list.contains("default") && list.contains("winter") && list.contains("Winter appeal"), "{list}");
        let (_, shown, _) = run(&database, &["campaign", "show", "winter"]);
        for line in [
            "USD monthly  $2.00, $5.00, $10.00, $25.00  from $2.00 to $1,000.00",
            "fee USD 2.90 % + $0.30",
            "language en; own texts in en, ru",
            "starts 2026-12-01T00:00\nends 2027-03-01T00:00\n",
        ] {
            assert!(shown.contains(line), "{line}\n{shown}");
        }
        let (code, _, said) = run(&database, &["campaign", "show", "nothing"]);
        assert_eq!(code, Some(1));
        assert!(said.contains("there is no campaign `nothing`"), "{said}");
    }
}

#[tokio::test]
async fn a_file_with_mistakes_is_refused_whole_and_every_mistake_is_named() {
    let database = Database::fresh(Kind::Sqlite).await;
    let wrong = SAMPLE
        .replace("slug = \"winter\" ", "slug = \"Win ter\" ")
        .replace("accent = \"#1f5f8b\"", "accent = \"blue\"")
        .replace("statement = \"EXAMPLE PAPER\"", "statement = \"<b>\"")
        .replace("https://paper.example/privacy", "javascript:alert(1)")
        .replace("ends_on = \"2027-02-28\"", "ends_on = \"2026-11-01\"")
        .replace("suggested = [2, 5, 10, 25]", "suggested = [1, 5, 10, 25]")
        .replace("percent = \"2.9\"", "percent = \"29\"");
    let (code, out, said) = apply(&database, &wrong);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    for place in
        ["slug:", "accent:", "statement:", "policy_url:", "ends_on:", "amounts[1].suggested:", "fee_cover.USD.percent:"]
    {
        assert!(said.contains(&format!("\n  {place}")), "{place} {said}");
    }
    assert!(said.contains("has 7 problems") && said.contains("Nothing was changed."), "{said}");
    assert!(!run(&database, &["campaign", "list"]).1.contains("inter"));
    for (right, wrong, said) in [
        ("ends_on = \"2027-02-28\"", "ends_on = \"soon\"", "ends_on: expected a day, such as \"2026-12-01\""),
        (
            "starts_on =",
            "starts_at = \"2026-12-01T09:00\"\nstarts_on =",
            "starts_on: expected a day, or a day and a time, but not",
        ),
        ("starts_on = \"2026-12-01\"", "starts_at = \"2026-12-01\"", "starts_at: expected a day and a time, such as"),
    ] {
        assert!(SAMPLE.contains(right), "{right}");
        // What is said in a remark before it is none of it.
        let file = SAMPLE.replacen(&format!("\n{right}"), &format!("\n{wrong}"), 1);
        let (code, _, errors) = apply(&database, &file);
        assert!(code == Some(1) && errors.contains("has 1 problem:") && errors.contains(said), "{said}: {errors}");
    }
    for (file, why) in
        [("slug = 1", "slug"), ("unheard_of = 1", "unheard_of"), ("[[", "TOML"), ("name = \"a\"\nname = \"b\"", "name")]
    {
        let (code, _, said) = apply(&database, file);
        assert_eq!(code, Some(1), "{file}");
        assert!(said.contains(why) || said.contains("expected"), "{said}");
    }
}

#[tokio::test]
async fn a_campaign_is_answered_in_the_language_asked_for_wished_or_its_own() {
    for kind in BOTH {
        let database = Database::fresh(kind).await;
        assert_eq!(apply(&database, &SAMPLE.replace("starts_on = \"2026-12-01\"", "")).0, Some(0));
        let app = TestApp::start_on(database, &[]).await;
        let get = async |path: &str, wished: &str| {
            let request = app.http.get(format!("{}{path}", app.url)).header("accept-language", wished);
            request.send().await.expect("an answer").text().await.expect("a body")
        };
        for (path, wished, name) in [
            ("/v1/campaigns/winter?lang=ru", "en", "Помогите нам пережить зиму"),
            ("/v1/campaigns/winter?lang=ru-RU", "", "Помогите нам пережить зиму"),
            ("/v1/campaigns/winter", "ru;q=0.9, en;q=0.1", "Помогите нам пережить зиму"),
            ("/v1/campaigns/winter", "de", "Help us through the winter"),
            ("/v1/campaigns/winter?lang=xx", "ru", "Помогите нам пережить зиму"),
        ] {
            let body: serde_json::Value = serde_json::from_str(&get(path, wished).await).expect("JSON");
            assert_eq!(body["name"], name, "{path} {wished}");
            assert_eq!(body["currencies"][0]["fee"], json!({"percent_hundredths": 290, "fixed_minor": 30}));
            let reminder = json!({"today": "2026-11-23", "mails": 2, "text_version": "reminder-1"});
            assert_eq!(body["reminder"], reminder);
            assert_eq!(body["newsletter"], json!({"list": "newsletter", "text_version": "newsletter-1"}));
        }
        let page = get("/give?campaign=winter", "ru").await;
        assert!(page.contains("<html lang=\"ru\">") && page.contains("Помогите нам пережить зиму"), "{page}");
        assert!(page.contains("В банковской выписке будет указано: EXAMPLE PAPER"), "{page}");
        assert!(get("/give/style.css?campaign=winter", "").await.contains("--donate-accent: #1f5f8b"));
        app.finish().await;
    }
}

#[tokio::test]
async fn a_picture_beside_the_file_stands_above_the_page_and_a_large_one_is_refused() {
    let database = Database::fresh(Kind::Sqlite).await;
    let picture = database.folder.path().join("logo.svg");
    let with_logo = SAMPLE.replace("# logo = \"logo.svg\"", "logo = \"logo.svg\"").replace("starts_on", "# starts_on");
    let (code, _, said) = apply(&database, &with_logo);
    assert_eq!(code, Some(1), "it is not there yet");
    assert!(said.contains("logo.svg"), "{said}");
    std::fs::write(&picture, [b' '; 13_000]).expect("written");
    assert!(apply(&database, &with_logo).2.contains("logo: expected"), "too large");
    std::fs::write(&picture, "<svg xmlns='http://www.w3.org/2000/svg'/>").expect("written");
    assert_eq!(apply(&database, &with_logo).1, "made: campaign winter\n");
    let app = TestApp::start_on(database, &[("TIME_ZONE", "Europe/Riga")]).await;
    let page = app.http.get(format!("{}/give?campaign=winter", app.url)).send().await.expect("an answer");
    let html = page.text().await.expect("a page");
    assert!(html.contains("<img class=\"logo\" src=\"data:image&#x2f;svg+xml;base64,"), "{html}");
    app.finish().await;
}

#[tokio::test]
async fn before_its_start_and_after_its_end_a_campaign_takes_nothing_and_says_so() {
    for kind in BOTH {
        let database = Database::fresh(kind).await;
        // The tests' clock stands at 2026-11-23 12:00 UTC; the newsroom's days are Riga's.
        for (starts_on, ends_on, code, word) in
            [("2026-11-24", "2026-11-25", "upcoming", "not begun"), ("2026-11-01", "2026-11-22", "ended", "has ended")]
        {
            let file = SAMPLE.replace("2026-12-01", starts_on).replace("2027-02-28", ends_on);
            assert_eq!(apply(&database, &file).0, Some(0));
            let app = TestApp::start_on(
                Database { url: database.url.clone(), ..Database::fresh(Kind::Sqlite).await },
                &[("TIME_ZONE", "Europe/Riga")],
            )
            .await;
            let gift = json!({"campaign": "winter", "frequency": "once", "amount_minor": 2500, "currency": "USD"});
            let (status, body) = app.ask(&gift, None).await;
            assert_eq!((status, &body["errors"][0]["code"]), (422, &json!(code)), "{body}");
            let page =
                app.http.get(format!("{}/give?campaign=winter&lang=en", app.url)).send().await.expect("an answer");
            assert!(page.text().await.expect("a page").contains(word));
            assert_eq!(app.sandbox.requests().iter().filter(|request| request.path.contains("checkout")).count(), 0);
            app.finish().await;
        }
    }
}

#[tokio::test]
async fn the_snippet_names_the_script_the_form_and_what_a_policy_must_allow() {
    let database = Database::fresh(Kind::Sqlite).await;
    apply(&database, &SAMPLE.replace("default_language = \"en\"", "default_language = \"ru\""));
    let (code, text, said) = run(&database, &["snippet", "--campaign", "winter"]);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "<script async src=\"https://give.example.org/w/v1/donate.js\"></script>",
        "<donate-box campaign=\"winter\">",
        "action=\"https://give.example.org/give\"",
        "value=\"monthly\" checked> Ежемесячно</label>",
        "<option>USD</option><option>EUR</option>",
        "script-src https://give.example.org\n",
        "connect-src https://give.example.org\n",
        "form-action https://give.example.org https://checkout.stripe.com\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let (_, pinned, _) = run(&database, &["snippet", "--pinned"]);
    assert!(pinned.contains("integrity=\"sha384-") && pinned.contains("crossorigin=\"anonymous\""), "{pinned}");
    assert_eq!(run(&database, &["snippet", "--campaign", "No Such"]).0, Some(2));
    assert_eq!(run(&database, &["snippet", "--campaign", "nothing"]).0, Some(1));
}
