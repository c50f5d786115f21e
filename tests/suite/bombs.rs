//! What is made to eat time, memory or stack ends soon, with a verdict: unreadable, refused, or read to its end.

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use postern::mail::RawMessage;
use postern::{extract, mime};
use std::io::Write;
use std::time::{Duration, Instant};

/// Of a debug build on a busy machine; a bomb takes hours.
const LONGEST: Duration = Duration::from_secs(20);
const DEEP: usize = 100_000;

/// What must come of a bomb.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Want {
    /// Some part is told as unreadable.
    Unreadable,
    /// It ends; what it holds is harmless.
    Ends,
}

fn deflated(octets: &[u8]) -> Vec<u8> {
    let mut out = DeflateEncoder::new(Vec::new(), Compression::best());
    out.write_all(octets).unwrap();
    out.finish().unwrap()
}

fn gzipped(octets: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(octets).unwrap();
    out.finish().unwrap()
}

fn zeros_gzipped(megabytes: usize) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    let one = vec![0; 1 << 20];
    (0..megabytes).for_each(|_| out.write_all(&one).unwrap());
    out.finish().unwrap()
}

/// A zip archive (APPNOTE 4.3): each entry of the directory points at the member with this number.
fn zip(members: &[(&str, &[u8])], directory: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut written = Vec::new();
    for (name, content) in members {
        let packed = deflated(content);
        written.push((out.len() as u32, packed.len() as u32, *name, content.len() as u32));
        out.extend(b"PK\x03\x04\x14\0\0\0\x08\0\0\0\x21\0\0\0\0\0");
        out.extend((packed.len() as u32).to_le_bytes());
        out.extend((content.len() as u32).to_le_bytes());
        out.extend((name.len() as u16).to_le_bytes());
        out.extend([0, 0]);
        out.extend(name.as_bytes());
        out.extend(packed);
    }
    let start = out.len() as u32;
    let mut count = 0u16;
    for index in directory {
        let (offset, packed, name, size) = written[index];
        out.extend(b"PK\x01\x02\x14\0\x14\0\0\0\x08\0\0\0\x21\0\0\0\0\0");
        out.extend(packed.to_le_bytes());
        out.extend(size.to_le_bytes());
        out.extend((name.len() as u16).to_le_bytes());
        out.extend([0; 12]);
        out.extend(offset.to_le_bytes());
        out.extend(name.as_bytes());
        count = count.wrapping_add(1);
    }
    let size = out.len() as u32 - start;
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

fn plain_zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    zip(members, 0..members.len())
}

/// One page whose content is object 4; `more` are the objects from 5 on.
fn pdf(content: &str, kids: &str, more: &[String]) -> Vec<u8> {
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{kids}] /Count 1 >>"),
        "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /XObject << /X1 5 0 R >> >> >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
    ];
    objects.extend_from_slice(more);
    let mut out = b"%PDF-1.7\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (n, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", out.len()));
        out.extend(format!("{} 0 obj\n{object}\nendobj\n", n + 1).bytes());
    }
    let start = out.len();
    out.extend(format!("{table}trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1).bytes());
    out
}

fn files() -> Vec<(&'static str, &'static str, Vec<u8>, Want)> {
    let form =
        "<< /Type /XObject /Subtype /Form /BBox [0 0 1 1] /Length 7000 /Resources << /XObject << /X1 5 0 R >> >> >>\nstream\n";
    let deep_zip = (0..300).fold(b"x".to_vec(), |inner, _| plain_zip(&[("a.zip", &inner)]));
    let deep_gzip = (0..200).fold(b"x".to_vec(), |inner, _| gzipped(&inner));
    let wide = plain_zip(&[("a.txt", &vec![b'a'; 10_000_000]), ("b.txt", &vec![b'a'; 10_000_000])]);
    let levels = plain_zip(&[("1.zip", &wide), ("2.zip", &wide), ("3.zip", &wide), ("4.zip", &wide)]);
    let entities: String = (1..12).map(|n| format!("<!ENTITY a{n} '{}'>", format!("&a{};", n - 1).repeat(10))).collect();
    let laughs = format!("<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a0 'lol'>{entities}]><l>&a11;</l>");
    let sheet = "<worksheet><dimension ref='A1:XFD1048576'/><sheetData><row r='1048576'><c r='XFD1048576'><v>2</v></c></row>\
                 <row r='99999999999'><c r='ZZZZZZZZZZ99999999999'><v>1</v></c></row></sheetData></worksheet>";
    let workbook = |sheet: &str, strings: &str| {
        plain_zip(&[
            ("[Content_Types].xml", b"<T/>"),
            ("xl/workbook.xml", b"<w/>"),
            ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
            ("xl/sharedStrings.xml", strings.as_bytes()),
        ])
    };
    let many = format!("<worksheet><sheetData><row>{}</row></sheetData></worksheet>", "<c t='s'><v>0</v></c>".repeat(100_000));
    let ods = "<x><table><table-row number-rows-repeated='1048576'><table-cell number-columns-repeated='16384'><p>1</p></table-cell></table-row></table></x>";
    let kids: Vec<String> = (0..20_000).map(|n| format!("<< /Type /Pages /Kids [{} 0 R] /Count 1 >>", n + 6)).collect();
    vec![
        ("arrays in arrays", "a.pdf", pdf("x", "3 0 R", &["[".repeat(DEEP) + &"]".repeat(DEEP)]), Want::Ends),
        ("arrays without an end", "a.pdf", pdf("x", "3 0 R", &["[".repeat(DEEP)]), Want::Ends),
        (
            "dictionaries in dictionaries",
            "a.pdf",
            pdf("x", "3 0 R", &["<< /A ".repeat(DEEP) + "1" + &">>".repeat(DEEP)]),
            Want::Ends,
        ),
        ("arrays in a page", "a.pdf", pdf(&("[".repeat(DEEP) + &"]".repeat(DEEP) + " TJ"), "3 0 R", &[]), Want::Unreadable),
        (
            "dictionaries in a page",
            "a.pdf",
            pdf(&("/A ".to_owned() + &"<< /A ".repeat(DEEP) + "1" + &">>".repeat(DEEP) + " BDC"), "3 0 R", &[]),
            Want::Unreadable,
        ),
        (
            "brackets in a string",
            "a.pdf",
            pdf(&("BT (".to_owned() + &"(".repeat(DEEP) + &")".repeat(DEEP) + ") Tj ET"), "3 0 R", &[]),
            Want::Ends,
        ),
        ("a tree of pages in itself", "a.pdf", pdf("x", "2 0 R", &[]), Want::Unreadable),
        ("a deep tree of pages", "a.pdf", pdf("x", "5 0 R", &kids), Want::Ends),
        (
            "a form in itself",
            "a.pdf",
            pdf(&"/X1 Do ".repeat(1_000), "3 0 R", &[form.to_owned() + &"/X1 Do ".repeat(1_000) + "\nendstream"]),
            Want::Ends,
        ),
        ("elements in elements", "a.html", ("<div>".repeat(DEEP) + "x").into_bytes(), Want::Ends),
        ("a million beginnings of elements", "a.html", "<".repeat(1_000_000).into_bytes(), Want::Ends),
        (
            "groups in groups",
            "a.rtf",
            ("{\\rtf1 ".to_owned() + &"{".repeat(DEEP) + "x" + &"}".repeat(DEEP)).into_bytes(),
            Want::Ends,
        ),
        ("XML in XML", "a.xml", ("<?xml version='1.0'?>".to_owned() + &"<a>".repeat(DEEP)).into_bytes(), Want::Ends),
        ("a billion laughs", "a.xml", laughs.into_bytes(), Want::Ends),
        ("a sheet of 17 billion cells", "a.xlsx", workbook(sheet, "<sst/>"), Want::Ends),
        (
            "one long string in each cell",
            "a.xlsx",
            workbook(&many, &format!("<sst><si><t>{}</t></si></sst>", "x".repeat(1_000_000))),
            Want::Unreadable,
        ),
        (
            "repeated rows of repeated cells",
            "a.ods",
            plain_zip(&[("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", ods.as_bytes())]),
            Want::Ends,
        ),
        ("300 MB of nothing", "a.gz", zeros_gzipped(300), Want::Unreadable),
        ("archives in archives", "a.zip", deep_zip, Want::Unreadable),
        ("gzip in gzip", "a.gz", deep_gzip, Want::Unreadable),
        ("wide archives in archives", "a.zip", plain_zip(&[("1.zip", &levels), ("2.zip", &levels)]), Want::Unreadable),
        ("one member, 50,000 names", "a.zip", zip(&[("a", &vec![b'a'; 10_000_000])], (0..50_000).map(|_| 0)), Want::Ends),
        (
            "half a million local headers",
            "a.zip",
            [b"PK\x03\x04".repeat(500_000), plain_zip(&[("a", b"b")])].concat(),
            Want::Ends,
        ),
        ("a hundred thousand files in a text", "a.txt", b"begin 644 a\n".repeat(DEEP), Want::Ends),
        ("a megabyte of base64", "a.txt", b"QUJD".repeat(250_000), Want::Ends),
        ("a megabyte of signs set apart", "a.txt", b"a ".repeat(500_000), Want::Ends),
        ("a megabyte of numbers set apart", "a.txt", b"1;22;".repeat(200_000), Want::Ends),
        ("a megabyte of turns", "a.txt", "\u{202e}a".repeat(250_000).into_bytes(), Want::Ends),
        // As much as one message may hold of text, each made for one of the second readings.
        ("32 MB of one letter", "a.txt", "x".repeat(32 << 20).into_bytes(), Want::Ends),
        ("32 MB of digits and letters like them", "a.txt", "l 85 O5 ".repeat(4 << 20).into_bytes(), Want::Ends),
        ("8 MB of look-alikes", "a.txt", "\u{435}".repeat(4 << 20).into_bytes(), Want::Ends),
        (
            "S/MIME in S/MIME",
            "a.p7m",
            [&b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80"[..], &b"\x30\x80".repeat(DEEP)].concat(),
            Want::Unreadable,
        ),
    ]
}

fn messages() -> Vec<(&'static str, String)> {
    let head = "From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n";
    let mixed = format!("{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    let nested: String = (0..48).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n")).collect();
    let ends: String = (0..48).rev().map(|n| format!("--b{n}--\r\n")).collect();
    vec![
        ("5,000 parts", format!("{mixed}{}--b--\r\n", "--b\r\n\r\nx\r\n".repeat(4_990))),
        ("a field of a megabyte", format!("{head}X-A: {}\r\n\r\nx", "x".repeat(990_000))),
        ("broken words", format!("{head}X-A: {}\r\n\r\nx", "=?utf-8?q?".repeat(9_990))),
        (
            "50,000 recipients",
            format!("From: a@example.org\r\nTo: b@example.org{}\r\n\r\nx", ",\r\n a@example.org".repeat(50_000)),
        ),
        ("comments in comments", format!("From: {}\r\nTo: b@example.org\r\n\r\nx", "(".repeat(DEEP))),
        ("groups in groups", format!("From: a@example.org\r\nTo: {}\r\n\r\nx", "a:".repeat(DEEP))),
        ("angles", format!("From: a@example.org\r\nTo: {0}\r\nReferences: {0}\r\n\r\nx", "<".repeat(DEEP))),
        ("messages in messages", format!("{head}{}x", "Content-Type: message/rfc822\r\n\r\n".repeat(49))),
        ("lines that could be boundaries, 48 deep", format!("{head}{nested}\r\n{}{ends}", "--x\r\n".repeat(200_000))),
    ]
}

/// What the operating system says of the most memory this process ever had (proc(5)).
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse().unwrap_or(0)
}

#[test]
fn no_file_takes_the_gate_down() {
    for (what, name, octets, want) in files() {
        let begun = Instant::now();
        let extracted = extract::extract_file(name, &octets, &extract::Limits::default(), &extract::Reader::here());
        let took = begun.elapsed();
        println!("{:6.2} s  {what}: {:?}", took.as_secs_f32(), extracted.unreadable.first().map(|one| one.reason));
        assert!(took < LONGEST, "{what}: {took:?}");
        assert!(want == Want::Ends || !extracted.unreadable.is_empty(), "{what} passes for read");
    }
    assert!(most_memory() < 900_000, "{} kB", most_memory());
}

#[test]
fn no_message_takes_the_gate_down() {
    for (what, message) in messages() {
        let begun = Instant::now();
        let raw = RawMessage::new(message.into_bytes()).unwrap();
        let parsed = mime::parse(&raw, &mime::Limits::default());
        let told = match &parsed {
            Ok(message) => {
                let people = message.mailboxes("From").len() + message.mailboxes("To").len() + message.references().len();
                format!(
                    "{people} mailboxes, {} texts",
                    extract::extract(message, &extract::Limits::default(), &extract::Reader::here()).texts.len()
                )
            }
            Err(malformed) => malformed.to_string(),
        };
        println!("{:6.2} s  {what}: {told}", begun.elapsed().as_secs_f32());
        assert!(begun.elapsed() < LONGEST, "{what}: {:?}", begun.elapsed());
    }
}
