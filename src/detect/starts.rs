//! Turns beginnings of words into those shapes and expressions that can match there.
//!
//! Up to 64 of them are tested together, one bit each: by the digits that follow, by the length of the word, by its first four
//! octets. What begins with letters and needs digits costs nothing in prose.

use super::literals::{Literals, Spans};
use super::normalize::Normalized;
use super::reach::WordForm;
use super::shape::{MAX_ELEMENTS, MAX_SEPARATORS, Shape, View};
use super::windows::{Around, Windows};

/// Octets after a word's beginning in which its digits are counted.
const DIGIT_WINDOW: usize = 64;

/// Letters and digits of a word from which on its length tells more than its first octets.
const LONG: usize = 12;

/// A shape or expression that begins where a word begins.
pub(crate) struct Start {
    pub rule: usize,
    /// Index and letters and digits of the shape, for a rule of shapes.
    pub shape: Option<(usize, usize)>,
    /// That must follow in [`DIGIT_WINDOW`] octets.
    digits: u32,
    /// How many letters and digits the word can have: one bit each; the highest for 63 and more.
    runs: u64,
    /// Behind how many letters and digits the shape has a space: one bit each.
    gaps: u64,
    /// For each of the first four octets the 256 that are possible.
    first: Box<[[bool; 256]; 4]>,
}

/// All starts of a rule set.
pub(crate) struct Starts {
    groups: Vec<Group>,
    /// For each rule where its starts are: group and bits.
    bits: Vec<Vec<(usize, u64)>>,
    /// The starts of rules that are searched for everywhere.
    free: Vec<u64>,
    /// Letters and digits of the longest shape.
    longest_shape: usize,
    /// For each octet the groups that have a start with it: those that need no digit, and all.
    beginning: Vec<[Vec<usize>; 2]>,
    /// Whether anything that is searched for everywhere can begin a word shorter than [`LONG`] with three given octets: what needs no
    /// digit, and all.
    first_three: [FirstThree; 2],
}

/// One bit for each three classes of octets: 4096 words of 64 bits, the third octet chooses the bit.
struct FirstThree(Box<[u64; 4096]>);

/// Letters in both cases and digits each for themselves, other ASCII together, the rest together.
static CLASS: [u8; 256] = {
    let mut class = [63; 256];
    let mut octet = 0;
    while octet < 128 {
        class[octet] = match octet as u8 {
            lower @ b'a'..=b'z' => lower - b'a',
            upper @ b'A'..=b'Z' => upper - b'A' + 26,
            digit @ b'0'..=b'9' => digit - b'0' + 52,
            _ => 62,
        };
        octet += 1;
    }
    class
};

impl FirstThree {
    fn of<'s>(starts: impl Iterator<Item = &'s Start>) -> FirstThree {
        let mut words = Box::new([0u64; 4096]);
        for start in starts.filter(|start| start.runs & ((1 << LONG) - 1) != 0) {
            let classes = |set: &[bool; 256]| {
                let allowed = set.iter().zip(&CLASS).filter(|(allowed, _)| **allowed);
                allowed.fold(0u64, |classes, (_, class)| classes | 1 << class)
            };
            let [first, second, third, _] = &*start.first;
            let (first, second, third) = (classes(first), classes(second), classes(third));
            for (place, word) in words.iter_mut().enumerate() {
                if first >> (place >> 6) & second >> (place & 63) & 1 == 1 {
                    *word |= third;
                }
            }
        }
        FirstThree(words)
    }

    #[inline(always)]
    fn has(&self, padded: &[u8], at: usize) -> bool {
        let Some(&[first, second, third]) = padded.get(at..at + 3) else { return true };
        let class = |octet: u8| usize::from(CLASS[usize::from(octet)]);
        self.0[class(first) << 6 | class(second)] >> class(third) & 1 == 1
    }
}

/// Up to 64 starts.
struct Group {
    starts: Vec<Start>,
    tables: Box<[[u64; 256]; 4]>,
    /// By how many digits follow, and by the length of the word.
    enough: [u64; DIGIT_WINDOW + 1],
    of_run: [u64; 64],
    /// Those that are shapes, and those of each length.
    shapes: u64,
    of_length: [u64; MAX_ELEMENTS + 1],
    /// Shapes that have a space behind so many letters and digits.
    gap_behind: [u64; MAX_ELEMENTS + 1],
}

/// A beginning of a word.
pub(crate) struct At<'v> {
    pub place: usize,
    /// Letters and digits that a shape may have here, at most.
    pub most: usize,
    /// What is read of it for shapes, once that has been done.
    pub view: &'v mut Option<View>,
}

/// The words that one word begins, as far as separators allow: letters and digits up to the end of each, and whether it is set apart
/// from the one before as no shape writes it.
struct Chain {
    ends: [(u8, bool); MAX_ELEMENTS],
    count: usize,
    /// What follows is not known.
    open: bool,
}

impl Start {
    pub fn of_shape(rule: usize, index: usize, shape: &Shape) -> Start {
        // In another grouping than the shape's any length of the first word is right.
        let runs = u64::MAX >> (63 - shape.length());
        let allows = |place: usize, byte: u8| shape.allows(place, byte);
        let start = Start::new(rule, Some((index, shape.length())), runs, (shape.digits, shape.longest()), allows);
        Start { gaps: shape.gaps(), ..start }
    }

    pub fn of_word(rule: usize, form: &WordForm) -> Start {
        Start::new(rule, None, form.runs, (form.digits, form.window), |place, byte| form.first[place].contains(byte))
    }

    fn new(
        rule: usize,
        shape: Option<(usize, usize)>,
        runs: u64,
        (digits, window): (u32, usize),
        allows: impl Fn(usize, u8) -> bool,
    ) -> Start {
        let mut first = Box::new([[false; 256]; 4]);
        for (place, set) in first.iter_mut().enumerate() {
            (0..=255u8).for_each(|byte| set[usize::from(byte)] = allows(place, byte));
        }
        // Digits beyond the window cannot be counted, so then none are asked for.
        let digits = if window <= DIGIT_WINDOW { digits } else { 0 };
        Start { rule, shape, digits, runs, gaps: 0, first }
    }

    /// What it begins with: digits only, letters only, capitals only, anything.
    fn kind(&self) -> u8 {
        let any = |from: u8, to: u8| (from..=to).any(|octet| self.first[0][usize::from(octet)]);
        match (any(b'0', b'9'), any(b'A', b'Z'), any(b'a', b'z')) {
            (true, false, false) => 0,
            (false, true, false) => 1,
            (false, _, _) => 2,
            _ => 3,
        }
    }
}

impl Starts {
    /// `windows` tells which rules are searched for around their labels only.
    pub fn new(mut starts: Vec<Start>, windows: &Windows, rules: usize) -> Starts {
        let longest_shape = starts.iter().filter_map(|start| start.shape).map(|shape| shape.1).max().unwrap_or(0);
        let mut all = Starts {
            groups: Vec::new(),
            bits: vec![Vec::new(); rules],
            free: Vec::new(),
            longest_shape,
            beginning: (0..256).map(|_| [Vec::new(), Vec::new()]).collect(),
            first_three: [
                FirstThree::of(starts.iter().filter(|start| start.digits == 0 && !windows.has(start.rule))),
                FirstThree::of(starts.iter().filter(|start| !windows.has(start.rule))),
            ],
        };
        // Together stand those that need digits, that are looked for near labels only, and that begin alike: so few groups are
        // looked at for any one word.
        let kind = |start: &Start| (start.digits > 0, windows.has(start.rule), start.kind());
        starts.sort_by_key(kind);
        let mut starts = starts.into_iter().peekable();
        while let Some(first) = starts.next() {
            let (kind_of_first, number) = (kind(&first), all.groups.len());
            let mut group = vec![first];
            while group.len() < 64
                && let Some(next) = starts.next_if(|start| kind(start) == kind_of_first)
            {
                group.push(next);
            }
            group.iter().enumerate().for_each(|(bit, start)| all.bits[start.rule].push((number, 1 << bit)));
            all.free.push(if kind_of_first.1 { 0 } else { u64::MAX >> (64 - group.len()) });
            let group = Group::new(group);
            let some = all.beginning.iter_mut().zip(&group.tables[0]).filter(|(_, starts)| **starts != 0);
            for ([without, with], _) in some {
                with.push(number);
                if !kind_of_first.0 {
                    without.push(number);
                }
            }
            all.groups.push(group);
        }
        all
    }

    /// Goes through the words of a text: notes what literals say of them, and calls `attempt` for each start that is possible at one
    /// of them, with the place. Numbers in an odd grouping are tried for the rules that are `named` in the message.
    pub fn each(
        &self,
        text: &Normalized,
        windows: &Around,
        literals: &Literals,
        spans: &mut Spans,
        named: impl Fn(usize) -> bool,
        mut attempt: impl FnMut(&Start, At<'_>, &mut Spans),
    ) {
        let (padded, length) = (text.padded(), text.text().len());
        let mut active = self.free.clone();
        // Shapes that are worth trying in another grouping than their own.
        let mut odd = vec![0u64; self.groups.len()];
        for rule in (0..self.bits.len()).filter(|rule| named(*rule)) {
            self.bits[rule].iter().for_each(|(group, bits)| odd[*group] |= bits);
        }
        let mut possible: Vec<(usize, u64)> = Vec::with_capacity(self.groups.len());
        let mut turns = windows.turns.iter().peekable();
        // Rules that are searched for here because of a label.
        let mut labelled = 0usize;
        let mut before = 0u64; // was the octet before the block a letter or digit?
        for (number, pair) in text.blocks().windows(2).enumerate() {
            let (block, next) = (&pair[0], &pair[1]);
            let mut starts = block.alphanumeric & !(block.alphanumeric << 1 | before);
            before = block.alphanumeric >> 63;
            while starts != 0 {
                let offset = starts.trailing_zeros();
                starts &= starts - 1;
                let at = number * 64 + offset as usize;
                if !literals.is_empty() {
                    literals.look(padded, length, at, &mut |rule, span| spans.push(rule, span));
                }
                while let Some(turn) = turns.next_if(|turn| turn.at <= at) {
                    let starts = &self.bits[turn.rule as usize];
                    let rules = usize::from(!starts.is_empty());
                    labelled = if turn.on { labelled + rules } else { labelled - rules };
                    for (group, bits) in starts {
                        if turn.on { active[*group] |= bits } else { active[*group] &= !bits }
                    }
                }
                let from_here = |one: u64, next: u64| one >> offset | (next << 1) << (63 - offset);
                let digits = from_here(block.digits, next.digits);
                let run = from_here(block.alphanumeric, next.alphanumeric).trailing_ones().min(63) as usize;
                let with_digits = usize::from(digits != 0);
                if labelled == 0 && run < LONG && !self.first_three[with_digits].has(padded, at) {
                    continue;
                }
                let groups = &self.beginning[usize::from(padded[at])][with_digits];
                if groups.is_empty() {
                    continue;
                }
                let count = if digits == 0 { 0 } else { digits.count_ones() as usize };
                let mut chain = None;
                possible.clear();
                let mut most = 0;
                for group in groups {
                    let known = &self.groups[*group];
                    let mut bits = active[*group] & known.enough[count] & known.of_run[run];
                    if bits != 0 {
                        bits &= known.beginning(padded, at);
                    }
                    if bits & known.shapes != 0 {
                        let words = || (u128::from(block.alphanumeric) | u128::from(next.alphanumeric) << 64) >> offset;
                        let chain = chain.get_or_insert_with(|| Chain::of(words(), 128 - offset, self.longest_shape));
                        let (ending, last) = known.ending(chain, odd[*group]);
                        bits &= !known.shapes | ending;
                        most = most.max(last);
                    }
                    if bits != 0 {
                        possible.push((*group, bits));
                    }
                }
                let mut view = None;
                for (group, bits) in &possible {
                    let mut bits = *bits;
                    while bits != 0 {
                        let start = &self.groups[*group].starts[bits.trailing_zeros() as usize];
                        bits &= bits - 1;
                        attempt(start, At { place: at, most, view: &mut view }, spans);
                    }
                }
            }
        }
    }
}

impl Group {
    fn new(starts: Vec<Start>) -> Group {
        let mut tables = Box::new([[0u64; 256]; 4]);
        let (mut enough, mut of_run) = ([0; DIGIT_WINDOW + 1], [0; 64]);
        let (mut shapes, mut of_length, mut gap_behind) = (0, [0; MAX_ELEMENTS + 1], [0; MAX_ELEMENTS + 1]);
        for (bit, start) in starts.iter().enumerate() {
            for (table, set) in tables.iter_mut().zip(start.first.iter()) {
                for (entry, allowed) in table.iter_mut().zip(set) {
                    *entry |= u64::from(*allowed) << bit;
                }
            }
            (0u32..).zip(&mut enough).for_each(|(count, bits)| *bits |= u64::from(count >= start.digits) << bit);
            (0..).zip(&mut of_run).for_each(|(run, bits)| *bits |= (start.runs >> run & 1) << bit);
            if let Some((_, length)) = start.shape {
                shapes |= 1 << bit;
                of_length[length] |= 1 << bit;
                (0..).zip(&mut gap_behind).for_each(|(place, bits)| *bits |= (start.gaps >> place & 1) << bit);
            }
        }
        Group { starts, tables, enough, of_run, shapes, of_length, gap_behind }
    }

    /// Which shapes can end where a word of the chain ends, grouped as they are, or those of `odd`; and the letters and digits up to
    /// the last end that was looked at.
    #[inline(always)]
    fn ending(&self, chain: &Chain, odd: u64) -> (u64, usize) {
        let (mut allowed, mut grouped, mut behind) = (0, u64::MAX, 0);
        for (end, apart) in &chain.ends[..chain.count] {
            if behind > 0 {
                grouped = if *apart { 0 } else { grouped & self.gap_behind[behind] };
                if grouped | odd == 0 {
                    return (allowed, behind);
                }
            }
            behind = usize::from(*end);
            allowed |= self.of_length[behind] & (grouped | odd);
        }
        if chain.open {
            return (allowed | self.of_length[behind + 1..].iter().fold(0, |all, bits| all | bits), MAX_ELEMENTS);
        }
        (allowed, behind)
    }

    /// Which of the starts the four octets at `at` allow.
    #[inline(always)]
    fn beginning(&self, padded: &[u8], at: usize) -> u64 {
        let Some(&[a, b, c, d]) = padded.get(at..at + 4) else { return 0 };
        let [first, second, third, fourth] = &*self.tables;
        first[usize::from(a)] & second[usize::from(b)] & third[usize::from(c)] & fourth[usize::from(d)]
    }
}

impl Chain {
    /// `words` has a bit for each of the next octets that is a letter or digit, of which `known` are known; no more than `most`
    /// letters and digits are of interest.
    #[inline(always)]
    fn of(mut words: u128, mut known: u32, most: usize) -> Chain {
        let mut chain = Chain { ends: [(0, false); MAX_ELEMENTS], count: 0, open: false };
        let (mut length, mut gap) = (0, 0);
        loop {
            let word = words.trailing_ones();
            length += word;
            if length as usize > most {
                return chain;
            }
            if known <= word + MAX_SEPARATORS as u32 {
                chain.open = true;
                return chain;
            }
            chain.ends[chain.count] = (length as u8, gap > 1);
            chain.count += 1;
            words >>= word;
            gap = words.trailing_zeros();
            if gap > MAX_SEPARATORS as u32 {
                return chain;
            }
            words >>= gap;
            known -= word + gap;
        }
    }
}
