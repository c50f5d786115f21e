//! A real Postfix as upstream, in folders of its own, receives what the gate relays: plain, over verified TLS, and refuses a part.

use super::byte_for_byte::below_our_fields;
use super::client::Client;
use super::gate::{ALICE, Setup, files_below, message, wait_until};
use super::peers::{self, must};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

struct Postfix {
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Postfix {
    /// Starts one that keeps all mail for example.net in a Maildir; `None` when it cannot be tried here.
    fn start(test: &str) -> Option<Postfix> {
        if !peers::are_here(test, &["postfix", "openssl"]) {
            return None;
        }
        let id = must(Command::new("id").arg("-u"), b"");
        if id.trim_ascii() != b"0" {
            peers::leave_out(test, "Postfix starts only as root");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("postfix").tempdir_in("/tmp").expect("a folder for Postfix");
        open_to_all(folder.path());
        for name in ["etc", "queue", "data", "mail"] {
            std::fs::create_dir(folder.path().join(name)).expect("Postfix's folders");
        }
        // nobody delivers the mail; the user postfix keeps its caches.
        must(Command::new("chown").arg("65534:65534").arg(folder.path().join("mail")), b"");
        must(Command::new("chown").arg("postfix").arg(folder.path().join("data")), b"");
        // A port nobody has now; Postfix wants its number in master.cf.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("a free port");
        let postfix = Postfix { folder, address };
        postfix.certificate();
        std::fs::write(postfix.path("etc/main.cf"), postfix.main_cf()).expect("main.cf");
        std::fs::write(postfix.path("etc/master.cf"), postfix.master_cf()).expect("master.cf");
        postfix.postfix("start");
        wait_until(Duration::from_secs(20), "Postfix listens", || Client::plain(address).is_ok());
        Some(postfix)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn postfix(&self, command: &str) {
        let program = peers::find("postfix").expect("postfix");
        must(Command::new(program).arg("-c").arg(self.path("etc")).arg(command), b"");
    }

    fn main_cf(&self) -> String {
        let folder = self.folder.path().display();
        format!(
            "compatibility_level = 3.6\nqueue_directory = {folder}/queue\ndata_directory = {folder}/data\n\
             mail_owner = postfix\nsetgid_group = postdrop\nmyhostname = upstream.example.net\nmydestination =\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmynetworks = 127.0.0.0/8\nalias_maps =\nalias_database =\n\
             maillog_file = {folder}/log\nmaillog_file_prefixes = /tmp\nvirtual_mailbox_domains = example.net\n\
             virtual_mailbox_base = {folder}/mail\nvirtual_mailbox_maps = inline:{{ bob@example.net=box/, ann@example.net=box/, \u{E9}lodie@example.net=intl/ }}\n\
             virtual_uid_maps = static:65534\nvirtual_gid_maps = static:65534\nvirtual_minimum_uid = 100\n\
             smtpd_recipient_restrictions = permit_mynetworks, reject\nsmtpd_reject_unlisted_recipient = yes\n\
             smtpd_tls_cert_file = {folder}/etc/cert.pem\nsmtpd_tls_key_file = {folder}/etc/key.pem\n\
             smtpd_tls_security_level = may\nsmtpd_tls_received_header = yes\nsmtpd_peername_lookup = no\n\
             smtputf8_enable = yes\n"
        )
    }

    fn master_cf(&self) -> String {
        let services = "\
postlog   unix-dgram n - n - 1 postlogd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
proxymap  unix - - n - - proxymap
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
tlsmgr    unix - - n 1000? 1 tlsmgr
";
        format!("{} inet n - n - - smtpd\n{services}", self.address)
    }

    fn certificate(&self) {
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=upstream.example.net"]);
        openssl.args(["-addext", "subjectAltName=DNS:upstream.example.net,IP:127.0.0.1"]);
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        must(openssl.arg("-keyout").arg(self.path("etc/key.pem")).arg("-out").arg(self.path("etc/cert.pem")), b"");
    }

    /// Everything that was delivered, oldest first.
    fn delivered(&self) -> Vec<Vec<u8>> {
        let mut files = files_below(&self.path("mail/box/new"));
        files.sort_by_key(|file| std::fs::metadata(file).and_then(|about| about.modified()).ok());
        files.iter().filter_map(|file| std::fs::read(file).ok()).collect()
    }

    fn wait_for(&self, count: usize) -> Vec<Vec<u8>> {
        let end = std::time::Instant::now() + Duration::from_secs(30);
        while self.delivered().len() < count {
            assert!(std::time::Instant::now() < end, "{} of {count}\n{}", self.delivered().len(), self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        self.delivered()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if let Some(program) = peers::find("postfix") {
            let _ = Command::new(program).arg("-c").arg(self.path("etc")).arg("abort").status();
        }
        if std::thread::panicking() {
            eprintln!("--- Postfix ---\n{}", self.log());
        }
    }
}

fn open_to_all(folder: &Path) {
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder, open).expect("the folder's mode");
}

/// A Maildir file as it came: Postfix's own fields taken off, LF turned into CRLF again.
fn as_received(file: &[u8]) -> Vec<u8> {
    let crlf = String::from_utf8(file.to_vec()).expect("UTF-8 throughout here").replace('\n', "\r\n").into_bytes();
    let mut rest = &crlf[..];
    for ours in ["Return-Path:", "X-Original-To:", "Delivered-To:"] {
        assert!(rest.starts_with(ours.as_bytes()), "{}", String::from_utf8_lossy(rest));
        rest = &rest[memchr::memchr(b'\n', rest).expect("a line end") + 1..];
    }
    rest.to_vec()
}

#[test]
fn a_postfix_of_our_own_delivers() {
    let Some(postfix) = Postfix::start("upstream_postfix::a_postfix_of_our_own_delivers") else { return };
    let mut client = Client::plain(postfix.address).unwrap();
    client.good("EHLO client.example.org").unwrap();
    let sent = message("bob@example.net", "Bonjour", "été\r\n.\r\n");
    assert_eq!(client.send(ALICE, &["bob@example.net"], &sent).unwrap().code, 250);
    assert_eq!(client.send(ALICE, &["nobody@example.net"], &sent).unwrap().code, 550);
    let delivered = postfix.wait_for(1);
    assert_eq!(below_our_fields(&as_received(&delivered[0])), sent);
}

#[test]
fn a_real_postfix_receives_what_the_gate_relays() {
    let Some(postfix) = Postfix::start("upstream_postfix::a_real_postfix_receives_what_the_gate_relays") else { return };
    let gate = Setup::towards_address(postfix.address).start();
    let sent = message("bob@example.net", "Bonjour", "Déjà l'été\r\n.\r\n..\r\nfin \r\n");
    assert_eq!(gate.submit(&["bob@example.net"], &sent).code, 250);
    let delivered = postfix.wait_for(1);
    let received = as_received(&delivered[0]);
    assert_eq!(below_our_fields(&received), sent, "{}", String::from_utf8_lossy(&received));
    assert_eq!(String::from_utf8_lossy(&received).matches("DKIM-Signature:").count(), 2);
}

#[test]
fn over_verified_tls_and_to_no_one_else() {
    let Some(postfix) = Postfix::start("upstream_postfix::over_verified_tls_and_to_no_one_else") else { return };
    let upstream = format!("address = \"{}\"\ntls = \"required\"\nca = {:?}\n", postfix.address, postfix.path("etc/cert.pem"));
    let gate = Setup { upstream: Some(upstream), ..Setup::default() }.start();
    let sent = message("bob@example.net", "Bonjour", "par TLS\r\n");
    assert_eq!(gate.submit(&["bob@example.net"], &sent).code, 250);
    let delivered = postfix.wait_for(1);
    let received = as_received(&delivered[0]);
    assert_eq!(below_our_fields(&received), sent);
    let shown = String::from_utf8_lossy(&received);
    assert!(shown.contains("using TLSv1.3"), "{shown}");
    // The same server under an authority that did not sign its certificate: nothing is sent.
    let other = tempfile::tempdir().unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=other"]);
    must(openssl.arg("-keyout").arg(other.path().join("key")).arg("-out").arg(other.path().join("ca.pem")), b"");
    let upstream = format!("address = \"{}\"\ntls = \"required\"\nca = {:?}\n", postfix.address, other.path().join("ca.pem"));
    let gate = Setup { upstream: Some(upstream), ..Setup::default() }.start();
    assert_eq!(gate.submit(&["bob@example.net"], &sent).code, 250);
    wait_until(Duration::from_secs(20), "the gate says aloud that it does not believe the upstream", || {
        gate.log().to_ascii_lowercase().contains("certificate")
    });
    assert_eq!(postfix.delivered().len(), 1);
}

#[test]
fn a_recipient_it_does_not_know_is_told_to_the_sender_and_the_other_is_served() {
    let test = "upstream_postfix::a_recipient_it_does_not_know_is_told_to_the_sender_and_the_other_is_served";
    let Some(postfix) = Postfix::start(test) else { return };
    let gate = Setup::towards_address(postfix.address).start();
    gate.add_user("ann@example.org", "another long pass phrase");
    let sent = message("bob@example.net", "Bonjour", "pour deux\r\n");
    assert_eq!(gate.submit(&["bob@example.net", "nobody@example.net"], &sent).code, 250);
    let delivered = postfix.wait_for(1);
    assert_eq!(below_our_fields(&as_received(&delivered[0])), sent);
    wait_until(Duration::from_secs(20), "Postfix is offered the report for alice", || {
        postfix.log().contains("from=<>,") && postfix.log().contains(&format!("to=<{ALICE}>"))
    });
    assert_eq!(postfix.delivered().len(), 1, "bob gets it once");
}

#[test]
fn addresses_beyond_ascii_and_wishes_for_reports_reach_a_postfix_that_offers_them() {
    let test = "upstream_postfix::addresses_beyond_ascii_and_wishes_for_reports_reach_a_postfix_that_offers_them";
    let Some(postfix) = Postfix::start(test) else { return };
    let offered = Client::plain(postfix.address).unwrap().good("EHLO client.example.org").unwrap().text;
    assert!(["SMTPUTF8", "DSN", "CHUNKING"].iter().all(|one| offered.contains(one)), "{offered}");
    let gate = Setup::towards_address(postfix.address).start();
    let mut client = gate.client();
    let sent = message("\u{E9}lodie@example.net", "Bonjour", "D\u{E9}j\u{E0} l'\u{E9}t\u{E9}\r\n.\r\n..\r\nfin\r\n");
    client.good("MAIL FROM:<alice@example.org> SMTPUTF8 BODY=8BITMIME RET=HDRS ENVID=QQ314").unwrap();
    client.good("RCPT TO:<\u{E9}lodie@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=utf-8;\\x{E9}lodie@old.example").unwrap();
    client.good("RCPT TO:<bob@example.net> NOTIFY=NEVER").unwrap();
    let (first, last) = sent.split_at(sent.len() / 2);
    client.write(&[format!("BDAT {}\r\n", first.len()).as_bytes(), first].concat()).unwrap();
    assert_eq!(client.reply().unwrap().code, 250);
    client.write(&[format!("BDAT {} LAST\r\n", last.len()).as_bytes(), last].concat()).unwrap();
    let reply = client.reply().unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    assert_eq!(below_our_fields(&as_received(&postfix.wait_for(1)[0])), sent, "bob");
    let international = || files_below(&postfix.path("mail/intl/new"));
    wait_until(Duration::from_secs(30), "\u{E9}lodie's message", || !international().is_empty());
    let file = std::fs::read(&international()[0]).unwrap();
    assert_eq!(below_our_fields(&as_received(&file)), sent);
    // Postfix itself tells of success, to alice and of one recipient only; so we do not.
    wait_until(Duration::from_secs(30), "Postfix's report", || {
        postfix.log().contains("sender delivery status notification") && postfix.log().contains(&format!("to=<{ALICE}>"))
    });
    let reports = postfix.log().matches("sender delivery status notification").count();
    assert_eq!(reports, 1, "{}", postfix.log());
    let ours = String::from_utf8(gate.command(&["spool", "list", "--format", "json"], b"").stdout).unwrap();
    assert!(!ours.contains(ALICE) || !ours.contains("\"mail_from\":null"), "{ours}");
    assert!(postfix.log().contains("orig_to=<\u{E9}lodie@old.example>") || postfix.log().contains("lodie@example.net>"));
}
