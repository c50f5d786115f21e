//! `postern keys harvest`: takes the keys of correspondents from mail that they sent.

use crate::cli::backtest::mailbox::Mailboxes;
use crate::cli::progress::Progress;
use crate::cli::report::{Paint, said};
use crate::cli::scan::with_crlf;
use crate::cli::{ConfigFile, Done, Failure, Format};
use crate::config::Settings;
use crate::lookup::Source;
use crate::lookup::harvest::{Granary, Offer, Offered, Stored, offered};
use crate::mail::RawMessage;
use crate::protect::trust::Trust;
use crate::world::Clock;
use clap::Args;
use serde_json::json;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Harvest {
    /// Maildirs, mbox files, messages, or folders of them: mail that came IN
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Say what would be taken, and take nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Octets of mail below which a bar would only flicker.
const WORTH_A_BAR: u64 = 8 << 20;

#[derive(Default)]
struct Tally {
    messages: u64,
    new: u64,
    replaced: u64,
    refused: u64,
    /// A person with a thousand messages is told of once.
    told: BTreeSet<(String, String)>,
}

impl Harvest {
    pub fn run(self) -> Done {
        let settings = Settings::load(&self.file.config)?;
        let mailboxes = Mailboxes::below(&self.paths)?;
        let folder = settings.keys.join("harvested");
        let mut granary = if self.dry_run { None } else { Some(Granary::open(&folder)?) };
        let (now, trust) = (Clock::system().now(), Trust::default());
        let (mut tally, mut failed, mut read) = (Tally::default(), None, 0);
        let mut bar = Progress::of(mailboxes.octets, WORTH_A_BAR);
        let mut unreadable = Vec::new();
        mailboxes.each(
            |mail| {
                tally.messages += 1;
                read += mail.read;
                if let (false, Ok(raw)) = (mail.too_large, RawMessage::new(with_crlf(mail.octets))) {
                    let offer = offered(&raw, &settings.inside, &trust, now);
                    for key in &offer.keys {
                        let stored = match &mut granary {
                            Some(granary) => offer.from.as_ref().map(|from| granary.store(from, offer.seen, key)).transpose(),
                            None => Ok(None),
                        };
                        match stored {
                            Ok(stored) => self.tell(&mut tally, &mut bar, &offer, key, stored),
                            Err(why) => {
                                failed = Some(why);
                                return ControlFlow::Break(());
                            }
                        }
                    }
                }
                bar.show(read, tally.messages);
                ControlFlow::Continue(())
            },
            |path, why| unreadable.push(format!("{}: {why}", path.display())),
        );
        bar.clear();
        unreadable.iter().for_each(|line| eprintln!("{line}"));
        if let Some(why) = failed {
            return Err(Failure::Wrong(format!("{}: {why}", folder.display())));
        }
        let Tally { messages, new, replaced, refused, .. } = tally;
        eprintln!("{messages} messages: {new} keys taken, {replaced} replaced by newer ones, {refused} refused");
        if !settings.lookup.asks(Source::Harvested) {
            eprintln!("they are not used before \"harvested\" stands in [lookup] sources");
        }
        if unreadable.is_empty() { Ok(()) } else { Err(Failure::Failed) }
    }

    fn tell(&self, tally: &mut Tally, bar: &mut Progress, offer: &Offer, key: &Offered, stored: Option<Stored>) {
        let what = match (&key.taken, stored) {
            (Err(_), _) => "refused",
            (Ok(_), None | Some(Stored::New)) => "taken",
            (Ok(_), Some(Stored::Replaced)) => "replaced",
            (Ok(_), Some(Stored::Kept)) => return,
        };
        let address = offer.from.as_ref().map(ToString::to_string).unwrap_or_default();
        let reason = key.taken.as_ref().err();
        let once = format!("{what} {} {}", key.fingerprint, reason.map_or("", String::as_str));
        if !tally.told.insert((address.clone(), once)) {
            return;
        }
        match what {
            "taken" => tally.new += 1,
            "replaced" => tally.replaced += 1,
            _ => tally.refused += 1,
        }
        bar.clear();
        match (self.format, reason) {
            (Format::Json, _) => println!(
                "{}",
                json!({"outcome": what, "address": address, "kind": key.kind, "fingerprint": key.fingerprint, "reason": reason})
            ),
            (Format::Text, None) => println!("{} {} {address} {}", Paint::Green.on(what), said(&key.kind), key.fingerprint),
            (Format::Text, Some(reason)) => println!("{} {} {address}: {reason}", Paint::Yellow.on(what), said(&key.kind)),
        }
    }
}
