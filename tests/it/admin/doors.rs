//! Every route, tried by everybody.

use mainstay::domain::admin::{Role, Scope};
use mainstay::http::admin::{Need, table};
use mainstay::store::NewApiToken;

use crate::support::app::TestApp;
use crate::support::database::Kind;
use crate::support::newsroom::{Answer, answer};

/// Whoever tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Nobody,
    Person(Role),
    /// Somebody who is shut out, with a session from before.
    Disabled,
    /// A token of a program.
    Program,
}

const CALLERS: [Caller; 6] = [
    Caller::Nobody,
    Caller::Person(Role::Viewer),
    Caller::Person(Role::Finance),
    Caller::Person(Role::Admin),
    Caller::Disabled,
    Caller::Program,
];

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    LetIn,
    Forbidden,
    /// They are not known: sent to sign in, or told 401.
    Unknown,
}

/// What a route of this need has to answer.
fn expected(need: Need, caller: Caller, is_page: bool) -> Outcome {
    let role = match (need, caller) {
        (Need::Nobody, _) => return Outcome::LetIn,
        (_, Caller::Nobody | Caller::Disabled) => return Outcome::Unknown,
        // A page knows people by their cookie alone.
        (_, Caller::Program) if is_page => return Outcome::Unknown,
        (Need::RoleOrScope(_, Scope::ReportsRead), Caller::Program) => return Outcome::LetIn,
        (_, Caller::Program) => return Outcome::Forbidden,
        (_, Caller::Person(role)) => role,
    };
    let needed = match need {
        Need::Nobody | Need::Person => Role::Viewer,
        Need::Role(role) | Need::RoleOrScope(role, _) => role,
    };
    if role >= needed { Outcome::LetIn } else { Outcome::Forbidden }
}

fn outcome(answer: &Answer) -> Outcome {
    match answer.status {
        401 => Outcome::Unknown,
        // Whoever signs out ends there too, and loses the cookie.
        303 if answer.location.starts_with("/admin/sign-in") && answer.cookie.is_none() => Outcome::Unknown,
        403 => Outcome::Forbidden,
        _ => Outcome::LetIn,
    }
}

/// Everybody who tries, made once.
struct People {
    app: TestApp,
    ids: Vec<(Caller, String)>,
    token: String,
}

impl People {
    async fn gather(kind: Kind) -> Self {
        let app = TestApp::start(kind).await;
        let mut ids = Vec::new();
        for role in Role::ALL {
            ids.push((Caller::Person(role), app.person(&format!("{}@paper.example", role.as_str()), role).await));
        }
        let disabled = app.person("gone@paper.example", Role::Admin).await;
        app.office().set_disabled("command_line", &disabled, true).await.expect("they are shut out");
        ids.push((Caller::Disabled, disabled));
        let made = app.office().create_token("command_line", Scope::ReportsRead, 90, "").await;
        Self { app, ids, token: made.expect("a token").1 }
    }

    /// Each try has a session of its own: some of what is tried ends it.
    async fn tries(&self, caller: Caller, method: &str, path: &str, by_cookie: bool) -> Answer {
        let app = &self.app;
        let path = path.replace("{id}", "adm_00000000000000000000000000000000").replace("{token}", "none");
        let path = path.replace("{name}", "revenue").replace("{slug}", "default").replace("{*nowhere}", "nowhere");
        let id = self.ids.iter().find(|(who, _)| *who == caller).map(|(_, id)| id.as_str());
        match (caller, id) {
            (Caller::Program, _) => answer(app.asks(method, &path, None).bearer_auth(&self.token)).await,
            (_, Some(id)) if by_cookie => answer(app.asks(method, &path, Some(&app.session(id).await))).await,
            (_, Some(id)) => app.with_token(method, &path, &app.access_token(id).await).await,
            (_, None) => answer(app.asks(method, &path, None)).await,
        }
    }
}

async fn everybody_tries_every_route(kind: Kind) {
    let people = People::gather(kind).await;
    let mut tried = 0;
    for (method, path, need) in table() {
        let is_page = path.starts_with("/admin");
        for caller in CALLERS {
            let answer = people.tries(caller, method, path, is_page).await;
            let what = format!("{method} {path} by {caller:?}: {} {}", answer.status, answer.location);
            assert_eq!(outcome(&answer), expected(need, caller, is_page), "{what}");
            assert!(answer.status < 500, "{what}: {}", answer.body);
            assert_eq!(answer.headers["cache-control"], "no-store", "{what}");
            assert_eq!(answer.headers["x-frame-options"], "DENY", "{what}");
            tried += 1;
        }
    }
    assert_eq!(tried, table().len() * CALLERS.len());
    people.app.finish().await;
}

#[tokio::test]
async fn everybody_tries_every_route_on_sqlite() {
    everybody_tries_every_route(Kind::Sqlite).await;
}

#[tokio::test]
async fn everybody_tries_every_route_on_postgres() {
    everybody_tries_every_route(Kind::Postgres).await;
}

/// Every row of what concerns people.
async fn rows(app: &TestApp) -> Vec<String> {
    let mut rows = Vec::new();
    for sql in [
        "SELECT id || role || CAST(COALESCE(disabled_at, 0) AS TEXT) || CAST(COALESCE(totp_last_step, 0) AS TEXT) || \
         COALESCE(password_hash, '') AS line FROM admins ORDER BY id",
        "SELECT token_hash AS line FROM admin_links ORDER BY token_hash",
        "SELECT code_hash AS line FROM admin_recovery_codes ORDER BY code_hash",
        "SELECT id || CAST(seen_at AS TEXT) || CAST(COALESCE(ended_at, 0) AS TEXT) AS line FROM admin_sessions ORDER BY id",
        "SELECT id || CAST(COALESCE(revoked_at, 0) AS TEXT) AS line FROM admin_tokens ORDER BY id",
        "SELECT bucket || CAST(failures AS TEXT) AS line FROM admin_failures ORDER BY bucket",
        "SELECT id AS line FROM audit_log ORDER BY id",
        "SELECT slug || name || CAST(COALESCE(ends_at, 0) AS TEXT) AS line FROM campaigns ORDER BY slug",
    ] {
        rows.extend(app.database.rows(sql).await);
    }
    rows
}

#[tokio::test]
async fn looking_changes_nothing() {
    let people = People::gather(Kind::Sqlite).await;
    let app = &people.app;
    let (_, admin) = people.ids.iter().find(|(who, _)| *who == Caller::Person(Role::Admin)).expect("an admin");
    let link = app.office().renew_link("command_line", admin).await.expect("a link");
    let cookie = app.session(admin).await;
    let before = rows(app).await;
    for (_, path, _) in table().into_iter().filter(|(method, ..)| *method == "GET") {
        let path = path.replace("{token}", crate::support::newsroom::token_of(&link)).replace("{name}", "revenue");
        let path = path.replace("{slug}", "default");
        for method in ["GET", "HEAD"] {
            answer(app.asks(method, &path, Some(&cookie))).await;
            answer(app.asks(method, &path, None)).await;
        }
    }
    assert_eq!(rows(app).await, before);
    people.app.finish().await;
}

#[test]
fn every_route_of_the_description_is_in_the_table_that_is_tried_and_the_other_way_round() {
    let description = mainstay::http::openapi::openapi_yaml();
    let mut described = Vec::new();
    let mut path = "";
    for line in description.lines() {
        if let Some(name) = line.strip_prefix("  /") {
            path = name.trim_end_matches(':');
        } else if line.starts_with("components:") {
            break;
        } else if let Some(method) = line.strip_prefix("    ").filter(|line| !line.starts_with(' ')) {
            described.push(format!("{} /{path}", method.trim_end_matches(':').to_uppercase()));
        }
    }
    assert!(described.contains(&"POST /v1/pledges".to_owned()), "the description is read: {described:?}");
    let mut described: Vec<String> = described.into_iter().filter(|route| route.contains(" /v1/admin/")).collect();
    let in_table = table().into_iter().map(|(method, path, _)| format!("{method} {path}"));
    let mut in_table: Vec<String> = in_table.filter(|route| route.contains(" /v1/admin/")).collect();
    described.sort();
    in_table.sort();
    assert_eq!(described, in_table);
}

/// Every Rust file below a folder.
fn sources(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn no_route_of_the_newsroom_is_declared_beside_the_table() {
    let mut beside = Vec::new();
    for path in sources(concat!(env!("CARGO_MANIFEST_DIR"), "/src").as_ref()) {
        let text = std::fs::read_to_string(&path).expect("it is read");
        for line in text.lines().filter(|line| line.contains(".route(\"/admin") || line.contains(".route(\"/v1/admin"))
        {
            beside.push(line.trim().to_owned());
        }
    }
    assert_eq!(beside.len(), 1, "{beside:?}");
    assert!(beside[0].contains("/admin/style.css"), "the style alone is everybody's: {beside:?}");
}

async fn a_programs_token_is_taken_until_it_is_over_or_revoked(kind: Kind) {
    let app = TestApp::start(kind).await;
    let office = app.office();
    let (id, token) = office.create_token("command_line", Scope::ReportsRead, 1, "a sheet").await.expect("a token");
    let knows = async |token: &str| office.by_token(token).await.expect("it is looked up");
    assert!(knows(&token).await.is_some_and(|signed| signed.id == id && signed.has_scope(Scope::ReportsRead)));
    for wrong in [&token[..token.len() - 1], &format!("{token}0"), &token.to_uppercase(), "mst_", &"mst_0".repeat(50)] {
        assert!(knows(wrong).await.is_none(), "{wrong}");
    }
    let stored = app.database.rows("SELECT token_hash AS line FROM admin_tokens").await;
    assert!(!stored[0].contains(&token[4..]), "only its hash is kept");
    app.clock.advance(86_399);
    assert!(knows(&token).await.is_some());
    app.clock.advance(1);
    assert!(knows(&token).await.is_none(), "it is over");
    let (id, token) = office.create_token("command_line", Scope::ReportsRead, 1, "").await.expect("a token");
    office.revoke_token("command_line", &id).await.expect("it is revoked");
    assert!(knows(&token).await.is_none(), "it is revoked");
    assert!(office.revoke_token("command_line", &id).await.is_err(), "once");
    // A scope that a newer program wrote lets nobody in.
    let now = app.clock.now();
    let row = NewApiToken {
        id: "tok_x".to_owned(),
        token_hash: mainstay::service::admin::hash("mst_x"),
        scope: "everything:write",
        note: String::new(),
        created_at: now,
        expires_at: now + 1,
    };
    let mut tx = app.store().begin().await.expect("begun");
    tx.insert_api_token(&row).await.expect("stored");
    tx.commit().await.expect("committed");
    assert!(office.by_token("mst_x").await.is_err());
    app.finish().await;
}

#[tokio::test]
async fn a_programs_token_is_taken_until_it_is_over_or_revoked_on_sqlite() {
    a_programs_token_is_taken_until_it_is_over_or_revoked(Kind::Sqlite).await;
}

#[tokio::test]
async fn a_programs_token_is_taken_until_it_is_over_or_revoked_on_postgres() {
    a_programs_token_is_taken_until_it_is_over_or_revoked(Kind::Postgres).await;
}

#[tokio::test]
async fn without_a_key_pages_say_what_to_set_and_the_api_is_switched_off() {
    let app = TestApp::start_with(Kind::Sqlite, &[("ADMIN_KEY", "")]).await;
    for (method, path, _) in table() {
        let answer = answer(app.asks(method, path, None)).await;
        if path.starts_with("/admin") {
            assert_eq!(answer.status, 503, "{method} {path}");
            assert!(answer.body.contains("MAINSTAY_ADMIN_KEY"), "{}", answer.body);
        } else {
            assert_eq!((answer.status, answer.json()["code"].as_str()), (404, Some("switched_off")), "{method} {path}");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_process_that_only_works_serves_none_of_it() {
    use crate::support::database::Database;
    use mainstay::config::Role;
    let database = Database::fresh(Kind::Sqlite).await;
    let app = TestApp::start_as(Role::Worker, database, &[]).await;
    for (method, path, _) in table() {
        assert_eq!(answer(app.asks(method, path, None)).await.status, 404, "{method} {path}");
    }
    app.finish().await;
}
