//! Turns the short texts that style places beside each other (`float:right`, `order`, `left`, right to left) into the order in which
//! they are seen, and leaves out what is white among them.

use super::style::{Place, Style};

/// Short texts that stand in one order together, and octets of one: what is longer is the layout of a page.
const MOST: usize = 64;
const LONGEST: usize = 24;
/// Octets of what was shown before that are told with them.
const BEFORE: usize = 120;
/// Octets of all this of one page.
const ALL: usize = 64 << 10;
/// White pieces of a page that are left out, octets of one, and how many there must be: white words on a coloured ground are no decoys.
const DECOYS: usize = 2_000;
const LONGEST_DECOY: usize = 4;
const FEWEST_DECOYS: usize = 3;

#[derive(Default)]
pub(super) struct Layout {
    out: String,
    /// The outermost open element of which the children stand in reverse, with how many of its name are open.
    reversed: Option<(String, usize)>,
    /// The same of an element that is placed among its neighbours.
    placed: Option<(String, usize)>,
    place: f64,
    pieces: Vec<(f64, String)>,
    /// Where in the text shown the first of them stands.
    start: usize,
    /// More or longer than anything taken apart.
    long: bool,
    white: Option<(String, usize, usize)>,
    decoys: Vec<std::ops::Range<usize>>,
}

impl Layout {
    pub fn open(&mut self, name: &str, style: &Style, shown: &str) {
        let deeper = |outer: &mut Option<(String, usize)>| {
            if let Some((outer, open)) = outer {
                *open += usize::from(outer == name);
            }
        };
        deeper(&mut self.reversed);
        deeper(&mut self.placed);
        if style.reversed && self.reversed.is_none() && self.placed.is_none() {
            self.flush(shown);
            self.reversed = Some((name.to_owned(), 1));
        }
        if let Some(place) = style.place.filter(|_| self.placed.is_none() && self.reversed.is_none()) {
            self.place = match place {
                Place::FloatsRight => -(self.pieces.len() as f64),
                Place::At(place) => place,
            };
            self.placed = Some((name.to_owned(), 1));
            self.begin(shown.len());
        }
        match &mut self.white {
            Some((outer, open, _)) => *open += usize::from(outer == name),
            None if style.white => self.white = Some((name.to_owned(), 1, shown.len())),
            None => {}
        }
    }

    /// Text that was shown from `from` on.
    pub fn text(&mut self, shown: &str, from: usize) {
        let text = shown.get(from..).unwrap_or("").trim();
        if text.is_empty() {
            return;
        }
        if self.reversed.is_some() {
            let place = -(self.pieces.len() as f64);
            self.begin(from);
            self.piece(place, text);
        } else if self.placed.is_some() {
            match self.pieces.last_mut() {
                Some((_, piece)) => {
                    piece.push_str(text);
                    self.long |= piece.len() > LONGEST;
                }
                None => self.piece(self.place, text),
            }
        } else {
            self.flush(shown);
        }
    }

    fn begin(&mut self, shown: usize) {
        if self.pieces.is_empty() {
            self.start = shown;
            self.long = false;
        }
        if self.placed.is_some() {
            self.piece(self.place, "");
        }
    }

    fn piece(&mut self, place: f64, text: &str) {
        self.long |= text.len() > LONGEST || self.pieces.len() >= MOST;
        if !self.long {
            self.pieces.push((place, text.to_owned()));
        }
    }

    pub fn close(&mut self, name: &str, shown: &str) {
        let closes = |outer: &mut Option<(String, usize)>| match outer {
            Some((outer_name, open)) if outer_name == name => {
                *open -= 1;
                let closed = *open == 0;
                if closed {
                    *outer = None;
                }
                closed
            }
            _ => false,
        };
        closes(&mut self.placed);
        if closes(&mut self.reversed) {
            self.flush(shown);
        }
        if let Some((outer, open, start)) = &mut self.white
            && outer == name
        {
            *open -= 1;
            if *open == 0 {
                let decoy = *start..shown.len();
                self.white = None;
                let text = shown.get(decoy.clone()).unwrap_or("");
                if self.decoys.len() < DECOYS && text.len() <= LONGEST_DECOY && text.contains(char::is_alphanumeric) {
                    self.decoys.push(decoy);
                }
            }
        }
    }

    fn flush(&mut self, shown: &str) {
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.retain(|(_, piece)| !piece.is_empty());
        let in_order = pieces.is_sorted_by(|a, b| a.0 <= b.0);
        if std::mem::take(&mut self.long) || pieces.len() < 3 || in_order || self.out.len() > ALL {
            return;
        }
        pieces.sort_by(|a, b| a.0.total_cmp(&b.0));
        let single = pieces.iter().all(|(_, piece)| piece.chars().nth(1).is_none());
        let pieces: Vec<String> = pieces.into_iter().map(|(_, piece)| piece).collect();
        let mut from = self.start.saturating_sub(BEFORE).min(shown.len());
        while !shown.is_char_boundary(from) {
            from += 1;
        }
        self.out.push_str(shown.get(from..self.start).unwrap_or(""));
        self.out.push(' ');
        self.out.push_str(&pieces.join(if single { "" } else { " " }));
        self.out.push('\n');
    }

    /// All that was put in order, and the text without its white pieces.
    pub fn finish(mut self, shown: &str) -> String {
        self.flush(shown);
        if self.decoys.len() >= FEWEST_DECOYS {
            let mut at = 0;
            for decoy in &self.decoys {
                self.out.push_str(shown.get(at..decoy.start).unwrap_or(""));
                at = decoy.end;
            }
            self.out.push_str(shown.get(at..).unwrap_or(""));
        }
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::super::html::render;

    #[test]
    fn short_texts_are_read_in_the_order_in_which_they_are_seen() {
        for (html, wanted) in [
            ("x <b style='float:right'>3</b><b style='float:right'>2</b><b style='float:right'>1</b>", "x  123\n"),
            ("x<p><i style='order:2'>2a</i> <i style='order:3'>3</i> <i style='order:1'>1</i></p>", "x\n 1 2a 3\n"),
            ("<p>x</p><div style='direction:rtl'><i>3</i><i>2</i><i>1</i></div>y", "x\n 123\n"),
            ("<table dir=rtl><tr><td>03</td><td>2</td><td>1</td></tr></table>", " 1 2 03\n"),
            ("1<b style='color:#fff'>9</b>2<b style='color:white'>9</b>3<font color=white>9</font>4", "1234"),
            // Nothing of this is out of order or short.
            ("<b style='float:right'>1</b> text <b style='float:right'>2</b> text", ""),
            ("<div dir=rtl>مرحبا كيف حالك اليوم يا صديقي العزيز</div>", ""),
            ("<i style='order:1'>1</i><i style='order:2'>2</i><i style='order:3'>3</i>", ""),
            ("<td style='color:#fff'>Préfecture</td><td style='color:#fff'>de</td>", ""),
        ] {
            assert_eq!(render(html).laid_out, wanted, "{html}");
        }
    }

    #[test]
    fn what_style_puts_in_is_shown_and_the_text_without_it_is_read_too() {
        let rendered =
            render("<style>.a::before{content:'8'}.b::after{content:attr(x)}</style>1<i class=a></i>5<i class=b x=05>z</i>");
        assert_eq!((rendered.shown.as_str(), rendered.everything.as_deref()), ("185z05", Some("15z")));
    }
}
