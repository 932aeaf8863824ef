//! The whole server in the bench's own process, with its guard and its sign-in, and somebody who has signed in to its pages.

use mainstay::app::{App, Running};
use mainstay::clock::Clock;
use mainstay::config::Role as Half;
use mainstay::domain::admin::Role;
use mainstay::domain::email_address::EmailAddress;
use mainstay::id::Random;
use mainstay::sandbox::Sandbox;
use mainstay::service::admin::Office;
use reqwest::header::{COOKIE, SET_COOKIE};

use crate::database::Database;
use crate::support::app::settings;
use crate::support::newsroom::{PASSWORD, token_of};

pub struct Newsroom {
    running: Running,
    client: reqwest::Client,
    url: String,
    cookie: String,
}

impl Newsroom {
    pub async fn open(database: &Database, sandbox: &Sandbox) -> Self {
        let settings = settings(&database.url, &sandbox.url(), Half::Web, &[]);
        let running = App::start(settings, Clock::system(), Random::system()).await.expect("the server starts");
        let url = format!("http://{}", running.address);
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.build().expect("a client");
        let cookie = sign_in(&client, &url, running.office.as_ref().expect("there is a key")).await;
        Self { running, client, url, cookie }
    }

    /// A page, which is there.
    pub async fn page(&self, path: &str) -> String {
        let url = format!("{}{path}", self.url);
        let request = self.client.get(url).header(COOKIE, &self.cookie).header("sec-fetch-site", "same-origin");
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.expect("a page")
    }

    pub async fn close(self) {
        self.running.stop().await;
    }
}

/// The cookie of somebody who has just signed in.
async fn sign_in(client: &reqwest::Client, url: &str, office: &Office) -> String {
    // Another person each time: a database may have seen one before.
    let email = format!("dir-{}@paper.example", Random::system().hex());
    let address = EmailAddress::parse(&email).expect("an address");
    let link = office.create("command_line", &address, Role::Viewer).await.expect("somebody is made");
    let post = async |path: &str, form: &[(&str, &str)]| {
        let request = client.post(format!("{url}{path}")).header("sec-fetch-site", "same-origin").form(form);
        request.send().await.expect("an answer")
    };
    let path = format!("/admin/link/{}", token_of(&link));
    post(&path, &[("password", PASSWORD), ("again", PASSWORD)]).await;
    let signed_in = post("/admin/sign-in", &[("email", &email), ("password", PASSWORD), ("code", "")]).await;
    let set = signed_in.headers().get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = set.filter_map(|line| line.split(';').next()).filter(|pair| pair.starts_with("__Host-mainstay="));
    cookies.next().expect("a session").to_owned()
}
