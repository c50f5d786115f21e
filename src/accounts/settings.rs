//! Turns the table `[accounts]` of the configuration into what logging in costs, who is asked, and which passwords are taken.

use super::elsewhere::{LdapLogin, MailServerLogin, OauthLogin};
use super::password::Cost;
use crate::mail::Address;
use std::collections::BTreeMap;

/// What the store's own accounts are called in `judges`.
pub const HOUSE: &str = "file";
/// Fewer iterations are not SCRAM-SHA-256 (RFC 7677 §4).
const FEWEST_ITERATIONS: u32 = 4_096;
/// More would keep the clients busy, who pay for them at each login.
const MOST_ITERATIONS: u32 = 10_000_000;

/// `[accounts]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Who is asked for a login, in this order: `file` are the accounts of `postern user`. The first that knows the login decides.
    pub judges: Vec<String>,
    /// Memory of one argon2id hash, in KiB (OWASP: 19456 with two passes).
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
    /// Of what SCRAM-SHA-256 compares with (PBKDF2; OWASP: 600,000). 0: nothing is kept for it, and it is not offered.
    pub scram_iterations: u32,
    /// Passwords hashed at the same time; absent: half of the processors.
    pub hashing_at_once: Option<usize>,
    /// Attempts that may wait for their hash; further ones are told to come back (454 4.7.0).
    pub waiting: usize,
    /// Seconds for which a right password is not hashed again. 0: never remembered.
    pub remember_seconds: u64,
    /// Wrong passwords of one account from one network before it has to wait, 30 seconds at first, then twice as long each time.
    pub tries_per_account_and_network: u32,
    /// The same for all accounts tried from one network (an IPv4 address, an IPv6 /64).
    pub tries_per_network: u32,
    /// The same for one account from everywhere.
    pub tries_per_account: u32,
    /// Client certificates that do not name their account: `sha256:` and the hash of the certificate, or its subject as RFC 4514 writes
    /// it, and the login it stands for.
    pub certificates: BTreeMap<String, Address>,
    pub password: Policy,
    /// Who else knows logins.
    pub ldap: Vec<LdapLogin>,
    pub mail_server: Vec<MailServerLogin>,
    pub oauth: Vec<OauthLogin>,
}

/// `[accounts.password]`: which new passwords are taken, and for how long. The default is what French ministries ask for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The least number of characters.
    pub characters: usize,
    /// Of the four classes lower case, capitals, digits and signs, how many must occur.
    pub classes: usize,
    /// Four different words or more, together of so many characters, need no classes: long phrases are as good and easier to keep.
    /// 0: they need them too.
    pub phrase_characters: usize,
    /// Whether one of the 100,000 commonest is taken, or one with only digits and signs around it.
    pub common: bool,
    /// Days after which a password lets nobody in any more. 0: never.
    pub renew_after_days: u32,
    /// Days before that from which `postern user list` says so.
    pub warn_days: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            judges: vec![HOUSE.to_owned()],
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
            scram_iterations: 600_000,
            hashing_at_once: None,
            waiting: 128,
            remember_seconds: 300,
            tries_per_account_and_network: 5,
            tries_per_network: 20,
            tries_per_account: 100,
            certificates: BTreeMap::new(),
            password: Policy::default(),
            ldap: Vec::new(),
            mail_server: Vec::new(),
            oauth: Vec::new(),
        }
    }
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { characters: 12, classes: 4, phrase_characters: 20, common: false, renew_after_days: 3 * 365, warn_days: 30 }
    }
}

impl Settings {
    /// Paths as they stand in the file, from the folder of the file.
    pub fn resolve(&mut self, from: &std::path::Path) {
        self.ldap.iter_mut().for_each(|one| one.resolve(from));
        self.mail_server.iter_mut().for_each(|one| one.resolve(from));
        self.oauth.iter_mut().for_each(|one| one.resolve(from));
    }

    /// Tables of others who know logins, and the list of who is asked: one without the other would be a slip that lets nobody in.
    pub fn unasked(&self) -> Option<String> {
        let ldap = self.ldap.iter().map(|one| ("ldap", &one.name));
        let servers = self.mail_server.iter().map(|one| ("mail_server", &one.name));
        let issuers = self.oauth.iter().map(|one| ("oauth", &one.name));
        let mut tables = ldap.chain(servers).chain(issuers);
        let (kind, name) = tables.find(|(_, name)| !self.judges.contains(name))?;
        let names: Vec<String> = self.judges.iter().chain([name]).map(|name| format!("\"{name}\"")).collect();
        let list = names.join(", ");
        Some(format!("there is an [[accounts.{kind}]] \"{name}\" and judges does not name it; write judges = [{list}]"))
    }

    /// What is wrong with these settings, in words that say what to write instead.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.cost().params().is_none() {
            return Err(
                "[accounts] argon2id needs passes and lanes of 1 or more and memory_kib of 8 per lane or more, e.g. 19456, 2, 1",
            );
        }
        if self.hashing_at_once == Some(0) {
            return Err("[accounts] hashing_at_once must be 1 or more, or be left out");
        }
        if self.tries_per_account_and_network == 0 || self.tries_per_network == 0 || self.tries_per_account == 0 {
            return Err("[accounts] tries_per_… must be 1 or more");
        }
        if self.scram_iterations != 0 && !(FEWEST_ITERATIONS..=MOST_ITERATIONS).contains(&self.scram_iterations) {
            return Err("[accounts] scram_iterations must be from 4096 to 10000000 (usual: 600000), or 0 for no SCRAM");
        }
        let named = |(at, name): (usize, &String)| !name.is_empty() && !self.judges[..at].contains(name);
        if self.judges.is_empty() || !self.judges.iter().enumerate().all(named) {
            return Err("[accounts] judges names who is asked for logins, each once; write judges = [\"file\"]");
        }
        let is_name = |name: &String| match name.strip_prefix("sha256:") {
            Some(hash) => {
                hash.len() == 64 && hash.bytes().all(|octet| octet.is_ascii_hexdigit() && !octet.is_ascii_uppercase())
            }
            None => name.contains('='),
        };
        if !self.certificates.keys().all(is_name) {
            return Err(
                "[accounts.certificates] takes \"sha256:…\" with 64 digits in lower case, or a subject like \"CN=Scanner 3,O=Example\"",
            );
        }
        let policy = &self.password;
        if !(1..=256).contains(&policy.characters) || policy.classes > 4 || policy.phrase_characters > 256 {
            return Err(
                "[accounts.password] wants characters from 1 to 256, classes from 0 to 4 and phrase_characters up to 256, e.g. 12, 4, 20",
            );
        }
        Ok(())
    }

    pub(super) fn cost(&self) -> Cost {
        Cost { memory_kib: self.memory_kib, passes: self.passes, lanes: self.lanes }
    }
}
