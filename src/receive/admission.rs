//! Turns what a client proves itself with into what the accounts are asked, and their word into replies.

use super::{LoggedIn, Refusal, Stamp};
use crate::accounts::{Accounts, LoginRefused, ScramAttempt, Still};
use crate::mail::{Identity, Language};
use crate::smtp::auth::scram::Salt;
use crate::smtp::auth::{Offer, Proof};
use std::net::IpAddr;

pub async fn log_in(accounts: &Accounts, proof: Proof, peer: IpAddr) -> Result<LoggedIn, Refusal> {
    let admitted = match proof {
        Proof::Password(credentials) => accounts.log_in(&credentials.login, &credentials.password, peer).await,
        Proof::Token(bearer) => accounts.log_in_by_token(bearer.login.as_deref(), &bearer.token, peer).await,
        Proof::Certificate(shown) => accounts.log_in_by_certificate(&shown.der, shown.login.as_deref(), peer).await,
        Proof::Scram(proof) => {
            let attempt = ScramAttempt {
                login: &proof.login,
                salt: &proof.salt,
                iterations: proof.iterations,
                auth_message: &proof.auth_message,
                proof: &proof.proof,
            };
            accounts.log_in_by_scram(attempt, peer).await
        }
    };
    let admitted = admitted.map_err(refused)?;
    Ok(LoggedIn {
        identity: admitted.account.identity(),
        language: admitted.account.language,
        stamp: Stamp(admitted.by.to_string()),
        signature: admitted.signature,
    })
}

pub async fn salt(accounts: &Accounts, login: &str) -> Result<Salt, Refusal> {
    let salted = accounts.salt(login).await.map_err(refused)?;
    Ok(Salt { salt: salted.salt, iterations: salted.iterations, nonce: salted.nonce })
}

/// A closed account is out at once and for good; one that was changed has to log in again.
pub async fn still(accounts: &Accounts, who: &Identity, stamp: &Stamp, language: Language) -> Result<(), Refusal> {
    let Identity::Account { login, .. } = who else { return Ok(()) };
    match (accounts.still(login, &stamp.0).await, language) {
        (Ok(Still::Holds), _) => Ok(()),
        (Ok(Still::Closed), Language::Fr) => Err(Refusal::of::<550>(7, 1, "compte désactivé")),
        (Ok(Still::Closed), Language::En) => Err(Refusal::of::<550>(7, 1, "account disabled")),
        (Ok(Still::Changed), Language::Fr) => Err(Refusal::of::<421>(7, 0, "compte modifié, reconnectez-vous")),
        (Ok(Still::Changed), Language::En) => Err(Refusal::of::<421>(7, 0, "account changed, log in again")),
        (Err(_), _) => Err(Refusal::of::<451>(3, 0, "accounts cannot be read now / comptes illisibles pour l'instant")),
    }
}

pub fn offer(accounts: &Accounts) -> Offer {
    Offer { scram: accounts.offers_scram(), bearer: accounts.takes_tokens() }
}

/// RFC 4954 §6. Wrong password and unknown login read the same. That a password has to be renewed is only told to who knows it.
fn refused(why: LoginRefused) -> Refusal {
    match why {
        LoginRefused::Wrong => Refusal::of::<535>(7, 8, "login or password wrong / identifiant ou mot de passe incorrect"),
        LoginRefused::Expired => Refusal::of::<535>(7, 8, "password too old, renew it / mot de passe expiré, à renouveler"),
        LoginRefused::Throttled => Refusal::of::<454>(7, 0, "too many attempts, wait / trop de tentatives, patientez"),
        LoginRefused::Busy => Refusal::of::<454>(7, 0, "busy, try again / occupé, réessayez"),
        LoginRefused::Unavailable => Refusal::of::<454>(7, 0, "logins cannot be checked now / vérification impossible"),
    }
}

#[cfg(test)]
mod tests;
