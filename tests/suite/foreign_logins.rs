//! Logins that OpenLDAP's slapd and Dovecot judge: asked as the gate asks them, and through the whole gate, also when they are dead.

use super::client::{Client, Reply};
use super::gate::{ALICE, Gate, HOSTNAME, PASSWORD, Setup, postern};
use super::key_sources::{Server, free_port, program};
use super::peers::{self, must};
use postern::accounts::judge::{Judge, Judged};
use postern::accounts::{self, Account};
use postern::lookup::login::{Asker, Logins, open};
use postern::lookup::names::Names;
use postern::mail::{AccountKind, Address, Domain, Language};
use postern::world::Clock;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
const SECRET: &str = "Sésame-ouvre-toi \\ \"{3}";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn logins(table: &str) -> Logins {
    let asker = Asker {
        hostname: Domain::parse(HOSTNAME).unwrap(),
        inside: Arc::new([Domain::parse("example.org").unwrap()]),
        language: Language::Fr,
        names: Names::new(&["127.0.0.1:1".parse().unwrap()]).unwrap(),
        clock: Clock::system(),
    };
    let settings: accounts::Settings = toml::from_str(table).unwrap_or_else(|why| panic!("{why}\n{table}"));
    runtime().block_on(async { open(&settings, &asker) }).unwrap_or_else(|why| panic!("{why}"))
}

fn judge(table: &str) -> Arc<dyn Judge> {
    logins(table).judges.remove(0)
}

fn ask(judge: &Arc<dyn Judge>, login: &str, password: &str) -> Judged {
    runtime().block_on(judge.password(login, password.as_bytes(), PEER))
}

fn still(judge: &Arc<dyn Judge>, login: &str) -> Judged {
    runtime().block_on(judge.still(&address(login)))
}

/// `right`, `wrong`, `not mine`, or the sentence for the log.
fn word(judged: &Judged) -> String {
    match judged {
        Judged::Right(_) => "right".to_owned(),
        Judged::Wrong => "wrong".to_owned(),
        Judged::NotMine => "not mine".to_owned(),
        Judged::Unavailable(why) => why.clone(),
    }
}

fn right(judged: Judged) -> Account {
    match judged {
        Judged::Right(account) => *account,
        other => panic!("{other:?}"),
    }
}

fn groups(account: &Account) -> String {
    account.attributes.groups.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

fn certificate(folder: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    must(openssl.arg("-keyout").arg(folder.join("tls.key")).arg("-out").arg(folder.join("tls.pem")), b"");
}

/// Somebody logs in at the gate over STARTTLS; what it answers to AUTH, and the session.
fn log_in(gate: &Gate, login: &str, password: &str) -> (Reply, Client) {
    let mut client = Client::starttls(gate.listener("submission"), &gate.certificate(), HOSTNAME).unwrap();
    let reply = client.log_in(login, password).unwrap();
    (reply, client)
}

fn from(sender: &str, to: &str) -> Vec<u8> {
    format!(
        "Date: Sat, 21 Nov 2026 10:00:00 +0100\r\nFrom: <{sender}>\r\nTo: <{to}>\r\nSubject: bonjour\r\n\
         Message-ID: <1.{to}>\r\n\r\nbonjour\r\n"
    )
    .into_bytes()
}

// --- LDAP ------------------------------------------------------------------------------------------------------------------

const SUFFIX: &str = "dc=example,dc=org";

struct Directory {
    server: Server,
    plain: u16,
    secure: u16,
}

impl Directory {
    fn start() -> Directory {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        certificate(folder.path());
        std::fs::create_dir(path("db")).unwrap();
        let schemas =
            ["core", "cosine", "inetorgperson", "nis"].map(|name| format!("include /etc/ldap/schema/{name}.schema\n"));
        let config = format!(
            "{schemas}modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload ppolicy\npidfile {pid}\nTLSCertificateFile {tls}\n\
             TLSCertificateKeyFile {key}\nsecurity simple_bind=128\ndatabase mdb\nmaxsize 10485760\nsuffix \"{SUFFIX}\"\n\
             rootdn \"cn=admin,{SUFFIX}\"\nrootpw admin\ndirectory {db}\noverlay ppolicy\n\
             access to attrs=userPassword by anonymous auth by * none\naccess to * by users read by * none\n",
            schemas = schemas.concat(),
            pid = path("pid").display(),
            tls = path("tls.pem").display(),
            key = path("tls.key").display(),
            db = path("db").display(),
        );
        std::fs::write(path("slapd.conf"), config).unwrap();
        std::fs::write(path("service"), "s3rvice\n").unwrap();
        std::fs::write(path("entries.ldif"), entries()).unwrap();
        must(program("slapadd").arg("-f").arg(path("slapd.conf")).arg("-l").arg(path("entries.ldif")), b"");
        let (plain, secure) = (free_port(), free_port());
        let slapd = Directory::slapd(folder.path(), plain, secure);
        Directory { server: Server::start(folder, slapd, secure), plain, secure }
    }

    fn slapd(folder: &Path, plain: u16, secure: u16) -> Command {
        let mut slapd = program("slapd");
        let urls = format!("ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{secure}");
        slapd.arg("-f").arg(folder.join("slapd.conf")).args(["-h", &urls, "-d", "0"]);
        slapd
    }

    fn stop(&mut self) {
        self.server.process.kill().unwrap();
        self.server.process.wait().unwrap();
    }

    /// Changes an entry, and serves again at the same address.
    fn change(&mut self, ldif: &str) {
        self.stop();
        std::fs::write(self.server.path("change.ldif"), ldif).unwrap();
        let (conf, change) = (self.server.path("slapd.conf"), self.server.path("change.ldif"));
        must(program("slapmodify").arg("-f").arg(conf).arg("-l").arg(change), b"");
        self.serve_again();
    }

    fn serve_again(&mut self) {
        self.server.process = Directory::slapd(self.server.folder.path(), self.plain, self.secure).spawn().unwrap();
        let secure = self.secure;
        super::gate::wait_until(std::time::Duration::from_secs(20), "slapd listens", || {
            std::net::TcpStream::connect(("127.0.0.1", secure)).is_ok()
        });
    }

    fn table(&self, urls: &[String], more: &str) -> String {
        format!(
            "urls = {urls:?}\nbase = \"ou=people,{SUFFIX}\"\nfilter = \"(|(mail={{login}})(uid={{login}}))\"\ndomain = \"example.org\"\n\
             addresses = [\"mail\"]\nbind_dn = \"cn=postern,{SUFFIX}\"\npassword_file = {:?}\nca = {:?}\nseconds = 4\nstill_seconds = 1\n\
             group_base = \"ou=groups,{SUFFIX}\"\nnested = true\nservice_groups = [\"Robots\"]\n{more}",
            self.server.path("service"),
            self.server.path("tls.pem")
        )
    }

    fn ldaps(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.secure)
    }

    fn starttls(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.plain)
    }

    fn judge(&self, more: &str) -> Arc<dyn Judge> {
        judge(&format!("[[ldap]]\n{}", self.table(&[self.ldaps()], more)))
    }
}

fn entries() -> String {
    let person = |uid: &str, more: &str| {
        let head =
            "objectClass: inetOrgPerson\nobjectClass: posixAccount\nobjectClass: shadowAccount\nuidNumber: 1\ngidNumber: 1\n";
        format!(
            "dn: uid={uid},ou=people,{SUFFIX}\n{head}homeDirectory: /\ncn: {uid}\nsn: {uid}\nuserPassword: {SECRET}\n{more}\n"
        )
    };
    let group = |name: &str, ou: &str, members: &[&str]| {
        let members: String = members.iter().map(|member| format!("member: {member},{SUFFIX}\n")).collect();
        format!("dn: cn={name},{ou}{SUFFIX}\nobjectClass: groupOfNames\n{members}\n")
    };
    [
        format!("dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: e\ndc: example\n\n"),
        format!("dn: ou=people,{SUFFIX}\nobjectClass: organizationalUnit\n\n"),
        format!("dn: ou=groups,{SUFFIX}\nobjectClass: organizationalUnit\n\n"),
        format!("dn: ou=own,ou=groups,{SUFFIX}\nobjectClass: organizationalUnit\n\n"),
        format!("dn: cn=postern,{SUFFIX}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\nuserPassword: s3rvice\n\n"),
        person(
            "marie",
            "mail: marie.dupont@example.org\nmail: marie75@gmail.com\nmail: m.martin@paris.example.org\ndisplayName: Marie Dupont\n\
             preferredLanguage: en\n",
        ),
        person("jean", "mail: jean@example.org\nshadowExpire: 99999\n"),
        person("expired", "mail: expired@example.org\nshadowExpire: 20000\n"),
        person("locked", "mail: locked@example.org\npwdAccountLockedTime: 000001010000Z\n"),
        person("twin1", "mail: twin@example.org\n"),
        person("twin2", "mail: twin@example.org\n"),
        person("guest", "mail: guest@example.net\n"),
        person("scan", "mail: scan@example.org\n"),
        group("Payroll", "ou=groups,", &["uid=marie,ou=people", "uid=twin1,ou=people"]),
        group("Staff", "ou=groups,", &["cn=payroll,ou=groups", "uid=jean,ou=people"]),
        // A circle, and one that somebody made for themselves.
        group("Everybody", "ou=groups,", &["cn=staff,ou=groups", "cn=everybody,ou=groups"]),
        group("Board", "ou=own,ou=groups,", &["uid=jean,ou=people"]),
        group("Robots", "ou=groups,", &["uid=scan,ou=people"]),
    ]
    .concat()
}

#[test]
fn a_real_directory_says_who_somebody_is_and_who_is_not_let_in() {
    if !peers::are_here("foreign_logins::ldap", &["slapd", "slapadd", "slapmodify", "openssl"]) {
        return;
    }
    let mut directory = Directory::start();
    let judge = directory.judge("");
    for login in ["marie", "MARIE", "marie.dupont@example.org", "Marie.Dupont@Example.org", "m.martin@paris.example.org"] {
        let account = right(ask(&judge, login, SECRET));
        assert_eq!(account.login, address("marie.dupont@example.org"), "{login}");
        assert_eq!(account.owns, [address("marie.dupont@example.org"), address("m.martin@paris.example.org")]);
        assert_eq!(account.attributes.private, [address("marie75@gmail.com")]);
        assert_eq!((account.names, account.language), (vec!["Marie Dupont".to_owned(), "marie".to_owned()], Language::En));
    }
    assert_eq!(groups(&right(ask(&judge, "marie", SECRET))), "everybody,payroll,staff");
    assert_eq!(right(ask(&judge, "scan", SECRET)).attributes.kind, AccountKind::Service);
    for (login, password, expected) in [
        ("marie", "wrong", "wrong"),
        // slapd would take these for nobody and succeed (RFC 4513 §5.1.2).
        ("marie", "", "wrong"),
        ("marie", "\0", "wrong"),
        ("nobody", SECRET, "not mine"),
        ("", SECRET, "not mine"),
        ("*", SECRET, "not mine"),
        ("mari*", SECRET, "not mine"),
        ("marie)(uid=*", SECRET, "not mine"),
        ("jean", SECRET, "right"),
        ("expired", SECRET, "wrong"),
        ("locked", SECRET, "wrong"),
        ("twin@example.org", SECRET, "wrong"),
        // An address of which we are not in charge.
        ("guest", SECRET, "wrong"),
    ] {
        assert_eq!(word(&ask(&judge, login, password)), expected, "{login:?} {password:?}");
    }
    assert_eq!(groups(&right(ask(&directory.judge(""), "jean", SECRET))), "board,everybody,staff");
    let below = directory.judge(&format!("groups_below = \"ou=own, ou=Groups,{SUFFIX}\"\n"));
    assert_eq!(groups(&right(ask(&below, "jean", SECRET))), "board");

    // Other ways to the same: StartTLS, a name instead of a search, a dead server before it.
    let starttls = self::judge(&format!("[[ldap]]\n{}", directory.table(&[directory.starttls()], "")));
    assert_eq!(word(&ask(&starttls, "marie", SECRET)), "right");
    let named = directory.judge(&format!("dn = \"uid={{local}},ou=people,{SUFFIX}\"\n"));
    for (login, password, expected) in [
        ("marie", SECRET, "right"),
        ("marie", "wrong", "wrong"),
        ("nobody", SECRET, "wrong"),
        ("marie,ou=people", SECRET, "wrong"),
        ("expired", SECRET, "wrong"),
    ] {
        assert_eq!(word(&ask(&named, login, password)), expected, "by name: {login}");
    }
    let dead = format!("ldaps://127.0.0.1:{}", free_port());
    let second = self::judge(&format!("[[ldap]]\n{}", directory.table(&[dead.clone(), directory.ldaps()], "")));
    assert_eq!(word(&ask(&second, "marie", SECRET)), "right");

    // What cannot be asked says so, and in clear nothing is sent that the directory would take.
    let all_dead = self::judge(&format!("[[ldap]]\n{}", directory.table(&[dead], "")));
    assert!(word(&ask(&all_dead, "marie", SECRET)).contains("cannot be reached"));
    let clear = self::judge(&format!("[[ldap]]\n{}", directory.table(&[directory.starttls()], "clear = true\n")));
    assert!(word(&ask(&clear, "marie", SECRET)).contains("the bind of bind_dn ended with 13"));
    let other = tempfile::tempdir().unwrap();
    certificate(other.path());
    let table = directory.table(&[directory.ldaps()], "").replace(directory.server.folder.path().to_str().unwrap(), "@");
    let table = table.replace("@/tls.pem", other.path().join("tls.pem").to_str().unwrap());
    let table = table.replace('@', directory.server.folder.path().to_str().unwrap());
    let distrusting = self::judge(&format!("[[ldap]]\n{table}"));
    assert!(word(&ask(&distrusting, "marie", SECRET)).contains("its certificate is not accepted"));
    std::fs::write(directory.server.path("service"), "other\n").unwrap();
    let wrong = word(&ask(&directory.judge(""), "marie", SECRET));
    assert!(wrong.contains("bind_dn or its password is wrong") && !wrong.contains("other"), "{wrong}");
    std::fs::write(directory.server.path("service"), "s3rvice\n").unwrap();

    // Whose account is closed meanwhile is out as soon as the answer is no longer fresh; who never logged in is found by address.
    assert_eq!(word(&still(&judge, "jean@example.org")), "right");
    assert_eq!(word(&still(&directory.judge(""), "jean@example.org")), "right");
    assert_eq!(word(&still(&judge, "nobody@example.org")), "not mine");
    let people = format!("ou=people,{SUFFIX}");
    directory.change(&format!("dn: uid=jean,{people}\nchangetype: modify\nreplace: shadowExpire\nshadowExpire: 10000\n"));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(word(&still(&judge, "jean@example.org")), "wrong");
    assert_eq!(word(&still(&judge, "marie.dupont@example.org")), "right");
    directory.change(&format!("dn: uid=marie,{people}\nchangetype: modify\nreplace: mail\nmail: dupont@example.org\n"));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(word(&still(&judge, "marie.dupont@example.org")), "wrong", "the address was taken away");
    directory.stop();
    assert!(word(&still(&judge, "scan@example.org")).contains("cannot be reached"));
    assert!(word(&ask(&judge, "marie", SECRET)).contains("cannot be reached"));
}

/// The shipped rules with further policies.
fn rules_with(folder: &Path, policies: &str) -> std::path::PathBuf {
    let rules = folder.join("rules");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    must(Command::new("cp").arg("-r").arg(shipped).arg(&rules), b"");
    let file = rules.join("policy.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n{policies}")).unwrap();
    rules
}

#[test]
fn a_directory_lets_people_into_the_gate_and_its_groups_decide_and_when_it_is_dead_nobody_gets_in() {
    if !peers::are_here("foreign_logins::gate", &["slapd", "slapadd", "openssl"]) {
        return;
    }
    let mut directory = Directory::start();
    let folder = tempfile::tempdir().unwrap();
    let rules = rules_with(
        folder.path(),
        "[[policy]]\nid = \"staff-only\"\nwhen = { to = \"group:staff\" }\nunless = { from = [\"group:staff\", \"kind:service\"] }\nthen = \"block\"\n",
    );
    let table = directory.table(&[directory.ldaps()], "");
    let more = format!("[accounts]\njudges = [\"file\", \"ldap\"]\n[[accounts.ldap]]\n{table}");
    let gate = Setup { rules: Some(rules), more, ..Setup::default() }.start();
    let (reply, mut marie) = log_in(&gate, "marie", SECRET);
    assert_eq!(reply.code, 235, "{reply:?}\n{}", gate.log());
    let send = |client: &mut Client, sender: &str, to: &str| client.send(sender, &[to], &from(sender, to)).unwrap();
    for sender in ["marie.dupont@example.org", "m.martin@paris.example.org"] {
        let reply = send(&mut marie, sender, "jean@example.org");
        assert!(reply.is_good(), "{reply:?}\n{}", gate.log());
    }
    let reply = send(&mut marie, "jean@example.org", "marie.dupont@example.org");
    assert_eq!((reply.code, &reply.text[..5]), (553, "5.7.1"), "{reply:?}");
    // Alice is in none of the groups, and her account is the gate's own; a citizen is in none either.
    let mut alice = gate.client();
    let reply = send(&mut alice, ALICE, "jean@example.org");
    assert_eq!((reply.code, &reply.text[..5]), (550, "5.7.1"), "{reply:?}");
    let mut alice = gate.client();
    let reply = send(&mut alice, ALICE, "citizen@example.com");
    assert!(reply.is_good(), "{reply:?}");
    let (reply, mut scan) = log_in(&gate, "scan", SECRET);
    assert_eq!(reply.code, 235);
    assert!(send(&mut scan, "scan@example.org", "jean@example.org").is_good());
    let explained = |sender: &str| {
        let file = gate.path("m.eml");
        std::fs::write(&file, from(sender, "jean@example.org")).unwrap();
        let output = gate.command(
            &["explain", "--format", "json", "--from", sender, "--to", "jean@example.org", file.to_str().unwrap()],
            b"",
        );
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let value: serde_json::Value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        value["decision"].as_str().unwrap().to_owned()
    };
    assert_eq!((explained("marie.dupont@example.org"), explained(ALICE)), ("allow".to_owned(), "block".to_owned()));
    for (login, password) in [("marie", "wrong"), ("nobody", SECRET), ("marie", "")] {
        let (reply, _) = log_in(&gate, login, password);
        assert!(reply.code == 535 || (password.is_empty() && reply.code == 501), "{login}: {reply:?}");
    }
    // What it rests on stands in the audit, and no other group.
    let audit = gate.command(&["audit", "export"], b"");
    let audit = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(audit.contains("\"from_groups\":[\"staff\"]") && !audit.contains("everybody"), "{audit}");

    directory.stop();
    for login in ["marie", "jean", "nobody"] {
        let (reply, _) = log_in(&gate, login, SECRET);
        assert_eq!((reply.code, &reply.text[..5]), (454, "4.7.0"), "{login}: {reply:?}");
    }
    // The gate's own accounts still get in; what a group decides about is put off, the rest leaves.
    let mut alice = gate.client();
    let reply = send(&mut alice, ALICE, "scan@example.org");
    assert_eq!((reply.code, &reply.text[..5]), (451, "4.4.3"), "{reply:?}\n{}", gate.log());
    // An open session of somebody who may be closed by now: put off too.
    std::thread::sleep(std::time::Duration::from_millis(1200));
    let reply = marie.command("MAIL FROM:<marie.dupont@example.org>").unwrap();
    assert!(matches!(reply.code, 421 | 451 | 454), "{reply:?}");
    directory.serve_again();
    let (reply, _) = log_in(&gate, "marie", SECRET);
    assert_eq!(reply.code, 235, "{reply:?}");
    for word in [SECRET, "s3rvice"] {
        assert!(!gate.log().contains(word), "a password stands in the log");
    }
}

// --- Another mail server -----------------------------------------------------------------------------------------------------

struct Dovecot {
    server: Server,
    imap: u16,
    imaps: u16,
    smtp: u16,
    smtps: u16,
}

impl Dovecot {
    fn start(mechanisms: &str) -> Dovecot {
        let folder = tempfile::tempdir().unwrap();
        // Its processes give up root, where it has it.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        certificate(folder.path());
        let who = |flag: &str| String::from_utf8(must(Command::new("id").arg(flag), b"")).unwrap().trim().to_owned();
        let (user, group) = match who("-u").as_str() {
            "0" => ("dovecot".to_owned(), "dovecot".to_owned()),
            _ => (who("-un"), who("-gn")),
        };
        std::fs::create_dir(folder.path().join("mail")).unwrap();
        std::fs::set_permissions(folder.path().join("mail"), std::fs::Permissions::from_mode(0o777)).unwrap();
        std::fs::write(folder.path().join("users"), format!("marie@example.org:{{PLAIN}}{SECRET}:::::\n")).unwrap();
        std::fs::set_permissions(folder.path().join("users"), std::fs::Permissions::from_mode(0o644)).unwrap();
        let [imap, imaps, smtp, smtps] = [(); 4].map(|()| free_port());
        let f = folder.path().display();
        let login = |service: &str, plain: (&str, u16), secure: (&str, u16)| {
            format!(
                "service {service} {{\n chroot =\n inet_listener {} {{\n port = {}\n }}\n inet_listener {} {{\n port = {}\n ssl = yes\n }}\n}}\n",
                plain.0, plain.1, secure.0, secure.1
            )
        };
        let config = format!(
            "base_dir = {f}/run\nlog_path = {f}/dovecot.log\nprotocols = imap submission\nlisten = 127.0.0.1\nssl = required\n\
             ssl_cert = <{f}/tls.pem\nssl_key = <{f}/tls.key\ndisable_plaintext_auth = yes\nauth_mechanisms = {mechanisms}\n\
             auth_failure_delay = 0\nmail_location = maildir:{f}/mail/%u\ndefault_internal_user = {user}\ndefault_internal_group = {group}\n\
             default_login_user = {user}\nfirst_valid_uid = 1\nsubmission_relay_host = 127.0.0.1\nsubmission_relay_port = 1\n\
             passdb {{\n driver = passwd-file\n args = {f}/users\n}}\nuserdb {{\n driver = static\n args = uid={user} gid={group} home={f}/mail/%u\n}}\n\
             service anvil {{\n chroot =\n unix_listener anvil-auth-penalty {{\n mode = 0\n }}\n}}\nservice stats {{\n chroot =\n}}\n{}{}",
            login("imap-login", ("imap", imap), ("imaps", imaps)),
            login("submission-login", ("submission", smtp), ("submissions", smtps)),
        );
        std::fs::write(folder.path().join("dovecot.conf"), config).unwrap();
        let dovecot = Dovecot::master(folder.path());
        Dovecot { server: Server::start(folder, dovecot, imaps), imap, imaps, smtp, smtps }
    }

    fn master(folder: &Path) -> Command {
        let mut dovecot = program("dovecot");
        dovecot.arg("-F").arg("-c").arg(folder.join("dovecot.conf"));
        dovecot
    }

    fn serve_again(&mut self) {
        self.server.process = Dovecot::master(self.server.folder.path()).spawn().unwrap();
        let imaps = self.imaps;
        super::gate::wait_until(std::time::Duration::from_secs(20), "Dovecot listens", || {
            std::net::TcpStream::connect(("127.0.0.1", imaps)).is_ok()
        });
    }

    fn urls(&self) -> [String; 4] {
        [("imap", self.imap), ("imaps", self.imaps), ("smtp", self.smtp), ("smtps", self.smtps)]
            .map(|(scheme, port)| format!("{scheme}://127.0.0.1:{port}"))
    }

    fn table(&self, url: &str) -> String {
        let ca = self.server.path("tls.pem");
        format!("[[mail_server]]\nurls = [\"{url}\"]\ndomains = [\"example.org\"]\nca = {ca:?}\nseconds = 5\n")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.server.path("dovecot.log")).unwrap_or_default()
    }

    /// The master ends its children.
    fn stop(&mut self) {
        must(Command::new("kill").args(["-TERM", &self.server.process.id().to_string()]), b"");
        self.server.process.wait().unwrap();
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.server.process.id().to_string()]).status();
        let _ = self.server.process.wait();
    }
}

#[test]
fn a_real_dovecot_judges_by_imap_and_smtp_and_lets_nobody_in_when_it_is_dead() {
    if !peers::are_here("foreign_logins::dovecot", &["dovecot", "openssl"]) {
        return;
    }
    // With LOGIN alone Dovecot takes no password by IMAP: that way is tried with scripts.
    let mechanisms = "plain login";
    let mut dovecot = Dovecot::start(mechanisms);
    for url in dovecot.urls() {
        let judge = judge(&dovecot.table(&url));
        for (login, password, expected) in [
            ("marie@example.org", SECRET, "right"),
            ("MARIE", SECRET, "right"),
            ("marie@example.org", "wrong", "wrong"),
            ("nobody@example.org", SECRET, "wrong"),
            ("marie@example.org", "", "wrong"),
            ("marie@example.net", SECRET, "not mine"),
        ] {
            let came = word(&ask(&judge, login, password));
            assert_eq!(came, expected, "{mechanisms} {url} {login} {password:?}\n{}", dovecot.log());
        }
        assert_eq!(word(&still(&judge, "marie@example.org")), "right");
    }
    let other = tempfile::tempdir().unwrap();
    certificate(other.path());
    for url in dovecot.urls() {
        let table = dovecot.table(&url).replace(dovecot.server.folder.path().to_str().unwrap(), other.path().to_str().unwrap());
        let came = word(&ask(&judge(&table), "marie@example.org", SECRET));
        assert!(came.contains("its certificate is not accepted"), "{url}: {came}");
    }
    // Dovecot lives and cannot read its users: no word about the password.
    dovecot.stop();
    std::fs::set_permissions(dovecot.server.path("users"), std::fs::Permissions::from_mode(0o000)).unwrap();
    dovecot.serve_again();
    let urls = dovecot.urls();
    for url in [&urls[1], &urls[3]] {
        let came = word(&ask(&judge(&dovecot.table(url)), "marie@example.org", SECRET));
        assert!(came.contains("UNAVAILABLE") || came.contains("454"), "{url}: {came}\n{}", dovecot.log());
    }
    dovecot.stop();
    let came = word(&ask(&judge(&dovecot.table(&urls[1])), "marie@example.org", SECRET));
    assert!(came.contains("cannot be reached"), "{came}");
}

#[test]
fn the_gate_lets_in_whom_dovecot_lets_in() {
    if !peers::are_here("foreign_logins::dovecot_gate", &["dovecot", "openssl"]) {
        return;
    }
    let mut dovecot = Dovecot::start("plain");
    let table = dovecot.table(&dovecot.urls()[1]).replace("[[mail_server]]", "[[accounts.mail_server]]");
    let more = format!("[accounts]\njudges = [\"file\", \"mail_server\"]\n{table}");
    let gate = Setup { more, ..Setup::default() }.start();
    let (reply, mut marie) = log_in(&gate, "marie@example.org", SECRET);
    assert_eq!(reply.code, 235, "{reply:?}\n{}", gate.log());
    let to = "citizen@example.com";
    assert!(marie.send("marie@example.org", &[to], &from("marie@example.org", to)).unwrap().is_good());
    assert_eq!(marie.send(ALICE, &[to], &from(ALICE, to)).unwrap().code, 553);
    assert_eq!(log_in(&gate, "marie@example.org", "wrong").0.code, 535);
    dovecot.stop();
    let (reply, _) = log_in(&gate, "marie@example.org", SECRET);
    assert_eq!((reply.code, &reply.text[..5]), (454, "4.7.0"), "{reply:?}");
    assert_eq!(log_in(&gate, ALICE, PASSWORD).0.code, 235, "the gate's own accounts do not hang on it");
    assert!(!gate.log().contains(SECRET));
}

#[test]
fn a_table_that_nobody_asks_or_nobody_can_ask_is_told_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.toml");
    for (more, sentence) in [
        ("[[accounts.ldap]]\nurls = [\"ldaps://dc.example.org\"]\nbase = \"dc=x\"\n", "judges = [\"file\", \"ldap\"]"),
        (
            "[accounts]\njudges = [\"file\", \"oauth\"]\n[[accounts.oauth]]\nissuer = \"http://auth.example.org\"\naudience = [\"x\"]\n",
            "over https only",
        ),
        (
            "[accounts]\njudges = [\"mail_server\"]\n[[accounts.mail_server]]\nurls = [\"imap://mail.example.org\"]\ndomains = [\"example.org\"]\nclear = true\n",
            "is for servers on this machine",
        ),
    ] {
        let config = format!(
            "[gate]\nhostname = \"{HOSTNAME}\"\ndata = \"data\"\ninside = [\"example.org\"]\n[[listener]]\nname = \"s\"\naddress = \"127.0.0.1:0\"\n\
             tls = \"starttls\"\nauth = true\n[upstream]\ncapture = \"out\"\n{more}"
        );
        std::fs::write(&file, config).unwrap();
        let mut command = postern();
        command.args(["check", "--config"]).arg(&file);
        let output = peers::run(&mut command, b"", std::time::Duration::from_secs(60));
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success() && said.contains(sentence), "{said}");
    }
}
