//! Turns style attributes and style sheets into what they do to the order and the sight of text: hide it, turn it round, place it
//! elsewhere, put text before or behind it. A browser knows a thousand more; these are the ways in which mail has been disguised.

use super::disguise::unescape_backslash;
use std::collections::HashMap;

/// Rules of one page that are read, and characters that one of them may put before or behind.
const RULES: usize = 10_000;
const CONTENT: usize = 200;
/// What is moved further than this beside the screen is not seen.
const BESIDE: f64 = 100.0;

/// What style does to one element.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Style {
    pub hidden: bool,
    /// White, as the page mostly is.
    pub white: bool,
    /// Its letters run from right to left (CSS Writing Modes §2.2).
    pub turned: bool,
    /// Its children stand in the reverse order.
    pub reversed: bool,
    /// Where it stands among its neighbours.
    pub place: Option<Place>,
    pub before: Option<Content>,
    pub after: Option<Content>,
    /// Two of which together turn letters round: one alone turns only the order of what stands in it.
    right_to_left: bool,
    overridden: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// Each next one to the left of the one before.
    FloatsRight,
    At(f64),
}

/// Generated text (CSS Content §2): pieces in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Content(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Attribute(String),
}

/// The rules of a page that do such things, by the last simple part of their selectors: `.class`, `#id`, `[attribute`, `element`.
#[derive(Debug, Default)]
pub(super) struct Sheet(HashMap<String, Style>);

/// Where a rule names an element alone, it is obeyed for those that only mark words: else a sheet for telephones would hide the table
/// that a whole mail stands in.
const INLINE: [&str; 22] = [
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "em", "font", "i", "ins", "kbd", "q", "s", "small", "span",
    "strong", "tt", "u", "var",
];

impl Sheet {
    /// All style sheets inside a page.
    pub fn of(html: &str) -> Sheet {
        let mut sheet = Sheet::default();
        let octets = html.as_bytes();
        let mut left = RULES;
        let mut from = 0;
        while let Some(at) = memchr::memchr(b'<', &octets[from..]).map(|n| from + n) {
            from = at + 1;
            if octets.get(at + 1..at + 6).is_some_and(|name| name.eq_ignore_ascii_case(b"style")) {
                let start = memchr::memchr(b'>', &octets[at..]).map_or(octets.len(), |n| at + n + 1);
                let end = memchr::memmem::find(&octets[start..], b"</").map_or(octets.len(), |n| start + n);
                sheet.read(&html[start..end], &mut left);
                from = end;
            }
        }
        sheet
    }

    fn read(&mut self, text: &str, left: &mut usize) {
        for rule in text.split('}') {
            let Some((selectors, declarations)) = rule.rsplit_once('{') else { continue };
            *left = left.saturating_sub(1);
            let style = Style::of(declarations);
            if *left == 0 || style == Style::default() && !declares_content(declarations) {
                continue;
            }
            // Inside `@media … {` and behind comments.
            let selectors = selectors.rsplit(['{', ';']).next().unwrap_or("");
            let selectors = selectors.rsplit_once("*/").map_or(selectors, |(_, selectors)| selectors);
            for selector in selectors.split(',') {
                self.add(selector.trim(), style.clone(), declarations);
            }
        }
    }

    fn add(&mut self, selector: &str, mut style: Style, declarations: &str) {
        let last = selector.rsplit([' ', '>', '+', '~']).next().unwrap_or("").to_ascii_lowercase();
        let (last, pseudo) =
            last.split_once(':').map_or((last.as_str(), ""), |(last, pseudo)| (last, pseudo.trim_start_matches(':')));
        match pseudo {
            "before" | "after" => {
                let content = content(declarations);
                style = Style::default();
                if pseudo == "before" { style.before = content } else { style.after = content }
            }
            _ => {}
        }
        let key = if let Some(at) = last.rfind('#') {
            last[at..].to_owned()
        } else if let Some(at) = last.rfind('.') {
            last[at..].to_owned()
        } else if let Some(at) = last.rfind('[') {
            last[at..].trim_end_matches(']').split(['=', '~', '^', '$', '*', '|']).next().unwrap_or("").to_owned()
        } else if INLINE.contains(&last) || style.before.is_some() || style.after.is_some() {
            last.to_owned()
        } else {
            return;
        };
        if key.len() > 1 || key.starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.0.entry(key).or_default().and(style);
        }
    }

    /// What all rules and attributes do to one element.
    pub fn style(&self, name: &str, attributes: &[(&str, &str)]) -> Style {
        let mut style = Style { overridden: name == "bdo", ..Style::default() };
        for (key, value) in attributes {
            if key.eq_ignore_ascii_case("style") {
                style.and(Style::of(value));
            } else if key.eq_ignore_ascii_case("hidden") {
                style.hidden = true;
            } else if key.eq_ignore_ascii_case("dir") {
                style.right_to_left |= value.trim().eq_ignore_ascii_case("rtl");
            } else if key.eq_ignore_ascii_case("color") {
                style.white |= name == "font" && is_white(value);
            }
        }
        if !self.0.is_empty() {
            self.obey(name, attributes, &mut style);
        }
        style.turned = style.right_to_left && style.overridden;
        style.reversed |= style.right_to_left && !style.overridden;
        style
    }

    fn obey(&self, name: &str, attributes: &[(&str, &str)], style: &mut Style) {
        let mut rule = |key: &str| {
            if let Some(found) = self.0.get(key) {
                style.and(found.clone());
            }
        };
        rule(name);
        for (key, value) in attributes.iter().take(20) {
            rule(&format!("[{}", key.to_ascii_lowercase()));
            if key.eq_ignore_ascii_case("class") {
                value.split_ascii_whitespace().take(20).for_each(|class| rule(&format!(".{}", class.to_ascii_lowercase())));
            } else if key.eq_ignore_ascii_case("id") {
                rule(&format!("#{}", value.to_ascii_lowercase()));
            }
        }
    }
}

impl Style {
    /// Of the declarations of a rule or an attribute. What is declared twice counts twice: readers differ in what they obey.
    fn of(declarations: &str) -> Style {
        let mut style = Style::default();
        let (mut small, mut clipped, mut coloured, mut placed) = (false, false, false, false);
        let (mut left, mut top) = (None, None);
        for declaration in declarations.split(';') {
            let Some((property, value)) = declaration.split_once(':') else { continue };
            let (property, value) = (property.trim(), value.trim());
            if property.len() > 16 {
                continue;
            }
            let is = |name: &str| property.eq_ignore_ascii_case(name);
            let says = |word: &str| contains(value, word);
            if is("display") {
                style.hidden |= says("none");
            } else if is("visibility") {
                style.hidden |= says("hidden") || says("collapse");
            } else if is("font-size") {
                style.hidden |= number(value).is_some_and(|size| size == 0.0 || size <= 1.0 && (says("px") || says("pt")));
            } else if is("max-height") {
                style.hidden |= number(value) == Some(0.0);
            } else if is("width") || is("height") || is("max-width") {
                small |= number(value) == Some(0.0);
            } else if is("overflow") {
                clipped |= says("hidden");
            } else if is("opacity") {
                style.hidden |= number(value).is_some_and(|opacity| opacity < 0.1);
            } else if is("mso-hide") {
                style.hidden |= says("all");
            } else if is("color") {
                style.hidden |= says("transparent");
                style.white |= is_white(value);
            } else if is("background") || is("background-color") {
                coloured = true;
            } else if is("clip") || is("clip-path") {
                style.hidden |=
                    says("rect(0") || says("rect(1px") || says("inset(50%") || says("inset(100%") || says("circle(0");
            } else if is("transform") {
                style.hidden |= says("scale(0)") || says("scale(0,") || says("scalex(0)") || says("scaley(0)");
            } else if is("position") {
                placed |= says("absolute") || says("relative") || says("fixed");
            } else if is("left") || is("right") {
                let offset = number(value);
                left = offset.map(|offset| if is("left") { offset } else { -offset });
                style.hidden |= offset.is_some_and(|offset| offset <= -BESIDE);
            } else if is("top") || is("text-indent") {
                let offset = number(value);
                top = offset.filter(|_| is("top"));
                style.hidden |= offset.is_some_and(|offset| offset <= -BESIDE);
            } else if is("float") && says("right") {
                style.place = Some(Place::FloatsRight);
            } else if is("order") || is("grid-column") {
                style.place = number(value).map(Place::At).or(style.place);
            } else if is("flex-direction") || is("flex-flow") {
                style.reversed |= says("-reverse");
            } else if is("direction") {
                style.right_to_left |= says("rtl");
            } else if is("unicode-bidi") {
                style.overridden |= says("override");
            }
        }
        style.hidden |= small && clipped;
        style.white &= !coloured;
        if placed && let Some(left) = left {
            style.place = Some(Place::At(top.unwrap_or(0.0) * 10_000.0 + left));
        }
        style
    }

    fn and(&mut self, other: Style) {
        self.hidden |= other.hidden;
        self.white |= other.white;
        self.right_to_left |= other.right_to_left;
        self.overridden |= other.overridden;
        self.reversed |= other.reversed;
        self.place = other.place.or(self.place);
        self.before = other.before.or(self.before.take());
        self.after = other.after.or(self.after.take());
    }
}

impl Content {
    /// For an element with these attributes.
    pub fn text(&self, attributes: &[(&str, &str)]) -> String {
        let value =
            |wanted: &str| attributes.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map_or("", |(_, value)| *value);
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Attribute(name) => value(name),
        });
        pieces.collect::<String>().chars().take(CONTENT).collect()
    }
}

fn declares_content(declarations: &str) -> bool {
    contains(declarations, "content")
}

/// `content: "a" attr(b)`.
fn content(declarations: &str) -> Option<Content> {
    let octets = declarations.as_bytes();
    let at = octets.windows(7).position(|name| name.eq_ignore_ascii_case(b"content"))?;
    let mut rest = declarations[at + 7..].trim_start().strip_prefix(':')?;
    let mut pieces = Vec::new();
    while pieces.len() < 20 {
        rest = rest.trim_start();
        if let Some(inner) = rest.strip_prefix(['"', '\'']) {
            let quote = char::from(rest.as_bytes()[0]);
            let end = inner.find(quote).unwrap_or(inner.len());
            pieces.push(Piece::Text(unescape_backslash(&inner[..end])));
            rest = inner.get(end + 1..).unwrap_or("");
        } else if let Some(inner) = rest.strip_prefix("attr(") {
            let end = inner.find(')').unwrap_or(inner.len());
            pieces.push(Piece::Attribute(inner[..end].trim().to_owned()));
            rest = inner.get(end + 1..).unwrap_or("");
        } else {
            break;
        }
    }
    (!pieces.is_empty()).then_some(Content(pieces))
}

/// Does a value hold a word, whatever its case?
fn contains(value: &str, word: &str) -> bool {
    value.as_bytes().windows(word.len()).any(|octets| octets.eq_ignore_ascii_case(word.as_bytes()))
}

/// The number that a value begins with.
fn number(value: &str) -> Option<f64> {
    let end = value.bytes().take(20).take_while(|octet| octet.is_ascii_digit() || matches!(octet, b'.' | b'-' | b'+')).count();
    value[..end].parse().ok()
}

fn is_white(value: &str) -> bool {
    let value: String = value.bytes().filter(|octet| !octet.is_ascii_whitespace()).take(40).map(char::from).collect();
    let value = value.to_ascii_lowercase();
    let value = value.strip_suffix("!important").unwrap_or(&value);
    matches!(value, "white" | "#fff" | "#ffffff" | "rgb(255,255,255)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_style_does_to_an_element() {
        let hidden = Style { hidden: true, ..Style::default() };
        let plain = Style::default();
        let at = |place: f64| Style { place: Some(Place::At(place)), ..Style::default() };
        for (style, wanted) in [
            ("display : none", &hidden),
            ("DISPLAY:NONE !important", &hidden),
            ("display:inline", &plain),
            ("visibility:collapse", &hidden),
            ("font-size:0.0em", &hidden),
            ("font-size:12px; line-height:0", &plain),
            ("opacity:0", &hidden),
            ("opacity:0.9", &plain),
            ("width:0;overflow:hidden", &hidden),
            ("border-width:0; min-width:0; overflow:hidden", &plain),
            ("position:absolute;left:-9999px", &Style { place: Some(Place::At(-9999.0)), ..hidden.clone() }),
            ("margin-left:-9999px", &plain),
            ("position:absolute;left:29.5px", &at(29.5)),
            ("position:absolute;top:2px;left:1px", &at(20_001.0)),
            ("position:absolute;right:5px", &at(-5.0)),
            ("left:5px", &plain),
            ("order:3", &at(3.0)),
            ("border:3px solid", &plain),
            ("float:right", &Style { place: Some(Place::FloatsRight), ..Style::default() }),
            ("flex-direction:row-reverse", &Style { reversed: true, ..Style::default() }),
            ("color:#FFF", &Style { white: true, ..Style::default() }),
            ("color:#fff;background:#000091", &plain),
        ] {
            assert_eq!(Style::of(style), *wanted, "{style}");
        }
    }

    #[test]
    fn letters_run_the_other_way_where_two_declarations_agree() {
        let sheet = Sheet::of("<style>.o{unicode-bidi:bidi-override}.r{direction:rtl}</style>");
        for (name, attributes, turned, reversed) in [
            ("p", &[("style", "direction:rtl")][..], false, true),
            ("p", &[("dir", "RTL")], false, true),
            ("p", &[("style", "direction:rtl;unicode-bidi:bidi-override")], true, false),
            ("p", &[("class", "o"), ("dir", "rtl")], true, false),
            ("p", &[("class", "o r")], true, false),
            ("bdo", &[("dir", "rtl")], true, false),
            ("p", &[("class", "o")], false, false),
        ] {
            let style = sheet.style(name, attributes);
            assert_eq!((style.turned, style.reversed), (turned, reversed), "{name} {attributes:?}");
        }
    }

    #[test]
    fn rules_are_found_by_the_last_part_of_their_selectors() {
        let sheet = Sheet::of(
            "<style>/* x */ p .Z, td.y , #k { display:none } @media screen { .m { display:none } } table{display:none} \
             s{display:none} i[data-h='1']{display:none}.c:before{content:'\\31 8'}q::after{content: \"a\" attr(data-n) ;}</style>",
        );
        let is_hidden = |name: &str, attributes: &[(&str, &str)]| sheet.style(name, attributes).hidden;
        for attributes in [&[("class", "a z")][..], &[("CLASS", "y")], &[("id", "k")], &[("class", "m")], &[("data-h", "")]] {
            assert!(is_hidden("p", attributes), "{attributes:?}");
        }
        assert!(is_hidden("s", &[]) && !is_hidden("table", &[]) && !is_hidden("p", &[("class", "x")]));
        assert_eq!(sheet.style("b", &[("class", "c")]).before.map(|content| content.text(&[])).as_deref(), Some("18"));
        let attributes = [("data-n", "7")];
        assert_eq!(sheet.style("q", &attributes).after.map(|content| content.text(&attributes)).as_deref(), Some("a7"));
    }
}
