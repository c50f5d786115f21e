//! `postern keys show`: all that is known of one key, or of the keys of one address.

use super::super::{ConfigFile, Done, Failure, Format, report};
use super::{LISTED, row};
use crate::config::Settings;
use crate::console::Answer;
use crate::lookup::KeyReport;
use crate::mail::{Address, UnixTime};
use crate::protect::trust::claims::plain;
use crate::serve;
use clap::Args;

#[derive(Debug, Args)]
pub struct Show {
    /// An address, or a fingerprint (its beginning is enough: 8 digits or more)
    #[arg(value_name = "ADDRESS|FINGERPRINT")]
    what: String,
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Show {
    pub fn run(self) -> Done {
        let settings = Settings::load(&self.file.config)?;
        let (folder, _) = serve::open_keys(&settings);
        let address = Address::parse(&self.what).ok();
        let digits = plain(&self.what);
        if address.is_none() && digits.len() < 8 {
            let sentence = format!(
                "\"{}\" is neither an address nor a fingerprint; write claire@example.org or 8 digits or more",
                self.what
            );
            return Err(Failure::Wrong(sentence));
        }
        let is_meant = |report: &&KeyReport| match &address {
            Some(address) => report.addresses.contains(address),
            None => plain(&report.fingerprint).starts_with(&digits),
        };
        let reports = folder.reports();
        let found: Vec<&KeyReport> = reports.iter().filter(is_meant).collect();
        if found.is_empty() {
            eprintln!("{} has no key in {}", self.what, settings.keys.join("recipients").display());
            return Err(Failure::Failed);
        }
        if self.format == Format::Json {
            return report::rows(Answer::Rows(found.into_iter().map(row).collect()), self.format, LISTED);
        }
        for report in found {
            let addresses: Vec<String> = report.addresses.iter().map(ToString::to_string).collect();
            println!("{} {}", report::said(&report.kind), report.fingerprint);
            println!("  file       {}", report.file);
            println!("  addresses  {}", addresses.join(", "));
            println!("  ends       {}", report.expires.map_or_else(|| "never".to_owned(), UnixTime::rfc3339));
            match &report.usable {
                Ok(()) => println!("  usable     yes"),
                Err(reason) => println!("  usable     no: {reason}"),
            }
            report.not_for.iter().for_each(|(_, reason)| println!("  not used   {reason}"));
        }
        Ok(())
    }
}
