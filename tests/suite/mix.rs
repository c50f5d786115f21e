//! The benches' mail is what they say it is: sizes and files, deterministic by seed.

#[path = "../../benches/corpus.rs"]
#[allow(dead_code, reason = "the benches use the rest")]
mod corpus;

use corpus::{Dice, KINDS, Kind, message};
use mail_parser::MimeHeaders;

#[test]
fn the_benches_mix_has_the_sizes_and_files_it_names() {
    for (kind, turn, size, file) in [
        (Kind::Text, 0, 3_500..5_000, None),
        (Kind::Html, 0, 32_000..48_000, None),
        (Kind::Document, 0, 250_000..350_000, Some("compte-rendu.docx")),
        (Kind::Document, 1, 250_000..350_000, Some("deliberation.pdf")),
        (Kind::Document, 2, 250_000..350_000, Some("suivi.xlsx")),
        (Kind::Large, 0, 2_600_000..3_400_000, Some("scan.pdf")),
        (Kind::Large, 1, 2_600_000..3_400_000, Some("dossier.zip")),
    ] {
        let raw = message(&mut Dice(7), kind, turn);
        assert!(size.contains(&raw.len()), "{kind:?} {turn}: {} octets", raw.len());
        assert!(raw == message(&mut Dice(7), kind, turn), "{kind:?} {turn}: not the same twice");
        assert!(raw.split(|octet| *octet == b'\n').all(|line| line.len() <= 999), "{kind:?} {turn}: a line is too long");
        let parsed = mail_parser::MessageParser::default().parse(&raw).unwrap();
        assert_eq!(parsed.attachments().next().and_then(|part| part.attachment_name()), file);
        let Some(name) = file else { continue };
        let octets = parsed.attachments().next().unwrap().contents();
        match name.rsplit('.').next().unwrap() {
            "pdf" => {
                let document = lopdf::Document::load_mem(octets).unwrap();
                let text = document.extract_text(&[1]).unwrap();
                assert!(text.len() > 1_000, "{name}: {text}");
            }
            "xlsx" => {
                let read = postern::extract::extract_file(
                    name,
                    octets,
                    &postern::extract::Limits::default(),
                    &postern::extract::Reader::here(),
                );
                assert!(read.unreadable.is_empty(), "{:?}", read.unreadable);
                assert!(read.texts.iter().any(|text| text.content.lines().count() > 1_000));
            }
            _ => {
                let mut archive = zip::ZipArchive::new(std::io::Cursor::new(octets)).unwrap();
                assert!(archive.len() >= 4, "{name}");
                assert!((0..archive.len()).all(|n| archive.by_index(n).is_ok()));
            }
        }
    }
    assert_eq!(KINDS.iter().map(|(_, count)| count).sum::<usize>(), 100);
}
