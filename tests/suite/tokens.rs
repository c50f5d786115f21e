//! Private keys in a token (SoftHSM): it signs, and while it is away nothing leaves unsigned.

use super::gate::{ALICE, Gate, Setup, contains, message, wait_until};
use super::peers::{self, must};
use super::people::{Algorithm, SmimePerson};
use super::sink::Sink;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const BOB: &str = "bob@example.net";
const SOON: Duration = Duration::from_secs(20);
const LIBRARIES: [&str; 2] = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];

/// A token "postern" that holds this person's private key under the label "alice".
fn token(folder: &Path, person: &SmimePerson) -> Vec<(String, String)> {
    std::fs::create_dir(folder.join("tokens")).unwrap();
    let config = folder.join("softhsm2.conf");
    let text =
        format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", folder.join("tokens").display());
    std::fs::write(&config, text).unwrap();
    let environment = vec![("SOFTHSM2_CONF".to_owned(), config.display().to_string())];
    let run = |line: &str| {
        let mut command = Command::new(peers::find("softhsm2-util").unwrap());
        must(command.args(line.split(' ')).envs(environment.clone()), b"")
    };
    run("--init-token --free --label postern --pin 271828 --so-pin 314159");
    let pkcs8 = folder.join("key.p8");
    must(Command::new("openssl").args(["pkcs8", "-topk8", "-nocrypt", "-in"]).arg(&person.key).arg("-out").arg(&pkcs8), b"");
    run(&format!("--import {} --token postern --label alice --id 01 --pin 271828", pkcs8.display()));
    std::fs::remove_file(pkcs8).unwrap();
    environment
}

fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn check(gate: &Gate) -> (Option<i32>, String) {
    let output = gate.command(&["check"], b"");
    (output.status.code(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn a_key_in_a_token_signs_and_while_the_token_is_away_nothing_leaves_unsigned() {
    if !peers::are_here("tokens", &["softhsm2-util", "openssl"]) {
        return;
    }
    let library = LIBRARIES.into_iter().find(|path| Path::new(path).exists()).expect("SoftHSM's library");
    let rules = tempfile::tempdir().unwrap();
    std::fs::create_dir(rules.path().join("detect")).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/detect/iban.toml");
    std::fs::copy(shipped, rules.path().join("detect/iban.toml")).unwrap();
    let policy = "default = \"allow\"\n[[policy]]\nid = \"signed\"\ntitle = { fr = \"Signé\", en = \"Signed\" }\n\
                  when = { to = \"outside\" }\nthen = \"sign\"\n";
    std::fs::write(rules.path().join("policy.toml"), policy).unwrap();
    for (algorithm, padding, micalg) in
        [(Algorithm::Rsa, "pkcs1", "sha-256"), (Algorithm::Rsa, "pss", "sha-256"), (Algorithm::P256, "pkcs1", "sha-256")]
    {
        let case = format!("{algorithm:?} {padding}");
        let folder = tempfile::tempdir().unwrap();
        let alice = SmimePerson::make(folder.path(), ALICE, algorithm);
        let environment = token(folder.path(), &alice);
        let sink = Sink::start();
        let pin = folder.path().join("pin");
        private(&pin, "271828\n");
        let setup = Setup { rules: Some(rules.path().to_path_buf()), environment, ..Setup::towards(&sink) };
        let setup = setup.with(&format!(
            "[protect]\nrsa_signature = \"{padding}\"\n[pkcs11]\nmodule = \"{library}\"\ntoken = \"postern\"\npin_file = {pin:?}\n"
        ));
        let mut gate = setup.prepare();
        std::fs::create_dir(gate.path("keys/ours")).unwrap();
        let file = gate.path("keys/ours/alice.p11");
        let certificate = String::from_utf8(alice.certificate_pem()).unwrap();

        // What is wrong is told before the gate starts, by `check` and by the start.
        private(&file, &format!("{certificate}pkcs11:token=postern;object=nobody\n"));
        let (code, said) = check(&gate);
        assert!(code != Some(0) && said.contains("alice.p11: the token holds no private key"), "{case}: {said}");
        private(&file, &format!("{certificate}pkcs11:token=postern;object=alice;type=private\n"));
        private(&pin, "999999\n");
        let (code, said) = check(&gate);
        assert!(code != Some(0) && said.contains("did not accept the PIN") && !said.contains("999999"), "{case}: {said}");
        assert!(gate.try_start().is_err(), "{case}: it started without its key");
        private(&pin, "271828\n");
        let (code, said) = check(&gate);
        assert_eq!(code, Some(0), "{case}: {said}");

        gate.start();
        let reply = gate.submit(&[BOB], &message(BOB, "bonjour", "premier"));
        assert!(reply.is_good(), "{case}: {reply:?}\n{}", gate.log());
        let taken = sink.wait_for(1, SOON);
        assert!(contains(&taken[0].data, format!("micalg={micalg}").as_bytes()), "{case}");
        std::fs::write(folder.path().join("signed"), &taken[0].data).unwrap();
        let mut verify = Command::new("openssl");
        verify.args(["cms", "-verify", "-purpose", "any", "-out", "text", "-in", "signed", "-CAfile"]).arg(&alice.certificate);
        must(verify.current_dir(folder.path()), b"");

        // Taken out: put off, and nothing is sent.
        let (there, away) = (folder.path().join("tokens"), folder.path().join("away"));
        std::fs::rename(&there, &away).unwrap();
        std::fs::create_dir(&there).unwrap();
        let reply = gate.submit(&[BOB], &message(BOB, "bonjour", "deuxieme"));
        assert!(reply.code == 451 && reply.text.starts_with("4.7.0"), "{case}: {reply:?}\n{}", gate.log());
        assert!(!sink.transcripts().iter().any(|one| contains(one, b"deuxieme")), "{case}: it left unsigned");
        // Put back: it signs again, without another start.
        std::fs::remove_dir(&there).unwrap();
        std::fs::rename(&away, &there).unwrap();
        wait_until(SOON, "it signs again", || gate.submit(&[BOB], &message(BOB, "bonjour", "troisieme")).is_good());
        let taken = sink.wait_for(2, SOON);
        assert!(taken[1..].iter().all(|one| contains(&one.data, b"multipart/signed")), "{case}");
    }
}
