//! `postern rules domain`: turns a domain or an address into whether it is taken for personal mailboxes, and by which entry of which list.

use super::Folder;
use crate::cli::language::say;
use crate::cli::report::Paint;
use crate::cli::{Done, Failure, Format};
use crate::config::{laws, rules_folder};
use crate::facts::{EXCEPT, LOCAL, SHIPPED, Standing};
use crate::mail::{Address, Domain, Language};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct OfDomain {
    /// A domain, or an address: an exception may be for one mailbox
    domain: String,
    #[command(flatten)]
    folder: Folder,
}

/// One of the three lists as it was written.
struct Written {
    path: PathBuf,
    text: String,
}

/// What a list says behind an entry.
struct Entry<'w> {
    name: String,
    path: &'w Path,
    line: usize,
    remark: &'w str,
}

/// A letter in the remark of an entry, with what the head of the list says of it.
type Source<'w> = (char, &'w str);

impl OfDomain {
    pub fn run(self) -> Done {
        let address = self.domain.contains('@').then(|| Address::parse(&self.domain)).transpose();
        let address = address.map_err(|why| Failure::Wrong(format!("{}: {why}", self.domain)))?;
        let domain = match &address {
            Some(address) => address.domain().clone(),
            None => Domain::parse(&self.domain).map_err(|why| Failure::Wrong(format!("{}: {why}", self.domain)))?,
        };
        let lists = rules_folder(self.folder.rules.as_deref())?.join("lists");
        let mut written = BTreeMap::new();
        for name in [SHIPPED, LOCAL, EXCEPT] {
            let path = lists.join(format!("{name}.txt"));
            match std::fs::read_to_string(&path) {
                Ok(text) => drop(written.insert(name.to_owned(), Written { path, text })),
                // An organisation need not have additions or exceptions; the shipped list is there, or nothing is refused by it.
                Err(why) if why.kind() == ErrorKind::NotFound && name != SHIPPED => {}
                Err(why) => return Err(Failure::Wrong(format!("{}: {why}", path.display()))),
            }
        }
        let sets = written.iter().map(|(name, list)| (name.clone(), laws::entries(&list.text))).collect();
        let standing = Standing::of(&domain, address.as_ref(), &[], &sets);
        let entry = match &standing {
            Standing::Excepted(entry) => find(&written, EXCEPT, entry),
            Standing::Local(entry) => find(&written, LOCAL, entry),
            Standing::Shipped(entry) => find(&written, SHIPPED, entry),
            Standing::Inside | Standing::NotListed => None,
        };
        let shipped = entry.as_ref().filter(|_| matches!(standing, Standing::Shipped(_)));
        let sources = shipped.map(|entry| sources(&written[SHIPPED].text, entry.remark)).unwrap_or_default();
        match self.folder.format {
            Format::Json => println!("{}", as_json(&self.domain, &standing, entry.as_ref(), &sources)),
            Format::Text => {
                print!("{}", as_text(&self.domain, &standing, entry.as_ref(), &sources, &lists, self.folder.language()))
            }
        }
        Ok(())
    }
}

fn find<'w>(written: &'w BTreeMap<String, Written>, list: &str, entry: &str) -> Option<Entry<'w>> {
    let list = written.get(list)?;
    list.text.lines().enumerate().find_map(|(at, line)| {
        let (name, remark) = line.split_once('#').unwrap_or((line, ""));
        let is_it = name.trim().eq_ignore_ascii_case(entry);
        is_it.then(|| Entry { name: entry.to_owned(), path: &list.path, line: at + 1, remark: remark.trim() })
    })
}

/// `HFK 2026-11-22 La Poste`: the letters, each with its line of the head (`#   F  npm freemail …`).
fn sources<'w>(text: &'w str, remark: &str) -> Vec<Source<'w>> {
    let letters = remark.split(' ').next().unwrap_or_default();
    let head = || text.lines().take_while(|line| line.starts_with('#'));
    let explained = |letter: char| {
        head()
            .find_map(|line| line.strip_prefix("#   ")?.strip_prefix(letter)?.strip_prefix("  "))
            .map(|meaning| (letter, meaning))
    };
    letters.chars().filter_map(explained).collect()
}

fn word(standing: &Standing) -> &'static str {
    match standing {
        Standing::Inside => "inside",
        Standing::Excepted(_) => "excepted",
        Standing::Local(_) => "local",
        Standing::Shipped(_) => "shipped",
        Standing::NotListed => "not_listed",
    }
}

fn as_json(asked: &str, standing: &Standing, entry: Option<&Entry>, sources: &[Source]) -> serde_json::Value {
    let sources: Vec<_> = sources.iter().map(|(letter, list)| json!({"letter": letter, "list": list})).collect();
    let file = entry.map(|entry| entry.path.display().to_string());
    json!({"asked": asked, "personal": standing.is_personal(), "standing": word(standing), "entry": entry.map(|entry| &entry.name),
        "file": file, "line": entry.map(|entry| entry.line), "remark": entry.map(|entry| entry.remark), "sources": sources})
}

fn as_text(
    asked: &str,
    standing: &Standing,
    entry: Option<&Entry>,
    sources: &[Source],
    lists: &Path,
    language: Language,
) -> String {
    let t = |fr: &'static str, en: &'static str| say(language, fr, en);
    let verdict = match standing.is_personal() {
        true => t("boîtes personnelles", "personal mailboxes"),
        false => t("pas de boîtes personnelles", "no personal mailboxes"),
    };
    let mut page = format!("{}  {verdict}\n", Paint::Bold.on(asked));
    if let Some(entry) = entry {
        let why = match standing {
            Standing::Excepted(_) => t("est excepté par", "is excepted by"),
            Standing::Local(_) => t("a été ajouté ici par", "was added here by"),
            _ => t("est dans", "is on"),
        };
        page.push_str(&format!("{} {why} {}:{}\n", entry.name, entry.path.display(), entry.line));
        if entry.name != asked.to_ascii_lowercase() {
            page.push_str(t(
                "une entrée vaut pour tous les domaines situés en dessous\n",
                "an entry counts for every domain below it\n",
            ));
        }
        if !entry.remark.is_empty() {
            page.push_str(&format!("{}\n", Paint::Faint.on(entry.remark)));
        }
    }
    sources.iter().for_each(|(letter, list)| page.push_str(&format!("  {letter}  {list}\n")));
    let file = |name: &str| lists.join(format!("{name}.txt")).display().to_string();
    match standing {
        Standing::NotListed => page.push_str(&format!(
            "{} {}\n",
            t(
                "ni lui ni un domaine au-dessus n'est listé ; pour l'ajouter, écrivez-le dans",
                "neither it nor a domain above it is listed; to add it, write it into"
            ),
            file(LOCAL)
        )),
        Standing::Shipped(_) | Standing::Local(_) => page.push_str(&format!(
            "{} {}\n",
            t("pour l'excepter, lui ou une seule adresse, écrivez dans", "to except it, or one address of it, write into"),
            file(EXCEPT)
        )),
        Standing::Excepted(_) | Standing::Inside => {}
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_explained_by_the_head_of_the_list() {
        let text = "# Domains.\n#   F  npm freemail 1.7.0\n#   H  by hand\n\n#   K  not in the head\norange.fr  # HFK 2026-11-22 Orange\n";
        assert_eq!(sources(text, "HFK 2026-11-22 Orange"), [('H', "by hand"), ('F', "npm freemail 1.7.0")]);
        assert_eq!(sources(text, ""), []);
    }
}
