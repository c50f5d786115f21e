//! Turns figures into small drawings (SVG) that stand in a page and on paper, without any script.

use std::fmt::Write;

/// Text that is safe between tags and inside an attribute in double quotes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control signs are not allowed in a page; those that turn the direction of writing could disguise a name.
            c if c.is_control() || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}') => {
                out.push('\u{FFFD}');
            }
            c => out.push(c),
        }
    }
    out
}

/// One part of a stacked bar.
pub struct Share<'a> {
    pub name: &'a str,
    pub count: u64,
    /// A class of the page's style.
    pub class: &'static str,
}

const WIDTH: f64 = 960.0;
/// Room for the name at the left of a bar.
const NAME: f64 = 150.0;
/// Narrower parts bear no figure: it would not fit.
const WIDE_ENOUGH: f64 = 34.0;

/// One bar per row, each as long as the whole width, parted by shares.
pub fn stacked(title: &str, rows: &[(&str, Vec<Share<'_>>)]) -> String {
    const HEIGHT: f64 = 44.0;
    let height = rows.len() as f64 * HEIGHT;
    let mut svg = opening(title, height);
    for (n, (name, shares)) in rows.iter().enumerate() {
        let (top, whole) = (n as f64 * HEIGHT, shares.iter().map(|share| share.count).sum::<u64>().max(1));
        label(&mut svg, NAME - 10.0, top + 25.0, name);
        let mut left = NAME;
        for share in shares.iter().filter(|share| share.count > 0) {
            let width = (WIDTH - NAME) * share.count as f64 / whole as f64;
            let _ = write!(
                svg,
                "<rect class=\"{}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"32\"><title>{}: {}</title></rect>",
                share.class,
                top + 4.0,
                escaped(share.name),
                share.count
            );
            if width >= WIDE_ENOUGH {
                let _ = write!(
                    svg,
                    "<text class=\"in\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    left + width / 2.0,
                    top + 25.0,
                    share.count
                );
            }
            left += width;
        }
    }
    svg.push_str("</svg>");
    svg
}

/// One row per name with a bar for each figure, all on one scale; the figure stands behind its bar. `names`: the room for them.
pub fn bars(title: &str, names: f64, rows: &[(String, Vec<(u64, &'static str)>)]) -> String {
    const BAR: f64 = 13.0;
    const GAP: f64 = 11.0;
    let most = rows.iter().flat_map(|row| &row.1).map(|bar| bar.0).max().unwrap_or(0).max(1);
    let height_of = |row: &(String, Vec<(u64, &str)>)| row.1.len() as f64 * BAR + GAP;
    let mut svg = opening(title, rows.iter().map(height_of).sum());
    let mut top = 0.0;
    for row in rows {
        let height = height_of(row);
        label(&mut svg, names - 10.0, top + height / 2.0 + 4.0, &row.0);
        for (n, (count, class)) in row.1.iter().enumerate() {
            let width = (WIDTH - names - 60.0) * *count as f64 / most as f64;
            let y = top + GAP / 2.0 + n as f64 * BAR;
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{names}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\
                 <text class=\"out\" x=\"{:.1}\" y=\"{:.1}\">{count}</text>",
                width.max(if *count > 0 { 1.5 } else { 0.0 }),
                BAR - 1.5,
                names + width + 6.0,
                y + BAR - 3.0
            );
        }
        top += height;
    }
    svg.push_str("</svg>");
    svg
}

/// The share that was right, with the interval in which the truth lies.
pub fn interval(precision: f64, low: f64, high: f64) -> String {
    const LONG: f64 = 160.0;
    format!(
        "<svg class=\"interval\" viewBox=\"0 0 {LONG} 14\" role=\"img\" aria-label=\"{:.0} %\">\
         <rect class=\"track\" x=\"0\" y=\"5\" width=\"{LONG}\" height=\"4\" rx=\"2\"/>\
         <rect class=\"range\" x=\"{:.1}\" y=\"3\" width=\"{:.1}\" height=\"8\" rx=\"4\"/>\
         <circle class=\"point\" cx=\"{:.1}\" cy=\"7\" r=\"4\"/></svg>",
        precision * 100.0,
        low * LONG,
        ((high - low) * LONG).max(2.0),
        (precision * LONG).clamp(4.0, LONG - 4.0)
    )
}

fn opening(title: &str, height: f64) -> String {
    format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{0}\"><title>{0}</title>",
        escaped(title)
    )
}

fn label(svg: &mut String, x: f64, y: f64, text: &str) {
    let _ = write!(svg, "<text class=\"name\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_message_becomes_markup() {
        assert_eq!(escaped("<b onload=\"x\">'&\u{7}\u{202e}é"), "&lt;b onload=&quot;x&quot;&gt;&#39;&amp;\u{fffd}\u{fffd}é");
        let svg = bars("a<b", 300.0, &[("</text><script>".into(), vec![(1, "old")])]);
        assert!(!svg.contains("<script>") && svg.contains("a&lt;b"), "{svg}");
    }

    #[test]
    fn a_stacked_bar_is_as_long_as_its_shares() {
        let share = |count| Share { name: "x", count, class: "allow" };
        let svg = stacked("t", &[("row", vec![share(1), share(0), share(3)])]);
        let widths: Vec<f64> =
            svg.split("width=\"").skip(1).map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect();
        assert_eq!(widths, [202.5, 607.5]);
    }
}
