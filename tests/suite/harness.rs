//! The suite's own client and sink against each other: a test tool that lies would make every other test lie.

use super::client::{Client, stuffed};
use super::sink::{Act, Phase, Sink};
use std::time::Duration;

#[test]
fn what_the_client_sends_is_what_the_sink_keeps() {
    let sink = Sink::start();
    let mut client = Client::plain(sink.address()).unwrap();
    client.good("EHLO client.example.org").unwrap();
    for (message, kept) in [
        (&b"A: b\r\n\r\n.dot\r\n..two\r\nend\r\n"[..], &b"A: b\r\n\r\n.dot\r\n..two\r\nend\r\n"[..]),
        (b"A: b\r\n\r\nno end", b"A: b\r\n\r\nno end\r\n"),
        (b"", b""),
        (b"A: \xc3\xa9\r\n\r\n\xff\r\n", b"A: \xc3\xa9\r\n\r\n\xff\r\n"),
    ] {
        let reply = client.send("a@example.org", &["b@example.net", "c@example.net"], message).unwrap();
        assert_eq!(reply.code, 250, "{reply:?}");
        let taken = sink.taken().pop().unwrap();
        assert_eq!(taken.data, kept);
        assert_eq!(taken.mail_from, "a@example.org");
        assert_eq!(taken.recipients, ["b@example.net", "c@example.net"]);
    }
    assert_eq!(sink.taken().len(), 4);
    assert_eq!(stuffed(b".\r\n"), b"..\r\n.\r\n");
}

#[test]
fn the_sink_fails_where_it_is_told_to_and_as_often() {
    let phases = [Phase::Mail, Phase::Rcpt, Phase::Data, Phase::Dot];
    for phase in phases {
        let sink = Sink::start();
        sink.fail(phase, Act::Say("451 4.3.0 not now"), 1);
        let mut client = Client::plain(sink.address()).unwrap();
        client.good("EHLO client.example.org").unwrap();
        assert_eq!(client.send("a@example.org", &["b@example.net"], b"A: b\r\n\r\nx\r\n").unwrap().code, 451, "{phase:?}");
        assert_eq!(sink.taken().len(), 0);
        client.good("RSET").unwrap();
        assert_eq!(client.send("a@example.org", &["b@example.net"], b"A: b\r\n\r\nx\r\n").unwrap().code, 250, "{phase:?}");
        assert_eq!(sink.wait_for(1, Duration::from_secs(1)).len(), 1);
    }
    for phase in [Phase::Banner, Phase::Ehlo, Phase::Mail, Phase::Body, Phase::Dot] {
        let sink = Sink::start();
        sink.fail(phase, Act::Drop, 1);
        let dropped = Client::plain(sink.address())
            .and_then(|mut client| {
                client.good("EHLO client.example.org")?;
                client.send("a@example.org", &["b@example.net"], b"A: b\r\n\r\nx\r\n")
            })
            .is_err();
        assert!(dropped, "{phase:?}");
        assert_eq!(sink.taken().len(), 0);
    }
    let sink = Sink::start();
    sink.fail(Phase::Dot, Act::KeepThenDrop, 1);
    let mut client = Client::plain(sink.address()).unwrap();
    client.good("EHLO client.example.org").unwrap();
    assert!(client.send("a@example.org", &["b@example.net"], b"A: b\r\n\r\nx\r\n").is_err());
    assert_eq!(sink.taken().len(), 1);
}
