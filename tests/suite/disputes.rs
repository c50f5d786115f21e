//! Answers to a refusal by mail alone: confirmed, given to a person, forged, used twice; what a sender learns, and who looks for a way round.

use super::canary::form_of;
use super::client::{Client, Reply};
use super::gate::{ALICE, Gate, HOSTNAME, PASSWORD, Setup, contains, message, wait_until};
use super::sink::{Sink, Transaction};
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const BOB: &str = "bob@example.net";
const CAROL: &str = "carol@example.com";
const MALLORY: &str = "mallory@example.org";
/// What a rule finds, and what must be told nowhere.
const NIR: &str = "1 85 05 78 006 084 91";

/// One rule for each word, and one policy for each.
const POLICIES: &str = r#"
default = "allow"
[cases]
inside = ["example.org"]
[[policy]]
id = "said-twice"
when = { found = "ornithorynque", to = "outside" }
then = "confirm"
tell_sender = { fr = "Un ornithorynque sort.", en = "A platypus leaves." }
[[policy]]
id = "sealed-and-said-twice"
when = { found = "coffre", to = "outside" }
then = ["confirm", "encrypt"]
[[policy]]
id = "numbers"
title = { fr = "Numéros", en = "Numbers" }
why = { fr = "Un numéro ne se reprend pas.", en = "A number cannot be taken back." }
when = { found = "fr-nir", confidence = "medium", to = "outside" }
then = "confirm"
[[policy]]
id = "refused"
when = { found = "licorne", to = "outside" }
then = "block"
[[policy]]
id = "never"
when = { found = "tabou", to = "outside" }
then = "block"
review = "never"
[[policy]]
id = "tried-again"
when = { all_facts = ["keeps_trying"], to = "outside" }
then = "quarantine"
[[policy]]
id = "tags"
when = { subject_tag = "chiffrer", to = "outside" }
then = "encrypt_if_possible"
"#;

fn rules(folder: &Path) {
    let detect = folder.join("detect");
    std::fs::create_dir_all(&detect).unwrap();
    for word in ["ornithorynque", "coffre", "licorne", "tabou"] {
        let rule = format!(
            "id = \"{word}\"\ntitle = {{ fr = \"Animal {word}\", en = \"Animal {word}\" }}\ndescription = \"A word.\"\nwhy = \"A test.\"\n\
             owner = \"dpo@example.org\"\nreviewed = 2026-11-22\nstatus = \"active\"\ncategory = \"legal\"\n[find]\nwords = [\"{word}\"]\n\
             [confidence]\nhigh = [\"found\"]\n[[match]]\ntext = \"un {word} ici\"\nconfidence = \"high\"\nbecause = \"it is the word\"\n\
             [[no_match]]\ntext = \"un castor\"\nbecause = \"it is another word\"\n"
        );
        std::fs::write(detect.join(format!("{word}.toml")), rule).unwrap();
    }
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/detect/fr-nir.toml");
    // Alone, it gives way to nobody.
    let alone = std::fs::read_to_string(shipped).unwrap();
    let alone: String = alone.lines().filter(|line| !line.starts_with("yields_to")).map(|line| format!("{line}\n")).collect();
    std::fs::write(detect.join("fr-nir.toml"), alone).unwrap();
    std::fs::write(folder.join("policy.toml"), POLICIES).unwrap();
}

struct House {
    gate: Gate,
    sink: Sink,
    rules: tempfile::TempDir,
}

fn open(more: &str) -> House {
    let (sink, folder) = (Sink::start(), tempfile::tempdir().unwrap());
    rules(folder.path());
    let mut setup = Setup::towards(&sink).with(more);
    setup.rules = Some(folder.path().to_owned());
    House { gate: setup.start(), sink, rules: folder }
}

/// Tests that count what reaches recipients do without the mail about refusals.
const NO_NOTICES: &str = "[coaching]\nrefused = false";

impl House {
    fn send(&self, to: &[&str], subject: &str, body: &str) -> Reply {
        self.gate.submit(to, &message(to[0], subject, body))
    }

    /// As another login of ours.
    fn send_as(&self, login: &str, to: &[&str], subject: &str, body: &str) -> Reply {
        let mut client = Client::starttls(self.gate.listener("submission"), &self.gate.certificate(), HOSTNAME).unwrap();
        assert!(client.log_in(login, PASSWORD).unwrap().is_good());
        let text = String::from_utf8(message(to[0], subject, body)).unwrap().replace(ALICE, login);
        client.send(login, to, text.as_bytes()).unwrap()
    }

    /// The audit line that speaks of a reference and holds a word.
    fn audit(&self, holds: &[&str]) -> Vec<serde_json::Value> {
        let audit = String::from_utf8(self.gate.command(&["audit", "export"], b"").stdout).unwrap();
        let lines = audit.lines().filter(|line| holds.iter().all(|word| line.contains(word)));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn delivered(&self, to: &str, count: usize) -> Vec<Transaction> {
        let of = || -> Vec<Transaction> {
            self.sink.taken().into_iter().filter(|one| one.recipients.iter().any(|recipient| recipient == to)).collect()
        };
        wait_until(SOON, &format!("{count} messages for {to}"), || of().len() >= count);
        assert_eq!(of().len(), count, "for {to}");
        of()
    }
}

fn refused(reply: &Reply) -> String {
    assert_eq!(reply.code, 550, "{reply:?}");
    assert!(reply.text.is_ascii(), "{reply:?}");
    reply.reference().unwrap().to_owned()
}

fn subject(of: &Transaction) -> String {
    let text = String::from_utf8_lossy(&of.data).into_owned();
    let line = text.split("\r\n").find(|line| line.starts_with("Subject:")).unwrap_or_default();
    line.to_owned()
}

#[test]
fn a_refusal_is_confirmed_once_by_its_sender_for_its_content_and_the_words_in_brackets_do_not_leave() {
    let house = open(NO_NOTICES);
    let body = "Bonjour,\r\n\r\nUn ornithorynque de plus, pour le num\u{e9}ro que vous savez, comme convenu hier au t\u{e9}l\u{e9}phone.\r\n";
    let reply = house.send(&[BOB, CAROL], "Dossier", body);
    let reference = refused(&reply);
    // The reference and the cause first, then how to go on, in the sender's language.
    let first: String = reply.text.chars().take(60).collect();
    assert!(first.contains(&reference) && first.contains("ornithorynque x1 vers"), "{first}");
    assert!(reply.text.contains(&format!("[confirme {reference} votre motif]")), "{}", reply.text);
    assert!(reply.text.contains(&format!("[examen {reference} votre motif]")), "{}", reply.text);

    // To one of the two, wrapped otherwise, at another moment, with the reason in the brackets; its number is a value.
    let again = format!(
        "From: Alice Martin <{ALICE}>\r\nTo: <{BOB}>\r\nSubject: Dossier\r\n [confirme {reference} accord du juge, NIR {NIR}]\r\n\
         Date: Sat, 21 Nov 2026 10:20:00 +0100\r\nMessage-ID: <again@client.example.org>\r\nX-Mailer: another\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=xyz\r\n\r\n--xyz\r\nContent-Type: text/plain; charset=iso-8859-1; format=flowed\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\nBonjour,\r\n\r\nUn ornithorynque de plus, pour le num=E9ro que vous =\r\nsavez, \r\n\
         comme convenu hier au t=E9l=E9phone.\r\n--xyz--\r\n"
    );
    let reply = house.gate.submit(&[BOB], again.as_bytes());
    assert_eq!(reply.code, 250, "{reply:?}");
    let copy = &house.delivered(BOB, 1)[0];
    assert_eq!(subject(copy), "Subject: Dossier");
    assert!(!contains(&copy.data, b"confirme") && !contains(&copy.data, b"accord du juge"));
    assert!(
        contains(&copy.data, b"Content-Type: text/plain; charset=iso-8859-1; format=flowed\r\n"),
        "its parts are as they came"
    );
    let lines = house.audit(&["\"accepted\"", &reference]);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["answer"]["asks"], "confirm");
    assert_eq!(lines[0]["answer"]["refusal"], reference.as_str());
    let reason = lines[0]["answer"]["justification"].as_str().unwrap();
    assert!(reason.starts_with("accord du juge, NIR") && !reason.contains("084"), "{reason}");

    // A second time it is refused as before, with a reference of its own, and says why.
    let reply = house.gate.submit(&[BOB], again.as_bytes());
    let second = refused(&reply);
    assert_ne!(second, reference);
    assert_eq!(house.audit(&["\"refused\"", &second])[0]["answer"]["not_followed"], "answer-used");
    assert!(reply.text.contains("a deja servi"), "{}", reply.text);
    house.delivered(BOB, 1);
    assert_eq!(house.sink.taken_count(), 1);
    for (file, octets) in house.gate.at_rest() {
        assert_eq!(form_of("084 91", &octets), None, "{}", file.display());
    }
}

#[test]
fn forged_foreign_and_misused_references_are_refused_as_before_and_tell_a_stranger_nothing() {
    let house = open(NO_NOTICES);
    house.gate.add_user(MALLORY, PASSWORD);
    let body = "Un ornithorynque.\r\n";
    let reference = refused(&house.send(&[BOB], "Dossier", body));
    let tagged = |reference: &str| format!("[confirme {reference} oui] Dossier");
    // Nobody else's, whatever it is: the two sentences differ in the reference alone.
    let forged = "PST-000000000000";
    let sentences: Vec<String> = [reference.as_str(), forged]
        .iter()
        .map(|used| {
            let reply = house.send_as(MALLORY, &[BOB], &tagged(used), body);
            let own = refused(&reply);
            assert!(reply.text.contains("n'est pas une reference d'un de vos refus"), "{}", reply.text);
            reply.text.replace(&own, "OWN").replace(used, "USED")
        })
        .collect();
    assert_eq!(sentences[0], sentences[1]);
    for (what, to, subject, content, why) in [
        ("forged", &[BOB][..], tagged(forged), body, "n'est pas une reference d'un de vos refus"),
        ("unreadable", &[BOB], tagged("PST-123"), body, "n'est pas lisible"),
        ("another recipient", &[BOB, CAROL], tagged(&reference), body, "ne vaut que pour les destinataires"),
        ("another content", &[BOB], tagged(&reference), "Deux fois un ornithorynque.\r\n", "n'est pas le meme"),
    ] {
        let reply = house.send(to, &subject, content);
        refused(&reply);
        assert!(reply.text.contains(why), "{what}: {}", reply.text);
    }
    // None of this used it up.
    assert_eq!(house.send(&[BOB], &tagged(&reference), body).code, 250);
    // On a message that nobody objects to, foreign brackets are words like others; one's own are taken out.
    assert_eq!(house.send(&[CAROL], "[confirm your seat] Invitation", "Bonjour.\r\n").code, 250);
    assert_eq!(house.send(&[CAROL], &tagged(forged), "Bonjour.\r\n").code, 250);
    assert_eq!(house.send(&[CAROL], &tagged(&reference), "Bonjour.\r\n").code, 250);
    let subjects: Vec<String> = house.delivered(CAROL, 3).iter().map(subject).collect();
    for (expected, times) in [("Subject: [confirm your seat] Invitation", 1), ("Subject: Dossier", 1)] {
        assert_eq!(subjects.iter().filter(|subject| *subject == expected).count(), times, "{subjects:?}");
    }
    assert!(subjects.contains(&format!("Subject: {}", tagged(forged))), "{subjects:?}");
    house.delivered(BOB, 1);
}

#[test]
fn what_is_hidden_from_sight_is_bound_by_what_was_found_in_it() {
    let house = open(NO_NOTICES);
    let mail = |subject: &str, hidden: &str| {
        let text =
            format!("<html><body><p>Votre num\u{e9}ro de s\u{e9}curit\u{e9} sociale.</p><!-- {hidden} --></body></html>\r\n");
        let mail = message(BOB, subject, &text);
        String::from_utf8(mail).unwrap().replace("text/plain", "text/html").into_bytes()
    };
    let reference = refused(&house.gate.submit(&[BOB], &mail("Dossier", NIR)));
    let tagged = format!("[confirme {reference}] Dossier");
    let reply = house.gate.submit(&[BOB], &mail(&tagged, "1 85 05 78 006 123 52"));
    refused(&reply);
    assert!(reply.text.contains("n'est pas le meme"), "{}", reply.text);
    assert!(house.gate.submit(&[BOB], &mail(&tagged, NIR)).text.contains("accept"));
    house.delivered(BOB, 1);
}

#[test]
fn of_many_who_answer_one_refusal_at_once_one_passes() {
    let house = open(NO_NOTICES);
    let reference = refused(&house.send(&[BOB], "Dossier", "Un ornithorynque.\r\n"));
    let again = message(BOB, &format!("[confirme {reference}] Dossier"), "Un ornithorynque.\r\n");
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let clients: Vec<Client> = (0..6).map(|_| house.gate.client()).collect();
        let again = &again;
        let send = |mut client: Client| move || client.send(ALICE, &[BOB], again).unwrap();
        let senders: Vec<_> = clients.into_iter().map(|client| scope.spawn(send(client))).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    assert_eq!(replies.iter().filter(|reply| reply.code == 250).count(), 1, "{replies:?}");
    assert!(
        replies.iter().all(|reply| reply.code == 250 || reply.code == 550 && reply.text.contains("deja servi")),
        "{replies:?}"
    );
    house.delivered(BOB, 1);
}

#[test]
fn confirming_lifts_no_other_policy_and_no_requirement() {
    let house = open(NO_NOTICES);
    // Two policies say confirm: both are lifted. One of them wants encryption, and there is no key: held, never clear.
    let body = "Un ornithorynque dans un coffre.\r\n";
    let reference = refused(&house.send(&[BOB], "Dossier", body));
    let reply = house.send(&[BOB], &format!("[confirme {reference}] Dossier"), body);
    assert!(reply.code == 250 && reply.text.contains("retenu"), "{reply:?}");
    // A block beside it: no confirmation is offered, and none is taken.
    let body = "Un ornithorynque et une licorne.\r\n";
    let reply = house.send(&[BOB], "Dossier", body);
    let reference = refused(&reply);
    assert!(!reply.text.contains("[confirme") && reply.text.contains("[examen"), "{}", reply.text);
    let reply = house.send(&[BOB], &format!("[confirme {reference}] Dossier"), body);
    refused(&reply);
    assert!(reply.text.contains("ne peut pas etre leve par une confirmation"), "{}", reply.text);
    assert!(house.sink.taken().iter().all(|one| one.recipients == [ALICE]), "only the notice of the hold leaves");
}

#[test]
fn a_refused_sender_can_have_a_person_look_and_the_person_can_let_it_pass() {
    let house = open(NO_NOTICES);
    let body = "Une licorne.\r\n";
    let reference = refused(&house.send(&[BOB], "Dossier \u{e9}t\u{e9}", body));
    let tagged = format!("Dossier \u{e9}t\u{e9} [examen {reference} c'est un conte]");
    let reply = house.send(&[BOB], &tagged, body);
    assert!(reply.code == 250 && reply.text.contains("retenu pour examen"), "{reply:?}");
    let held = reply.reference().unwrap().to_owned();
    let notice = String::from_utf8_lossy(&house.delivered(ALICE, 1)[0].data).into_owned();
    assert!(notice.contains(&held), "{notice}");
    let line = &house.audit(&["\"held\"", &held])[0];
    assert_eq!(line["answer"]["asks"], "review");
    assert_eq!(line["answer"]["justification"], "c'est un conte");
    assert!(house.gate.command(&["quarantine", "release", &held, "--officer", "dpo@example.org"], b"").status.success());
    let copy = &house.delivered(BOB, 1)[0];
    assert!(!contains(&copy.data, b"examen") && !contains(&copy.data, b"conte"), "{}", String::from_utf8_lossy(&copy.data));
    // Once only.
    let reply = house.send(&[BOB], &tagged, body);
    refused(&reply);
    assert!(reply.text.contains("a deja servi"), "{}", reply.text);
    // Where the policy does not allow it, and for private mail, which nobody is shown.
    for (subject, body) in [("Dossier", "Un tabou.\r\n"), ("PERSONNEL Dossier", "Une licorne.\r\n")] {
        let reply = house.send(&[CAROL], subject, body);
        let reference = refused(&reply);
        assert!(!reply.text.contains("[examen"), "{}", reply.text);
        let reply = house.send(&[CAROL], &format!("{subject} [examen {reference}]"), body);
        refused(&reply);
    }
}

#[test]
fn whoever_changes_a_message_until_it_passes_is_held_and_whoever_repeats_or_corrects_it_is_not() {
    let house = open(NO_NOTICES);
    house.gate.add_user(MALLORY, PASSWORD);
    // The same message three times counts once, and its correction passes.
    for _ in 0..4 {
        refused(&house.send(&[BOB], "Dossier", "Une licorne.\r\n"));
    }
    refused(&house.send(&[BOB], "Dossier", "Une licorne, encore.\r\n"));
    assert!(house.send(&[BOB], "Dossier", "Un cheval.\r\n").text.contains("accept"));
    // Three versions, then one that no rule knows.
    for version in ["Une licorne.", "Une  licorne !", "La licorne."] {
        refused(&house.send_as(MALLORY, &[BOB], "Dossier", &format!("{version}\r\n")));
    }
    let reply = house.send_as(MALLORY, &[BOB], "Dossier", "Un cheval \u{e0} corne.\r\n");
    assert!(reply.code == 250 && reply.text.contains("retenu"), "{reply:?}");
    let lines = house.audit(&["\"probing\"", MALLORY]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["versions"], 3);
    wait_until(SOON, "a warning in the log", || house.gate.log().contains("trying the rules"));
    // To somebody else, and inside, it is as before; confirmed messages count for nothing.
    assert!(house.send_as(MALLORY, &[CAROL], "Autre", "Un cheval.\r\n").text.contains("accept"));
    for number in 0..4 {
        let body = format!("Un ornithorynque num\u{e9}ro {number}.\r\n");
        let reference = refused(&house.send(&[CAROL], "Zoo", &body));
        let reply = house.send(&[CAROL], &format!("[confirme {reference}] Zoo"), &body);
        assert!(reply.text.contains("accept"), "{number}: {reply:?}");
    }
}

#[test]
fn a_refused_sender_learns_what_was_found_where_why_and_what_to_do_and_no_value() {
    let house = open("[coaching]\nper_hour = 2");
    let file = format!("name;number\r\nMarie;{NIR}\r\n");
    let mail = format!(
        "From: <{ALICE}>\r\nTo: <{BOB}>\r\nSubject: Dossier de Zoe\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nLe num\u{e9}ro de s\u{e9}curit\u{e9} sociale est joint, et un ornithorynque.\r\n--b\r\nContent-Type: text/csv; name=\"dossier-zoe.csv\"\r\n\
         Content-Disposition: attachment; filename=\"dossier-zoe.csv\"\r\n\r\nnum\u{e9}ro de s\u{e9}curit\u{e9} sociale\r\n{file}--b--\r\n"
    );
    let reply = house.gate.submit(&[BOB], mail.as_bytes());
    let reference = refused(&reply);
    let notice = house.delivered(ALICE, 1).remove(0);
    assert_eq!(notice.mail_from, "");
    let parsed = mail_parser::MessageParser::new().parse(&notice.data).unwrap();
    let text = parsed.body_text(0).unwrap().into_owned();
    for said in [
        reference.as_str(),
        "Num\u{e9}ro de s\u{e9}curit\u{e9} sociale",
        "1 valeur\u{a0}: pi\u{e8}ce jointe 1 (texte)",
        "Animal ornithorynque, 1 valeur\u{a0}: texte du message",
        "RGPD",
        "Un num\u{e9}ro ne se reprend pas.",
        "Un ornithorynque sort.",
        &format!("[confirme {reference} votre motif]"),
        &format!("[examen {reference} votre motif]"),
        "postmaster@example.org",
    ] {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }
    for secret in ["084 91", "dossier-zoe", "Dossier de Zoe", "Marie"] {
        assert_eq!(form_of(secret, &notice.data), None, "{secret}\n{text}");
    }
    for (file, octets) in house.gate.at_rest() {
        assert_eq!(form_of("dossier-zoe", &octets), None, "{}", file.display());
    }
    // Not to machines, nobody, strangers; not more than agreed within the hour.
    let auto = message(BOB, "x", "Un ornithorynque.\r\n");
    let auto = [b"Auto-Submitted: auto-generated\r\n".as_slice(), &auto].concat();
    refused(&house.gate.submit(&[BOB], &auto));
    let mut relay = Client::plain(house.gate.listener("relay")).unwrap();
    relay.good("EHLO mx.example.org").unwrap();
    refused(&relay.send("", &[BOB], &message(BOB, "x", "Un ornithorynque.\r\n")).unwrap());
    for number in 0..3 {
        refused(&house.send(&[BOB], "x", &format!("Un ornithorynque, {number}.\r\n")));
    }
    assert!(house.send(&[CAROL], "fin", "Bonjour.\r\n").is_good());
    house.delivered(CAROL, 1);
    house.delivered(ALICE, 2);
}

#[test]
fn an_administrations_own_texts_are_said_and_a_slip_in_them_keeps_the_old_ones() {
    let mut house = open("");
    let texts = house.rules.path().join("texts");
    std::fs::create_dir(&texts).unwrap();
    let own = "smtp-confirm = Mairie : renvoyez avec [confirme { $reference } motif].\nrefused-subject = Mairie : refus\n";
    std::fs::write(texts.join("fr.ftl"), own).unwrap();
    let check = house.gate.command(&["check"], b"");
    assert!(!String::from_utf8_lossy(&[check.stdout, check.stderr].concat()).contains("fr.ftl"));
    house.gate.signal("HUP");
    wait_until(SOON, "the reload", || house.gate.log().contains("rules and policies reloaded"));
    let reply = house.send(&[BOB], "x", "Un ornithorynque.\r\n");
    let reference = refused(&reply);
    assert!(reply.text.contains(&format!("Mairie : renvoyez avec [confirme {reference} motif].")), "{}", reply.text);
    assert!(subject(&house.delivered(ALICE, 1)[0]).contains("Mairie"));
    // A slip: said with its line, refused on start, and the old ones stay in force in the running gate.
    std::fs::write(texts.join("fr.ftl"), format!("{own}smtp-hold = x\n")).unwrap();
    let check = house.gate.command(&["check"], b"");
    let said = String::from_utf8_lossy(&[check.stdout, check.stderr].concat()).into_owned();
    assert!(said.contains("fr.ftl:3: there is no text \"smtp-hold\"; did you mean \"smtp-held\"?"), "{said}");
    assert_ne!(check.status.code(), Some(0));
    house.gate.signal("HUP");
    wait_until(SOON, "the refusal of the reload", || house.gate.log().contains("NOT reloaded"));
    assert!(house.send(&[BOB], "x", "Un ornithorynque, deux.\r\n").text.contains("Mairie"));
    house.gate.stop(SOON);
    assert!(house.gate.try_start().is_err());
}
