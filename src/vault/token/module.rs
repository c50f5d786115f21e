//! Turns a token's library into signatures by its keys, with sessions that are opened again when the token comes back.

use super::{CannotReach, KeyName, Settings};
use crate::protect::smime::Scheme;
use crate::vault::files;
use aws_lc_rs::digest;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::{AuthPin, Ulong};
use der::Encode;
use der::asn1::UintRef;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Sessions kept open: as many messages sign at once; tokens have few.
const KEPT_SESSIONS: usize = 8;
/// A library that cannot reach its token begins anew at most this often.
const BEGUN_EVERY: Duration = Duration::from_secs(2);

/// A token whose library is loaded and whose user is logged in.
pub struct Token {
    context: Pkcs11,
    label: Option<String>,
    pin: Zeroizing<String>,
    sessions: Mutex<Vec<Open>>,
    /// The PIN was wrong once: a few wrong ones lock a token for good.
    wrong_pin: AtomicBool,
    /// When the library last began; held while it is used.
    begun: RwLock<Instant>,
}

struct Open {
    session: Session,
    /// Handles hold as long as the session.
    keys: Vec<(KeyName, ObjectHandle)>,
}

impl Token {
    pub fn open(settings: &Settings) -> Result<Token, CannotReach> {
        let module = settings.module.as_ref().ok_or(CannotReach::NoModule)?;
        let context = Pkcs11::new(module).map_err(|_| CannotReach::Library(module.clone()))?;
        match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Another part of this process has done it.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(why) => return Err(silent(&why)),
        }
        let octets = match &settings.pin_file {
            Some(path) => files::read_private(path).map_err(|why| CannotReach::PinFile(why.to_string()))?,
            None => Zeroizing::new(Vec::new()),
        };
        let line = octets.split(|octet| matches!(octet, b'\r' | b'\n')).next().unwrap_or_default();
        let pin = Zeroizing::new(String::from_utf8(line.to_vec()).map_err(|_| CannotReach::Pin)?);
        let (sessions, wrong_pin) = (Mutex::default(), AtomicBool::new(false));
        let begun = RwLock::new(Instant::now());
        Ok(Token { context, label: settings.token.clone(), pin, sessions, wrong_pin, begun })
    }

    /// Whether exactly this key is there.
    pub fn has(&self, name: &KeyName) -> Result<(), CannotReach> {
        self.with_session(name, |session, key| session.handle_of(key).map(drop))
    }

    /// A signature over `octets`: of RSA as long as the modulus, of ECDSA in DER.
    pub fn sign(&self, name: &KeyName, scheme: Scheme, octets: &[u8]) -> Result<Vec<u8>, CannotReach> {
        self.with_session(name, |session, name| {
            let key = session.handle_of(name)?;
            let sign =
                |mechanism: &Mechanism<'_>, data: &[u8]| session.session.sign(mechanism, key, data).map_err(|why| silent(&why));
            let hash = |algorithm| digest::digest(algorithm, octets);
            match scheme {
                // Hashed here: every token knows CKM_RSA_PKCS, and what is signed need not travel to it.
                Scheme::RsaPkcs1Sha256 => sign(&Mechanism::RsaPkcs, &digest_info(hash(&digest::SHA256).as_ref())),
                Scheme::RsaPssSha256 => {
                    let parameters =
                        PkcsPssParams { hash_alg: MechanismType::SHA256, mgf: PkcsMgfType::MGF1_SHA256, s_len: Ulong::new(32) };
                    sign(&Mechanism::RsaPkcsPss(parameters), hash(&digest::SHA256).as_ref())
                }
                Scheme::EcdsaP256Sha256 => {
                    in_der(&sign(&Mechanism::Ecdsa, hash(&digest::SHA256).as_ref())?).ok_or_else(no_signature)
                }
                Scheme::EcdsaP384Sha384 => {
                    in_der(&sign(&Mechanism::Ecdsa, hash(&digest::SHA384).as_ref())?).ok_or_else(no_signature)
                }
            }
        })
    }

    /// In a session that is open, else in a new one: a token that was taken out and put back has closed the old ones. Some libraries see it
    /// again only when they begin anew.
    fn with_session<T>(
        &self,
        name: &KeyName,
        work: impl Fn(&mut Open, &KeyName) -> Result<T, CannotReach>,
    ) -> Result<T, CannotReach> {
        let failed = match self.attempt(name, &work) {
            Err(why @ (CannotReach::Silent(_) | CannotReach::NoToken(_))) => why,
            decided => return decided,
        };
        if self.begin_anew() { self.attempt(name, &work) } else { Err(failed) }
    }

    /// False: it was done just now. No other thread is in the library meanwhile: handles of before must not be taken for those of after.
    fn begin_anew(&self) -> bool {
        let mut begun = self.begun.write().unwrap_or_else(PoisonError::into_inner);
        if begun.elapsed() < BEGUN_EVERY {
            return false;
        }
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // Its failures show in the attempt that follows.
        let _ = self.context.clone().finalize();
        let _ = self.context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
        *begun = Instant::now();
        true
    }

    fn attempt<T>(
        &self,
        name: &KeyName,
        work: impl Fn(&mut Open, &KeyName) -> Result<T, CannotReach>,
    ) -> Result<T, CannotReach> {
        let _begun = self.begun.read().unwrap_or_else(PoisonError::into_inner);
        let kept = || self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let old = kept().pop();
        if let Some(mut old) = old {
            if let Ok(done) = work(&mut old, name) {
                kept().push(old);
                return Ok(done);
            }
            // What closed one has closed all.
            kept().clear();
        }
        let mut fresh = self.open_session(name)?;
        let done = work(&mut fresh, name)?;
        let mut kept = kept();
        if kept.len() < KEPT_SESSIONS {
            kept.push(fresh);
        }
        Ok(done)
    }

    fn open_session(&self, name: &KeyName) -> Result<Open, CannotReach> {
        if self.wrong_pin.load(Ordering::Relaxed) {
            return Err(CannotReach::Pin);
        }
        let session = self.context.open_ro_session(self.slot(name)?).map_err(|why| silent(&why))?;
        let pin = (!self.pin.is_empty()).then(|| AuthPin::from(self.pin.to_string()));
        if let Some(pin) = pin {
            match session.login(UserType::User, Some(&pin)) {
                Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
                Err(Error::Pkcs11(
                    RvError::PinIncorrect
                    | RvError::PinInvalid
                    | RvError::PinLenRange
                    | RvError::PinLocked
                    | RvError::PinExpired,
                    _,
                )) => {
                    self.wrong_pin.store(true, Ordering::Relaxed);
                    return Err(CannotReach::Pin);
                }
                Err(why) => return Err(silent(&why)),
            }
        }
        Ok(Open { session, keys: Vec::new() })
    }

    fn slot(&self, name: &KeyName) -> Result<Slot, CannotReach> {
        for slot in self.context.get_slots_with_initialized_token().map_err(|why| silent(&why))? {
            let Ok(token) = self.context.get_token_info(slot) else { continue };
            if self.is_meant(name, &token) {
                return Ok(slot);
            }
        }
        let wanted = self.label.clone().or(name.token.clone()).unwrap_or_else(|| name.to_string());
        Err(CannotReach::NoToken(wanted))
    }

    fn is_meant(&self, name: &KeyName, token: &TokenInfo) -> bool {
        let said = |wanted: &Option<String>, real: &str| wanted.as_ref().is_none_or(|wanted| wanted == real);
        said(&self.label, token.label())
            && said(&name.token, token.label())
            && said(&name.manufacturer, token.manufacturer_id())
            && said(&name.model, token.model())
            && said(&name.serial, token.serial_number())
    }
}

impl Open {
    fn handle_of(&mut self, name: &KeyName) -> Result<ObjectHandle, CannotReach> {
        if let Some((_, key)) = self.keys.iter().find(|(kept, _)| kept == name) {
            return Ok(*key);
        }
        let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
        template.extend(name.object.as_ref().map(|label| Attribute::Label(label.as_bytes().to_vec())));
        template.extend(name.id.as_ref().map(|id| Attribute::Id(id.clone())));
        let found = self.session.find_objects(&template).map_err(|why| silent(&why))?;
        match found[..] {
            [key] => {
                self.keys.push((name.clone(), key));
                Ok(key)
            }
            [] => Err(CannotReach::NoKey(name.to_string())),
            _ => Err(CannotReach::SeveralKeys(name.to_string())),
        }
    }
}

/// Its code only: `CKR_TOKEN_NOT_PRESENT`.
fn silent(why: &Error) -> CannotReach {
    CannotReach::Silent(match why {
        Error::Pkcs11(code, function) => format!("{code:?} from {function:?}"),
        _ => "its library and ours do not understand each other".to_owned(),
    })
}

fn no_signature() -> CannotReach {
    CannotReach::Silent("what it gave is no signature".to_owned())
}

/// RFC 8017 §9.2, note 1: DigestInfo of SHA-256.
fn digest_info(hash: &[u8]) -> Vec<u8> {
    const SHA256: [u8; 19] =
        [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];
    [&SHA256[..], hash].concat()
}

/// PKCS #11 gives r and s one after the other (§6.3.1); CMS wants a SEQUENCE of two INTEGERs (RFC 5753 §7.2).
fn in_der(raw: &[u8]) -> Option<Vec<u8>> {
    if raw.is_empty() || !raw.len().is_multiple_of(2) {
        return None;
    }
    let (r, s) = raw.split_at(raw.len() / 2);
    let inside = [UintRef::new(r).ok()?.to_der().ok()?, UintRef::new(s).ok()?.to_der().ok()?].concat();
    // Two numbers of a curve of at most 384 bits: their length has one octet.
    let length = u8::try_from(inside.len()).ok().filter(|length| *length < 0x80)?;
    Some([&[0x30, length][..], &inside].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For curves of 256 and 384 bits, with a leading zero and with a first bit that would make a number negative.
    #[test]
    fn raw_signatures_become_the_der_of_two_positive_numbers() {
        for (raw, der) in [
            (vec![1, 2], Some(vec![0x30, 6, 2, 1, 1, 2, 1, 2])),
            (vec![0, 5, 0x80, 0], Some(vec![0x30, 8, 2, 1, 5, 2, 3, 0, 0x80, 0])),
            (vec![1, 2, 3], None),
            (Vec::new(), None),
        ] {
            assert_eq!(in_der(&raw), der, "{raw:?}");
        }
        assert_eq!(in_der(&[0xff; 96]).unwrap().len(), 2 + 2 * 51);
    }
}
