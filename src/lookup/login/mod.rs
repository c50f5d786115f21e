//! Turns logins that others know into accounts: directories, other mail servers, issuers of tokens.
//!
//! Each is an [`Judge`]: it says right, wrong, not mine, or that it cannot say. Whoever cannot be asked has nobody let in.

mod conversation;
mod dn;
mod imap;
mod jwks;
mod jwt;
pub mod ldap;
pub mod mail_server;
mod memory;
pub mod oauth;
mod person;
mod way;

use super::names::Names;
use crate::accounts;
use crate::accounts::judge::{Judge, Judged};
use crate::mail::{Address, Domain, Language};
use crate::world::Clock;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;

/// Everybody whom the settings name.
#[derive(Default)]
pub struct Logins {
    pub judges: Vec<Arc<dyn Judge>>,
    /// Those of them that know groups of recipients too.
    pub groups: Vec<Arc<dyn Groups>>,
}

/// Who we are, towards them.
#[derive(Clone)]
pub struct Asker {
    pub hostname: Domain,
    pub inside: Arc<[Domain]>,
    pub language: Language,
    pub names: Names,
    pub clock: Clock,
}

/// Somebody who knows in which groups the holder of an address is.
pub trait Groups: Send + Sync {
    fn name(&self) -> &str;

    /// Of each address, names in lower case. A sentence for the log where nobody can say.
    fn groups<'a>(&'a self, addresses: &'a [Address]) -> GroupsAnswer<'a>;
}

pub type GroupsAnswer<'a> = Pin<Box<dyn Future<Output = Result<BTreeMap<Address, BTreeSet<String>>, String>> + Send + 'a>>;

/// Octets of a password; longer ones are wrong.
const PASSWORD_OCTETS: usize = 1024;
/// Octets of a login.
const LOGIN_OCTETS: usize = 256;

/// Reads certificates and passwords of the settings' files; asks nobody. Errors name the table and say what to write.
pub fn open(settings: &accounts::Settings, asker: &Asker) -> Result<Logins, String> {
    let mut logins = Logins::default();
    for one in &settings.ldap {
        let (inside, language, clock) = (asker.inside.clone(), asker.language, asker.clock.clone());
        let made = ldap::Directory::new(one.clone(), inside, language, &asker.names, clock);
        let directory = Arc::new(made.map_err(|why| format!("[[accounts.ldap]] \"{}\": {why}", one.name))?);
        if directory.knows_recipients() {
            logins.groups.push(directory.clone());
        }
        logins.judges.push(directory);
    }
    for one in &settings.mail_server {
        let made = mail_server::MailServer::new(one.clone(), asker);
        logins.judges.push(Arc::new(made.map_err(|why| format!("[[accounts.mail_server]] \"{}\": {why}", one.name))?));
    }
    for one in &settings.oauth {
        let made = oauth::Issuer::new(one.clone(), asker);
        logins.judges.push(Arc::new(made.map_err(|why| format!("[[accounts.oauth]] \"{}\": {why}", one.name))?));
    }
    let mut names = BTreeSet::new();
    for judge in &logins.judges {
        if judge.name() == "file" {
            return Err("the name \"file\" is that of the gate's own accounts; write another".to_owned());
        }
        if !names.insert(judge.name().to_owned()) {
            return Err(format!(
                "two tables of [accounts] have the name \"{}\"; give each its own: name = \"…\"",
                judge.name()
            ));
        }
    }
    Ok(logins)
}

/// A login as a person typed it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Typed {
    login: String,
    /// Before the last `@`; the whole when there is none.
    local: String,
    /// Behind it, else what completes logins, else empty.
    domain: String,
}

impl Typed {
    /// `None`: nobody is called so.
    fn read(login: &str, completes: Option<&Domain>) -> Option<Typed> {
        if login.is_empty() || login.len() > LOGIN_OCTETS || login.chars().any(char::is_control) {
            return None;
        }
        let (local, domain) = match login.rsplit_once('@') {
            Some((local, domain)) => (local, domain.to_lowercase()),
            None => (login, completes.map_or_else(String::new, ToString::to_string)),
        };
        (!local.is_empty()).then(|| Typed { login: login.to_owned(), local: local.to_owned(), domain })
    }

    fn from_address(address: &Address) -> Typed {
        let domain = address.domain().to_string();
        Typed { login: address.to_string(), local: address.local().to_owned(), domain }
    }
}

/// A password that may be sent to somebody: not empty, and without what ends lines and texts in other protocols.
fn is_sayable(password: &[u8]) -> bool {
    !password.is_empty() && !password.iter().any(|octet| matches!(octet, b'\0' | b'\r' | b'\n'))
}

/// Of nobody's making outside: the sentence goes to the log.
fn unavailable(name: &str, why: &str) -> Judged {
    Judged::Unavailable(format!("{name}: {why}"))
}

#[cfg(test)]
mod tests;
