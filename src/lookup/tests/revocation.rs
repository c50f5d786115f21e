//! What is fetched about revoked certificates: from a web server's list, from OpenSSL's own responder, and what is not believed.

use super::web::{Does, Web};
use crate::lookup::folder::Folder;
use crate::lookup::http::{Http, HttpSettings};
use crate::lookup::names::Names;
use crate::lookup::revocation::{RevocationWatch, read_certificates};
use crate::mail::{Address, UnixTime};
use crate::protect::trust::{CheckRevocation, Settings, Trust};
use crate::protect::{FindKeys, LookUp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct House {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    key_pem: String,
    root: rcgen::Certificate,
}

const DAY: Duration = Duration::from_secs(86_400);

fn now() -> UnixTime {
    UnixTime(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64)
}

impl House {
    fn build() -> House {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2090, 1, 1));
        let root = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), root.pem()).unwrap();
        std::fs::write(folder.path().join("ca.key"), key.serialize_pem()).unwrap();
        std::fs::create_dir(folder.path().join("recipients")).unwrap();
        House { folder, key_pem: key.serialize_pem(), issuer: Issuer::new(params, key), root }
    }

    /// In `recipients/`: for `<name>@example.net`, with this serial number and these places to ask.
    fn issue(&self, name: &str, serial: u8, list: Option<&str>, responder: Option<&str>) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        let address = format!("{name}@example.net");
        params.subject_alt_names = vec![SanType::Rfc822Name(address.as_str().try_into().unwrap())];
        params.serial_number = Some(SerialNumber::from_slice(&[0x10, serial]));
        params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2089, 1, 1));
        params.crl_distribution_points =
            list.iter().map(|url| CrlDistributionPoint { uris: vec![(*url).to_owned()] }).collect();
        if let Some(url) = responder {
            // AuthorityInfoAccess: one accessDescription, id-ad-ocsp, a URI.
            let url = [&[0x86, url.len() as u8], url.as_bytes()].concat();
            let one = [&[6, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1][..], &url].concat();
            let one = [&[0x30, one.len() as u8][..], &one].concat();
            let content = [&[0x30, one.len() as u8][..], &one].concat();
            params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], content));
        }
        let certificate = params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap();
        std::fs::write(self.path().join(format!("recipients/{name}.pem")), certificate.pem()).unwrap();
    }

    fn list(&self, serials: &[u8]) -> Vec<u8> {
        let at = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(now().0 as u64);
        let revoked = |serial: &u8| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[0x10, *serial]),
            revocation_time: at - DAY,
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: at - DAY,
            next_update: at + 2 * DAY,
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().der().as_ref().to_vec()
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn settings(&self) -> Settings {
        Settings { revocation: CheckRevocation::Hard, fetch_seconds: 3, renew_before_hours: 1, ..Settings::default() }
    }

    fn trust(&self) -> Trust {
        let mut trust = Trust::new(&[self.root.der().to_vec()], &[]);
        trust.check_revocation = CheckRevocation::Hard;
        trust
    }

    fn keys(&self, watch: &RevocationWatch) -> Folder {
        Folder::open(&self.path().join("recipients"), self.trust().with_revocations(watch.known()), now())
    }

    fn watch(&self, hosts: &[(&str, SocketAddr)]) -> RevocationWatch {
        let hosts: BTreeMap<String, SocketAddr> = hosts.iter().map(|(host, at)| ((*host).to_owned(), *at)).collect();
        let http = Http::new(
            &HttpSettings { hosts, ..HttpSettings::default() },
            Names::new(&["127.0.0.1:9".parse().unwrap()]).unwrap(),
        );
        RevocationWatch::open(&self.settings(), &self.path().join("cache"), Some(http.unwrap())).0
    }
}

async fn learn(watch: &RevocationWatch, keys: &Folder) -> bool {
    let learned = watch.learn(&keys.asks(watch.ahead(now())), now()).await;
    keys.set_revocations(watch.known());
    learned
}

fn find(keys: &Folder, name: &str) -> LookUp {
    keys.find(&Address::parse(&format!("{name}@example.net")).unwrap(), now())
}

#[tokio::test]
async fn a_list_is_fetched_where_the_certificate_says_and_survives_a_restart() {
    let house = House::build();
    house.issue("good", 1, Some("http://pki.example.net/ca.crl"), None);
    house.issue("gone", 2, Some("http://pki.example.net/ca.crl"), None);
    let list = house.list(&[2]);
    let web =
        Web::serve(None, move |_, path| if path == "/ca.crl" { Does::give(list.clone()) } else { Does::refuse(404) }).await;
    let watch = house.watch(&[("pki.example.net", web.address)]);
    let keys = house.keys(&watch);
    // Before anybody was asked nobody knows: that is no "no key".
    assert!(matches!(find(&keys, "good"), LookUp::Failed(why) if why.contains("nobody could say")));
    assert!(learn(&watch, &keys).await);
    assert!(matches!(find(&keys, "good"), LookUp::Usable(_)));
    assert!(matches!(find(&keys, "gone"), LookUp::Absent(why) if why[0].reason.contains("it was revoked on")));
    // One question for both, and none as long as the answer is good.
    assert_eq!(web.asked().len(), 1);
    assert!(!learn(&watch, &keys).await);
    assert_eq!(web.asked().len(), 1);
    drop(web);
    let (again, problems) = RevocationWatch::open(&house.settings(), &house.path().join("cache"), None);
    assert!(problems.is_empty(), "{problems:?}");
    let keys = house.keys(&again);
    assert!(matches!(find(&keys, "good"), LookUp::Usable(_)));
    assert!(matches!(find(&keys, "gone"), LookUp::Absent(_)));
}

#[tokio::test]
async fn what_is_no_proof_is_not_kept_and_costs_no_more_than_its_budget() {
    let house = House::build();
    let other = House::build();
    for (nth, path) in ["garbage", "foreign", "missing", "slow", "flood", "html"].into_iter().enumerate() {
        house.issue(path, nth as u8, Some(&format!("http://pki.example.net/{path}")), None);
    }
    let foreign = other.list(&[]);
    let web = Web::serve(None, move |_, path| match path {
        "/garbage" => Does::give(vec![0x30; 1 << 20]),
        "/foreign" => Does::give(foreign.clone()),
        "/slow" => Does::Drips,
        "/flood" => Does::Floods,
        "/html" => Does::give("<html>moved</html>"),
        _ => Does::refuse(404),
    })
    .await;
    let watch = house.watch(&[("pki.example.net", web.address)]);
    let keys = house.keys(&watch);
    let began = std::time::Instant::now();
    assert!(!learn(&watch, &keys).await);
    // Two of the six end by their three seconds.
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    for name in ["garbage", "foreign", "missing", "slow", "flood", "html"] {
        assert!(matches!(find(&keys, name), LookUp::Failed(_)), "{name}");
    }
    assert!(watch.known().is_empty());
    assert_eq!(web.asked().len(), 6);
    // What failed is not asked again at once.
    learn(&watch, &keys).await;
    assert_eq!(web.asked().len(), 6);
}

/// The addresses in a certificate are whoever's who made it: without an anchor above it nobody is asked.
#[tokio::test]
async fn a_stranger_cannot_make_the_gate_ask_anybody() {
    let house = House::build();
    house.issue("good", 1, Some("http://pki.example.net/ca.crl"), Some("http://ocsp.example.net/"));
    let web = Web::serve(None, |_, _| Does::refuse(404)).await;
    let watch = house.watch(&[("pki.example.net", web.address), ("ocsp.example.net", web.address)]);
    let stranger = House::build();
    let keys = Folder::open(&house.path().join("recipients"), stranger.trust(), now());
    assert!(keys.asks(now()).is_empty());
    assert!(!learn(&watch, &keys).await);
    let keys = house.keys(&watch);
    learn(&watch, &keys).await;
    assert_eq!(web.asked().len(), 2, "{:?}", web.asked());
    // And a name that leads inside is not asked whoever vouches for it.
    let inside = House::build();
    inside.issue("good", 1, Some(&format!("http://127.0.0.1:{}/ca.crl", web.address.port())), None);
    let watch = inside.watch(&[]);
    let keys = inside.keys(&watch);
    assert!(!keys.asks(now()).is_empty());
    learn(&watch, &keys).await;
    assert_eq!(web.asked().len(), 2, "{:?}", web.asked());
}

struct Responder(Child);

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn openssls_own_responder_is_asked_and_believed() {
    if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
        assert!(std::env::var_os("POSTERN_REQUIRE_PEERS").is_none(), "openssl is required");
        println!("LEFT OUT openssls_own_responder_is_asked_and_believed: openssl is not installed");
        return;
    }
    let house = House::build();
    assert!(house.key_pem.contains("PRIVATE KEY"));
    house.issue("good", 1, None, Some("http://ocsp.example.net/"));
    house.issue("gone", 2, None, Some("http://ocsp.example.net/"));
    house.issue("strange", 3, None, Some("http://ocsp.example.net/"));
    let index =
        "V\t890101000000Z\t\t1001\tunknown\t/CN=good\nR\t890101000000Z\t261101000000Z,keyCompromise\t1002\tunknown\t/CN=gone\n";
    std::fs::write(house.path().join("index.txt"), index).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let line = format!("ocsp -port {port} -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -ndays 1");
    let mut command = Command::new("openssl");
    let child = command
        .args(line.split(' '))
        .current_dir(house.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _responder = Responder(child);
    let address: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    // Refused at first. A connection that says nothing would stop this responder for good, so it is asked until it answers.
    let (mut watch, mut learned) = (house.watch(&[]), false);
    for _ in 0..100 {
        watch = house.watch(&[("ocsp.example.net", address)]);
        let keys = house.keys(&watch);
        assert!(matches!(find(&keys, "good"), LookUp::Failed(_)));
        learned = learn(&watch, &keys).await;
        if learned {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(learned);
    let keys = house.keys(&watch);
    assert!(matches!(find(&keys, "good"), LookUp::Usable(_)), "{:?}", find(&keys, "good"));
    let gone = find(&keys, "gone");
    assert!(matches!(&gone, LookUp::Absent(why) if why[0].reason.contains("its key was compromised")), "{gone:?}");
    let strange = find(&keys, "strange");
    assert!(matches!(&strange, LookUp::Failed(_)), "{strange:?}");
}

#[test]
fn a_folder_of_lists_is_watched_and_what_is_wrong_in_it_is_named() {
    let house = House::build();
    house.issue("gone", 2, None, None);
    let lists = house.path().join("crls");
    std::fs::create_dir(&lists).unwrap();
    std::fs::write(lists.join("ca.crl"), house.list(&[])).unwrap();
    std::fs::write(lists.join("broken.crl"), "no list").unwrap();
    let settings = Settings { crls: Some(lists.clone()), ..house.settings() };
    let (watch, problems) = RevocationWatch::open(&settings, &house.path().join("cache"), None);
    assert!(problems.len() == 1 && problems[0].contains("broken.crl"), "{problems:?}");
    let keys = house.keys(&watch);
    assert!(matches!(find(&keys, "gone"), LookUp::Usable(_)));
    assert!(!watch.reload_if_changed());
    std::fs::remove_file(lists.join("broken.crl")).unwrap();
    std::fs::write(lists.join("ca.crl"), house.list(&[2, 3])).unwrap();
    assert!(watch.reload_if_changed());
    keys.set_revocations(watch.known());
    assert!(matches!(find(&keys, "gone"), LookUp::Absent(why) if why[0].reason.contains("it was revoked on")));
    keys.reload(now()).unwrap();
    assert!(matches!(find(&keys, "gone"), LookUp::Absent(_)), "loading the keys again forgets nothing");
}

#[test]
fn authorities_are_read_from_files_and_folders_and_what_is_wrong_is_named() {
    let house = House::build();
    let paths = ["ca.pem", "ca.key", "nowhere.pem", "recipients"].map(|name| house.path().join(name));
    let (found, problems) = read_certificates(&paths);
    assert_eq!(found.len(), 1);
    let said: Vec<String> =
        problems.iter().map(|(path, why)| format!("{}: {why}", path.file_name().unwrap().to_string_lossy())).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(
        said[0].starts_with("ca.key: holds no certificate") && said[1].starts_with("nowhere.pem: cannot be read"),
        "{said:?}"
    );
    assert!(said[2].starts_with("recipients: holds no certificate"), "{said:?}");
}
