//! One key in one token: found, opened, signed with; opened again when the session or the token was lost.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use countersign_evidence::Error as Evidence;
use countersign_evidence::signer::{RawSigner, RemoteError};
use cryptoki::context::Pkcs11;
use cryptoki::error::{Error as Cryptoki, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use zeroize::Zeroizing;

use super::{DeviceError, KeyUri, pin};

/// `CKA_EC_PARAMS` of Ed25519: the curve's OID 1.3.101.112 (RFC 8410), or its name as PKCS#11 v3.0 §2.3.10 has it.
const ED25519_PARAMS: [&[u8]; 2] = [&[0x06, 0x03, 0x2b, 0x65, 0x70], b"\x13\x0cedwards25519"];

/// An Ed25519 key in a token.
pub struct TokenKey {
    module: Pkcs11,
    uri: KeyUri,
    pin: Option<Zeroizing<String>>,
    public: [u8; 32],
    session: Mutex<Option<Opened>>,
}

/// A session that is logged in, and the private key's handle in it.
struct Opened {
    session: Session,
    key: ObjectHandle,
}

impl TokenKey {
    pub(super) fn open(module: Pkcs11, uri: KeyUri, pin: Option<Zeroizing<String>>) -> Result<Self, DeviceError> {
        let (opened, public) = open(&module, &uri, pin.as_ref())?;
        Ok(Self { module, uri, pin, public, session: Mutex::new(Some(opened)) })
    }

    /// The key's address.
    #[must_use]
    pub const fn uri(&self) -> &KeyUri {
        &self.uri
    }

    /// Signs with the open session, or with a new one where that is lost.
    fn signature(&self, message: &[u8]) -> Result<[u8; 64], DeviceError> {
        // A panic in another thread leaves a session behind that works or does not; both are met below.
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = session.as_ref() {
            match sign(opened, message) {
                Err(DeviceError::Device { source, .. }) if is_lost(&source) => {}
                done => return done,
            }
        }
        // The old one goes first: with its last session the token forgets who was logged in.
        *session = None;
        let (opened, public) = open(&self.module, &self.uri, self.pin.as_ref())?;
        if public != self.public {
            return Err(DeviceError::OtherKey { uri: self.uri.to_string() });
        }
        let done = sign(&opened, message);
        *session = Some(opened);
        done
    }
}

impl RawSigner for TokenKey {
    fn public(&self) -> [u8; 32] {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Evidence> {
        self.signature(message).map_err(|e| Evidence::Remote(RemoteError::new(e)))
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({})", self.uri)
    }
}

/// What says that the session is gone, whatever became of the token.
const fn is_lost(error: &Cryptoki) -> bool {
    matches!(
        error,
        Cryptoki::Pkcs11(
            RvError::SessionClosed
                | RvError::SessionHandleInvalid
                | RvError::DeviceRemoved
                | RvError::DeviceError
                | RvError::TokenNotPresent
                | RvError::TokenNotRecognized
                | RvError::UserNotLoggedIn
                | RvError::KeyHandleInvalid
                | RvError::ObjectHandleInvalid
                | RvError::CryptokiNotInitialized
                | RvError::GeneralError,
            _
        )
    )
}

fn device(doing: &'static str) -> impl Fn(Cryptoki) -> DeviceError {
    move |source| DeviceError::Device { doing, source }
}

fn sign(opened: &Opened, message: &[u8]) -> Result<[u8; 64], DeviceError> {
    let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
    let signature = opened.session.sign(&mechanism, opened.key, message).map_err(device("sign"))?;
    signature.try_into().map_err(|_| DeviceError::Shape { what: "a signature that is not 64 bytes long" })
}

fn open(module: &Pkcs11, uri: &KeyUri, given: Option<&Zeroizing<String>>) -> Result<(Opened, [u8; 32]), DeviceError> {
    let slot = find_token(module, uri)?;
    let about = module.get_token_info(slot).map_err(device("describe the token"))?;
    let session = module.open_ro_session(slot).map_err(device("open a session"))?;
    if about.login_required() {
        let pin = if about.protected_authentication_path() { None } else { Some(pin::of(uri, given)?) };
        match session.login(UserType::User, pin.as_ref()) {
            Ok(()) | Err(Cryptoki::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(Cryptoki::Pkcs11(
                RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange | RvError::PinExpired,
                _,
            )) => return Err(DeviceError::WrongPin { uri: uri.to_string() }),
            Err(Cryptoki::Pkcs11(RvError::PinLocked, _)) => {
                return Err(DeviceError::PinLocked { uri: uri.to_string() });
            }
            Err(source) => return Err(DeviceError::Device { doing: "log in", source }),
        }
    }
    let key = one_of(&session, ObjectClass::PRIVATE_KEY, uri.object.as_deref(), uri.id.as_deref(), uri)?;
    let public = public_of(&session, key, uri)?;
    Ok((Opened { session, key }, public))
}

fn find_token(module: &Pkcs11, uri: &KeyUri) -> Result<Slot, DeviceError> {
    let slots = match module.get_slots_with_initialized_token() {
        // Something else in this process shut the module down.
        Err(Cryptoki::Pkcs11(RvError::CryptokiNotInitialized, _)) => {
            super::initialize(module).and_then(|()| module.get_slots_with_initialized_token())
        }
        slots => slots,
    };
    let slots = slots.map_err(device("list the tokens"))?;
    let mut found = Vec::new();
    for slot in slots {
        if uri.slot.is_some_and(|wanted| wanted != slot.id()) {
            continue;
        }
        // A token that was taken out in this moment is not there.
        let Ok(token) = module.get_token_info(slot) else { continue };
        let is = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|w| w == is);
        if is(&uri.token, token.label())
            && is(&uri.manufacturer, token.manufacturer_id())
            && is(&uri.model, token.model())
            && is(&uri.serial, token.serial_number())
        {
            found.push(slot);
        }
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(DeviceError::NoToken { uri: uri.to_string() }),
        _ => Err(DeviceError::Ambiguous { what: "token", uri: uri.to_string() }),
    }
}

/// The one Edwards key of that class, label and id.
fn one_of(
    session: &Session,
    class: ObjectClass,
    label: Option<&str>,
    id: Option<&[u8]>,
    uri: &KeyUri,
) -> Result<ObjectHandle, DeviceError> {
    let mut template = vec![Attribute::Class(class), Attribute::KeyType(KeyType::EC_EDWARDS)];
    template.extend(label.map(|label| Attribute::Label(label.as_bytes().to_vec())));
    template.extend(id.map(|id| Attribute::Id(id.to_vec())));
    match session.find_objects(&template).map_err(device("look for the key"))?.as_slice() {
        [one] => Ok(*one),
        [] if class == ObjectClass::PUBLIC_KEY => Err(DeviceError::NoPublicKey { uri: uri.to_string() }),
        [] => Err(DeviceError::NoKey { uri: uri.to_string() }),
        _ => Err(DeviceError::Ambiguous { what: "key", uri: uri.to_string() }),
    }
}

/// The public half: of the public key object with the private key's id, else with its label.
fn public_of(session: &Session, private: ObjectHandle, uri: &KeyUri) -> Result<[u8; 32], DeviceError> {
    let wanted = [AttributeType::Id, AttributeType::Label];
    let (mut id, mut label) = (None, None);
    for attribute in session.get_attributes(private, &wanted).map_err(device("read the key's id"))? {
        match attribute {
            Attribute::Id(bytes) if !bytes.is_empty() => id = Some(bytes),
            Attribute::Label(bytes) if !bytes.is_empty() => label = String::from_utf8(bytes).ok(),
            _ => {}
        }
    }
    let label = if id.is_some() { None } else { label };
    let public = one_of(session, ObjectClass::PUBLIC_KEY, label.as_deref(), id.as_deref(), uri)?;
    let wanted = [AttributeType::EcParams, AttributeType::EcPoint];
    let (mut curve, mut point) = (Vec::new(), Vec::new());
    for attribute in session.get_attributes(public, &wanted).map_err(device("read the public key"))? {
        match attribute {
            Attribute::EcParams(bytes) => curve = bytes,
            Attribute::EcPoint(bytes) => point = bytes,
            _ => {}
        }
    }
    if !ED25519_PARAMS.contains(&curve.as_slice()) {
        return Err(DeviceError::Shape { what: "a key that is not on the curve Ed25519" });
    }
    // Devices say it raw, as a DER OCTET STRING, or as a DER BIT STRING: PKCS#11 v2 and v3 differ.
    let raw = match point.as_slice() {
        [0x04, 0x20, raw @ ..] | [0x03, 0x21, 0x00, raw @ ..] if raw.len() == 32 => raw,
        raw => raw,
    };
    raw.try_into().map_err(|_| DeviceError::Shape { what: "a public key that is not 32 bytes long" })
}
