//! A form with a file, as browsers send it (source: RFC 7578, and HTML, "multipart/form-data").

use super::{File, Form, LongForm};

/// Reads a whole body; none where it is not well-formed. Of several files the last that is not empty counts.
pub(super) fn read(body: &[u8], boundary: &str) -> Option<LongForm> {
    let (mut fields, mut file) = (Vec::new(), None);
    let line = format!("\r\n--{boundary}");
    // The first is not behind a line break, but may be.
    let mut rest = body.strip_prefix(&line.as_bytes()[2..])?;
    loop {
        if rest.starts_with(b"--") {
            return Some(LongForm { form: Form(fields), file });
        }
        let part = rest.strip_prefix(b"\r\n")?;
        let end = find(part, line.as_bytes())?;
        let (part, after) = part.split_at(end);
        let head = find(part, b"\r\n\r\n")?;
        let (head, content) = (std::str::from_utf8(&part[..head]).ok()?, &part[head + 4..]);
        let name = parameter(head, "name")?;
        match parameter(head, "filename") {
            // No file was chosen.
            Some(_) if content.is_empty() => {}
            Some(from) => file = Some(File { name: from, bytes: content.to_vec() }),
            None => fields.push((name, String::from_utf8(content.to_vec()).ok()?)),
        }
        rest = &after[line.len()..];
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// A parameter of a part's Content-Disposition. A quotation mark in it is sent as `%22`; none of our names has one.
fn parameter(head: &str, name: &str) -> Option<String> {
    let lines = head.split("\r\n");
    let line = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(header, _)| header.eq_ignore_ascii_case("content-disposition"));
    let (_, rest) = line?.1.split_once(&format!("; {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "--xyz\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nWinter\r\nand summer\r\n\
        --xyz\r\nContent-Disposition: form-data; name=\"logo_file\"; filename=\"a b.svg\"\r\nContent-Type: image/svg+xml\r\n\r\n\
        <svg/>\r\n--xy\r\n\r\n--xyz\r\ncontent-disposition: form-data; name=\"empty\"\r\n\r\n\r\n--xyz--\r\n";

    #[test]
    fn fields_and_the_file_are_read_as_a_browser_sends_them() {
        let LongForm { form, file } = read(BODY.as_bytes(), "xyz").unwrap();
        assert_eq!(form.text("name"), "Winter\r\nand summer");
        assert!(form.has("empty") && form.text("empty").is_empty());
        assert!(!form.has("logo_file"));
        assert_eq!(file, Some(File { name: "a b.svg".to_owned(), bytes: b"<svg/>\r\n--xy\r\n".to_vec() }));
        let unchosen = BODY.replace("<svg/>\r\n--xy\r\n", "");
        assert_eq!(read(unchosen.as_bytes(), "xyz").unwrap().file, None);
        assert!(read(b"--xyz--\r\n", "xyz").unwrap().form.0.is_empty());
    }

    #[test]
    fn a_body_that_was_cut_or_is_none_is_refused_and_never_read_in_part() {
        for length in 0..BODY.len() - 4 {
            assert!(read(&BODY.as_bytes()[..length], "xyz").is_none(), "{length}");
        }
        for wrong in [
            BODY.replace("; name", "; game"),
            BODY.replace("Winter", "\r\n--xyz"),
            BODY.replacen("\r\n\r\n", "\r\n", 1),
            "a=b".to_owned(),
        ] {
            assert!(read(wrong.as_bytes(), "xyz").is_none(), "{wrong}");
        }
        assert!(
            read(&BODY.as_bytes().iter().map(|b| if *b == b'W' { 0xff } else { *b }).collect::<Vec<_>>(), "xyz")
                .is_none()
        );
    }
}
