//! Ordinary correspondence raises no alarm: 20,000 invented mails full of numbers that are nothing, and text that nobody here wrote.
//!
//! Limits (at confidence medium or above): for each rule fewer than one mail in a thousand, over all rules fewer than one in a hundred.

use postern::config::laws::load_rules;
use postern::detect::{Confidence, RuleSet, detect};
use postern::extract::{Limits, Reader, extract_body};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

const MAILS: usize = 20_000;
const SEED: u64 = 0x2026_1121;

fn rules() -> RuleSet {
    load_rules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")).unwrap_or_else(|problems| panic!("{problems}")).0
}

/// Rules that are sure enough of something in a text, with what a person needs to judge it.
fn alarms(rules: &RuleSet, text: &str) -> Vec<(String, Confidence, String)> {
    let extracted = extract_body(text, &Limits::default(), &Reader::here());
    let mut alarms = Vec::new();
    for finding in detect(&extracted, rules).found {
        if finding.confidence >= Confidence::Medium {
            let place = finding.places.iter().find(|found| found.confidence == finding.confidence);
            // In the text itself or in a second reading of it.
            let around = place.map_or(String::new(), |found| {
                surroundings(&extracted.texts[found.text].content, found.span.0 as usize, found.span.1 as usize)
            });
            alarms.push((finding.rule.0.to_string(), finding.confidence, around));
        }
    }
    alarms
}

/// What stands around a place, on one line: the text is invented or published.
fn surroundings(text: &str, start: usize, end: usize) -> String {
    let mut from = start.saturating_sub(60);
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    let mut to = (end + 40).min(text.len());
    while !text.is_char_boundary(to) {
        to += 1;
    }
    text[from..to].split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn ordinary_mails_full_of_numbers_that_are_nothing_raise_no_alarm() {
    let rules = rules();
    let mut dice = Dice(SEED);
    let (mut by_rule, mut alarmed) = (BTreeMap::<String, Vec<String>>::new(), 0);
    for _ in 0..MAILS {
        let alarms = alarms(&rules, &mail(&mut dice));
        alarmed += usize::from(!alarms.is_empty());
        alarms.into_iter().for_each(|(rule, _, around)| by_rule.entry(rule).or_default().push(around));
    }
    let shown: Vec<String> = by_rule
        .iter()
        .map(|(rule, places)| format!("{rule}: {} mails, such as {:?}", places.len(), &places[..places.len().min(3)]))
        .collect();
    println!("{alarmed} of {MAILS} mails raised an alarm\n{}", shown.join("\n"));
    let too_often: Vec<&String> =
        by_rule.iter().filter(|(_, places)| places.len() * 1_000 >= MAILS).map(|(rule, _)| rule).collect();
    assert!(too_often.is_empty(), "one mail in a thousand or more: {too_often:?}\n{}", shown.join("\n"));
    assert!(alarmed * 100 < MAILS, "{alarmed} of {MAILS} mails\n{}", shown.join("\n"));
}

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn of<'x>(&mut self, choices: &[&'x str]) -> &'x str {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
    }

    fn hex(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from_digit(self.below(16) as u32, 16).unwrap_or('0')).collect()
    }

    fn capitals(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'A' + self.below(26) as u8)).collect()
    }
}

/// EAN-13 and ISBN-13 check digit (GS1 General Specifications §7.9).
fn ean(mut digits: String) -> String {
    let sum: u32 =
        digits.bytes().enumerate().map(|(at, digit)| u32::from(digit - b'0') * if at % 2 == 0 { 1 } else { 3 }).sum();
    digits.push(char::from(b'0' + ((10 - sum % 10) % 10) as u8));
    digits
}

/// One of the numbers that every mailbox is full of, as people and programs write it.
fn number(dice: &mut Dice, french: bool) -> String {
    let day = 1 + dice.below(28);
    let month = 1 + dice.below(12);
    let year = 2015 + dice.below(12);
    let (a, b, c, d) = (dice.below(100), dice.below(100), dice.below(100), dice.below(100));
    match dice.below(44) {
        0 => format!("{} CMD-{year}-{}", if french { "commande" } else { "order" }, dice.digits(6)),
        1 => format!("{} {}", if french { "n° de commande" } else { "order number" }, dice.digits(10)),
        2 => {
            format!("{} {}-{}-{}", if french { "commande n°" } else { "order" }, dice.digits(3), dice.digits(7), dice.digits(7))
        }
        3 => format!("{} 6A{}", if french { "suivi Colissimo" } else { "tracking" }, dice.digits(11)),
        4 => format!("{} {}{}FR", if french { "colis" } else { "parcel" }, dice.capitals(2), dice.digits(9)),
        5 => format!("UPS 1Z{}{}", dice.capitals(3), dice.digits(13)),
        6 => format!("{} {}", if french { "numéro de suivi" } else { "tracking number" }, dice.digits(14)),
        7 => format!("ISBN {}", ean(format!("978{}", dice.digits(9)))),
        8 => format!("ISBN 978-2-{}-{}-{}", dice.digits(4), dice.digits(4), dice.digits(1)),
        9 => format!("EAN {}", ean(format!("3{}", dice.digits(11)))),
        10 => format!("{} {}", if french { "code-barres" } else { "barcode" }, ean(dice.digits(12))),
        11 => format!("0{} {a:02} {b:02} {c:02} {d:02}", 1 + dice.below(9)),
        12 => format!("+33 {} {a:02} {b:02} {c:02} {d:02}", 1 + dice.below(9)),
        13 => format!("+44 20 {} {}", dice.digits(4), dice.digits(4)),
        14 => format!("(0){}.{a:02}.{b:02}.{c:02}.{d:02}", 1 + dice.below(9)),
        15 => format!("commit {}", dice.hex(40)),
        16 => dice.hex(7),
        17 => format!("SHA-256 {}", dice.hex(64)),
        18 => format!("md5sum {}", dice.hex(32)),
        19 => format!("{}-{}-4{}-a{}-{}", dice.hex(8), dice.hex(4), dice.hex(3), dice.hex(3), dice.hex(12)),
        20 => format!("17{}", dice.digits(11)),
        21 => format!("{day:02}/{month:02}/{year}"),
        22 => format!("{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", dice.below(24), a % 60, b % 60),
        23 => format!(
            "{day} {} {year}",
            if french { dice.of(&["janvier", "mars", "juin", "octobre"]) } else { dice.of(&["January", "March", "June"]) }
        ),
        24 => format!("{} {:03},{:02} €", dice.below(900), dice.below(1000), a),
        25 => format!("{}.{:03},{:02} EUR", 1 + dice.below(90), dice.below(1000), a),
        26 => format!("${},{:03}.{:02}", 1 + dice.below(90), dice.below(1000), a),
        27 => format!("{} FAC{year}{}", if french { "facture" } else { "invoice" }, dice.digits(5)),
        28 => format!("{} {}", if french { "contrat n°" } else { "contract no." }, dice.digits(9)),
        29 => format!("{} {}", if french { "n° client" } else { "customer number" }, dice.digits(8)),
        30 => format!("{} {}-{}", if french { "marché n°" } else { "contract" }, year, dice.digits(4)),
        31 => format!("{} 1{}", if french { "engagement juridique" } else { "purchase order" }, dice.digits(9)),
        32 => format!("https://www.example.com/r/{}?utm_source=nl&id={}&t={}", dice.hex(24), dice.digits(12), dice.hex(32)),
        33 => format!("<{}.{}@mail.example.net>", dice.digits(14), dice.hex(16)),
        34 => format!("v{}.{}.{}", dice.below(20), dice.below(40), dice.below(200)),
        35 => format!("10.{a}.{b}.{c}"),
        36 => format!("48.{}, 2.{}", dice.digits(6), dice.digits(6)),
        37 => format!("{} AF{}", if french { "vol" } else { "flight" }, dice.digits(4)),
        38 => format!("TGV {} {}", dice.digits(4), if french { "voiture 7 place 54" } else { "coach 7 seat 54" }),
        39 => format!("{} {} {}", if french { "parcelle" } else { "plot" }, dice.capitals(2), dice.digits(4)),
        40 => format!("S/N {}{}", dice.capitals(3), dice.digits(9)),
        41 => format!("{} {}", if french { "référence" } else { "reference" }, dice.digits(15)),
        42 => format!("{} {} {} {}", if french { "réf." } else { "ref." }, dice.digits(4), dice.digits(4), dice.digits(4)),
        _ => format!("{} {}", if french { "dossier" } else { "case" }, dice.digits(12)),
    }
}

const FRENCH: &[&str] = &[
    "Bonjour,",
    "Merci de votre retour concernant {}.",
    "Veuillez trouver ci-joint le compte rendu de la réunion ({}).",
    "Comme convenu, je vous transmets {} pour validation avant vendredi.",
    "Le livreur est passé, {}, je relance le fournisseur.",
    "La salle du conseil est réservée, prévoir le vidéoprojecteur.",
    "Le budget prévisionnel passe de {} à {}.",
    "Pouvez-vous vérifier {} dans le tableau de suivi ?",
    "Votre rendez-vous est confirmé : {}.",
    "L'imprimante du deuxième étage est en panne ({}).",
    "La commission se réunira le mois prochain pour examiner {}.",
    "Vous pouvez me joindre au {}.",
    "Le mot de passe de votre session expire dans 10 jours.",
    "Cette information relève du secret professionnel des agents.",
    "Le film n'a connu qu'une diffusion restreinte en salles.",
    "Je serai absente du lundi au mercredi ; en cas d'urgence, contactez l'accueil au {}.",
    "Le devis {} est en attente de signature.",
    "Merci de compléter le formulaire et de le renvoyer avec {}.",
    "Un nouveau correctif est disponible, {}.",
    "La médecine de prévention convoque les agents en juin.",
    "Les bulletins de paie seront disponibles sur le portail à la fin du mois.",
    "Ordre du jour : 1. approbation du procès-verbal 2. {} 3. questions diverses",
    "Cordialement,",
    "Bien à vous,",
    "{} | {} | {}",
    "Le numéro spécial du bulletin paraîtra en septembre.",
];

const ENGLISH: &[&str] = &[
    "Hello,",
    "Thanks for getting back to me about {}.",
    "Please find attached the minutes of our last call ({}).",
    "As discussed, here is {} for your approval by Friday.",
    "The driver came by, {}, I will chase the supplier.",
    "The budget moves from {} to {}.",
    "Could you check {} in the shared sheet?",
    "Your appointment is confirmed: {}.",
    "The build failed at {}, see the log.",
    "You can reach me on {}.",
    "Your password will expire in 10 days.",
    "Secret Santa is back this year!",
    "I will be away until Wednesday; in urgent cases call the desk on {}.",
    "Quote {} awaits your signature.",
    "A new release is out, {}.",
    "Agenda: 1. minutes 2. {} 3. any other business",
    "The committee will look at {} next month.",
    "Kind regards,",
    "{} | {} | {}",
    "Unsubscribe at any time: {}",
    "Please complete the form and return it with {}.",
    "Payslips will be on the portal at the end of the month.",
];

fn mail(dice: &mut Dice) -> String {
    let french = dice.below(10) < 6;
    let sentences = if french { FRENCH } else { ENGLISH };
    let mut text = String::new();
    for _ in 0..8 + dice.below(16) {
        let sentence = dice.of(sentences);
        let mut pieces = sentence.split("{}");
        text.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            text.push_str(&number(dice, french));
            text.push_str(piece);
        }
        text.push(if dice.below(3) == 0 { '\n' } else { ' ' });
    }
    text.push_str(if french {
        "\n-- \nCamille Martin\nService des moyens généraux\n12 rue des Lilas, 75012 Paris\nTél. "
    } else {
        "\n-- \nSam Taylor\nFacilities\nTel. "
    });
    text.push_str(&format!("01 {} {} {} {}\n", dice.digits(2), dice.digits(2), dice.digits(2), dice.digits(2)));
    text
}

/// Octets of one piece of foreign text: what a mail has.
const PIECE: usize = 3_000;
/// Octets of foreign text, at least.
const FOREIGN: usize = 50_000_000;

/// Every alarm that foreign text raised, judged by a person.
#[derive(serde::Deserialize)]
struct Judged {
    #[serde(default)]
    source: Vec<Source>,
    alarm: Vec<Judgement>,
}

/// A rule that is right throughout a folder: what it looks for is what is written there.
#[derive(serde::Deserialize)]
struct Source {
    rule: String,
    /// The folder, from `target/foreign_text`.
    below: String,
    because: String,
}

#[derive(serde::Deserialize)]
struct Judgement {
    rule: String,
    /// What stands around it.
    around: String,
    /// Is it what the rule looks for (an example in a manual), or a false alarm?
    right: bool,
    because: String,
}

#[test]
fn text_that_nobody_here_wrote_raises_no_alarm_that_was_not_judged() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/foreign_text");
    let files = super::gate::files_below(&folder);
    if files.is_empty() {
        assert!(std::env::var_os("POSTERN_REQUIRE_PEERS").is_none(), "no foreign text in {}", folder.display());
        println!("LEFT OUT: Debian's French and English documentation is not in target/foreign_text");
        return;
    }
    let judged = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/foreign_alarms.toml"));
    let judged: Judged = toml::from_str(&judged.expect("the judged alarms")).expect("TOML");
    assert!(judged.alarm.iter().all(|one| !one.because.trim().is_empty()));
    assert!(judged.source.iter().all(|one| !one.because.trim().is_empty()));
    let rules = rules();
    let (mut octets, mut mails, mut alarmed) = (0, 0, 0);
    let (mut false_by_rule, mut unjudged) = (BTreeMap::<String, usize>::new(), Vec::new());
    for file in files {
        let place = file.strip_prefix(&folder).unwrap_or(&file);
        for text in texts_of(&file) {
            octets += text.len();
            for piece in pieces(&text) {
                mails += 1;
                let mut wrong = false;
                for (rule, _, around) in alarms(&rules, piece) {
                    if judged.source.iter().any(|one| one.rule == rule && place.starts_with(&one.below)) {
                        continue;
                    }
                    match judged.alarm.iter().find(|one| one.rule == rule && one.around == around) {
                        Some(one) if one.right => continue,
                        Some(_) => {}
                        None => unjudged
                            .push(format!("[[alarm]]\nrule = {rule:?}\naround = {around:?}\nright = false\nbecause = \"\"")),
                    }
                    wrong = true;
                    *false_by_rule.entry(rule).or_default() += 1;
                }
                alarmed += usize::from(wrong);
            }
        }
    }
    println!(
        "{octets} octets in {mails} pieces, {alarmed} with a false alarm: {false_by_rule:?}; {} not judged",
        unjudged.len()
    );
    assert!(octets >= FOREIGN, "{octets} octets of foreign text, {FOREIGN} are wanted");
    let too_often: Vec<_> = false_by_rule.iter().filter(|(_, count)| **count * 1_000 >= mails).collect();
    assert!(too_often.is_empty(), "one piece in a thousand or more: {too_often:?}\n{}", unjudged.join("\n\n"));
    assert!(alarmed * 100 < mails, "{alarmed} of {mails} pieces\n{}", unjudged.join("\n\n"));
    unjudged.sort();
    unjudged.dedup();
    assert!(unjudged.is_empty(), "judge these in tests/corpus/foreign_alarms.toml:\n\n{}", unjudged.join("\n\n"));
}

/// The readable texts of one file: manual pages without their macros, HTML as shown.
fn texts_of(file: &Path) -> Vec<String> {
    let mut octets = std::fs::read(file).expect("a readable file");
    if octets.starts_with(b"\x1f\x8b") {
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&octets[..]).take(16 << 20).read_to_end(&mut unpacked).expect("gzip");
        octets = unpacked;
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.trim_end_matches(".gz");
    let ending = name.rsplit('.').next().unwrap_or_default();
    if matches!(ending, "html" | "htm") {
        let extracted = postern::extract::extract_file(
            name,
            &octets,
            &postern::extract::Limits::default(),
            &postern::extract::Reader::here(),
        );
        let shown = extracted.texts.into_iter().filter(|text| text.kind == postern::extract::TextKind::Attachment);
        return shown.map(|text| text.content).collect();
    }
    if ending == "txt" {
        return vec![String::from_utf8_lossy(&octets).into_owned()];
    }
    // Manual pages: sections 1 to 8.
    let is_page = ending.starts_with(|c: char| ('1'..='8').contains(&c));
    let text = String::from_utf8_lossy(&octets).into_owned();
    if is_page {
        vec![text.replace("\\-", "-").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "").replace("\\fP", "")]
    } else {
        Vec::new()
    }
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.trim().is_empty() {
            return None;
        }
        let mut end = rest.len().min(PIECE);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        if end < rest.len() {
            end = rest[..end].rfind('\n').filter(|at| *at > 0).unwrap_or(end);
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}
