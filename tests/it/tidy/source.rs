//! A file in three views: as it is, without its strings, and without its strings and comments. Each keeps every line
//! where it was, so a finding in one has the line of all.

use std::ffi::OsStr;
use std::path::Path;

/// A file of the repository.
#[derive(Debug)]
pub struct Source {
    /// From the root of the repository, with `/`.
    pub path: String,
    pub text: String,
    /// Rust with what stands in strings blanked out; other files as they are.
    pub without_strings: String,
    /// Rust with strings and comments blanked out; other files as they are.
    pub code: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let text = text.to_owned();
        let (without_strings, code) = if is_rust(path) { blank(&text) } else { (text.clone(), text.clone()) };
        Self { path: path.to_owned(), text, without_strings, code }
    }

    pub fn is_rust(&self) -> bool {
        is_rust(&self.path)
    }

    /// For each line from 0: does it belong to tests only?
    pub fn test_lines(&self) -> Vec<bool> {
        let lines = self.text.lines().count() + 1;
        let name = self.path.rsplit('/').next().unwrap_or_default();
        if self.path.starts_with("tests/") || self.path.contains("/tests/") || name.ends_with("tests.rs") {
            return vec![true; lines];
        }
        let mut marks = vec![false; lines];
        for (start, attribute) in self.code.match_indices("#[cfg(test)]") {
            let end = end_of_item(&self.code, start + attribute.len());
            let range = line_of(&self.code, start) - 1..line_of(&self.code, end);
            marks[range].fill(true);
        }
        marks
    }
}

fn is_rust(path: &str) -> bool {
    extension(path) == "rs"
}

/// What stands behind the last dot of the name; empty where there is none.
pub fn extension(path: &str) -> &str {
    Path::new(path).extension().and_then(OsStr::to_str).unwrap_or_default()
}

/// The line, from 1, of a byte of the text.
pub fn line_of(text: &str, byte: usize) -> usize {
    text[..byte].matches('\n').count() + 1
}

/// Where the item that begins after `start` ends: at its `;`, or at the brace that closes its first one.
fn end_of_item(code: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b';' if depth == 0 => return at,
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// The text without literals, and without literals and comments.
fn blank(text: &str) -> (String, String) {
    let (mut without_strings, mut code) = (String::with_capacity(text.len()), String::with_capacity(text.len()));
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, kind) = token(rest).unwrap_or((first.len_utf8(), Kind::Code));
        let (token, after) = rest.split_at(length);
        push(&mut without_strings, token, kind != Kind::Literal);
        push(&mut code, token, kind == Kind::Code);
        rest = after;
    }
    (without_strings, code)
}

/// Adds a token, or as many blanks as it has bytes, with its line ends.
fn push(view: &mut String, token: &str, shown: bool) {
    if shown {
        view.push_str(token);
    } else {
        view.extend(token.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
    }
}

/// The comment, literal or name at the beginning, with its length in bytes.
fn token(rest: &str) -> Option<(usize, Kind)> {
    if rest.starts_with("//") {
        return Some((rest.find('\n').unwrap_or(rest.len()), Kind::Comment));
    }
    if rest.starts_with("/*") {
        return Some((block_comment(rest), Kind::Comment));
    }
    if rest.starts_with('"') {
        return Some((quoted(rest, '"'), Kind::Literal));
    }
    if rest.starts_with('\'') {
        return character(rest).map(|length| (length, Kind::Literal));
    }
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let raw = if matches!(&rest[..word], "r" | "br" | "cr") { raw_string(&rest[word..]) } else { None };
    match raw {
        Some(length) => Some((word + length, Kind::Literal)),
        None => (word > 0).then_some((word, Kind::Code)),
    }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let bytes = rest.as_bytes();
    let mut at = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a literal between quotes, with its escapes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

/// The length of a character, or `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut after = rest.chars().skip(1);
    let (first, second) = (after.next()?, after.next()?);
    (first == '\\' || second == '\'').then(|| quoted(rest, '\''))
}

/// The length of `#"…"#` or `"…"` with any number of `#`.
fn raw_string(rest: &str) -> Option<usize> {
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let body = rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(body.find(&end).map_or(rest.len(), |at| hashes + 1 + at + end.len()))
}

#[test]
fn strings_and_comments_are_told_from_code_in_place() {
    let text =
        "let a = \"crate::store\"; // crate::http\nlet b = 'x'; /* a /* b */ c */ fn f<'a>() {}\nr#\"one\ntwo\"# end";
    let source = Source::new("src/a.rs", text);
    let expected = format!(
        "let a = {}; {}\nlet b =    ; {} fn f<'a>() {{}}\n{}\n{} end",
        " ".repeat(14),
        " ".repeat(14),
        " ".repeat(17),
        " ".repeat(6),
        " ".repeat(5)
    );
    assert_eq!(source.code, expected);
    assert!(source.without_strings.contains("// crate::http") && !source.without_strings.contains("crate::store"));
}

#[test]
fn the_lines_of_tests_are_known() {
    let inside = Source::new("src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n");
    assert_eq!(inside.test_lines(), [false, true, true, true, true, false, false]);
    let declared = Source::new("src/a.rs", "#[cfg(test)]\nmod tests;\nfn c() {}\n");
    assert_eq!(declared.test_lines(), [true, true, false, false]);
    assert_eq!(Source::new("src/a/tests.rs", "fn c() {}").test_lines(), [true, true]);
}
