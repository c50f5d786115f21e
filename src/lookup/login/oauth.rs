//! Turns a bearer token (RFC 6750) into an account: by its signature and claims, or by the issuer's own word (RFC 7662).

use super::jwks::{Doubt, Keys, secure_url};
use super::jwt::Token;
use super::memory::Memory;
use super::{Asker, person, unavailable};
use crate::accounts::Account;
use crate::accounts::elsewhere::OauthLogin;
use crate::accounts::judge::{Answer, Judge, Judged};
use crate::lookup::http::{Http, HttpSettings, Question};
use crate::lookup::url::Url;
use crate::mail::{Address, Attributes, Domain, Language};
use crate::world::Clock;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// One issuer.
pub struct Issuer {
    settings: OauthLogin,
    http: Http,
    keys: Keys,
    introspection: Option<Introspection>,
    inside: Arc<[Domain]>,
    language: Language,
    clock: Clock,
    memory: Memory<Held>,
}

struct Introspection {
    url: Url,
    client_id: String,
    /// The Authorization field: name and secret.
    basic: Zeroizing<String>,
}

/// What is kept of a token.
#[derive(Clone)]
struct Held {
    /// Seconds since 1970 when it ends; `None`: its issuer did not say.
    ends: Option<i64>,
    /// To be asked about again; a signed one needs no second question.
    token: Option<Arc<Zeroizing<String>>>,
}

/// Why a token is not taken. The sentence is for the log and names no value.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    NotMine,
    Wrong(&'static str),
    Unavailable(String),
}

impl From<Doubt> for Refused {
    fn from(why: Doubt) -> Refused {
        match why {
            Doubt::Wrong(why) => Refused::Wrong(why),
            Doubt::Unavailable(why) => Refused::Unavailable(why),
        }
    }
}

type Claims = Map<String, Value>;

const ANSWER_OCTETS: usize = 256 * 1024;
/// Octets of a token that is asked about.
const TOKEN_OCTETS: usize = 16 * 1024;
/// Of one person; more is no person's.
const MOST_ADDRESSES: usize = 500;
const MOST_GROUPS: usize = 1_000;

impl Issuer {
    /// Errors name the setting and say what to write.
    pub fn new(settings: OauthLogin, asker: &Asker) -> Result<Issuer, String> {
        let write = |key: &str, why: String| format!("{key}: {why}; write it like \"https://auth.example.org/realms/mail\"");
        secure_url(&settings.issuer).map_err(|why| write("issuer", why))?;
        // RFC 8725 §3.9: a token for somebody else is none for us.
        if settings.audience.is_empty() {
            return Err(
                "audience is empty; write what the issuer puts into \"aud\" for this gate: audience = [\"postern\"]".into()
            );
        }
        if settings.login_claims.is_empty() {
            return Err("login_claims is empty; write login_claims = [\"email\"]".to_owned());
        }
        for (key, seconds, least, most) in [
            ("skew_seconds", settings.skew_seconds, 0, 300),
            ("keys_seconds", settings.keys_seconds, 1, 3600),
            ("seconds", settings.seconds, 1, 60),
            ("still_seconds", settings.still_seconds, 1, 3600),
        ] {
            if !(least..=most).contains(&seconds) {
                return Err(format!("{key} = {seconds} does not work; write a number from {least} to {most}"));
            }
        }
        let jwks = settings.jwks_url.as_deref().map(secure_url).transpose().map_err(|why| write("jwks_url", why))?;
        // The operator's own word, unlike a recipient's: these addresses may lie inside.
        let everywhere = ["0.0.0.0/0", "::/0"].map(|network| network.parse().map_err(|_| "no network".to_owned()));
        let allow = everywhere.into_iter().collect::<Result<Vec<_>, _>>()?;
        let http = Http::new(&HttpSettings { ca: settings.ca.clone(), allow, ..HttpSettings::default() }, asker.names.clone())?;
        let budget = Duration::from_secs(settings.seconds);
        let pause = Duration::from_secs(settings.keys_seconds);
        Ok(Issuer {
            keys: Keys::new(http.clone(), settings.issuer.clone(), jwks, pause, budget),
            introspection: Introspection::of(&settings)?,
            http,
            inside: asker.inside.clone(),
            language: asker.language,
            clock: asker.clock.clone(),
            memory: Memory::new(),
            settings,
        })
    }

    async fn judge(&self, named: Option<&str>, text: &str) -> Result<Account, Refused> {
        let claims = match &self.introspection {
            Some(introspection) => self.introspected(introspection, text).await?,
            None => self.signed(text).await?,
        };
        let account = self.account(&claims)?;
        // RFC 7628 §3.1: whom the client names must be whom the token is about.
        if named.is_some_and(|named| !self.names(named, &claims, &account)) {
            return Err(Refused::Wrong("it is another's than the client says"));
        }
        let held = Held {
            ends: number(&claims, "exp").map(|ends| ends.saturating_add(self.settings.skew_seconds as i64)),
            token: self.introspection.is_some().then(|| Arc::new(Zeroizing::new(text.to_owned()))),
        };
        self.memory.keep(&account, Duration::from_secs(self.settings.still_seconds), held);
        Ok(account)
    }

    /// The claims of a token that the issuer signed.
    async fn signed(&self, text: &str) -> Result<Claims, Refused> {
        let token = Token::read(text).filter(|token| token.issuer() == Some(&self.settings.issuer)).ok_or(Refused::NotMine)?;
        // RFC 8725 §3.11, RFC 9068 §4: what the issuer signs for other ends (logout, introspection, DPoP) is no access token.
        if !matches!(token.kind().as_str(), "" | "jwt" | "at+jwt") {
            return Err(Refused::Wrong("it is a token of another kind"));
        }
        self.keys.verify(&token).await?;
        self.check(&token.claims)?;
        if number(&token.claims, "exp").is_none() {
            return Err(Refused::Wrong("it has no end"));
        }
        if !self.is_for_us(&token.claims) {
            return Err(Refused::Wrong("it is for another audience"));
        }
        Ok(token.claims)
    }

    /// RFC 7662: the claims of a token as its issuer tells them.
    async fn introspected(&self, introspection: &Introspection, text: &str) -> Result<Claims, Refused> {
        // Another issuer's token is none of this one's business.
        let foreign = Token::read(text).is_some_and(|token| token.issuer() != Some(&self.settings.issuer));
        if foreign || text.is_empty() || text.len() > TOKEN_OCTETS {
            return Err(Refused::NotMine);
        }
        let body = Zeroizing::new(format!("token={}&token_type_hint=access_token", form(text)));
        let question = Question::post(introspection.url.clone(), "application/x-www-form-urlencoded", body.as_bytes().to_vec())
            .authorized(&introspection.basic)
            .accepting("application/json")
            .also_plain()
            .within(Duration::from_secs(self.settings.seconds))
            .at_most(ANSWER_OCTETS);
        let unavailable = |why: &str| Refused::Unavailable(why.to_owned());
        let answer = self.http.ask(question).await.map_err(|why| Refused::Unavailable(why.to_string()))?;
        match answer.status {
            200 => {}
            401 | 403 => return Err(unavailable("it does not accept client_id and its secret")),
            status => return Err(Refused::Unavailable(format!("it answered {status}"))),
        }
        let claims = match answer.content_type.ends_with("jwt") {
            true => self.signed_answer(introspection, &answer.body).await?,
            false => serde_json::from_slice(&answer.body).map_err(|_| unavailable("its answer is no JSON object"))?,
        };
        match claims.get("active") {
            Some(Value::Bool(true)) => {}
            // It may be another's: an issuer says no more about tokens that it does not know (§2.2).
            Some(Value::Bool(false)) => return Err(Refused::NotMine),
            _ => return Err(unavailable("its answer does not say whether the token is active")),
        }
        if claims.get("iss").is_some_and(|issuer| issuer.as_str() != Some(&self.settings.issuer)) {
            return Err(Refused::NotMine);
        }
        self.check(&claims)?;
        // Not every issuer tells for whom a token is (§2.2: optional); then the client that it was given to must be one of ours.
        let for_us = match claims.get("aud") {
            Some(_) => self.is_for_us(&claims),
            None => !self.settings.clients.is_empty(),
        };
        if for_us { Ok(claims) } else { Err(Refused::Wrong("it is for another audience")) }
    }

    /// An answer that is signed itself (RFC 9701), as ProConnect gives it.
    async fn signed_answer(&self, introspection: &Introspection, body: &[u8]) -> Result<Claims, Refused> {
        let unusable = |why: &str| Refused::Unavailable(format!("its signed answer cannot be used: {why}"));
        let text = std::str::from_utf8(body).map_err(|_| unusable("it is no text"))?.trim();
        let mut token = Token::read(text).ok_or_else(|| unusable("it is no JWT"))?;
        if token.kind() != "token-introspection+jwt" || token.issuer() != Some(&self.settings.issuer) {
            return Err(unusable("it is of another kind or issuer"));
        }
        if !is_among(token.claims.get("aud"), std::slice::from_ref(&introspection.client_id)) {
            return Err(unusable("it is for another client"));
        }
        self.keys.verify(&token).await.map_err(|why| match why {
            Doubt::Wrong(why) => unusable(why),
            Doubt::Unavailable(why) => Refused::Unavailable(why),
        })?;
        match token.claims.remove("token_introspection") {
            Some(Value::Object(claims)) => Ok(claims),
            _ => Err(unusable("it holds no introspection")),
        }
    }

    /// What is to hold of every token's claims, from wherever they come.
    fn check(&self, claims: &Claims) -> Result<(), Refused> {
        let (now, skew) = (self.clock.now().0, self.settings.skew_seconds as i64);
        let moment = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(_) => number(claims, name).map(Some).ok_or(Refused::Wrong("one of its times is no number")),
        };
        if moment("exp")?.is_some_and(|ends| ends.saturating_add(skew) <= now) {
            return Err(Refused::Wrong("it has ended"));
        }
        if moment("nbf")?.is_some_and(|begins| begins.saturating_sub(skew) > now) {
            return Err(Refused::Wrong("it has not begun"));
        }
        if moment("iat")?.is_some_and(|made| made.saturating_sub(skew) > now) {
            return Err(Refused::Wrong("it was made in the future"));
        }
        // Keycloak names the kinds of its tokens here. Who presents an ID token was not given leave to send mail.
        let kind = claims.get("typ").and_then(Value::as_str).unwrap_or("Bearer");
        if !kind.eq_ignore_ascii_case("Bearer") || claims.contains_key("at_hash") || claims.contains_key("c_hash") {
            return Err(Refused::Wrong("it is no access token"));
        }
        // RFC 7800: bound to a key of the client's; whoever shows it here without that key may have stolen it.
        if claims.contains_key("cnf") {
            return Err(Refused::Wrong("it is bound to a key and cannot be a bearer's"));
        }
        let client = ["azp", "client_id"].iter().find_map(|name| claims.get(*name)?.as_str());
        if !self.settings.clients.is_empty()
            && !client.is_some_and(|client| self.settings.clients.iter().any(|own| own == client))
        {
            return Err(Refused::Wrong("it was given to another client"));
        }
        // RFC 9068 §2.2.3; `scp` at Microsoft's.
        let scopes: BTreeSet<&str> = ["scope", "scp"].iter().filter_map(|name| claims.get(*name)).flat_map(words).collect();
        if !self.settings.scopes.iter().all(|scope| scopes.contains(scope.as_str())) {
            return Err(Refused::Wrong("it lacks a scope"));
        }
        Ok(())
    }

    fn is_for_us(&self, claims: &Claims) -> bool {
        is_among(claims.get("aud"), &self.settings.audience)
    }

    fn account(&self, claims: &Claims) -> Result<Account, Refused> {
        let (claim, value) = self.login_claim(claims).ok_or(Refused::Wrong("it names nobody; see login_claims"))?;
        // OpenID Connect Core §5.1. Whoever may write any address into their profile would be anybody.
        if claim == "email" && claims.get("email_verified").is_some_and(|verified| *verified != Value::Bool(true)) {
            return Err(Refused::Wrong("its email is not verified"));
        }
        let login = self.address(value).ok_or(Refused::Wrong("whom it names has no address of ours; see domain"))?;
        let mut owns = vec![login.clone()];
        if let Some(name) = &self.settings.addresses_claim {
            let further = claim_at(claims, name).into_iter().flat_map(words).filter_map(|text| self.address(text));
            for address in further.take(MOST_ADDRESSES) {
                if !owns.contains(&address) {
                    owns.push(address);
                }
            }
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().trim();
        // ProConnect calls the family name `usual_name`.
        let family = if text("usual_name").is_empty() { text("family_name") } else { text("usual_name") };
        let mut names = vec![text("name").to_owned(), format!("{} {family}", text("given_name")).trim().to_owned()];
        names.retain(|name| !name.is_empty() && name.len() <= 256 && !name.chars().any(char::is_control));
        names.dedup();
        let groups = self.groups(claims)?;
        let language = match text("locale").get(..2) {
            Some("fr") => Language::Fr,
            Some("en") => Language::En,
            _ => self.language,
        };
        let kind = person::kind(&groups, &self.settings.service_groups);
        Ok(Account { login, owns, names, language, attributes: Attributes { kind, private: Vec::new(), groups } })
    }

    fn login_claim<'c>(&'c self, claims: &'c Claims) -> Option<(&'c str, &'c str)> {
        self.settings.login_claims.iter().find_map(|name| {
            let value = claim_at(claims, name)?.as_str()?.trim();
            (!value.is_empty()).then_some((name.as_str(), value))
        })
    }

    /// Inside, or nobody: an issuer that knows guests, too, must not make them senders of ours.
    fn address(&self, text: &str) -> Option<Address> {
        let text = text.trim();
        let address = match (text.contains('@'), &self.settings.domain) {
            (true, _) => Address::parse(text).ok()?,
            (false, Some(domain)) => Address::parse(&format!("{text}@{domain}")).ok()?,
            (false, None) => return None,
        };
        self.inside.iter().any(|ours| address.domain().is_within(ours)).then_some(address)
    }

    /// `/payroll` is how Keycloak writes `payroll`.
    fn groups(&self, claims: &Claims) -> Result<BTreeSet<String>, Refused> {
        let name = &self.settings.groups_claim;
        // Microsoft leaves them out when they are many, and points to where they are: half the groups would decide wrongly.
        if claims.get("_claim_names").and_then(|elsewhere| elsewhere.get(name)).is_some() {
            return Err(Refused::Unavailable("it leaves out the groups of somebody who is in many".to_owned()));
        }
        let listed = match claim_at(claims, name) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => vec![one.as_str()],
            _ => Vec::new(),
        };
        if listed.len() > MOST_GROUPS {
            return Err(Refused::Unavailable(format!("somebody is in more than {MOST_GROUPS} groups")));
        }
        let name_of = |text: &str| text.trim().trim_start_matches('/').to_lowercase();
        Ok(listed.into_iter().map(name_of).filter(|name| !name.is_empty()).collect())
    }

    fn names(&self, named: &str, claims: &Claims, account: &Account) -> bool {
        let as_claimed = self.login_claim(claims).is_some_and(|(_, value)| value.eq_ignore_ascii_case(named));
        as_claimed || self.address(named).is_some_and(|address| address == account.login)
    }

    fn judged(&self, judged: Result<Account, Refused>) -> Judged {
        match judged {
            Ok(account) => Judged::Right(Box::new(account)),
            Err(Refused::NotMine) => Judged::NotMine,
            Err(Refused::Wrong(why)) => {
                tracing::info!(judge = self.settings.name, why, "a token is not taken");
                Judged::Wrong
            }
            Err(Refused::Unavailable(why)) => unavailable(&self.settings.name, &why),
        }
    }
}

impl Introspection {
    fn of(settings: &OauthLogin) -> Result<Option<Introspection>, String> {
        let Some(url) = &settings.introspection_url else {
            return match (&settings.client_id, &settings.client_secret_file) {
                (None, None) => Ok(None),
                _ => Err("client_id and client_secret_file go with introspection_url".to_owned()),
            };
        };
        let url = secure_url(url).map_err(|why| format!("introspection_url: {why}"))?;
        let (Some(client_id), Some(path)) = (&settings.client_id, &settings.client_secret_file) else {
            return Err("introspection_url needs client_id and client_secret_file".to_owned());
        };
        let secret =
            crate::lookup::ldap::read_password(path).map_err(|why| why.replace("password_file", "client_secret_file"))?;
        let secret = std::str::from_utf8(&secret).map_err(|_| "client_secret_file is no text".to_owned())?;
        // RFC 6749 §2.3.1: both as in a form, before they are joined.
        let joined = Zeroizing::new(format!("{}:{}", form(client_id), *Zeroizing::new(form(secret))));
        let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(joined.as_bytes())));
        Ok(Some(Introspection { url, client_id: client_id.clone(), basic }))
    }
}

impl Judge for Issuer {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn password<'a>(&'a self, _login: &'a str, _password: &'a [u8], _peer: IpAddr) -> Answer<'a> {
        Box::pin(std::future::ready(Judged::NotMine))
    }

    fn takes_passwords(&self) -> bool {
        false
    }

    fn takes_tokens(&self) -> bool {
        true
    }

    fn token<'a>(&'a self, login: Option<&'a str>, token: &'a str, _peer: IpAddr) -> Answer<'a> {
        Box::pin(async move { self.judged(self.judge(login.filter(|login| !login.is_empty()), token).await) })
    }

    fn still<'a>(&'a self, login: &'a Address) -> Answer<'a> {
        Box::pin(async move {
            let Some(known) = self.memory.of(login) else { return Judged::NotMine };
            let ended = known.more.ends.is_some_and(|ends| ends <= self.clock.now().0);
            let judged = match &known.more.token {
                _ if ended => Judged::Wrong,
                Some(token) if !known.is_fresh() => match self.judged(self.judge(None, token).await) {
                    // No longer active.
                    Judged::NotMine => Judged::Wrong,
                    Judged::Right(account) if account.login != *login => Judged::Wrong,
                    judged => judged,
                },
                _ => Judged::Right(Box::new(known.account)),
            };
            if judged == Judged::Wrong {
                self.memory.forget(login);
            }
            judged
        })
    }
}

/// `application/x-www-form-urlencoded` (RFC 6749 Appendix B).
fn form(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(octet)),
            _ => out += &format!("%{octet:02X}"),
        }
    }
    out
}

/// Seconds, whole or with a fraction (RFC 7519 §2, NumericDate).
fn number(claims: &Claims, name: &str) -> Option<i64> {
    let value = claims.get(name)?;
    value.as_i64().or_else(|| value.as_f64().filter(|seconds| seconds.is_finite()).map(|seconds| seconds as i64))
}

/// The words of a text, or the texts of a list.
fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => text.split_ascii_whitespace().collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// One text or a list of texts (RFC 7519 §4.1.3) that names one of ours.
fn is_among(value: Option<&Value>, ours: &[String]) -> bool {
    match value {
        Some(Value::String(one)) => ours.contains(one),
        Some(Value::Array(items)) => {
            items.iter().any(|item| item.as_str().is_some_and(|one| ours.iter().any(|own| own == one)))
        }
        _ => false,
    }
}

/// `realm_access.roles` is a claim in a claim, unless there is one of that very name.
fn claim_at<'c>(claims: &'c Claims, path: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let mut parts = path.split('.');
    let mut value = claims.get(parts.next()?)?;
    for part in parts {
        value = value.get(part)?;
    }
    Some(value)
}
