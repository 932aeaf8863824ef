//! People: links, passwords, one-time codes, roles, and what is written down about all of it.

use mainstay::domain::admin::Role;
use mainstay::domain::email_address::EmailAddress;
use mainstay::service::admin::Office;
use mainstay::store::NewAudit;

use crate::support::app::{DAY, TestApp};
use crate::support::database::Kind;
use crate::support::newsroom::{PASSWORD, answer, token_of};
use crate::support::stored;

const ANNA: &str = "anna@paper.example";

/// What stands between two texts of a page.
fn between(page: &str, before: &str, after: &str) -> String {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("{before} in {page}"));
    rest.split_once(after).unwrap_or_else(|| panic!("{after} behind {before}")).0.replace("&#x2f;", "/")
}

async fn a_link_sets_a_password_once(kind: Kind) {
    let app = TestApp::start(kind).await;
    let anna = EmailAddress::parse(ANNA).expect("an address");
    let link = app.office().create("command_line", &anna, Role::Admin).await.expect("she is made");
    assert!(link.starts_with("http://give.example.org/admin/link/"), "{link}");
    let path = format!("/admin/link/{}", token_of(&link));
    let before = app.database.rows("SELECT token_hash AS line FROM admin_links").await;
    for _ in 0..3 {
        assert_eq!(answer(app.asks("GET", &path, None)).await.status, 200, "looking changes nothing");
        assert_eq!(answer(app.asks("HEAD", &path, None)).await.status, 200);
    }
    assert_eq!(app.database.rows("SELECT token_hash AS line FROM admin_links").await, before);
    for (password, again, says) in [
        ("seven heron", "seven heron", "too short"),
        ("password1234", "password1234", "easy to guess"),
        ("anna12345678", "anna12345678", "easy to guess"),
        (PASSWORD, "seven herons walk", "not the same"),
        ("", "", "too short"),
    ] {
        let wrong = app.submit(&path, None, &[("password", password), ("again", again)]).await;
        assert!(wrong.status == 422 && wrong.body.contains(says), "{password}: {}", wrong.body);
        assert!(password.is_empty() || !wrong.body.contains(&format!("value=\"{password}")), "nothing is said back");
    }
    let right = [("password", PASSWORD), ("again", PASSWORD)];
    let (one, two) = tokio::join!(app.submit(&path, None, &right), app.submit(&path, None, &right));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 404], "once");
    assert_eq!(answer(app.asks("GET", &path, None)).await.status, 404);
    assert_eq!(app.signs_in(ANNA, PASSWORD, "").await.status, 303);
    // A lost password: the new link is over after a day, an older one with the newer, and sessions end with the password.
    let id = app.office().find(&anna).await.expect("she is there").id;
    let session = app.session(&id).await;
    let first = app.office().renew_link("command_line", &id).await.expect("a link");
    let second = app.office().renew_link("command_line", &id).await.expect("a link");
    let path = |link: &str| format!("/admin/link/{}", token_of(link));
    assert_eq!(app.submit(&path(&first), None, &right).await.status, 404, "replaced");
    app.clock.advance(DAY);
    assert_eq!(app.submit(&path(&second), None, &right).await.status, 404, "a day old");
    let third = app.office().renew_link("command_line", &id).await.expect("a link");
    let fresh = app.session(&id).await;
    let other = [("password", "nine grey boats at sea"), ("again", "nine grey boats at sea")];
    assert_eq!(app.submit(&path(&third), None, &other).await.status, 303);
    for ended in [session, fresh] {
        assert_eq!(app.look("/admin", &ended).await.status, 303);
    }
    assert_eq!(app.signs_in(ANNA, PASSWORD, "").await.status, 422, "the old one");
    assert_eq!(app.signs_in(ANNA, "nine grey boats at sea", "").await.status, 303);
    // A link of somebody who is shut out leads nowhere.
    app.person("chief@paper.example", Role::Admin).await;
    let fourth = app.office().renew_link("command_line", &id).await.expect("a link");
    app.office().set_disabled("command_line", &id, true).await.expect("shut out");
    assert_eq!(app.submit(&path(&fourth), None, &right).await.status, 404);
    app.finish().await;
}

async fn the_first_link_makes_the_first_admin_and_nobody_else(kind: Kind) {
    let app = TestApp::start(kind).await;
    let office = app.office();
    let (one, two) = (office.first_link().await.expect("made"), office.first_link().await.expect("made"));
    let (one, two) = (one.expect("there is nobody"), two.expect("there is nobody"));
    let path = |link: &str| format!("/admin/link/{}", token_of(link));
    let form = answer(app.asks("GET", &path(&one), None)).await;
    assert!(form.status == 200 && form.body.contains("The first admin"), "{}", form.body);
    let nameless = [("email", "nobody"), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(app.submit(&path(&one), None, &nameless).await.status, 422);
    let right = [("email", ANNA), ("password", PASSWORD), ("again", PASSWORD)];
    let other = [("email", "eve@paper.example"), ("password", PASSWORD), ("again", PASSWORD)];
    let three = office.first_link().await.expect("made").expect("there is nobody");
    let (one, three) = (path(&one), path(&three));
    let (first, second) = tokio::join!(app.submit(&one, None, &right), app.submit(&three, None, &other));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 404], "two at once are one");
    let email = if first.status == 303 { ANNA } else { "eve@paper.example" };
    let cookie = app.signs_in(email, PASSWORD, "").await.cookie.expect("a cookie");
    assert_eq!(app.look("/admin/people", &cookie).await.status, 200, "an admin");
    let late = [("email", "evil@paper.example"), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(app.submit(&path(&two), None, &late).await.status, 404, "the other one is worth nothing now");
    assert_eq!(office.first_link().await.expect("looked"), None);
    assert_eq!(app.database.rows("SELECT role AS line FROM admins").await, ["admin"]);
    app.finish().await;
}

async fn one_time_codes_are_asked_for_and_none_is_taken_twice(kind: Kind) {
    let app = TestApp::start(kind).await;
    let anna = app.person(ANNA, Role::Viewer).await;
    let cookie = app.session(&anna).await;
    let offered = app.submit("/admin/me/totp/new", Some(&cookie), &[]).await;
    assert_eq!(offered.location, "/admin/me/totp");
    let shown = app.look("/admin/me/totp", &cookie).await;
    let secret = between(&shown.body, "<code id=\"secret\">", "</code>").replace(' ', "");
    assert!(
        secret.len() == 32
            && between(&shown.body, "href=\"otpauth:", "\"").contains("//totp/Mainstay:anna")
            && shown.body.contains("<svg class=\"qr\"")
    );
    assert_eq!(app.signs_in(ANNA, PASSWORD, "").await.status, 303, "not asked for before one was typed");
    let code = |at: i64| Office::totp_code(&secret, at).expect("a code");
    let wrong = app.submit("/admin/me/totp", Some(&cookie), &[("code", "12345")]).await;
    assert!(wrong.status == 422 && wrong.body.contains("That code is wrong"), "{}", wrong.body);
    let confirmed = app.submit("/admin/me/totp", Some(&cookie), &[("code", &code(app.clock.now()))]).await;
    let list = between(&confirmed.body, "<ul id=\"codes\">", "</ul>");
    let recovery: Vec<&str> =
        list.split("<code>").skip(1).map(|rest| rest.split('<').next().expect("a code")).collect();
    assert_eq!(recovery.len(), 10, "{}", confirmed.body);
    assert_eq!(app.look("/admin/me/totp", &cookie).await.status, 303, "neither is shown again");
    assert_eq!(app.submit("/admin/me/totp/new", Some(&cookie), &[]).await.status, 409, "nor replaced in passing");

    let signs_in = async |code: &str| app.signs_in(ANNA, PASSWORD, code).await.status;
    assert_eq!(signs_in("").await, 422);
    assert_eq!(signs_in(&code(app.clock.now())).await, 422, "the code that confirmed it was used");
    app.clock.advance(30);
    let now = code(app.clock.now());
    assert_eq!(signs_in(&format!(" {} {} ", &now[..3], &now[3..])).await, 303, "as it is read out");
    assert_eq!(signs_in(&now).await, 422, "a second time");
    app.clock.advance(60);
    assert_eq!(signs_in(&code(app.clock.now() - 30)).await, 303, "a step late");
    assert_eq!(signs_in(&code(app.clock.now())).await, 303);
    assert_eq!(signs_in(&code(app.clock.now() - 30)).await, 422, "an older one than the last");
    assert_eq!(signs_in(&code(app.clock.now() + 60)).await, 422, "two steps early");
    let mut wrong_password = app.api_sign_in(ANNA, "wrong wrong wrong", Some(&code(app.clock.now() + 30))).await.json();
    let mut wrong_code = app.api_sign_in(ANNA, PASSWORD, Some("000000")).await.json();
    wrong_password["request_id"] = "".into();
    wrong_code["request_id"] = "".into();
    assert_eq!(wrong_password, wrong_code, "nobody learns which it was");
    let by_api = app.api_sign_in(ANNA, PASSWORD, Some(&code(app.clock.now() + 30))).await;
    assert_eq!(by_api.status, 201, "a wrong password did not use the code up: {}", by_api.body);

    // A lost telephone: each recovery code once, and then an admin.
    assert_eq!(signs_in(&recovery[0].to_uppercase()).await, 303);
    assert_eq!(signs_in(recovery[0]).await, 422);
    assert_eq!(signs_in(recovery[1]).await, 303);
    let chief = app.person("chief@paper.example", Role::Admin).await;
    let chief = app.session(&chief).await;
    let reset = app.submit(&format!("/admin/people/{anna}/reset-totp"), Some(&chief), &[]).await;
    assert_eq!(reset.status, 303);
    assert_eq!(app.look("/admin", &cookie).await.status, 303, "her sessions are over");
    assert_eq!(signs_in(recovery[2]).await, 303, "without a code, whatever was typed");
    assert_eq!(app.database.rows("SELECT admin_id AS line FROM admin_recovery_codes").await.len(), 0);
    app.finish().await;
}

async fn where_codes_are_required_nothing_else_is_to_be_had_without(kind: Kind) {
    let app = TestApp::start_with(kind, &[("ADMIN_TOTP", "required")]).await;
    let anna = app.person(ANNA, Role::Admin).await;
    let cookie = app.signs_in(ANNA, PASSWORD, "").await.cookie.expect("a cookie");
    for path in ["/admin", "/admin/people", "/admin/audit-log"] {
        let away = app.look(path, &cookie).await;
        assert_eq!((away.status, away.location.as_str()), (303, "/admin/me"), "{path}");
    }
    let form = [("email", "evil@paper.example"), ("role", "admin")];
    assert_eq!(app.submit("/admin/people", Some(&cookie), &form).await.location, "/admin/me");
    let refused = app.api_sign_in(ANNA, PASSWORD, None).await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("totp_needed")));
    let me = app.look("/admin/me", &cookie).await;
    assert!(me.body.contains("wants everybody to have them"), "{}", me.body);
    app.submit("/admin/me/totp/new", Some(&cookie), &[]).await;
    let shown = app.look("/admin/me/totp", &cookie).await;
    let secret = between(&shown.body, "<code id=\"secret\">", "</code>").replace(' ', "");
    let code = Office::totp_code(&secret, app.clock.now()).expect("a code");
    assert_eq!(app.submit("/admin/me/totp", Some(&cookie), &[("code", &code)]).await.status, 200);
    assert_eq!(app.look("/admin/people", &cookie).await.status, 200);
    app.clock.advance(30);
    let code = Office::totp_code(&secret, app.clock.now()).expect("a code");
    assert_eq!(app.api_sign_in(ANNA, PASSWORD, Some(&code)).await.status, 201);
    assert_eq!(app.database.rows("SELECT id AS line FROM admins").await, [anna]);
    app.finish().await;
}

async fn admins_look_after_people_and_everything_is_written_down(kind: Kind) {
    let app = TestApp::start(kind).await;
    let chief = app.person("chief@paper.example", Role::Admin).await;
    let cookie = app.session(&chief).await;
    let post = async |path: &str, form: &[(&str, &str)]| app.submit(path, Some(&cookie), form).await;
    let made = post("/admin/people", &[("email", ANNA), ("role", "finance")]).await;
    let link = between(&made.body, "<code id=\"link\">", "</code>");
    assert!(!app.look("/admin/people", &cookie).await.body.contains(token_of(&link)), "it is shown once");
    assert!(app.look("/admin/people", &cookie).await.body.contains("Has not followed the link yet"));
    for (form, status) in [
        ([("email", ANNA), ("role", "viewer")], 409),
        ([("email", "ANNA@paper.example"), ("role", "viewer")], 409),
        ([("email", "anna"), ("role", "viewer")], 422),
        ([("email", "bo@paper.example"), ("role", "owner")], 422),
    ] {
        assert_eq!(post("/admin/people", &form).await.status, status, "{form:?}");
    }
    let right = [("password", PASSWORD), ("again", PASSWORD)];
    let (_, path) = link.split_once("give.example.org").expect("our own address");
    assert_eq!(app.submit(path, None, &right).await.status, 303);
    let anna = app.office().find(&EmailAddress::parse(ANNA).expect("an address")).await.expect("she is there").id;
    assert_eq!(post(&format!("/admin/people/{anna}/role"), &[("role", "viewer")]).await.status, 303);
    assert_eq!(
        post(&format!("/admin/people/{anna}/role"), &[("role", "viewer")]).await.status,
        303,
        "it is so already"
    );
    assert_eq!(post(&format!("/admin/people/{anna}/role"), &[("role", "owner")]).await.status, 404);
    assert_eq!(post(&format!("/admin/people/{anna}/disable"), &[]).await.status, 303);
    assert_eq!(post(&format!("/admin/people/{anna}/enable"), &[]).await.status, 303);
    let renewed = post(&format!("/admin/people/{anna}/link"), &[]).await;
    assert!(renewed.status == 200 && renewed.body.contains("<code id=\"link\">"), "{}", renewed.body);
    assert_eq!(post("/admin/people/adm_00000000000000000000000000000000/link", &[]).await.status, 404);
    // The last admin stays: by shutting out and by another role.
    for (verb, form) in [("disable", vec![]), ("role", vec![("role", "viewer")])] {
        let refused = post(&format!("/admin/people/{chief}/{verb}"), &form).await;
        assert!(refused.status == 409 && refused.body.contains("Nobody would be left"), "{}", refused.body);
    }
    assert_eq!(app.look("/admin/people", &cookie).await.status, 200);

    let mut audited = app.audited().await;
    audited.sort();
    let mut expected = [
        "person.created by command_line".to_owned(),
        format!("person.password_set by {chief}"),
        format!("person.created by {chief}"),
        format!("person.password_set by {anna}"),
        format!("person.role_changed by {chief}"),
        format!("person.disabled by {chief}"),
        format!("person.enabled by {chief}"),
        format!("person.link_made by {chief}"),
    ];
    expected.sort();
    assert_eq!(audited, expected, "what was refused or changed nothing is no entry");
    let changes =
        app.database.rows("SELECT before || after AS line FROM audit_log WHERE action = 'person.role_changed'").await;
    assert_eq!(changes, ["{\"role\":\"finance\"}{\"role\":\"viewer\"}"]);
    let page = app.look("/admin/audit-log", &cookie).await.body;
    for text in ["person.role_changed", ANNA, "chief@paper.example", "command_line", "2026-11-23 12:00:00"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    // Staff are nobody's business who gets hold of the database.
    let bytes = stored::everything(&app.database).await;
    let rows = app.database.rows("SELECT email_index || role AS line FROM admins").await.join("\n");
    for text in [ANNA, "chief@paper.example", PASSWORD] {
        assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()) && !rows.contains(text), "{text}");
    }
    app.finish().await;
}

async fn two_admins_cannot_shut_each_other_out_at_once(kind: Kind) {
    let app = TestApp::start(kind).await;
    let one = app.person("one@paper.example", Role::Admin).await;
    let two = app.person("two@paper.example", Role::Admin).await;
    let office = app.office();
    for _ in 0..5 {
        let (by_one, by_two) =
            tokio::join!(office.set_disabled(&one, &two, true), office.change_role(&two, &one, Role::Viewer));
        assert!(by_one.is_ok() != by_two.is_ok(), "{by_one:?} {by_two:?}");
        if by_one.is_ok() {
            office.set_disabled(&one, &two, false).await.expect("let in again");
        } else {
            office.change_role(&two, &one, Role::Admin).await.expect("an admin again");
        }
    }
    app.finish().await;
}

async fn the_audit_log_is_read_page_by_page(kind: Kind) {
    let app = TestApp::start(kind).await;
    let chief = app.person("chief@paper.example", Role::Admin).await;
    for nth in 0..120_i64 {
        // Many of one second, so that the page's end falls between them.
        app.clock.advance(i64::from(nth % 40 == 0));
        let mut tx = app.store().begin().await.expect("begun");
        let entry = NewAudit {
            actor: chief.clone(),
            action: "test.done",
            subject: format!("subject-{nth}-"),
            ..NewAudit::default()
        };
        tx.audit(entry, app.clock.now(), &app.office().random).await.expect("noted");
        tx.commit().await.expect("committed");
    }
    let cookie = app.session(&chief).await;
    let (mut path, mut seen, mut pages) = ("/admin/audit-log".to_owned(), Vec::new(), 0);
    loop {
        let page = app.look(&path, &cookie).await;
        assert_eq!(page.status, 200);
        pages += 1;
        let subjects =
            page.body.split("subject-").skip(1).map(|rest| rest.split('-').next().expect("a number").to_owned());
        seen.extend(subjects);
        let Some((_, rest)) = page.body.split_once("<a class=\"button quiet\" href=\"") else { break };
        path = rest.split('"').next().expect("an address").replace("&#x2f;", "/").replace("&amp;", "&");
        assert!(path.starts_with("/admin/audit-log?after="), "{path}");
    }
    let mut numbers: Vec<i64> = seen.iter().map(|number| number.parse().expect("a number")).collect();
    numbers.sort_unstable();
    assert_eq!((pages, numbers), (3, (0..120).collect()), "each once");
    for strange in ["?after=", "?after=x-y", "?after=99999999999999999999-a", "?after=-1-a"] {
        assert_eq!(app.look(&format!("/admin/audit-log{strange}"), &cookie).await.status, 200, "{strange}");
    }
    app.finish().await;
}

macro_rules! on_both {
    ($($test:ident / $sqlite:ident / $postgres:ident;)+) => {$(
        #[tokio::test]
        async fn $sqlite() {
            $test(Kind::Sqlite).await;
        }

        #[tokio::test]
        async fn $postgres() {
            $test(Kind::Postgres).await;
        }
    )+};
}

on_both! {
    a_link_sets_a_password_once / a_link_sets_a_password_once_on_sqlite / a_link_sets_a_password_once_on_postgres;
    the_first_link_makes_the_first_admin_and_nobody_else / the_first_link_makes_the_first_admin_on_sqlite / the_first_link_makes_the_first_admin_on_postgres;
    one_time_codes_are_asked_for_and_none_is_taken_twice / one_time_codes_are_taken_once_on_sqlite / one_time_codes_are_taken_once_on_postgres;
    where_codes_are_required_nothing_else_is_to_be_had_without / required_codes_come_first_on_sqlite / required_codes_come_first_on_postgres;
    admins_look_after_people_and_everything_is_written_down / admins_look_after_people_on_sqlite / admins_look_after_people_on_postgres;
    two_admins_cannot_shut_each_other_out_at_once / one_admin_is_always_left_on_sqlite / one_admin_is_always_left_on_postgres;
    the_audit_log_is_read_page_by_page / the_audit_log_is_read_page_by_page_on_sqlite / the_audit_log_is_read_page_by_page_on_postgres;
}

#[test]
fn no_statement_changes_or_deletes_an_entry_of_the_audit_log() {
    fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }
    let mut inserts = 0;
    for folder in ["src", "migrations"] {
        for path in files(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)) {
            let text =
                std::fs::read_to_string(&path).expect("it is read").split_whitespace().collect::<Vec<_>>().join(" ");
            for banned in [
                "UPDATE audit_log",
                "DELETE FROM audit_log",
                "DROP TABLE audit_log",
                "TRUNCATE audit_log",
                "REPLACE INTO audit_log",
            ] {
                assert!(!text.contains(banned), "{banned} in {}", path.display());
            }
            inserts += text.matches("INSERT INTO audit_log").count();
        }
    }
    assert_eq!(inserts, 1, "and one statement adds to it");
}
