//! Tokens as Keycloak and ProConnect shape them, and as somebody shapes them who wants to be another.

use super::*;
use crate::lookup::login::oauth::Issuer;
use crate::lookup::tests::web::{Does, Web};
use crate::mail::AccountKind;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::Mutex;

struct Keys {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

fn keys() -> Keys {
    let random = SystemRandom::new();
    let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    Keys {
        rsa: RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap(),
        ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref()).unwrap(),
        ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
    }
}

fn b64(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

#[derive(der::Sequence)]
struct RsaPublic<'a> {
    n: der::asn1::UintRef<'a>,
    e: der::asn1::UintRef<'a>,
}

impl Keys {
    fn rsa_parts(&self) -> (String, String) {
        use der::Decode;
        let public = RsaPublic::from_der(self.rsa.public_key().as_ref()).unwrap();
        (b64(public.n.as_bytes()), b64(public.e.as_bytes()))
    }

    /// As an issuer publishes them; each name ends in `suffix`. With a key for encryption and one of a kind that nobody knows.
    fn published(&self, suffix: &str) -> Value {
        let (n, e) = self.rsa_parts();
        let point = self.ec.public_key().as_ref();
        json!({"keys": [
            {"kty": "RSA", "kid": format!("rsa{suffix}"), "use": "sig", "n": n, "e": e},
            {"kty": "RSA", "kid": format!("enc{suffix}"), "use": "enc", "alg": "RSA-OAEP", "n": n, "e": e},
            {"kty": "EC", "kid": format!("ec{suffix}"), "alg": "ES256", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..])},
            {"kty": "OKP", "kid": format!("ed{suffix}"), "crv": "Ed25519", "x": b64(self.ed.public_key().as_ref())},
            {"kty": "AKP", "kid": "future", "alg": "ML-DSA-44", "pub": "AAAA"},
            "nonsense",
        ]})
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let random = SystemRandom::new();
        let rsa = |padding: &'static dyn aws_lc_rs::signature::RsaEncoding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(padding, &random, signed.as_bytes(), &mut signature).unwrap();
            signature
        };
        let signature = match header["alg"].as_str().unwrap_or_default() {
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "PS256" => rsa(&RSA_PSS_SHA256),
            "ES256" => self.ec.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed.sign(signed.as_bytes()).as_ref().to_vec(),
            // By whoever takes the public key for a secret (RFC 8725 §2.1).
            "HS256" => {
                let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, self.rsa.public_key().as_ref());
                aws_lc_rs::hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
            }
            _ => Vec::new(),
        };
        format!("{signed}.{}", b64(signature))
    }
}

/// An access token of Keycloak's, for whom `issuer` is.
fn keycloak(issuer: &str) -> Value {
    json!({
        "exp": NOW.0 + 300, "iat": NOW.0 - 5, "auth_time": NOW.0 - 60, "jti": "onrtac:7f0e", "iss": issuer,
        "aud": ["postern", "account"], "sub": "0f1c2d3e", "typ": "Bearer", "azp": "thunderbird", "sid": "9a8b", "acr": "1",
        "realm_access": {"roles": ["offline_access", "uma_authorization"]}, "scope": "openid email profile",
        "email_verified": true, "name": "Marie Dupont", "groups": ["/Payroll", "/org/board"],
        "preferred_username": "marie", "given_name": "Marie", "family_name": "Dupont", "locale": "en", "email": "Marie.Dupont@example.org",
    })
}

fn with(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        match change {
            Value::Null => drop(value.as_object_mut().unwrap().remove(name)),
            change => value[name] = change.clone(),
        }
    }
    value
}

/// What the issuer does just now.
#[derive(Clone)]
struct Now {
    keys: Value,
    introspection: Does,
    down: bool,
}

struct Bench {
    web: Web,
    issuer: String,
    now: Arc<Mutex<Now>>,
    asker: Asker,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn start(keys: &Keys) -> Bench {
        let now = Arc::new(Mutex::new(Now { keys: keys.published("-1"), introspection: Does::refuse(404), down: false }));
        let (served, address) = (now.clone(), Arc::new(Mutex::new(String::new())));
        let own = address.clone();
        let web = Web::serve(None, move |_, path| {
            let now = served.lock().unwrap().clone();
            let base = own.lock().unwrap().clone();
            match path {
                _ if now.down => Does::refuse(503),
                "/realms/mail/.well-known/openid-configuration" => {
                    Does::give(json!({"issuer": base, "jwks_uri": format!("{base}/certs")}).to_string())
                }
                "/realms/mail/certs" => Does::give(now.keys.to_string()),
                "/realms/mail/introspect" => now.introspection,
                _ => Does::refuse(404),
            }
        })
        .await;
        let issuer = format!("http://{}/realms/mail", web.address);
        *address.lock().unwrap() = issuer.clone();
        Bench { web, issuer, now, asker: asker(), folder: tempfile::tempdir().unwrap() }
    }

    fn judge(&self, more: &str) -> Issuer {
        let text = format!("issuer = \"{}\"\naudience = [\"postern\"]\n{more}", self.issuer);
        Issuer::new(toml::from_str(&text).unwrap(), &self.asker).unwrap()
    }

    fn introspecting(&self) -> String {
        let path = self.folder.path().join("secret");
        std::fs::write(&path, "s3 cret\n").unwrap();
        format!(
            "introspection_url = \"{}/introspect\"\nclient_id = \"po:stern\"\nclient_secret_file = {path:?}\nstill_seconds = 1\n",
            self.issuer
        )
    }

    fn answers(&self, content_type: &'static str, body: impl Into<Vec<u8>>) {
        self.now.lock().unwrap().introspection = Does::Answers { status: 200, fields: content_type, body: body.into() };
    }

    fn fetched(&self) -> usize {
        self.web.asked().iter().filter(|asked| asked.ends_with("/certs")).count()
    }
}

const JSON: &str = "Content-Type: application/json\r\n";

#[tokio::test]
async fn a_token_of_the_issuer_is_an_account() {
    let keys = keys();
    let bench = Bench::start(&keys).await;
    let judge = bench.judge("service_groups = [\"robots\"]\nclients = [\"thunderbird\"]\nscopes = [\"email\"]\n");
    for (algorithm, kid) in [("RS256", "rsa-1"), ("PS256", "rsa-1"), ("ES256", "ec-1"), ("EdDSA", "ed-1")] {
        let token = keys.token(&json!({"alg": algorithm, "kid": kid, "typ": "at+jwt"}), &keycloak(&bench.issuer));
        for named in [None, Some(""), Some("marie.dupont@EXAMPLE.org")] {
            let account = right(judge.token(named, &token, PEER).await);
            assert_eq!(account.login, address("marie.dupont@example.org"), "{algorithm}");
            assert_eq!((account.names, account.language), (vec!["Marie Dupont".to_owned()], Language::En));
            let groups = ["payroll", "org/board"].map(str::to_owned).into();
            assert_eq!((account.attributes.groups, account.attributes.kind), (groups, AccountKind::Person));
        }
        for named in ["boss@example.org", "marie", "marie.dupont@example.org.evil.example"] {
            assert_eq!(judge.token(Some(named), &token, PEER).await, Judged::Wrong, "{named}");
        }
    }
    assert_eq!(bench.fetched(), 1, "keys are fetched once");
    // ProConnect: no email among the claims of an agent of a service without one, another family name, roles elsewhere.
    let judge = bench.judge("login_claims = [\"preferred_username\"]\ndomain = \"example.org\"\ngroups_claim = \"realm_access.roles\"\naddresses_claim = \"aliases\"\n");
    let changes = json!({
        "email": null, "name": null, "family_name": null, "usual_name": "Martin", "typ": null, "locale": null, "aud": "postern",
        "realm_access": {"roles": ["Robots"]}, "aliases": ["team@example.org", "marie@gmail.com"],
    });
    let token = keys.token(&json!({"alg": "ES256"}), &with(keycloak(&bench.issuer), &changes));
    let account = right(judge.token(Some("MARIE"), &token, PEER).await);
    assert_eq!(account.owns, [address("marie@example.org"), address("team@example.org")], "nobody owns what is outside");
    assert_eq!((account.names, account.language), (vec!["Marie Martin".to_owned()], Language::Fr));
    assert_eq!(account.attributes.groups, ["robots".to_owned()].into());
    assert_eq!(judge.password("marie@example.org", b"x", PEER).await, Judged::NotMine);
}

#[tokio::test]
async fn a_token_that_lacks_anything_is_wrong_and_anothers_is_not_ours() {
    let keys = keys();
    let others = self::keys();
    let bench = Bench::start(&keys).await;
    let judge = bench.judge("clients = [\"thunderbird\"]\nscopes = [\"openid\", \"email\"]\n");
    let usual = json!({"alg": "EdDSA", "kid": "ed-1", "typ": "JWT"});
    let (n, e) = others.rsa_parts();
    let own_key = json!({"kty": "RSA", "n": n, "e": e});
    let none = json!({});
    let (header, claims) = (&usual, &none);
    for (name, header, claims, expected) in [
        ("as it should be", header, claims, "right"),
        ("no kid", &json!({"alg": "EdDSA"}), claims, "right"),
        ("not signed", &json!({"alg": "none"}), claims, "wrong"),
        ("not signed, in other letters", &json!({"alg": "NoNe", "kid": "rsa-1"}), claims, "wrong"),
        ("a public key as a secret", &json!({"alg": "HS256", "kid": "rsa-1"}), claims, "wrong"),
        ("the key of another kind", &json!({"alg": "EdDSA", "kid": "ec-1"}), claims, "wrong"),
        ("a key for encryption", &json!({"alg": "RS256", "kid": "enc-1"}), claims, "wrong"),
        ("a longer hash", &json!({"alg": "RS512", "kid": "rsa-1"}), claims, "wrong"),
        ("something critical", &json!({"alg": "EdDSA", "kid": "ed-1", "crit": ["b64"], "b64": true}), claims, "wrong"),
        ("a logout token", &json!({"alg": "EdDSA", "kid": "ed-1", "typ": "logout+jwt"}), claims, "wrong"),
        ("a proof of possession", &json!({"alg": "EdDSA", "kid": "ed-1", "typ": "dpop+jwt"}), claims, "wrong"),
        ("ended", header, &json!({"exp": NOW.0 - 31}), "wrong"),
        ("just ended, by a clock that is behind", header, &json!({"exp": NOW.0 - 29}), "right"),
        ("without end", header, &json!({"exp": null}), "wrong"),
        ("an end in words", header, &json!({"exp": "tomorrow"}), "wrong"),
        ("an end with a fraction", header, &json!({"exp": NOW.0 as f64 + 0.5}), "right"),
        ("not begun", header, &json!({"nbf": NOW.0 + 31}), "wrong"),
        ("made in the future", header, &json!({"iat": NOW.0 + 3600}), "wrong"),
        ("for another", header, &json!({"aud": "account"}), "wrong"),
        ("for one of almost the name", header, &json!({"aud": ["postern2", "post"]}), "wrong"),
        ("for nobody", header, &json!({"aud": null}), "wrong"),
        ("of another issuer", header, &json!({"iss": "https://evil.example"}), "not mine"),
        ("of an issuer that begins alike", header, &json!({"iss": format!("{}/", bench.issuer)}), "not mine"),
        ("of no issuer", header, &json!({"iss": null}), "not mine"),
        ("to another client", header, &json!({"azp": "notebook"}), "wrong"),
        ("to nobody", header, &json!({"azp": null}), "wrong"),
        ("to a client under its other name", header, &json!({"azp": null, "client_id": "thunderbird"}), "right"),
        ("without a scope", header, &json!({"scope": "openid"}), "wrong"),
        ("scopes as a list", header, &json!({"scope": null, "scp": ["email", "openid"]}), "right"),
        ("an ID token", header, &json!({"typ": "ID"}), "wrong"),
        ("an ID token without its name", header, &json!({"typ": null, "at_hash": "x"}), "wrong"),
        ("a refresh token", header, &json!({"typ": "Refresh"}), "wrong"),
        ("bound to a key", header, &json!({"cnf": {"jkt": "x"}}), "wrong"),
        ("an address nobody checked", header, &json!({"email_verified": false}), "wrong"),
        ("an address checked in words", header, &json!({"email_verified": "true"}), "wrong"),
        ("an address of an issuer that does not say", header, &json!({"email_verified": null}), "right"),
        ("a guest", header, &json!({"email": "guest@example.net"}), "wrong"),
        ("nobody", header, &json!({"email": null, "preferred_username": null}), "wrong"),
        ("two addresses", header, &json!({"email": "a@example.org,b@example.org"}), "wrong"),
        ("groups left out", header, &json!({"groups": null, "_claim_names": {"groups": "src1"}}), "unavailable"),
    ] {
        let token = keys.token(header, &with(keycloak(&bench.issuer), claims));
        let judged = judge.token(None, &token, PEER).await;
        assert_eq!(word(&judged), expected, "{name}: {judged:?}");
    }
    let claims = keycloak(&bench.issuer);
    for header in [
        json!({"alg": "RS256", "kid": "rsa-1"}),
        json!({"alg": "RS256", "jwk": own_key}),
        json!({"alg": "RS256", "kid": "rsa-1", "jku": format!("http://{}/evil", bench.web.address)}),
        json!({"alg": "RS256", "kid": "rsa-1", "x5u": format!("http://{}/evil", bench.web.address)}),
    ] {
        assert_eq!(judge.token(None, &others.token(&header, &claims), PEER).await, Judged::Wrong, "{header}");
    }
    assert!(!bench.web.asked().iter().any(|asked| asked.contains("evil")), "where a token points to is never asked");
    let good = keys.token(&usual, &claims);
    for (name, text) in [
        ("empty", String::new()),
        ("opaque", "2YotnFZFEjr1zCsicMWpAA".to_owned()),
        ("two parts", good.rsplit_once('.').unwrap().0.to_owned()),
        ("four parts", format!("{good}.x")),
        ("long", format!("{good}{}", "A".repeat(20_000))),
        ("padded", format!("{good}=")),
    ] {
        let judged = judge.token(None, &text, PEER).await;
        assert_ne!(word(&judged), "right", "{name}");
    }
    // Another claim under the same signature.
    let parts: Vec<&str> = good.split('.').collect();
    let other = b64(with(claims, &json!({"email": "boss@example.org"})).to_string());
    assert_eq!(judge.token(None, &format!("{}.{other}.{}", parts[0], parts[2]), PEER).await, Judged::Wrong);
}

#[tokio::test]
async fn a_new_key_is_fetched_once_in_a_while_and_a_silent_issuer_lets_nobody_in() {
    let (keys, next) = (keys(), self::keys());
    let bench = Bench::start(&keys).await;
    let judge = bench.judge("keys_seconds = 1\n");
    let old = keys.token(&json!({"alg": "EdDSA", "kid": "ed-1"}), &keycloak(&bench.issuer));
    let new = next.token(&json!({"alg": "EdDSA", "kid": "ed-2"}), &keycloak(&bench.issuer));
    right(judge.token(None, &old, PEER).await);
    bench.now.lock().unwrap().keys = next.published("-2");
    for _ in 0..20 {
        assert_eq!(judge.token(None, &new, PEER).await, Judged::Wrong, "not asked again so soon");
    }
    assert_eq!(bench.fetched(), 1);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    right(judge.token(None, &new, PEER).await);
    assert_eq!(judge.token(None, &old, PEER).await, Judged::Wrong, "the old one was withdrawn");
    assert_eq!(bench.fetched(), 2);
    bench.now.lock().unwrap().down = true;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    // What is known goes on for a day; what is not is nobody's.
    right(judge.token(None, &new, PEER).await);
    let judged = judge.token(None, &old, PEER).await;
    assert_eq!(word(&judged), "unavailable", "{judged:?}");
    let cold = bench.judge("");
    assert_eq!(word(&cold.token(None, &new, PEER).await), "unavailable");
    let Judged::Unavailable(why) = cold.token(None, &new, PEER).await else { panic!() };
    assert!(why.starts_with("oauth: ") && !why.contains(&new), "{why}");
    // Somebody else's page in the issuer's place.
    bench.now.lock().unwrap().down = false;
    let text = format!("issuer = \"{}/\"\naudience = [\"postern\"]\n", bench.issuer);
    let other = Issuer::new(toml::from_str(&text).unwrap(), &bench.asker).unwrap();
    let token = keys.token(&json!({"alg": "EdDSA"}), &keycloak(&format!("{}/", bench.issuer)));
    assert_eq!(word(&other.token(None, &token, PEER).await), "unavailable");
    // Open sessions end with the token.
    let login = address("marie.dupont@example.org");
    assert_eq!(word(&judge.still(&login).await), "right");
    bench.asker.clock.advance(329);
    assert_eq!(word(&judge.still(&login).await), "right");
    bench.asker.clock.advance(1);
    assert_eq!(word(&judge.still(&login).await), "wrong");
    assert_eq!(word(&judge.still(&address("nobody@example.org")).await), "not mine");
}

#[tokio::test]
async fn an_issuer_is_asked_about_a_token_and_believed_for_a_moment() {
    let keys = keys();
    let bench = Bench::start(&keys).await;
    let judge = bench.judge(&format!("{}clients = [\"thunderbird\"]\n", bench.introspecting()));
    let active = with(keycloak(&bench.issuer), &json!({"active": true}));
    let opaque = "2YotnFZFEjr1z&CsicMWpAA";
    for (name, content_type, body, expected) in [
        ("active", JSON, active.clone(), "right"),
        ("inactive", JSON, json!({"active": false}), "not mine"),
        ("active in words", JSON, with(active.clone(), &json!({"active": "true"})), "unavailable"),
        ("not said", JSON, with(active.clone(), &json!({"active": null})), "unavailable"),
        ("no object", JSON, json!([1]), "unavailable"),
        ("ended all the same", JSON, with(active.clone(), &json!({"exp": NOW.0 - 60})), "wrong"),
        ("without end", JSON, with(active.clone(), &json!({"exp": null})), "right"),
        ("another's", JSON, with(active.clone(), &json!({"iss": "https://evil.example"})), "not mine"),
        ("for another", JSON, with(active.clone(), &json!({"aud": "account"})), "wrong"),
        ("for whom is not said, and a client of ours", JSON, with(active.clone(), &json!({"aud": null})), "right"),
        ("to another client", JSON, with(active.clone(), &json!({"aud": null, "azp": "notebook"})), "wrong"),
    ] {
        bench.answers(content_type, body.to_string());
        let judged = judge.token(Some("marie.dupont@example.org"), opaque, PEER).await;
        assert_eq!(word(&judged), expected, "{name}: {judged:?}");
    }
    let asked = bench.web.asked();
    // Basic: po%3Astern:s3%20cret (RFC 6749 §2.3.1).
    let expected =
        "/introspect token=2YotnFZFEjr1z%26CsicMWpAA&token_type_hint=access_token Basic cG8lM0FzdGVybjpzMyUyMGNyZXQ=";
    assert!(asked[0].ends_with(expected), "{asked:?}");
    for does in [Does::refuse(401), Does::refuse(500), Does::RedirectsTo("/other".into()), Does::Says(b"\xff\xff".to_vec())] {
        bench.now.lock().unwrap().introspection = does;
        assert_eq!(word(&judge.token(None, opaque, PEER).await), "unavailable");
    }
    // A signed answer (RFC 9701).
    let kind = "Content-Type: application/token-introspection+jwt\r\n";
    let header = json!({"alg": "ES256", "kid": "ec-1", "typ": "token-introspection+jwt"});
    let answer = json!({"iss": bench.issuer, "aud": "po:stern", "iat": NOW.0, "token_introspection": active});
    for (name, header, answer, expected) in [
        ("signed", &header, answer.clone(), "right"),
        ("for another client", &header, with(answer.clone(), &json!({"aud": "another"})), "unavailable"),
        ("of another issuer", &header, with(answer.clone(), &json!({"iss": "https://evil.example"})), "unavailable"),
        (
            "an access token in its place",
            &json!({"alg": "ES256", "kid": "ec-1", "typ": "at+jwt"}),
            answer.clone(),
            "unavailable",
        ),
        ("not signed", &json!({"alg": "none", "typ": "token-introspection+jwt"}), answer.clone(), "unavailable"),
    ] {
        bench.answers(kind, keys.token(header, &answer));
        let judged = judge.token(None, opaque, PEER).await;
        assert_eq!(word(&judged), expected, "{name}: {judged:?}");
    }
    // Fresh for a second, then asked again; withdrawn is out.
    bench.answers(JSON, active.to_string());
    right(judge.token(None, opaque, PEER).await);
    let login = address("marie.dupont@example.org");
    let before = bench.web.asked().len();
    bench.answers(JSON, json!({"active": false}).to_string());
    assert_eq!((word(&judge.still(&login).await), bench.web.asked().len()), ("right", before));
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    bench.now.lock().unwrap().down = true;
    assert_eq!(word(&judge.still(&login).await), "unavailable");
    bench.now.lock().unwrap().down = false;
    assert_eq!((word(&judge.still(&login).await), word(&judge.still(&login).await)), ("wrong", "not mine"));
}
