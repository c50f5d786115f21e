//! Turns the questions of a judgement about domains into answers of DNS and of web servers.

use super::http::{Http, Question as Page};
use super::names::configuration;
use super::url::Url;
use crate::domains::{Answer, Answers, Data, Kind, Question};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Asks afresh: an answer that is kept would hide what has just been published.
#[derive(Clone)]
pub struct Records {
    resolver: TokioResolver,
    http: Option<Http>,
}

/// Questions of one judgement, and of those the ones under way at a time.
const MOST_QUESTIONS: usize = 2_000;
const AT_ONCE: usize = 16;
/// Rounds of one judgement: each asks for what the last made known.
const MOST_ROUNDS: usize = 64;
/// For one question with its second try and its aliases.
const ONE_QUESTION: Duration = Duration::from_secs(6);
/// Octets of one TXT record that are kept.
const LONGEST_TEXT: usize = 16 * 1024;
/// Records of one answer that are kept.
const MOST_RECORDS: usize = 200;
/// RFC 8461 §3.3.
const POLICY_OCTETS: usize = 64 * 1024;
const POLICY_PATIENCE: Duration = Duration::from_secs(10);

impl Records {
    /// `servers` empty: those of the system. Without `http` no page is read. Errors name the setting.
    pub fn new(servers: &[SocketAddr], http: Option<Http>) -> Result<Records, String> {
        let (config, mut options) = configuration(servers)?;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.attempts = 2;
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
        Ok(Records { resolver: builder.build().map_err(|why| format!("the resolver cannot be made: {why}"))?, http })
    }

    /// One for each server, so that none of them speaks for the others; one alone for those of the system.
    pub fn of_each(servers: &[SocketAddr]) -> Result<Vec<Records>, String> {
        match servers {
            [] => Ok(vec![Records::new(&[], None)?]),
            servers => servers.iter().map(|server| Records::new(&[*server], None)).collect(),
        }
    }

    /// Judges, asks for what the judgement wanted, and judges again until it wants nothing more. What cannot be asked within `budget` has
    /// failed.
    pub async fn judge<T>(&self, budget: Duration, mut judge: impl FnMut(&Answers) -> T) -> T {
        let end = Instant::now() + budget;
        let mut answers = Answers::default();
        let mut asked = 0;
        for round in 0..MOST_ROUNDS {
            let judged = judge(&answers);
            let wanted = answers.take_wanted();
            if wanted.is_empty() {
                return judged;
            }
            let mut wanted = wanted.into_iter();
            let mut under_way = JoinSet::new();
            loop {
                while under_way.len() < AT_ONCE
                    && let Some(question) = wanted.next()
                {
                    asked += 1;
                    if asked > MOST_QUESTIONS || round + 2 >= MOST_ROUNDS {
                        answers.insert(question, Answer::Failed("too many questions in a row".into()));
                        continue;
                    }
                    let records = self.clone();
                    let left = end.saturating_duration_since(Instant::now());
                    under_way.spawn(async move {
                        let answer = timeout(left, records.ask(&question)).await;
                        (question, answer.unwrap_or_else(|_| Answer::Failed("was not answered in time".into())))
                    });
                }
                match under_way.join_next().await {
                    Some(Ok((question, answer))) => answers.insert(question, answer),
                    Some(Err(_)) => {}
                    None => break,
                }
            }
        }
        judge(&answers)
    }

    pub async fn ask(&self, question: &Question) -> Answer {
        match question {
            Question::Dns(name, kind) => match timeout(ONE_QUESTION, self.dns(name, *kind)).await {
                Ok(answer) => answer,
                Err(_) => Answer::Failed("was not answered in time".into()),
            },
            Question::Page(url) => self.page(url).await,
        }
    }

    async fn dns(&self, name: &str, kind: Kind) -> Answer {
        // With its final dot: search lists of resolv.conf would make another name of it.
        let Ok(full) = Name::from_ascii(format!("{name}.")) else { return Answer::NoSuchName };
        let kind = match kind {
            Kind::Txt => RecordType::TXT,
            Kind::Mx => RecordType::MX,
            Kind::A => RecordType::A,
            Kind::Aaaa => RecordType::AAAA,
            Kind::Ptr => RecordType::PTR,
            Kind::Cname => RecordType::CNAME,
        };
        match self.resolver.lookup(full, kind).await {
            Ok(found) => {
                let of_kind = found.answers().iter().filter(|record| record.record_type() == kind);
                let records: Vec<Data> = of_kind.take(MOST_RECORDS).filter_map(|record| data(&record.data)).collect();
                if records.is_empty() { Answer::Nothing } else { Answer::Records(records) }
            }
            Err(why) if why.is_nx_domain() => Answer::NoSuchName,
            Err(why) if why.is_no_records_found() => Answer::Nothing,
            Err(NetError::Timeout) => Answer::Failed("was not answered in time".into()),
            Err(_) => Answer::Failed("was not answered by a resolver".into()),
        }
    }

    async fn page(&self, url: &str) -> Answer {
        let Some(http) = &self.http else { return Answer::Failed("nothing is asked over https here".into()) };
        let url = match Url::parse(url) {
            Ok(url) => url,
            Err(why) => return Answer::Failed(why.to_string()),
        };
        let question =
            Page::get(url).within(POLICY_PATIENCE).at_most(POLICY_OCTETS).without_redirects().accepting("text/plain");
        match http.ask(question).await {
            Ok(answer) if answer.status != 200 => Answer::Failed(format!("the server answers {}", answer.status)),
            // RFC 8461 §3.2: text/plain.
            Ok(answer) if answer.content_type != "text/plain" => {
                Answer::Failed(format!("its Content-Type is \"{}\", not text/plain", answer.content_type))
            }
            Ok(answer) => Answer::Page(String::from_utf8_lossy(&answer.body).into_owned()),
            Err(why) => Answer::Failed(why.to_string()),
        }
    }
}

fn data(data: &RData) -> Option<Data> {
    let host = |name: &Name| name.to_ascii().trim_end_matches('.').to_ascii_lowercase();
    match data {
        RData::TXT(txt) => {
            let mut octets = Vec::new();
            for part in &txt.txt_data {
                octets.extend_from_slice(part);
                if octets.len() > LONGEST_TEXT {
                    octets.truncate(LONGEST_TEXT + 1);
                    break;
                }
            }
            Some(Data::Txt(String::from_utf8_lossy(&octets).into_owned()))
        }
        RData::MX(mx) => Some(Data::Mx(mx.preference, host(&mx.exchange))),
        RData::A(a) => Some(Data::Address(a.0.into())),
        RData::AAAA(aaaa) => Some(Data::Address(aaaa.0.into())),
        RData::PTR(ptr) => Some(Data::Name(host(&ptr.0))),
        RData::CNAME(cname) => Some(Data::Name(host(&cname.0))),
        _ => None,
    }
}
