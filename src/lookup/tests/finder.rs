//! What many sources together answer: the order of trust, time, what is kept and for how long.

use super::{Told, made};
use crate::lookup::finder::{Finder, Guard, decide};
use crate::lookup::folder::Folder;
use crate::lookup::known::{KnownKeys, approve};
use crate::lookup::revocation::RevocationWatch;
use crate::lookup::settings::LookupSettings;
use crate::lookup::source::{Candidate, Given, Said, Source};
use crate::mail::{Address, UnixTime};
use crate::pipeline::AskKeys;
use crate::protect::trust::{Settings as TrustSettings, Trust};
use crate::protect::{FindKeys, LookUp, RecipientKey};
use crate::world::Clock;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const BOB: &str = "bob@example.net";

fn bob() -> Address {
    Address::parse(BOB).unwrap()
}

fn key(octets: Vec<u8>) -> Said {
    Said::Gave(Given { candidates: vec![("there".to_owned(), Candidate::Openpgp(octets))], ..Given::default() })
}

/// Says the same again and again, and counts.
fn says(said: Said) -> (Told, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let told: Told = Box::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        let said = said.clone();
        Box::pin(async move { said })
    });
    (told, count)
}

fn finder_in(folder: &Path, sources: &[Source], told: Vec<(Source, Told)>, clock: &Clock) -> Finder {
    let settings = LookupSettings { sources: sources.to_vec(), budget_seconds: 1, ..LookupSettings::default() };
    let open = |name: &str| Arc::new(Folder::open(&folder.join(name), Trust::default(), clock.now()));
    let folders = (open("recipients"), open("harvested"));
    Finder::new(settings, folders, Trust::default(), clock.clone()).unwrap().told(told.into_iter().collect::<HashMap<_, _>>())
}

fn word(look_up: LookUp) -> &'static str {
    match look_up {
        LookUp::Usable(_) => "usable",
        LookUp::Absent(_) => "absent",
        LookUp::Contested(_) => "contested",
        LookUp::Failed(_) => "failed",
    }
}

async fn answer(finder: &Finder, clock: &Clock) -> &'static str {
    finder.ready(&[bob()]).await;
    word(finder.find(&bob(), clock.now()))
}

#[tokio::test]
async fn the_first_usable_key_wins_and_a_failure_before_it_is_the_answer_for_every_combination() {
    let right = made::binary(&made::cert(&[BOB]));
    let (_, revoked) = made::revoked(BOB);
    let kinds = ["usable", "refused", "absent", "failed", "late", "panics"];
    let make = |kind: &'static str| -> Told {
        let (right, revoked) = (right.clone(), made::binary(&revoked));
        Box::new(move |_| {
            let (right, revoked) = (right.clone(), revoked.clone());
            Box::pin(async move {
                match kind {
                    "usable" => key(right),
                    "refused" => key(revoked),
                    "absent" => Said::nothing(),
                    "failed" => Said::Failed("no".into()),
                    "late" => std::future::pending().await,
                    _ => panic!("a source broke down"),
                }
            })
        })
    };
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::set_to(made::now());
    let mut running = Vec::new();
    for first in kinds {
        for second in kinds {
            for third in kinds {
                let told = [(Source::Ldap, first), (Source::Wkd, second), (Source::Dns, third)];
                let sources = [Source::Folder, Source::Ldap, Source::Wkd, Source::Dns];
                let finder = finder_in(
                    folder.path(),
                    &sources,
                    told.into_iter().map(|(source, kind)| (source, make(kind))).collect(),
                    &clock,
                );
                let expected = [first, second, third]
                    .into_iter()
                    .find_map(|kind| match kind {
                        "usable" => Some("usable"),
                        "failed" | "late" | "panics" => Some("failed"),
                        _ => None,
                    })
                    .unwrap_or("absent");
                let clock = clock.clone();
                running.push(tokio::spawn(async move {
                    let began = Instant::now();
                    let said = answer(&finder, &clock).await;
                    assert_eq!(said, expected, "{first}, {second}, {third}");
                    (began.elapsed(), first, second, third)
                }));
            }
        }
    }
    for one in running {
        let (took, first, second, third) = one.await.unwrap();
        assert!(took < Duration::from_secs(10), "{first}, {second}, {third}: {took:?}");
    }
}

#[tokio::test]
async fn rcpt_waits_for_nothing_and_many_who_ask_at_once_are_one_question() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::set_to(made::now());
    let right = made::binary(&made::cert(&[BOB]));
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let slow: Told = Box::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        let right = right.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            key(right)
        })
    });
    let finder = finder_in(folder.path(), &[Source::Folder, Source::Wkd], vec![(Source::Wkd, slow)], &clock);
    let began = Instant::now();
    for _ in 0..1000 {
        finder.begin(&bob());
    }
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    // Who does not wait knows nothing, and that is not "no key".
    assert_eq!(word(finder.find(&bob(), clock.now())), "failed");
    let all = (0..50).map(|_| {
        let (finder, clock) = (finder.clone(), clock.clone());
        tokio::spawn(async move { answer(&finder, &clock).await })
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), "usable");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_was_found_is_kept_absence_too_and_a_failure_is_soon_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let sources = [Source::Folder, Source::Wkd];
    for (said, expected, kept, ended) in [
        (key(made::binary(&made::cert(&[BOB]))), "usable", 18 * 3600, 24 * 3600),
        (Said::nothing(), "absent", 3599, 3600),
        (Said::Failed("no".into()), "failed", 29, 30),
    ] {
        let clock = Clock::set_to(made::now());
        let (told, count) = says(said);
        let finder = finder_in(folder.path(), &sources, vec![(Source::Wkd, told)], &clock);
        for _ in 0..3 {
            assert_eq!(answer(&finder, &clock).await, expected);
        }
        clock.advance(kept);
        assert_eq!(answer(&finder, &clock).await, expected);
        assert_eq!(count.load(Ordering::SeqCst), 1, "{expected}");
        clock.advance(ended - kept);
        assert_eq!(answer(&finder, &clock).await, expected);
        assert_eq!(count.load(Ordering::SeqCst), 2, "{expected}");
    }
}

#[tokio::test]
async fn a_key_is_asked_for_again_before_it_ends_and_stays_in_force_while_its_server_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::set_to(made::now());
    let says_now = Arc::new(Mutex::new(key(made::binary(&made::expiring(BOB, 10_000)))));
    let (said, count) = (says_now.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    let told: Told = Box::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        let said = said.lock().unwrap().clone();
        Box::pin(async move { said })
    });
    let finder = finder_in(folder.path(), &[Source::Folder, Source::Wkd], vec![(Source::Wkd, told)], &clock);
    assert_eq!(answer(&finder, &clock).await, "usable");
    *says_now.lock().unwrap() = Said::Failed("away".into());
    clock.advance(8_500);
    assert_eq!(answer(&finder, &clock).await, "usable");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((answer(&finder, &clock).await, count.load(Ordering::SeqCst)), ("usable", 2));
    // The key itself has ended now: nobody knows of another.
    clock.advance(1_600);
    assert_eq!(answer(&finder, &clock).await, "failed");
    *says_now.lock().unwrap() = key(made::binary(&made::cert(&[BOB])));
    clock.advance(31);
    assert_eq!(answer(&finder, &clock).await, "usable");
}

#[tokio::test]
async fn a_revocation_that_was_seen_once_stays_whoever_gives_the_older_copy() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::set_to(made::now());
    let (fresh, taken_back) = made::revoked(BOB);
    let answers = Arc::new(Mutex::new(vec![made::binary(&fresh), made::binary(&taken_back), made::binary(&fresh)]));
    let told: Told = Box::new(move |_| {
        let octets = answers.lock().unwrap().pop().unwrap();
        Box::pin(async move { key(octets) })
    });
    let finder = finder_in(folder.path(), &[Source::Folder, Source::Wkd], vec![(Source::Wkd, told)], &clock);
    assert_eq!(answer(&finder, &clock).await, "usable");
    clock.advance(25 * 3600);
    assert_eq!(answer(&finder, &clock).await, "absent");
    clock.advance(25 * 3600);
    assert_eq!(answer(&finder, &clock).await, "absent");
}

#[tokio::test]
async fn a_key_of_the_folder_is_looked_after_without_anybody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::set_to(made::now());
    let (fresh, taken_back) = made::revoked(BOB);
    std::fs::create_dir(folder.path().join("recipients")).unwrap();
    std::fs::write(folder.path().join("recipients/bob.asc"), made::armored(&fresh)).unwrap();
    let octets = made::binary(&taken_back);
    let count = Arc::new(AtomicUsize::new(0));
    let asked = count.clone();
    // Later than the first answer, which does not wait for it.
    let told: Told = Box::new(move |_| {
        asked.fetch_add(1, Ordering::SeqCst);
        let octets = octets.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            key(octets)
        })
    });
    let finder = finder_in(folder.path(), &[Source::Folder, Source::Wkd], vec![(Source::Wkd, told)], &clock);
    assert_eq!(answer(&finder, &clock).await, "usable");
    let end = Instant::now() + Duration::from_secs(5);
    while word(finder.find(&bob(), clock.now())) == "usable" && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The directory has nothing but the revoked one, so there is none.
    assert_eq!(answer(&finder, &clock).await, "absent");
    assert!(count.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn what_was_harvested_counts_only_where_it_is_named_and_last() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::set_to(made::now());
    std::fs::create_dir(folder.path().join("harvested")).unwrap();
    std::fs::write(folder.path().join("harvested/bob.asc"), made::armored(&made::cert(&[BOB]))).unwrap();
    let with = |said: Said, sources: &[Source]| finder_in(folder.path(), sources, vec![(Source::Wkd, says(said).0)], &clock);
    let all = [Source::Folder, Source::Wkd, Source::Harvested];
    assert_eq!(answer(&with(Said::nothing(), &all), &clock).await, "usable");
    assert_eq!(answer(&with(Said::Failed("no".into()), &all), &clock).await, "failed");
    assert_eq!(answer(&with(Said::nothing(), &all[..2]), &clock).await, "absent");
}

/// Whoever takes over a directory and gives out a key of his own makes mail wait, not leave: not sealed to his key, not in clear, not sealed
/// by the word of a less trusted source. An officer's approval counts at the next message.
#[tokio::test]
async fn a_changed_key_is_contested_until_an_officer_approves_it_and_then_used_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::set_to(made::now());
    let (first, second) = (made::cert(&[BOB]), made::cert(&[BOB]));
    let (data, keys) = (folder.path().join("data"), folder.path().join("keys"));
    std::fs::create_dir(&data).unwrap();
    let says_now = Arc::new(Mutex::new(key(made::binary(&first))));
    let open = || {
        let said = says_now.clone();
        let told: Told = Box::new(move |_| {
            let said = said.lock().unwrap().clone();
            Box::pin(async move { said })
        });
        let other: Told = says(key(made::binary(&made::cert(&[BOB])))).0;
        let sources = [Source::Folder, Source::Wkd, Source::Dns];
        let finder = finder_in(folder.path(), &sources, vec![(Source::Wkd, told), (Source::Dns, other)], &clock);
        let known = Arc::new(KnownKeys::open(&data, &keys).unwrap());
        let settings = TrustSettings::default();
        let watch = Arc::new(RevocationWatch::open(&settings, &data.join("revocation"), None).0);
        finder.set_guard(Guard { watch, known });
        finder
    };
    assert_eq!(answer(&open(), &clock).await, "usable");
    *says_now.lock().unwrap() = key(made::binary(&second));
    // A start forgets what was found, not what was known.
    let finder = open();
    assert_eq!(answer(&finder, &clock).await, "contested");
    // What `postern keys find` shows is the same.
    let asked = finder.survey(&bob()).await;
    assert!(asked.iter().any(|one| one.source == Source::Wkd && one.contested));
    assert_eq!(decide(&asked).word(), "contested");
    approve(&keys, &second.fingerprint().to_hex(), clock.now()).unwrap();
    assert_eq!(answer(&finder, &clock).await, "usable");
    let LookUp::Usable(found) = finder.find(&bob(), clock.now()) else { panic!("not usable") };
    assert!(matches!(&found[..], [RecipientKey::Openpgp(key)] if key.fingerprint() == second.fingerprint().to_hex()));
    assert_eq!(answer(&open(), &clock).await, "usable");
    // Taken back by its owner, it stands in nobody's way; left out, it does.
    let (third, taken_back) = made::revoked(BOB);
    let successor = made::binary(&made::cert(&[BOB]));
    let two = |old: &[u8]| {
        let candidates = [old, &successor].map(|octets| ("there".to_owned(), Candidate::Openpgp(octets.to_vec())));
        Said::Gave(Given { candidates: candidates.into(), ..Given::default() })
    };
    approve(&keys, &third.fingerprint().to_hex(), clock.now()).unwrap();
    *says_now.lock().unwrap() = key(made::binary(&third));
    assert_eq!(answer(&open(), &clock).await, "usable");
    let known = || KnownKeys::open(&data, &keys).unwrap();
    // The second one of before is valid still, and known: it goes too.
    known().forget(&bob(), &second.fingerprint().to_hex()).unwrap();
    known().forget(&bob(), &first.fingerprint().to_hex()).unwrap();
    *says_now.lock().unwrap() = key(successor.clone());
    assert_eq!(answer(&open(), &clock).await, "contested");
    *says_now.lock().unwrap() = two(&made::binary(&taken_back));
    assert_eq!(answer(&open(), &clock).await, "usable");
}

#[tokio::test]
async fn domains_that_are_not_to_be_asked_are_not_asked() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::set_to(UnixTime(made::now().0));
    let (told, count) = says(Said::Failed("no".into()));
    let settings = LookupSettings {
        sources: vec![Source::Folder, Source::Wkd],
        not_asked: vec!["net".parse().unwrap()],
        ..LookupSettings::default()
    };
    let open = |name: &str| Arc::new(Folder::open(&folder.path().join(name), Trust::default(), clock.now()));
    let finder = Finder::new(settings, (open("recipients"), open("harvested")), Trust::default(), clock.clone()).unwrap();
    let finder = finder.told([(Source::Wkd, told)].into());
    assert_eq!((answer(&finder, &clock).await, count.load(Ordering::SeqCst)), ("absent", 0));
}
