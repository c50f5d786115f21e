//! Turns a message into a page that any browser shows, and that runs and fetches nothing.

use super::contents::{File, is_of_message, is_text};
use crate::mail::Language;
use crate::mime::{Kind, ParsedMessage, Part};
use base64::Engine as _;

/// Octets of one picture, and of all, that are put into the page; the others lie beside it.
const PICTURE: usize = 5 << 20;
const PICTURES: usize = 20 << 20;

/// `files`: what lies beside the page.
pub(super) fn page(message: &ParsedMessage<'_>, files: &[File], language: Language) -> String {
    let fr = language == Language::Fr;
    let subject = message.subject().unwrap_or_default();
    let title = if subject.trim().is_empty() { if fr { "(sans objet)" } else { "(no subject)" } } else { subject.trim() };
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}</title>\n<style>\n\
         body {{ font-family: sans-serif; margin: 2em; }}\nth {{ text-align: left; padding-right: 1em; vertical-align: top; }}\n\
         pre {{ white-space: pre-wrap; }}\niframe {{ width: 100%; height: 80vh; border: 1px solid #ccc; }}\n</style>\n</head>\n<body>\n\
         <h1>{}</h1>\n<table>\n",
        if fr { "fr" } else { "en" },
        escaped(title),
        escaped(title)
    );
    for (name, french, english) in ROWS.into_iter().skip(1) {
        let values: Vec<String> = message.fields(name).map(|field| escaped(message.text_of(field).trim())).collect();
        if !values.is_empty() {
            out.push_str(&format!("<tr><th>{}</th><td>{}</td></tr>\n", if fr { french } else { english }, values.join("<br>")));
        }
    }
    if !files.is_empty() {
        let names: Vec<String> = files.iter().map(|file| escaped(&file.name)).collect();
        let label = if fr { "Pièces jointes" } else { "Attachments" };
        out.push_str(&format!("<tr><th>{label}</th><td>{}</td></tr>\n", names.join("<br>")));
    }
    out.push_str("</table>\n<hr>\n");
    for part in shown(message) {
        let (text, _) = part.text(message.raw);
        if part.content_type == "text/html" {
            // Nothing runs in a sandbox without permissions; nothing is fetched under this policy but what stands in the page itself.
            let whole = format!(
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\
                 <meta charset=\"utf-8\"><base target=\"_blank\">{}",
                with_pictures(&text, message)
            );
            out.push_str(&format!(
                "<iframe sandbox=\"\" referrerpolicy=\"no-referrer\" srcdoc=\"{}\"></iframe>\n",
                escaped(&whole)
            ));
        } else {
            out.push_str(&format!("<pre>{}</pre>\n", escaped(&text)));
        }
    }
    out.push_str("</body>\n</html>\n");
    out
}

/// The fields that tell what the message is, and how they are called.
const ROWS: [(&str, &str, &str); 5] =
    [("Subject", "Objet", "Subject"), ("From", "De", "From"), ("To", "À", "To"), ("Cc", "Cc", "Cc"), ("Date", "Date", "Date")];

/// `Objet : …`, one field each.
pub(super) fn lines(message: &ParsedMessage<'_>, language: Language) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, french, english) in ROWS {
        for field in message.fields(name) {
            let text = message.text_of(field);
            lines.push(match language {
                Language::Fr => format!("{french} : {}", text.trim()),
                Language::En => format!("{english}: {}", text.trim()),
            });
        }
    }
    lines
}

/// Of alternatives the richest that can be shown, else every text in its order.
fn shown<'p>(message: &'p ParsedMessage<'_>) -> Vec<&'p Part> {
    let mut found = Vec::new();
    collect(message, 0, &mut found);
    found
}

fn collect<'p>(message: &'p ParsedMessage<'_>, index: usize, found: &mut Vec<&'p Part>) {
    let Some(part) = message.parts.get(index) else { return };
    match (part.kind, part.content_type.as_str()) {
        (Kind::Leaf, _) if is_text(part) && is_of_message(message, part) => found.push(part),
        (Kind::Multipart, "multipart/alternative") => {
            let mut best: Vec<&Part> = Vec::new();
            for &child in &part.children {
                let mut these = Vec::new();
                collect(message, child, &mut these);
                let rich = |parts: &[&Part]| parts.iter().any(|part| part.content_type == "text/html");
                if !these.is_empty() && (best.is_empty() || rich(&these) || !rich(&best)) {
                    best = these;
                }
            }
            found.extend(best);
        }
        (Kind::Multipart, _) => part.children.iter().for_each(|&child| collect(message, child, found)),
        (Kind::Leaf | Kind::Message, _) => {}
    }
}

/// `cid:` references (RFC 2392) with the pictures themselves.
fn with_pictures(html: &str, message: &ParsedMessage<'_>) -> String {
    let mut html = html.to_owned();
    let mut room = PICTURES;
    for part in message.leaves().filter(|part| part.content_type.starts_with("image/") && is_of_message(message, part)) {
        let Some(field) = part.field("Content-ID") else { continue };
        let id = message.text_of(field);
        let reference = format!("cid:{}", id.trim().trim_start_matches('<').trim_end_matches('>'));
        if reference.len() < 6 || !html.contains(&reference) {
            continue;
        }
        let (octets, _) = part.decoded(message.raw);
        let safe = part.content_type.bytes().all(|b| b.is_ascii_alphanumeric() || b"/.+-".contains(&b));
        if octets.len() > PICTURE.min(room) || !safe {
            continue;
        }
        room -= octets.len();
        let data = base64::engine::general_purpose::STANDARD.encode(&octets);
        html = html.replace(&reference, &format!("data:{};base64,{data}", part.content_type));
    }
    html
}

pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
