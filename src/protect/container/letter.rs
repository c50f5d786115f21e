//! Turns a locked file into the letter that carries it: what it is and how it is opened, and nothing of what is in it.

use super::super::legacy_display::push_encoded;
use super::super::{boundary_for, to_base64_lines};
use super::{Form, Locked};
use crate::mail::Language;
use crate::mime::Encoding;

/// A multipart/mixed entity of the letter and the file, CRLF, 7 bit.
pub fn write_entity(locked: &Locked, language: Language, out: &mut Vec<u8>) {
    let boundary = boundary_for(&locked.octets);
    let name = locked.form.file_name();
    out.extend_from_slice(
        format!(
            "Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        )
        .as_bytes(),
    );
    let text = text(locked.form, language).replace('\n', "\r\n");
    push_encoded(out, text.as_bytes(), Encoding::QuotedPrintable);
    out.extend_from_slice(
        format!(
            "\r\n--{boundary}\r\nContent-Type: {}; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n",
            locked.form.media_type()
        )
        .as_bytes(),
    );
    to_base64_lines(&locked.octets, out);
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
}

fn text(form: Form, language: Language) -> String {
    let name = form.file_name();
    let opened = match (form, language) {
        (Form::Zip, Language::Fr) => {
            "Pour l'ouvrir, prenez 7-Zip, WinZip, Keka ou un autre logiciel qui connaît les archives ZIP chiffrées en AES-256 \
             (l'explorateur de Windows ne les connaît pas). L'archive contient une seconde archive : message.html se lit dans un \
             navigateur, message.eml dans un logiciel de messagerie."
        }
        (Form::Zip, Language::En) => {
            "To open it, use 7-Zip, WinZip, Keka or another program that knows ZIP archives encrypted with AES-256 (the Windows \
             Explorer does not). The archive holds a second archive: read message.html in a browser, or message.eml in a mail program."
        }
        (Form::Pdf, Language::Fr) => {
            "Pour l'ouvrir, prenez un lecteur de PDF comme Adobe Acrobat Reader. Le document porte le message et ses pièces jointes : \
             message.html se lit dans un navigateur, message.eml dans un logiciel de messagerie."
        }
        (Form::Pdf, Language::En) => {
            "To open it, use a PDF reader such as Adobe Acrobat Reader. The document carries the message and its attachments: read \
             message.html in a browser, or message.eml in a mail program."
        }
    };
    let (first, second, last) = match language {
        Language::Fr => (
            format!(
                "Bonjour,\n\nUn message confidentiel vous est adressé. Il se trouve dans le fichier joint {name}, que protège un mot de passe."
            ),
            "Ce mot de passe est celui dont vous êtes convenu avec l'expéditeur, ou qui vous est communiqué par un autre moyen (téléphone, \
             SMS). Il n'est jamais envoyé par courriel.",
            "Une réponse à ce message partirait en clair : n'y reprenez rien de confidentiel.",
        ),
        Language::En => (
            format!(
                "Hello,\n\nA confidential message has been sent to you. It is in the attached file {name}, which a password protects."
            ),
            "The password is the one that you agreed on with the sender, or that reaches you by another way (telephone, text message). It \
             is never sent by mail.",
            "An answer to this message would leave in clear: put nothing confidential into it.",
        ),
    };
    format!("{first}\n\n{second}\n\n{opened}\n\n{last}\n")
}
