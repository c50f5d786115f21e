//! What the gate does not have to change leaves byte for byte: what arrives is what was submitted, below the fields it puts on top.

use super::gate::Setup;
use super::sink::{CAPABILITIES, Sink};
use std::time::Duration;

const RECIPIENT: &str = "bob@example.net";

/// A header that needs none of RFC 6409's fixes.
const HEADER: &str = "Date: Sat, 21 Nov 2026 10:00:00 +0100\r\nFrom: Alice Martin <alice@example.org>\r\nTo: <bob@example.net>\r\n\
                      Subject: Essai\r\nMessage-ID: <essai@client.example.org>\r\nMIME-Version: 1.0\r\n";

fn plain(more: &str, body: &[u8]) -> Vec<u8> {
    [HEADER.as_bytes(), more.as_bytes(), b"\r\n", body].concat()
}

fn text(charset: &str, encoding: &str, body: &[u8]) -> Vec<u8> {
    plain(&format!("Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n"), body)
}

/// Name and octets of each message; what SMTP itself cannot carry (a last line without CRLF) is completed in [`on_the_wire`].
fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let line_998 = [&b"une ligne tres longue, ".repeat(50)[..998], b"\r\n"].concat();
    let eight_bit_998 = ["é".repeat(499).as_bytes(), b"\r\n"].concat();
    let signed = "Content-Type: multipart/signed; micalg=pgp-sha256;\r\n protocol=\"application/pgp-signature\";\r\n boundary=\"b1\"\r\n";
    vec![
        ("utf-8", text("utf-8", "8bit", "Déjà l'été à Nîmes : œuvre, 10 €\r\n".as_bytes())),
        ("latin-1", text("iso-8859-1", "8bit", b"D\xe9j\xe0 l'\xe9t\xe9\r\n")),
        ("windows-1252 dashes", text("windows-1252", "8bit", b"un \x96 deux \x97 trois\x85\r\n")),
        ("dots", text("us-ascii", "7bit", b".\r\n..\r\n...\r\n.x\r\n. \r\n x.\r\n.\r\n")),
        ("a dot alone at the end", text("us-ascii", "7bit", b"fin\r\n.\r\n")),
        ("empty body", text("us-ascii", "7bit", b"")),
        ("a body of empty lines", text("us-ascii", "7bit", b"\r\n\r\n\r\n")),
        ("no final line end", text("us-ascii", "7bit", b"sans fin de ligne")),
        ("998 octets", text("us-ascii", "7bit", &[&line_998[..], b"court\r\n", &line_998[..]].concat())),
        ("998 octets of 8-bit text", text("utf-8", "8bit", &eight_bit_998)),
        ("blanks and tabs at line ends", text("us-ascii", "7bit", b"blanc \r\ntab\t\r\n \r\n\t\r\nfin  \r\n\r\n\r\n")),
        ("From at a line's beginning", text("us-ascii", "7bit", b"From moi\r\n>From toi\r\nFrom: elle\r\n")),
        ("form feed, escape, delete", text("us-ascii", "7bit", b"a\x0cb\x1b[0mc\x7f\x01\r\n")),
        ("no type at all", plain("", b"du texte simple\r\n")),
        (
            "fields folded and written in every way",
            [
                b"X-Mailer:a\r\nDATE: Sat, 21 Nov 2026 10:00:00 +0100\r\nfrom:   Alice Martin\r\n <alice@example.org>\r\n".as_slice(),
                b"To: <bob@example.net>,\r\n\t<bob@example.net>\r\nSubject: =?iso-8859-1?q?D=E9j=E0?=\r\n\t=?utf-8?B?w6k=?=  \r\n",
                b"message-id:\r\n <essai@client.example.org>\r\nMime-version: 1.0\r\nX-Empty:\r\nX-Long: ",
                "y".repeat(900).as_bytes(),
                b"\r\n\r\ntexte\r\n",
            ]
            .concat(),
        ),
        (
            "preamble, epilogue and odd boundaries",
            plain(
                "Content-Type: multipart/mixed; boundary=\"=_a b'()+_,-./:=?\"\r\n",
                b"avant\r\n--=_a b'()+_,-./:=?\r\n\r\nun\r\n--=_a b'()+_,-./:=?  \r\nContent-Type: text/plain\r\n\r\ndeux\r\n\r\n\
                  --=_a b'()+_,-./:=?--\r\napres\r\n",
            ),
        ),
        (
            "an encoding that wastes space",
            plain(
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n",
                b"Qm9u\r\nam91\r\n\r\nciwgdG91dCBsZSBtb25kZQ==\r\n",
            ),
        ),
        (
            "soft line ends",
            plain(
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n",
                b"d=c3=A9j=C3=a0=\r\n vu =\r\n=41 fin=20\r\n",
            ),
        ),
        (
            "a mail in a mail",
            plain(
                "Content-Type: multipart/mixed; boundary=b1\r\n",
                b"--b1\r\nContent-Type: text/plain\r\n\r\nvoir ci-joint\r\n--b1\r\nContent-Type: message/rfc822\r\n\r\n\
                  Received: from a by b; Fri, 20 Nov 2026 10:00:00 +0100\r\nDKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=x;\r\n \
                  h=from; bh=AAAA; b=BBBB\r\nBcc: <cache@example.com>\r\nFrom: <x@example.com>\r\nSubject:  deux  blancs \r\n\
                  MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
                  \xc3\xa9t\xc3\xa9 \r\n.\r\n\r\n--b1--\r\n",
            ),
        ),
        (
            "signed by the client with OpenPGP",
            plain(
                signed,
                b"--b1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                  Sign=C3=A9 =20\r\n.\r\n-- \r\nAlice\r\n\r\n--b1\r\nContent-Type: application/pgp-signature; name=\"signature.asc\"\r\n\r\n\
                  -----BEGIN PGP SIGNATURE-----\r\n\r\niHUEABYKAB0WIQQ\r\n=AbCd\r\n-----END PGP SIGNATURE-----\r\n\r\n--b1--\r\n",
            ),
        ),
        (
            "8-bit and signed by the client",
            plain(
                signed,
                "--b1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n  Signé en huit bits\t\r\n\r\n--b1\r\n\
                 Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\niHUEABYKAB0WIQQ\r\n=AbCd\r\n\
                 -----END PGP SIGNATURE-----\r\n\r\n--b1--\r\n"
                    .as_bytes(),
            ),
        ),
    ]
}

/// SMTP ends every line (RFC 5321 §4.1.1.4).
fn on_the_wire(message: &[u8]) -> Vec<u8> {
    let end: &[u8] = if message.ends_with(b"\r\n") { b"" } else { b"\r\n" };
    [message, end].concat()
}

/// Takes off the Received and DKIM-Signature fields on top; what stays is what the client wrote.
pub fn below_our_fields(message: &[u8]) -> &[u8] {
    let mut at = 0;
    loop {
        let rest = &message[at..];
        let name_end = memchr::memchr(b':', rest).unwrap_or(0);
        if !rest[..name_end].eq_ignore_ascii_case(b"received") && !rest[..name_end].eq_ignore_ascii_case(b"dkim-signature") {
            return rest;
        }
        loop {
            at += memchr::memchr(b'\n', &message[at..]).map_or(message.len() - at, |end| end + 1);
            if !matches!(message.get(at), Some(b' ' | b'\t')) {
                break;
            }
        }
    }
}

#[test]
fn what_need_not_change_leaves_byte_for_byte() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let mut client = gate.client();
    let mut wrong = Vec::new();
    for (n, (name, message)) in messages().into_iter().enumerate() {
        let reply = client.send(super::gate::ALICE, &[RECIPIENT], &message).unwrap();
        if reply.code != 250 || reply.text.contains("retenu") {
            wrong.push(format!("{name}: {} {}", reply.code, reply.text));
            // Whatever became of it, the next one is counted from here.
            std::thread::sleep(Duration::from_millis(200));
            continue;
        }
        let wanted = on_the_wire(&message);
        let arrived = |sink: &Sink| sink.taken().into_iter().find(|one| below_our_fields(&one.data) == wanted);
        let end = std::time::Instant::now() + Duration::from_secs(10);
        while arrived(&sink).is_none() && std::time::Instant::now() < end && sink.taken().len() <= n {
            std::thread::sleep(Duration::from_millis(10));
        }
        match arrived(&sink) {
            None => wrong.push(format!("{name}: {}", first_difference(&wanted, sink.taken().last().map(|one| &one.data[..])))),
            Some(one) if one.data.len() == wanted.len() => wrong.push(format!("{name}: without Received and DKIM-Signature")),
            Some(one) => {
                let declared = one.mail_parameters.contains("BODY=8BITMIME");
                if declared == message.is_ascii() {
                    wrong.push(format!("{name}: MAIL parameters {:?}", one.mail_parameters));
                }
            }
        }
    }
    assert!(CAPABILITIES.contains(&"8BITMIME"));
    assert!(wrong.is_empty(), "{} of {}:\n{}\n{}", wrong.len(), messages().len(), wrong.join("\n"), gate.log());
}

fn first_difference(wanted: &[u8], arrived: Option<&[u8]>) -> String {
    let Some(arrived) = arrived else { return "did not arrive".to_string() };
    let arrived = below_our_fields(arrived);
    let at = wanted.iter().zip(arrived).position(|(a, b)| a != b).unwrap_or(wanted.len().min(arrived.len()));
    let around = |octets: &[u8]| {
        String::from_utf8_lossy(&octets[at.saturating_sub(40).min(octets.len())..(at + 40).min(octets.len())]).into_owned()
    };
    format!("differs at octet {at}: wanted {:?}, arrived {:?}", around(wanted), around(arrived))
}

#[test]
fn only_what_the_gate_put_on_top_is_taken_off() {
    let message = b"DKIM-Signature: a\r\n b\r\nreceived: c\r\nX: d\r\nReceived: e\r\n\r\nf\r\n";
    assert_eq!(below_our_fields(message), b"X: d\r\nReceived: e\r\n\r\nf\r\n");
}
