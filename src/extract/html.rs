//! Turns HTML into what is shown, and into all that stands in it besides: hidden text, attributes, comments, scripts.

use super::TextKind;
use super::layout::Layout;
use super::reading::Reading;
use super::style::{Content, Sheet, Style};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

impl Reading {
    /// The shown text as `kind`, the rest as [`TextKind::Alternative`], in one group.
    pub(super) fn html(&mut self, html: &str, place: &str, kind: TextKind, group: u32) {
        self.framed_html(html, place, kind, group, 0);
    }

    fn framed_html(&mut self, html: &str, place: &str, kind: TextKind, group: u32, depth: usize) {
        let rendered = render(html);
        for page in rendered.framed.iter().filter(|_| depth < FRAMES) {
            self.framed_html(page, place, TextKind::Alternative, group, depth + 1);
        }
        self.text(place, kind, group, rendered.shown);
        if let Some(everything) = rendered.everything {
            self.text(place, TextKind::Alternative, group, everything);
        }
        self.text(place, TextKind::Alternative, group, rendered.laid_out);
        self.text(place, TextKind::Alternative, group, rendered.beside);
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rendered {
    /// What a reader shows.
    pub shown: String,
    /// The text with what is hidden, where anything is: another reader may not know how it was hidden.
    pub everything: Option<String>,
    /// Attributes, comments, scripts and style sheets, one per line.
    pub beside: String,
    /// Runs of short texts in the order in which style puts them, and without what only seems to stand among them.
    pub laid_out: String,
    /// Pages inside this one (`srcdoc`), to be rendered themselves.
    pub framed: Vec<String>,
}

/// Pages in pages in pages.
const FRAMES: usize = 3;
/// Open elements that style puts something behind, at most.
const GENERATED: usize = 64;

/// One pass; nesting needs no recursion. Inline elements leave no trace, so `41<b>11</b>` is one number.
pub(super) fn render(html: &str) -> Rendered {
    let mut out = Renderer { sheet: Sheet::of(html), ..Renderer::default() };
    let octets = html.as_bytes();
    let mut at = 0;
    while at < octets.len() {
        let next = memchr::memchr(b'<', &octets[at..]).map_or(octets.len(), |n| at + n);
        if next > at {
            out.text(&html[at..next]);
        }
        if next == octets.len() {
            break;
        }
        at = out.markup(html, next);
    }
    let mut rendered = out.rendered;
    rendered.laid_out = out.layout.finish(&rendered.shown);
    if let Some(everything) = &mut rendered.everything
        && *everything == rendered.shown
    {
        rendered.everything = None;
    }
    rendered
}

/// The charset an HTML file says of itself, where nobody else says one.
pub(super) fn declared_charset(octets: &[u8]) -> Option<&str> {
    let start = &octets[..octets.len().min(1024)];
    let at = memchr::memmem::find(&start.to_ascii_lowercase(), b"charset=")? + 8;
    let rest = &start[at..];
    let rest = rest.strip_prefix(b"\"").or_else(|| rest.strip_prefix(b"'")).unwrap_or(rest);
    let end = rest.iter().position(|b| !b.is_ascii_alphanumeric() && !b"-_:.".contains(b)).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok().filter(|label| !label.is_empty())
}

#[derive(Default)]
struct Renderer {
    rendered: Rendered,
    /// Open elements below the outermost hidden one: its name and how many of the same name are open in it.
    hidden: Option<(String, usize)>,
    /// The same for the outermost element that shows its text from right to left.
    turned: Option<(String, usize)>,
    sheet: Sheet,
    layout: Layout,
    /// What style puts behind open elements, with their names.
    after: Vec<(String, String)>,
    /// Attribute values already told, by hash: a class that stands on each of a thousand paragraphs is told once.
    told: HashSet<u64>,
    preformatted: usize,
}

const BLOCKS: [&str; 40] = [
    "p",
    "div",
    "tr",
    "table",
    "li",
    "ul",
    "ol",
    "dl",
    "dt",
    "dd",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "br",
    "hr",
    "pre",
    "blockquote",
    "section",
    "article",
    "header",
    "footer",
    "nav",
    "aside",
    "main",
    "form",
    "fieldset",
    "address",
    "center",
    "figure",
    "figcaption",
    "caption",
    "title",
    "body",
    "html",
    "option",
    "textarea",
    "details",
];
const EMPTY: [&str; 14] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "param"];

impl Renderer {
    fn text(&mut self, text: &str) {
        if self.hidden.is_none() {
            let before = self.rendered.shown.len();
            push_text(&mut self.rendered.shown, text, self.preformatted > 0);
            self.layout.text(&self.rendered.shown, before);
        }
        if let Some(everything) = &mut self.rendered.everything {
            push_text(everything, text, self.preformatted > 0);
        }
    }

    /// Reads what begins with `<` at `start`; returns where the text goes on.
    fn markup(&mut self, html: &str, start: usize) -> usize {
        let rest = &html[start..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            // HTML ends an empty comment early; conditional comments are shown by old Outlook.
            let (inner, end) = match comment.find("-->") {
                _ if comment.starts_with('>') => ("", 1),
                Some(n) => (&comment[..n], n + 3),
                None => (comment, comment.len()),
            };
            self.beside(inner);
            return start + 4 + end;
        }
        if rest.starts_with("<!") || rest.starts_with("<?") {
            let end = rest.find('>').map_or(rest.len(), |n| n + 1);
            if !rest[..end].to_ascii_lowercase().starts_with("<!doctype") {
                self.beside(rest[2..end].trim_end_matches('>'));
            }
            return start + end;
        }
        let closing = rest.starts_with("</");
        let name_at = if closing { 2 } else { 1 };
        if !rest.as_bytes().get(name_at).is_some_and(u8::is_ascii_alphabetic) {
            // No element begins here: the sign is text (HTML §13.2.5.6).
            self.text("<");
            return start + 1;
        }
        let name_end =
            rest[name_at..].find(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).map_or(rest.len(), |n| name_at + n);
        let name = rest[name_at..name_end].to_ascii_lowercase();
        let (attributes, end) = attributes(&rest[name_end..]);
        let end = start + name_end + end;
        let name = name.rsplit_once(':').map_or(name.as_str(), |(_, local)| local).to_owned();
        if closing {
            // Readers drop what an end tag bears besides its name.
            if !attributes.is_empty() {
                self.beside(html[start + name_end..end].trim_end_matches('>'));
            }
            self.close(&name);
            return end;
        }
        self.open(&name, &attributes);
        match name.as_str() {
            "script" | "style" | "xmp" | "noembed" => {
                let close = find_close(&html[end..], &name);
                self.beside(&html[end..end + close]);
                end + close
            }
            _ => end,
        }
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        for (key, value) in attributes {
            // Layout says nothing; everything else may be shown, followed or copied.
            let layout = key.eq_ignore_ascii_case("style") && !value.to_ascii_lowercase().contains("content");
            if value.len() >= 4 && !layout && !value.starts_with('#') {
                let mut hasher = DefaultHasher::new();
                value.hash(&mut hasher);
                if self.told.insert(hasher.finish()) {
                    self.beside(value);
                }
            }
        }
        let style = self.sheet.style(name, attributes);
        let empty = EMPTY.contains(&name);
        match &mut self.hidden {
            Some((outer, open)) => *open += usize::from(outer == name && !empty),
            None if !empty && (name == "template" || style.hidden) => {
                self.keep_everything();
                self.hidden = Some((name.to_owned(), 1));
            }
            None => {}
        }
        self.preformatted += usize::from(name == "pre");
        self.separate(name);
        let value =
            |wanted: &str| attributes.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map_or("", |(_, value)| *value);
        match name {
            // A form's field shows its value: fifteen of one digit each are a number.
            "input" if !value("type").eq_ignore_ascii_case("hidden") => self.text(value("value")),
            // A reader that fetches no pictures shows these; longer ones are told beside.
            "img" if value("alt").len() < 4 && value("alt").contains(char::is_alphanumeric) => self.text(value("alt")),
            "iframe" if !value("srcdoc").is_empty() => {
                let mut page = String::new();
                push_text(&mut page, value("srcdoc"), true);
                self.rendered.framed.push(page);
            }
            _ => {}
        }
        if empty {
            return;
        }
        match &mut self.turned {
            Some((outer, open)) => *open += usize::from(outer == name),
            None if style.turned => {
                self.turned = Some((name.to_owned(), 1));
                self.text("\u{202e}");
            }
            None => {}
        }
        if self.hidden.is_none() {
            self.layout.open(name, &style, &self.rendered.shown);
            self.generated(name, &style, attributes);
        }
    }

    /// What style puts before and behind an element is shown by those who obey it, and only by them.
    fn generated(&mut self, name: &str, style: &Style, attributes: &[(&str, &str)]) {
        let text = |content: &Option<Content>| {
            content.as_ref().map(|content| content.text(attributes)).filter(|text| !text.is_empty())
        };
        if let Some(before) = text(&style.before) {
            self.insert(&before);
        }
        if let Some(after) = text(&style.after)
            && self.after.len() < GENERATED
        {
            self.after.push((name.to_owned(), after));
        }
    }

    fn insert(&mut self, generated: &str) {
        self.keep_everything();
        let before = self.rendered.shown.len();
        self.rendered.shown.push_str(generated);
        self.layout.text(&self.rendered.shown, before);
    }

    fn keep_everything(&mut self) {
        if self.rendered.everything.is_none() {
            self.rendered.everything = Some(self.rendered.shown.clone());
        }
    }

    fn close(&mut self, name: &str) {
        if self.hidden.is_none() {
            if let Some((_, after)) = self.after.pop_if(|(open, _)| open == name) {
                self.insert(&after);
            }
            self.layout.close(name, &self.rendered.shown);
        }
        if let Some((outer, open)) = &mut self.hidden
            && outer == name
        {
            *open -= 1;
            if *open == 0 {
                self.hidden = None;
            }
        }
        if let Some((outer, open)) = &mut self.turned
            && outer == name
        {
            *open -= 1;
            if *open == 0 {
                self.turned = None;
                self.text("\u{202c}");
            }
        }
        if name == "pre" {
            self.preformatted = self.preformatted.saturating_sub(1);
        }
        if name != "td" && name != "th" {
            self.separate(name);
        }
    }

    fn separate(&mut self, name: &str) {
        let separator = match name {
            "td" | "th" => '\t',
            name if BLOCKS.contains(&name) => '\n',
            _ => return,
        };
        let everything = self.rendered.everything.as_mut();
        for out in [self.hidden.is_none().then_some(&mut self.rendered.shown), everything].into_iter().flatten() {
            let trimmed = out.trim_end_matches(' ').len();
            out.truncate(trimmed);
            // The first cell of a row and the first line of all need no separator before them.
            if !(out.is_empty() || out.ends_with('\n')) {
                out.push(separator);
            }
        }
    }

    fn beside(&mut self, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            push_text(&mut self.rendered.beside, text, true);
            self.rendered.beside.push('\n');
        }
    }
}

/// White space runs become one blank, as on the screen; entities become characters.
fn push_text(out: &mut String, text: &str, preformatted: bool) {
    let mut rest = text;
    while !rest.is_empty() {
        let stop = if preformatted {
            memchr::memchr(b'&', rest.as_bytes())
        } else {
            rest.bytes().position(|b| matches!(b, b'&' | b' ' | b'\t' | b'\r' | b'\n'))
        };
        let stop = stop.unwrap_or(rest.len());
        out.push_str(&rest[..stop]);
        rest = &rest[stop..];
        let Some(&first) = rest.as_bytes().first() else { break };
        if first == b'&' {
            rest = entity(rest, out);
            continue;
        }
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if !out.is_empty() && !out.ends_with([' ', '\n', '\t']) {
            out.push(' ');
        }
    }
}

/// One character reference (HTML §13.2.5.72), with or without its semicolon.
fn entity<'x>(text: &'x str, out: &mut String) -> &'x str {
    let body = &text[1..];
    if let Some(number) = body.strip_prefix('#') {
        let (digits, radix) = match number.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16),
            None => (number, 10),
        };
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        if end > 0 {
            let digit = |c: char| c.to_digit(radix).unwrap_or(0);
            let code = digits[..end].chars().fold(0u32, |code, c| code.saturating_mul(radix).saturating_add(digit(c)));
            // 128 to 159 are windows-1252 in every reader.
            let c = match code {
                0x80..=0x9f => crate::mime::text_in_charset(&[code as u8], Some("windows-1252")).0.chars().next(),
                code => char::from_u32(code),
            };
            out.push(c.unwrap_or('\u{fffd}'));
            return digits[end..].strip_prefix(';').unwrap_or(&digits[end..]);
        }
    } else {
        let end = body.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(body.len()).min(32);
        let mut known = String::new();
        if end > 0 {
            let token = format!("&{};", &body[..end]);
            mail_parser::decoders::html::add_html_token(&mut known, token.as_bytes(), false);
            if known != token {
                out.push_str(&known);
                return body[end..].strip_prefix(';').unwrap_or(&body[end..]);
            }
            // Without semicolon old names count at the beginning of a word too: `&nbsp1111`.
            for name in ["nbsp", "amp", "lt", "gt", "quot", "shy", "eacute", "egrave", "agrave", "ccedil"] {
                if let Some(after) = body.strip_prefix(name) {
                    let token = format!("&{name};");
                    mail_parser::decoders::html::add_html_token(out, token.as_bytes(), false);
                    return after;
                }
            }
        }
    }
    out.push('&');
    body
}

/// The attributes up to the end of the tag, and where that is.
fn attributes(text: &str) -> (Vec<(&str, &str)>, usize) {
    let mut found = Vec::new();
    let octets = text.as_bytes();
    let mut at = 0;
    loop {
        while at < octets.len() && (octets[at].is_ascii_whitespace() || octets[at] == b'/') {
            at += 1;
        }
        if at >= octets.len() {
            return (found, octets.len());
        }
        if octets[at] == b'>' {
            return (found, at + 1);
        }
        let start = at;
        // A name may begin with `=`; so at least one octet is taken.
        at += 1;
        while at < octets.len() && !octets[at].is_ascii_whitespace() && !matches!(octets[at], b'=' | b'>' | b'/') {
            at += 1;
        }
        let name = text.get(start..at).unwrap_or("");
        let mut next = at;
        while next < octets.len() && octets[next].is_ascii_whitespace() {
            next += 1;
        }
        if octets.get(next) != Some(&b'=') {
            found.push((name, ""));
            continue;
        }
        at = next + 1;
        while at < octets.len() && octets[at].is_ascii_whitespace() {
            at += 1;
        }
        let value = match octets.get(at) {
            Some(&quote @ (b'"' | b'\'')) => {
                let start = at + 1;
                let end = memchr::memchr(quote, &octets[start..]).map_or(octets.len(), |n| start + n);
                at = (end + 1).min(octets.len());
                &text[start..end]
            }
            _ => {
                let start = at;
                while at < octets.len() && !octets[at].is_ascii_whitespace() && octets[at] != b'>' {
                    at += 1;
                }
                &text[start..at]
            }
        };
        if found.len() < 1_000 {
            found.push((name, value));
        }
    }
}

fn find_close(text: &str, name: &str) -> usize {
    let octets = text.as_bytes();
    memchr::memmem::find_iter(octets, b"</")
        .find(|at| octets.get(at + 2..at + 2 + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes())))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_as_it_is_shown() {
        for (html, shown) in [
            ("<p>Un<b>e</b>  ligne</p><p>deux", "Une ligne\ndeux"),
            ("4111&nbsp;1111<span> 11</span>11&#x31;&#49;", "4111\u{a0}1111 111111"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c<td>d</table>", "a\tb\nc\td\n"),
            ("a<br>b<BR/>c", "a\nb\nc"),
            ("a < b &eacute;&amp;&unknown; &lt;b&gt;", "a < b é&&unknown; <b>"),
            ("<script>no()</script>x<style>p{}</style>y", "xy"),
            ("x<!-- hidden -->y<!doctype html>", "xy"),
            ("<p title='>'>x</p>", "x\n"),
            ("41<span style='display:none'>zz</span>11", "4111"),
            ("41<i hidden><i>zz</i>z</i>11", "4111"),
            ("<style>.h { display : none }</style>41<b class='x h'>zz</b>11", "4111"),
            ("<pre>a\n  b</pre>", "a\n  b\n"),
            ("&#128;&#xfffffff;", "€\u{fffd}"),
            ("<", "<"),
            ("<a href=", ""),
            ("é<é", "é<é"),
        ] {
            assert_eq!(render(html).shown, shown, "{html}");
        }
    }

    #[test]
    fn what_is_not_shown_is_read_beside() {
        let rendered = render(
            "<a href=\"https://x.example/?a=1&amp;b=2\" title='IBAN'>y</a><!-- note -->41<b style=\"font-size:0px\">22</b><script>var k='s'</script>",
        );
        assert_eq!(rendered.beside, "https://x.example/?a=1&b=2\nIBAN\nnote\nvar k='s'\n");
        assert_eq!(rendered.everything.as_deref(), Some("y4122"));
        assert_eq!(render("<p>x</p>").everything, None);
    }
}
