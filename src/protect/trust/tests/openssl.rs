//! Lists by `openssl ca` and answers by `openssl ocsp`: what others make is read, and what is wrong with it is seen.

use super::super::*;
use crate::mail::UnixTime;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use std::path::Path;
use std::process::Command;

const CONFIG: &str = r#"
[ca]
default_ca = here
[here]
dir = .
new_certs_dir = .
database = index.txt
serial = serial
crlnumber = crlnumber
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 100
default_crl_days = 7
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = dn
prompt = no
[dn]
CN = Claire
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[unable]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyAgreement
extendedKeyUsage = emailProtection
subjectAltName = email:claire@example.org
authorityKeyIdentifier = keyid
crlDistributionPoints = URI:http://pki.example.org/ca.crl
authorityInfoAccess = OCSP;URI:http://ocsp.example.org/
[responder]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = OCSPSigning
[plain]
authorityKeyIdentifier = keyid
[delta]
2.5.29.27 = critical, ASN1:INTEGER:1
[indirect]
issuingDistributionPoint = critical, @indirect_point
[indirect_point]
indirectCRL = TRUE
[reasons]
issuingDistributionPoint = critical, @reasons_point
[reasons_point]
onlysomereasons = keyCompromise
[authorities_only]
issuingDistributionPoint = critical, @authorities_point
[authorities_point]
onlyCA = TRUE
[users_only]
issuingDistributionPoint = critical, @users_point
[users_point]
onlyuser = TRUE
[here_point]
issuingDistributionPoint = critical, @named_point
[named_point]
fullname = URI:http://pki.example.org/ca.crl
[elsewhere]
issuingDistributionPoint = critical, @other_point
[other_point]
fullname = URI:http://pki.example.org/other.crl
[unknown]
1.3.6.1.4.1.99999.7 = critical, ASN1:NULL
"#;

/// An authority as `openssl ca` keeps one, with two certificates of which one was revoked.
struct House(tempfile::TempDir);

fn here() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join("openssl").is_file()) {
        return true;
    }
    assert!(std::env::var_os("POSTERN_REQUIRE_PEERS").is_none(), "openssl is required");
    println!("LEFT OUT protect::trust::tests::openssl: openssl is not installed");
    false
}

fn now() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UnixTime(since.as_secs() as i64)
}

impl House {
    fn build() -> House {
        let house = House(tempfile::tempdir().unwrap());
        std::fs::write(house.path().join("c.cnf"), CONFIG).unwrap();
        std::fs::write(house.path().join("index.txt"), "").unwrap();
        std::fs::write(house.path().join("serial"), "1000").unwrap();
        std::fs::write(house.path().join("crlnumber"), "01").unwrap();
        const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config c.cnf";
        for (name, extensions) in [("ca", "root"), ("other", "root"), ("unable", "unable")] {
            let subject = if name == "unable" { "unable" } else { "ca" };
            house.run(&format!(
                "req -x509 {KEY} -keyout {name}.key -out {name}.pem -days 100 -subj /CN={subject} -extensions {extensions}"
            ));
        }
        for (name, extensions) in [("good", "leaf"), ("gone", "leaf"), ("responder", "responder"), ("impostor", "leaf")] {
            house.run(&format!("req -new {KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
            house.run(&format!("ca -batch -config c.cnf -notext -in {name}.csr -out {name}.pem -extensions {extensions}"));
        }
        house.run("ca -config c.cnf -revoke gone.pem -crl_reason keyCompromise");
        house
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, line: &str) {
        let output = Command::new("openssl").args(line.split_whitespace()).current_dir(self.path()).output().unwrap();
        assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn certificate(&self, name: &str) -> Vec<u8> {
        let pem = std::fs::read(self.path().join(format!("{name}.pem"))).unwrap();
        CertificateDer::from_pem_slice(&pem).unwrap().to_vec()
    }

    fn list(&self, how: &str) -> Vec<u8> {
        self.run(&format!("ca -config c.cnf -gencrl -out list.pem {how}"));
        let pem = std::fs::read(self.path().join("list.pem")).unwrap();
        CertificateRevocationListDer::from_pem_slice(&pem).unwrap().as_ref().to_vec()
    }

    /// What a responder with this index says to our own question about a certificate.
    fn answer(&self, about: &str, how: &str) -> Vec<u8> {
        let trust = self.trust(Revocations::default(), CheckRevocation::Hard);
        let asks = asks(&self.certificate(about), now(), &trust);
        let Some(Ask::Responder { url, request }) = asks[0].asks.first() else { panic!("no responder is asked") };
        assert_eq!(url, "http://ocsp.example.org/");
        std::fs::write(self.path().join("request.der"), request).unwrap();
        self.run(&format!("ocsp -index index.txt -CA ca.pem -reqin request.der -respout answer.der {how}"));
        std::fs::read(self.path().join("answer.der")).unwrap()
    }

    fn trust(&self, known: Revocations, check: CheckRevocation) -> Trust {
        let mut trust = Trust::new(&[self.certificate("ca")], &[]);
        trust.check_revocation = check;
        trust.revocations = known.into();
        trust
    }

    /// With this knowledge: whether the certificate is usable, by soft and by hard rules.
    fn judge(&self, name: &str, known: &Revocations, at: UnixTime) -> [Result<(), NotUsable>; 2] {
        [CheckRevocation::Soft, CheckRevocation::Hard].map(|check| {
            let trust = self.trust(known.clone(), check);
            judge_closely(&self.certificate(name), at, &trust).map(drop)
        })
    }
}

fn of_list(octets: &[u8]) -> Revocations {
    let mut known = Revocations::default();
    known.add_list(octets).unwrap();
    known
}

fn of_answer(octets: &[u8]) -> Revocations {
    let mut known = Revocations::default();
    known.add_answer(octets).unwrap();
    known
}

#[track_caller]
fn refused(judged: &[Result<(), NotUsable>; 2], expected: &str) {
    for each in judged {
        assert!(matches!(each, Err(NotUsable::Refused(why)) if why.contains(expected)), "{expected}: {judged:?}");
    }
}

/// Soft: used. Hard: nobody could say.
#[track_caller]
fn unknown(judged: &[Result<(), NotUsable>; 2], expected: &str) {
    assert_eq!(judged[0], Ok(()), "{expected}");
    assert!(matches!(&judged[1], Err(NotUsable::Unknown(why)) if why.contains(expected)), "{expected}: {judged:?}");
}

#[test]
fn lists_and_responders_of_others_tell_of_revoked_certificates() {
    if !here() {
        return;
    }
    let house = House::build();
    let at = now();
    let later = at.plus(8 * 86_400);
    let nothing = Revocations::default();
    unknown(&house.judge("good", &nothing, at), "neither a list nor a responder's answer");

    // Lists.
    let plain = of_list(&house.list("-crlexts plain"));
    assert_eq!(house.judge("good", &plain, at), [Ok(()), Ok(())]);
    refused(&house.judge("gone", &plain, at), "it was revoked on");
    refused(&house.judge("gone", &plain, at), "its key was compromised");
    // Once revoked it stays revoked, also by a list that is not of today; "good" must be of today.
    refused(&house.judge("gone", &plain, later), "it was revoked on");
    unknown(&house.judge("good", &plain, later), "is not of today");
    for (section, tells) in [("users_only", true), ("here_point", true), ("authorities_only", false), ("elsewhere", false)] {
        let known = of_list(&house.list(&format!("-crlexts {section}")));
        match tells {
            true => refused(&house.judge("gone", &known, at), "it was revoked on"),
            false => unknown(&house.judge("gone", &known, at), "tells of other certificates only"),
        }
    }
    for (section, expected) in [
        ("delta", "delta CRL"),
        ("indirect", "indirect CRL"),
        ("reasons", "some reasons only"),
        ("unknown", "critical extension that is not known here (1.3.6.1.4.1.99999.7)"),
    ] {
        let why = Revocations::default().add_list(&house.list(&format!("-crlexts {section}"))).unwrap_err();
        assert!(why.contains(expected), "{section}: {why}");
    }
    // By another key of the same name, and by one that may not sign lists.
    let foreign = of_list(&house.list("-keyfile other.key -cert other.pem -crlexts plain"));
    unknown(&house.judge("gone", &foreign, at), "by another of its keys");
    let mut forged = house.list("-crlexts plain");
    let last = forged.len() - 1;
    forged[last] ^= 1;
    unknown(&house.judge("gone", &of_list(&forged), at), "is not signed by it");
    for octets in [&b"-----BEGIN"[..], &forged[..forged.len() / 2], &vec![0x30; 1 << 20]] {
        assert!(Revocations::default().add_list(octets).is_err());
    }

    // Responders: the authority itself, one that it appointed, and others.
    let by_authority = "-rsigner ca.pem -rkey ca.key -ndays 1";
    assert_eq!(house.judge("good", &of_answer(&house.answer("good", by_authority)), at), [Ok(()), Ok(())]);
    refused(&house.judge("gone", &of_answer(&house.answer("gone", by_authority)), at), "its key was compromised");
    let appointed = "-rsigner responder.pem -rkey responder.key -ndays 1";
    assert_eq!(house.judge("good", &of_answer(&house.answer("good", appointed)), at), [Ok(()), Ok(())]);
    refused(
        &house.judge("gone", &of_answer(&house.answer("gone", &format!("{appointed} -resp_key_id"))), at),
        "it was revoked on",
    );
    let impostor = of_answer(&house.answer("gone", "-rsigner impostor.pem -rkey impostor.key -ndays 1"));
    unknown(&house.judge("gone", &impostor, at), "neither by the issuer nor by a responder that it appointed");
    let foreign = of_answer(&house.answer("gone", "-rsigner other.pem -rkey other.key -ndays 1"));
    unknown(&house.judge("gone", &foreign, at), "neither by the issuer nor by a responder that it appointed");
    // An answer about one certificate says nothing of another, an old one nothing of today.
    unknown(&house.judge("good", &of_answer(&house.answer("gone", by_authority)), at), "neither a list nor");
    let good = of_answer(&house.answer("good", by_authority));
    unknown(&house.judge("good", &good, later), "is not of today");
    let without_end = of_answer(&house.answer("good", "-rsigner ca.pem -rkey ca.key"));
    assert_eq!(house.judge("good", &without_end, at.plus(1800))[1], Ok(()));
    unknown(&house.judge("good", &without_end, at.plus(7200)), "is not of today");
    // A responder that was revoked tells nothing any more; a list says so.
    house.run("ca -config c.cnf -revoke responder.pem");
    let both = of_answer(&house.answer("good", appointed)).and(&of_list(&house.list("-crlexts elsewhere")));
    assert_eq!(house.judge("good", &both, at)[1], Ok(()), "that list is not about it");
    let list = of_list(&house.list("-crlexts plain"));
    let stale = of_answer(&house.answer("good", appointed)).and(&list);
    assert_eq!(house.judge("good", &stale, at)[1], Ok(()), "the list itself says good");
    unknown(&house.judge("good", &stale, later), "by a responder whose certificate was revoked");
    for octets in [&b"<html>"[..], &[0x30, 3, 0x0a, 1, 3], &[0x30, 3, 0x0a, 1, 6], &vec![0x30; 1 << 20]] {
        assert!(Revocations::default().add_answer(octets).is_err());
    }
}

/// RFC 5280 §6.3.3 (f): the key must be one that may sign lists.
#[test]
fn a_list_by_a_key_that_may_not_sign_lists_tells_nothing() {
    if !here() {
        return;
    }
    let house = House::build();
    house.run(
        "ca -batch -config c.cnf -notext -in good.csr -out by_unable.pem -extensions leaf -keyfile unable.key -cert unable.pem",
    );
    let mut trust = Trust::new(&[house.certificate("unable")], &[]);
    trust.check_revocation = CheckRevocation::Hard;
    trust.revocations = of_list(&house.list("-keyfile unable.key -cert unable.pem -crlexts plain")).into();
    let judged = judge_closely(&house.certificate("by_unable"), now(), &trust).map(drop);
    assert!(matches!(&judged, Err(NotUsable::Unknown(why)) if why.contains("lacks cRLSign")), "{judged:?}");
}
