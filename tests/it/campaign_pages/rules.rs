//! What is taken and what is not: the same on a page and in a file, in the same words.

use serde_json::json;

use super::{Newsroom, SAMPLE, read, typed, version};
use crate::support::database::{BOTH, Kind};
use crate::support::newsroom::{Answer, answer};

/// The same mistakes in the sample and in its form: what is replaced in the file, by what, and the fields of the form. The
/// mistakes of one case do not hide each other.
type Case = (&'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)], usize);

const CASES: [Case; 5] = [
    (
        &[
            ("slug = \"winter\" ", "slug = \"Win ter\" "),
            ("name = \"Winter appeal\"", "name = \" \""),
            ("default_language = \"en\"", "default_language = \"de\""),
            ("statement = \"EXAMPLE PAPER\"", "statement = \"<b>\""),
            ("\"card\", \"apple_pay\"", "\"card\", \"cash\""),
            ("accent = \"#1f5f8b\"", "accent = \"blue\""),
            ("https://paper.example/privacy", "javascript:alert(1)"),
            ("https://paper.example/newsletter/latest", "http://paper.example"),
            ("return_origins = []", "return_origins = [\"paper.example\"]"),
            ("suggested = [10, 25, 50, 100]", "suggested = [10, \"25.001\"]"),
            ("suggested = [2, 5, 10, 25]", "suggested = [1, 5, 10, 25]"),
            ("suggested = [\"2.50\", 5, 10]", "suggested = [5, 5]"),
            ("percent = \"2.9\"", "percent = \"29\""),
            ("fixed = \"0.30\"", "fixed = \"much\""),
            ("starts_on = \"2026-12-01\"", "starts_at = \"tomorrow\""),
            ("name = \"Help us through the winter\"", "name = \"Help\\nus\""),
        ],
        &[
            ("slug", "Win ter"),
            ("name", " "),
            ("default_language", "de"),
            ("statement", "<b>"),
            ("methods", "cash"),
            ("accent", "blue"),
            ("policy_url", "javascript:alert(1)"),
            ("newsletter_preview_url", "http://paper.example"),
            ("return_origins", "paper.example"),
            ("amounts[0].suggested", "10 25.001"),
            ("amounts[1].suggested", "1 5 10 25"),
            ("amounts[3].suggested", "5 5"),
            ("fee_cover[0].percent", "29"),
            ("fee_cover[0].fixed", "much"),
            ("starts_at", "tomorrow"),
            ("texts.en.name", "Help\nus"),
        ],
        16,
    ),
    (
        &[
            ("default_currency = \"USD\"", "default_currency = \"GBP\""),
            ("starts_on = \"2026-12-01\"", "starts_at = \"2026-12-01T09:00\""),
            ("ends_on = \"2027-02-28\"", "ends_at = \"2026-12-01T09:00\""),
            ("currency = \"USD\"\nfrequency = \"monthly\"", "currency = \"USD\"\nfrequency = \"once\""),
            ("suggested = [\"2.50\", 5, 10]\nmin = 2\nmax = 1000", "suggested = []\nmin = 5\nmax = 2"),
            ("[fee_cover.USD]", "[fee_cover.CHF]"),
        ],
        &[
            ("default_currency", "GBP"),
            ("starts_at", "2026-12-01T09:00"),
            ("ends_at", "2026-12-01T09:00"),
            ("amounts[1].frequency", "once"),
            ("amounts[3].suggested", ""),
            ("amounts[3].min", "5"),
            ("amounts[3].max", "2"),
            ("fee_cover[0].currency", "CHF"),
        ],
        6,
    ),
    (
        &[
            ("default_currency = \"USD\"", "default_currency = \"XYZ\""),
            ("default_frequency = \"monthly\"", "default_frequency = \"weekly\""),
            ("currency = \"EUR\"\nfrequency = \"monthly\"", "currency = \"EURO\"\nfrequency = \"daily\""),
            ("min = 2\nmax = 10000", "min = 0\nmax = 100000000"),
        ],
        &[
            ("default_currency", "xyz"),
            ("default_frequency", "weekly"),
            ("amounts[3].currency", "EURO"),
            ("amounts[3].frequency", "daily"),
            ("amounts[0].min", "0"),
            ("amounts[0].max", "100000000"),
        ],
        6,
    ),
    // That night clocks are put forward from three to four.
    (&[("starts_on = \"2026-12-01\"", "starts_at = \"2026-03-29T03:30\"")], &[("starts_at", "2026-03-29T03:30")], 1),
    (
        &[("suggested = [2, 5, 10, 25]", "suggested = [2, 3, 4, 5, 6, 7, 8, 9, 10]")],
        &[("amounts[1].suggested", "2 3 4 5 6 7 8 9 10")],
        1,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_mistakes_are_refused_by_page_and_file_all_at_once_in_the_same_words() {
    for kind in BOTH {
        let room = Newsroom::start(kind).await;
        for (replaced, fields, count) in CASES {
            let mut file = SAMPLE.to_owned();
            for (right, wrong) in replaced {
                assert!(file.contains(right), "{right}");
                file = file.replacen(right, wrong, 1);
            }
            let (code, out, said) = room.apply(&file).await;
            assert_eq!((code, out.as_str()), (Some(1), ""), "{said}");
            let wanted: Vec<(&str, &str)> =
                said.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(": ")).collect();
            assert_eq!(wanted.len(), count, "{said}");
            let refused = room.create(fields).await;
            assert_eq!(refused.status, 422, "{said}");
            let page = read(&refused.body);
            let (_, list) = page.split_once("role=\"alert\"").expect("a list of mistakes");
            let (list, form) = list.split_once("</ul>").expect("its end");
            assert_eq!(list.matches("<li>").count(), count, "{list}");
            for (place, words) in &wanted {
                assert!(list.contains(&format!(": {words}</li>")), "{place}: {words}\n{list}");
                assert!(form.contains(words), "beside its field: {place}: {words}");
            }
            for (field, value) in fields.iter().filter(|(field, _)| !["methods", "default_language"].contains(field)) {
                let kept = value.trim().is_empty()
                    || form.contains(&format!("value=\"{}\"", value.to_uppercase()))
                    || form.contains(&format!("value=\"{value}\""))
                    || form.contains(&format!(">{value}</textarea>"))
                    || field.ends_with("frequency");
                assert!(kept, "what was typed is kept: {field} {value}\n{form}");
            }
            // Each mistake is said to belong to its field.
            assert!(form.matches("aria-invalid=\"true\"").count() + 3 >= count, "{form}");
        }
        assert!(room.audited().await.is_empty());
        assert_eq!(room.app.store().campaign_slugs().await.expect("read"), ["default"]);
        room.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_told_in_russian_to_whoever_reads_russian() {
    let room = Newsroom::start(Kind::Sqlite).await;
    let wrong = typed(&[("accent", "blue"), ("amounts[1].max", "1")]);
    let refused = room.app.submit("/admin/new-campaign?lang=ru", Some(&room.admin), &wrong).await;
    let page = read(&refused.body);
    for words in ["нужен цвет, например \"#8c1d18\"", "нужно не меньше наименьшей суммы", "Суммы 2, Наибольшая"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("expected"), "{page}");
    room.app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_added_without_saving_and_what_was_typed_stays() {
    let room = Newsroom::start(Kind::Sqlite).await;
    let more = room.create(&[("name", ""), ("more", "1")]).await;
    assert_eq!(more.status, 200);
    // Three that say something, and three empty ones.
    assert!(more.body.contains("amounts[5].currency") && !more.body.contains("amounts[6].currency"), "{}", more.body);
    assert!(!more.body.contains("role=\"alert\""), "nothing is judged yet");
    assert!(more.body.contains("value=\"EXAMPLE PAPER\""));
    assert!(room.audited().await.is_empty());
    let doubled = room
        .create(&[("fee_cover[1].currency", "USD"), ("fee_cover[1].percent", "1"), ("fee_cover[1].fixed", "0")])
        .await;
    assert!(doubled.status == 422 && doubled.body.contains("expected each currency once"), "{}", doubled.body);
    room.app.finish().await;
}

/// The sample's form with a file, as a browser sends it.
async fn upload(room: &Newsroom, path: &str, other: &[(&'static str, &str)], name: &str, picture: &[u8]) -> Answer {
    let mut body = Vec::new();
    let fields = typed(&[]).into_iter().filter(|(field, _)| !other.iter().any(|(name, _)| name == field));
    for (field, value) in fields.chain(other.iter().copied()) {
        let part = format!("--parts\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n");
        body.extend(part.into_bytes());
    }
    let head = format!("--parts\r\nContent-Disposition: form-data; name=\"logo_file\"; filename=\"{name}\"\r\n\r\n");
    body.extend(head.into_bytes());
    body.extend(picture);
    body.extend(b"\r\n--parts--\r\n");
    let request = room.app.asks("POST", path, Some(&room.admin)).body(body);
    answer(request.header("content-type", "multipart/form-data; boundary=parts")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logo_is_chosen_as_a_file_carried_on_by_every_edit_and_taken_away() {
    for kind in BOTH {
        let room = Newsroom::start(kind).await;
        let logo = async || {
            let campaign = room.app.store().campaign("winter").await.expect("read").expect("it is there");
            campaign.look.logo
        };
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>";
        let made = upload(&room, "/admin/new-campaign", &[], "logo.svg", svg).await;
        assert_eq!(made.status, 303, "{}", read(&made.body));
        let stored = logo().await.expect("a logo");
        assert!(stored.starts_with("data:image/svg+xml;base64,"), "{stored}");
        // The form holds it, and brings it back.
        let page = room.page().await;
        assert!(page.contains(&format!("name=\"logo\" value=\"{stored}\"")), "{page}");
        let fields = [("logo", stored.as_str()), ("version", &version(&page)), ("name", "Another")];
        assert_eq!(upload(&room, "/admin/campaigns/winter", &fields, "", b"").await.status, 303);
        assert_eq!(logo().await.as_ref(), Some(&stored), "on {kind:?}");
        // One that is too large, a photo as a camera makes it, or none, is told of; what is stored and what is typed are
        // carried on.
        let seen = version(&room.page().await);
        let photo = vec![b' '; 9_000_000];
        for (name, picture) in [("logo.png", vec![b' '; 20_000]), ("logo.jpg", photo), ("logo.exe", vec![b'M'])] {
            let fields = [("logo", stored.as_str()), ("version", &seen), ("name", "Third")];
            let refused = upload(&room, "/admin/campaigns/winter", &fields, name, &picture).await;
            let page = read(&refused.body);
            assert_eq!(refused.status, 422, "{name} {page}");
            assert!(page.contains("expected a .png, .svg, .webp or .jpg file of at most 12 KB"), "{page}");
            assert!(page.contains(&format!("name=\"logo\" value=\"{stored}\"")) && page.contains("value=\"Third\""));
        }
        let (_, made) = room.noted("campaign.created", &room.admin_id).await;
        assert!(made["logo"].as_str().is_some_and(|logo| logo.starts_with("sha256:")), "{made}");
        let (_, changed) = room.noted("campaign.changed", &room.admin_id).await;
        assert_eq!(changed, json!({"name": "Another"}), "the logo is the same");
        let fields = [("logo", stored.as_str()), ("version", &seen), ("logo_off", "1")];
        assert_eq!(upload(&room, "/admin/campaigns/winter", &fields, "", b"").await.status, 303);
        assert_eq!(logo().await, None);
        room.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_is_none_is_refused_and_changes_nothing() {
    let room = Newsroom::start(Kind::Sqlite).await;
    let send = async |kind: &str, body: Vec<u8>| {
        let request = room.app.asks("POST", "/admin/new-campaign", Some(&room.admin)).body(body);
        answer(request.header("content-type", kind)).await.status
    };
    let many = "a=1&".repeat(3_000);
    for (kind, body, status) in [
        ("application/json", "{}".to_owned(), 415),
        ("multipart/form-data", "--x--\r\n".to_owned(), 400),
        ("multipart/form-data; boundary=", "--x--\r\n".to_owned(), 400),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\ncut".to_owned(),
            400,
        ),
        ("multipart/form-data; boundary=x", "--x\r\nno headers".to_owned(), 400),
        ("multipart/form-data; boundary=x", "--x--\r\n".to_owned(), 422),
        ("application/x-www-form-urlencoded", many, 413),
        ("application/x-www-form-urlencoded", "a".repeat(3 * 1024 * 1024), 413),
        ("application/x-www-form-urlencoded", String::new(), 422),
    ] {
        assert_eq!(send(kind, body.into_bytes()).await, status, "{kind}");
    }
    let no_text = b"--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n\xff\r\n--x--\r\n";
    assert_eq!(send("multipart/form-data; boundary=x", no_text.to_vec()).await, 400, "it is not UTF-8");
    // Whatever is too long is read to its end, so that the answer arrives.
    let part = |value: &str| format!("--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n{value}\r\n");
    for parts in [part("").repeat(2_049), part(&"a".repeat(1024 * 1024)).repeat(4)] {
        assert_eq!(send("multipart/form-data; boundary=x", format!("{parts}--x--\r\n").into_bytes()).await, 413);
    }
    assert!(room.audited().await.is_empty());
    room.app.finish().await;
}
