//! A real Chromium for the tests of pages and the widget.
//!
//! One ChromeDriver serves the whole run; each test gets a browser of its own with an empty profile, and both are gone
//! when the tests are. The browser talks to nobody but the pages it is sent to: what a browser does by itself is
//! switched off, so that a test may read its request log.

pub mod emulation;
mod hands;
pub mod logs;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};
use thirtyfour::extensions::query::ElementPollerWithTimeout;
use thirtyfour::{ChromiumLikeCapabilities as _, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver};

use super::setting;
use super::supervisor::Supervisor;
use super::wait::{PATIENCE, PAUSE};

const FLAGS: [&str; 11] = [
    "--headless=new",
    // The sandbox needs rights that a container does not give, and the pages are ours.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    // A new window shows a page of the browser's own, which would look for its maker's servers.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.*",
];

/// `$1`: ChromeDriver. It says on which port it listens, once it does. Its browsers stay in its process group even when it
/// dies itself, so the group is what is ended; and only when the last of it is gone does nobody write to the folder.
const SCRIPT: &str = r#"
export HOME=$PWD
# There before it is read, however late the driver's own shell comes to open it.
: >driver.log
setsid "$1" --port=0 >driver.log 2>&1 &
group=$!
any_left() { kill -0 "-$group" 2>/dev/null; }
wait_while_any_is_left() {
    tries=100
    while [ $tries -gt 0 ] && any_left; do tries=$((tries - 1)); sleep 0.05; done
}
port=
while [ -z "$port" ]; do
    any_left || kill -0 $group || { cat driver.log; exit 1; }
    port=$(sed -n 's/.*started successfully on port \([0-9]*\).*/\1/p' driver.log)
    sleep 0.05
done
echo "ready $port" || true
obey_until_the_tests_end
kill -TERM "-$group" || true
wait_while_any_is_left
kill -KILL "-$group" 2>/dev/null || true
"#;

/// A browser window. Dereferences to thirtyfour's [`WebDriver`] for all that has no helper here.
#[derive(Debug)]
pub struct Browser {
    driver: WebDriver,
    /// The page's size without zoom.
    width: u32,
    height: u32,
}

/// How a browser is opened.
#[derive(Clone, Debug)]
pub struct Options {
    width: u32,
    height: u32,
    javascript: bool,
    language: Option<String>,
}

impl Options {
    /// The size of the page itself in CSS pixels.
    pub fn with_window(mut self, width: u32, height: u32) -> Self {
        (self.width, self.height) = (width, height);
        self
    }

    /// A reader who does not run scripts.
    pub fn javascript_off(mut self) -> Self {
        self.javascript = false;
        self
    }

    /// The reader's language, as `Accept-Language` has it: `ru`, `de-AT,de`.
    pub fn language(mut self, language: &str) -> Self {
        self.language = Some(language.to_owned());
        self
    }

    /// Opens the browser.
    pub async fn open(self) -> Browser {
        let driver = driver();
        let capabilities = self.capabilities(&new_profile(driver.folder()));
        let url = format!("http://127.0.0.1:{}", driver.answer);
        let driver = WebDriver::new(url, capabilities).await.expect("a browser opens");
        driver.set_poller(Arc::new(ElementPollerWithTimeout::new(PATIENCE, PAUSE)));
        let browser = Browser { driver, width: self.width, height: self.height };
        browser.zoom(100).await;
        browser
    }

    fn capabilities(&self, profile: &Path) -> thirtyfour::ChromeCapabilities {
        let mut chrome = DesiredCapabilities::chrome();
        let profile = format!("--user-data-dir={}", profile.display());
        for flag in FLAGS.into_iter().chain([profile.as_str()]) {
            chrome.add_arg(flag).expect("a flag is text");
        }
        if let Some(path) = program("TEST_CHROMIUM", &["/usr/bin/chromium", "/usr/bin/chromium-browser"]) {
            chrome.set_binary(&path).expect("a path is text");
        }
        chrome.add_experimental_option("prefs", self.preferences()).expect("preferences are JSON");
        for log in ["browser", "performance"] {
            chrome.set_logging_prefs(log, LoggingPrefsLogLevel::All).expect("a level is text");
        }
        chrome
    }

    fn preferences(&self) -> Map<String, Value> {
        let mut preferences = Map::new();
        if !self.javascript {
            preferences.insert("profile.managed_default_content_settings.javascript".to_owned(), Value::from(2));
        }
        if let Some(language) = &self.language {
            preferences.insert("intl.accept_languages".to_owned(), Value::from(language.as_str()));
        }
        preferences
    }
}

impl Browser {
    /// A desktop window with scripts on.
    pub async fn open() -> Self {
        Self::options().open().await
    }

    /// For other windows: `Browser::options().with_window(320, 640).javascript_off().open()`.
    pub fn options() -> Options {
        Options { width: 1280, height: 900, javascript: true, language: None }
    }

    /// Goes to `url` and waits until the page has loaded.
    pub async fn goto(&self, url: &str) {
        self.driver.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Writes what the window shows to `path`, as PNG.
    pub async fn screenshot(&self, path: &Path) {
        self.driver.screenshot(path).await.expect("a picture");
    }

    /// Ends this browser. Leaving it to the end of the run is no leak, only memory.
    pub async fn close(self) {
        self.driver.clone().quit().await.expect("the browser closes");
    }
}

impl Deref for Browser {
    type Target = WebDriver;

    fn deref(&self) -> &WebDriver {
        &self.driver
    }
}

impl Drop for Browser {
    /// A test that failed must not wait for its browser as well: thirtyfour would end it here and now, which took two
    /// minutes where the test's own runtime served the page. After [`Browser::close`] there is nothing left to give up.
    fn drop(&mut self) {
        let _ = self.driver.clone().leak();
    }
}

fn driver() -> &'static Supervisor {
    static DRIVER: OnceLock<Supervisor> = OnceLock::new();
    DRIVER.get_or_init(|| {
        let path = program("TEST_CHROMEDRIVER", &["/usr/bin/chromedriver"])
            .expect("ChromeDriver is there: scripts/test installs it, or set TEST_CHROMEDRIVER");
        Supervisor::start("chromedriver", SCRIPT, &[path], None)
    })
}

fn program(variable: &str, usual: &[&str]) -> Option<String> {
    setting(variable).or_else(|| usual.iter().find(|path| Path::new(path).exists()).map(ToString::to_string))
}

fn new_profile(folder: &Path) -> PathBuf {
    static PROFILES: AtomicU32 = AtomicU32::new(0);
    folder.join(format!("profile-{}", PROFILES.fetch_add(1, Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use thirtyfour::By;

    use super::*;
    use crate::support::loopback;

    const PAGE: &str = "<!doctype html><title>Smoke</title><p id=text>plain</p>\
        <script>document.getElementById('text').textContent = 'scripted ' + innerWidth</script>";

    async fn text(browser: &Browser) -> String {
        browser.find(By::Id("text")).await.expect("the paragraph").text().await.expect("its text")
    }

    #[tokio::test]
    async fn each_browser_has_an_empty_profile_of_its_own() {
        let address = loopback::page(PAGE).await;
        for _ in 0..2 {
            let browser = Browser::open().await;
            browser.goto(&address).await;
            assert!(browser.get_all_cookies().await.expect("cookies").is_empty());
            browser.execute("document.cookie = 'seen=1; max-age=600'", vec![]).await.expect("the script runs");
            assert_eq!(browser.get_all_cookies().await.expect("cookies").len(), 1);
            browser.close().await;
        }
    }

    #[tokio::test]
    async fn a_browser_opens_a_page_and_takes_its_picture() {
        let browser = Browser::options().with_window(320, 640).open().await;
        browser.goto(&loopback::page(PAGE).await).await;
        assert_eq!(browser.title().await.expect("a title"), "Smoke");
        assert_eq!(text(&browser).await, "scripted 320");
        let picture = tempfile::NamedTempFile::new().expect("a file");
        browser.screenshot(picture.path()).await;
        assert!(std::fs::read(picture.path()).expect("the picture").starts_with(b"\x89PNG"));
        browser.close().await;
    }

    #[tokio::test]
    async fn a_browser_with_javascript_off_runs_no_script() {
        let browser = Browser::options().javascript_off().open().await;
        browser.goto(&loopback::page(PAGE).await).await;
        assert_eq!(text(&browser).await, "plain");
        browser.close().await;
    }
}
