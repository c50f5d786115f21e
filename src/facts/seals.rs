//! Turns what the client sealed into what counts as unreadable: everything but what is encrypted to the parties of the message alone.

use super::Known;
use crate::detect::Findings;
use crate::extract::{Extracted, FileKind, Reason};

/// Takes from `findings` the parts that the client encrypted to keys of the recipients and the sender and to no other: that is the end
/// to end encryption we wish for. Everything else that is encrypted stays `client_encrypted`: a key of one's own would otherwise be the way
/// past inspection. What a message says of its keys cannot be proved here; a recipient who cannot open it tells.
///
/// `findings` and `extracted` are of the same message.
pub fn take_out_seals_of_parties(findings: &mut Findings, extracted: &Extracted, known: &Known) {
    let is_for_parties = |at: usize| {
        let Some(unreadable) = extracted.unreadable.get(at).filter(|part| part.reason == Reason::ClientEncrypted) else {
            return false;
        };
        let mut seals = extracted
            .files
            .iter()
            .filter(|file| file.kind == FileKind::SealedByClient && file.place == unreadable.part)
            .peekable();
        seals.peek().is_some()
            && seals
                .all(|seal| !seal.sealed_to.is_empty() && seal.sealed_to.iter().all(|key| known.keys_of_parties.contains(key)))
    };
    // By number: places in findings are masked.
    let mut at = 0;
    findings.unreadable.retain(|_| {
        at += 1;
        !is_for_parties(at - 1)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{FileSeen, Place, Unreadable};
    use crate::mime::KeyName;

    const ALICE: KeyName = KeyName::Openpgp([1; 8]);
    const BOB: KeyName = KeyName::Openpgp([2; 8]);
    const EVE: KeyName = KeyName::Openpgp([3; 8]);

    #[test]
    fn only_what_is_encrypted_to_the_parties_alone_is_no_longer_unreadable() {
        let known = Known { keys_of_parties: [ALICE, BOB].into(), ..Known::default() };
        for (name, seals, left) in [
            ("the recipient", vec![vec![BOB]], 0),
            ("the recipient and the sender", vec![vec![BOB, ALICE]], 0),
            ("one more", vec![vec![BOB, EVE]], 1),
            ("another alone", vec![vec![EVE]], 1),
            ("a password beside", vec![vec![BOB, KeyName::Nobody]], 1),
            ("nobody says for whom", vec![vec![]], 1),
            ("no such file", vec![], 1),
            ("two of one name, one for another", vec![vec![BOB], vec![EVE]], 1),
        ] {
            let place = || Place("body".into());
            let files = seals.into_iter().map(|sealed_to| FileSeen {
                place: place(),
                name: String::new(),
                media_type: "application/pgp-encrypted".into(),
                kind: FileKind::SealedByClient,
                size: 1,
                sealed_to,
            });
            let unreadable = |reason| Unreadable { part: place(), reason };
            let extracted = Extracted {
                files: files.collect(),
                unreadable: vec![unreadable(Reason::Password), unreadable(Reason::ClientEncrypted)],
                ..Extracted::default()
            };
            let mut findings = Findings { unreadable: extracted.unreadable.clone(), ..Findings::default() };
            take_out_seals_of_parties(&mut findings, &extracted, &known);
            let reasons: Vec<Reason> = findings.unreadable.iter().map(|part| part.reason).collect();
            assert_eq!(reasons.len() - 1, left, "{name}: {reasons:?}");
            assert_eq!(reasons[0], Reason::Password, "{name}");
        }
    }
}
