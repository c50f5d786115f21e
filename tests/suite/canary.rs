//! Finds a word in octets under the encodings that mail, databases and logs wrap it in.

use super::gate::contains;
use base64::Engine;

/// How `word` shows in `octets`; `None` when it does not.
pub fn form_of(word: &str, octets: &[u8]) -> Option<&'static str> {
    let lower = octets.to_ascii_lowercase();
    let small = word.to_ascii_lowercase();
    if contains(&lower, small.as_bytes()) {
        return Some("as it is");
    }
    let unfolded = without_all(&without_all(&lower, b"=\r\n"), b"=\n");
    if contains(&unfolded, small.as_bytes()) {
        return Some("in quoted-printable");
    }
    let utf16: Vec<u8> = small.bytes().flat_map(|octet| [octet, 0]).collect();
    if contains(&lower, &utf16) {
        return Some("in UTF-16");
    }
    let hex: String = word.bytes().map(|octet| format!("{octet:02x}")).collect();
    if contains(&lower, hex.as_bytes()) {
        return Some("in hexadecimal");
    }
    let joined = without_all(&without_all(octets, b"\r"), b"\n");
    for variant in [word.to_string(), small.clone(), word.to_ascii_uppercase()] {
        if base64_forms(&variant).iter().any(|form| contains(&joined, form.as_bytes())) {
            return Some("in base64");
        }
    }
    None
}

/// What of a word is the same wherever in a base64 text it begins: three alignments, without the edges.
fn base64_forms(word: &str) -> Vec<String> {
    (0..3)
        .map(|shift| {
            let padded = [vec![0; shift], word.as_bytes().to_vec()].concat();
            let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&padded);
            let begin = [0, 2, 3][shift];
            let whole = padded.len() / 3 * 4;
            text[begin..whole.min(text.len())].to_string()
        })
        .collect()
}

fn without_all(octets: &[u8], piece: &[u8]) -> Vec<u8> {
    let mut rest = octets;
    let mut kept = Vec::with_capacity(octets.len());
    while let Some(at) = memchr::memmem::find(rest, piece) {
        kept.extend_from_slice(&rest[..at]);
        rest = &rest[at + piece.len()..];
    }
    kept.extend_from_slice(rest);
    kept
}

#[test]
fn a_word_is_found_however_it_is_wrapped() {
    let word = "Schnabeltier42";
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    for wrapped in [
        "das schnabelTIER42 da".to_string(),
        "Schnabel=\r\ntier42".to_string(),
        "5363686e6162656c7469657234320a".to_string(),
        base64("Schnabeltier42"),
        base64("a Schnabeltier42 b"),
        base64("ab Schnabeltier42 c"),
        base64("das ist ein SCHNABELTIER42, ja").replacen("U0N", "U0N\r\n", 1),
        "S\0c\0h\0n\0a\0b\0e\0l\0t\0i\0e\0r\x004\x002\0".to_string(),
    ] {
        assert!(form_of(word, wrapped.as_bytes()).is_some(), "{wrapped:?}");
    }
    assert_eq!(form_of(word, b"Schnabeltier 42, Schnabeltier43"), None);
}
