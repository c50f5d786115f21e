//! Turns a seed into an afternoon's outgoing mail of an administration: invented French messages in the mix that the benches measure.

use base64::Engine as _;
use std::io::Write;

/// What a message of the mix carries, and how often: of a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// 70: a text of about 4 KB.
    Text,
    /// 20: text and HTML, about 40 KB together.
    Html,
    /// 8: a document of about 300 KB; docx, pdf and xlsx by turns.
    Document,
    /// 2: about 3 MB; a scanned PDF and an archive by turns.
    Large,
}

pub const KINDS: [(Kind, usize); 4] = [(Kind::Text, 70), (Kind::Html, 20), (Kind::Document, 8), (Kind::Large, 2)];

pub struct Sample {
    pub kind: Kind,
    /// What kind of file it carries: "docx"; empty when none.
    pub file: &'static str,
    pub raw: Vec<u8>,
}

/// `hundreds` times a hundred messages, each hundred in the proportions of [`KINDS`], shuffled.
pub fn mix(seed: u64, hundreds: usize) -> Vec<Sample> {
    let mut dice = Dice(seed | 1);
    let mut samples = Vec::new();
    for _ in 0..hundreds {
        for (kind, count) in KINDS {
            samples.extend((0..count).map(|n| Sample { kind, file: file(kind, n), raw: message(&mut dice, kind, n) }));
        }
    }
    for n in (1..samples.len()).rev() {
        samples.swap(n, dice.below(n + 1));
    }
    samples
}

/// xorshift64*.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

const WORDS: &str = "le la les un une des de du et à en pour par avec sans sous dans sur que qui dont nous vous ils elle être avoir faire \
    demande dossier pièce réponse courrier service bureau direction mairie préfecture usager agent accueil rendez-vous formulaire \
    justificatif domicile identité délai semaine lundi mardi mercredi jeudi vendredi janvier mars juin septembre novembre réunion \
    compte rendu ordre jour projet marché public lot prestation devis facture commande livraison budget exercice crédit paiement \
    convention avenant délibération conseil commission élu maire adjoint école élève classe rentrée cantine transport voirie travaux \
    chantier permis construire urbanisme parcelle cadastre eau assainissement déchets énergie bâtiment salle location association \
    subvention culture bibliothèque sport stade piscine santé social aide logement séjour enfance jeunesse retraite accompagnement \
    veuillez trouver ci-joint merci cordialement bonjour madame monsieur suite votre appel conformément transmettre signature retour \
    avant après toutefois ainsi notamment également concernant relatif numéro référence objet annexe tableau synthèse";

/// About `octets` octets of sentences; now and then a date, an amount, a reference or a telephone number, as in real letters.
pub fn prose(dice: &mut Dice, octets: usize) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut text = String::with_capacity(octets + 80);
    let mut column = 0;
    let mut left_in_sentence = 0;
    while text.len() < octets {
        let word = match dice.below(60) {
            0 => format!("{}/{:02}/2026", 1 + dice.below(28), 1 + dice.below(12)),
            1 => format!("{} {:03},{:02} €", 1 + dice.below(90), dice.below(1000), dice.below(100)),
            2 => format!("n° {}-{:05}", 2020 + dice.below(7), dice.below(100_000)),
            3 => format!("01 {:02} {:02} {:02} {:02}", dice.below(100), dice.below(100), dice.below(100), dice.below(100)),
            _ => words[dice.below(words.len())].to_string(),
        };
        if left_in_sentence == 0 {
            left_in_sentence = 6 + dice.below(14);
            let mut letters = word.chars();
            text.extend(letters.next().into_iter().flat_map(char::to_uppercase));
            text.push_str(letters.as_str());
        } else {
            text.push_str(&word);
        }
        left_in_sentence -= 1;
        column += word.len() + 1;
        match (left_in_sentence, column) {
            (0, 60..) => {
                text.push_str(".\r\n");
                column = 0;
            }
            (0, _) => text.push_str(". "),
            (_, 72..) => {
                text.push_str("\r\n");
                column = 0;
            }
            _ => text.push(' '),
        }
    }
    text.push_str("\r\n");
    text
}

fn file(kind: Kind, turn: usize) -> &'static str {
    match kind {
        Kind::Text | Kind::Html => "",
        Kind::Document => ["docx", "pdf", "xlsx"][turn % 3],
        Kind::Large => ["pdf", "zip"][turn % 2],
    }
}

/// A message with a small document: docx, pdf, xlsx and an archive of them by turns.
pub fn small_document(dice: &mut Dice, turn: usize) -> Vec<u8> {
    let (number, head) = head(dice);
    let (name, media, octets) = match turn % 4 {
        0 => ("compte-rendu.docx", DOCX, docx(dice, 9_000, 16_500)),
        1 => ("deliberation.pdf", "application/pdf", pdf(dice, 3, 15_000)),
        2 => ("suivi.xlsx", XLSX, xlsx(dice, 380)),
        _ => {
            let files = [("rapport.docx", docx(dice, 3_000, 3_000)), ("lisezmoi.txt", prose(dice, 4_000).into_bytes())];
            ("dossier.zip", "application/zip", archive(&files))
        }
    };
    with_file(&head, TEXT_TYPE, &prose(dice, 1_200), name, media, &octets, number)
}

/// A number drawn by lot, and the header that bears it.
fn head(dice: &mut Dice) -> (u64, String) {
    let number = dice.next();
    let head = format!(
        "Date: Fri, 20 Nov 2026 {:02}:{:02}:00 +0100\r\nFrom: Marie Dupont <marie.dupont@example.org>\r\n\
         To: Accueil <accueil{}@commune.example>\r\nSubject: Suite de votre demande {}\r\n\
         Message-ID: <{number:016x}@poste.example.org>\r\nUser-Agent: Mozilla Thunderbird\r\nMIME-Version: 1.0\r\n",
        8 + dice.below(10),
        dice.below(60),
        dice.below(500),
        dice.below(10_000)
    );
    (number, head)
}

const TEXT_TYPE: &str = "Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";

pub fn message(dice: &mut Dice, kind: Kind, turn: usize) -> Vec<u8> {
    let (number, head) = head(dice);
    match kind {
        Kind::Text => format!("{head}{TEXT_TYPE}{}", prose(dice, 3_400)).into_bytes(),
        Kind::Html => {
            let text = prose(dice, 9_000);
            let html = html(dice, &text);
            let edge = format!("------------{number:016x}");
            let html_type = "Content-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
            format!(
                "{head}Content-Type: multipart/alternative; boundary=\"{edge}\"\r\n\r\n--{edge}\r\n{TEXT_TYPE}{text}\r\n--{edge}\r\n\
                 {html_type}{}\r\n--{edge}--\r\n",
                quoted_printable(&html)
            )
            .into_bytes()
        }
        Kind::Document => {
            let (name, media, octets) = match turn % 3 {
                0 => ("compte-rendu.docx", DOCX, docx(dice, 90_000, 165_000)),
                1 => ("deliberation.pdf", "application/pdf", pdf(dice, 25, 150_000)),
                _ => ("suivi.xlsx", XLSX, xlsx(dice, 3_800)),
            };
            with_file(&head, TEXT_TYPE, &prose(dice, 1_200), name, media, &octets, number)
        }
        Kind::Large => {
            let (name, media, octets) = if turn.is_multiple_of(2) {
                ("scan.pdf", "application/pdf", pdf(dice, 6, 2_150_000))
            } else {
                let files = [
                    ("rapport.docx", docx(dice, 120_000, 300_000)),
                    ("tableau.xlsx", xlsx(dice, 5_000)),
                    ("photo.jpg", noise(dice, 1_500_000)),
                    ("lisezmoi.txt", prose(dice, 4_000).into_bytes()),
                ];
                ("dossier.zip", "application/zip", archive(&files))
            };
            with_file(&head, TEXT_TYPE, &prose(dice, 1_200), name, media, &octets, number)
        }
    }
}

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

fn with_file(head: &str, text_type: &str, text: &str, name: &str, media: &str, octets: &[u8], number: u64) -> Vec<u8> {
    let edge = format!("------------{number:016x}");
    let mut raw = format!(
        "{head}Content-Type: multipart/mixed; boundary=\"{edge}\"\r\n\r\n--{edge}\r\n{text_type}{text}\r\n--{edge}\r\n\
         Content-Type: {media}; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n"
    )
    .into_bytes();
    for line in base64::engine::general_purpose::STANDARD.encode(octets).as_bytes().chunks(76) {
        raw.extend_from_slice(line);
        raw.extend_from_slice(b"\r\n");
    }
    raw.extend_from_slice(format!("--{edge}--\r\n").as_bytes());
    raw
}

/// Like what Outlook and webmails write: a style sheet, tables, a signature, much more markup than text.
fn html(dice: &mut Dice, text: &str) -> String {
    let mut html = String::from("<html><head><meta charset=\"utf-8\"><style>\n");
    for n in 0..60 {
        html.push_str(&format!(
            "p.Mso{n} {{ margin:0cm; font-size:11.0pt; font-family:\"Calibri\",sans-serif; color:#{n:06x}; }}\n"
        ));
    }
    html.push_str("</style></head><body lang=\"fr\">\n");
    for (n, line) in text.lines().enumerate() {
        let line = line.replace('&', "&amp;").replace('é', "&eacute;");
        html.push_str(&format!(
            "<p class=\"Mso{}\"><span style=\"font-size:11.0pt;color:#1F497D\">{line}<o:p></o:p></span></p>\n",
            n % 60
        ));
    }
    html.push_str("<table border=\"0\">");
    for n in 0..20 {
        html.push_str(&format!("<tr><td width=\"120\">Lot {n}</td><td>{} €</td></tr>\n", dice.below(100_000)));
    }
    html.push_str("</table></body></html>\n");
    html
}

fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 5 / 4);
    for line in text.lines() {
        let mut column = 0;
        for octet in line.bytes() {
            let plain = (octet == b' ' || octet.is_ascii_graphic()) && octet != b'=';
            if column > 71 {
                out.push_str("=\r\n");
                column = 0;
            }
            if plain {
                out.push(char::from(octet));
                column += 1;
            } else {
                out.push_str(&format!("={octet:02X}"));
                column += 3;
            }
        }
        out.push_str("\r\n");
    }
    out
}

/// What does not compress: photographs, scans.
fn noise(dice: &mut Dice, octets: usize) -> Vec<u8> {
    let mut noise = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00".to_vec();
    while noise.len() < octets {
        noise.extend_from_slice(&dice.next().to_le_bytes());
    }
    noise
}

fn archive(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, octets) in files {
        archive.start_file(*name, options).expect("a zip in memory");
        archive.write_all(octets).expect("a zip in memory");
    }
    archive.finish().expect("a zip in memory").into_inner()
}

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

pub fn docx(dice: &mut Dice, text_octets: usize, picture_octets: usize) -> Vec<u8> {
    let word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
    let mut body = format!("{XML}<w:document xmlns:w=\"{word}\"><w:body>");
    for line in prose(dice, text_octets).lines() {
        // Word parts a line into runs at every whim of its spelling checker.
        body.push_str("<w:p w:rsidR=\"00A77B3E\"><w:pPr><w:pStyle w:val=\"Corpsdetexte\"/></w:pPr>");
        for run in line.split_inclusive(". ") {
            body.push_str("<w:r><w:rPr><w:lang w:val=\"fr-FR\"/></w:rPr><w:t xml:space=\"preserve\">");
            body.push_str(run);
            body.push_str("</w:t></w:r>");
        }
        body.push_str("</w:p>");
    }
    body.push_str("</w:body></w:document>");
    let types = format!(
        "{XML}<Types xmlns=\"{PACKAGE}/content-types\"><Default Extension=\"rels\" \
         ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" \
         ContentType=\"application/xml\"/><Default Extension=\"jpeg\" ContentType=\"image/jpeg\"/>\
         <Override PartName=\"/word/document.xml\" ContentType=\"{DOCX}.main+xml\"/></Types>"
    );
    let relations = format!(
        "{XML}<Relationships xmlns=\"{PACKAGE}/relationships\"><Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" \
         Target=\"word/document.xml\"/></Relationships>"
    );
    let picture = noise(dice, picture_octets);
    archive(&[
        ("[Content_Types].xml", types.into_bytes()),
        ("_rels/.rels", relations.into_bytes()),
        ("word/document.xml", body.into_bytes()),
        ("word/media/image1.jpeg", picture),
    ])
}

pub fn xlsx(dice: &mut Dice, rows: usize) -> Vec<u8> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let mut strings = Vec::new();
    let mut sheet = format!("{XML}<worksheet xmlns=\"{main}\"><sheetData>");
    for row in 1..=rows {
        sheet.push_str(&format!("<row r=\"{row}\">"));
        for (column, letter) in "ABCDEFG".chars().enumerate() {
            if column < 3 {
                sheet.push_str(&format!("<c r=\"{letter}{row}\" t=\"s\"><v>{}</v></c>", strings.len()));
                strings.push(prose(dice, 6).trim_end().replace("\r\n", " "));
            } else {
                sheet.push_str(&format!("<c r=\"{letter}{row}\"><v>{}.{:02}</v></c>", dice.below(100_000), dice.below(100)));
            }
        }
        sheet.push_str("</row>");
    }
    sheet.push_str("</sheetData></worksheet>");
    let mut shared = format!("{XML}<sst xmlns=\"{main}\" count=\"{0}\" uniqueCount=\"{0}\">", strings.len());
    for text in &strings {
        shared.push_str(&format!("<si><t>{text}</t></si>"));
    }
    shared.push_str("</sst>");
    let part = "application/vnd.openxmlformats-officedocument.spreadsheetml";
    let types = format!(
        "{XML}<Types xmlns=\"{PACKAGE}/content-types\"><Default Extension=\"rels\" \
         ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" \
         ContentType=\"application/xml\"/><Override PartName=\"/xl/workbook.xml\" ContentType=\"{part}.sheet.main+xml\"/>\
         <Override PartName=\"/xl/worksheets/sheet1.xml\" ContentType=\"{part}.worksheet+xml\"/>\
         <Override PartName=\"/xl/sharedStrings.xml\" ContentType=\"{part}.sharedStrings+xml\"/></Types>"
    );
    let relations = format!(
        "{XML}<Relationships xmlns=\"{PACKAGE}/relationships\"><Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" \
         Target=\"xl/workbook.xml\"/></Relationships>"
    );
    let book = format!(
        "{XML}<workbook xmlns=\"{main}\" xmlns:r=\"{OFFICE}\"><sheets><sheet name=\"Suivi\" sheetId=\"1\" r:id=\"rId1\"/></sheets>\
         </workbook>"
    );
    let parts = format!(
        "{XML}<Relationships xmlns=\"{PACKAGE}/relationships\"><Relationship Id=\"rId1\" Type=\"{OFFICE}/worksheet\" \
         Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"rId2\" Type=\"{OFFICE}/sharedStrings\" Target=\"sharedStrings.xml\"/>\
         </Relationships>"
    );
    archive(&[
        ("[Content_Types].xml", types.into_bytes()),
        ("_rels/.rels", relations.into_bytes()),
        ("xl/workbook.xml", book.into_bytes()),
        ("xl/_rels/workbook.xml.rels", parts.into_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.into_bytes()),
        ("xl/sharedStrings.xml", shared.into_bytes()),
    ])
}

/// Pages of deflated text and one incompressible picture (ISO 32000-1).
pub fn pdf(dice: &mut Dice, pages: usize, picture_octets: usize) -> Vec<u8> {
    let mut objects: Vec<Vec<u8>> = vec![b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(), Vec::new()];
    objects.push(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_vec());
    let picture = noise(dice, picture_octets);
    let mut image = format!(
        "<< /Type /XObject /Subtype /Image /Width 1000 /Height 1000 /ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /DCTDecode \
         /Length {} >>\nstream\n",
        picture.len()
    )
    .into_bytes();
    image.extend_from_slice(&picture);
    image.extend_from_slice(b"\nendstream");
    objects.push(image);
    let mut kids = String::new();
    for _ in 0..pages {
        let mut drawn = b"BT /F1 11 Tf 14 TL 60 780 Td\n".to_vec();
        for line in prose(dice, 3_000).lines() {
            drawn.push(b'(');
            let (encoded, ..) = encoding_rs::WINDOWS_1252.encode(line);
            drawn.extend(
                encoded.iter().flat_map(|octet| if b"()\\".contains(octet) { vec![b'\\', *octet] } else { vec![*octet] }),
            );
            drawn.extend_from_slice(b") Tj T*\n");
        }
        drawn.extend_from_slice(b"ET");
        let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        deflate.write_all(&drawn).expect("deflating in memory");
        let packed = deflate.finish().expect("deflating in memory");
        let mut content = format!("<< /Length {} /Filter /FlateDecode >>\nstream\n", packed.len()).into_bytes();
        content.extend_from_slice(&packed);
        content.extend_from_slice(b"\nendstream");
        objects.push(content);
        let page = format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {} 0 R /Resources << /Font << /F1 3 0 R >> /XObject \
             << /I 4 0 R >> >> >>",
            objects.len()
        );
        objects.push(page.into_bytes());
        kids.push_str(&format!("{} 0 R ", objects.len()));
    }
    objects[1] = format!("<< /Type /Pages /Count {pages} /Kids [{kids}] >>").into_bytes();
    let mut out = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (n, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", out.len()));
        out.extend_from_slice(format!("{} 0 obj\n", n + 1).as_bytes());
        out.extend_from_slice(object);
        out.extend_from_slice(b"\nendobj\n");
    }
    let start = out.len();
    out.extend_from_slice(table.as_bytes());
    out.extend_from_slice(
        format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1).as_bytes(),
    );
    out
}
