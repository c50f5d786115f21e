//! Real files, made here, and what must be read of them.

use super::*;
use crate::mail::RawMessage;
use crate::mime;
use std::io::Write;

const NIR: &str = "1 85 05 78 006 084 91";

fn zip_with(members: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, octets) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(octets).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with(members, zip::CompressionMethod::Deflated)
}

fn docx() -> Vec<u8> {
    zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("word/document.xml", b"<w:document><w:body><w:p><w:r><w:t>NIR 1 85 05 </w:t></w:r><w:r><w:t>78 006 084 91</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:t>a</w:t></w:p></w:tc><w:tc><w:p><w:t>b</w:t></w:p></w:tc></w:tr></w:tbl></w:body></w:document>"),
        ("word/comments.xml", b"<w:comments><w:p><w:t>a secret comment</w:t></w:p></w:comments>"),
        ("word/_rels/document.xml.rels", b"<Relationships><Relationship Target=\"https://drive.example/x\" TargetMode=\"External\"/></Relationships>"),
        ("docProps/custom.xml", b"<Properties><property name=\"Sensibilite\"><vt:lpwstr>Diffusion Restreinte</vt:lpwstr></property></Properties>"),
        ("word/media/image1.png", b"\x89PNG\r\n\x1a\n"),
    ])
}

fn xlsx() -> Vec<u8> {
    zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.xml", b"<workbook><sheets><sheet name=\"Agents\" r:id=\"rId1\"/><sheet name=\"Hidden\" state=\"veryHidden\" r:id=\"rId2\"/></sheets></workbook>"),
        ("xl/_rels/workbook.xml.rels", b"<Relationships><Relationship Id=\"rId1\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"rId2\" Target=\"worksheets/sheet2.xml\"/></Relationships>"),
        ("xl/styles.xml", b"<styleSheet><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>"),
        ("xl/sharedStrings.xml", b"<sst><si><t>Nom</t></si><si><r><t>N</t></r><r><t>IR</t></r></si><si><t>Dupont</t></si><si><t>in no cell</t></si></sst>"),
        ("xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"s\"><v>1</v></c><c r=\"C1\" t=\"inlineStr\"><is><t>Depuis</t></is></c></row><row r=\"2\"><c r=\"A2\" t=\"s\"><v>2</v></c><c r=\"B2\"><v>1.85057800608491E+14</v></c><c r=\"C2\" s=\"1\"><v>46347</v></c></row></sheetData><headerFooter><oddHeader>Confidentiel</oddHeader></headerFooter></worksheet>"),
        ("xl/worksheets/sheet2.xml", b"<worksheet><sheetData><row><c><f>\"FR76\"&amp;\"3000\"</f><v>3</v></c></row><row r=\"1048576\"><c r=\"XFD1048576\" t=\"str\"><v>corner</v></c></row></sheetData></worksheet>"),
        ("xl/comments1.xml", b"<comments><text><t>a note on a cell</t></text></comments>"),
    ])
}

fn pdf() -> Vec<u8> {
    let content =
        b"BT /F1 12 Tf 72 700 Td (NIR 1 85 05 ) Tj (78 006 ) Tj [(084) -20 ( 9) 10 (1)] TJ 0 -14 Td (second line) Tj ET /X1 Do";
    let form = b"BT /F1 12 Tf (inside a form) Tj ET";
    let mut out = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    let objects: Vec<Vec<u8>> = vec![
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>/XObject<</X1 6 0 R>>>>/Annots[<</Subtype/Text/Contents(a sticky note)>>]>>".to_vec(),
        [format!("<</Length {}>>stream\n", content.len()).into_bytes(), content.to_vec(), b"\nendstream".to_vec()].concat(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_vec(),
        [format!("<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length {}>>stream\n", form.len()).into_bytes(), form.to_vec(), b"\nendstream".to_vec()].concat(),
        b"<</Title(Plan secret)/Author(Ann)>>".to_vec(),
    ];
    for (n, object) in objects.iter().enumerate() {
        offsets.push(out.len());
        out.extend(format!("{} 0 obj\n", n + 1).into_bytes());
        out.extend(object);
        out.extend(b"\nendobj\n");
    }
    let xref = out.len();
    out.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).into_bytes());
    for offset in offsets {
        out.extend(format!("{offset:010} 00000 n \n").into_bytes());
    }
    out.extend(
        format!("trailer<</Size {}/Root 1 0 R/Info 7 0 R>>\nstartxref\n{xref}\n%%EOF\n", objects.len() + 1).into_bytes(),
    );
    out
}

fn gz(octets: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

fn tar(name: &str, octets: &[u8]) -> Vec<u8> {
    let mut header = vec![0u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(format!("{:011o}", octets.len()).as_bytes());
    header[156] = b'0';
    header[257..262].copy_from_slice(b"ustar");
    header.extend_from_slice(octets);
    header.resize(header.len().div_ceil(512) * 512 + 1024, 0);
    header
}

fn read(name: &str, octets: &[u8]) -> Extracted {
    extract_file(name, octets, &Limits::default(), &Reader::here())
}

fn mail(text: &str) -> Extracted {
    let raw = RawMessage::new(text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes()).unwrap();
    extract(&mime::parse(&raw, &mime::Limits::default()).unwrap(), &Limits::default(), &Reader::here())
}

/// `place: text` of all texts that hold `needle`.
fn places(extracted: &Extracted, needle: &str) -> Vec<String> {
    extracted.texts.iter().filter(|text| text.content.contains(needle)).map(|text| text.place.to_string()).collect()
}

fn reasons(extracted: &Extracted) -> Vec<(String, Reason)> {
    extracted.unreadable.iter().map(|unreadable| (unreadable.part.to_string(), unreadable.reason)).collect()
}

fn base64(octets: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(octets);
    text.as_bytes().chunks(76).map(|line| format!("{}\n", std::str::from_utf8(line).unwrap())).collect()
}

#[test]
fn every_format_gives_its_text_and_its_place() {
    let nested =
        zip(&[("inner.zip", &zip_with(&[("03.pdf", &pdf())], zip::CompressionMethod::Stored)), ("read me.txt", b"hello")]);
    let eml = format!("From: a@b.example\nSubject: x\n\nMy number {NIR}\n");
    let utf16: Vec<u8> = std::iter::once(0xfeff).chain(NIR.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let pptx = zip(&[
        ("[Content_Types].xml", b""),
        ("ppt/slides/slide2.xml", b"<p:sld><a:p><a:t>NIR 1 85 05 78 006 084 91</a:t></a:p></p:sld>"),
    ]);
    let odt = zip(&[
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        ("content.xml", b"<office:body><text:p>NIR 1 85 05 78<text:s/>006 084 91</text:p></office:body>"),
    ]);
    for (name, octets, needle, place) in [
        ("a.docx", docx(), NIR, "a.docx"),
        ("a.docx", docx(), "a\tb", "a.docx"),
        ("a.docx", docx(), "a secret comment", "a.docx > comments"),
        ("a.docx", docx(), "https://drive.example/x", "a.docx > document"),
        ("a.docx", docx(), "Sensibilite: Diffusion Restreinte", "a.docx"),
        ("a.xlsx", xlsx(), "Dupont\t185057800608491\t2026-11-21\n", "a.xlsx > Agents"),
        ("a.xlsx", xlsx(), "Confidentiel", "a.xlsx > Agents"),
        ("a.xlsx", xlsx(), "corner", "a.xlsx > Hidden"),
        ("a.xlsx", xlsx(), "in no cell", "a.xlsx > unused strings"),
        ("a.xlsx", xlsx(), "\"FR76\"&\"3000\"", "a.xlsx > Hidden"),
        ("a.xlsx", xlsx(), "a note on a cell", "a.xlsx > comments 1"),
        ("a.pptx", pptx, NIR, "a.pptx > slide 2"),
        ("a.odt", odt, NIR, "a.odt"),
        ("a.pdf", pdf(), NIR, "a.pdf > page 1"),
        ("a.pdf", pdf(), "\nsecond line\n", "a.pdf > page 1"),
        ("a.pdf", pdf(), "inside a form", "a.pdf > page 1"),
        ("a.pdf", pdf(), "a sticky note", "a.pdf > page 1 > notes"),
        ("a.pdf", pdf(), "Title: Plan secret", "a.pdf"),
        ("p.zip", nested.clone(), NIR, "p.zip > inner.zip > 03.pdf > page 1"),
        ("p.zip", nested, "hello", "p.zip > read me.txt"),
        ("a.txt.gz", gz(NIR.as_bytes()), NIR, "a.txt.gz > a.txt"),
        ("a.tgz", gz(&tar("folder/a.txt", NIR.as_bytes())), NIR, "a.tgz > a.tar > folder/a.txt"),
        (
            "a.docx",
            zip(&[("[Content_Types].xml", b""), ("word/document.xml", b"<a/>"), ("word/media/i.png", NIR.as_bytes())]),
            NIR,
            "a.docx > i.png",
        ),
        ("a.rtf", br"{\rtf1 1 85 05 78 {\b 006} 084 91}".to_vec(), NIR, "a.rtf"),
        ("a.html", b"<html><p>1 85 05 78 <b>006</b> 084&#32;91".to_vec(), NIR, "a.html"),
        ("a.csv", b"Nom;NIR\nX;1 85 05 78 006 084 91\n".to_vec(), "X\t1 85 05 78 006 084 91", "a.csv"),
        ("a.eml", eml.clone().into_bytes(), NIR, "a.eml > body"),
        ("noname", eml.into_bytes(), NIR, "noname > body"),
        ("a.txt", utf16, NIR, "a.txt"),
        ("a.json", format!("{{\"nir\":\"{NIR}\"}}").into_bytes(), NIR, "a.json"),
        ("a.xml", format!("<?xml version=\"1.0\"?><a b=\"{NIR}\">x</a>").into_bytes(), NIR, "a.xml"),
        ("renamed.jpg", docx(), NIR, "renamed.jpg"),
    ] {
        let extracted = read(name, &octets);
        assert!(places(&extracted, needle).contains(&place.to_owned()), "{name}: {needle:?} in {:?}", extracted.texts);
        assert_eq!(reasons(&extracted), [], "{name}");
    }
}

#[test]
fn a_table_knows_its_cells_and_headers() {
    let extracted = read("a.xlsx", &xlsx());
    let text = extracted.texts.iter().find(|text| text.table.as_ref().is_some_and(|table| table.cells.len() == 6)).unwrap();
    let table = text.table.as_ref().unwrap();
    let cell = table.cells[4];
    assert_eq!(&text.content[cell.start as usize..cell.end as usize], "185057800608491");
    assert_eq!(table.headers[cell.column as usize].as_deref(), Some("NIR"));
}

#[test]
fn what_cannot_be_read_says_why() {
    let mut locked = zip(&[("secret.txt", b"x")]);
    // Bit 0 of the general purpose flags, in the local header and in the directory.
    locked[6] |= 1;
    let central = memchr::memmem::find(&locked, b"PK\x01\x02").unwrap();
    locked[central + 8] |= 1;
    let mut strange = zip(&[("a.txt", b"xxxxxxxx")]);
    let central = memchr::memmem::find(&strange, b"PK\x01\x02").unwrap();
    strange[8] = 6;
    strange[central + 10] = 6;
    let ole = |name: &str| {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1][..], &[0; 512], &name].concat()
    };
    let odt = zip(&[
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        ("content.xml", b"\x01\x02"),
        ("META-INF/manifest.xml", b"<m:encryption-data/>"),
    ]);
    let truncated = pdf()[..300].to_vec();
    for (name, octets, place, reason) in [
        ("l.zip", locked, "l.zip > secret.txt", Reason::Password),
        ("s.zip", strange, "s.zip > a.txt", Reason::Unsupported),
        ("a.docx", ole("EncryptedPackage"), "a.docx", Reason::Password),
        ("a.doc", ole("WordDocument"), "a.doc", Reason::Damaged),
        ("a.odt", odt, "a.odt", Reason::Password),
        ("a.bin", (0..200u8).map(|n| n.wrapping_mul(37)).collect(), "a.bin", Reason::Unsupported),
        ("a.pdf", truncated, "a.pdf > page 1", Reason::Damaged),
        ("a.zip", zip(&[("a", b"hello hello hello hello")])[..40].to_vec(), "a.zip", Reason::Damaged),
    ] {
        assert!(
            reasons(&read(name, &octets)).contains(&(place.to_owned(), reason)),
            "{name}: {:?}",
            reasons(&read(name, &octets))
        );
    }
    let image = read("logo.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0");
    assert_eq!((reasons(&image).len(), image.files[0].kind), (0, FileKind::Image));
}

#[test]
fn bombs_end_at_the_budget() {
    let limits = Limits { expanded_octets: 1 << 20, ..Limits::default() };
    let zeros = vec![b' '; 3 << 20];
    let bomb = zip(&[("zeros.txt", &zeros), ("after.txt", b"after")]);
    let over = |extracted: &Extracted| extracted.unreadable.iter().any(|unreadable| unreadable.reason == Reason::OverBudget);
    assert!(over(&extract_file("b.zip", &bomb, &limits, &Reader::here())));
    assert!(over(&extract_file("b.gz", &gz(&zeros), &limits, &Reader::here())));
    assert!(over(&extract_file(
        "b.docx",
        &zip(&[("[Content_Types].xml", b""), ("word/document.xml", &zeros)]),
        &limits,
        &Reader::here()
    )));
    let deep = (0..20).fold(b"bottom".to_vec(), |octets, n| zip(&[(format!("{n}.zip").as_str(), &octets)]));
    assert!(over(&extract_file("deep.zip", &deep, &Limits::default(), &Reader::here())));
    let many: Vec<(String, Vec<u8>)> = (0..50).map(|n| (format!("{n}.txt"), b"x".to_vec())).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, octets)| (name.as_str(), octets.as_slice())).collect();
    assert!(over(&extract_file("many.zip", &zip(&many), &Limits { files: 20, ..Limits::default() }, &Reader::here())));
    let long = extract_file(
        "long.txt",
        "é".repeat(10_000).as_bytes(),
        &Limits { text_octets: 101, ..Limits::default() },
        &Reader::here(),
    );
    assert!(over(&long) && long.texts.iter().map(|text| text.content.len()).sum::<usize>() <= 101);
}

#[test]
fn both_directories_of_a_zip_are_read() {
    let first = zip(&[("first.txt", b"first secret")]);
    let second = zip(&[("second.txt", b"second secret")]);
    let joined = [first.clone(), second.clone()].concat();
    let extracted = read("joined.zip", &joined);
    assert!(!places(&extracted, "first secret").is_empty() && !places(&extracted, "second secret").is_empty());
    let mut lying = first.clone();
    let central = memchr::memmem::find(&lying, b"PK\x01\x02").unwrap();
    lying[central + 46..central + 55].copy_from_slice(b"other.txt");
    let extracted = read("lying.zip", &lying);
    let names: Vec<_> =
        extracted.texts.iter().filter(|text| text.kind == TextKind::FileName).map(|text| text.content.as_str()).collect();
    assert!(names.contains(&"first.txt") && names.contains(&"other.txt"), "{names:?}");
    let hidden = [b"MZ some program \x00\x01\x02\x03\x04\x05\x06\x0e\x0f\x10".repeat(4), first].concat();
    assert!(!places(&read("setup.exe", &hidden), "first secret").is_empty());
}

#[test]
fn a_message_is_read_as_its_recipients_read_it() {
    let extracted = mail(&format!(
        "From: =?utf-8?q?=C3=89ric?= <a@b.example>\nSubject: =?utf-8?b?U2VjcmV0?= plan\nX-Note: hidden\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n\
         preamble with number 4111\n--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nt=E9l=E9phone\n\
         --c\nContent-Type: text/html\n\n<p>41<b>11</b><!-- remark --></p>\n--c--\n--b\nContent-Type: application/octet-stream; name=\"a.docx\"\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=\"other.docx\"\nX-Part: in a part\n\n{}\n\
         --b\nContent-Type: text/plain; name=\"a.txt\"\n\none\n--b\nContent-Type: text/plain; name=\"a.txt\"\n\ntwo\n--b\nContent-Type: message/rfc822\n\nSubject: inner\n\ninner text\n--b--\n",
        base64(&docx())
    ));
    for (needle, place) in [
        ("From: Éric <a@b.example>\nSubject: Secret plan\nX-Note: hidden\n", "header"),
        ("téléphone", "1.1 text/plain"),
        ("4111", "1.2 text/html"),
        ("remark", "1.2 text/html"),
        (NIR, "other.docx"),
        ("X-Part: in a part", "2 header"),
        ("one", "a.txt"),
        ("two", "a.txt (2)"),
        ("Subject: inner", "5 message/rfc822 > header"),
        ("inner text", "5 message/rfc822 > 5.1 text/plain"),
        ("preamble with number", "text outside the parts"),
        ("a.docx", "other.docx"),
    ] {
        assert!(places(&extracted, needle).contains(&place.to_owned()), "{needle}: {:#?}", extracted.texts);
    }
    assert_eq!(reasons(&extracted), []);
    assert!(extracted.files.iter().any(|file| file.kind == FileKind::Office && file.name == "other.docx"));
    assert!(extracted.files.iter().any(|file| file.kind == FileKind::Message));
}

#[test]
fn all_readings_of_an_ambiguous_body_are_inspected() {
    let secret = base64(b"My number is 4111 1111 1111 1111");
    for (header, body) in [
        ("Content-Transfer-Encoding: x-base64", secret.as_str()),
        ("Content-Transfer-Encoding: base64", &format!("!!{secret}")),
        ("Content-Transfer-Encoding: base64", &format!("aGk=\n{secret}")),
        ("Content-Transfer-Encoding: base64", "My number is 4111 1111 1111 1111"),
        ("Content-Type: text/plain; charset=utf-16", "My number is 4111 1111 1111 1111"),
        ("Content-Type: text/plain; charset=utf-7", "My number is 4111 1111 1111 1111 +AOk-"),
        ("Content-Type: text/plain; format=flowed", "My number is 4111 1111 \n1111 1111"),
        ("Content-Type: text/plain", "<html>My number is 4111 11<b>11</b> 1111 1111</html>"),
        ("Content-Type: application/x-unknown", "My number is 4111 1111 1111 1111"),
        ("Content-Type: text/plain", &secret.repeat(3)),
        ("Content-Type: image/png", "My number is 4111 1111 1111 1111"),
    ] {
        let extracted = mail(&format!("MIME-Version: 1.0\n{header}\n\n{body}\n"));
        assert!(!places(&extracted, "4111 1111 1111 1111").is_empty(), "{header} {body}: {extracted:#?}");
    }
}

#[test]
fn only_what_is_really_sealed_counts_as_sealed() {
    let mut x = 1u32;
    let mut noise = move || {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (x >> 24) as u8
    };
    let mut packets = vec![0xc1, 20];
    packets.extend((0..20).map(|_| noise()));
    packets.extend([0xd2, 200 - 8, 200, 1]);
    let rest = 192 + 200;
    packets.truncate(22);
    packets.extend([0xd2, 192, (rest - 192) as u8, 1]);
    packets.extend((1..rest).map(|_| noise()));
    let armor = format!("-----BEGIN PGP MESSAGE-----\nVersion: x\n\n{}-----END PGP MESSAGE-----\n", base64(&packets));
    let clear = format!(
        "-----BEGIN PGP MESSAGE-----\n\n{}-----END PGP MESSAGE-----\n",
        base64(&b"my secret 4111 1111 1111 1111 ".repeat(9))
    );
    let pgp_mime = |sealed: &str, before: &str| {
        format!(
            "MIME-Version: 1.0\nContent-Type: multipart/encrypted; boundary=b; protocol=\"application/pgp-encrypted\"\n\n{before}--b\n\
             Content-Type: application/pgp-encrypted\n\nVersion: 1\n--b\nContent-Type: application/octet-stream\n\n{sealed}--b--\n"
        )
    };
    for (text, sealed) in [
        (pgp_mime(&armor, ""), true),
        (pgp_mime(&armor, "This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\n"), true),
        (pgp_mime(&armor, "secret beside the ciphertext\n"), false),
        (pgp_mime(&clear, ""), false),
        (pgp_mime("my secret\n", ""), false),
        (format!("Content-Type: text/plain\n\n{armor}"), true),
        (format!("Content-Type: text/plain\n\nsecret\n{armor}"), false),
        (format!("Content-Type: text/plain\n\n{armor}secret\n"), false),
        (
            format!(
                "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\nContent-Transfer-Encoding: base64\n\n{}",
                base64(b"my secret")
            ),
            false,
        ),
    ] {
        let raw = RawMessage::new(text.replace('\n', "\r\n").into_bytes()).unwrap();
        let message = mime::parse(&raw, &mime::Limits::default()).unwrap();
        assert_eq!(message.is_sealed_by_client(), sealed, "{text}");
        let extracted = extract(&message, &Limits::default(), &Reader::here());
        let is = extracted.files.iter().any(|file| file.kind == FileKind::SealedByClient);
        let locked = extracted.unreadable.iter().any(|unreadable| unreadable.reason == Reason::ClientEncrypted);
        assert!(!sealed || (is && locked), "{text}");
        for needle in ["my secret", "secret beside"] {
            assert!(
                !text.replace('\n', "\r\n").contains(needle) || !places(&extracted, needle).is_empty(),
                "{text}: {extracted:?}"
            );
        }
    }
}

#[test]
fn what_is_signed_and_wrapped_is_unwrapped() {
    let wrap = |tag: u8, content: &[u8]| [&[tag, 0x82][..], &(content.len() as u16).to_be_bytes(), content].concat();
    let oid = |last: u8| wrap(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, last]);
    let entity = format!(
        "Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
        base64(format!("<p>{NIR}").as_bytes())
    );
    let info = wrap(0x30, &[oid(1), wrap(0xa0, &wrap(0x04, entity.as_bytes()))].concat());
    let data = wrap(0x30, &[wrap(0x02, &[1]), wrap(0x31, b""), info, wrap(0x31, b"")].concat());
    let signed = wrap(0x30, &[oid(2), wrap(0xa0, &data)].concat());
    let extracted = mail(&format!(
        "MIME-Version: 1.0\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\nContent-Transfer-Encoding: base64\n\n{}",
        base64(&signed)
    ));
    assert_eq!(places(&extracted, NIR), ["smime.p7m > smime > body"]);
    assert_eq!(reasons(&extracted), []);
}

#[test]
fn mutated_files_end_in_text_or_in_a_reason() {
    let mut x = 99u64;
    let mut random = move |below: usize| {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (x >> 33) as usize % below.max(1)
    };
    let mail = format!(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n{NIR}\n--b\nContent-Transfer-Encoding: base64\n\n{}\n--b--\n",
        base64(&docx())
    );
    let nested = zip(&[("a.pdf", &pdf()), ("b.docx", &docx())]);
    for (name, octets) in [
        ("a.docx", docx()),
        ("a.xlsx", xlsx()),
        ("a.pdf", pdf()),
        ("a.zip", nested),
        ("a.gz", gz(&xlsx())),
        ("a.rtf", br"{\rtf1\ansi{\fonttbl{\f0 Arial;}}\f0 Num\'e9ro \u233? : {\b 1 85}\par suite}".to_vec()),
        ("a.html", b"<html><p title='x'>a&eacute;<!-- b --><style>.c{display:none}</style><b class=c>d</b></p>".to_vec()),
        ("a.eml", mail.into_bytes()),
        ("a.tar", tar("a.pdf", &pdf())),
        ("a.csv", "Nom;NIR\n\"é\"\"\";2\n".repeat(20).into_bytes()),
    ] {
        for _ in 0..300 {
            let mut mutant = octets.clone();
            for _ in 0..1 + random(8) {
                let length = mutant.len();
                match random(3) {
                    0 => mutant[random(length)] = random(256) as u8,
                    1 => mutant.truncate(length - random(length / 4)),
                    _ => {
                        let from = random(length);
                        mutant.drain(from..(from + random(64)).min(length));
                    }
                }
                if mutant.len() < 16 {
                    break;
                }
            }
            let extracted = read(name, &mutant);
            assert!(!extracted.files.is_empty(), "{name}");
        }
    }
}
