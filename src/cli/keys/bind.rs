//! `postern keys import --for`: the operator's word about whose key it is, and what is refused without it.

use super::super::Failure;
use crate::config::Settings;
use crate::lookup::{KeyKind, KeyReport, read_bindings};
use crate::mail::{Address, UnixTime};
use crate::protect::trust::claims::BINDINGS;
use crate::protect::{FindKeys, LookUp, RecipientKey};
use crate::serve;
use std::path::Path;

/// Whether usable keys of a file may be taken in; if not, it has been said why. `addresses`: for whom the operator says they are.
pub fn may_be_taken(
    settings: &Settings,
    path: &Path,
    reports: &[KeyReport],
    addresses: &[Address],
    at: UnixTime,
) -> Result<bool, Failure> {
    let refuse = |why: String| {
        eprintln!("{}: not imported: {why}", path.display());
        Ok(false)
    };
    if !addresses.is_empty() {
        let others = addresses.iter().find(|address| !reports.iter().any(|report| report.addresses.contains(address)));
        return match (reports, others) {
            (_, Some(other)) => refuse(format!("{other} does not stand in it, and it could not be used for that address")),
            ([_], None) => Ok(true),
            _ => refuse("it holds several keys; give each its own file to say whose it is".to_owned()),
        };
    }
    let (folder, _) = serve::open_keys(settings);
    for report in reports {
        for address in &report.addresses {
            if settings.is_inside(address.domain()) {
                return refuse(format!(
                    "{address} is one of ours, and a file is no proof of that; if you know that it is right, add --for {address}"
                ));
            }
            let LookUp::Usable(known) = folder.find(address, at) else { continue };
            // Two certificates that an authority of ours vouches for do not contradict each other.
            if report.kind == KeyKind::Smime && !settings.trust.anchors.is_empty() {
                continue;
            }
            let of_its_kind = known.iter().filter_map(|key| match (key, report.kind) {
                (RecipientKey::Smime(certificate), KeyKind::Smime) => Some(certificate.fingerprint().to_owned()),
                (RecipientKey::Openpgp(certificate), KeyKind::Openpgp) => Some(certificate.fingerprint()),
                _ => None,
            });
            if let Some(fingerprint) = of_its_kind.into_iter().find(|fingerprint| *fingerprint != report.fingerprint) {
                return refuse(format!(
                    "{address} has another key already ({fingerprint}); if the new one is right, add --for {address}"
                ));
            }
        }
    }
    Ok(true)
}

/// Writes the operator's word beside the keys; nothing when none was said.
pub fn write(recipients: &Path, reports: &[KeyReport], addresses: &[Address]) -> Result<(), Failure> {
    let [report] = reports else { return Ok(()) };
    if addresses.is_empty() {
        return Ok(());
    }
    let mut bindings = read_bindings(recipients)?;
    for address in addresses {
        bindings.bind(address, &report.fingerprint, false);
        println!("bound: {address} to {}", report.fingerprint);
    }
    let half = recipients.join(format!(".{BINDINGS}.new"));
    std::fs::write(&half, bindings.to_text())?;
    std::fs::rename(half, recipients.join(BINDINGS))?;
    Ok(())
}
