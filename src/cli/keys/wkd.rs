//! `postern keys wkd export`: the tree of files that a web server shows as our Web Key Directory (draft-koch-openpgp-webkey-service).

use super::super::{ConfigFile, Done, Failure};
use crate::config::Settings;
use crate::lookup::read_bindings;
use crate::lookup::wkd::hashed_local;
use crate::mail::Address;
use crate::protect::trust::claims::plain;
use clap::{Args, Subcommand};
use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::SerializeInto;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  postern keys wkd export /var/www/openpgpkey --config config.toml")]
pub enum Wkd {
    /// Write the OpenPGP keys of our own addresses as https://openpgpkey.DOMAIN/ must show them (advanced method)
    #[command(after_help = "Example:\n  postern keys wkd export /var/www/openpgpkey --config config.toml")]
    Export(Export),
}

#[derive(Debug, Args)]
pub struct Export {
    /// The folder that the web server shows: .well-known/openpgpkey/DOMAIN/hu/ is written below it
    dir: PathBuf,
    #[command(flatten)]
    file: ConfigFile,
}

/// Octets of one file with keys.
const LARGEST: u64 = 4 << 20;

impl Wkd {
    pub fn run(self) -> Done {
        let Wkd::Export(export) = self;
        export.run()
    }
}

impl Export {
    fn run(self) -> Done {
        let settings = Settings::load(&self.file.config)?;
        let mut ours: BTreeMap<Address, Vec<Cert>> = BTreeMap::new();
        // The operator's own keys, those that people of ours gave in and the operator bound, then what signs for everybody else.
        let bindings = read_bindings(&settings.keys.join("recipients"))?;
        for cert in certs_in(&settings.keys.join("ours"))? {
            take(&mut ours, cert, |address| settings.is_inside(address.domain()));
        }
        for cert in certs_in(&settings.keys.join("recipients"))? {
            let fingerprint = plain(&cert.fingerprint().to_hex());
            let bound = |address: &Address| {
                bindings.iter().any(|one| one.address == *address && plain(&one.fingerprint) == fingerprint)
            };
            take(&mut ours, cert, |address| settings.is_inside(address.domain()) && bound(address));
        }
        for cert in certs_in(&settings.data.join("keys/senders"))? {
            let known: Vec<Address> = ours.keys().cloned().collect();
            take(&mut ours, cert, |address| settings.is_inside(address.domain()) && !known.contains(address));
        }
        let root = self.dir.join(".well-known/openpgpkey");
        for domain in settings.inside.iter() {
            let folder = root.join(domain.as_str());
            std::fs::create_dir_all(folder.join("hu"))?;
            // It must be there, and may be empty (§4.5).
            write(&folder.join("policy"), b"")?;
        }
        let mut count = 0;
        for (address, certs) in &ours {
            let folder = root.join(address.domain().as_str());
            std::fs::create_dir_all(folder.join("hu"))?;
            if !folder.join("policy").exists() {
                write(&folder.join("policy"), b"")?;
            }
            let mut octets = Vec::new();
            for cert in certs {
                let one =
                    only_for(cert, address).map_err(|_| Failure::Wrong(format!("the key of {address} cannot be written")))?;
                octets.extend(one);
            }
            write(&folder.join("hu").join(hashed_local(address.local())), &octets)?;
            println!("{address}: {}", certs.iter().map(|cert| cert.fingerprint().to_hex()).collect::<Vec<_>>().join(", "));
            count += 1;
        }
        eprintln!("{count} addresses in {}; show that folder as https://openpgpkey.DOMAIN/", self.dir.display());
        Ok(())
    }
}

fn take(ours: &mut BTreeMap<Address, Vec<Cert>>, cert: Cert, wanted: impl Fn(&Address) -> bool) {
    let policy = StandardPolicy::new();
    let Ok(valid) = cert.with_policy(&policy, None) else { return };
    if valid.alive().is_err() {
        return;
    }
    let addresses: Vec<Address> = valid
        .userids()
        .filter_map(|id| Address::parse(id.userid().email().ok()??).ok())
        .filter(|address| wanted(address))
        .collect();
    for address in addresses {
        let certs = ours.entry(address).or_default();
        if !certs.iter().any(|known| known.fingerprint() == cert.fingerprint()) {
            certs.push(cert.clone());
        }
    }
}

/// Without secret keys, and with no user id but those of this address (§3.1): who asks for one address learns of no other.
fn only_for(cert: &Cert, address: &Address) -> sequoia_openpgp::Result<Vec<u8>> {
    let is_its = |id: &sequoia_openpgp::packet::UserID| {
        id.email().ok().flatten().and_then(|text| Address::parse(text).ok()).is_some_and(|found| found == *address)
    };
    let cert =
        cert.clone().strip_secret_key_material().retain_userids(|id| is_its(id.userid())).retain_user_attributes(|_| false);
    cert.export_to_vec()
}

/// The OpenPGP certificates of a folder's `*.asc`, `*.pgp`, `*.gpg`; none when there is no folder.
fn certs_in(folder: &Path) -> Result<Vec<Cert>, Failure> {
    let entries = match std::fs::read_dir(folder) {
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    let mut certs = Vec::new();
    for path in paths {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        if !["asc", "pgp", "gpg"].contains(&ending.as_str()) || std::fs::metadata(&path)?.len() > LARGEST {
            continue;
        }
        let octets = std::fs::read(&path)?;
        if let Ok(parser) = CertParser::from_bytes(&octets) {
            certs.extend(parser.filter_map(Result::ok));
        }
    }
    Ok(certs)
}

/// Whole or not at all, and readable by the web server.
fn write(path: &Path, octets: &[u8]) -> std::io::Result<()> {
    let half = path.with_extension("new");
    std::fs::write(&half, octets)?;
    std::fs::rename(half, path)
}
