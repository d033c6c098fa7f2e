//! Signatures that are made here, with every byte of them changed. Those of `ssh-keygen` itself are in `tests/cli/approvals.rs`.

use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::*;
use crate::history::sha256;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn pair() -> Result<Ed25519KeyPair, Box<dyn std::error::Error>> {
    Ok(Ed25519KeyPair::from_seed_unchecked(&[5; 32]).map_err(|_| "no key")?)
}

fn armored(key: Vec<u8>, namespace: &str, signature: Vec<u8>) -> Result<String, Box<dyn std::error::Error>> {
    let key = SshPublicKey::from_blob(&key)?;
    Ok(SshSignature { key, namespace: namespace.to_owned(), signature }.armored())
}

fn plain(namespace: &str, message: &[u8]) -> Result<String, Box<dyn std::error::Error>> {
    let pair = pair()?;
    let (mut key, mut signature) = (Vec::new(), Vec::new());
    [b"ssh-ed25519", pair.public_key().as_ref()].iter().for_each(|field| put_string(&mut key, field));
    put_string(&mut signature, b"ssh-ed25519");
    put_string(&mut signature, pair.sign(&signed_bytes(namespace, message)).as_ref());
    armored(key, namespace, signature)
}

/// A signature as hardware makes it, with these flags.
fn hardware(message: &[u8], flags: u8) -> Result<String, Box<dyn std::error::Error>> {
    let (pair, kind) = (pair()?, b"sk-ssh-ed25519@openssh.com");
    let (mut key, mut signature) = (Vec::new(), Vec::new());
    [kind.as_slice(), pair.public_key().as_ref(), b"ssh:"].iter().for_each(|field| put_string(&mut key, field));
    let bytes = signed_bytes("promotion@kavi", message);
    let signed = [&sha256(&[b"ssh:"])[..], &[flags], &7_u32.to_be_bytes(), &sha256(&[&bytes])].concat();
    put_string(&mut signature, kind);
    put_string(&mut signature, pair.sign(&signed).as_ref());
    signature.push(flags);
    signature.extend_from_slice(&7_u32.to_be_bytes());
    armored(key, "promotion@kavi", signature)
}

#[test]
fn a_signature_holds_for_its_text_and_namespace_and_for_nothing_else() -> Tested {
    let text = plain("promotion@kavi", b"yes")?;
    let signature = SshSignature::parse(&text)?;
    assert_eq!(signature.verify("promotion@kavi", b"yes"), Ok(Presence::Unknown));
    assert!(signature.verify("promotion@kavi", b"no").is_err());
    assert!(matches!(signature.verify("effect@kavi", b"yes"), Err(SshsigError::OtherNamespace { .. })));
    // The bytes name the namespace too, so it cannot be changed in the signature alone.
    let moved = SshSignature { namespace: "effect@kavi".to_owned(), ..signature };
    assert_eq!(moved.verify("effect@kavi", b"yes"), Err(SshsigError::Key(SshKeyError::Forged)));
    Ok(())
}

#[test]
fn a_key_on_hardware_says_whether_it_was_touched_and_the_flag_is_signed() -> Tested {
    for (flags, presence) in
        [(0, Presence::Unknown), (1, Presence::Touched), (5, Presence::TouchedWithPin), (4, Presence::Unknown)]
    {
        let signature = SshSignature::parse(&hardware(b"yes", flags)?)?;
        assert_eq!(signature.verify("promotion@kavi", b"yes"), Ok(presence), "{flags}");
        let mut forged = signature.clone();
        let place = forged.signature.len() - 5;
        forged.signature[place] ^= 1;
        assert!(forged.verify("promotion@kavi", b"yes").is_err(), "a touch that never was");
    }
    Ok(())
}

#[test]
fn no_changed_byte_of_an_armored_signature_is_accepted() -> Tested {
    for text in [plain("promotion@kavi", b"yes")?, hardware(b"yes", 1)?] {
        for place in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[place] ^= 1 << bit;
                let parsed = std::str::from_utf8(&bytes).ok().and_then(|text| SshSignature::parse(text).ok());
                let held = parsed.is_some_and(|parsed| parsed.verify("promotion@kavi", b"yes").is_ok());
                assert!(!held, "byte {place}, bit {bit}");
            }
        }
    }
    Ok(())
}

#[test]
fn what_is_no_signature_is_refused() -> Tested {
    let good = plain("promotion@kavi", b"yes")?;
    let lines = good.replace("\n-----END", "\n\n-----END");
    let long = format!("{good}{}", "x".repeat(MAX_SSHSIG));
    for bad in ["", "x", &good[1..], &format!("{good}\n"), &lines, &long, &good.replace('\n', "\r\n")] {
        assert!(SshSignature::parse(bad).is_err(), "{bad:.100}");
    }
    for key in ["", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-dss AAAAB3NzaC1kc3M=", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA"] {
        assert!(SshPublicKey::parse(key).is_err(), "{key}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 0..6_usize) {
        let kinds = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ssh-rsa",
            "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"];
        let mut blob = Vec::new();
        put_string(&mut blob, kinds[kind].as_bytes());
        blob.extend_from_slice(&bytes);
        if let Ok(key) = SshPublicKey::from_blob(&blob) {
            prop_assert!(key.verify(b"yes", &bytes).is_err());
            prop_assert_eq!(SshPublicKey::parse(&key.text()), Ok(key));
        }
        let text = format!("{BEGIN}{}\n{END}", STANDARD.encode([MAGIC, &bytes].concat()));
        prop_assert!(SshSignature::parse(&text).map_or(true, |parsed| parsed.verify("promotion@kavi", b"yes").is_err()));
    }
}
