//! Turns the parties of a message into the groups they are in, asked before the walk and only where a policy names groups.

use super::{Gate, Laws};
use crate::mail::{Address, Identity, Submission};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

/// Whoever knows in which groups the holders of addresses are: accounts, directories. Implemented by doors, wired by the house.
pub trait AskGroups: Send + Sync {
    /// Names in lower case; who is in none may be left out. An error is a sentence for the log: nobody knows, so nothing is decided.
    fn groups<'a>(&'a self, addresses: &'a [Address]) -> GroupsAnswer<'a>;
}

pub type GroupsAnswer<'a> = Pin<Box<dyn Future<Output = Result<GroupsOf, String>> + Send + 'a>>;

pub type GroupsOf = BTreeMap<Address, BTreeSet<String>>;

/// Whose groups are to be known before it can be decided: only of addresses inside, because no directory of ours knows others.
pub fn whose_groups(laws: &Laws, submission: &Submission, is_inside: impl Fn(&Address) -> bool) -> Vec<Address> {
    let mut whose = Vec::new();
    if laws.policy.asks_groups_of_recipients() {
        whose.extend(submission.recipients.iter().filter(|recipient| is_inside(recipient)).cloned());
    }
    let ours = !matches!(submission.identity, Identity::Gate);
    if let Some(sender) = submission.sender().filter(|sender| ours && is_inside(sender))
        && laws.policy.asks_groups_of_sender()
        && !whose.contains(sender)
    {
        whose.push(sender.clone());
    }
    whose
}

impl Gate {
    /// Asks `groups` about the parties of messages; without it nobody is in any but by list or account.
    pub fn with_groups(mut self, groups: std::sync::Arc<dyn AskGroups>) -> Gate {
        self.groups = Some(groups);
        self
    }

    pub(super) async fn groups_of(&self, laws: &Laws, submission: &Submission) -> Result<GroupsOf, String> {
        let Some(groups) = &self.groups else { return Ok(GroupsOf::new()) };
        let whose = whose_groups(laws, submission, |address| self.is_inside(address.domain()));
        if whose.is_empty() { Ok(GroupsOf::new()) } else { groups.groups(&whose).await }
    }
}
