//! The strings of a JSON text, as they read without their escapes. A form of a secret that has quotes or control characters is
//! written differently within JSON.
//!
//! Guarantees: every name and every text is there, also where a name is there twice, up to the first place that is no JSON.
//! Deliberately never: judges the text.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The strings, one after the other; none where nothing is escaped, since then the text has them as they are.
pub(super) fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    if text.contains(&b'\\') {
        // What was read before a fault counts as well.
        let _ = Strings(&mut found).deserialize(&mut serde_json::Deserializer::from_slice(text));
    }
    found
}

/// Collects strings.
struct Strings<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Strings<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strings<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.extend_from_slice(text.as_bytes());
        // Two strings are not one.
        self.0.push(b'\n');
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Strings(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_key_seed(Strings(self.0))?.is_some() {
            entries.next_value_seed(Strings(self.0))?;
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_is_there_without_its_escapes() {
        for (text, expected) in [
            (r#"{"a":"x\"y","b":[1,null,true,-2.5,"\u0000z"],"c\n":{}}"#, "a\nx\"y\nb\n\0z\nc\n\n"),
            (r#"{"a":"first\\","a":"second"}"#, "a\nfirst\\\na\nsecond\n"),
            (r#""\u0041\/""#, "A/\n"),
            (r#"["a\tb", nothing"#, "a\tb\n"),
            ("no JSON \\ at all", ""),
            (r#"{"a":"as it is"}"#, ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&unescaped(text.as_bytes())), expected, "{text}");
        }
    }
}
