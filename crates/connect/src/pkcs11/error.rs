//! What can go wrong with a key in a device.

use std::io;
use std::path::PathBuf;

use countersign_model::{Diagnostic, Exit, Explanation, Place};

/// Why a key in a device cannot be opened or signed with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The address is no PKCS#11 URI of a key.
    #[error("not the address of a key in a device: {what}")]
    Uri {
        /// Why.
        what: String,
    },
    /// The module cannot be loaded.
    #[error("cannot load the PKCS#11 module `{}`", path.display())]
    Module {
        /// The module.
        path: PathBuf,
        /// Why.
        #[source]
        source: cryptoki::error::Error,
    },
    /// The token is not there.
    #[error("no token is there that the address names")]
    NoToken {
        /// The address.
        uri: String,
    },
    /// More than one token or key matches.
    #[error("more than one {what} is there that the address could mean")]
    Ambiguous {
        /// `token` or `key`.
        what: &'static str,
        /// The address.
        uri: String,
    },
    /// The key is not there.
    #[error("the token holds no private Ed25519 key that the address names")]
    NoKey {
        /// The address.
        uri: String,
    },
    /// The public half is not there.
    #[error("the token holds the private key, and no public key object beside it")]
    NoPublicKey {
        /// The address.
        uri: String,
    },
    /// No PIN.
    #[error("the token asks for a PIN, and none is given")]
    NoPin,
    /// The PIN's file cannot be read.
    #[error("cannot read the PIN in `{}`", path.display())]
    PinFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The PIN's file can be read by others.
    #[error("others than its owner may read the PIN in `{}`", path.display())]
    PinExposed {
        /// The file.
        path: PathBuf,
    },
    /// The PIN is wrong.
    #[error("the token does not accept the PIN")]
    WrongPin {
        /// The address.
        uri: String,
    },
    /// The PIN is locked.
    #[error("the token has locked its PIN after too many wrong ones")]
    PinLocked {
        /// The address.
        uri: String,
    },
    /// Another key is there now.
    #[error("the token came back with another key under the same address")]
    OtherKey {
        /// The address.
        uri: String,
    },
    /// What the device gave is not what it should be.
    #[error("the device gave {what}")]
    Shape {
        /// What it gave.
        what: &'static str,
    },
    /// The device says no.
    #[error("the device did not {doing}")]
    Device {
        /// What it was asked to do.
        doing: &'static str,
        /// What it said.
        #[source]
        source: cryptoki::error::Error,
    },
}

impl DeviceError {
    fn uri(&self) -> Option<&str> {
        match self {
            Self::NoToken { uri }
            | Self::Ambiguous { uri, .. }
            | Self::NoKey { uri }
            | Self::NoPublicKey { uri }
            | Self::WrongPin { uri }
            | Self::PinLocked { uri }
            | Self::OtherKey { uri } => Some(uri),
            _ => None,
        }
    }
}

impl Diagnostic for DeviceError {
    fn code(&self) -> &'static str {
        match self {
            Self::Uri { .. } => "CS-KEY-020",
            Self::Module { .. } => "CS-KEY-021",
            Self::NoToken { .. } => "CS-KEY-022",
            Self::Ambiguous { .. } => "CS-KEY-023",
            Self::NoKey { .. } => "CS-KEY-024",
            Self::NoPublicKey { .. } => "CS-KEY-025",
            Self::NoPin => "CS-KEY-026",
            Self::PinFile { .. } => "CS-KEY-027",
            Self::PinExposed { .. } => "CS-KEY-028",
            Self::WrongPin { .. } => "CS-KEY-029",
            Self::PinLocked { .. } => "CS-KEY-030",
            Self::OtherKey { .. } => "CS-KEY-031",
            Self::Shape { .. } => "CS-KEY-032",
            Self::Device { .. } => "CS-KEY-033",
        }
    }

    fn exit(&self) -> Exit {
        EXPLANATIONS.iter().find(|e| e.code == self.code()).map_or(Exit::Internal, |e| e.exit)
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Module { path, .. } | Self::PinFile { path, .. } | Self::PinExposed { path } => {
                Some(Place::file(path.display().to_string()))
            }
            _ => None,
        }
    }

    fn help(&self) -> String {
        let uri = self.uri().unwrap_or_default();
        match self {
            Self::Uri { .. } => "an address reads `pkcs11:token=LABEL;object=LABEL?module-path=/…/module.so&\
                                 pin-source=file:/…/pin`"
                .into(),
            Self::Module { .. } => "check `module-path`: it names the library of the device's maker".into(),
            Self::NoToken { .. } => format!(
                "plug the token in or check its label in `{uri}`; see what is there: pkcs11-tool --module MODULE -L"
            ),
            Self::Ambiguous { what: "token", .. } => format!("add `serial=` to `{uri}`"),
            Self::Ambiguous { .. } => format!("add `id=` to `{uri}`"),
            Self::NoKey { .. } => {
                format!("check `object` and `id` in `{uri}`; see what is there: pkcs11-tool --module MODULE -O -l")
            }
            Self::NoPublicKey { .. } => "write the public key object into the token, with the private key's id".into(),
            Self::NoPin => "add `pin-source=file:/…` to the address, or set COUNTERSIGN_PIN".into(),
            Self::PinFile { .. } => "write the PIN into that file, on one line".into(),
            Self::PinExposed { path } => format!("chmod 600 {}", path.display()),
            Self::WrongPin { .. } => {
                "correct it before trying again: the token locks itself after a few wrong ones".into()
            }
            Self::PinLocked { .. } => "the token's security officer unlocks it".into(),
            Self::OtherKey { .. } => {
                format!("find out who changed the key behind `{uri}` before anything is signed with it")
            }
            Self::Shape { .. } => {
                "make an Ed25519 key in it: pkcs11-tool --keypairgen --key-type EC:edwards25519".into()
            }
            Self::Device { .. } => {
                "see whether it works with its own tools: pkcs11-tool --module MODULE --test -l".into()
            }
        }
    }
}

const fn explained(code: &'static str, exit: Exit, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code, title, text, exit }
}

/// The long texts behind [`DeviceError`]'s codes.
pub const EXPLANATIONS: &[Explanation] = &[
    explained(
        "CS-KEY-020",
        Exit::Usage,
        "not the address of a key in a device",
        "A key in a device is named by a PKCS#11 URI (RFC 7512): `token`, `object` or `id`, and behind the question mark \
         `module-path` and perhaps `pin-source`. An attribute that is not understood is an error, for the address could \
         then mean another key. The PIN itself never stands in an address.",
    ),
    explained(
        "CS-KEY-021",
        Exit::Backend,
        "a PKCS#11 module cannot be loaded",
        "The module is the library through which programs speak to the device. It is missing, made for another kind of \
         machine, or it does not find its own configuration (SoftHSM: SOFTHSM2_CONF).",
    ),
    explained(
        "CS-KEY-022",
        Exit::Backend,
        "the token is not there",
        "No token is in any slot of the module that has the label, serial number, model and maker which the address \
         names. Nothing was signed.",
    ),
    explained(
        "CS-KEY-023",
        Exit::Usage,
        "the address means more than one",
        "More than one token, or more than one key in it, matches the address. Which of them signs must not be left to \
         chance.",
    ),
    explained(
        "CS-KEY-024",
        Exit::Backend,
        "the key is not in the token",
        "The token is there and the PIN is right, but it holds no private Edwards-curve key with that label or id.",
    ),
    explained(
        "CS-KEY-025",
        Exit::Backend,
        "the public key is not in the token",
        "A signature is verified before it is used, which takes the public half. The token does not hold it as an object \
         with the private key's id or label.",
    ),
    explained(
        "CS-KEY-026",
        Exit::Forbidden,
        "no PIN",
        "The token asks for a PIN. It is read from the file that `pin-source=file:/…` in the address names, else from the \
         environment variable COUNTERSIGN_PIN. It is never asked for and never on a command line.",
    ),
    explained(
        "CS-KEY-027",
        Exit::Forbidden,
        "the PIN's file cannot be read",
        "The file that `pin-source` names is missing, empty, not readable or no text.",
    ),
    explained(
        "CS-KEY-028",
        Exit::Forbidden,
        "the PIN is exposed",
        "Others than its owner may read the file that holds the PIN. Whoever reads it can sign with the key, so it is not \
         used until that is put right.",
    ),
    explained(
        "CS-KEY-029",
        Exit::Forbidden,
        "a wrong PIN",
        "The token did not accept the PIN. It is tried once and not again, for tokens lock themselves after a few wrong \
         ones.",
    ),
    explained(
        "CS-KEY-030",
        Exit::Forbidden,
        "the PIN is locked",
        "Too many wrong PINs were tried. Only the token's security officer (SO PIN) can unlock it.",
    ),
    explained(
        "CS-KEY-031",
        Exit::Unverified,
        "another key under the same address",
        "The session with the token was lost and opened again, and the key under its address is not the one that was \
         there before. Nothing was signed with it.",
    ),
    explained(
        "CS-KEY-032",
        Exit::Backend,
        "not an Ed25519 key",
        "Checkpoints and statements are signed with Ed25519. The device answered with something that is no key or \
         signature of that kind.",
    ),
    explained(
        "CS-KEY-033",
        Exit::Backend,
        "the device says no",
        "The device or its module refused an operation, and says why in the line below. Nothing was signed.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_explained() {
        let uri = String::new;
        let rv = || cryptoki::error::Error::NotSupported;
        let all = [
            DeviceError::Uri { what: uri() },
            DeviceError::Module { path: PathBuf::new(), source: rv() },
            DeviceError::NoToken { uri: uri() },
            DeviceError::Ambiguous { what: "token", uri: uri() },
            DeviceError::NoKey { uri: uri() },
            DeviceError::NoPublicKey { uri: uri() },
            DeviceError::NoPin,
            DeviceError::PinFile { path: PathBuf::new(), source: io::Error::other("") },
            DeviceError::PinExposed { path: PathBuf::new() },
            DeviceError::WrongPin { uri: uri() },
            DeviceError::PinLocked { uri: uri() },
            DeviceError::OtherKey { uri: uri() },
            DeviceError::Shape { what: "x" },
            DeviceError::Device { doing: "sign", source: rv() },
        ];
        let codes: Vec<_> = all.iter().map(Diagnostic::code).collect();
        assert_eq!(codes, EXPLANATIONS.iter().map(|e| e.code).collect::<Vec<_>>());
        for error in all {
            assert!(!error.help().is_empty() && !error.to_string().ends_with('.'), "{error}");
        }
    }
}
