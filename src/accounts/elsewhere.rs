//! `[[accounts.ldap]]`, `[[accounts.mail_server]]`, `[[accounts.oauth]]`: who else knows logins, as the configuration says it.
//!
//! Data only: who asks them over the network is a door (`lookup::login`).

use crate::mail::Domain;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// One directory: LDAP or Active Directory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LdapLogin {
    /// By which `[accounts] judges` and the log call it.
    #[serde(default = "ldap")]
    pub name: String,
    /// `ldaps://host[:port]`, or `ldap://host[:port]`, which then starts TLS. Asked in this order until one answers.
    pub urls: Vec<String>,
    /// Where people are searched, with all below.
    pub base: String,
    /// With `{login}`, `{local}` or `{domain}`, which are escaped (RFC 4515).
    #[serde(default = "by_mail_or_name")]
    pub filter: String,
    /// Instead of a search: the entry's name, with the same words, escaped (RFC 4514).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dn: Option<String>,
    /// Who searches; left out: anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_dn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Authorities of the directory's certificate (PEM); left out: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// `ldap://` without TLS, to a directory on this machine only.
    #[serde(default)]
    pub clear: bool,
    /// What completes a login without `@`, and an entry without an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// Attributes of the addresses that an entry may send from; the first address of the first one is its login.
    #[serde(default = "addresses")]
    pub addresses: Vec<String>,
    /// Attributes of its own mailboxes outside.
    #[serde(default = "private")]
    pub private: Vec<String>,
    /// Where groups are searched; left out: only `memberOf` is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_base: Option<String>,
    /// With `{dn}` or `{login}`, `{local}` of the member.
    #[serde(default = "members")]
    pub group_filter: String,
    /// Groups of groups count too.
    #[serde(default)]
    pub nested: bool,
    /// Only groups below it count; left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_below: Option<String>,
    /// Who is in one of these groups is no person but a service.
    #[serde(default)]
    pub service_groups: Vec<String>,
    /// Groups of recipients inside are asked here too, where a policy names any.
    #[serde(default = "yes")]
    pub recipients: bool,
    /// For one login, all questions together.
    #[serde(default = "ten")]
    pub seconds: u64,
    /// For how long an answer about somebody is believed in an open session.
    #[serde(default = "sixty")]
    pub still_seconds: u64,
}

/// Another mail server that takes logins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MailServerLogin {
    #[serde(default = "mail_server")]
    pub name: String,
    /// `imaps://`, `imap://` (starts TLS), `smtps://` or `smtp://` (starts TLS), host[:port]. Asked in this order until one answers.
    pub urls: Vec<String>,
    /// Logins of these domains are asked there; the first completes a login without `@`.
    pub domains: Vec<Domain>,
    /// What that server takes for a login.
    #[serde(default)]
    pub login: SentLogin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Without TLS, to a server on this machine only.
    #[serde(default)]
    pub clear: bool,
    #[serde(default = "ten")]
    pub seconds: u64,
    /// Nobody can be asked about again without a password: after this time an open session has to log in anew.
    #[serde(default = "hour")]
    pub still_seconds: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SentLogin {
    /// `marie@example.org`.
    #[default]
    Address,
    /// `marie`.
    Local,
}

/// One issuer of tokens (OAuth 2.0, OpenID Connect).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OauthLogin {
    #[serde(default = "oauth")]
    pub name: String,
    /// Exactly as tokens name it.
    pub issuer: String,
    /// One of them must be among the token's.
    pub audience: Vec<String>,
    /// Clients (`azp`, `client_id`) whose tokens are taken; empty: all.
    #[serde(default)]
    pub clients: Vec<String>,
    /// All of them must be among the token's.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Claims that name the person, the first that is there.
    #[serde(default = "claims")]
    pub login_claims: Vec<String>,
    /// What completes a name without `@`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// A claim with further addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses_claim: Option<String>,
    #[serde(default = "groups")]
    pub groups_claim: String,
    /// Who is in one of these groups is no person but a service.
    #[serde(default)]
    pub service_groups: Vec<String>,
    /// Left out: where the issuer's own page says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// Asked about every token (RFC 7662), instead of reading it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// By how much clocks may differ.
    #[serde(default = "skew")]
    pub skew_seconds: u64,
    /// Least time between two fetches of the issuer's keys for want of one.
    #[serde(default = "sixty")]
    pub keys_seconds: u64,
    #[serde(default = "five")]
    pub seconds: u64,
    /// For how long an introspection is believed in an open session.
    #[serde(default = "sixty")]
    pub still_seconds: u64,
}

impl LdapLogin {
    /// Paths as they stand in the file, from the folder of the file.
    pub fn resolve(&mut self, from: &Path) {
        for path in [&mut self.password_file, &mut self.ca].into_iter().flatten() {
            *path = from.join(&*path);
        }
    }
}

impl MailServerLogin {
    pub fn resolve(&mut self, from: &Path) {
        self.ca.iter_mut().for_each(|path| *path = from.join(&*path));
    }
}

impl OauthLogin {
    pub fn resolve(&mut self, from: &Path) {
        for path in [&mut self.client_secret_file, &mut self.ca].into_iter().flatten() {
            *path = from.join(&*path);
        }
    }
}

fn ldap() -> String {
    "ldap".to_owned()
}

fn mail_server() -> String {
    "mail_server".to_owned()
}

fn oauth() -> String {
    "oauth".to_owned()
}

/// OpenLDAP's usual names and Active Directory's.
fn by_mail_or_name() -> String {
    "(|(mail={login})(uid={login})(sAMAccountName={login})(userPrincipalName={login}))".to_owned()
}

fn addresses() -> Vec<String> {
    ["mail", "mailAlternateAddress", "mailLocalAddress", "proxyAddresses"].map(str::to_owned).to_vec()
}

/// RFC 4524 §2.10.
fn private() -> Vec<String> {
    vec!["otherMailbox".to_owned()]
}

fn members() -> String {
    "(|(member={dn})(uniqueMember={dn}))".to_owned()
}

/// OpenID Connect Core §5.1.
fn claims() -> Vec<String> {
    ["email", "preferred_username"].map(str::to_owned).to_vec()
}

fn groups() -> String {
    "groups".to_owned()
}

fn yes() -> bool {
    true
}

fn five() -> u64 {
    5
}

fn ten() -> u64 {
    10
}

fn skew() -> u64 {
    30
}

fn sixty() -> u64 {
    60
}

fn hour() -> u64 {
    3600
}
