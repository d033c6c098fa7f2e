//! The reader: Kavi's own executable, started again with a hidden verb. It reads one value and hands it over.
//!
//! Guarantees: it can be traced or dumped by no other process of this user, and nothing of the value is in its arguments or
//! environment. What it hands over is the whole value, one signature, or nothing. Its report has no part of the value.
//!
//! Deliberately never: serves a second order, or keeps anything.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::signature::Ed25519KeyPair;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::{InvalidValue, ReadRefusal};
use super::stores::{self, Asker};
use super::value::SecretValue;
use crate::model::secret::SecretStore;

/// The hidden verb.
pub(super) const VERB: &str = "__read-secret";

/// What the reader is to do. There is no secret in it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReaderOrder {
    pub(super) store: SecretStore,
    /// Kavi's executable.
    pub(super) exe: PathBuf,
    /// The process that asks.
    pub(super) process: i32,
    pub(super) operation: Operation,
}

/// What is done with the value.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Operation {
    /// The value itself is written.
    HandOver,
    /// The HMAC-SHA256 of a message, in base64, is written.
    Hmac(String),
    /// The Ed25519 signature of a message, in base64, is written.
    Sign(String),
}

/// How it went. `short` says that the value is too short to be recognised.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ReaderReport {
    Done { short: bool },
    Refused(ReadRefusal),
}

/// Performs the work of the reader when this process was started as one.
///
/// `args` are the process's arguments, the program's name included. The value or signature goes to `output`, the report to
/// `report`. `None` means that this is no reader.
pub fn child_entry(
    args: impl IntoIterator<Item = std::ffi::OsString>,
    input: impl Read,
    output: impl Write,
    mut report: impl Write,
) -> Option<ExitCode> {
    if args.into_iter().nth(1)? != VERB {
        return None;
    }
    let done = hide().and_then(|()| Ok(serde_json::from_reader::<_, ReaderOrder>(input)?));
    // An order comes from Kavi itself, so one that cannot be read is a bug: there is nobody to explain it to.
    let Ok(order) = done else { return Some(ExitCode::FAILURE) };
    let done = match work(&order, output) {
        Ok(short) => ReaderReport::Done { short },
        Err(refusal) => ReaderReport::Refused(refusal),
    };
    let told = serde_json::to_writer(&mut report, &done).is_ok() && report.flush().is_ok();
    Some(if told { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// No core dump, and no other process of this user may read this one's memory.
fn hide() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    // The limit on core files that the stage of the cage set is inherited.
    Ok(())
}

/// Reads the value and does what was ordered. Says whether the value is short.
fn work(order: &ReaderOrder, mut output: impl Write) -> Result<bool, ReadRefusal> {
    let value = stores::read(&order.store, Asker { exe: &order.exe, process: order.process })?;
    let undelivered = |error: std::io::Error| ReadRefusal::Undelivered(error.to_string());
    let message = |text: &str| {
        STANDARD.decode(text).map_err(|_| ReadRefusal::Undelivered("the message is not base64".to_owned()))
    };
    let written = match &order.operation {
        Operation::HandOver => output.write_all(value.expose()),
        Operation::Hmac(text) => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, value.expose());
            output.write_all(hmac::sign(&key, &message(text)?).as_ref())
        }
        Operation::Sign(text) => output.write_all(signing_key(&value)?.sign(&message(text)?).as_ref()),
    };
    written.and_then(|()| output.flush()).map_err(undelivered)?;
    Ok(value.is_short())
}

/// The key in a value: a seed or a PKCS#8 document, in hex or base64.
fn signing_key(value: &SecretValue) -> Result<Ed25519KeyPair, InvalidValue> {
    let hex = hex::decode(value.expose()).ok();
    let decoded = hex.or_else(|| STANDARD.decode(value.expose()).ok()).map(Zeroizing::new);
    let bytes = decoded.ok_or(InvalidValue::NoSigningKey)?;
    let key = match bytes.len() {
        32 => Ed25519KeyPair::from_seed_unchecked(&bytes),
        // Without a check of the public half, which a document of OpenSSL does not have.
        _ => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes),
    };
    key.map_err(|_| InvalidValue::NoSigningKey)
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, KeyPair as _, UnparsedPublicKey};

    use super::super::value::TrailingNewline;
    use super::*;

    fn key(text: &str) -> Result<Ed25519KeyPair, InvalidValue> {
        let value = SecretValue::check(Zeroizing::new(text.as_bytes().to_vec()), TrailingNewline::Kept)?;
        signing_key(&value)
    }

    #[test]
    fn a_signing_key_is_a_seed_or_a_document() -> Result<(), Box<dyn std::error::Error>> {
        let seed = [7; 32];
        let of_seed = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| error.to_string())?;
        // The PKCS#8 document of this seed, as OpenSSL writes it.
        let document = [&hex::decode("302e020100300506032b657004220420")?[..], &seed].concat();
        let texts = [hex::encode(seed), STANDARD.encode(seed), hex::encode(&document), STANDARD.encode(&document)];
        for text in texts {
            let pair = key(&text)?;
            assert_eq!(pair.public_key().as_ref(), of_seed.public_key().as_ref(), "{}", text.len());
            let public = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
            assert!(public.verify(b"message", pair.sign(b"message").as_ref()).is_ok());
        }
        for bad in ["made-up", "00", &hex::encode([7; 31]), &hex::encode([7; 33])] {
            assert!(matches!(key(bad), Err(InvalidValue::NoSigningKey)), "{bad}");
        }
        Ok(())
    }

    #[test]
    fn another_program_call_is_no_reader() {
        let args = |verb: &str| ["kavi".into(), verb.into()];
        assert!(child_entry(args("status"), std::io::empty(), Vec::new(), Vec::new()).is_none());
        assert!(child_entry(["kavi".into()], std::io::empty(), Vec::new(), Vec::new()).is_none());
    }
}
