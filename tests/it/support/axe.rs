//! axe-core looks for barriers in a page as it stands, open shadow roots and all.

use std::fs;

use serde_json::{Value, json};

use super::browser::Browser;
use super::setting;

/// Where `scripts/test` leaves it.
const USUAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/axe/axe.min.js");

/// WCAG 2.2 A and AA, and what axe holds to be good practice. What WCAG 2.2 added on level A no program can see, so there
/// is no tag for it. Nothing is preloaded: axe would fetch style sheets once more, and a page's request log would show it.
/// Frames are not looked into, and that is said as a violation is.
const RUN: &str = "
;axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    resultTypes: ['violations'],
    preload: false,
}).then(({ violations, incomplete }) => [
    ...violations,
    ...incomplete.filter(({ id }) => id === 'frame-tested'),
].flatMap(({ id, impact, nodes }) => nodes.map(({ target, failureSummary }) => {
    const place = target.flat().join(' >>> ');
    return `${id} (${impact}) at ${place}: ${failureSummary.replace(/\\s+/g, ' ')}`;
})))";

/// A line for each barrier in the page that is open: its rule, its impact, where it is, and what would mend it. `>>>` leads
/// into a shadow root.
pub async fn violations(browser: &Browser) -> Vec<String> {
    // In a world of its own axe sees the document, and the page sees nothing of axe; and no policy of the page applies.
    let tree = cdp(browser, "Page.getFrameTree", json!({})).await;
    let world = json!({ "frameId": tree["frameTree"]["frame"]["id"], "worldName": "axe" });
    let world = cdp(browser, "Page.createIsolatedWorld", world).await;
    let run = json!({
        "expression": source(setting("TEST_AXE").as_deref().unwrap_or(USUAL)) + RUN,
        "contextId": world["executionContextId"],
        "awaitPromise": true,
        "returnByValue": true,
    });
    let answer = cdp(browser, "Runtime.evaluate", run).await;
    serde_json::from_value(answer["result"]["value"].clone()).unwrap_or_else(|_| panic!("axe failed: {answer}"))
}

/// `what` names the state that the page is in.
///
/// # Panics
/// With each barrier on a line, when there is one.
pub async fn assert_accessible(browser: &Browser, what: &str) {
    let found = violations(browser).await;
    assert!(found.is_empty(), "{what}: {} barrier(s)\n{}", found.len(), found.join("\n"));
}

async fn cdp(browser: &Browser, method: &str, parameters: Value) -> Value {
    browser.cdp().send_raw(method, parameters).await.unwrap_or_else(|error| panic!("{method}: {error}"))
}

fn source(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| {
        panic!("axe-core is missing ({path}: {error}): run scripts/test once, or set TEST_AXE to an axe.min.js")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::loopback::page;
    use crate::support::paper::Paper;

    const BARRIERS: &str = "<!doctype html><html lang=en><title>Barriers</title><main><h1>Barriers</h1>
        <p id=faint style='color: #bbb; background: #fff'>hardly to be read</p><donate-box></donate-box>
        <button id=tiny style='all: unset; display: inline-block; width: 8px; height: 8px' aria-label=One></button
        ><button style='all: unset; display: inline-block; width: 8px; height: 8px' aria-label=Two></button></main>
        <script>
            document.querySelector('donate-box').attachShadow({ mode: 'open' }).innerHTML = '<input id=amount>';
        </script>";

    #[tokio::test]
    async fn barriers_are_found_in_the_page_and_in_its_shadow_roots() {
        let browser = Browser::open().await;
        browser.goto(&page(BARRIERS).await).await;
        let mut found = violations(&browser).await;
        found.sort();
        let starts = [
            "color-contrast (serious) at #faint: Fix any of the following: Element has insufficient color contrast",
            "label (critical) at donate-box >>> #amount: Fix any of the following:",
            "target-size (serious) at #tiny: Fix any of the following:",
            "target-size (serious) at button[aria-label=\"Two\"]: Fix any of the following:",
        ];
        assert_eq!(found.len(), starts.len(), "{found:#?}");
        assert!(found.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{found:#?}");
        assert!(found.iter().all(|line| !line.contains('\n')), "{found:#?}");
        browser.close().await;
    }

    #[tokio::test]
    async fn a_good_page_has_no_barriers_and_does_not_see_who_looks() {
        let paper = Paper::start().await;
        paper.put(
            "/",
            "<!doctype html><html lang=en><title>Good</title><main><h1>Good</h1><donate-box></donate-box></main>
            <script src=/own.js></script>",
        );
        paper.put(
            "/own.js",
            "document.querySelector('donate-box').attachShadow({ mode: 'open' }).innerHTML =
                '<label for=amount>Amount</label> <input id=amount>'",
        );
        paper.allow("script-src", "'self'");
        let browser = Browser::open().await;
        browser.goto(&paper.url).await;
        browser.requests().await;
        assert_accessible(&browser, "a good page").await;
        let seen = browser.execute("return typeof axe", vec![]).await.expect("the script runs");
        assert_eq!(seen.json(), "undefined");
        assert_eq!(browser.requests().await, []);
        assert_eq!(browser.console().await, [""; 0]);
        browser.close().await;
    }

    #[tokio::test]
    #[should_panic(expected = "a bad page: 1 barrier(s)\nhtml-has-lang (serious) at html: ")]
    async fn a_page_with_barriers_does_not_pass() {
        let browser = Browser::open().await;
        browser.goto(&page("<!doctype html><title>Bad</title><main><h1>Bad</h1></main>").await).await;
        assert_accessible(&browser, "a bad page").await;
    }

    #[tokio::test]
    async fn a_frame_that_was_not_looked_into_does_not_pass() {
        let browser = Browser::open().await;
        let html = "<!doctype html><html lang=en><title>Frame</title><main><h1>Frame</h1>
            <iframe title=Form srcdoc='<html lang=en><title>Form</title><input>'></iframe></main>";
        browser.goto(&page(html).await).await;
        let found = violations(&browser).await;
        assert!(found.len() == 1 && found[0].starts_with("frame-tested (critical) at iframe: "), "{found:#?}");
        browser.close().await;
    }

    #[test]
    #[should_panic(expected = "axe-core is missing (/nowhere/axe.min.js: ")]
    fn without_axe_a_test_fails_and_says_how_to_get_it() {
        source("/nowhere/axe.min.js");
    }
}
