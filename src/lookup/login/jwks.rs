//! Turns an issuer's address into the keys it signs with, fetched when they are missing or old, and never too often.

use super::jwt::{Key, Signed, Token};
use crate::lookup::http::{Http, Question};
use crate::lookup::url::{Scheme, Url};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The keys of one issuer.
pub(super) struct Keys {
    http: Http,
    issuer: String,
    /// `None`: where the issuer's own page says.
    url: Option<Url>,
    /// Between two fetches for want of a key.
    pause: Duration,
    budget: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: Arc<Vec<Key>>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
    /// Why the last try brought nothing.
    failure: Option<String>,
}

/// Why a token's signature was not believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    Wrong(&'static str),
    Unavailable(String),
}

/// Keys are fetched again after this time, used no longer than that when the issuer does not answer.
const FRESH: Duration = Duration::from_secs(3600);
const USABLE: Duration = Duration::from_secs(24 * 3600);
const MOST_KEYS: usize = 64;
/// Keys that one token may be tried with.
const MOST_TRIED: usize = 8;
const PAGE_OCTETS: usize = 256 * 1024;

impl Keys {
    pub fn new(http: Http, issuer: String, url: Option<Url>, pause: Duration, budget: Duration) -> Keys {
        Keys { http, issuer, url, pause, budget, state: Mutex::default() }
    }

    /// Whether one of the issuer's keys made the signature. A key that is not known is fetched, at most once in a while: whoever sends
    /// invented names of keys must not have us knock at the issuer each time.
    pub async fn verify(&self, token: &Token<'_>) -> Result<(), Doubt> {
        let signed = token.signed().map_err(Doubt::Wrong)?;
        let keys = self.keys(false).await?;
        let tried = try_keys(&keys, token, signed);
        // Without a name of the key a signature that fits none may be by a new one.
        let may_be_new = tried == Tried::NoSuchKey || (tried == Tried::NotBy && token.key_id().is_none());
        match tried {
            Tried::By => Ok(()),
            _ if !may_be_new => Err(Doubt::Wrong("its signature is not by the key that it names")),
            _ => match try_keys(&self.keys(true).await?, token, signed) {
                Tried::By => Ok(()),
                Tried::NotBy => Err(Doubt::Wrong("its signature is by no key of the issuer")),
                Tried::NoSuchKey => Err(Doubt::Wrong("its key is none of the issuer's")),
            },
        }
    }

    /// Those that are known, fetched where there are none, they are old, or one is missing.
    async fn keys(&self, missing: bool) -> Result<Arc<Vec<Key>>, Doubt> {
        // One fetch at a time; who waited finds its outcome.
        let mut state = self.state.lock().await;
        let is_old = state.fetched.is_none_or(|fetched| fetched.elapsed() >= FRESH);
        let may_ask = state.tried.is_none_or(|tried| tried.elapsed() >= self.pause);
        if (is_old || missing) && may_ask {
            state.tried = Some(Instant::now());
            match self.fetch().await {
                Ok(keys) => {
                    state.keys = Arc::new(keys);
                    state.fetched = Some(Instant::now());
                    state.failure = None;
                }
                Err(why) => state.failure = Some(why),
            }
        }
        let usable = state.fetched.is_some_and(|fetched| fetched.elapsed() < USABLE);
        match &state.failure {
            // The missing one may be what was not fetched.
            Some(why) if missing || !usable => Err(Doubt::Unavailable(why.clone())),
            _ if !usable => Err(Doubt::Unavailable("it has given no keys yet".to_owned())),
            _ => Ok(state.keys.clone()),
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let url = match &self.url {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        let keys = Key::read_all(&self.page(url).await?, MOST_KEYS).ok_or("what it publishes is no JWK Set")?;
        if keys.is_empty() { Err("it publishes no key that is understood here".to_owned()) } else { Ok(keys) }
    }

    /// OpenID Connect Discovery §4.
    async fn discover(&self) -> Result<Url, String> {
        let page = Url::parse(&format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/')));
        let octets = self.page(page.map_err(|why| why.to_string())?).await?;
        let page: serde_json::Value = serde_json::from_slice(&octets).map_err(|_| "its own page is no JSON")?;
        // §4.3: another's page would bring another's keys.
        if page.get("issuer").and_then(serde_json::Value::as_str) != Some(&self.issuer) {
            return Err("its own page names another issuer".to_owned());
        }
        let url = page.get("jwks_uri").and_then(serde_json::Value::as_str).ok_or("its own page names no jwks_uri")?;
        secure_url(url).map_err(|why| format!("its jwks_uri cannot be used: {why}"))
    }

    async fn page(&self, url: Url) -> Result<Vec<u8>, String> {
        let question = Question::get(url).accepting("application/json").within(self.budget).at_most(PAGE_OCTETS);
        let answer = self.http.ask(question.also_plain()).await.map_err(|why| why.to_string())?;
        if answer.status == 200 { Ok(answer.body) } else { Err(format!("it answered {}", answer.status)) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tried {
    By,
    NotBy,
    NoSuchKey,
}

fn try_keys(keys: &[Key], token: &Token, signed: Signed) -> Tried {
    let named = |key: &&Key| token.key_id().is_none_or(|id| key.id() == Some(id));
    let mut tried = Tried::NoSuchKey;
    for key in keys.iter().filter(named).filter(|key| key.fits(signed)).take(MOST_TRIED) {
        if token.is_signed_by(key, signed) {
            return Tried::By;
        }
        tried = Tried::NotBy;
    }
    tried
}

/// Over https, or on this machine: whoever stands between would choose the keys, or read the client's secret.
pub(super) fn secure_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|why| why.to_string())?;
    let here = url.host() == "localhost" || url.host().parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if url.scheme() == Scheme::Https || here { Ok(url) } else { Err("it is asked over https only".to_owned()) }
}
