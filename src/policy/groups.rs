//! Turns `group:payroll` and `kind:service` of a policy into checked names.

use super::parties::Party;
use super::policy::{Article, Condition, Reader, named};
use super::policy_file::{At, Complaints, Table};
use crate::detect::{closest, suggestion};
use crate::mail::AccountKind;
use std::collections::BTreeSet;

pub(super) const KINDS: [AccountKind; 2] = [AccountKind::Person, AccountKind::Service];

/// `groups = [...]`: those that accounts and directories know, where the officer says which there are.
#[derive(Default)]
pub(super) struct Declared(Option<BTreeSet<String>>);

impl Declared {
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.0.iter().flatten()
    }

    pub fn read(top: &Table, complaints: &mut Complaints) -> Declared {
        if !top.has("groups") {
            return Declared(None);
        }
        let names = top.texts("groups", complaints);
        Declared(Some(names.iter().filter_map(|text| group_name(text, text.value, complaints)).collect()))
    }
}

/// Octets of a group's name.
const GROUP_OCTETS: usize = 256;

/// As accounts and directories call it: lower case, without blanks around.
pub(super) fn group_name(text: &At<&str>, name: &str, complaints: &mut Complaints) -> Option<String> {
    let name = name.trim().to_lowercase();
    if name.is_empty() || name.len() > GROUP_OCTETS || name.chars().any(char::is_control) {
        complaints.say(text.at, "a group has a name of at most 256 octets in one line: \"group:payroll\"");
        return None;
    }
    Some(name)
}

pub(super) fn names_group(parties: &[Party]) -> bool {
    parties.iter().any(|party| matches!(party, Party::Group(_)))
}

pub(super) fn groups_of(condition: &Condition) -> impl Iterator<Item = String> {
    condition.from.iter().chain(&condition.to).filter_map(|party| match party {
        Party::Group(name) => Some(name.clone()),
        _ => None,
    })
}

impl Article {
    pub(super) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        [&self.when].into_iter().chain(&self.unless)
    }
}

impl Reader<'_> {
    /// The name of a list, of a group of accounts, or of a directory's group. Which groups a directory has is known only when it is asked:
    /// a name is believed, unless `groups` says which there are, or a list is called nearly so.
    pub fn group(&self, text: &At<&str>, name: &str, complaints: &mut Complaints) -> Option<String> {
        let name = group_name(text, name, complaints)?;
        if self.parties.lists.contains_key(&name) {
            return Some(name);
        }
        let lists = self.parties.lists.keys().map(String::as_str);
        match &self.declared.0 {
            Some(declared) if declared.contains(&name) => Some(name),
            Some(declared) => {
                let known: Vec<&str> = declared.iter().map(String::as_str).chain(lists).collect();
                let advice = suggestion(&name, &known);
                let sentence =
                    format!("there is no group \"{name}\" among groups, and no list rules/lists/{name}.txt; {advice}");
                complaints.say(text.at, sentence);
                None
            }
            None => match closest(&name, lists) {
                Some(list) => {
                    let sentence = format!(
                        "there is no list \"{name}\" (a file rules/lists/{name}.txt); did you mean \"{list}\"? If accounts or a \
                         directory have such a group, write at the top: groups = [\"{name}\"]"
                    );
                    complaints.say(text.at, sentence);
                    None
                }
                None => Some(name),
            },
        }
    }

    pub fn kind(&self, text: &At<&str>, name: &str, key: &str, complaints: &mut Complaints) -> Option<AccountKind> {
        if key != "from" {
            complaints.say(text.at, format!("\"{}\" says what a sender's account is: write it in from", text.value));
            return None;
        }
        named(&At { value: name.trim(), at: text.at }, "kind", &KINDS, complaints)
    }
}
