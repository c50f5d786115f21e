//! `postern keys find`: who is asked for the keys of an address, what each one gave, and why each key is taken or refused.

use crate::cli::report::{Paint, said};
use crate::cli::{ConfigFile, Done, Failure, Format, wait_for};
use crate::config::Settings;
use crate::lookup::finder::{Asked, Outcome, decide};
use crate::lookup::{Finder, KeyReport};
use crate::mail::{Address, UnixTime};
use crate::serve;
use clap::Args;
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub struct Find {
    /// The recipient's address
    address: Address,
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Find {
    /// Ends with 1 when mail to this address could not be encrypted now.
    pub fn run(self) -> Done {
        let settings = Settings::load(&self.file.config)?;
        let asked = wait_for(async {
            let finder: Finder = serve::open_finder(&settings)?;
            Ok::<_, serve::CannotServe>(finder.survey(&self.address).await)
        })??;
        let decided = decide(&asked);
        match self.format {
            Format::Json => {
                asked.iter().for_each(|asked| println!("{}", source_json(asked)));
                println!(
                    "{}",
                    json!({"address": self.address, "answer": decided.word(), "source": decided.source(), "because": decided.because()})
                );
            }
            Format::Text => {
                asked.iter().for_each(|asked| print!("{}", source_text(asked)));
                println!("{} {}: {}", Paint::Bold.on("=>"), decided.word(), decided.because());
            }
        }
        if decided.is_usable() { Ok(()) } else { Err(Failure::Failed) }
    }
}

fn source_json(asked: &Asked) -> Value {
    let keys = |keys: &[KeyReport]| keys.iter().map(key_json).collect::<Vec<_>>();
    let took = (asked.took.as_secs_f64() * 1e4).round() / 10.0;
    let refused: Vec<Value> = asked.refused.iter().map(|why| json!({"source": why.source, "reason": why.reason})).collect();
    match &asked.outcome {
        Outcome::Gave(given) => {
            json!({"source": asked.source, "took_ms": took, "outcome": if given.is_empty() { "nothing" } else { "keys" },
            "keys": keys(given), "refused": refused})
        }
        Outcome::Failed(why) => json!({"source": asked.source, "took_ms": took, "outcome": "failed", "reason": why}),
        Outcome::NotAsked(why) => json!({"source": asked.source, "outcome": "not-asked", "reason": why}),
    }
}

fn key_json(report: &KeyReport) -> Value {
    json!({
        "kind": report.kind, "fingerprint": report.fingerprint, "addresses": report.addresses, "found": report.file,
        "expires": report.expires.map(UnixTime::rfc3339), "usable": report.usable.is_ok(), "reason": report.usable.as_ref().err(),
    })
}

fn source_text(asked: &Asked) -> String {
    let took = format!("{:.1} ms", asked.took.as_secs_f64() * 1e3);
    let head = |what: &str| format!("{:10} {took:>10}  {what}\n", asked.source.to_string());
    let mut text = match &asked.outcome {
        Outcome::NotAsked(why) => return format!("{:10} {:>10}  not asked: {why}\n", asked.source.to_string(), ""),
        Outcome::Failed(why) => return head(&format!("{} {why}", Paint::Red.on("failed:"))),
        Outcome::Gave(keys) if keys.is_empty() && asked.refused.is_empty() => return head("nothing"),
        Outcome::Gave(keys) => head(&format!("{} key(s)", keys.len())),
    };
    if let Outcome::Gave(keys) = &asked.outcome {
        for key in keys {
            let until = key.expires.map(|end| format!(" until {}", end.rfc3339())).unwrap_or_default();
            let what = format!("{} {}{until} ({})", said(&key.kind), key.fingerprint, key.file);
            text += &match &key.usable {
                Ok(()) => format!("    {} {what}\n", Paint::Green.on("taken:")),
                Err(reason) => format!("    {} {what}: {reason}\n", Paint::Yellow.on("refused:")),
            };
        }
    }
    for why in &asked.refused {
        text += &format!("    {} {}: {}\n", Paint::Yellow.on("refused:"), why.source, why.reason);
    }
    text
}
