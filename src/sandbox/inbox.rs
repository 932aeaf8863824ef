//! The inbox of everybody in the demo: the mails that were put into a folder, shown as a mail program would.
//!
//! It must not send or change anything. Invariants: every text from a mail is escaped; only links of the web can be
//! followed; a mail is found by its number, never by a path.

use std::path::{Path as File, PathBuf};

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use mail_parser::{Message, MessageParser};

use super::Sandbox;
use super::pages::{escape, page};

/// The most mails that are shown, and the most bytes that are read of one.
const MAX_MAILS: usize = 200;
const MAX_BYTES: u64 = 1 << 20;

/// The files of a folder, newest first.
fn files(folder: &File) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mails = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "eml"));
    let when = |path: &PathBuf| std::fs::metadata(path).and_then(|about| about.modified()).ok();
    let mut mails: Vec<_> = mails.map(|path| (when(&path), path)).collect();
    mails.sort_by(|one, two| two.cmp(one));
    mails.into_iter().map(|(_, path)| path).take(MAX_MAILS).collect()
}

fn read(path: &File) -> Option<Vec<u8>> {
    let short = std::fs::metadata(path).is_ok_and(|about| about.len() <= MAX_BYTES);
    short.then(|| std::fs::read(path).ok()).flatten()
}

/// To whom, and about what.
fn heading(mail: &Message<'_>) -> (String, String) {
    let to = mail.to().and_then(|to| to.first()).and_then(|to| to.address()).unwrap_or_default();
    (to.to_owned(), mail.subject().unwrap_or("(no subject)").to_owned())
}

/// Everything that came, newest first.
pub(super) async fn list(Shared(sandbox): Shared<Sandbox>) -> Response {
    let Some(folder) = sandbox.inbox() else { return StatusCode::NOT_FOUND.into_response() };
    let rows: Vec<String> = files(&folder)
        .iter()
        .filter_map(|path| {
            let bytes = read(path)?;
            let (to, subject) = heading(&MessageParser::default().parse(&bytes)?);
            let name = escape(path.file_stem()?.to_str()?);
            let (to, subject) = (escape(&to), escape(&subject));
            Some(format!("<tr><td>{to}</td><td><a href=\"/inbox/{name}\">{subject}</a></td></tr>"))
        })
        .collect();
    let table = if rows.is_empty() {
        "<p>No mail yet.</p>".to_owned()
    } else {
        format!("<table><thead><tr><th>To</th><th>Subject</th></tr></thead><tbody>{}</tbody></table>", rows.concat())
    };
    page("Inbox", &format!("<p>Every mail the server sent, to whomever.</p>{table}<p><a href=\"/\">Sandbox</a></p>"))
        .into_response()
}

/// One mail: its headers that matter, and its text with links that can be followed.
pub(super) async fn show(Shared(sandbox): Shared<Sandbox>, Path(name): Path<String>) -> Response {
    let missing =
        || (StatusCode::NOT_FOUND, page("No such mail", "<p><a href=\"/inbox\">Inbox</a></p>")).into_response();
    let Some(folder) = sandbox.inbox() else { return missing() };
    let path =
        files(&folder).into_iter().find(|path| path.file_stem().is_some_and(|stem| stem.to_str() == Some(&name)));
    let Some(bytes) = path.and_then(|path| read(&path)) else { return missing() };
    let Some(mail) = MessageParser::default().parse(&bytes) else { return missing() };
    let (to, subject) = heading(&mail);
    let text = mail.body_text(0).unwrap_or_default();
    let unsubscribe = mail.header_raw("List-Unsubscribe").map(|value| linked(value.trim())).unwrap_or_default();
    let unsubscribe = if unsubscribe.is_empty() { String::new() } else { format!("<p>Unsubscribe: {unsubscribe}</p>") };
    let body = format!(
        "<p>To {}</p>{unsubscribe}<pre style=\"white-space:pre-wrap;font:inherit\">{}</pre><p><a href=\"/inbox\">Inbox</a></p>",
        escape(&to),
        linked(&text)
    );
    page(&subject, &body).into_response()
}

/// Escaped text in which addresses of the web are links.
fn linked(text: &str) -> String {
    let mut html = String::new();
    let mut rest = text;
    while let Some(at) = ["http://", "https://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
        let (before, address) = rest.split_at(at);
        let end = address.find(|c: char| c.is_whitespace() || "<>\"'".contains(c)).unwrap_or(address.len());
        let end = address[..end].trim_end_matches(['.', ',', ')', ';']).len();
        let safe = escape(&address[..end]);
        html.push_str(&escape(before));
        html.extend(["<a href=\"", &safe, "\">", &safe, "</a>"]);
        rest = &address[end..];
    }
    html.push_str(&escape(rest));
    html
}

#[cfg(test)]
mod tests {
    use super::linked;

    #[test]
    fn addresses_are_links_and_everything_else_is_text() {
        assert_eq!(
            linked("see https://a.example/x?y=1&z=2, <b>or</b> javascript:x."),
            "see <a href=\"https://a.example/x?y=1&amp;z=2\">https://a.example/x?y=1&amp;z=2</a>, &lt;b&gt;or&lt;/b&gt; javascript:x."
        );
        assert_eq!(
            linked("<https://a.example/\"onclick=x>"),
            "&lt;<a href=\"https://a.example/\">https://a.example/</a>&quot;onclick=x&gt;"
        );
    }
}
