//! Who else knows logins: a directory, another mail server, an issuer of tokens. What they say becomes an [`Account`].

use super::Account;
use std::net::IpAddr;
use std::pin::Pin;

/// Somebody outside who can tell whether a login is right. Implemented by the doors that ask over the network; asked in the order of
/// the configuration. The first that knows the login decides; one that cannot be asked before that ends the matter: 454 4.7.0, never
/// "wrong", and never the next one's word.
pub trait Judge: Send + Sync {
    /// As the configuration calls it; stands in the log.
    fn name(&self) -> &str;

    /// `password` is what the client sent, not prepared.
    fn password<'a>(&'a self, login: &'a str, password: &'a [u8], peer: IpAddr) -> Answer<'a>;

    /// A bearer token (RFC 6750), for `login` where the client named one.
    fn token<'a>(&'a self, login: Option<&'a str>, token: &'a str, peer: IpAddr) -> Answer<'a>;

    /// Whether it knows passwords. If any judge does, SCRAM is not offered: clients would try nothing else, and it proves passwords of
    /// the house only.
    fn takes_passwords(&self) -> bool {
        true
    }

    /// Whether it knows bearer tokens: then OAUTHBEARER and XOAUTH2 are offered.
    fn takes_tokens(&self) -> bool {
        false
    }

    /// Whether somebody it let in before is still to be let in; asked between messages of open sessions, so it answers from what it
    /// remembers where that is fresh. Also asked for the address that a client certificate names: `Right` with the account.
    fn still<'a>(&'a self, login: &'a crate::mail::Address) -> Answer<'a>;
}

pub type Answer<'a> = Pin<Box<dyn Future<Output = Judged> + Send + 'a>>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    Right(Box<Account>),
    Wrong,
    /// It does not know this login or this way of logging in: ask the next.
    NotMine,
    /// It did not answer, or nothing that makes sense; the sentence is for the log.
    Unavailable(String),
}
