//! The reader's machine, as far as a page can tell: what she prefers, how far she has zoomed in, and whether she is online.

use serde_json::json;

use super::Browser;

/// What a reader asks of every page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    Light,
    Dark,
    /// The few colours of a high-contrast theme, whatever the page wants.
    ForcedColors,
    ReducedMotion,
}

impl Preference {
    fn feature(self) -> (&'static str, &'static str) {
        match self {
            Self::Light => ("prefers-color-scheme", "light"),
            Self::Dark => ("prefers-color-scheme", "dark"),
            Self::ForcedColors => ("forced-colors", "active"),
            Self::ReducedMotion => ("prefers-reduced-motion", "reduce"),
        }
    }
}

impl Browser {
    /// From now on the reader prefers these, and nothing of what she preferred before.
    pub async fn prefer(&self, preferences: &[Preference]) {
        self.emulate("", preferences).await;
    }

    /// From now on pages look as they would on paper, for a reader who prefers these.
    pub async fn on_paper(&self, preferences: &[Preference]) {
        self.emulate("print", preferences).await;
    }

    async fn emulate(&self, media: &str, preferences: &[Preference]) {
        let features = preferences.iter().map(|preference| preference.feature());
        let features: Vec<_> = features.map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.tell("Emulation.setEmulatedMedia", json!({ "media": media, "features": features })).await;
    }

    /// From now on the page is so large, without zoom.
    pub async fn resize(&self, width: u32, height: u32) {
        self.fit(width, height, 1.0).await;
    }

    /// Zooms the page as the reader would: at 400 % a desktop window has 320 CSS pixels left. 100 is no zoom.
    pub async fn zoom(&self, percent: u32) {
        self.fit(self.width * 100 / percent, self.height * 100 / percent, f64::from(percent) / 100.0).await;
    }

    /// The reader's line is cut, for all that her browser asks from now on.
    pub async fn go_offline(&self) {
        self.connect(false).await;
    }

    /// The line is back.
    pub async fn go_online(&self) {
        self.connect(true).await;
    }

    async fn connect(&self, online: bool) {
        let unlimited = -1;
        let line = json!({
            "offline": !online, "latency": 0, "downloadThroughput": unlimited, "uploadThroughput": unlimited
        });
        self.tell("Network.emulateNetworkConditions", line).await;
    }

    /// A window is larger than its page, and headless Chromium refuses windows as narrow as a small telephone. Its own
    /// emulation does not.
    pub(super) async fn fit(&self, width: u32, height: u32, scale: f64) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": false });
        self.tell("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    async fn tell(&self, method: &str, parameters: serde_json::Value) {
        self.cdp().send_raw(method, parameters).await.unwrap_or_else(|error| panic!("{method}: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::HeaderMap;
    use axum::routing::get;
    use serde_json::Value;

    use super::*;
    use crate::support::loopback::{page, serve};

    const PLAIN: &str = "<!doctype html><title>Plain</title>";

    async fn value(browser: &Browser, expression: &str) -> Value {
        browser.execute(format!("return {expression}"), vec![]).await.expect("the script runs").json().clone()
    }

    async fn matching(browser: &Browser) -> Value {
        let queries = "['(prefers-color-scheme: dark)', '(prefers-color-scheme: light)', '(forced-colors: active)',
            '(prefers-reduced-motion: reduce)'].map(query => matchMedia(query).matches)";
        value(browser, queries).await
    }

    #[tokio::test]
    async fn a_reader_prefers_what_she_prefers_on_every_page() {
        let browser = Browser::open().await;
        browser.goto(&page(PLAIN).await).await;
        browser.prefer(&[Preference::Dark, Preference::ForcedColors, Preference::ReducedMotion]).await;
        assert_eq!(matching(&browser).await, json!([true, false, true, true]));
        browser.goto(&page(PLAIN).await.replace("127.0.0.1", "localhost")).await;
        assert_eq!(matching(&browser).await, json!([true, false, true, true]));
        browser.prefer(&[Preference::Light]).await;
        assert_eq!(matching(&browser).await, json!([false, true, false, false]));
        browser.close().await;
    }

    #[tokio::test]
    async fn a_page_is_on_paper_until_it_is_on_a_screen_again() {
        let browser = Browser::open().await;
        browser.goto(&page(PLAIN).await).await;
        let media = "['print', 'screen', '(prefers-color-scheme: dark)'].map(query => matchMedia(query).matches)";
        browser.on_paper(&[Preference::Dark]).await;
        assert_eq!(value(&browser, media).await, json!([true, false, true]));
        browser.prefer(&[]).await;
        assert_eq!(value(&browser, media).await, json!([false, true, false]));
        browser.resize(320, 640).await;
        assert_eq!(value(&browser, "[innerWidth, innerHeight, devicePixelRatio]").await, json!([320, 640, 1]));
        browser.close().await;
    }

    #[tokio::test]
    async fn forced_colours_overrule_those_of_the_page() {
        let browser = Browser::open().await;
        browser.goto(&page("<!doctype html><title>Red</title><body style='color: #f00'>red").await).await;
        let colour = "getComputedStyle(document.body).color";
        assert_eq!(value(&browser, colour).await, "rgb(255, 0, 0)");
        browser.prefer(&[Preference::ForcedColors]).await;
        assert_ne!(value(&browser, colour).await, "rgb(255, 0, 0)");
        browser.close().await;
    }

    #[tokio::test]
    async fn a_desktop_window_at_400_percent_is_320_pixels_wide() {
        let browser = Browser::open().await;
        browser.goto(&page(PLAIN).await).await;
        browser.zoom(400).await;
        assert_eq!(value(&browser, "[innerWidth, innerHeight, devicePixelRatio]").await, json!([320, 225, 4]));
        browser.zoom(100).await;
        assert_eq!(value(&browser, "[innerWidth, innerHeight, devicePixelRatio]").await, json!([1280, 900, 1]));
        browser.close().await;
    }

    #[tokio::test]
    async fn a_reader_is_offline_until_her_line_is_back() {
        let browser = Browser::open().await;
        browser.goto(&page(PLAIN).await).await;
        let ask = "await fetch('/').then(() => 'reached', () => 'unreachable')";
        browser.go_offline().await;
        assert_eq!(value(&browser, &format!("[navigator.onLine, {ask}]")).await, json!([false, "unreachable"]));
        browser.go_online().await;
        assert_eq!(value(&browser, &format!("[navigator.onLine, {ask}]")).await, json!([true, "reached"]));
        browser.close().await;
    }

    #[tokio::test]
    async fn a_browser_asks_for_pages_in_the_readers_language() {
        let asked = |headers: HeaderMap| async move { headers["accept-language"].to_str().expect("text").to_owned() };
        let address = format!("http://{}/", serve(Router::new().route("/", get(asked))).await);
        let browser = Browser::options().language("ru").open().await;
        browser.goto(&address).await;
        assert_eq!(value(&browser, "document.body.textContent").await, "ru");
        assert_eq!(value(&browser, "[navigator.language, ...navigator.languages]").await, json!(["ru", "ru"]));
        browser.close().await;
    }
}
