//! Foreign programs that open a sealed message and check the seal inside; each says why when it cannot.

use super::super::peers::{self, run};
use super::super::people::GnupgHome;
use super::super::readers::{Signed, der_of};
use super::keys::{Authority, Certified, Keyring};
use super::messages::SENDER;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// Opens a message to one person: the entity that the seal covers, or what the program objected to.
pub trait Reader {
    fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, String>;
}

/// Standard output of a program that ended well.
fn done(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, String> {
    let output = run(command, input, LIMIT);
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{}: {}", output.status, said.lines().last().unwrap_or("no word")))
}

pub struct Openssl<'p> {
    pub folder: PathBuf,
    pub person: &'p Certified,
    pub authority: &'p Authority,
}

impl Reader for Openssl<'_> {
    fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, String> {
        let file = self.folder.join("openssl.eml");
        std::fs::write(&file, sealed).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["cms", "-decrypt", "-in"]).arg(&file).arg("-recip").arg(&self.person.certificate);
        let signed = done(openssl.arg("-inkey").arg(&self.person.key), b"")?;
        let signer = self.folder.join("signer.pem");
        let mut openssl = Command::new("openssl");
        openssl.args(["cms", "-verify", "-purpose", "smimesign", "-CAfile"]).arg(&self.authority.own.certificate);
        let entity = done(openssl.arg("-signer").arg(&signer), &signed)?;
        let addresses = done(Command::new("openssl").args(["x509", "-noout", "-email", "-in"]).arg(&signer), b"")?;
        if addresses.trim_ascii() == SENDER.as_bytes() { Ok(entity) } else { Err("signed by another".into()) }
    }
}

/// A home into which the key was imported, or why it was not.
pub struct Gpgsm {
    home: GnupgHome,
    imported: Result<(), String>,
}

impl Gpgsm {
    pub fn of(person: &Certified, authority: &Authority) -> Gpgsm {
        let home = GnupgHome::make();
        let import = || {
            // gpgsm believes an authority by its fingerprint in this list.
            let mut openssl = Command::new("openssl");
            openssl.args(["x509", "-noout", "-fingerprint", "-sha1", "-in"]).arg(&authority.own.certificate);
            let print =
                String::from_utf8_lossy(&done(&mut openssl, b"")?).rsplit('=').next().unwrap_or("").trim().replace(':', "");
            std::fs::write(home.path("trustlist.txt"), format!("{print} S relax\n")).unwrap();
            done(home.gpgsm().arg("--import").arg(&authority.own.certificate), b"")?;
            home.import_into_gpgsm(|| person.pkcs12())
        };
        let imported = import();
        Gpgsm { home, imported }
    }
}

impl Reader for Gpgsm {
    fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, String> {
        self.imported.clone()?;
        let opened = done(self.home.gpgsm().arg("--decrypt"), &der_of(sealed))?;
        let mut gpgsm = self.home.gpgsm();
        gpgsm.args(["--status-fd", "2"]);
        let place = self.home.path("content");
        let input = match Signed::of(&opened) {
            Signed::Detached { content, signature } => {
                std::fs::write(&place, &content).unwrap();
                std::fs::write(self.home.path("signature"), &signature).unwrap();
                gpgsm.arg("--verify").arg(self.home.path("signature")).arg(&place);
                Vec::new()
            }
            Signed::Opaque { cms } => {
                gpgsm.args(["--yes", "--output"]).arg(&place).arg("--verify");
                cms
            }
        };
        let output = run(&mut gpgsm, &input, LIMIT);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let good = said.contains("[GNUPG:] GOODSIG") && said.contains("[GNUPG:] TRUST_FULLY");
        if good { Ok(std::fs::read(place).unwrap()) } else { Err(said) }
    }
}

pub struct Nss {
    folder: PathBuf,
    imported: Result<(), String>,
}

impl Nss {
    /// An empty database. Making one takes NSS seconds: it is made once and copied.
    pub fn empty(folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        done(Command::new("certutil").args(["-N", "--empty-password", "-d", &format!("sql:{}", folder.display())]), b"")
            .unwrap();
    }

    pub fn of(empty: &Path, folder: &Path, person: &Certified, authority: &Authority) -> Nss {
        std::fs::create_dir_all(folder).unwrap();
        for entry in std::fs::read_dir(empty).unwrap() {
            let file = entry.unwrap();
            std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
        let database = format!("sql:{}", folder.display());
        let import = || {
            let mut certutil = Command::new("certutil");
            certutil.args(["-A", "-n", "authority", "-t", ",C,", "-d", &database, "-i"]).arg(&authority.own.certificate);
            done(&mut certutil, b"")?;
            let mut pk12util = Command::new("pk12util");
            done(pk12util.args(["-W", "x", "-K", "", "-d", &database, "-i"]).arg(person.pkcs12()), b"").map(drop)
        };
        Nss { imported: import(), folder: folder.to_owned() }
    }

    fn cmsutil(&self) -> Command {
        let mut cmsutil = Command::new("cmsutil");
        cmsutil.args(["-D", "-d", &format!("sql:{}", self.folder.display())]);
        cmsutil
    }

    fn check(&self, cms: &[u8], content: Option<&[u8]>) -> Result<(), String> {
        let mut cmsutil = self.cmsutil();
        cmsutil.args(["-n", "-h", "0"]);
        if let Some(content) = content {
            std::fs::write(self.folder.join("content"), content).unwrap();
            cmsutil.arg("-c").arg(self.folder.join("content"));
        }
        let output = run(&mut cmsutil, cms, LIMIT);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if said.contains("GoodSignature") { Ok(()) } else { Err(said) }
    }
}

impl Reader for Nss {
    fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, String> {
        self.imported.clone()?;
        let opened = done(&mut self.cmsutil(), &der_of(sealed))?;
        match Signed::of(&opened) {
            Signed::Detached { content, signature } => self.check(&signature, Some(&content)).map(|()| content),
            Signed::Opaque { cms } => {
                self.check(&cms, None)?;
                done(&mut self.cmsutil(), &cms)
            }
        }
    }
}

/// A program that answers jobs line by line, so that it is started once.
pub struct Servant {
    child: Child,
    jobs: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Servant {
    pub fn start(command: &mut Command) -> Servant {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (jobs, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Servant { child, jobs, answers }
    }

    pub fn javascript(module: &Path) -> Servant {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/openpgp.mjs");
        Servant::start(Command::new("node").arg(script).arg(module))
    }

    pub fn bouncycastle() -> Servant {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/OpenCms.java");
        let jars = ["bcprov", "bcpkix", "bcutil"].map(|jar| format!("/usr/share/java/{jar}.jar")).join(":");
        Servant::start(Command::new("java").args(["-cp", &jars]).arg(source))
    }

    fn ask(&mut self, job: &str) -> String {
        let jobs = self.jobs.as_mut().unwrap();
        jobs.write_all(format!("{job}\n").as_bytes()).unwrap();
        jobs.flush().unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(!answer.is_empty(), "the program ended at: {job}");
        answer
    }

    pub fn ask_json(&mut self, job: &serde_json::Value) -> Result<(), String> {
        let answer: serde_json::Value = serde_json::from_str(&self.ask(&job.to_string())).unwrap();
        if answer["ok"] == true { Ok(()) } else { Err(answer["why"].to_string()) }
    }
}

impl Drop for Servant {
    fn drop(&mut self) {
        // It ends when nothing more comes.
        drop(self.jobs.take());
        let _ = self.child.wait();
    }
}

pub struct Bouncycastle<'p> {
    pub servant: &'p mut Servant,
    pub folder: PathBuf,
    pub person: &'p Certified,
    pub authority: &'p Authority,
}

impl Bouncycastle<'_> {
    fn job(&mut self, words: &[&Path]) -> Result<(), String> {
        let words: Vec<String> = words.iter().map(|word| word.display().to_string()).collect();
        match self.servant.ask(&words.join("\t")).trim() {
            "ok" => Ok(()),
            why => Err(why.to_owned()),
        }
    }
}

impl Reader for Bouncycastle<'_> {
    fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, String> {
        let [cms, inner, content, out, certificate, authority] =
            ["cms", "inner", "content", "out", "certificate", "authority"].map(|name| self.folder.join(format!("bc.{name}")));
        std::fs::write(&cms, der_of(sealed)).unwrap();
        std::fs::write(&certificate, self.person.der()).unwrap();
        std::fs::write(&authority, self.authority.own.der()).unwrap();
        self.job(&[Path::new("open"), &cms, &self.person.key_der(), &certificate, &inner])?;
        let (signature, entity) = match Signed::of(&std::fs::read(&inner).unwrap()) {
            Signed::Detached { content, signature } => (signature, Some(content)),
            Signed::Opaque { cms } => (cms, None),
        };
        std::fs::write(&cms, signature).unwrap();
        let place = match &entity {
            Some(entity) => {
                std::fs::write(&content, entity).unwrap();
                content.as_path()
            }
            None => Path::new("-"),
        };
        self.job(&[Path::new("verify"), &cms, place, &authority, Path::new(SENDER), &out])?;
        Ok(entity.unwrap_or_else(|| std::fs::read(out).unwrap()))
    }
}

/// The armored OpenPGP message of a multipart/encrypted message (RFC 3156 §4).
fn armor_of(sealed: &[u8]) -> Vec<u8> {
    use mail_parser::MimeHeaders;
    let parsed = mail_parser::MessageParser::default().parse(sealed).expect("a message");
    let kinds: Vec<&str> = parsed.parts.iter().filter_map(|part| part.content_type()?.subtype()).collect();
    assert_eq!(kinds, ["encrypted", "pgp-encrypted", "octet-stream"]);
    parsed.parts[2].contents().to_vec()
}

pub struct Gpg {
    home: GnupgHome,
    imported: Result<(), String>,
}

impl Gpg {
    pub fn of(ring: &Keyring, signer: &Path) -> Gpg {
        let home = GnupgHome::make();
        let import = || {
            done(home.gpg().arg("--import").arg(signer), b"")?;
            done(home.gpg().arg("--import").arg(&ring.secret), b"").map(drop)
        };
        Gpg { imported: import(), home }
    }
}

impl Reader for Gpg {
    fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, String> {
        self.imported.clone()?;
        let output = run(self.home.gpg().args(["--status-fd", "2", "--decrypt"]), &armor_of(sealed), LIMIT);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let good = ["DECRYPTION_OKAY", "GOODMDC", "GOODSIG", "VALIDSIG"].iter().all(|word| said.contains(word));
        if output.status.success() && good { Ok(output.stdout) } else { Err(said) }
    }
}

pub struct Sq<'p> {
    pub folder: PathBuf,
    pub ring: &'p Keyring,
    pub signer: &'p Path,
}

impl Reader for Sq<'_> {
    fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, String> {
        let file = self.folder.join("sq.asc");
        std::fs::write(&file, armor_of(sealed)).unwrap();
        let mut sq = Command::new("sq");
        sq.args(["decrypt", "--signatures", "1", "--recipient-key"])
            .arg(&self.ring.secret)
            .arg("--signer-cert")
            .arg(self.signer);
        done(sq.arg(file), b"")
    }
}

pub struct Rnp {
    home: PathBuf,
    imported: Result<(), String>,
}

impl Rnp {
    pub fn of(home: &Path, ring: &Keyring, signer: &Path) -> Rnp {
        std::fs::create_dir_all(home).unwrap();
        let import =
            |file: &Path| done(Command::new("rnpkeys").arg("--homedir").arg(home).arg("--import").arg(file), b"").map(drop);
        Rnp { imported: import(signer).and_then(|()| import(&ring.secret)), home: home.to_owned() }
    }
}

impl Reader for Rnp {
    fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, String> {
        self.imported.clone()?;
        let (file, out) = (self.home.join("sealed.asc"), self.home.join("out"));
        std::fs::write(&file, armor_of(sealed)).unwrap();
        let mut rnp = Command::new("rnp");
        rnp.arg("--homedir").arg(&self.home).args(["--notty", "--password", "", "--overwrite", "--decrypt"]).arg(&file);
        let output = run(rnp.arg("--output").arg(&out), b"", LIMIT);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let good = output.status.success() && said.contains("Good signature");
        if good { Ok(std::fs::read(out).unwrap()) } else { Err(said) }
    }
}

pub struct Javascript<'p> {
    pub servant: &'p mut Servant,
    pub folder: PathBuf,
    pub ring: &'p Keyring,
    pub signer: &'p Path,
}

impl Reader for Javascript<'_> {
    fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, String> {
        let (file, out) = (self.folder.join("js.asc"), self.folder.join("js.out"));
        std::fs::write(&file, armor_of(sealed)).unwrap();
        let job = serde_json::json!({"open": file, "key": self.ring.secret, "signer": self.signer, "out": out});
        self.servant.ask_json(&job)?;
        Ok(std::fs::read(out).unwrap())
    }
}

/// A folder of `npm` packages that `tests/run --install` fills, pinned.
pub fn npm(package: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/node_modules").join(package);
    (peers::find("node").is_some() && folder.join("package.json").is_file()).then_some(folder)
}
