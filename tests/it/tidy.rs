//! The rules of the house that a compiler does not hold: who may import whom, what a migration may say, and what must
//! not be left lying about. Each failure says which rule broke, where, and what would be right.
//!
//! The checks are functions from text to findings, so each is tried on planted violations too.

mod imports;
mod migrations;
mod openings;
mod readme;
mod source;
mod text;

use std::fmt;
use std::path::Path;

use source::Source;

/// Where the repository's own text is. Everything else in the folder is built, downloaded, or somebody's own.
const FOLDERS: [&str; 14] = [
    ".ci",
    ".cargo",
    "benches",
    "cipher",
    "deploy",
    "docs",
    "locales",
    "migrations",
    "scripts",
    "src",
    "templates",
    "tests",
    "widget",
    "examples",
];
/// Written by a program, or no text.
const NOT_OURS: [&str; 7] = ["lock", "png", "jpg", "ico", "woff2", "gz", "sqlite"];

/// A rule that was broken.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    rule: &'static str,
    path: String,
    /// From 1.
    line: usize,
    /// What is wrong there, and what would be right.
    advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: [{}] {}", self.path, self.line, self.rule, self.advice)
    }
}

/// Every file of ours, with its path from the root of the repository.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for entry in root.read_dir().expect("the repository").map_while(Result::ok) {
        let (path, name) = (entry.path(), entry.file_name());
        let ours = FOLDERS.iter().any(|folder| name == *folder);
        if path.is_file() || ours {
            collect(root, &path, &mut found);
        }
    }
    assert!(found.iter().any(|source| source.path == "tests/it/tidy.rs"), "the walk finds at least this file");
    found
}

fn collect(root: &Path, path: &Path, found: &mut Vec<Source>) {
    if path.is_dir() {
        for entry in path.read_dir().expect("a folder").map_while(Result::ok) {
            collect(root, &entry.path(), found);
        }
        return;
    }
    let relative = path.strip_prefix(root).expect("it lies under the root").display().to_string();
    if is_ours(&relative) {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{relative}: {error}"));
        found.push(Source::new(&relative, &text));
    }
}

/// Not what a program made, and not what an operator put there: settings and databases hold secrets.
fn is_ours(path: &str) -> bool {
    let operators = path == "mainstay.env" || path == ".env" || path == ".git" || path.starts_with("mainstay.db");
    !operators && !NOT_OURS.contains(&source::extension(path))
}

#[track_caller]
fn assert_none(findings: &[Finding]) {
    let list: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{} rule(s) broken:\n{}", list.len(), list.join("\n"));
}

fn check(rule: impl Fn(&Source) -> Vec<Finding>) {
    let findings: Vec<Finding> = sources().iter().flat_map(rule).collect();
    assert_none(&findings);
}

#[test]
fn each_layer_imports_only_what_it_may() {
    check(imports::layers);
}

#[test]
fn each_foreign_crate_is_named_only_in_its_own_layer() {
    check(imports::crates);
}

#[test]
fn every_migration_says_what_its_columns_are_and_suits_both_databases() {
    check(migrations::check);
}

#[test]
fn nothing_is_left_lying_about() {
    check(text::rules);
}

#[test]
fn every_file_is_small_enough_to_hold_in_the_head() {
    check(text::length);
}

#[test]
fn every_command_that_the_documents_name_exists() {
    let sources = sources();
    let exists = |path: &str| sources.iter().any(|source| source.path == path);
    let findings: Vec<Finding> =
        sources.iter().flat_map(|source| readme::check(source, &exists, &is_command)).collect();
    assert_none(&findings);
}

/// Asks the program itself.
fn is_command(name: &str) -> bool {
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_mainstay")).args([name, "--help"]).output();
    help.expect("mainstay runs").status.success()
}

#[test]
fn every_figure_is_explained_in_the_operations_document() {
    let sources = sources();
    let document = sources.iter().find(|source| source.path == "docs/OPERATIONS.md").expect("it is there");
    let mut figures = 0;
    for source in sources.iter().filter(|source| source.path.starts_with("src/")) {
        for call in ["counter!(", "gauge!(", "histogram!("] {
            for (at, _) in source.text.match_indices(call) {
                let name = source.text[at + call.len()..].trim_start().strip_prefix('"');
                if let Some(name) = name.and_then(|rest| rest.split('"').next()) {
                    assert!(document.text.contains(&format!("`{name}")), "{name} of {}", source.path);
                    figures += 1;
                }
            }
        }
    }
    assert!(figures > 15, "only {figures} were found");
}
