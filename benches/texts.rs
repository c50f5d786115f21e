//! Turns a seed into texts of the kinds on which the scanner is measured.

use postern::extract::{Extracted, Place, Text, TextKind};

#[derive(Clone, Copy)]
pub enum Kind {
    Mix,
    Prose,
    Html,
    Tables,
    Slow,
}

/// What each is called in the reports.
pub const KINDS: [(&str, Kind); 5] = [
    ("mix: prose, 10 % tables, some values", Kind::Mix),
    ("prose only", Kind::Prose),
    ("HTML source", Kind::Html),
    ("tables of numbers only", Kind::Tables),
    ("made to be slow: digits, separators and labels", Kind::Slow),
];

/// A body of so many octets, or a paragraph more.
pub fn message(kind: Kind, octets: usize, seed: &mut Seed) -> Extracted {
    let mut content = String::with_capacity(octets + 200);
    while content.len() < octets {
        // A table is half again as long as a paragraph: one in fifteen makes a tenth of the octets.
        match (kind, seed.below(15)) {
            (Kind::Mix, 0) | (Kind::Tables, _) => table(&mut content, seed),
            (Kind::Html, _) => html(&mut content, seed),
            (Kind::Slow, _) => slow(&mut content, seed),
            _ => paragraph(&mut content, seed),
        }
        if matches!(kind, Kind::Mix) && seed.below(30) == 0 {
            content.push_str(VALUES[seed.below(VALUES.len())]);
        }
    }
    let text = Text { place: Place("body".into()), kind: TextKind::Body, group: 0, content, table: None };
    Extracted { texts: vec![text], ..Extracted::default() }
}

fn paragraph(content: &mut String, seed: &mut Seed) {
    for _ in 0..40 + seed.below(80) {
        content.push_str(WORDS[seed.below(WORDS.len())]);
        content.push_str(match seed.below(12) {
            0 => ", ",
            1 => ". ",
            2 if seed.below(4) == 0 => ".\n",
            _ => " ",
        });
        if seed.below(60) == 0 {
            content.push_str(&format!("{} ", seed.below(3000)));
        }
    }
    content.push_str("\n\n");
}

fn table(content: &mut String, seed: &mut Seed) {
    for _ in 0..10 {
        for _ in 0..8 {
            let digits = [3, 5, 6, 9, 10, 13, 14, 16][seed.below(8)];
            (0..digits).for_each(|_| content.push((b'0' + seed.below(10) as u8) as char));
            content.push(if seed.below(3) == 0 { ' ' } else { '\t' });
        }
        content.push('\n');
    }
}

fn html(content: &mut String, seed: &mut Seed) {
    content.push_str(
        "<tr><td style=\"padding:0 12px;color:#1f2937;font-family:Arial,sans-serif\"><a href=\"https://example.org/a?id=",
    );
    content.push_str(&format!("{}&amp;t={}\">", seed.below(100_000), seed.below(1_000_000)));
    paragraph(content, seed);
    content.push_str("</a></td></tr>\n");
}

/// What gives shapes, validators and labels the most to do: nobody writes so, but somebody may send it.
fn slow(content: &mut String, seed: &mut Seed) {
    for _ in 0..20 {
        content.push_str(LABELS[seed.below(LABELS.len())]);
        for _ in 0..4 {
            (0..1 + seed.below(5)).for_each(|_| content.push((b'0' + seed.below(10) as u8) as char));
            content.push(b" -./"[seed.below(4)] as char);
        }
    }
    content.push('\n');
}

/// A small generator (xorshift*), so that every run reads the same text.
pub struct Seed(pub u64);

impl Seed {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

const VALUES: [&str; 4] = [
    "N° de sécurité sociale : 1 85 05 78 006 084 91\n",
    "IBAN FR14 2004 1010 0505 0001 3M02 606\n",
    "carte bancaire 4970 1012 3456 7893 exp 12/27\n",
    "SIRET 732 829 320 00074\n",
];

const LABELS: [&str; 8] =
    ["NIR ", "SIRET ", "carte ", "passport number ", "compte ", "numéro fiscal ", "clé ", "mot de passe "];

#[rustfmt::skip]
const WORDS: [&str; 120] = [
    "le", "la", "les", "de", "des", "du", "un", "une", "et", "à", "est", "pour", "dans", "par", "sur", "avec", "que", "qui", "ce", "cette",
    "nous", "vous", "il", "elle", "sont", "été", "être", "avoir", "faire", "réunion", "dossier", "service", "direction", "ministère", "équipe",
    "projet", "budget", "marché", "commune", "département", "région", "académie", "élèves", "école", "agents", "demande", "réponse", "délai",
    "semaine", "prochaine", "lundi", "mardi", "matin", "après-midi", "bonjour", "cordialement", "merci", "pièce", "jointe", "ci-dessous",
    "l'ensemble", "d'une", "qu'il", "n'est", "aujourd'hui", "compte", "rendu", "travail", "traitement", "numéro", "adresse", "mesure", "année",
    "the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on", "not", "he", "this", "are", "or", "his",
    "from", "at", "which", "but", "have", "an", "had", "they", "you", "were", "their", "one", "all", "we", "can", "her", "has", "there", "been",
    "meeting", "please", "attached", "report", "regards", "schedule", "number",
];
