//! Turns parts and header fields into what kind of message it is, and what its sender asks for by them.

use super::fold::{fold, without_prefixes};
use crate::detect::Findings;
use crate::extract::{Extracted, TextKind};
use crate::mime::write::ASKS_ENCRYPTION;
use crate::mime::{Kind, ParsedMessage, Part};

/// `X-Postern-Encrypt: yes`, in any case; also `true` and `1`.
pub(super) fn asks_encryption(message: &ParsedMessage) -> bool {
    values(message, ASKS_ENCRYPTION).any(|value| ["yes", "true", "1"].contains(&value.as_str()))
}

/// RFC 2156 §5.3.4; Outlook writes it for "Confidential".
pub(super) fn is_company_confidential(message: &ParsedMessage) -> bool {
    values(message, "Sensitivity").any(|value| value == "company-confidential")
}

/// RFC 8689 §3: the sender would rather have the message in clear than not delivered.
pub(super) fn makes_tls_optional(message: &ParsedMessage) -> bool {
    values(message, "TLS-Required").any(|value| value == "no")
}

/// Whether a rule found something in the Subject, drafts and low confidence included: what is hidden in vain costs little.
pub(super) fn is_subject_sensitive(subject: &str, extracted: &Extracted, findings: &Findings) -> bool {
    if subject.is_empty() {
        return false;
    }
    let mut places =
        findings.found.iter().flat_map(|finding| &finding.places).filter(|found| found.place.0.starts_with("header"));
    places.any(|found| {
        let Some(text) = extracted.texts.get(found.text).filter(|text| text.kind == TextKind::Header) else {
            // A second reading of the header: of which field cannot be told.
            return true;
        };
        let (start, end) = (found.span.0 as usize, found.span.1 as usize);
        let before = text.content.get(..start).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        // A value may reach from one field into the next.
        let touched = text.content.get(line..end.max(start)).unwrap_or_default();
        touched.lines().any(|line| line.get(..8).is_some_and(|name| name.eq_ignore_ascii_case("Subject:")))
    })
}

/// RFC 6047 §2.4: text/calendar with a method. An .ics file that is merely attached is a file.
pub(super) fn is_calendar(message: &ParsedMessage) -> bool {
    /// What stands before the first event is some hundred octets.
    const HEAD: usize = 16 << 10;
    own_parts(message).any(|part| {
        if part.content_type != "text/calendar" {
            return false;
        }
        if part.parameter("method").is_some() {
            return true;
        }
        let (octets, _) = part.decoded(message.raw);
        let head = String::from_utf8_lossy(&octets[..octets.len().min(HEAD)]).to_ascii_uppercase();
        !part.attachment && head.lines().any(|line| line.trim_end().starts_with("METHOD:"))
    })
}

/// RFC 6522: a report about delivery (RFC 3464), reading (RFC 8098) or abuse (RFC 5965).
pub(super) fn is_delivery_report(message: &ParsedMessage) -> bool {
    message.top().content_type == "multipart/report"
}

/// RFC 3834 §5, and what programs wrote before it.
pub(super) fn is_auto_reply(message: &ParsedMessage) -> bool {
    let automatic = values(message, "Auto-Submitted").any(|value| value.starts_with("auto-replied"));
    let older = ["X-Autoreply", "X-Autorespond", "X-AutoReply-From"].iter().any(|name| message.field(name).is_some());
    automatic || older || values(message, "Precedence").any(|value| value == "auto_reply") || is_absence_note(message)
}

/// Exchange marks its own notes by a class only; in mail that leaves it, the Subject says so.
fn is_absence_note(message: &ParsedMessage) -> bool {
    let subject = fold(&without_prefixes(&message.subject().unwrap_or_default()).rest);
    let begins = [
        "reponse automatique :",
        "reponse automatique:",
        "automatic reply:",
        "out of office:",
        "absent du bureau :",
        "absence du bureau",
        "automatische antwort:",
        "respuesta automatica:",
        "risposta automatica:",
    ];
    values(message, "X-Auto-Response-Suppress").next().is_some() && begins.iter().any(|begin| subject.starts_with(begin))
}

/// MS-OXTNEF.
pub(super) fn has_tnef(message: &ParsedMessage) -> bool {
    own_parts(message).any(|part| {
        let name = part.file_name.as_deref().unwrap_or_default();
        matches!(part.content_type.as_str(), "application/ms-tnef" | "application/vnd.ms-tnef")
            || name.eq_ignore_ascii_case("winmail.dat")
    })
}

/// The values of a field, trimmed, in small letters, without comments at their end.
fn values<'m>(message: &'m ParsedMessage<'_>, name: &'m str) -> impl Iterator<Item = String> + 'm {
    message.fields(name).map(|field| {
        let text = message.text_of(field);
        text.split(['(', ';']).next().unwrap_or_default().trim().to_ascii_lowercase()
    })
}

/// All leaves that do not belong to an attached message: what is forwarded with an invitation in it is no invitation.
fn own_parts<'m>(message: &'m ParsedMessage<'_>) -> impl Iterator<Item = &'m Part> {
    message.leaves().filter(|part| {
        let mut above = part.parent;
        while let Some(index) = above {
            if index != 0 && message.parts[index].kind == Kind::Message {
                return false;
            }
            above = message.parts[index].parent;
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::RawMessage;

    fn holds(fact: fn(&ParsedMessage) -> bool, text: &str) -> bool {
        let raw = RawMessage::new(format!("{text}\n").replace('\n', "\r\n").into_bytes()).unwrap();
        fact(&crate::mime::parse(&raw, &crate::mime::Limits::default()).unwrap())
    }

    const INVITATION: &str = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nEND:VCALENDAR";

    fn alternative(part: &str) -> String {
        format!(
            "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\nJeudi ?\n--b\n{part}\n\n{INVITATION}\n--b--"
        )
    }

    #[test]
    fn an_invitation_has_a_method() {
        for (text, is) in [
            (format!("Content-Type: text/calendar; method=REQUEST\n\n{INVITATION}"), true),
            (alternative("Content-Type: TEXT/Calendar; charset=utf-8; METHOD=CANCEL"), true),
            (alternative("Content-Type: text/calendar; method=\"REPLY\""), true),
            // Some clients leave the parameter out.
            (alternative("Content-Type: text/calendar"), true),
            // A file that somebody attached, to be imported or not.
            (alternative("Content-Type: text/calendar\nContent-Disposition: attachment; filename=fete.ics"), false),
            ("Content-Type: text/calendar\n\nBEGIN:VCALENDAR\nEND:VCALENDAR".to_owned(), false),
            (format!("Content-Type: text/plain\n\n{INVITATION}"), false),
            // Forwarded as it came: a person reads it.
            (
                format!(
                    "Content-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: message/rfc822\n\n{}\n--c--",
                    alternative("Content-Type: text/calendar; method=REQUEST")
                ),
                false,
            ),
        ] {
            assert_eq!(holds(is_calendar, &text), is, "{text}");
        }
    }

    #[test]
    fn an_automatic_reply_says_so() {
        for (header, is) in [
            ("Auto-Submitted: auto-replied", true),
            ("Auto-Submitted: Auto-Replied (vacation)", true),
            ("Auto-Submitted: auto-replied; owner-email=\"a@b.example\"", true),
            ("Auto-Submitted: no", false),
            ("Auto-Submitted: auto-generated", false),
            ("X-Autoreply: yes", true),
            ("Precedence: auto_reply", true),
            ("Precedence: bulk", false),
            ("X-Auto-Response-Suppress: All\nSubject: =?utf-8?q?R=C3=A9ponse_automatique_=3A_dossier?=", true),
            ("X-Auto-Response-Suppress: All\nSubject: dossier", false),
            ("Subject: Automatic reply: how to write one", false),
        ] {
            assert_eq!(holds(is_auto_reply, &format!("{header}\n\nx")), is, "{header}");
        }
    }

    #[test]
    fn reports_and_winmail_are_known_by_their_type() {
        let report = "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nx\n--b\nContent-Type: message/delivery-status\n\nAction: failed\n--b--";
        let mixed = |part: &str| format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\n{part}\n\nx\n--b--");
        assert!(holds(is_delivery_report, report));
        assert!(!holds(is_delivery_report, &mixed("Content-Type: message/delivery-status")));
        for (part, is) in [
            ("Content-Type: application/ms-tnef", true),
            ("Content-Type: application/octet-stream; name=\"WinMail.dat\"", true),
            ("Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=winmail.dat", true),
            ("Content-Type: application/octet-stream; name=\"mail.dat\"", false),
        ] {
            assert_eq!(holds(has_tnef, &mixed(part)), is, "{part}");
        }
    }

    #[test]
    fn a_sender_asks_by_header() {
        for (header, fact, is) in [
            ("X-Postern-Encrypt: yes", asks_encryption as fn(&ParsedMessage) -> bool, true),
            ("x-postern-encrypt:  TRUE ", asks_encryption, true),
            ("X-Postern-Encrypt: no", asks_encryption, false),
            ("X-Postern-Encrypt:", asks_encryption, false),
            ("X-Postern-Encrypted: yes", asks_encryption, false),
            ("Sensitivity: Company-Confidential", is_company_confidential, true),
            ("Sensitivity: company-confidential", is_company_confidential, true),
            ("Sensitivity: Private", is_company_confidential, false),
            ("TLS-Required: No", makes_tls_optional, true),
            ("TLS-Required: no (testing)", makes_tls_optional, true),
            ("TLS-Required: yes", makes_tls_optional, false),
        ] {
            assert_eq!(holds(fact, &format!("{header}\n\nx")), is, "{header}");
        }
    }
}
