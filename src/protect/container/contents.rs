//! Turns a message into the files of a container: the message as it is, a page to read, and its attachments.

use super::super::CannotSeal;
use super::page;
use crate::mail::{Language, RawMessage};
use crate::mime::{self, Kind, Limits, ParsedMessage, Part};
use std::cell::OnceCell;
use std::collections::BTreeSet;

/// The files, made once for all recipients of a message.
pub struct Contents {
    pub(super) files: Vec<File>,
    /// `Subject: …`, for a reader that shows nothing else; in `language`.
    pub(super) lines: Vec<String>,
    pub(super) language: Language,
    /// What all archives of this message have inside.
    pub(super) packed: OnceCell<Vec<u8>>,
}

/// One file; its name has no folder in it.
pub(super) struct File {
    pub name: String,
    pub media_type: String,
    pub octets: Vec<u8>,
}

/// The message, octet for octet.
pub(super) const ORIGINAL: &str = "message.eml";
/// The message, to be read without a mail program.
pub(super) const PAGE: &str = "message.html";
/// Characters of a file's name.
const LONGEST_NAME: usize = 120;

impl Contents {
    /// `original` is what its reader shall get; `language` is that of the page's own words.
    pub fn of(original: &RawMessage, language: Language) -> Result<Contents, CannotSeal> {
        let message = mime::parse(original, &Limits::default())
            .map_err(|_| CannotSeal("the message for the container cannot be read"))?;
        let mut files = attachments(&message);
        let page = page::page(&message, &files, language);
        let lines = page::lines(&message, language);
        files.insert(0, File { name: PAGE.to_owned(), media_type: "text/html".to_owned(), octets: page.into_bytes() });
        let eml = original.as_bytes().to_vec();
        files.insert(1, File { name: ORIGINAL.to_owned(), media_type: "message/rfc822".to_owned(), octets: eml });
        Ok(Contents { files, lines, language, packed: OnceCell::new() })
    }
}

/// Whatever is not the text itself.
fn attachments(message: &ParsedMessage<'_>) -> Vec<File> {
    let mut taken: BTreeSet<String> = [ORIGINAL.to_owned(), PAGE.to_owned()].into();
    let mut files = Vec::new();
    for part in message.parts.iter().filter(|part| is_of_message(message, part)) {
        let octets = match part.kind {
            Kind::Leaf if !is_text(part) => part.decoded(message.raw).0.into_owned(),
            Kind::Message => message.body_of(part).to_vec(),
            Kind::Leaf | Kind::Multipart => continue,
        };
        let ending = match part.kind {
            Kind::Message => "eml",
            Kind::Leaf | Kind::Multipart => ending_of(&part.content_type),
        };
        let wanted = part.file_name.as_deref().map(clean).filter(|name| !name.is_empty());
        let name = free(wanted.unwrap_or_else(|| format!("attachment.{ending}")), &mut taken);
        files.push(File { name, media_type: part.content_type.clone(), octets });
    }
    files
}

/// Not inside an attached message: that one is a file as a whole.
pub(super) fn is_of_message(message: &ParsedMessage<'_>, part: &Part) -> bool {
    let mut above = part.parent;
    while let Some(index) = above {
        if message.parts[index].kind == Kind::Message {
            return false;
        }
        above = message.parts[index].parent;
    }
    true
}

/// Shown on the page rather than saved beside it.
pub(super) fn is_text(part: &Part) -> bool {
    matches!(part.content_type.as_str(), "text/plain" | "text/html") && !part.attachment && part.file_name.is_none()
}

/// A name that is one file in every system: `..\CON` and `a/b` lead nowhere.
fn clean(name: &str) -> String {
    let allowed =
        |c: char| if c.is_control() || "/\\:*?\"<>|\u{202e}\u{202d}\u{2066}\u{2067}\u{2068}".contains(c) { '_' } else { c };
    let name: String = name.chars().map(allowed).collect();
    let name = name.trim().trim_start_matches('.').trim_end_matches(['.', ' ']);
    let too_long = name.chars().count().saturating_sub(LONGEST_NAME);
    // The ending says what opens it: the beginning is cut.
    let name: String = name.chars().skip(too_long).collect();
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (stem.len() == 4 && (stem.starts_with("COM") || stem.starts_with("LPT")) && stem.as_bytes()[3].is_ascii_digit());
    if device { format!("_{name}") } else { name }
}

/// `a.pdf`, then `a-2.pdf`; compared without case, as some systems do.
fn free(name: String, taken: &mut BTreeSet<String>) -> String {
    if taken.insert(name.to_lowercase()) {
        return name;
    }
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => (stem, format!(".{ending}")),
        _ => (name.as_str(), String::new()),
    };
    let mut number = 2;
    loop {
        let other = format!("{stem}-{number}{ending}");
        if taken.insert(other.to_lowercase()) {
            return other;
        }
        number += 1;
    }
}

fn ending_of(media_type: &str) -> &'static str {
    match media_type {
        "application/pdf" => "pdf",
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "text/calendar" => "ics",
        "text/csv" => "csv",
        "text/plain" => "txt",
        "text/html" => "html",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_one_file_everywhere() {
        for (name, cleaned) in [
            ("bulletin.pdf", "bulletin.pdf"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("C:\\x\\a.pdf", "C__x_a.pdf"),
            (".htaccess", "htaccess"),
            ("a\r\nb.pdf", "a__b.pdf"),
            ("fdp\u{202e}exe.pdf", "fdp_exe.pdf"),
            ("con.txt", "_con.txt"),
            ("lpt1", "_lpt1"),
            (" été .pdf. ", "été .pdf"),
            ("...", ""),
        ] {
            assert_eq!(clean(name), cleaned, "{name:?}");
        }
        assert_eq!(clean(&format!("{}.pdf", "x".repeat(500))).len(), LONGEST_NAME);
        let mut taken = BTreeSet::new();
        let names = ["a.pdf", "A.PDF", "a.pdf", "b", "b"].map(|name| free(name.to_owned(), &mut taken));
        assert_eq!(names, ["a.pdf", "A-2.PDF", "a-3.pdf", "b", "b-2"]);
    }
}
