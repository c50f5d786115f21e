//! Turns an allowed message into the signed copies that leave; one that cannot be made means that none leaves.

use super::agreed::Agreed;
use super::{Gate, Inspection};
use crate::dkim::CannotSign;
use crate::mail::{Outgoing, Submission, Transport, UnixTime};
use crate::policy::{Decision, Verdict};
use crate::protect::{self, CannotProtect, Keys, LookUp, Signers};
use crate::quarantine::CannotSeal;
use crate::vault::VaultError;

/// Why nothing of a message can be sent or kept. Ours or the operator's fault; temporary, but for [`protect::Cause::TooLarge`].
#[derive(Debug, thiserror::Error)]
pub enum CannotSend {
    #[error(transparent)]
    Protect(#[from] CannotProtect),
    #[error(transparent)]
    Sign(#[from] CannotSign),
    #[error(transparent)]
    Hold(#[from] CannotSeal),
    #[error("a notice to the sender could not be written")]
    Notice,
    #[error("the password of a container could not be sealed for the service that tells it")]
    Call,
    #[error("the sender's signing keys cannot be had: {0}")]
    OwnKeys(#[from] VaultError),
}

impl CannotSend {
    /// For the audit.
    pub fn word(&self) -> &'static str {
        match self {
            CannotSend::Protect(_) => "cannot-protect",
            CannotSend::Sign(_) => "cannot-sign",
            CannotSend::Hold(_) => "cannot-hold",
            CannotSend::Notice => "cannot-notify",
            CannotSend::Call => "cannot-protect",
            CannotSend::OwnKeys(_) => "no-own-keys",
        }
    }
}

/// True when what was decided for a recipient depends on a look-up that nobody answered: that is neither a key nor none.
pub(super) fn hangs_on_failed_look_up(decision: &Decision, keys: &Keys) -> bool {
    decision.verdicts.iter().any(|verdict| {
        let failed = matches!(keys.get(&verdict.recipient), None | Some(LookUp::Failed(_)));
        let wants_key = verdict.requires.encrypt
            || verdict.requires.encrypt_if_possible
            || verdict.reasons.iter().any(|applied| applied.no_key);
        failed && wants_key
    })
}

/// What the sender asked of the transport for this copy's recipients. SMTPUTF8 is a wish of the client's that the message may turn out
/// not to need: then the copy can go to servers that do not know it (RFC 6531 §3.2).
fn transport_of(submission: &Submission, seen: &Inspection<'_>, copy: &Outgoing) -> Transport {
    let raw = seen.parsed.raw.as_bytes();
    // Header fields of parts and of attached messages; a sealed copy shows none of them.
    let inside = || copy.raw.is_eight_bit() && seen.parsed.parts.iter().any(|part| !raw[part.header.clone()].is_ascii());
    let header = || !copy.raw.header().is_ascii() || inside();
    submission.transport.of_copy(&copy.recipients, submission.transport.smtputf8 && header())
}

/// True when a header in UTF-8 would have to go into a seal: S/MIME and PGP/MIME seal 7-bit octets only (RFC 8551 §3.1.2, RFC 3156 §3), and a
/// header with addresses beyond ASCII has no such form.
pub(super) fn would_seal_utf8(seen: &Inspection<'_>, keys: &Keys) -> bool {
    let sealed = |verdict: &Verdict| {
        let has_key = || matches!(keys.get(&verdict.recipient), Some(LookUp::Usable(_)));
        let requires = &verdict.requires;
        requires.encrypt || requires.sign || (requires.encrypt_if_possible && has_key())
    };
    !seen.parsed.raw.header().is_ascii() && seen.decision.verdicts.iter().any(sealed)
}

impl Gate {
    /// Every copy, sealed as its verdict demands and DKIM-signed last.
    pub(super) fn make_copies(
        &self,
        submission: &Submission,
        seen: &Inspection<'_>,
        keys: &Keys,
        agreed: &Agreed,
        at: UnixTime,
    ) -> Result<Vec<Outgoing>, CannotSend> {
        let signers = self.signers(submission, seen)?;
        let copies =
            protect::protect(submission, &seen.parsed, &seen.decision, keys, &agreed.passwords, &signers, &self.house.sealing);
        let sign = |copy: Result<Outgoing, CannotProtect>| {
            let mut copy = copy?;
            copy.transport = transport_of(submission, seen, &copy);
            Ok(self.dkim.sign(copy, at)?)
        };
        copies.map(sign).collect()
    }

    /// The sender's own signing keys, only where a copy needs one: making them costs.
    fn signers(&self, submission: &Submission, seen: &Inspection<'_>) -> Result<Signers, CannotSend> {
        let wanted = seen
            .decision
            .verdicts
            .iter()
            .any(|verdict| verdict.requires.encrypt || verdict.requires.encrypt_if_possible || verdict.requires.sign);
        if !wanted {
            return Ok(Signers::default());
        }
        let from = seen.parsed.mailboxes("From").into_iter().next();
        let Some((address, name)) = from.and_then(|from| Some((from.address?, from.name))) else {
            return Ok(Signers::default());
        };
        // Whoever may not send as this address never came here; the name in a certificate is the account's before the message's.
        let names = match &submission.identity {
            crate::mail::Identity::Account { names, .. } if !names.is_empty() => names.clone(),
            _ => name.into_iter().collect(),
        };
        Ok(self.vault.signers_for(&address, &names)?)
    }
}
