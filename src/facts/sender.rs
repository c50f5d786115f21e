//! Turns an identity into the names by which its person may be known elsewhere.

use super::mailbox::PersonName;
use crate::mail::{Address, Identity, Submission};

/// Names and addresses of the one who sends. At most [`MAX_NAMES`] names: each is compared with each recipient.
#[derive(Clone, Debug, Default)]
pub(super) struct SenderNames {
    pub names: Vec<PersonName>,
    pub owns: Vec<Address>,
}

const MAX_NAMES: usize = 32;

impl SenderNames {
    /// The login and its aliases, the account's names, and the display name of From: whoever signs as Marie Dupont is looked for
    /// under that name. For a relay there is no account, so MAIL FROM and From speak.
    pub fn of_submission(submission: &Submission, from: &[(Option<String>, Option<Address>)]) -> SenderNames {
        let shown = from.iter().filter_map(|(name, _)| name.as_deref());
        match &submission.identity {
            Identity::Account { login, owns, names, .. } => {
                let addresses: Vec<Address> = std::iter::once(login).chain(owns).cloned().collect();
                SenderNames::of(&addresses, names.iter().map(String::as_str).chain(shown))
            }
            Identity::Relay { login, .. } => {
                let written = from.iter().filter_map(|(_, address)| address.clone());
                let named = login.iter().chain(&submission.mail_from).cloned();
                let addresses: Vec<Address> = named.chain(written).collect();
                SenderNames::of(&addresses, shown)
            }
            Identity::Gate => SenderNames::default(),
        }
    }

    pub fn of<'n>(addresses: &'n [Address], names: impl Iterator<Item = &'n str>) -> SenderNames {
        let locals = addresses.iter().map(|address| address.local().split('+').next().unwrap_or_default());
        let mut read: Vec<PersonName> = Vec::new();
        for name in names.chain(locals).filter_map(PersonName::read) {
            if read.len() < MAX_NAMES && !read.contains(&name) {
                read.push(name);
            }
        }
        SenderNames { names: read, owns: addresses.to_vec() }
    }
}
