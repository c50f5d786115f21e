//! `postern keys ca`: the internal certification authority, for organisations without one.

use super::super::{ConfigFile, Done, Failure, Format, report};
use crate::config::Settings;
use crate::console::Answer;
use crate::mail::Address;
use crate::vault::{MOST_LIST_DAYS, Purpose, Reason, Vault};
use crate::world::Clock;
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
#[command(
    after_help = "Example:\n  postern keys ca init --crl-url http://pki.example.org/mail.crl\n  postern keys ca issue alice@example.org --out alice.pem"
)]
pub enum Ca {
    /// Make the authority, or say where its list of revoked certificates will stand
    #[command(after_help = "Example:\n  postern keys ca init --crl-url http://pki.example.org/mail.crl --config config.toml")]
    Init(Init),
    /// Give a person of ours a certificate, with a key or for a request (PKCS#10) that was made elsewhere
    #[command(
        after_help = "Example:\n  postern keys ca issue alice@example.org --name \"Alice Martin\" --out alice.pem\n  postern keys ca issue alice@example.org --request alice.csr --out alice.pem"
    )]
    Issue(Issue),
    /// Take certificates back, by address or serial number; then publish a new list
    #[command(
        after_help = "Example:\n  postern keys ca revoke alice@example.org --reason key-compromise && postern keys ca crl --out mail.crl"
    )]
    Revoke(Revoke),
    /// Make the list of revoked certificates (CRL) that is to be published
    #[command(after_help = "Example:\n  postern keys ca crl --days 7 --out /var/www/pki/mail.crl")]
    Crl(Crl),
    /// Print the authority's own certificate, for correspondents who want to verify our signatures
    #[command(after_help = "Example:\n  postern keys ca chain > mail-ca.pem")]
    Chain(Of),
    /// What was given out, and what was taken back
    #[command(after_help = "Example:\n  postern keys ca list --format json")]
    List(List),
}

#[derive(Debug, Args)]
pub struct Of {
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub struct Init {
    /// The address under which everybody finds the list of revoked certificates; http, so that no TLS is needed to check it
    #[arg(long, value_name = "URL")]
    crl_url: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub struct Issue {
    /// Whose certificate; inside one of our domains
    address: Address,
    /// The person's name, to stand in it
    #[arg(long)]
    name: Option<String>,
    /// A request in PEM: only its public key is taken
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// What it is for
    #[arg(long = "use", value_enum, default_value_t)]
    purpose: Purpose,
    /// Where certificate, authority and (without a request) private key are written; not over a file that is there
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub struct Revoke {
    /// An address (all its certificates) or a serial number in hexadecimal
    #[arg(value_name = "ADDRESS|SERIAL")]
    what: String,
    /// Why
    #[arg(long, value_enum, default_value_t)]
    reason: Reason,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub struct Crl {
    /// For how many days it stands; publish the next one before they are over
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_LIST_DAYS)))]
    days: u32,
    /// The file it replaces (DER)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

const LISTED: &[&str] = &["address", "serial", "issued", "until", "revoked", "reason"];

impl Ca {
    pub fn run(self) -> Done {
        match self {
            Ca::Init(init) => init.run(),
            Ca::Issue(issue) => issue.run(),
            Ca::Revoke(revoke) => revoke.run(),
            Ca::Crl(crl) => crl.run(),
            Ca::Chain(of) => {
                print!("{}", open(&of.file)?.1.ca_certificate_pem()?);
                Ok(())
            }
            Ca::List(list) => list.run(),
        }
    }
}

fn open(file: &ConfigFile) -> Result<(Settings, Vault), Failure> {
    let settings = Settings::load(&file.config)?;
    let vault = crate::serve::open_vault(&settings, Clock::system())?;
    Ok((settings, vault))
}

impl Init {
    fn run(self) -> Done {
        let (settings, vault) = open(&self.file)?;
        if let Some(url) = &self.crl_url {
            let plain = url.starts_with("http://") && url.len() < 1024 && url.bytes().all(|octet| octet.is_ascii_graphic());
            if !plain {
                return Err(Failure::Wrong(format!(
                    "\"{url}\" will not do; write an address like http://pki.example.org/mail.crl"
                )));
            }
        }
        let authority = vault.authority()?;
        if self.crl_url.is_some() {
            authority.set_list_url(self.crl_url.as_deref())?;
        }
        println!(
            "{}: the authority is there; `postern keys ca chain` prints its certificate",
            settings.data.join("keys/authority.pem").display()
        );
        match authority.list_url()? {
            Some(url) => println!("certificates from now on say that revoked ones stand at {url}"),
            None => println!("certificates do not say where revoked ones stand; add --crl-url when there is a place"),
        }
        Ok(())
    }
}

impl Issue {
    fn run(self) -> Done {
        let (settings, vault) = open(&self.file)?;
        if !settings.is_inside(self.address.domain()) {
            let sentence =
                format!("{} is not inside: our authority speaks for our own domains only (see inside in [gate])", self.address);
            return Err(Failure::Wrong(sentence));
        }
        let authority = vault.authority()?;
        let (now, name) = (Clock::system().now(), self.name.as_deref());
        let mut pem = match &self.request {
            Some(path) => {
                let request =
                    std::fs::read_to_string(path).map_err(|why| Failure::Wrong(format!("{}: {why}", path.display())))?;
                zeroize::Zeroizing::new(authority.issue_requested(&request, &self.address, name, self.purpose, now)?)
            }
            None => authority.issue_for(&self.address, name, self.purpose, now)?,
        };
        pem.push_str(&vault.ca_certificate_pem()?);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.out).map_err(|why| {
            Failure::Wrong(format!("{}: cannot be written ({}); write --out with a new file", self.out.display(), why.kind()))
        })?;
        file.write_all(pem.as_bytes())?;
        file.sync_all()?;
        let what = if self.request.is_some() { "certificate and authority" } else { "private key, certificate and authority" };
        println!("{}: {what} of {}", self.out.display(), self.address);
        Ok(())
    }
}

impl Revoke {
    fn run(self) -> Done {
        let (_, vault) = open(&self.file)?;
        let serials = vault.revoke(&self.what, self.reason)?;
        if serials.is_empty() {
            eprintln!("{} has no certificate of ours that is still valid and not revoked", self.what);
            return Err(Failure::Failed);
        }
        serials.iter().for_each(|serial| println!("revoked: {serial}"));
        eprintln!("now publish the list: postern keys ca crl --out FILE");
        Ok(())
    }
}

impl Crl {
    fn run(self) -> Done {
        let (_, vault) = open(&self.file)?;
        let list = vault.authority()?.make_list(self.days, Clock::system().now())?;
        let half = self.out.with_extension("new");
        let cannot = |path: &Path, why: std::io::Error| {
            Failure::Wrong(format!("{}: cannot be written ({})", path.display(), why.kind()))
        };
        std::fs::write(&half, &list).map_err(|why| cannot(&half, why))?;
        std::fs::rename(&half, &self.out).map_err(|why| cannot(&self.out, why))?;
        println!("{}: for {} days", self.out.display(), self.days);
        Ok(())
    }
}

impl List {
    fn run(self) -> Done {
        let (_, vault) = open(&self.file)?;
        let authority = vault.authority()?;
        let revoked = authority.register().revoked()?;
        let rows = authority.register().issued()?.into_iter().map(|one| {
            let gone = revoked.iter().find(|revoked| revoked.serial == one.serial);
            json!({
                "address": one.address, "serial": one.serial, "issued": one.issued,
                "until": crate::mail::UnixTime(one.until).rfc3339(),
                "revoked": gone.map(|gone| crate::mail::UnixTime(gone.at).rfc3339()), "reason": gone.map(|gone| gone.reason),
            })
        });
        report::rows(Answer::Rows(rows.collect()), self.format, LISTED)
    }
}
