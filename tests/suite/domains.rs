//! What our domains say in DNS, asked of a real server (Knot DNS): every record judged, keys that follow each other, hostile zones.

use super::gate::{ALICE, Gate, Setup, message, wait_until};
use super::peers::{self, must};
use super::sink::Sink;
use serde_json::Value;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(30);

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// knotd with a root in which nothing else is, ended when dropped.
struct Knot {
    process: Child,
    folder: tempfile::TempDir,
    port: u16,
    serial: u32,
}

impl Drop for Knot {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const ZONES: [&str; 4] = [".", "example.org.", "hostile.test.", "2.0.192.in-addr.arpa."];

impl Knot {
    fn start(zone: &str) -> Knot {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let path = folder.path().display();
        let mut config = format!(
            "server:\n    rundir: {path}\n    user: root:root\n    listen: 127.0.0.1@{port}\ndatabase:\n    storage: {path}/db\nzone:\n"
        );
        for (number, name) in ZONES.iter().enumerate() {
            config += &format!(
                "  - domain: {name}\n    storage: {path}\n    file: {number}.zone\n    zonefile-sync: -1\n    journal-content: none\n"
            );
        }
        if std::fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).unwrap_or(1) != 0 {
            config = config.replace("    user: root:root\n", "");
        }
        std::fs::write(folder.path().join("knot.conf"), config).unwrap();
        write_zones(folder.path(), zone, 1);
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut knotd = Command::new(peers::find("knotd").unwrap());
        knotd.arg("-c").arg(folder.path().join("knot.conf")).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = knotd.spawn().unwrap();
        let knot = Knot { process, folder, port, serial: 1 };
        wait_until(SOON, "knotd listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        knot.wait_for_serial(1);
        knot
    }

    fn kdig(&self, arguments: &[&str]) -> String {
        let server = format!("@127.0.0.1#{}", self.port).replace('#', " -p ");
        let mut words: Vec<&str> = server.split(' ').collect();
        words.extend(["+short", "+time=2"]);
        words.extend(arguments);
        String::from_utf8_lossy(&peers::run(Command::new("kdig").args(words), b"", SOON).stdout).into_owned()
    }

    fn wait_for_serial(&self, serial: u32) {
        for zone in ZONES {
            let wanted = format!(" {serial} ");
            wait_until(SOON, "knotd has the zones", || self.kdig(&["SOA", zone]).contains(&wanted));
        }
    }

    /// Another zone from now on.
    fn publish(&mut self, zone: &str) {
        self.serial += 1;
        write_zones(self.folder.path(), zone, self.serial);
        must(Command::new("kill").args(["-HUP", &self.process.id().to_string()]), b"");
        self.wait_for_serial(self.serial);
    }

    fn server(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// Each line goes into the zone to which its first word belongs.
fn write_zones(folder: &std::path::Path, lines: &str, serial: u32) {
    for (number, name) in ZONES.iter().enumerate() {
        let mut text = format!(
            "$TTL 60\n{name} SOA ns.example.org. root.example.org. {serial} 3600 600 86400 60\n{name} NS ns.example.org.\n"
        );
        for line in lines.lines().filter(|line| !line.trim_start().starts_with(';')) {
            let owner = line.split_whitespace().next().unwrap_or_default();
            let below = |zone: &str| owner == zone || owner.ends_with(&format!(".{zone}"));
            let nearest = ZONES[1..].iter().find(|zone| below(zone)).copied();
            if !owner.is_empty() && nearest.unwrap_or(".") == *name {
                text += &format!("{line}\n");
            }
        }
        std::fs::write(folder.join(format!("{number}.zone")), text).unwrap();
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn rows(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// What `postern dns` says: its end, and `record level` of each finding.
fn judged(gate: &Gate, more: &[&str]) -> (Option<i32>, Vec<String>, Vec<Value>) {
    let output = gate.command(&[&["dns", "--format", "json"], more].concat(), b"");
    let rows = rows(&output);
    let word = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let short = rows.iter().map(|row| format!("{} {}", word(row, "record"), word(row, "level"))).collect();
    (output.status.code(), short, rows)
}

/// The gate's own proposal as a zone, and what it cannot know.
fn proposed(gate: &Gate) -> String {
    let printed = gate.command(&["dns", "--print"], b"");
    assert!(printed.status.success(), "{}", text(&printed));
    String::from_utf8_lossy(&printed.stdout).into_owned()
        + "example.org. IN MX 10 mx.example.org.\nmx.example.org. IN A 192.0.2.20\nmta-sts.example.org. IN A 127.0.0.1\n\
           openpgpkey.example.org. IN A 192.0.2.30\nsmtp.example.org. IN A 192.0.2.10\n10.2.0.192.in-addr.arpa. IN PTR smtp.example.org.\n"
}

/// A web server with a policy of MTA-STS, and the configuration by which it is found.
fn policy_server(folder: &std::path::Path, policy: &str) -> (Child, String) {
    let path = |name: &str| folder.join(name);
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]);
    openssl.args(["-subj", "/CN=mta-sts.example.org", "-addext", "subjectAltName=DNS:mta-sts.example.org"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    must(openssl.arg("-keyout").arg(path("web.key")).arg("-out").arg(path("web.pem")), b"");
    std::fs::create_dir_all(path(".well-known")).unwrap();
    std::fs::write(path(".well-known/mta-sts.txt"), policy).unwrap();
    let port = free_port();
    let mut server = Command::new("openssl");
    server.args(["s_server", "-quiet", "-WWW", "-accept", &format!("127.0.0.1:{port}")]).arg("-cert").arg(path("web.pem"));
    server
        .arg("-key")
        .arg(path("web.key"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let process = server.spawn().unwrap();
    wait_until(SOON, "the web server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let settings =
        format!("[lookup.http]\nca = {:?}\nhosts = {{ \"mta-sts.example.org\" = \"127.0.0.1:{port}\" }}\n", path("web.pem"));
    (process, settings)
}

#[test]
fn what_is_printed_and_published_is_found_right_and_what_is_broken_is_named() {
    if !peers::are_here("domains::dns", &["knotd", "kdig", "openssl"]) {
        return;
    }
    let mut knot = Knot::start("");
    let folder = tempfile::tempdir().unwrap();
    let policy = "version: STSv1\r\nmode: enforce\r\nmx: *.example.org\r\nmax_age: 604800\r\n";
    let (mut web, http) = policy_server(folder.path(), policy);
    let settings = format!(
        "{http}[lookup.dns]\nservers = [\"{}\"]\n[domains]\nsends_from = [\"192.0.2.10\"]\nspf = [\"include:_spf.example.org\"]\n",
        knot.server()
    );
    let gate = Setup::default().with(&settings).prepare();
    assert!(gate.command(&["dkim", "generate"], b"").status.success());

    // Nothing is published yet: each line to publish is named, and nothing is unknown.
    let (code, found, all) = judged(&gate, &[]);
    assert_eq!(code, Some(1));
    for wrong in ["spf wrong", "dkim wrong", "dmarc wrong", "mx wrong", "mta-sts note", "tls-rpt note", "ptr wrong"] {
        assert!(found.contains(&wrong.to_owned()), "{wrong} is not in {found:?}");
    }
    assert_eq!(found.iter().filter(|one| *one == "dkim wrong").count(), 2);
    assert!(
        all.iter().filter(|row| row["level"] == "wrong").all(|row| !row["publish"].as_array().unwrap().is_empty()),
        "{all:?}"
    );

    let mut zone = proposed(&gate) + "_spf.example.org. IN TXT \"v=spf1 ip4:198.51.100.0/24 -all\"\n";
    knot.publish(&zone);
    let (code, found, all) = judged(&gate, &[]);
    assert_eq!(code, Some(0), "{all:#?}");
    // p=none is where one begins.
    assert!(found.iter().all(|one| one.ends_with(" right") || one == "dmarc warning"), "{all:#?}");
    for topic in ["spf", "dkim", "alignment", "mx", "mta-sts", "tls-rpt", "wkd", "ptr"] {
        assert!(found.contains(&format!("{topic} right")), "{topic}: {found:?}");
    }
    let checked = text(&gate.command(&["check"], b""));
    assert!(checked.contains("publie notre clé") && checked.contains("sont alignées"), "{checked}");

    for (old, new, topic, words) in [
        ("ip4:192.0.2.10 -all", "ip4:192.0.2.11 -all", "spf wrong", "does not allow 192.0.2.10"),
        ("k=ed25519; p=", "k=ed25519; t=y; p=", "dkim warning", "t=y"),
        ("k=ed25519; p=", "k=ed25519; p=A", "dkim wrong", "another key"),
        ("p=none", "p=none; adkim=s; psd=n", "dmarc warning", "asks for nothing"),
        ("id=2026", "id=2026-", "mta-sts wrong", "no single record"),
        ("IN PTR smtp.example.org.", "IN PTR nobody.example.org.", "ptr wrong", "does not lead back"),
    ] {
        assert!(zone.contains(old), "{old}\n{zone}");
        knot.publish(&zone.replace(old, new));
        let (code, found, all) = judged(&gate, &[]);
        assert_eq!(code, Some(i32::from(topic.ends_with("wrong"))), "{new}: {all:#?}");
        assert!(found.contains(&topic.to_owned()), "{new}: {all:#?}");
        assert!(all.iter().any(|row| row["en"].as_str().unwrap().contains(words)), "{words}: {all:#?}");
    }
    knot.publish(&zone);
    std::fs::write(folder.path().join(".well-known/mta-sts.txt"), policy.replace("*.example.org", "mail.example.org")).unwrap();
    let french = gate.command(&["dns", "example.org", "--language", "fr"], b"");
    assert_eq!(french.status.code(), Some(1));
    assert!(text(&french).contains("n'admet pas le MX mx.example.org"), "{}", text(&french));
    let _ = web.kill();
    let _ = web.wait();
    let (code, found, _) = judged(&gate, &[]);
    assert!(code == Some(1) && found.contains(&"mta-sts wrong".to_owned()), "{found:?}");

    // Nobody there: nothing is called right, nor wrong.
    let (code, found, all) = judged(&gate, &["--resolver", &format!("127.0.0.1:{}", free_port())]);
    assert_eq!(code, Some(1));
    assert!(found.iter().all(|one| one.ends_with(" unknown")), "{all:#?}");
    // And offline it prints all the same.
    zone.clear();
    let printed = gate.command(&["dns", "--print", "--format", "json", "--resolver", "127.0.0.1:9"], b"");
    let names: Vec<String> = rows(&printed).iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    for name in ["example.org", "_dmarc.example.org", "_mta-sts.example.org", "_smtp._tls.example.org"] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    assert_eq!(names.iter().filter(|name| name.contains("._domainkey.")).count(), 2);
}

#[test]
fn hostile_zones_end_soon_and_are_called_wrong() {
    if !peers::are_here("domains::hostile", &["knotd", "kdig"]) {
        return;
    }
    // A record of 60 KB; aliases in a circle, and a chain of them; records that include each other, without end and as a tree.
    let strings: String = (0..235).map(|_| format!("\"{}\" ", "x".repeat(250))).collect();
    let mut zone = format!(
        "hostile.test. IN TXT \"v=spf1 include:s0.hostile.test include:t0.hostile.test include:loop.hostile.test -all\"\n\
         _dmarc.hostile.test. IN TXT ( \"v=DMARC1; p=\" {strings} )\nloop.hostile.test. IN CNAME pool.hostile.test.\n\
         pool.hostile.test. IN CNAME loop.hostile.test.\n_mta-sts.hostile.test. IN CNAME loop.hostile.test.\n\
         _smtp._tls.hostile.test. IN CNAME c0.hostile.test.\ndefault._bimi.hostile.test. IN TXT ( \"v=BIMI1; l=\" {strings} )\n"
    );
    for n in 0..200 {
        zone += &format!("c{n}.hostile.test. IN CNAME c{}.hostile.test.\n", n + 1);
        zone += &format!("s{n}.hostile.test. IN TXT \"v=spf1 include:s{}.hostile.test -all\"\n", n + 1);
        zone += &format!(
            "t{n}.hostile.test. IN TXT \"v=spf1 include:t{}.hostile.test include:t{}.hostile.test -all\"\n",
            2 * n + 1,
            2 * n + 2
        );
        zone += &format!("hostile.test. IN MX {n} m{n}.hostile.test.\n");
    }
    let knot = Knot::start(&zone);
    let settings = format!("[lookup.dns]\nservers = [\"{}\"]\n[domains]\nsends_from = [\"192.0.2.10\"]\n", knot.server());
    let gate = Setup::default().with(&settings).prepare();
    let began = Instant::now();
    let (code, found, all) = judged(&gate, &["hostile.test"]);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert_eq!(code, Some(1));
    assert!(found.contains(&"spf wrong".to_owned()) && found.contains(&"mx wrong".to_owned()), "{all:#?}");
    assert!(all.iter().all(|row| row["en"].as_str().unwrap().len() < 4_000), "{all:#?}");
}

/// The selectors of the last message that the sink took.
fn signed_by(gate: &Gate, sink: &Sink, count: usize) -> Vec<String> {
    let reply = gate.submit(&["bob@example.net"], &message("bob@example.net", &format!("n° {count}"), "Bonjour\r\n"));
    assert!(reply.is_good(), "{reply:?}\n{}", gate.log());
    let taken = sink.wait_for(count, SOON);
    let text = String::from_utf8_lossy(&taken[count - 1].data).into_owned();
    text.split("\ts=").skip(1).take(2).map(|rest| rest.split(';').next().unwrap().to_owned()).collect()
}

fn states(gate: &Gate) -> Vec<(String, String)> {
    let output = gate.command(&["dkim", "list", "--format", "json"], b"");
    assert!(output.status.success(), "{}", text(&output));
    let word = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    rows(&output).iter().map(|row| (word(row, "selector"), word(row, "state"))).collect()
}

fn with_state(gate: &Gate, state: &str) -> Vec<String> {
    states(gate).into_iter().filter(|(_, is)| is == state).map(|(selector, _)| selector).collect()
}

/// All of `postern dkim dns`.
fn records(gate: &Gate) -> String {
    let output = gate.command(&["dkim", "dns"], b"");
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_running_gate_takes_the_new_keys_when_dns_shows_them_and_not_before() {
    if !peers::are_here("domains::rotation", &["knotd", "kdig"]) {
        return;
    }
    let mut knot = Knot::start("");
    let settings = format!("[lookup.dns]\nservers = [\"{}\"]\n[dkim]\nask_seconds = 1\nsettle_minutes = 0\n", knot.server());
    let sink = Sink::start();
    let mut gate = Setup::towards(&sink).with(&settings).start();
    let old = signed_by(&gate, &sink, 1);
    knot.publish(&records(&gate));

    // Made and printed; the old ones sign, however long it takes.
    let begun = gate.command(&["dkim", "rotate"], b"");
    assert!(begun.status.success(), "{}", text(&begun));
    let new = with_state(&gate, "made");
    assert_eq!(new.len(), 2, "{:?}", states(&gate));
    assert!(
        new.iter()
            .all(|selector| String::from_utf8_lossy(&begun.stdout).contains(&format!("{selector}._domainkey.example.org.")))
    );
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(signed_by(&gate, &sink, 2), old);

    // One of the two is published, and rotate is called again: nothing new is made, nothing switches.
    let published: String =
        records(&gate).lines().filter(|line| !line.starts_with(new[1].as_str())).map(|line| format!("{line}\n")).collect();
    knot.publish(&published);
    assert!(gate.command(&["dkim", "rotate"], b"").status.success());
    wait_until(SOON, "the one is seen", || with_state(&gate, "visible") == [new[0].clone()]);
    assert_eq!(with_state(&gate, "made"), [new[1].clone()]);
    assert_eq!(signed_by(&gate, &sink, 3), old);

    // Kill -9 in the middle of it; then both are published, and the gate switches by itself.
    gate.kill();
    gate.start();
    assert_eq!(signed_by(&gate, &sink, 4), old);
    knot.publish(&records(&gate));
    wait_until(SOON, "the gate switches", || with_state(&gate, "signing") == new);
    let mut count = 4;
    wait_until(SOON, "new signatures", || {
        count += 1;
        let by = signed_by(&gate, &sink, count);
        assert!(by == old || by == new, "a mixed pair: {by:?}");
        by == new
    });
    let mut retiring = with_state(&gate, "retiring");
    retiring.sort();
    let mut sorted = old.clone();
    sorted.sort();
    assert_eq!(retiring, sorted);
    let still = records(&gate);
    assert!(
        old.iter().all(|selector| still.contains(&format!("{selector}._domainkey"))),
        "the old records are to stay: {still}"
    );
    let shown = gate.command(&["dkim", "show", "--language", "en"], b"");
    assert!(shown.status.success() && text(&shown).contains("must stay published"), "{}", text(&shown));
    gate.kill();
    gate.start();
    assert_eq!(signed_by(&gate, &sink, count + 1), new);
    assert_eq!(gate.submit(&[ALICE], &message(ALICE, "inside", "x\r\n")).code, 250);
}

#[test]
fn a_rotation_that_is_killed_at_any_moment_leaves_keys_that_sign() {
    if !peers::are_here("domains::killed", &["knotd", "kdig"]) {
        return;
    }
    let mut knot = Knot::start("");
    let settings = format!("[lookup.dns]\nservers = [\"{}\"]\n[dkim]\nsettle_minutes = 0\n", knot.server());
    let gate = Setup::default().with(&settings).prepare();
    assert!(gate.command(&["dkim", "generate"], b"").status.success());
    let old = with_state(&gate, "signing");
    for pause in [5, 20, 40, 80, 120, 200, 300, 500] {
        let mut command = super::gate::postern();
        command.args(["dkim", "rotate", "--config"]).arg(gate.config()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        let _ = child.kill();
        let _ = child.wait();
        assert_eq!(with_state(&gate, "signing"), old, "after {pause} ms");
        assert_eq!(text(&gate.command(&["dkim", "dns"], b"")).matches("v=DKIM1").count() % 2, 0);
    }
    assert!(gate.command(&["dkim", "rotate"], b"").status.success());
    knot.publish(&records(&gate));
    let done = gate.command(&["dkim", "rotate"], b"");
    assert!(text(&done).contains("the new keys sign from now on"), "{}", text(&done));
    let new = with_state(&gate, "signing");
    assert!(new.len() == 2 && new.iter().all(|selector| !old.contains(selector)), "{new:?}");
}
