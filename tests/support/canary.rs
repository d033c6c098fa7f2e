//! Looks for a secret in whatever was left behind, plain and in the forms in which secrets usually travel.

use std::{fs, io, path::Path};

use base64::{
    Engine as _,
    alphabet::{Alphabet, STANDARD, URL_SAFE},
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};

/// A secret in all its forms.
#[derive(Debug)]
pub struct Canary {
    name: &'static str,
    forms: Vec<(String, Vec<u8>)>,
}

impl Canary {
    /// One that is text.
    pub fn new(name: &'static str, secret: &str) -> Self {
        let mut canary = Self::of_bytes(name, secret.as_bytes());
        canary.forms.extend(text_forms(secret));
        canary
    }

    /// One that need not be text.
    pub fn of_bytes(name: &'static str, bytes: &[u8]) -> Self {
        let mut forms: Vec<(String, Vec<u8>)> = Vec::new();
        let mut add = |form: &str, bytes: Vec<u8>| forms.push((form.to_owned(), bytes));
        let each =
            |write: &dyn Fn(u8) -> String| bytes.iter().map(|byte| write(*byte)).collect::<String>().into_bytes();
        add("plain", bytes.to_vec());
        add("reversed", bytes.iter().rev().copied().collect());
        add("hex", each(&|byte| format!("{byte:02x}")));
        add("HEX", each(&|byte| format!("{byte:02X}")));
        add("spaced hex", each(&|byte| format!("{byte:02x} ")));
        add("percent, every byte", each(&|byte| format!("%{byte:02X}")));
        add("percent, every byte, small", each(&|byte| format!("%{byte:02x}")));
        add("percent, as in a url", each(&|byte| in_url(byte, &format!("%{byte:02X}"))));
        add("percent, as in a url, small", each(&|byte| in_url(byte, &format!("%{byte:02x}"))));
        add("list of bytes", format!("{bytes:?}").trim_matches(['[', ']']).as_bytes().to_vec());
        for (alphabet, kind) in [(STANDARD, "base64"), (URL_SAFE, "base64url")] {
            for offset in 0..3 {
                add(&format!("{kind} at {offset}"), inside_base64(&alphabet, bytes, offset));
            }
        }
        Self { name, forms }
    }

    /// The forms that are in `bytes`.
    pub fn within(&self, bytes: &[u8]) -> Vec<String> {
        let there = |form: &[u8]| bytes.windows(form.len()).any(|window| window == form);
        self.forms.iter().filter(|(_, form)| there(form)).map(|(form, _)| format!("{} ({form})", self.name)).collect()
    }

    pub fn forms(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.forms.iter().map(|(name, form)| (name.as_str(), form.as_slice()))
    }
}

/// The forms that only a text has.
fn text_forms(secret: &str) -> Vec<(String, Vec<u8>)> {
    let mut forms: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |form: &str, bytes: Vec<u8>| forms.push((form.to_owned(), bytes));
    add("json escapes", secret.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>().into_bytes());
    let json = serde_json::json!(secret).to_string();
    add("json", json.trim_matches('"').as_bytes().to_vec());
    add("json in json", serde_json::json!(json).to_string().trim_matches(['"', '\\']).as_bytes().to_vec());
    add("json, slashes escaped", json.trim_matches('"').replace('/', "\\/").into_bytes());
    add("escaped for rust", secret.escape_debug().to_string().into_bytes());
    add("utf-16, little", secret.encode_utf16().flat_map(u16::to_le_bytes).collect());
    add("utf-16, big", secret.encode_utf16().flat_map(u16::to_be_bytes).collect());
    forms
}

fn in_url(byte: u8, escaped: &str) -> String {
    match byte {
        b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => escaped.to_owned(),
    }
}

/// The characters of base64 that are the secret's alone when it starts `offset` bytes into a group of three.
fn inside_base64(alphabet: &Alphabet, secret: &[u8], offset: usize) -> Vec<u8> {
    let text = GeneralPurpose::new(alphabet, NO_PAD).encode([&vec![0; offset][..], secret].concat()).into_bytes();
    let (first, last) = ((8 * offset).div_ceil(6), 8 * (offset + secret.len()) / 6);
    text[first..last].to_vec()
}

/// Where in the tree below `folder` a canary is, by content or by name. Also says how many files were read.
pub fn search(folder: &Path, canaries: &[Canary]) -> io::Result<(Vec<String>, usize)> {
    let (mut found, mut read) = (Vec::new(), 0);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let kind = fs::symlink_metadata(&path)?.file_type();
            let mut texts = vec![path.to_string_lossy().into_owned().into_bytes()];
            if kind.is_dir() {
                folders.push(path.clone());
            } else if kind.is_symlink() {
                texts.push(fs::read_link(&path)?.to_string_lossy().into_owned().into_bytes());
            } else if kind.is_file() {
                texts.push(fs::read(&path)?);
                read += 1;
            }
            for canary in canaries {
                let forms = texts.iter().flat_map(|text| canary.within(text));
                found.extend(forms.map(|form| format!("{}: {form}", path.display())));
            }
        }
    }
    Ok((found, read))
}
