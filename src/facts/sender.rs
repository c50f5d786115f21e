//! Turns an identity into the names by which its person may be known elsewhere.

use super::forwarding::is_rewritten;
use super::mailbox::PersonName;
use crate::mail::{AccountKind, Address, Identity, Submission};

/// Names and addresses of the one who sends. At most [`MAX_NAMES`] names: each is compared with each recipient.
#[derive(Clone, Debug, Default)]
pub(super) struct SenderNames {
    pub names: Vec<PersonName>,
    pub owns: Vec<Address>,
    /// The person's mailboxes outside, as far as the organisation knows them.
    pub private: Vec<Address>,
}

const MAX_NAMES: usize = 32;

impl SenderNames {
    /// The login and its aliases, the account's names, and the display name of From: whoever signs as Marie Dupont is looked for
    /// under that name. For a relay there is no account, so MAIL FROM and From speak. A shared mailbox or a machine has no mailbox of its
    /// own elsewhere, only those that the directory names.
    pub fn of_submission(submission: &Submission, from: &[(Option<String>, Option<Address>)]) -> SenderNames {
        let shown = from.iter().filter_map(|(name, _)| name.as_deref());
        match &submission.identity {
            Identity::Account { login, owns, names, attributes } => {
                let addresses: Vec<Address> = std::iter::once(login).chain(owns).cloned().collect();
                let names = match attributes.kind {
                    AccountKind::Person => SenderNames::of(&addresses, names.iter().map(String::as_str).chain(shown)),
                    AccountKind::Service => SenderNames { owns: addresses, ..SenderNames::default() },
                };
                SenderNames { private: attributes.private.clone(), ..names }
            }
            Identity::Relay { login, .. } => {
                let written = from.iter().filter_map(|(_, address)| address.clone());
                // SRS0 and SRS1 bear the name of the one whose mail is sent on; Exchange's form begins with the mailbox that sends it on.
                let mail_from =
                    submission.mail_from.iter().filter(|sender| !is_rewritten(sender) || sender.local().contains('+'));
                let addresses: Vec<Address> = login.iter().chain(mail_from).cloned().chain(written).collect();
                SenderNames::of(&addresses, shown)
            }
            Identity::Gate => SenderNames::default(),
        }
    }

    pub fn of<'n>(addresses: &'n [Address], names: impl Iterator<Item = &'n str>) -> SenderNames {
        let locals = addresses.iter().map(|address| address.local().split('+').next().unwrap_or_default());
        let mut read: Vec<PersonName> = Vec::new();
        for name in names.chain(locals).flat_map(PersonName::spellings) {
            // `marie.dupont` behind `DUPONT Marie` says nothing new, and less surely which is which.
            if read.len() < MAX_NAMES && !read.iter().any(|known| known.says_all_of(&name)) {
                read.push(name);
            }
        }
        SenderNames { names: read, owns: addresses.to_vec(), private: Vec::new() }
    }
}
