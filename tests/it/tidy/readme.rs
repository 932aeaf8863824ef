//! A command in a document is one that a reader can type.

use std::sync::LazyLock;

use regex::Regex;

use super::Finding;
use super::source::{Source, extension};

/// Each command in the code of a Markdown file: `mainstay …`, `cargo run -- …`, and files of `scripts/` and `.ci/`.
pub fn check(source: &Source, exists: &dyn Fn(&str) -> bool, is_command: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    if extension(&source.path) != "md" {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (line, code) in code(&source.text) {
        let mut find = |advice: String| {
            findings.push(Finding { rule: "documents", path: source.path.clone(), line, advice });
        };
        for name in commands(code).filter(|name| !is_command(name)) {
            find(format!("`mainstay {name}` is no command: see `mainstay --help`"));
        }
        for path in scripts(code).filter(|path| !exists(path)) {
            find(format!("`{path}` does not exist"));
        }
    }
    findings
}

/// Lines of fenced blocks, and what stands between backticks, each with its line from 1.
fn code(text: &str) -> Vec<(usize, &str)> {
    let (mut fenced, mut found) = (false, Vec::new());
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            found.push((at + 1, line));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(|code| (at + 1, code)));
        }
    }
    found
}

fn commands(code: &str) -> impl Iterator<Item = &str> {
    static COMMAND: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:^|[\s/;|&(])(?:mainstay|cargo run (?:--release )?--) ([a-z][a-z-]*)").expect("a valid pattern")
    });
    // `sudo -u mainstay mainstay serve` names somebody first.
    COMMAND.captures_iter(code).map(|found| found.extract::<1>().1[0]).filter(|name| *name != "mainstay")
}

fn scripts(code: &str) -> impl Iterator<Item = &str> {
    static SCRIPT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?:^|[\s`(])(?:\./)?((?:scripts|\.ci)/[a-z0-9_-]+)").expect("a valid pattern"));
    SCRIPT.captures_iter(code).map(|found| found.extract::<1>().1[0])
}

#[test]
fn a_command_or_script_that_is_not_there_is_found() {
    let text = "Run `mainstay serve`, `mainstay fly --high` or `cargo run -- swim`.\n```\n$ scripts/test\nscripts/rest\n```\n\
        Mainstay is fine, mainstay does.\n";
    let source = Source::new("README.md", text);
    let findings = check(&source, &|path| path == "scripts/test", &|name| name == "serve");
    let found: Vec<(usize, &str)> = findings.iter().map(|finding| (finding.line, finding.advice.as_str())).collect();
    assert_eq!(
        found,
        [
            (1, "`mainstay fly` is no command: see `mainstay --help`"),
            (1, "`mainstay swim` is no command: see `mainstay --help`"),
            (4, "`scripts/rest` does not exist"),
        ]
    );
}
