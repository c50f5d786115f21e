//! Turns an address list (RFC 5322 §3.4) into mailboxes.

use super::Mailbox;
use super::header::decode_words;
use crate::mail::Address;

/// Reads an unfolded list. Groups are taken apart; what is no address is an entry with `address: None`, never left out, because
/// another reader might find one in it.
pub(super) fn mailboxes(list: &str) -> Vec<Mailbox> {
    entries(list).into_iter().filter(|entry| !entry.trim().is_empty()).map(mailbox).collect()
}

/// Cuts at the commas and semicolons outside quotes, comments and angle brackets, and drops the names of groups.
fn entries(list: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut depth, mut quoted, mut angle) = (0, 0usize, false, false);
    let mut chars = list.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quoted || depth > 0 => drop(chars.next()),
            '"' if depth == 0 => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            '<' => angle = true,
            '>' => angle = false,
            ':' if !angle => start = at + 1,
            ',' | ';' if !angle => {
                found.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&list[start..]);
    found
}

fn mailbox(entry: &str) -> Mailbox {
    let nobody = || Mailbox { name: Some(decode_words(entry.trim())), address: None };
    let Some((plain, comment)) = without_comments(entry) else { return nobody() };
    let text = plain.trim();
    let open = outside_quotes(text, '<');
    let close = outside_quotes(text, '>');
    match (&open[..], &close[..]) {
        ([], []) => {
            let name = comment.map(|comment| decode_words(comment.trim())).filter(|name| !name.is_empty());
            match address(text) {
                Some(address) => Mailbox { name, address: Some(address) },
                None => nobody(),
            }
        }
        // One pair of brackets and nothing behind it: of two, readers take different ones.
        ([open], [close]) if open < close && text[close + 1..].trim().is_empty() => {
            let name = display_name(&text[..*open]).or_else(|| comment.map(|comment| decode_words(comment.trim())));
            Mailbox { name: name.filter(|name| !name.is_empty()), address: address(text[open + 1..*close].trim()) }
        }
        _ => nobody(),
    }
}

/// An encoded word is no local part, though its characters are allowed in one: readers that decode it would see another address.
fn address(text: &str) -> Option<Address> {
    if text.contains("=?") && text.contains("?=") {
        return None;
    }
    Address::parse(text).ok()
}

fn display_name(phrase: &str) -> Option<String> {
    let phrase = phrase.trim();
    if phrase.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(phrase.len());
    let mut quoted = false;
    let mut chars = phrase.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    Some(decode_words(&out).trim().to_owned())
}

/// The entry without its comments, and the text of the last one; `None` when quotes or parentheses do not close.
fn without_comments(entry: &str) -> Option<(String, Option<String>)> {
    let (mut plain, mut comment, mut last) = (String::with_capacity(entry.len()), String::new(), None);
    let (mut depth, mut quoted) = (0usize, false);
    let mut chars = entry.chars();
    while let Some(c) = chars.next() {
        let into = if depth > 0 { &mut comment } else { &mut plain };
        match c {
            '\\' if quoted => into.extend(['\\', chars.next()?]),
            '\\' if depth > 0 => into.push(chars.next()?),
            '"' if depth == 0 => {
                quoted = !quoted;
                into.push(c);
            }
            '(' if !quoted => {
                if depth > 0 {
                    comment.push(c);
                }
                depth += 1;
            }
            ')' if !quoted => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    last = Some(std::mem::take(&mut comment));
                } else {
                    comment.push(c);
                }
            }
            c => into.push(c),
        }
    }
    (depth == 0 && !quoted).then_some((plain, last))
}

fn outside_quotes(text: &str, wanted: char) -> Vec<usize> {
    let mut found = Vec::new();
    let mut quoted = false;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quoted => drop(chars.next()),
            '"' => quoted = !quoted,
            c if c == wanted && !quoted => found.push(at),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_they_are_written() {
        let none: &[(Option<&str>, Option<&str>)] = &[];
        for (list, expected) in [
            ("a@b.example", &[(None, Some("a@b.example"))][..]),
            (
                "Ann <a@b.example>, \"Bob, C.\" <b@c.example>",
                &[(Some("Ann"), Some("a@b.example")), (Some("Bob, C."), Some("b@c.example"))],
            ),
            ("a@b.example (Ann)", &[(Some("Ann"), Some("a@b.example"))]),
            ("=?utf-8?q?=C3=89ric?= <e@f.example>", &[(Some("Éric"), Some("e@f.example"))]),
            ("Team: a@b.example, <c@d.example>;", &[(None, Some("a@b.example")), (None, Some("c@d.example"))]),
            ("undisclosed-recipients:;", none),
            ("\"boss@c.example\" <a@b.example>", &[(Some("boss@c.example"), Some("a@b.example"))]),
            ("<a@b.example> <c@d.example>", &[(Some("<a@b.example> <c@d.example>"), None)]),
            ("a@b.example c@d.example", &[(Some("a@b.example c@d.example"), None)]),
            ("<=?utf-8?q?x=40y?=@b.example>", &[(None, None)]),
            ("a@b.example(", &[(Some("a@b.example("), None)]),
            ("<@relay.example:a@b.example>", &[(None, None)]),
            ("", none),
        ] {
            let read = mailboxes(list);
            let read: Vec<_> = read.iter().map(|m| (m.name.clone(), m.address.as_ref().map(|a| a.to_string()))).collect();
            let expected: Vec<_> = expected.iter().map(|(n, a)| (n.map(str::to_owned), a.map(str::to_owned))).collect();
            assert_eq!(read, expected, "{list}");
        }
    }
}
