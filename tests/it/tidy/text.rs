//! What must not stand in any file. Code is searched without its strings, so that a test may plant a violation, and this
//! table may name them.

use regex::Regex;

use super::Finding;
use super::source::{Source, line_of};

const LINES_AT_MOST: usize = 600;

/// Which files a rule reads, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// Every file as it is.
    Everything,
    /// Rust without strings, every other file as it is.
    Comments,
    /// Rust without strings and comments.
    Code,
    /// The same, where it belongs to tests.
    CodeOfTests,
    /// The same, in `src/domain/` but for its tests.
    CodeOfDomain,
}

struct Rule {
    name: &'static str,
    reads: Reads,
    banned: &'static str,
    instead: &'static str,
}

const RULES: [Rule; 6] = [
    Rule {
        name: "no ignored tests",
        reads: Reads::Code,
        banned: r"#\[ignore",
        instead: "make the test pass, or remove it: nothing is skipped in silence",
    },
    Rule {
        name: "no sleeps in tests",
        reads: Reads::CodeOfTests,
        banned: r"\b(thread|time)::sleep\b|\bsleep(_until)?\(",
        instead: "move the clock (`app.advance`), or wait for what you wait for (`app.settle`)",
    },
    Rule {
        name: "nothing unfinished",
        reads: Reads::Code,
        banned: r"\b(todo|unimplemented|dbg)!",
        instead: "finish it, or leave it out",
    },
    Rule {
        name: "nothing unfinished",
        reads: Reads::Comments,
        banned: r"\b(TODO|FIXME|XXX)\b",
        instead: "do it now, or write an issue",
    },
    Rule {
        name: "no registry",
        reads: Reads::Everything,
        banned: r"crates[.]io|npmjs[.](org|com)|pypi[.]org|docker[.]io|ghcr[.]io|quay[.]io|proxy[.]golang[.]org",
        instead: "leave it to the tools' own settings, so that a mirror works",
    },
    Rule {
        name: "a pure domain",
        reads: Reads::CodeOfDomain,
        banned: r"\basync\b|\.await\b|\btokio::|\bstd::(fs|net|io|env|process|thread|time)\b",
        instead: "hand the domain values; what waits or touches the world is a layer above",
    },
];

/// Every rule on one file.
pub fn rules(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in &RULES {
        let Some(text) = view(source, rule.reads) else { continue };
        let tests = source.test_lines();
        for banned in Regex::new(rule.banned).expect("a valid pattern").find_iter(text) {
            let line = line_of(text, banned.start());
            let concerns = match rule.reads {
                Reads::CodeOfTests => tests[line - 1],
                Reads::CodeOfDomain => !tests[line - 1],
                Reads::Everything | Reads::Comments | Reads::Code => true,
            };
            if concerns {
                let advice = format!("`{}`: {}", banned.as_str(), rule.instead);
                findings.push(Finding { rule: rule.name, path: source.path.clone(), line, advice });
            }
        }
    }
    findings
}

fn view(source: &Source, reads: Reads) -> Option<&str> {
    match reads {
        Reads::Everything => Some(&source.text),
        Reads::Comments => Some(&source.without_strings),
        Reads::Code | Reads::CodeOfTests => source.is_rust().then_some(&source.code),
        Reads::CodeOfDomain => (source.is_rust() && source.path.starts_with("src/domain/")).then_some(&source.code),
    }
}

/// No file is too long to be held in the head.
pub fn length(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    let counted =
        ["src/", "tests/", "widget/", "benches/", "scripts/"].iter().any(|root| source.path.starts_with(root));
    if !counted || lines <= LINES_AT_MOST {
        return Vec::new();
    }
    let advice = format!("{lines} lines: part it by what it is about, at most {LINES_AT_MOST} lines each");
    vec![Finding { rule: "length", path: source.path.clone(), line: LINES_AT_MOST + 1, advice }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, text: &str) -> Vec<(&'static str, usize)> {
        rules(&Source::new(path, text)).into_iter().map(|finding| (finding.rule, finding.line)).collect()
    }

    #[test]
    fn each_rule_finds_what_was_planted() {
        let registry = format!("index = \"https://crates{}io\"", '.');
        let planted = [
            ("no ignored tests", "tests/it/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn a() {}", 2),
            ("no sleeps in tests", "tests/it/a.rs", "\ntokio::time::sleep(second).await;", 2),
            ("no sleeps in tests", "src/a.rs", "#[cfg(test)]\nmod tests {\n    fn a() { sleep(second) }\n}", 3),
            ("nothing unfinished", "src/a.rs", "fn a() {\n    todo!()\n}", 2),
            ("nothing unfinished", "src/a.rs", "// TODO: more", 1),
            ("nothing unfinished", "scripts/test", "# FIXME", 1),
            ("no registry", "deny.toml", &registry, 1),
            ("a pure domain", "src/domain/money.rs", "use std::fs;", 1),
            ("a pure domain", "src/domain/money.rs", "async fn a() {}", 1),
        ];
        for (rule, path, text, line) in planted {
            assert!(broken(path, text).contains(&(rule, line)), "{rule} missed in {path}: {text}");
        }
    }

    #[test]
    fn what_is_only_spoken_of_is_not_found() {
        assert_eq!(broken("src/a.rs", "const A: &str = \"TODO todo!()\"; // never `#[ignore`"), []);
        assert_eq!(broken("src/worker/mod.rs", "tokio::time::sleep(pause).await;"), []);
        assert_eq!(broken("src/domain/money.rs", "#[cfg(test)]\nmod tests {\n    use std::fs;\n}"), []);
    }

    #[test]
    fn a_file_that_is_too_long_is_found() {
        let text = "a\n".repeat(LINES_AT_MOST);
        assert!(length(&Source::new("src/a.rs", &text)).is_empty());
        assert_eq!(length(&Source::new("src/a.rs", &format!("{text}a\n"))).len(), 1);
        assert!(length(&Source::new("docs/LONG.md", &text.repeat(2))).is_empty());
    }
}
