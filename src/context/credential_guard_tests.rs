use std::path::{Path, PathBuf};

use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};

use super::*;

/// Made of pieces, so that no scanner of repositories takes this file for a leak.
fn body(length: usize, seed: usize) -> String {
    let alphabet = b"a1B2c3D4e5F6g7H8j9K0mNpQrStUvWxYz";
    (0..length).map(|index| char::from(alphabet[(index * 7 + seed * 11) % alphabet.len()])).collect()
}

fn upper(length: usize, seed: usize) -> String {
    body(length, seed).to_uppercase()
}

fn digits(length: usize, seed: usize) -> String {
    body(length * 3, seed).bytes().map(|byte| format!("{:x}", byte % 16)).take(length).collect()
}

fn credentials(seed: usize) -> Vec<String> {
    let join = |parts: &[&str]| parts.concat();
    vec![
        join(&["wsk", "_", &body(16, seed)]),
        join(&["sk", "-", &body(20, seed)]),
        join(&["xox", "b-", &body(12, seed), "-", &body(12, seed)]),
        join(&["hooks.slack", ".com/services/T", &upper(8, seed), "/B", &upper(8, seed), "/", &body(24, seed)]),
        join(&["AK", "IA", &upper(16, seed)]),
        join(&["gh", "p_", &body(36, seed)]),
        join(&["github", "_pat_", &body(30, seed)]),
        join(&["gl", "pat-", &body(20, seed)]),
        join(&["sk", "_live_", &body(24, seed)]),
        join(&["AI", "za", &body(35, seed)]),
        join(&["ya", "29.", &body(40, seed)]),
        join(&["h", "f_", &body(34, seed)]),
        join(&["np", "m_", &body(36, seed)]),
        join(&["py", "pi-", &body(60, seed)]),
        join(&["dop", "_v1_", &digits(64, seed)]),
        join(&["shp", "at_", &digits(32, seed)]),
        join(&["S", "G.", &body(22, seed), ".", &body(43, seed)]),
        join(&["S", "K", &digits(32, seed)]),
        join(&["123456789", ":AA", &body(33, seed)]),
        join(&["hv", "s.", &body(24, seed)]),
        join(&["AGE-SECRET", "-KEY-1", &upper(58, seed)]),
        join(&["ey", "J", &body(20, seed), ".eyJ", &body(20, seed), ".", &body(20, seed)]),
        "-----BEGIN RSA PRIVATE ".to_owned() + "KEY-----",
        join(&["Authorization: Bea", "rer ", &body(24, seed)]),
        join(&["postgres://kavi:", &body(12, seed), "@db/kavi"]),
        join(&["pass", "word: ", &body(12, seed)]),
    ]
}

type Encode = fn(&str) -> String;

const ENCODINGS: [(&str, Encode); 15] = [
    ("plain", str::to_owned),
    ("percent", |text| text.bytes().map(|byte| format!("%{byte:02X}")).collect()),
    ("percent, lower case", |text| text.bytes().map(|byte| format!("%{byte:02x}")).collect()),
    ("hexadecimal", |text| hex::encode(text)),
    ("hexadecimal with colons", |text| text.bytes().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")),
    ("base64", |text| BASE64.encode(text)),
    ("base64 within a longer text", |text| BASE64.encode(format!("x {text} and more"))),
    ("base64 of an address", |text| URL_SAFE_NO_PAD.encode(format!("xy {text}"))),
    ("base64 after a letter", |text| format!("k{}", BASE64.encode(text))),
    ("json", |text| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()),
    ("json within json", |text| {
        serde_json::Value::from(serde_json::Value::from(format!("\"{text}\"")).to_string()).to_string()
    }),
    ("html, decimal", |text| text.chars().map(|c| format!("&#{};", u32::from(c))).collect()),
    ("html, hexadecimal", |text| text.chars().map(|c| format!("&#x{:x};", u32::from(c))).collect()),
    ("reversed", |text| text.chars().rev().collect()),
    ("numbers", |text| text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ")),
];

#[test]
fn every_shape_is_found_in_every_encoding() {
    let planted: Vec<String> = (0..3).flat_map(credentials).collect();
    assert!(planted.len() >= 60 && credentials(0).len() == SHAPES.len());
    for credential in &planted {
        for (name, encode) in ENCODINGS {
            let text = format!("{{\"why\": \"it was {} there\"}}", encode(credential));
            assert!(find(&text).is_some(), "{name}: {credential}: {text}");
        }
        // As JSON shows UTF-16.
        let wide: String = credential.chars().map(|c| format!("{c}\\u0000")).collect();
        assert!(find(&wide).is_some(), "UTF-16: {credential}");
    }
}

#[test]
fn honest_prose_is_no_credential() {
    for text in [
        "A password field is empty. Set password: see the manual.",
        "sk-learn, wsk_, xoxb- and AKIA are prefixes.",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "https://example.com/a:b, https://user@example.com/",
        "The secret_key = <redacted>, the api_key is not shown.",
        "eyJ begins a token.",
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12",
    ] {
        assert_eq!(find(text), None, "{text}");
    }
}

fn pages(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => pages(&path, found)?,
            false if path.extension().is_some_and(|extension| extension == "md" || extension == "sql") => {
                found.push(path)
            }
            false => {}
        }
    }
    Ok(())
}

#[test]
fn the_documents_of_this_repository_have_no_credential() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    pages(&root.join("docs"), &mut found)?;
    pages(&root.join("src"), &mut found)?;
    let mut characters = 0;
    for path in found {
        let text = std::fs::read_to_string(&path)?;
        characters += text.len();
        assert_eq!(find(&text), None, "{}", path.display());
    }
    assert!(characters > 300_000, "{characters} characters were read");
    Ok(())
}
