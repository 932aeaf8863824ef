//! The words of mails, held by golden files in both languages: a change of any is seen in review.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mainstay::domain::email::{END_REASONS, EmailKind, FAILURE_REASONS};
use mainstay::domain::language::Language;
use mainstay::domain::mailbox::breaks;
use mainstay::mail::{Letter, Templates, sample};
use serde_json::{Value, json};

const POSTAL_ADDRESS: &str = "The Paper, 1 Main Street, LV-1010 Riga, Latvia";

fn letter(kind: EmailKind, language: Language, facts: &Value) -> Letter {
    let templates = Templates::read(None).expect("our templates are right");
    templates.render(kind, language, facts, POSTAL_ADDRESS).expect("it renders")
}

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(name);
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept == text {
        return;
    }
    let new: PathBuf = std::env::temp_dir().join(name);
    std::fs::write(&new, text).expect("a temporary file");
    panic!("{name} reads otherwise now. If that is meant: cp {} {}", new.display(), path.display());
}

/// The sample without what it need not hold.
fn least(kind: EmailKind) -> Value {
    let mut facts = sample::facts(kind);
    let fields = facts.as_object_mut().expect("an object");
    for name in [
        "next_on",
        "statement",
        "stop_url",
        "preview_url",
        "next_try_on",
        "pay_url",
        "other",
        "other_stop_url",
        "support_url",
    ] {
        if fields.contains_key(name) {
            fields.insert(name.to_owned(), Value::Null);
        }
    }
    if kind == EmailKind::Reminder {
        fields.retain(|name, _| !matches!(name.as_str(), "frequency" | "amount_minor" | "currency"));
    }
    if fields.contains_key("mails") {
        fields.insert("mails".to_owned(), json!(1));
    }
    facts
}

#[test]
fn every_mail_reads_as_its_golden_file_in_every_language() {
    for language in Language::ALL {
        let mut texts = String::new();
        for kind in EmailKind::ALL {
            for (which, facts) in [("all", sample::facts(*kind)), ("least", least(*kind))] {
                let letter = letter(*kind, language, &facts);
                let _ = write!(texts, "=== {} ({which})\n{}\n\n{}\n", kind.as_str(), letter.subject, letter.text);
            }
        }
        golden(&format!("mails.{}.txt", language.as_str()), &texts);
        let html: String =
            EmailKind::ALL.iter().map(|kind| letter(*kind, language, &sample::facts(*kind)).html + "\n").collect();
        golden(&format!("mails.{}.html", language.as_str()), &html);
    }
}

#[test]
fn every_mail_says_why_it_came_and_from_where_and_loads_nothing() {
    for language in Language::ALL {
        for kind in EmailKind::ALL {
            let letter = letter(*kind, language, &sample::facts(*kind));
            let (name, text, html) = (kind.as_str(), &letter.text, &letter.html);
            let reason = if language == Language::En {
                "You get this mail because"
            } else {
                "Вы получили это письмо"
            };
            for part in [text, html] {
                assert!(part.contains(reason) && part.contains(POSTAL_ADDRESS), "{name}: {part}");
                assert!(!part.contains("{$") && !part.contains("mail-"), "{name}: {part}");
            }
            for loads in ["<img", "<link", "<script", "url(", " src=", "@import", "<iframe"] {
                assert!(!html.contains(loads), "{name} loads something: {html}");
            }
            assert!(text.lines().all(|line| line.len() < 900) && html.len() < 4096, "{name}");
        }
    }
}

#[test]
fn plurals_and_every_known_reason_are_put_into_words() {
    let confirm = |mails: i64| {
        let mut facts = sample::facts(EmailKind::ReminderConfirmation);
        facts["mails"] = json!(mails);
        letter(EmailKind::ReminderConfirmation, Language::Ru, &facts).text
    };
    for (mails, words) in
        [(1, "всего 1 письмо."), (3, "не больше 3 писем."), (21, "всего 21 письмо."), (24, "24 писем.")]
    {
        assert!(confirm(mails).contains(words), "{}", confirm(mails));
    }
    let known = [
        (EmailKind::PaymentFailed, "reason", FAILURE_REASONS.as_slice()),
        (EmailKind::PledgeEnded, "why", END_REASONS.as_slice()),
    ];
    for (kind, field, words) in known {
        let told = |word: &str| {
            let mut facts = sample::facts(kind);
            facts[field] = json!(word);
            Language::ALL.map(|language| letter(kind, language, &facts).text)
        };
        let distinct: std::collections::BTreeSet<_> = words.iter().map(|word| told(word)).collect();
        assert_eq!(distinct.len(), words.len());
        assert!(!distinct.contains(&told("something_else")));
    }
}

#[test]
fn nothing_in_the_facts_makes_a_line_or_a_tag_of_its_own() {
    let hostile = "a\r\nBcc: x@y.z\0\u{202e}<b>&{{ 1 }}</b>";
    for kind in EmailKind::ALL {
        let mut facts = sample::facts(*kind);
        for (_, value) in facts.as_object_mut().expect("an object") {
            if value.as_str().is_some_and(|text| !text.contains("://") && text.contains(' ')) {
                *value = json!(hostile);
            }
        }
        let letter = letter(*kind, Language::En, &facts);
        assert!(!letter.subject.as_str().contains(breaks), "{}", kind.as_str());
        assert!(!letter.text.contains("\nBcc") && !letter.text.contains(['\0', '\r', '\u{202e}']), "{}", letter.text);
        assert!(letter.text.contains("Bcc: x@y.z <b>&{{ 1 }}</b>"), "plain text is not escaped: {}", letter.text);
        assert!(!letter.html.contains("<b>") && !letter.html.contains(['\0', '\u{202e}']), "{}", letter.html);
    }
}

#[test]
fn facts_that_lack_something_make_no_mail() {
    let templates = Templates::read(None).expect("our templates are right");
    for kind in EmailKind::ALL {
        let facts = sample::facts(*kind);
        for name in facts.as_object().expect("an object").keys() {
            let mut wrong = facts.clone();
            wrong[name] = json!({"no": "text"});
            let rendered = templates.render(*kind, Language::En, &wrong, "");
            let unused = name == "frequency" && matches!(kind, EmailKind::RenewalNotice | EmailKind::Refund);
            assert!(rendered.is_err() || unused, "{} with a wrong {name}", kind.as_str());
        }
    }
    for link in ["javascript:alert(1)", "data:text/html,x", "/r/abc", "mailto:a@b.c"] {
        let mut facts = sample::facts(EmailKind::Reminder);
        facts["give_url"] = json!(link);
        assert!(templates.render(EmailKind::Reminder, Language::En, &facts, "").is_err(), "{link}");
    }
}

#[test]
fn a_newsroom_may_have_templates_of_its_own_and_a_wrong_one_is_found_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a template");
    put("reminder.subject", "Dear reader, {{ campaign_name }} calls");
    put("reminder.ru.txt", "Пора: {{ give_url }}\n{% if given %}{{ given }}{% endif %}");
    let templates = Templates::read(Some(folder.path())).expect("they are right");
    let render = |language| {
        templates.render(EmailKind::Reminder, language, &sample::facts(EmailKind::Reminder), "").expect("it renders")
    };
    assert_eq!(render(Language::En).subject.as_str(), "Dear reader, The Paper calls");
    assert!(render(Language::En).text.contains("Open the giving page"));
    assert_eq!(render(Language::Ru).text, "Пора: https://give.example.org/give?ref=sample\n5\u{a0}$ в месяц\n");
    for (name, text) in
        [("receipt.txt", "{{ amuont }}"), ("receipt.txt", "{% if %}"), ("recept.txt", "x"), ("receipt.de.txt", "x")]
    {
        put(name, text);
        let error = Templates::read(Some(folder.path())).expect_err("it is wrong").to_string();
        assert!(error.contains(name) || error.contains("receipt"), "{error}");
        std::fs::remove_file(folder.path().join(name)).expect("it is removed");
    }
}
