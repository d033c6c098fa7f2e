//! The leak scan against encoders that know nothing of it: each encodes a whole text that contains a secret.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn name(text: &str) -> Result<SecretName, Box<dyn std::error::Error>> {
    Ok(SecretName::parse(text)?)
}

fn scanner(secrets: &[(&str, &[u8])]) -> Result<LeakScanner, Box<dyn std::error::Error>> {
    let names = secrets.iter().map(|(text, _)| name(text)).collect::<Result<Vec<_>, _>>()?;
    let known = names.iter().zip(secrets).map(|(name, (_, value))| KnownSecret { name, value, rendered: &[] });
    Ok(LeakScanner::new(&known.collect::<Vec<_>>())?)
}

fn each(text: &str, write: impl Fn(u8) -> String) -> Vec<u8> {
    text.bytes().map(write).collect::<String>().into_bytes()
}

fn in_url(text: &str, escape: impl Fn(u8) -> String) -> Vec<u8> {
    each(text, |byte| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => escape(byte),
    })
}

/// One way to encode a whole text.
struct Encoder {
    encoding: Encoding,
    encode: fn(&str) -> Vec<u8>,
}

fn json_escaped(text: &str, upper: bool) -> Vec<u8> {
    let mut escaped = String::new();
    for unit in text.encode_utf16() {
        let _ = if upper { write!(escaped, "\\u{unit:04X}") } else { write!(escaped, "\\u{unit:04x}") };
    }
    escaped.into_bytes()
}

/// The twelve encodings, some in more than one form.
const ENCODERS: &[Encoder] = &[
    Encoder { encoding: Encoding::Plain, encode: |text| text.as_bytes().to_vec() },
    Encoder { encoding: Encoding::Percent, encode: |text| each(text, |byte| format!("%{byte:02X}")) },
    Encoder { encoding: Encoding::Percent, encode: |text| each(text, |byte| format!("%{byte:02x}")) },
    Encoder { encoding: Encoding::Percent, encode: |text| in_url(text, |byte| format!("%{byte:02X}")) },
    Encoder { encoding: Encoding::Percent, encode: |text| in_url(text, |byte| format!("%{byte:02x}")) },
    Encoder { encoding: Encoding::Hex, encode: |text| hex::encode(text).into_bytes() },
    Encoder { encoding: Encoding::Hex, encode: |text| hex::encode_upper(text).into_bytes() },
    Encoder { encoding: Encoding::Json, encode: |text| json_escaped(text, false) },
    Encoder { encoding: Encoding::Json, encode: |text| json_escaped(text, true) },
    Encoder { encoding: Encoding::Json, encode: |text| serde_json::json!({ "a": text }).to_string().into_bytes() },
    Encoder {
        encoding: Encoding::Json,
        encode: |text| serde_json::json!(serde_json::json!([text]).to_string()).to_string().into_bytes(),
    },
    Encoder {
        encoding: Encoding::Html,
        encode: |text| text.chars().map(|c| format!("&#{};", u32::from(c))).collect::<String>().into_bytes(),
    },
    Encoder {
        encoding: Encoding::Html,
        encode: |text| text.chars().map(|c| format!("&#x{:x};", u32::from(c))).collect::<String>().into_bytes(),
    },
    Encoder { encoding: Encoding::Reversed, encode: |text| text.bytes().rev().collect() },
    Encoder { encoding: Encoding::Utf16, encode: |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect() },
    Encoder { encoding: Encoding::Utf16, encode: |text| text.encode_utf16().flat_map(u16::to_be_bytes).collect() },
    Encoder { encoding: Encoding::Base64, encode: |text| STANDARD.encode(text).into_bytes() },
    Encoder { encoding: Encoding::Base64, encode: |text| URL_SAFE.encode(text).into_bytes() },
    Encoder { encoding: Encoding::Base64, encode: |text| URL_SAFE_NO_PAD.encode(text).into_bytes() },
    Encoder { encoding: Encoding::Numbers, encode: |text| format!("{:?}", text.as_bytes()).into_bytes() },
];

/// A secret of 16 to 60 characters, with those that encodings write differently.
fn secret() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![3 => proptest::char::range('!', '~'), 1 => Just(' '), 1 => Just('\u{fc}')],
        16..60,
    )
    .prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_encoding_of_a_text_with_a_secret_is_found(
        secret in secret(),
        before in "[a-z\u{e4} ]{0,9}",
        after in "[a-z\u{e4} ]{0,9}",
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let scanner = scanner(&[("OTHER", b"another made-up secret"), ("TOKEN", secret.as_bytes())]);
        let scanner = scanner.map_err(|error| TestCaseError::fail(error.to_string()))?;
        for (at, Encoder { encode, .. }) in ENCODERS.iter().enumerate() {
            let encoded = encode(&format!("{before}{secret}{after}"));
            let found = scanner.find(&encoded);
            prop_assert_eq!(found.as_ref().map(|leak| leak.name.as_str()), Some("TOKEN"), "encoder {}", at);
            // The same in chunks, wherever they are cut.
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(encoded.len())).collect();
            places.sort_unstable();
            let (mut stream, mut last, mut from) = (scanner.stream(), None, 0);
            for to in places.into_iter().chain([encoded.len()]) {
                last = stream.push(&encoded[from..to]);
                from = to;
            }
            prop_assert_eq!(last, found, "encoder {}", at);
        }
    }

    #[test]
    fn a_text_without_the_secret_is_let_through(text in "[ -~]{0,400}") {
        let scanner = scanner(&[("TOKEN", "0123456789abcdef\u{fc}".as_bytes())]);
        let scanner = scanner.map_err(|error| TestCaseError::fail(error.to_string()))?;
        for Encoder { encode, .. } in ENCODERS {
            prop_assert_eq!(scanner.find(&encode(&text)), None);
        }
    }
}

#[test]
fn a_hit_names_the_secret_and_the_encoding_and_shows_neither_value() -> Tested {
    let value = "made-up/secret+0123\"\u{fc}";
    let scanner = scanner(&[("TOKEN", value.as_bytes())])?;
    for Encoder { encoding, encode } in ENCODERS {
        // With something around it, so that no other encoding gives the same bytes.
        let leak = scanner.find(&encode(&format!("x{value}y"))).ok_or("not found")?;
        assert_eq!(leak.encoding, *encoding);
        assert!(leak.to_string().contains("TOKEN") && !leak.to_string().contains("made-up"), "{leak}");
        assert!(!format!("{leak:?}{scanner:?}").contains("made-up"));
    }
    Ok(())
}

#[test]
fn a_rendered_form_counts_as_the_secret() -> Tested {
    let (name, value) = (name("TOKEN")?, b"made-up-secret-0123");
    let basic = STANDARD.encode(b"someone:made-up-secret-0123").into_bytes();
    let rendered = [basic.clone()];
    let scanner = LeakScanner::new(&[KnownSecret { name: &name, value, rendered: &rendered }])?;
    // As it is, and encoded once more.
    assert!(scanner.find(&basic).is_some());
    let text = String::from_utf8(basic)?;
    for Encoder { encode, .. } in ENCODERS {
        assert!(scanner.find(&encode(&format!("Authorization: Basic {text}"))).is_some());
    }
    // Without being told, inside of base64 at every offset, whatever the name of the user is.
    let plain = LeakScanner::new(&[KnownSecret { name: &name, value, rendered: &[] }])?;
    for user in ["", "a", "ab", "abc", "abcd"] {
        let encoded = STANDARD.encode([user.as_bytes(), b":", value, b" and more"].concat());
        assert!(plain.find(encoded.as_bytes()).is_some(), "{user}");
    }
    assert!(plain.find(format!("Bearer {}", String::from_utf8_lossy(value)).as_bytes()).is_some());
    Ok(())
}

#[test]
fn a_secret_that_is_too_short_is_not_looked_for() -> Tested {
    let scanner = scanner(&[("SHORT", b"0123456789abcde")])?;
    assert_eq!(scanner.find(b"0123456789abcde"), None);
    let nothing = LeakScanner::new(&[])?;
    assert_eq!(nothing.find(b"anything"), None);
    Ok(())
}

#[test]
fn a_secret_that_is_not_text_is_found_too() -> Tested {
    let value: Vec<u8> = (0x80..=0x9f).collect();
    let scanner = scanner(&[("TOKEN", &value)])?;
    let reversed: Vec<u8> = value.iter().rev().copied().collect();
    for bytes in [value.clone(), reversed, hex::encode(&value).into_bytes(), STANDARD.encode(&value).into_bytes()] {
        assert!(scanner.find(&bytes).is_some());
    }
    Ok(())
}

#[test]
fn a_stream_stays_found() -> Tested {
    let scanner = scanner(&[("TOKEN", b"made-up-secret-0123")])?;
    let mut stream = scanner.stream();
    assert_eq!(stream.push(b"made-up-secret-012"), None);
    assert!(stream.push(b"3").is_some());
    assert!(stream.push(b"nothing").is_some());
    Ok(())
}
