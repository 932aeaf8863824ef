//! A reader's hands and eyes: finding, clicking, and the keyboard. Whatever may take a moment is waited for.

use thirtyfour::{By, Key, TypingData, WebElement};

use super::Browser;
use crate::support::wait::until;

/// The element that has the focus, in whichever open shadow root it is.
const FOCUSED: &str = "let found = document.activeElement;
    while (found?.shadowRoot?.activeElement) found = found.shadowRoot.activeElement;
    return found";

impl Browser {
    /// Waits for the first element that `css` selects.
    pub async fn element(&self, css: &str) -> WebElement {
        until(css, async || self.find(By::Css(css)).await.ok()).await
    }

    /// The open shadow root of the element that `host` selects, once it has one: elements are found in it by CSS.
    pub async fn inside(&self, host: &str) -> WebElement {
        let what = format!("a shadow root in {host}");
        until(&what, async || self.find(By::Css(host)).await.ok()?.get_shadow_root().await.ok()).await
    }

    /// Clicks what `css` selects, once that is possible: a click on what is disabled would do nothing, and say nothing.
    pub async fn click(&self, css: &str) {
        let click = async || {
            let found = self.find(By::Css(css)).await.ok()?;
            if found.is_enabled().await.ok()? { found.click().await.ok() } else { None }
        };
        until(&format!("a click on {css}"), click).await;
    }

    /// Waits until the title is `title`.
    pub async fn until_title(&self, title: &str) {
        let what = format!("the title {title}");
        until(&what, async || self.title().await.ok().filter(|shown| shown == title)).await;
    }

    /// Presses keys one after the other where the focus is: `press(Key::Tab)`, `press("20" + Key::Enter)`.
    pub async fn press(&self, keys: impl Into<TypingData>) {
        self.action_chain().send_keys(keys).perform().await.expect("the keys are pressed");
    }

    /// Presses a key while Shift is held: with [`Key::Tab`] the focus goes back.
    pub async fn press_with_shift(&self, key: Key) {
        let keys = self.action_chain().key_down(Key::Shift).send_keys(key).key_up(Key::Shift);
        keys.perform().await.expect("the keys are pressed");
    }

    /// The element that has the focus, in a shadow root too. The page itself, where no other has it.
    pub async fn focused(&self) -> WebElement {
        let found = self.execute(FOCUSED, vec![]).await.expect("the script runs");
        found.element().expect("a page has something in focus")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::loopback::page;

    const FORM: &str = "<!doctype html><title>Form</title><button id=first>First</button><donate-box></donate-box>
        <script>
            const root = document.querySelector('donate-box').attachShadow({ mode: 'open' });
            root.innerHTML = '<input type=radio name=a id=one checked><input type=radio name=a id=two>' +
                '<input id=amount><button id=give>Give</button>';
            const say = what => () => document.title = what;
            document.querySelector('#first').onclick = say('first');
            const amount = root.querySelector('#amount');
            root.querySelector('#give').onclick = () => document.title = 'gave ' + (amount.value || 'nothing');
        </script>";
    const LATE: &str = "<!doctype html><title>Late</title><script>
        setTimeout(() => {
            document.body.innerHTML = '<button disabled>Late</button><donate-box></donate-box>';
            document.querySelector('button').onclick = () => document.title = 'clicked';
            setTimeout(() => {
                document.querySelector('button').disabled = false;
                document.querySelector('donate-box').attachShadow({ mode: 'open' }).innerHTML = '<p>inside</p>';
            }, 150);
        }, 150)</script><body>";

    /// Waits until what has this id has the focus: a key that was pressed may still be on its way to the page.
    async fn until_focused(browser: &Browser, id: &str) {
        let focused = async || browser.focused().await.id().await.ok()?.filter(|focused| focused == id);
        until(&format!("the focus on {id}"), focused).await;
    }

    #[tokio::test]
    async fn the_keyboard_reaches_everything_in_a_shadow_root_and_back() {
        let browser = Browser::open().await;
        browser.goto(&page(FORM).await).await;
        browser.press(Key::Tab).await;
        until_focused(&browser, "first").await;
        browser.press(Key::Enter).await;
        browser.until_title("first").await;
        browser.press(Key::Tab + Key::Right).await;
        until_focused(&browser, "two").await;
        browser.press(Key::Tab + "20").await;
        until_focused(&browser, "amount").await;
        browser.press(Key::Tab + Key::Space).await;
        browser.until_title("gave 20").await;
        browser.press_with_shift(Key::Tab).await;
        until_focused(&browser, "amount").await;
        browser.close().await;
    }

    #[tokio::test]
    async fn elements_are_found_inside_a_shadow_root_and_only_there() {
        let browser = Browser::open().await;
        browser.goto(&page(FORM).await).await;
        let inside = browser.inside("donate-box").await;
        let give = inside.find(By::Css("#give")).await.expect("the button");
        assert_eq!(give.text().await.expect("its text"), "Give");
        give.click().await.expect("it can be clicked");
        browser.until_title("gave nothing").await;
        assert_eq!(inside.find_all(By::Css("button")).await.expect("a list").len(), 1);
        assert!(browser.find(By::Css("#give")).await.is_err(), "it is hidden from the page");
        browser.close().await;
    }

    #[tokio::test]
    async fn what_comes_late_is_waited_for() {
        let browser = Browser::open().await;
        browser.goto(&page(LATE).await).await;
        assert_eq!(browser.element("button").await.text().await.expect("its text"), "Late");
        let inside = browser.inside("donate-box").await.find(By::Css("p")).await.expect("the paragraph");
        assert_eq!(inside.text().await.expect("its text"), "inside");
        browser.click("button").await;
        browser.until_title("clicked").await;
        browser.close().await;
    }
}
