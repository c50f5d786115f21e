//! Seven kinds of mail as clients write them, and whether what a reader gave back is one of them.

use super::super::peers::must;
use mail_parser::{MessageParser, MimeHeaders};
use std::process::Command;

pub const SENDER: &str = "marie.dupont@example.org";
pub const SUBJECT: &str = "Dossier \u{c9}t\u{e9} 2026";
const SUBJECT_FIELD: &str = "Subject: =?utf-8?Q?Dossier_=C3=89t=C3=A9_2026?=";

/// One red point.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

pub struct Sample {
    pub name: &'static str,
    pub octets: Vec<u8>,
}

/// All seven, to this recipient, dated now.
pub fn samples(to: &str) -> Vec<Sample> {
    let top = format!(
        "From: Marie Dupont <{SENDER}>\r\nTo: <{to}>\r\n{SUBJECT_FIELD}\r\nDate: {}\r\nMessage-ID: <matrix@client.example.org>\r\n\
         MIME-Version: 1.0\r\n",
        now()
    );
    let sample = |name, rest: String| Sample { name, octets: format!("{top}{rest}").into_bytes() };
    let nested = format!(
        "From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: der innere Brief\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=inner\r\n\r\n--inner\r\n\r\ninnen\r\n--inner\r\n\
         Content-Type: application/octet-stream; name=innen.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n{}--inner--\r\n",
        lines(&octets(300))
    );
    vec![
        sample(
            "plain text",
            "Content-Type: text/plain; charset=us-ascii\r\n\r\nBonjour,\r\n.\r\n..\r\nFrom here on\r\n-- \r\n  blanks at the end  \r\n\r\n"
                .into(),
        ),
        sample(
            "8-bit French",
            format!(
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
                 L\u{2019}\u{e9}t\u{e9} d\u{e9}j\u{e0}, \u{e0} No\u{eb}l : 3 \u{20ac}.\r\n{}\r\nfin = fin\r\n",
                "o\u{f9} \u{ea}tes-vous, ".repeat(40)
            ),
        ),
        sample(
            "html, related images",
            format!(
                "Content-Type: multipart/related; boundary=\"r=1\"; type=\"multipart/alternative\"\r\n\r\n--r=1\r\n\
                 Content-Type: multipart/alternative; boundary=a1\r\n\r\n--a1\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
                 Content-Transfer-Encoding: quoted-printable\r\n\r\nl'=E9t=E9\r\n--a1\r\nContent-Type: text/html; charset=utf-8\r\n\
                 Content-Transfer-Encoding: quoted-printable\r\n\r\n<html><head></head><body class=3D\"c\"><p>l'=C3=A9t=C3=A9 <img src=3D\"cid:i1\"></p></body></html>\r\n\
                 --a1--\r\n\r\n--r=1\r\nContent-Type: image/png\r\nContent-ID: <i1>\r\nContent-Transfer-Encoding: base64\r\n\
                 Content-Disposition: inline; filename=i1.png\r\n\r\n{PICTURE}\r\n--r=1\r\nContent-Type: image/gif\r\nContent-ID: <i2>\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n{}--r=1--\r\n",
                lines(&octets(5_000))
            ),
        ),
        sample(
            "3 attachments",
            format!(
                "Content-Type: multipart/mixed; boundary=m1\r\n\r\npreamble\r\n--m1\r\nContent-Type: text/plain; charset=utf-8\r\n\
                 Content-Transfer-Encoding: 8bit\r\n\r\nci-joint\u{a0}: trois pi\u{e8}ces\r\n--m1\r\n\
                 Content-Type: application/pdf; name=\"=?utf-8?Q?pi=C3=A8ce.pdf?=\"\r\nContent-Transfer-Encoding: base64\r\n\
                 Content-Disposition: attachment; filename*=utf-8''pi%C3%A8ce.pdf\r\n\r\n{}--m1\r\n\
                 Content-Type: text/csv; charset=utf-8; name=table.csv\r\nContent-Transfer-Encoding: 8bit\r\n\
                 Content-Disposition: attachment; filename=table.csv\r\n\r\nnom;\u{e2}ge\r\nZo\u{e9};33\r\n--m1\r\n\
                 Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\
                 Content-Disposition: attachment; filename=\"tout.bin\"\r\n\r\n{}--m1--\r\nepilogue\r\n",
                lines(&octets(20_000)),
                lines(&(0..=255).collect::<Vec<u8>>())
            ),
        ),
        sample(
            "nested rfc822",
            format!(
                "Content-Type: multipart/mixed; boundary=m2\r\n\r\n--m2\r\nContent-Type: text/plain\r\n\r\nvoir ci-joint\r\n--m2\r\n\
                 Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename=\"lettre.eml\"\r\n\r\n{nested}\r\n--m2--\r\n"
            ),
        ),
        Sample { name: "already signed", octets: [top.as_bytes(), &signed_by_client()].concat() },
        sample(
            "10 MB",
            format!(
                "Content-Type: multipart/mixed; boundary=m3\r\n\r\n--m3\r\nContent-Type: text/plain\r\n\r\ndix m\u{e9}gaoctets\r\n--m3\r\n\
                 Content-Type: application/zip; name=gros.zip\r\nContent-Transfer-Encoding: base64\r\n\
                 Content-Disposition: attachment; filename=gros.zip\r\n\r\n{}--m3--\r\n",
                lines(&octets(7_600_000))
            )
            .replace('\u{e9}', "e"),
        ),
    ]
}

/// What a client of ours that has its own certificate sends: by OpenSSL.
fn signed_by_client() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = (folder.path().join("key"), folder.path().join("certificate"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", "/CN=client"]);
    must(openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate), b"");
    let mut openssl = Command::new("openssl");
    openssl.args(["cms", "-sign", "-crlfeol", "-signer"]).arg(&certificate).arg("-inkey").arg(&key);
    let entity = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nc2lnbsOp\r\n";
    let signed = must(&mut openssl, entity);
    // OpenSSL ends its own lines with LF unless asked, and says MIME-Version itself.
    let text = String::from_utf8(signed).unwrap().replace("\r\n", "\n").replace('\n', "\r\n");
    text.strip_prefix("MIME-Version: 1.0\r\n").unwrap().as_bytes().to_vec()
}

/// Noise that is the same in every run.
fn octets(count: usize) -> Vec<u8> {
    let mut state = 20_261_122u64;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

fn lines(octets: &[u8]) -> String {
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(octets);
    let lines = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap());
    lines.flat_map(|line| [line, "\r\n"]).collect()
}

pub fn now() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    mail_parser::DateTime::from_timestamp(now.as_secs() as i64).to_rfc822()
}

/// One content, decoded: what a person gets.
#[derive(PartialEq, Eq)]
struct Content {
    kind: String,
    name: String,
    id: String,
    octets: Vec<u8>,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let begin = String::from_utf8_lossy(&self.octets[..self.octets.len().min(200)]).into_owned();
        write!(f, "{} {} {} {} octets: {begin:?}", self.kind, self.name, self.id, self.octets.len())
    }
}

/// The entity inside the seal holds the original's contents, octet for octet, its Subject and the sign of header protection; what the
/// client had signed stands in it unchanged. `shown_twice`: the lines on top of the text for S/MIME, which are taken off.
pub fn is_the_original(sample: &Sample, entity: &[u8], shown_twice: bool) -> Result<(), String> {
    let parsed = MessageParser::default().parse(entity).ok_or("not an entity")?;
    if parsed.subject() != Some(SUBJECT) {
        return Err(format!("the protected Subject is {:?}", parsed.subject()));
    }
    let hp = parsed.root_part().content_type().and_then(|kind| kind.attribute("hp"));
    if hp != Some("cipher") {
        return Err(format!("hp is {hp:?}"));
    }
    let (before, mut after) = (contents(&sample.octets, false), contents(entity, shown_twice));
    if sample.name == "already signed" {
        let body = memchr::memmem::find(&sample.octets, b"\r\n\r\n").map(|at| &sample.octets[at + 4..]).ok_or("no body")?;
        memchr::memmem::find(entity, body).ok_or("the octets that the client signed are not there")?;
        if shown_twice && after.first().is_some_and(|first| first.octets.is_empty()) {
            // The lines in a part of their own: nothing is left of it.
            after.remove(0);
        }
    }
    if before == after { Ok(()) } else { Err(format!("the contents differ:\n{before:#?}\n{after:#?}")) }
}

fn contents(octets: &[u8], shown_twice: bool) -> Vec<Content> {
    let parsed = MessageParser::default().parse(octets).expect("a message");
    let mut out = Vec::new();
    collect(&parsed, shown_twice, &mut out);
    out
}

fn collect(message: &mail_parser::Message<'_>, shown_twice: bool, out: &mut Vec<Content>) {
    for part in &message.parts {
        let Some(kind) = part.content_type() else {
            if part.is_text() {
                out.push(Content {
                    kind: "text/plain".into(),
                    name: String::new(),
                    id: String::new(),
                    octets: part.contents().into(),
                });
            }
            continue;
        };
        if let Some(inner) = part.message() {
            collect(inner, false, out);
            let octets = message.raw_message[part.raw_body_offset() as usize..part.raw_end_offset() as usize].to_vec();
            out.push(Content { kind: "message/rfc822".into(), name: String::new(), id: String::new(), octets });
            continue;
        }
        if kind.ctype() == "multipart" {
            continue;
        }
        let mut octets = part.contents().to_vec();
        if shown_twice && kind.attribute("hp-legacy-display") == Some("1") {
            octets = without_lines(octets, kind.subtype() == Some("html"));
        }
        out.push(Content {
            kind: format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()),
            name: part.attachment_name().unwrap_or_default().to_owned(),
            id: part.content_id().unwrap_or_default().to_owned(),
            octets,
        });
    }
}

/// RFC 9788 §5.1: a reader of header protection leaves out the lines up to the first empty one, or the first element of that class.
fn without_lines(octets: Vec<u8>, html: bool) -> Vec<u8> {
    let text = String::from_utf8(octets).expect("text");
    let (begin, end) = match html {
        false => (0, text.find("\r\n\r\n").map(|at| at + 4)),
        true => {
            let begin = text.find("<div class=\"header-protection-legacy-display\">").expect("the element");
            (begin, text.find("</div>\r\n").map(|at| at + 8))
        }
    };
    let end = end.unwrap_or(text.len());
    assert!(text[begin..end].contains(&format!("Subject: {SUBJECT}")), "{text}");
    format!("{}{}", &text[..begin], &text[end..]).into_bytes()
}
