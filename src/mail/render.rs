//! Letters: a subject, a plain text and a small HTML page, of a mail's facts.
//!
//! Their words are in `templates/locales`, their form in `templates/mail`; a newsroom may have templates of its own for
//! any of them. Plain text is not escaped and HTML is; a subject is one line whatever was put into it. Invariant: a
//! template that could not be rendered is found at the start, by the sample, not at the first mail.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fluent_bundle::FluentValue;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{AutoEscape, Environment, Error, State, UndefinedBehavior, Value};
use serde_json::Value as Json;

use super::facts::{self, BadFact};
use super::sample;
use crate::domain::email::EmailKind;
use crate::domain::language::Language;
use crate::domain::mailbox::Line;
use crate::text;

/// The longest template that is read.
const MAX_TEMPLATE: u64 = 64 * 1024;
/// The longest part of a mail that is sent.
const MAX_PART: usize = 256 * 1024;

/// The parts of a mail, as the files of its templates end.
pub const PARTS: [&str; 3] = ["subject", "txt", "html"];

macro_rules! embedded {
    ($($kind:literal),+ $(,)?) => {
        /// Every template of ours, by the name of its file.
        const EMBEDDED: &[(&str, &str)] = &[
            ("layout.txt", include_str!("../../templates/mail/layout.txt")),
            ("layout.html", include_str!("../../templates/mail/layout.html")),
            $((concat!($kind, ".subject"), include_str!(concat!("../../templates/mail/", $kind, ".subject"))),
            (concat!($kind, ".txt"), include_str!(concat!("../../templates/mail/", $kind, ".txt"))),
            (concat!($kind, ".html"), include_str!(concat!("../../templates/mail/", $kind, ".html"))),)+
        ];
    };
}
embedded!(
    "reminder_confirmation",
    "reminder",
    "newsletter_confirmation",
    "newsletter_welcome",
    "thank_you",
    "receipt",
    "payment_failed",
    "pledge_ended",
    "renewal_notice",
    "refund",
    "manage_link",
    "pledge_changed",
    "resume_notice",
);

/// A mail's words, ready to be sent to anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub subject: Line,
    pub text: String,
    pub html: String,
}

/// Why templates cannot be used, or a letter not be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("{path}: {what}", path = path.display())]
    Template { path: PathBuf, what: String },
    #[error(transparent)]
    Fact(#[from] BadFact),
    #[error("the template {name} cannot be rendered: {what}")]
    Render { name: String, what: String },
}

/// All templates: ours, and those a newsroom has instead.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    own: BTreeSet<String>,
}

impl Templates {
    /// Reads the newsroom's templates from `folder`, if there is one: `reminder.txt`, or `reminder.ru.txt` for one
    /// language only. Each is tried on a sample.
    pub fn read(folder: Option<&Path>) -> Result<Self, RenderError> {
        let mut templates = Self { environment: environment(), own: BTreeSet::new() };
        for (name, source) in EMBEDDED {
            templates.add(name, (*source).to_owned(), Path::new(name))?;
        }
        if let Some(folder) = folder {
            templates.read_folder(folder)?;
            templates.try_all(folder)?;
        }
        Ok(templates)
    }

    fn read_folder(&mut self, folder: &Path) -> Result<(), RenderError> {
        let failed = |path: &Path, what: String| RenderError::Template { path: path.to_owned(), what };
        let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, error.to_string()))?;
        for entry in entries {
            let entry = entry.map_err(|error| failed(folder, error.to_string()))?;
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if name.starts_with('.') {
                continue;
            }
            if !is_template(&name) {
                let what = "no mail has such a template. Expected a name such as reminder.txt or reminder.ru.html";
                return Err(failed(&path, what.to_owned()));
            }
            let size = entry.metadata().map_err(|error| failed(&path, error.to_string()))?.len();
            if size > MAX_TEMPLATE {
                return Err(failed(&path, "it is longer than 64 KiB".to_owned()));
            }
            let source = std::fs::read_to_string(&path).map_err(|error| failed(&path, error.to_string()))?;
            self.add(&name, source, &path)?;
            self.own.insert(name);
        }
        Ok(())
    }

    fn add(&mut self, name: &str, source: String, path: &Path) -> Result<(), RenderError> {
        self.environment
            .add_template_owned(name.to_owned(), source)
            .map_err(|error| RenderError::Template { path: path.to_owned(), what: error.to_string() })
    }

    fn try_all(&self, folder: &Path) -> Result<(), RenderError> {
        for kind in EmailKind::ALL {
            for language in Language::ALL {
                let tried = self.render(*kind, language, &sample::facts(*kind), "");
                tried.map_err(|error| RenderError::Template { path: folder.to_owned(), what: error.to_string() })?;
            }
        }
        Ok(())
    }

    /// The letter of a mail.
    pub fn render(
        &self,
        kind: EmailKind,
        language: Language,
        facts: &Json,
        postal_address: &str,
    ) -> Result<Letter, RenderError> {
        let mut values = facts::read(kind, language, facts)?;
        values.insert("language", Value::from(language.as_str()));
        values.insert("postal_address", Value::from(Line::of(postal_address).as_str()));
        let subject = Line::of(&self.part(kind, language, "subject", &Value::from_pairs(values.clone()))?);
        values.insert("subject", Value::from(subject.as_str()));
        let values = Value::from_pairs(values);
        let text = tidied(&self.part(kind, language, "txt", &values)?);
        Ok(Letter { subject, text, html: self.part(kind, language, "html", &values)? })
    }

    fn part(&self, kind: EmailKind, language: Language, part: &str, values: &Value) -> Result<String, RenderError> {
        let for_language = format!("{}.{}.{part}", kind.as_str(), language.as_str());
        let name = if self.own.contains(&for_language) { for_language } else { format!("{}.{part}", kind.as_str()) };
        let rendered = self.environment.get_template(&name).and_then(|template| template.render(values));
        match rendered {
            Ok(text) if text.len() <= MAX_PART => Ok(text),
            Ok(_) => Err(RenderError::Render { name, what: "it grew longer than 256 KiB".to_owned() }),
            // What the engine adds may quote values, which are nobody's business.
            Err(error) => {
                let what = format!("{} in line {}", error.kind(), error.line().unwrap_or(0));
                Err(RenderError::Render { name, what })
            }
        }
    }
}

/// The letter that `mail send-test` sends.
pub fn test_letter(language: Language, postal_address: &str) -> Letter {
    let say = |id| text::say(language, id, &[]);
    let (lead, address) = (say("mail-test-lead"), Line::of(postal_address));
    let html = format!("<!doctype html>\n<meta charset=\"utf-8\">\n<p>{lead}</p>\n");
    Letter { subject: Line::of(&say("mail-test-subject")), text: tidied(&format!("{lead}\n\n--\n{address}")), html }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Whatever is not known to be plain is escaped.
    environment.set_auto_escape_callback(|name| match name.rsplit_once('.') {
        Some((_, "txt" | "subject")) => AutoEscape::None,
        _ => AutoEscape::Html,
    });
    environment.add_function("t", say);
    environment
}

/// `t("id", amount=…)` in a template: a text in the mail's language; a number decides on the plural.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands functions their values so")]
fn say(state: &State<'_, '_>, id: &str, values: Kwargs) -> Result<String, Error> {
    let tag = state.lookup("language").map(|tag| tag.to_string()).unwrap_or_default();
    let language = Language::parse(&tag).unwrap_or(Language::En);
    let mut filled = Vec::new();
    for name in values.args() {
        let value: Value = values.get(name)?;
        let number = (value.kind() == ValueKind::Number).then(|| i64::try_from(value.clone()).ok()).flatten();
        filled.push((name, number.map_or_else(|| FluentValue::from(value.to_string()), FluentValue::from)));
    }
    Ok(text::say(language, id, &filled))
}

fn is_template(name: &str) -> bool {
    let Some((stem, part)) = name.rsplit_once('.') else { return false };
    let (stem, language) = stem.split_once('.').map_or((stem, None), |(stem, language)| (stem, Some(language)));
    let in_language = language.is_none_or(|tag| Language::ALL.iter().any(|known| known.as_str() == tag));
    let layout = stem == "layout" && language.is_none() && part != "subject";
    PARTS.contains(&part) && in_language && (layout || EmailKind::parse(stem).is_some())
}

/// No blanks at the ends of lines, no more than one empty line at once, one line end at the end.
fn tidied(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if !line.is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
            lines.push(line);
        }
    }
    while lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    lines.join("\n") + "\n"
}
