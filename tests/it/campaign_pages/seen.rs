//! What donors see of it, and when; and what the newsroom sees before they do.

use serde_json::json;

use super::{Newsroom, read, text, typed};
use crate::support::database::{BOTH, Kind};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_begins_and_ends_to_the_second_on_the_page_and_in_the_api() {
    for kind in BOTH {
        let room = Newsroom::start(kind).await;
        let app = &room.app;
        // The clock stands at 12:00 UTC, and clocks in Riga show 14:00.
        let times = [("starts_at", "2026-11-23T14:01"), ("ends_at", "2026-11-23T14:03"), ("name", "Winter")];
        assert_eq!(room.create(&times).await.status, 303);
        let gift = json!({"campaign": "winter", "frequency": "once", "amount_minor": 2500, "currency": "USD"});
        for (seconds, season, title, state) in [
            (0, "upcoming", "has not begun yet", "scheduled"),
            (59, "upcoming", "has not begun yet", "scheduled"),
            (1, "open", "Every dollar pays", "running"),
            (119, "open", "Every dollar pays", "running"),
            (1, "ended", "has ended", "ended"),
        ] {
            app.clock.advance(seconds);
            let (_, campaign) = app.get("/v1/campaigns/winter?lang=en").await;
            assert_eq!(campaign["season"], season, "after {seconds} on {kind:?}");
            let page = text(app.get("/give?campaign=winter&lang=en").await.1);
            assert!(page.contains(title), "after {seconds} on {kind:?}: {page}");
            let list = app.look("/admin/campaigns?lang=en", &room.viewer).await.body;
            assert!(list.contains(&format!("<td>{state}</td>")), "{list}");
            let (status, body) = app.ask(&gift, None).await;
            assert_eq!(status, if season == "open" { 201 } else { 422 }, "after {seconds} on {kind:?}: {body}");
        }
        room.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_cache_tells_of_a_campaign_as_it_was_before_its_turn() {
    let room = Newsroom::start(Kind::Sqlite).await;
    let times = [("starts_at", "2026-11-23T14:02"), ("ends_at", "2026-11-23T14:03")];
    assert_eq!(room.create(&times).await.status, 303);
    for (seconds, age) in [(0, 60), (59, 60), (1, 60), (1, 59), (58, 1), (1, 60), (59, 1), (1, 60)] {
        room.app.clock.advance(seconds);
        let answer =
            room.app.http.get(format!("{}/v1/campaigns/winter", room.app.url)).send().await.expect("an answer");
        let cached = answer.headers()["cache-control"].to_str().expect("text");
        assert_eq!(cached, format!("public, max-age={age}"), "after {seconds}");
    }
    room.app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_is_the_giving_page_of_what_is_typed_and_nothing_can_be_given_there() {
    for kind in BOTH {
        let room = Newsroom::start(kind).await;
        assert_eq!(room.create(&[("starts_at", ""), ("ends_at", "")]).await.status, 303);
        let preview = async |other: &[(&'static str, &'static str)]| {
            room.app.submit("/admin/campaign-preview?lang=en", Some(&room.admin), &typed(other)).await
        };
        let draft = [
            ("in", "ru"),
            ("texts.ru.lead", "Ещё не сохранено"),
            ("amounts[1].suggested", "3 7"),
            ("accent", "#123456"),
            ("logo", "data:image/png;base64,AAAA"),
        ];
        let shown = preview(&draft).await;
        let page = read(&shown.body);
        assert_eq!(shown.status, 200, "{page}");
        for part in [
            "<html lang=\"ru\">",
            "Предпросмотр.",
            "TEST",
            "Ещё не сохранено",
            "value=\"7.00\"",
            "data:image/png;base64,AAAA",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        for part in ["<form", "<script", "<donate-box", "type=\"submit\"", "formmethod=\"post\""] {
            assert!(!page.contains(part), "{part}: {page}");
        }
        let policy = shown.headers["content-security-policy"].to_str().expect("text");
        assert!(policy.contains("form-action 'none'") && !policy.contains("script-src"), "{policy}");
        // In its own colour, which no address of the stored campaign has.
        assert!(page.contains("/give/style.css?campaign=winter&accent=123456"), "{page}");
        let style =
            async |accent: &str| text(room.app.get(&format!("/give/style.css?campaign=winter{accent}")).await.1);
        assert!(style("&accent=123456").await.contains("--donate-accent: #123456"));
        assert!(style("").await.contains("--donate-accent: #1f5f8b"));
        assert!(!style("&accent=").await.contains("--donate-accent: #1f5f8b"));
        assert!(!style("&accent=red;}").await.contains("red;"));
        // But for what makes it a preview it is the page that donors get.
        let give = read(
            &room
                .app
                .http
                .get(format!("{}/give?campaign=winter&lang=en", room.app.url))
                .send()
                .await
                .expect("an answer")
                .text()
                .await
                .expect("a page"),
        );
        let seen = read(&preview(&[("in", "en")]).await.body);
        let between = |page: &str| {
            let (_, rest) = page.split_once("<p class=\"warning\">").expect("the form");
            rest.split_once("<button").expect("its button").0.to_owned()
        };
        assert_eq!(between(&seen), between(&give), "on {kind:?}");
        assert_eq!(room.audited().await.len(), 1, "nothing is saved");
        let stored = room.app.store().campaign("winter").await.expect("read").expect("it is there");
        assert_eq!(stored.look.logo, None);
        let wrong = preview(&[("in", "en"), ("accent", "blue"), ("name", "")]).await;
        let page = read(&wrong.body);
        assert!(wrong.status == 422 && page.contains("Colour of the button: expected a colour"), "{page}");
        let by_address = room.app.look("/admin/campaign-preview", &room.admin).await;
        assert_eq!((by_address.status, by_address.location.as_str()), (303, "/admin/campaigns"), "it is kept nowhere");
        // A campaign that is scheduled is shown as it will be.
        let scheduled = preview(&[("in", "en"), ("starts_at", "2030-01-01T00:00"), ("ends_at", "")]).await;
        assert!(scheduled.body.contains("Every dollar pays"), "{}", scheduled.body);
        room.app.finish().await;
    }
}
