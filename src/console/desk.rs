//! Turns an officer's request into an act of the gate, or into rows about it.

use super::{Answer, Request};
use crate::accounts::{Accounts, AppPassword, Listed, NewAccount};
use crate::audit::{self, line::Fate};
use crate::mail::{Address, Language, Outgoing, UnixTime};
use crate::pipeline::Gate;
use crate::quarantine::Quarantine;
use crate::spool::{Plan, Queued, Spool};
use crate::store::{HeldState, HeldSummary, Store};
use serde_json::{Value, json};
use std::sync::Arc;

/// Reports about an attempt, unsigned.
pub type WriteReports = dyn Fn(&Queued, &Plan, UnixTime) -> Vec<Outgoing> + Send + Sync;

/// Rows of one listing.
const ROWS: usize = 10_000;

/// The rooms that can answer. Without a running gate, what sends mail is refused.
pub struct Desk {
    pub store: Store,
    pub spool: Spool,
    pub quarantine: Quarantine,
    pub accounts: Accounts,
    pub gate: Option<Arc<Gate>>,
    /// Writes what a sender is owed when a copy is given up; the relay's words, handed in by the house.
    pub reports: Option<Box<WriteReports>>,
    pub language: Language,
}

impl Desk {
    pub async fn answer(&self, request: Request) -> Answer {
        match self.act(request).await {
            Ok(rows) => Answer::Rows(rows),
            Err(sentence) => Answer::No(sentence),
        }
    }

    async fn act(&self, request: Request) -> Result<Vec<Value>, String> {
        match request {
            Request::QuarantineList {} => {
                let held = self.quarantine.list(Some(HeldState::Held), ROWS).await.map_err(said)?;
                Ok(held.iter().map(listed).collect())
            }
            Request::QuarantineDecided {} => {
                let mut decided = Vec::new();
                for state in [HeldState::Released, HeldState::Rejected] {
                    let held = self.quarantine.list(Some(state), ROWS).await.map_err(said)?;
                    decided.extend(held.iter().map(|held| json!({"state": state, "rules": sure_rules(held)})));
                }
                Ok(decided)
            }
            Request::QuarantineShow { reference } => match self.quarantine.show(reference).await.map_err(said)? {
                Some(held) => Ok(vec![shown(&held)]),
                None => Err(format!("nothing is or was held under {reference}")),
            },
            Request::QuarantineRelease { reference, officer } => {
                self.gate()?.release(reference, &officer).await.map_err(said)?;
                Ok(vec![json!({"reference": reference, "state": "released"})])
            }
            Request::QuarantineReject { reference, officer } => {
                self.gate()?.reject(reference, &officer).await.map_err(said)?;
                Ok(vec![json!({"reference": reference, "state": "rejected"})])
            }
            Request::SpoolList {} => {
                let copies = self.spool.list(None, ROWS).await.map_err(said)?;
                Ok(copies.iter().map(|copy| json!(copy)).collect())
            }
            Request::SpoolRetry { id } => {
                let count = self.spool.retry(id).await.map_err(said)?;
                match (id, count) {
                    (Some(id), 0) => Err(format!("no copy waits under number {id}; see `postern spool list`")),
                    _ => Ok(vec![json!({"due now": count})]),
                }
            }
            Request::SpoolBounce { id, officer } => self.bounce(id, &officer).await,
            Request::UserAdd { login, password, owns, names, language, attributes, app_passwords_only, because } => {
                let language = language.unwrap_or(self.language);
                let account =
                    NewAccount { login: login.clone(), owns, names, language, attributes, app_passwords_only, because };
                self.accounts.add(account, password.0.as_bytes(), "command line").await.map_err(said)?;
                Ok(vec![json!({"login": login, "state": "active"})])
            }
            Request::UserPassword { login, password } => {
                self.accounts.passwd(&login, password.0.as_bytes(), "command line").await.map_err(said)?;
                Ok(vec![json!({"login": login, "state": "password changed"})])
            }
            Request::UserSet { login, change, by } => {
                self.accounts.change(&login, *change, &by).await.map_err(said)?;
                self.account(&login).await
            }
            Request::UserDisable { login, because, by } => {
                self.accounts.disable(&login, true, &because, &by).await.map_err(said)?;
                Ok(vec![json!({"login": login, "state": "disabled"})])
            }
            Request::UserEnable { login, because, by } => {
                self.accounts.disable(&login, false, &because, &by).await.map_err(said)?;
                Ok(vec![json!({"login": login, "state": "active"})])
            }
            Request::UserList {} => Ok(self.accounts.list().await.map_err(said)?.iter().map(account_row).collect()),
            Request::UserShow { login } => self.account(&login).await,
            Request::AppPasswordAdd { login, name, by } => {
                let password = self.accounts.add_app_password(&login, &name, &by).await.map_err(said)?;
                Ok(vec![json!({"login": login, "name": name, "app_password": *password})])
            }
            Request::AppPasswordList { login } => {
                let all = self.accounts.app_passwords(&login).await.map_err(said)?;
                Ok(all.iter().map(app_password_row).collect())
            }
            Request::AppPasswordRevoke { login, name, by } => {
                self.accounts.revoke_app_password(&login, &name, &by).await.map_err(said)?;
                Ok(vec![json!({"login": login, "name": name, "state": "revoked"})])
            }
        }
    }

    async fn account(&self, login: &Address) -> Result<Vec<Value>, String> {
        let (account, app_passwords) = self.accounts.show(login).await.map_err(said)?;
        let mut row = account_row(&account);
        row["app_passwords"] = app_passwords.iter().map(app_password_row).collect();
        Ok(vec![row])
    }

    fn gate(&self) -> Result<&Arc<Gate>, String> {
        self.gate.as_ref().ok_or_else(|| "the gate is not running: start it with `postern serve`, then try again".into())
    }

    /// Gives a copy up as the upstream would have refused it: its sender is told.
    async fn bounce(&self, id: i64, officer: &str) -> Result<Vec<Value>, String> {
        let gate = self.gate()?;
        let copy = self.spool.take(id).await.map_err(said)?;
        let copy = copy.ok_or_else(|| format!("no copy waits under number {id}, or it is under way just now"))?;
        let attempted = self.spool.withdrawn(&copy);
        let plan = self.spool.plan(&copy, &attempted);
        let at = gate.clock.now();
        let reports = self.reports.as_ref().map(|write| write(&copy, &plan, at)).unwrap_or_default();
        let signed = reports.into_iter().map(|report| gate.dkim.sign(report, at)).collect::<Result<Vec<_>, _>>();
        let settled = match signed {
            Ok(signed) => {
                let results: Vec<_> =
                    attempted.results.iter().map(|(recipient, _)| (recipient.clone(), Fate::Failed, "")).collect();
                let line = audit::line::withdrawn(copy.reference, id, at, &results, officer);
                self.spool.settle(&copy, attempted, signed, Some(line)).await.map_err(said)
            }
            Err(why) => Err(said(why)),
        };
        if settled.is_err() {
            self.spool.give_back(id);
        }
        settled.map(|()| vec![json!({"id": id, "reference": copy.reference, "state": "failed"})])
    }
}

fn said(why: impl std::fmt::Display) -> String {
    why.to_string()
}

fn account_row(account: &Listed) -> Value {
    let state = if account.disabled { "disabled" } else { "active" };
    let note = match account.password_ends {
        Some(end) if account.renew => Some(format!("the password has to be renewed before {}", day(end))),
        _ => None,
    };
    json!({
        "login": account.login, "state": state, "note": note, "owns": account.owns, "names": account.names, "language": account.language,
        "kind": account.attributes.kind, "private": account.attributes.private, "groups": account.attributes.groups,
        "created_at": account.created_at.rfc3339(), "created_because": account.created_because,
        "disabled_at": account.disabled_at.map(UnixTime::rfc3339), "disabled_because": account.disabled_because,
        "password_at": account.password_at.rfc3339(), "password_ends": account.password_ends.map(UnixTime::rfc3339),
        "app_passwords_only": account.app_passwords_only, "scram": account.scram,
    })
}

fn app_password_row(one: &AppPassword) -> Value {
    json!({"name": one.name, "created_at": one.created_at.rfc3339(), "used_on": one.used_on.map(day)})
}

fn day(at: UnixTime) -> String {
    at.rfc3339().chars().take(10).collect()
}

fn listed(held: &HeldSummary) -> Value {
    let rules: Vec<&Value> =
        held.summary["findings"].as_array().into_iter().flatten().map(|finding| &finding["rule"]).collect();
    json!({
        "reference": held.reference, "at": held.at.rfc3339(), "sender": held.sender, "recipients": held.recipients,
        "rules": rules,
    })
}

/// The rules that found something at medium or above.
fn sure_rules(held: &HeldSummary) -> Vec<&Value> {
    let findings = held.summary["findings"].as_array().into_iter().flatten();
    findings.filter(|finding| finding["confidence"] != "low").map(|finding| &finding["rule"]).collect()
}

/// Everything a list may show: masked values, no content.
fn shown(held: &HeldSummary) -> Value {
    let at = |moment: Option<UnixTime>| moment.map(UnixTime::rfc3339);
    json!({
        "reference": held.reference, "at": held.at.rfc3339(), "state": held.state.as_str(), "decided_at": at(held.decided_at),
        "sender": held.sender, "recipients": held.recipients, "octets": held.octets, "summary": held.summary,
    })
}
