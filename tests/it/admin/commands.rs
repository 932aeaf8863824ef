//! `mainstay admin`, as an operator types it.

use std::process::Output;

use mainstay::domain::admin::Scope;

use crate::support::app::{ADMIN_KEY, PUBLIC_URL, TestApp};
use crate::support::database::Kind;
use crate::support::newsroom::{PASSWORD, token_of};
use crate::support::process::{Server, mainstay};
use secrecy::ExposeSecret as _;

/// Runs it on the test's database; exit code, output, errors.
async fn run(app: &TestApp, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = mainstay(&["admin"]);
    command.args(arguments).current_dir(app.database.folder.path());
    command.env("MAINSTAY_DATABASE_URL", &app.database.url).env("MAINSTAY_PUBLIC_URL", PUBLIC_URL);
    command.env("MAINSTAY_ADMIN_KEY", ADMIN_KEY.expose_secret()).env("MAINSTAY_LOG", "error");
    let ran = tokio::task::spawn_blocking(move || command.output().expect("it runs")).await;
    let Output { status, stdout, stderr } = ran.expect("it ends");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned())
}

async fn an_operator_looks_after_people_and_tokens(kind: Kind) {
    let app = TestApp::start(kind).await;
    // The program's clock is the machine's, so the server's has to be that too where a link is followed.
    let (code, made, errors) = run(&app, &["create", "anna@paper.example", "--role", "admin"]).await;
    assert_eq!(code, Some(0), "{errors}");
    let link = made.lines().next().expect("a link");
    assert!(link.starts_with("http://give.example.org/admin/link/"), "{made}");
    assert_eq!(run(&app, &["create", "ANNA@paper.example", "--role", "viewer"]).await.0, Some(1));
    assert_eq!(run(&app, &["create", "bo@paper.example", "--role", "owner"]).await.0, Some(2));
    assert_eq!(run(&app, &["create", "bo", "--role", "viewer"]).await.0, Some(2));
    assert_eq!(run(&app, &["create", "bo@paper.example", "--role", "viewer"]).await.0, Some(0));
    let (_, list, _) = run(&app, &["list"]).await;
    assert!(list.contains("admin    anna@paper.example") && list.contains("invited"), "{list}");
    let (code, _, errors) = run(&app, &["disable", "anna@paper.example"]).await;
    assert!(code == Some(1) && errors.contains("nobody would be left"), "{errors}");
    assert_eq!(run(&app, &["role", "bo@paper.example", "admin"]).await.0, Some(0));
    assert_eq!(run(&app, &["disable", "anna@paper.example"]).await.0, Some(0));
    assert_eq!(run(&app, &["enable", "anna@paper.example"]).await.0, Some(0));
    assert_eq!(run(&app, &["reset-totp", "anna@paper.example"]).await.0, Some(0));
    let (code, _, errors) = run(&app, &["link", "nobody@paper.example"]).await;
    assert!(code == Some(1) && errors.contains("nobody of this address"), "{errors}");
    let (_, renewed, _) = run(&app, &["link", "anna@paper.example"]).await;
    let path = format!("/admin/link/{}", token_of(renewed.lines().next().expect("a link")));
    let form = [("password", PASSWORD), ("again", PASSWORD)];
    let clock = mainstay::clock::Clock::system().now() - app.clock.now();
    app.clock.advance(clock.max(0));
    assert_eq!(app.submit(&path, None, &form).await.status, 303);
    assert_eq!(app.signs_in("anna@paper.example", PASSWORD, "").await.status, 303);

    let (code, token, errors) =
        run(&app, &["token", "--scope", "reports:read", "--days", "90", "--note", "the accountant"]).await;
    assert_eq!(code, Some(0), "{errors}");
    let (token, id) = (token.lines().next().expect("a token"), token.lines().nth(1).expect("its id"));
    let id = id.split(':').next().expect("an id");
    let signed = app.office().by_token(token).await.expect("looked up").expect("it is taken");
    assert!(signed.id == id && signed.has_scope(Scope::ReportsRead));
    let (_, list, _) = run(&app, &["token", "list"]).await;
    assert!(list.contains(id) && list.contains("in force") && list.contains("the accountant"), "{list}");
    assert!(!list.contains(token), "it is not shown again");
    assert_eq!(run(&app, &["token", "revoke", id]).await.0, Some(0));
    assert_eq!(run(&app, &["token", "revoke", id]).await.0, Some(1));
    assert!(app.office().by_token(token).await.expect("looked up").is_none());
    for wrong in [&["token"][..], &["token", "--scope", "all"], &["token", "--scope", "reports:read", "--days", "0"]] {
        assert_eq!(run(&app, wrong).await.0, Some(2), "{wrong:?}");
    }
    let audited = app.audited().await;
    assert!(audited.iter().any(|line| line == "token.revoked by command_line"), "{audited:?}");
    app.finish().await;
}

#[tokio::test]
async fn an_operator_looks_after_people_and_tokens_on_sqlite() {
    an_operator_looks_after_people_and_tokens(Kind::Sqlite).await;
}

#[tokio::test]
async fn an_operator_looks_after_people_and_tokens_on_postgres() {
    an_operator_looks_after_people_and_tokens(Kind::Postgres).await;
}

#[tokio::test]
async fn without_its_key_it_says_what_is_missing() {
    let app = TestApp::start(Kind::Sqlite).await;
    let mut command = mainstay(&["admin", "list"]);
    command.env("MAINSTAY_DATABASE_URL", &app.database.url).env("MAINSTAY_PUBLIC_URL", PUBLIC_URL);
    let ran = command.current_dir(app.database.folder.path()).output().expect("it runs");
    let errors = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.code() == Some(2) && errors.contains("MAINSTAY_ADMIN_KEY"), "{errors}");
    app.finish().await;
}

#[tokio::test]
async fn the_first_serve_prints_a_link_for_the_first_admin_and_later_ones_do_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("mainstay.db").display());
    let mut server = Server::start(&url, "http://127.0.0.1:9/", folder.path(), &[]);
    let said = server.output_line("newsroom ");
    let link = said.split_whitespace().nth(1).expect("a link").to_owned();
    assert!(link.starts_with("http://give.example.org/admin/link/") && said.contains("first admin"), "{said}");
    let form = [("email", "anna@paper.example"), ("password", PASSWORD), ("again", PASSWORD)];
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let request = http.build().expect("a client").post(format!("{}/admin/link/{}", server.url, token_of(&link)));
    let followed = request.header("sec-fetch-site", "same-origin").form(&form).send().await.expect("an answer");
    assert_eq!(followed.status().as_u16(), 303);
    drop(server);
    let mut again = Server::start(&url, "http://127.0.0.1:9/", folder.path(), &[]);
    assert_eq!(again.output_line("newsroom "), "newsroom  http://give.example.org/admin");
}
