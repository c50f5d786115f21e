//! What asking a web server costs at most, and where it never leads.

use super::web::{Does, Web};
use crate::lookup::http::{Http, HttpError, HttpSettings, Question};
use crate::lookup::names::Names;
use crate::lookup::url::Url;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const HOST: &str = "keys.example.org";

fn names() -> Names {
    // Nobody answers there: a test that needs a name has it in `hosts`.
    Names::new(&["127.0.0.1:1".parse().unwrap()]).unwrap()
}

fn settings(web: &Web) -> HttpSettings {
    HttpSettings {
        ca: Some(web.ca.clone()),
        hosts: [(HOST.to_owned(), web.address), ("other.example.org".to_owned(), web.address)].into(),
        ..HttpSettings::default()
    }
}

fn question(path: &str) -> Question {
    Question::get(Url::parse(&format!("https://{HOST}{path}")).unwrap()).within(Duration::from_millis(1500)).at_most(1000)
}

#[tokio::test]
async fn each_kind_of_answer_is_given_or_refused_within_its_budget() {
    let web = Web::serve(Some(&[HOST, "other.example.org"]), |_, path| match path {
        "/key" => Does::give("key"),
        "/none" => Does::refuse(404),
        "/exact" => Does::give(vec![b'x'; 1000]),
        "/large" => Does::give(vec![b'x'; 1001]),
        "/chunked" => Does::Says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nkey\r\n0\r\n\r\n".to_vec()),
        "/flood" => Does::Floods,
        "/drip" => Does::Drips,
        "/silent" => Does::IsSilent,
        "/garbage" => Does::Says(vec![b'\xff'; 1_000_000]),
        "/head" => Does::Says([b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; 100_000]].concat()),
        "/fields" => Does::Says(format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(500)).into()),
        "/cut" => Does::Says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nkey".to_vec()),
        "/nothing" => Does::Says(Vec::new()),
        "/gzip" => Does::Answers { status: 200, fields: "Content-Encoding: gzip\r\n", body: vec![1, 2, 3] },
        "/once" => Does::RedirectsTo("/key".into()),
        "/over" => Does::RedirectsTo("https://other.example.org/key".into()),
        "/loop" => Does::RedirectsTo("/loop".into()),
        "/down" => Does::RedirectsTo("http://keys.example.org/key".into()),
        "/inside" => Does::RedirectsTo("https://127.0.0.1/key".into()),
        "/metadata" => Does::RedirectsTo("https://169.254.169.254/latest/meta-data/".into()),
        "/mapped" => Does::RedirectsTo("https://[::ffff:127.0.0.1]/key".into()),
        "/decimal" => Does::RedirectsTo("https://2130706433/key".into()),
        "/file" => Does::RedirectsTo("file:///etc/passwd".into()),
        "/port" => Does::RedirectsTo("https://1.1.1.1:22/key".into()),
        "/dotless" => Does::RedirectsTo("https://localhost/key".into()),
        _ => panic!("{path}"),
    })
    .await;
    let http = Http::new(&settings(&web), names()).unwrap();
    let given = |body: &str| Ok((200, body.len()));
    let inside = |host: &str| Err(HttpError::Inside(host.to_owned()));
    for (path, expected) in [
        ("/key", given("key")),
        ("/none", Ok((404, 15))),
        ("/exact", Ok((200, 1000))),
        ("/large", Err(HttpError::TooLarge(1000))),
        ("/chunked", given("key")),
        ("/flood", Err(HttpError::TooLarge(1000))),
        ("/drip", Err(HttpError::TooLarge(1000))),
        ("/silent", Err(HttpError::TimedOut(HOST.into()))),
        ("/garbage", Err(HttpError::Protocol("it cannot be read"))),
        ("/head", Err(HttpError::Protocol("it cannot be read"))),
        ("/fields", Err(HttpError::Protocol("it cannot be read"))),
        ("/cut", Err(HttpError::Lost(HOST.into()))),
        ("/nothing", Err(HttpError::Lost(HOST.into()))),
        ("/gzip", Err(HttpError::Protocol("it is compressed, though that was not asked for"))),
        ("/once", given("key")),
        ("/over", given("key")),
        ("/loop", Err(HttpError::Redirects)),
        ("/down", Err(HttpError::Plain(HOST.into()))),
        ("/inside", inside("127.0.0.1")),
        ("/metadata", inside("169.254.169.254")),
        ("/mapped", inside("::ffff:127.0.0.1")),
        ("/dotless", inside("localhost")),
        ("/port", Err(HttpError::Port("1.1.1.1:22".into()))),
    ] {
        let began = Instant::now();
        let answer = http.ask(question(path)).await.map(|answer| (answer.status, answer.body.len()));
        assert_eq!(answer, expected, "{path}");
        assert!(began.elapsed() < Duration::from_secs(2), "{path}: {:?}", began.elapsed());
    }
    for path in ["/decimal", "/file"] {
        assert!(matches!(http.ask(question(path)).await, Err(HttpError::Url(_))), "{path}");
    }
    // A drip under the limit of size ends with the time.
    let drip = http.ask(question("/drip").at_most(200_000)).await.map(|_| ());
    assert_eq!(drip, Err(HttpError::TimedOut(HOST.into())));
    assert_eq!(web.asked().iter().filter(|asked| asked.ends_with("/loop")).count(), 4);
}

#[tokio::test]
async fn a_server_that_cannot_prove_its_name_is_not_believed() {
    let web = Web::serve(Some(&["elsewhere.example.org"]), |_, _| Does::give("key")).await;
    let http = Http::new(&settings(&web), names()).unwrap();
    match http.ask(question("/key")).await {
        Err(HttpError::NotProven(_, why)) => assert_eq!(why, "its certificate is for other names"),
        other => panic!("{:?}", other.map(|answer| answer.status)),
    }
    let strangers = Http::new(&HttpSettings { ca: None, ..settings(&web) }, names()).unwrap();
    match strangers.ask(question("/key")).await {
        Err(HttpError::NotProven(_, why)) => assert_eq!(why, "its certificate is by an unknown authority"),
        other => panic!("{:?}", other.map(|answer| answer.status)),
    }
    assert_eq!(web.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn machines_inside_are_asked_only_where_the_operator_said_so() {
    let web = Web::serve(None, |_, _| Does::give("crl")).await;
    let plain = || Question::get(Url::parse(&format!("http://{}/crl", web.address)).unwrap()).also_plain();
    let guarded = Http::new(&HttpSettings::default(), names()).unwrap();
    assert_eq!(guarded.ask(plain()).await.map(|_| ()), Err(HttpError::Inside("127.0.0.1".into())));
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let allowed = Http::new(&HttpSettings { allow, ..HttpSettings::default() }, names()).unwrap();
    assert_eq!(allowed.ask(plain()).await.unwrap().body, b"crl");
    let url = Url::parse(&format!("http://{}/ocsp", web.address)).unwrap();
    let posted = Question::post(url.clone(), "application/ocsp-request", b"question".to_vec()).also_plain();
    assert_eq!(allowed.ask(posted).await.unwrap().status, 200);
    let strict = allowed.ask(Question::get(url)).await.map(|_| ());
    assert_eq!(strict, Err(HttpError::Plain("127.0.0.1".into())));
    assert_eq!(web.asked(), [format!("{}/crl", web.address), format!("{}/ocsp question", web.address)]);
}

#[tokio::test]
async fn a_proxy_is_asked_for_outside_hosts_and_not_for_inside_ones() {
    let web = Web::serve(Some(&["far.example.org"]), |_, _| Does::give("key")).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (proxy, target) = (listener.local_addr().unwrap(), web.address);
    let said = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        client.write_all(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n").await.unwrap();
        let mut server = tokio::net::TcpStream::connect(target).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        String::from_utf8(head).unwrap()
    });
    let through = HttpSettings { proxy: Some(format!("http://{proxy}")), ca: Some(web.ca.clone()), ..HttpSettings::default() };
    let http = Http::new(&through, names()).unwrap();
    for inside in ["127.0.0.1", "10.0.0.1", "printer", "printer.local", "metadata.google.internal"] {
        let url = Url::parse(&format!("https://{inside}/")).unwrap();
        assert_eq!(http.ask(Question::get(url)).await.map(|_| ()), Err(HttpError::Inside(inside.into())), "{inside}");
    }
    let url = Url::parse("https://far.example.org/key").unwrap();
    assert_eq!(http.ask(Question::get(url)).await.unwrap().body, b"key");
    drop(web);
    assert!(said.await.unwrap().starts_with("CONNECT far.example.org:443 HTTP/1.1\r\nHost: far.example.org:443\r\n"));
    for proxy in ["", "proxy.example.org", "https://proxy.example.org:3128", "proxy.example.org:port", "p:1/x"] {
        let wrong = HttpSettings { proxy: Some(proxy.into()), ..HttpSettings::default() };
        assert!(Http::new(&wrong, names()).is_err(), "{proxy}");
    }
}
