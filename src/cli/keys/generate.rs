//! `postern keys generate`: keys of their own for one of our people, which the gate signs with and correspondents encrypt to.

use super::super::{ConfigFile, Done, Failure, Format};
use crate::config::Settings;
use crate::mail::{Address, UnixTime};
use crate::serve;
use crate::vault::{Form, Made, Purpose};
use crate::world::Clock;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Generate {
    /// Whose keys; inside one of our domains
    address: Address,
    /// S/MIME: a certificate by the internal authority. Without this and --openpgp: both
    #[arg(long)]
    smime: bool,
    /// OpenPGP: Ed25519 and X25519
    #[arg(long)]
    openpgp: bool,
    /// OpenPGP of version 6, encrypted to with ML-KEM-768 and X25519: GnuPG, RNP and Thunderbird of today do not read it
    #[arg(long, requires = "openpgp")]
    post_quantum: bool,
    /// Not by the internal authority: write a request to another one into this file
    #[arg(long, value_name = "FILE", requires = "smime")]
    csr: Option<PathBuf>,
    /// The person's name, to stand in them
    #[arg(long)]
    name: Option<String>,
    /// What they are for
    #[arg(long = "use", value_enum, default_value_t)]
    purpose: Purpose,
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Generate {
    pub fn run(self) -> Done {
        let settings = Settings::load(&self.file.config)?;
        if !settings.is_inside(self.address.domain()) {
            let sentence = format!("{} is not inside: keys are made for our own people (see inside in [gate])", self.address);
            return Err(Failure::Wrong(sentence));
        }
        if let Some(csr) = self.csr.as_ref().filter(|csr| csr.exists()) {
            return Err(Failure::Wrong(format!("{} is there already; write --csr with a new file", csr.display())));
        }
        let vault = serve::open_vault(&settings, Clock::system())?;
        let neither = !self.smime && !self.openpgp;
        let mut forms = Vec::new();
        if self.openpgp || neither {
            forms.push(("openpgp", Form::Openpgp { post_quantum: self.post_quantum }));
        }
        match self.csr.clone() {
            Some(csr) => forms.push(("request", Form::Request(csr))),
            None if self.smime || neither => forms.push(("smime", Form::Smime)),
            None => {}
        }
        for (kind, form) in forms {
            let ours = settings.keys.join("ours");
            let made = vault.generate(&ours, &self.address, self.name.as_deref(), self.purpose, &form)?;
            self.tell(kind, &made);
        }
        eprintln!(
            "the gate signs with them from its next start; give the file to its owner: what is encrypted to it opens with nothing else"
        );
        Ok(())
    }

    fn tell(&self, kind: &str, made: &Made) {
        let csr = self.csr.as_ref().filter(|_| kind == "request");
        match self.format {
            Format::Json => println!(
                "{}",
                json!({
                    "address": self.address, "kind": kind, "file": made.file, "request": csr, "fingerprint": made.fingerprint,
                    "expires": made.expires.map(UnixTime::rfc3339), "passphrase": made.locked,
                })
            ),
            Format::Text => {
                let until = made.expires.map(|end| format!(" until {}", end.rfc3339())).unwrap_or_default();
                let locked = if made.locked { ", under the passphrase" } else { "" };
                println!("{}: {kind} {}{until}{locked}", made.file.display(), made.fingerprint);
                if let Some(csr) = csr {
                    println!(
                        "{}: send it to the authority; then put its answer, its chain and this key into one file: cat answer.pem chain.pem {} > {}",
                        csr.display(),
                        made.file.display(),
                        made.file.with_extension("pem").display()
                    );
                }
            }
        }
    }
}
