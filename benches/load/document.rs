//! The table's place in the document.

use std::path::Path;

const DOCUMENT: &str = "docs/PERFORMANCE.md";
const BEGIN: &str = "<!-- measured: written by scripts/bench --write -->\n";
const END: &str = "<!-- end of measured -->";

/// Puts `text` between the two marks of the document.
pub fn write(text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let document = std::fs::read_to_string(&path).expect("the document is there");
    let (before, rest) = document.split_once(BEGIN).expect("its first mark is there");
    let (_, after) = rest.split_once(END).expect("its second mark is there");
    std::fs::write(&path, format!("{before}{BEGIN}{text}{END}{after}")).expect("the document is written");
}
