//! Which key may be used and whose it is, as an operator meets it: `keys import`, `check`, the internal authority, the Web Key Directory.

use super::gate::{Gate, Setup, message};
use super::peers::{self, must};
use super::people::{Algorithm, GnupgHome, SmimePerson};
use super::sink::Sink;
use std::path::Path;
use std::process::{Command, Output};

const BOB: &str = "bob@partner.example";

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Ran to its end with this code; what it said.
#[track_caller]
fn said(gate: &Gate, call: &str, code: i32) -> String {
    let words: Vec<String> = call.split(' ').map(|word| word.replace("./", &format!("{}/", gate.path("").display()))).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let output = gate.command(&words, b"");
    assert_eq!(output.status.code(), Some(code), "{call}: {}", text(&output));
    text(&output)
}

fn openssl(folder: &Path, line: &str) -> Output {
    peers::run(Command::new("openssl").args(line.split(' ')).current_dir(folder), b"", std::time::Duration::from_secs(30))
}

/// "Two different keys for one address are reported by `check` and held until one is chosen", over SMTP.
#[test]
fn of_two_keys_for_one_address_none_is_used_until_one_is_chosen() {
    if !peers::are_here("of_two_keys_for_one_address_none_is_used_until_one_is_chosen", &["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    std::fs::create_dir(&one).unwrap();
    std::fs::create_dir(&two).unwrap();
    let right = SmimePerson::make(&one, BOB, Algorithm::P256);
    let other = SmimePerson::make(&two, BOB, Algorithm::P256);
    let sink = Sink::start();
    let gate =
        Setup::towards(&sink).with_key("right.pem", right.certificate_pem()).with_key("other.pem", other.certificate_pem());
    let gate = gate.start();
    let checked = said(&gate, "check", 0);
    assert!(
        checked.contains("several different keys claim bob@partner.example") && checked.contains("right.pem ("),
        "{checked}"
    );
    let body = "N° de sécurité sociale : 1 85 05 78 006 084 91";
    let reply = gate.submit(&[BOB], &message(BOB, "dossier", body));
    assert!(reply.is_good() && reply.text.contains("retenu pour examen"), "held, not sent to either: {reply:?}");
    // Another one from outside does not slip in beside it either.
    std::fs::rename(gate.path("keys/recipients/right.pem"), gate.path("right.pem")).unwrap();
    let refused = said(&gate, "keys import ./right.pem", 1);
    assert!(refused.contains("has another key already") && refused.contains("--for bob@partner.example"), "{refused}");
    let wrong = said(&gate, "keys import ./right.pem --for alice@partner.example", 1);
    assert!(wrong.contains("alice@partner.example does not stand in it"), "{wrong}");
    let bound = said(&gate, "keys import ./right.pem --for bob@partner.example", 0);
    assert!(bound.contains("bound: bob@partner.example to "), "{bound}");
    let checked = said(&gate, "check", 0);
    assert!(!checked.contains("several different keys"), "{checked}");
    super::gate::wait_until(std::time::Duration::from_secs(20), "the chosen key is used", || {
        !gate.submit(&[BOB], &message(BOB, "dossier", body)).text.contains("retenu")
    });
    let to_bob = || sink.taken().into_iter().find(|taken| taken.recipients.iter().any(|recipient| recipient.contains(BOB)));
    super::gate::wait_until(std::time::Duration::from_secs(20), "it arrives", || to_bob().is_some());
    std::fs::write(folder.path().join("sealed"), to_bob().unwrap().data).unwrap();
    let (certificate, key) = (right.certificate.display(), right.key.display());
    let opened = openssl(folder.path(), &format!("cms -decrypt -in sealed -recip {certificate} -inkey {key}"));
    assert!(opened.status.success() && text(&opened).contains("multipart/signed"), "{}", text(&opened));
}

/// "Never for addresses inside our own domains."
#[test]
fn a_file_is_no_proof_of_a_colleagues_address() {
    if !peers::are_here("a_file_is_no_proof_of_a_colleagues_address", &["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let carol = SmimePerson::make(folder.path(), "carol@example.org", Algorithm::P256);
    let gate = Setup::default().prepare();
    std::fs::copy(&carol.certificate, gate.path("carol.pem")).unwrap();
    let refused = said(&gate, "keys import ./carol.pem", 1);
    assert!(refused.contains("carol@example.org is one of ours") && refused.contains("add --for"), "{refused}");
    std::fs::copy(&carol.certificate, gate.path("keys/recipients/carol.pem")).unwrap();
    assert!(said(&gate, "check", 0).contains("carol@example.org is inside: a file is no proof there"));
    said(&gate, "keys import ./carol.pem --for carol@example.org", 0);
    assert!(!said(&gate, "check", 0).contains("is inside"));
    let listed = said(&gate, "keys list --format json", 0);
    assert!(listed.contains("\"not_for\":[]"), "{listed}");
}

#[test]
fn what_our_authority_gives_out_and_takes_back_openssl_understands() {
    if !peers::are_here("what_our_authority_gives_out_and_takes_back_openssl_understands", &["openssl"]) {
        return;
    }
    let gate = Setup::default().prepare();
    let folder = gate.path("");
    let at = |name: &str| gate.path(name);
    assert!(said(&gate, "keys ca init --crl-url https://pki.example.org/ca.crl", 2).contains("write an address like http://"));
    assert!(said(&gate, "keys ca init --crl-url http://pki.example.org/ca.crl", 0).contains("http://pki.example.org/ca.crl"));
    assert!(said(&gate, "keys ca issue bob@partner.example --out ./bob.pem", 2).contains("is not inside"));
    said(&gate, "keys ca issue carol@example.org --name Carol --out ./carol.pem", 0);
    assert!(
        said(&gate, "keys ca issue carol@example.org --out ./carol.pem", 2).contains("carol.pem"),
        "an old key is not overwritten"
    );
    must(
        Command::new("openssl")
            .args("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout dave.key -out dave.csr -subj /CN=other@example.com".split(' '))
            .current_dir(&folder),
        b"",
    );
    said(&gate, "keys ca issue dave@example.org --request ./dave.csr --use encrypt --out ./dave.pem", 0);
    assert!(!std::fs::read_to_string(at("dave.pem")).unwrap().contains("PRIVATE KEY"));
    // A request whose signature is not its key's proves nothing.
    let forged = std::fs::read_to_string(at("dave.csr")).unwrap();
    let last = forged.rfind("\n-----END").unwrap() - 6;
    let forged =
        format!("{}{}{}", &forged[..last], if &forged[last..last + 1] == "A" { "B" } else { "A" }, &forged[last + 1..]);
    std::fs::write(at("forged.csr"), forged).unwrap();
    said(&gate, "keys ca issue dave@example.org --request ./forged.csr --out ./forged.pem", 2);

    std::fs::write(at("ca.pem"), said(&gate, "keys ca chain", 0)).unwrap();
    let crl = |number: &str| {
        said(&gate, &format!("keys ca crl --days 3 --out ./{number}.crl"), 0);
        let shown = openssl(&folder, &format!("crl -inform DER -in {number}.crl -noout -text -CAfile ca.pem"));
        openssl(&folder, &format!("crl -inform DER -in {number}.crl -out {number}.pem"));
        text(&shown)
    };
    let verify = |leaf: &str, list: &str| {
        let line = format!("verify -x509_strict -purpose smimesign -CAfile ca.pem -crl_check -CRLfile {list}.pem {leaf}");
        let output = openssl(&folder, &line);
        (output.status.success(), text(&output))
    };
    let first = crl("first");
    for expected in
        ["verify OK", "X509v3 CRL Number", "X509v3 Authority Key Identifier", "No Revoked Certificates", "Version 2"]
    {
        assert!(first.contains(expected), "{expected}: {first}");
    }
    assert!(verify("carol.pem", "first").0, "{}", verify("carol.pem", "first").1);
    let dave = openssl(&folder, "verify -x509_strict -CAfile ca.pem -crl_check -CRLfile first.pem dave.pem");
    assert!(dave.status.success(), "{}", text(&dave));
    let shown = text(&openssl(&folder, "x509 -in dave.pem -noout -text"));
    for expected in
        ["email:dave@example.org", "Key Agreement", "E-mail Protection", "URI:http://pki.example.org/ca.crl", "CA:FALSE"]
    {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert!(!shown.contains("other@example.com"), "of a request only its key is taken");

    let revoked = said(&gate, "keys ca revoke carol@example.org --reason key-compromise", 0);
    assert!(revoked.contains("revoked: "), "{revoked}");
    said(&gate, "keys ca revoke carol@example.org", 1);
    let second = crl("second");
    assert!(second.contains("Key Compromise"), "{second}");
    let number = |shown: &str| shown.lines().skip_while(|line| !line.contains("CRL Number")).nth(1).unwrap().trim().to_owned();
    assert_ne!(number(&first), number(&second));
    let (ok, why) = verify("carol.pem", "second");
    assert!(!ok && why.contains("certificate revoked"), "{why}");
    assert!(openssl(&folder, "verify -CAfile ca.pem -crl_check -CRLfile second.pem dave.pem").status.success());
    let listed = said(&gate, "keys ca list --format json", 0);
    assert!(listed.contains("\"reason\":\"key-compromise\"") && listed.contains("dave@example.org"), "{listed}");
}

#[test]
fn the_web_key_directory_is_where_gnupg_looks_for_it() {
    if !peers::are_here("the_web_key_directory_is_where_gnupg_looks_for_it", &["gpg", "gpg-agent"]) {
        return;
    }
    let gate = Setup::default().prepare();
    let home = GnupgHome::make();
    // Carol's own key, given in and bound; Dave's lies there unbound; Bob is no one of ours.
    for (name, address) in [("carol", "Carol.Martin@example.org"), ("dave", "dave@example.org"), ("bob", BOB)] {
        std::fs::write(gate.path(&format!("{name}.asc")), home.curve25519_person(address)).unwrap();
    }
    said(&gate, "keys import ./carol.asc --for carol.martin@example.org", 0);
    std::fs::copy(gate.path("dave.asc"), gate.path("keys/recipients/dave.asc")).unwrap();
    said(&gate, "keys import ./bob.asc", 0);
    let exported = said(&gate, "keys wkd export ./www", 0);
    assert!(exported.to_lowercase().contains("carol.martin@example.org: ") && exported.contains("1 addresses"), "{exported}");
    let listing = must(home.gpg().args(["--with-wkd-hash", "--list-keys", "Carol.Martin@example.org"]), b"");
    let listing = String::from_utf8(listing).unwrap();
    let hash = listing
        .lines()
        .find_map(|line| line.trim().strip_suffix("@example.org").filter(|hash| hash.len() == 32))
        .expect("a hash");
    let tree = gate.path("www/.well-known/openpgpkey/example.org");
    assert_eq!(std::fs::read(tree.join("policy")).unwrap(), b"");
    let names: Vec<_> = std::fs::read_dir(tree.join("hu")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [hash]);
    let other = GnupgHome::make();
    must(other.gpg().arg("--import").arg(tree.join("hu").join(hash)), b"");
    let imported = String::from_utf8(must(other.gpg().args(["--with-colons", "--list-keys"]), b"")).unwrap();
    assert_eq!(imported.matches("\nuid:").count(), 1, "{imported}");
    assert!(!tree.parent().unwrap().join("partner.example").exists());
}

/// Keys of their own: the gate signs with them, other programs read them, nobody else on the machine does, and none is written over.
#[test]
fn generated_keys_sign_and_are_what_other_programs_take_them_for() {
    use std::os::unix::fs::PermissionsExt;
    if !peers::are_here("generated_keys_sign_and_are_what_other_programs_take_them_for", &["openssl", "gpg"]) {
        return;
    }
    let sink = Sink::start();
    let mut gate = Setup::towards(&sink).prepare();
    let ours = gate.path("keys/ours");
    assert!(said(&gate, "keys generate bob@partner.example", 2).contains("is not inside"));
    let made = said(&gate, "keys generate alice@example.org --name Alice --format json", 0);
    assert!(made.contains("\"kind\":\"openpgp\"") && made.contains("\"kind\":\"smime\""), "{made}");
    assert!(said(&gate, "keys generate alice@example.org --openpgp", 2).contains("is there already"));
    std::fs::write(ours.join("passphrase"), "un secret de cle\n").unwrap();
    std::fs::set_permissions(ours.join("passphrase"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let locked = said(&gate, "keys generate carol@example.org", 0);
    assert_eq!(locked.matches("under the passphrase").count(), 2, "{locked}");
    said(&gate, "keys generate dave@example.org --smime --csr ./dave.csr", 0);
    said(&gate, "keys generate erin@example.org --openpgp --post-quantum", 0);
    for name in [
        "alice@example.org.pem",
        "alice@example.org.asc",
        "carol@example.org.pem",
        "carol@example.org.asc",
        "dave@example.org.key",
    ] {
        let mode = std::fs::metadata(ours.join(name)).unwrap_or_else(|why| panic!("{name}: {why}")).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let of = |name: &str, words: &str| {
        let output = openssl(&ours, words);
        assert!(output.status.success(), "{name}: {}", text(&output));
        text(&output)
    };
    let alice = of("alice", "x509 -in alice@example.org.pem -noout -text");
    assert!(alice.contains("email:alice@example.org") && alice.contains("Key Encipherment"), "{alice}");
    of("carol", "pkcs8 -in carol@example.org.pem -passin file:passphrase -out /dev/null");
    let request = of("dave", "req -in ../../dave.csr -noout -verify -text");
    assert!(request.contains("email:dave@example.org") && request.contains("3072 bit"), "{request}");
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let shown = must(
        Command::new("gpg")
            .args(["--batch", "--with-colons", "--import-options", "show-only", "--import", "--homedir"])
            .arg(home.path())
            .arg(ours.join("alice@example.org.asc")),
        b"",
    );
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(
        shown.contains("Alice <alice@example.org>") && shown.contains(":ed25519:") && shown.contains(":cv25519:"),
        "{shown}"
    );
    // The gate starts with all of them, the locked and the post-quantum one too, and signs as alice with hers.
    gate.start();
    let claire = SmimePerson::make(home.path(), "claire@partner.example", Algorithm::P256);
    std::fs::copy(&claire.certificate, gate.path("keys/recipients/claire.pem")).unwrap();
    let body = "N° de sécurité sociale : 1 85 05 78 006 084 91";
    super::gate::wait_until(std::time::Duration::from_secs(20), "the certificate is known", || {
        !gate.submit(&["claire@partner.example"], &message("claire@partner.example", "x", body)).text.contains("retenu")
    });
    let to_claire = || sink.taken().into_iter().find(|one| one.recipients.iter().any(|to| to.contains("claire")));
    super::gate::wait_until(std::time::Duration::from_secs(20), "it arrives", || to_claire().is_some());
    std::fs::write(home.path().join("sealed"), to_claire().unwrap().data).unwrap();
    let opened = openssl(home.path(), "cms -decrypt -in sealed -recip claire.pem -inkey claire.key -out opened");
    assert!(opened.status.success(), "{}", text(&opened));
    let signer =
        format!("cms -verify -in opened -noout -signer signer.pem -CAfile {}", gate.path("data/keys/authority.pem").display());
    let verified = openssl(home.path(), &signer);
    assert!(verified.status.success(), "{}", text(&verified));
    let serial = |folder: &Path, file: &str| text(&openssl(folder, &format!("x509 -in {file} -noout -serial")));
    assert_eq!(serial(home.path(), "signer.pem"), serial(&ours, "alice@example.org.pem"));
}

/// An authority that came into `[trust] anchors` counts from SIGHUP on; what needs another start is said.
#[test]
fn a_reload_reads_the_authorities_again_and_says_what_it_does_not() {
    if !peers::are_here("a_reload_reads_the_authorities_again_and_says_what_it_does_not", &["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let made = |line: &str| {
        let output = openssl(folder.path(), line);
        assert!(output.status.success(), "{line}: {}", text(&output));
    };
    for name in ["one", "two"] {
        made(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN={name} -keyout {name}.key -out {name}.pem \
             -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
        ));
    }
    std::fs::write(
        folder.path().join("leaf"),
        "subjectAltName=email:bob@partner.example\nkeyUsage=critical,keyAgreement\nextendedKeyUsage=emailProtection\n\
         basicConstraints=critical,CA:FALSE\n",
    )
    .unwrap();
    made("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=bob -keyout bob.key -out bob.csr");
    made("x509 -req -in bob.csr -CA two.pem -CAkey two.key -days 20 -extfile leaf -out bob.pem -set_serial 7");
    let sink = Sink::start();
    let certificate = std::fs::read(folder.path().join("bob.pem")).unwrap();
    let gate = Setup::towards(&sink).with_key("bob.pem", certificate).with("[trust]\nanchors = [\"authorities\"]").prepare();
    std::fs::create_dir(gate.path("authorities")).unwrap();
    std::fs::copy(folder.path().join("one.pem"), gate.path("authorities/one.pem")).unwrap();
    let mut gate = gate;
    gate.start();
    let send = || gate.submit(&[BOB], &message(BOB, "dossier", "N° de sécurité sociale : 1 85 05 78 006 084 91")).text;
    assert!(send().contains("retenu"), "nobody vouches for it");
    std::fs::copy(folder.path().join("two.pem"), gate.path("authorities/two.pem")).unwrap();
    let config = std::fs::read_to_string(gate.config()).unwrap();
    std::fs::write(gate.config(), format!("{config}\n[lookup]\nwarn_days = 7\n")).unwrap();
    gate.signal("HUP");
    let soon = std::time::Duration::from_secs(20);
    super::gate::wait_until(soon, "the authority counts", || !send().contains("retenu"));
    super::gate::wait_until(soon, "it says so", || gate.log().contains("[lookup] has changed in the file"));
    // What cannot be read leaves the old ones in force.
    std::fs::write(gate.config(), "[gate\n").unwrap();
    gate.signal("HUP");
    super::gate::wait_until(soon, "it says so", || gate.log().contains("authorities were NOT read again"));
    assert!(!send().contains("retenu"));
}
