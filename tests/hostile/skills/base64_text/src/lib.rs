//! Base64, both ways.

use kavi_sdk::prelude::*;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PAD: char = '=';

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Encode,
    Decode,
}

#[derive(Deserialize)]
struct Input {
    mode: Mode,
    text: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

fn symbol(bits: u32) -> char {
    let index = usize::try_from(bits & 0x3f).unwrap_or(0);
    ALPHABET.get(index).map_or(PAD, |byte| char::from(*byte))
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        text.push(symbol(bits >> 18));
        text.push(symbol(bits >> 12));
        text.push(if chunk.len() > 1 {
            symbol(bits >> 6)
        } else {
            PAD
        });
        text.push(if chunk.len() > 2 { symbol(bits) } else { PAD });
    }
    text
}

fn value(symbol: u8) -> Option<u32> {
    let at = ALPHABET.iter().position(|byte| *byte == symbol)?;
    u32::try_from(at).ok()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let chunks = text.len() / 4;
    for (number, chunk) in text.chunks(4).enumerate() {
        let is_last = number + 1 == chunks;
        let pads = chunk.iter().rev().take_while(|byte| **byte == b'=').count();
        if pads > 2 || (pads > 0 && !is_last) {
            return None;
        }
        let mut bits: u32 = 0;
        for byte in chunk.iter().take(4 - pads) {
            bits = bits << 6 | value(*byte)?;
        }
        bits <<= 6 * u32::try_from(pads).unwrap_or(0);
        let [_, first, second, third] = bits.to_be_bytes();
        bytes.extend([first, second, third].into_iter().take(3 - pads));
    }
    Some(bytes)
}

fn run(input: Input) -> Result<Output, SkillError> {
    let text = match input.mode {
        Mode::Encode => encode(input.text.as_bytes()),
        Mode::Decode => {
            let bytes = decode(input.text.trim())
                .ok_or_else(|| SkillError::invalid_input("`text` is not base64"))?;
            String::from_utf8(bytes)
                .map_err(|_| SkillError::invalid_input("the decoded bytes are not UTF-8 text"))?
        }
    };
    Ok(Output { text })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    const PAIRS: [(&str, &str); 7] = [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ];

    fn convert(mode: &str, text: &str) -> Result<Value, SkillError> {
        call(run, json!({ "mode": mode, "text": text }))
    }

    #[test]
    fn encodes_the_vectors_of_the_rfc() {
        for (plain, encoded) in PAIRS {
            assert_eq!(convert("encode", plain), Ok(json!({ "text": encoded })));
        }
    }

    #[test]
    fn decodes_the_vectors_of_the_rfc() {
        for (plain, encoded) in PAIRS {
            assert_eq!(convert("decode", encoded), Ok(json!({ "text": plain })));
        }
    }

    #[test]
    fn goes_there_and_back_beyond_ascii() {
        let encoded = convert("encode", "Grüße ✓?>").unwrap();
        assert_eq!(
            convert("decode", encoded["text"].as_str().unwrap()),
            Ok(json!({ "text": "Grüße ✓?>" }))
        );
    }

    #[test]
    fn refuses_what_is_not_base64() {
        for text in ["Zg", "Z===", "====", "Zg==Zg==", "Z$==", "/w=="] {
            let got = convert("decode", text);
            assert!(
                matches!(got, Err(SkillError::InvalidInput(_))),
                "{text}: {got:?}"
            );
        }
    }
}
