//! A page for each report: its figures, what they mean, its pictures, its filters and its files.

use mainstay::domain::admin::Role;
use mainstay::sandbox::Card;

use crate::support::app::TestApp;
use crate::support::database::BOTH;
use crate::support::journeys::subscription_of;

/// The first file a report's page leads to.
fn link_to_file(page: &str) -> String {
    let (_, file) = page.split_once("<a href=\"/v1/").expect("a file");
    file.split('"').next().expect("an address").replace("&amp;", "&")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_report_has_a_page_with_its_definitions_and_its_files() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let cookie = app.session(&app.person("dir@paper.example", Role::Viewer).await).await;
        let (_, session) = app.pledge("monthly", 300, "USD").await;
        app.pay(&session, Card::Works).await;
        app.settle().await;
        let reports = app.look("/admin/reports", &cookie).await.body;
        for name in ["revenue", "recurring", "one-time", "failed", "statement", "payouts", "reminders"] {
            assert!(reports.contains(&format!("/admin/reports/{name}\"")), "{name}: {reports}");
            let page = app.look(&format!("/admin/reports/{name}"), &cookie).await;
            assert_eq!(page.status, 200, "{name} on {kind:?}: {}", page.body);
            assert!(page.body.contains("What each column means") && page.body.contains("format=xlsx"), "{name}");
        }
        let revenue = app.look("/admin/reports/revenue", &cookie).await.body;
        assert!(revenue.contains("2026-11") && revenue.contains(">$3<"), "{revenue}");
        let file = format!("/v1/{}", link_to_file(&revenue));
        let csv = app.look(&file, &cookie).await;
        assert!(csv.status == 200 && csv.body.starts_with("period,currency"), "{}", csv.body);
        // Pages speak Russian with Russians; files are the same for all.
        let asked = "by=month,frequency&from=2026-11-01&to=2026-12-01&lang=ru";
        let russian = app.look(&format!("/admin/reports/recurring?{asked}"), &cookie).await.body;
        for text in [">Вернулись<", ">ежемесячно<", "Действующая поддержка, сумму которой увеличили", ">3\u{a0}$<"]
        {
            assert!(russian.contains(text), "{text}: {russian}");
        }
        assert!(!russian.contains("Running gifts") && !russian.contains(">monthly<"), "{russian}");
        let file = format!("/v1/{}", link_to_file(&russian));
        let file = app.look(&file, &cookie).await.body;
        assert!(file.starts_with("period,currency,frequency,opening,") && file.contains(",monthly,"), "{file}");
        let wrong = "/admin/reports/revenue?from=2026-12-01&to=2026-11-01";
        let wrong_too = "/admin/reports/payouts?from=2026-11-01&to=2026-12-31&currency=dollars&frequency=once&lang=en";
        for (asked, texts) in [
            (wrong, vec!["This cannot be shown", "“To” is the day after the last one"]),
            (&format!("{wrong}&lang=ru"), vec!["«По» – день после последнего"]),
            (wrong_too, vec!["write its three letters", "This report does not know “frequency”."]),
        ] {
            let page = app.look(asked, &cookie).await;
            assert!(page.status == 422 && texts.iter().all(|text| page.body.contains(text)), "{asked} {}", page.body);
        }
        assert_eq!(app.look("/admin/reports/none", &cookie).await.status, 404);
        app.finish().await;
    }
}

/// What a page offers by the field `name`, and what of it is taken.
fn offered<'a>(page: &'a str, name: &str) -> (Vec<&'a str>, Option<&'a str>) {
    let begin = format!("<select id=\"{name}\" name=\"{name}\">");
    let Some((_, rest)) = page.split_once(&begin) else { return (Vec::new(), None) };
    let (options, _) = rest.split_once("</select>").expect("it ends");
    let value = |option: &'a str| option.split('"').next().unwrap_or_default();
    let options = || options.split("<option value=\"").skip(1);
    (options().map(value).collect(), options().find(|option| option.contains("\" selected>")).map(value))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_narrowed_parted_and_drawn_on_its_page() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let cookie = app.session(&app.person("dir@paper.example", Role::Viewer).await).await;
        for (frequency, amount) in [("monthly", 300), ("once", 2500)] {
            let (_, session) = app.pledge(frequency, amount, "USD").await;
            app.pay(&session, Card::Works).await;
        }
        app.settle().await;
        let look = async |path: &str| app.look(&format!("/admin/reports/{path}"), &cookie).await.body;

        // A form offers what its report knows, and nothing that it would refuse.
        let parted = |page: &str| offered(page, "by").0.into_iter().map(str::to_owned).collect::<Vec<_>>();
        for name in ["revenue", "recurring", "one-time", "failed", "statement"] {
            let page = look(name).await;
            assert_eq!(offered(&page, "by").1, Some("month"), "{name}");
            for by in parted(&page) {
                let address = format!("{name}?by={by}&from=2026-11-01&to=2026-12-01");
                let page = look(&address).await;
                assert!(!page.contains("This cannot be shown"), "{address} on {kind:?}: {page}");
                assert_eq!(offered(&page, "by").1, Some(by.as_str()), "{address}");
            }
            assert_eq!(offered(&page, "view").0.is_empty(), name != "revenue", "{name}");
            assert_eq!(offered(&page, "frequency").0.is_empty(), ["one-time", "statement"].contains(&name), "{name}");
            assert_eq!(page.contains("name=\"source\""), name != "statement", "{name}");
        }
        let reminders = look("reminders").await;
        assert_eq!(offered(&reminders, "campaign").0, ["", "default"], "{reminders}");
        assert!(!reminders.contains("name=\"from\"") && !reminders.contains("name=\"currency\""), "{reminders}");

        // What is chosen holds, in the form and in the files.
        let asked = "from=2026-10-01&to=2026-12-01&currency=usd&frequency=monthly&campaign=default&by=week,source";
        let page = look(&format!("revenue?{asked}")).await;
        assert_eq!(offered(&page, "frequency"), (vec!["", "once", "monthly", "annual"], Some("monthly")));
        assert_eq!(offered(&page, "campaign"), (vec!["", "default"], Some("default")));
        assert_eq!(offered(&page, "by").1, Some("week,source"), "what addresses ask for stays");
        assert!(page.contains(">$3<") && !page.contains(">$25<") && page.contains("value=\"USD\""), "{page}");
        let file = app.look(&format!("/v1/{}", link_to_file(&page)), &cookie).await.body;
        assert!(file.starts_with("period,currency,source,") && file.contains(",300,"), "{file}");

        let unknown = look("revenue?campaign=spring").await;
        assert_eq!(offered(&unknown, "campaign"), (vec!["", "default", "spring"], Some("spring")), "{unknown}");

        // By period alone it is drawn: the same months as in the table, on one scale.
        let year = look("revenue?from=2026-10-01&to=2026-12-01").await;
        let chart = "<title id=\"revenue-USD-title\">USD: Gross, Net</title>";
        assert!(year.matches("<svg").count() == 1 && year.contains(chart), "{year}");
        assert!(year.contains(">2026-10</text>") && year.contains(">2026-11</text>"), "{year}");
        for undrawn in ["from=2026-11-01", "from=2026-10-01&by=currency", "from=2026-10-01&by=month,frequency"] {
            let page = look(&format!("revenue?to=2026-12-01&{undrawn}")).await;
            assert!(page.contains(">$28<") || page.contains(">$25<"), "{undrawn}: {page}");
            assert!(!page.contains("<svg"), "{undrawn}: {page}");
        }
        // Stripe's bookings are a choice away.
        assert_eq!(offered(&year, "view"), (vec!["charge", "settlement"], Some("charge")));
        let booked = look("revenue?from=2026-11-01&to=2026-12-01&view=settlement&lang=ru").await;
        assert_eq!(offered(&booked, "view").1, Some("settlement"));
        assert!(booked.contains("что провёл Stripe"), "{booked}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_is_a_history_is_drawn_for_each_currency_with_the_tables_own_figures() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for (frequency, amount, currency) in [("monthly", 300, "USD"), ("once", 2500, "USD"), ("once", 1700, "EUR")] {
            let (pledge, session) = app.pledge(frequency, amount, currency).await;
            app.pay(&session, Card::Works).await;
            app.settle().await;
            if frequency == "monthly" {
                app.sandbox.set_card(&subscription_of(&app, &pledge), Card::Declined);
            }
        }
        app.advance_days(31).await;
        app.read_balance().await.expect("Stripe's bookings");
        let cookie = app.session(&app.person("dir@paper.example", Role::Viewer).await).await;
        for (name, first, second, also) in [
            ("revenue", "Gross", "Net", Some("EUR")),
            ("recurring", "Closing ARR", "Leaving ARR", None),
            ("one-time", "Sum", "Mean", Some("EUR")),
            ("failed", "Failed amount", "Recovered amount", None),
            ("statement", "Gross", "Payouts", Some("EUR")),
        ] {
            let page = app.look(&format!("/admin/reports/{name}?from=2026-10-01&to=2027-01-01"), &cookie).await.body;
            for currency in ["USD"].into_iter().chain(also) {
                let title = format!("<title id=\"{name}-{currency}-title\">{currency}: {first}, {second}</title>");
                let Some((_, chart)) = page.split_once(&title) else { panic!("{title} on {kind:?}: {page}") };
                let (chart, _) = chart.split_once("</svg>").expect("it ends");
                for text in [">2026-10</text>", ">2026-11</text>", ">2026-12</text>", first, second] {
                    assert!(chart.contains(text), "{name} {currency} {text}: {chart}");
                }
                // Each month that the table has an amount of is marked, and the legend has a mark of its own.
                let marks = |kind: &str| chart.matches(&format!("class=\"mark {kind}\"")).count() - 1;
                let row = |month: &str| format!(">{month}</td><td data-label=\"Currency\" class=\"\">{currency}</td>");
                let months = ["2026-10", "2026-11", "2026-12"].into_iter().filter(|month| page.contains(&row(month)));
                assert_eq!((marks("now"), months.count()), (3, 3), "{name} {currency}: {page}");
                let known = if name == "one-time" { 1 } else { 3 };
                assert_eq!(marks("before"), known, "{name} {currency}: a mean of nothing is none");
            }
            assert_eq!(page.matches("<svg").count(), 1 + usize::from(also.is_some()), "{name}: {page}");
        }
        for undrawn in ["payouts?from=2026-10-01&to=2027-01-01", "reminders", "recurring?by=month,campaign"] {
            let page = app.look(&format!("/admin/reports/{undrawn}"), &cookie).await;
            assert!(page.status == 200 && !page.body.contains("<svg"), "{undrawn}: {}", page.body);
        }
        app.finish().await;
    }
}
