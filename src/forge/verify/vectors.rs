//! The test vectors of the conformance gate: inputs drawn from the schema, mixed with the inputs and texts of the skill's tests
//! and examples. Without the mixing hardly any input would come near to the purpose of the skill. Pure.
//!
//! Guarantees: the same spec, hints and seed give the same vectors. Deliberately never: decides what the skill must do with one.

use std::collections::BTreeMap;

use serde_json::Value;

use super::source_analysis::InputHints;
use crate::model::{
    digest::Digest,
    schema::generate::{self, Vector},
    spec::SkillSpec,
    vault_path::VaultPath,
};

/// Draws `count` inputs. Every fourth does not match the schema.
pub(super) fn draw(spec: &SkillSpec, hints: &InputHints, seed: &[u8], count: usize) -> Vec<Vector> {
    let schema = spec.io.input();
    let mut vectors = generate::vectors(schema, roll(seed, 0), count);
    let words = words(spec, hints);
    let known: Vec<&Value> = spec
        .examples
        .iter()
        .map(|example| &example.input)
        .chain(&hints.objects)
        .filter(|it| schema.accepts(it))
        .collect();
    let mut near = 0;
    // Of each four vectors the first stays as drawn and the last is the invalid one. The two between are replaced: first by the
    // known inputs themselves, then by variations of them.
    for (at, vector) in vectors.iter_mut().enumerate().skip(1).filter(|(at, _)| at % 4 != 3 && at % 4 != 0) {
        if !vector.valid {
            continue;
        }
        let input = match known.get(near) {
            Some(input) => (*input).clone(),
            // The salts of one vector stay below 2^32, so no two vectors share a number.
            None => vary(&known, &vector.input, &words, &|salt| roll(seed, (at as u64) << 32 | salt)),
        };
        if schema.accepts(&input) {
            vector.input = input;
            near += 1;
        }
    }
    vectors
}

/// A known input with one member changed, or, one time in four, the drawn input with texts that may mean something.
fn vary(known: &[&Value], drawn: &Value, words: &[String], roll: &dyn Fn(u64) -> u64) -> Value {
    let Some(drawn_map) = drawn.as_object() else { return drawn.clone() };
    let base = pick(known, roll(1)).filter(|_| !roll(2).is_multiple_of(4));
    let mut map = base.and_then(|base| base.as_object().cloned()).unwrap_or_else(|| drawn_map.clone());
    match base {
        Some(_) => {
            let keys: Vec<&String> = drawn_map.keys().collect();
            if let Some(key) = pick(&keys, roll(3)) {
                let value = drawn_map.get(*key).cloned().unwrap_or_default();
                let before = map.get(*key).and_then(Value::as_str).map(str::to_owned);
                let value = match (value, roll(5) % 3) {
                    (Value::String(_), 0) if before.is_some() => {
                        near(&before.unwrap_or_default(), &|salt| roll(32 + salt))
                    }
                    (Value::String(_), 1) => pick(words, roll(4)).cloned().unwrap_or_default(),
                    (Value::String(drawn), _) => drawn,
                    (other, _) => {
                        map.insert((*key).clone(), other);
                        return Value::Object(map);
                    }
                };
                map.insert((*key).clone(), Value::String(value));
            }
        }
        None => {
            let mut filled = Value::Object(map);
            fill(&mut filled, words, &|salt| roll(16 + salt));
            return filled;
        }
    }
    Value::Object(map)
}

/// Replaces every text of a value, at any depth, by a word or by a text close to one.
fn fill(value: &mut Value, words: &[String], roll: &dyn Fn(u64) -> u64) {
    match value {
        Value::String(text) => {
            if let Some(word) = pick(words, roll(0)) {
                *text = if roll(1).is_multiple_of(2) { word.clone() } else { near(word, &|salt| roll(2 + salt)) };
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                fill(item, words, &|salt| roll((at as u64 + 1) * 64 + salt));
            }
        }
        Value::Object(map) => {
            for (at, item) in map.values_mut().enumerate() {
                fill(item, words, &|salt| roll((at as u64 + 1) * 64 + salt));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text that differs from another in one letter or digit.
fn near(text: &str, roll: &dyn Fn(u64) -> u64) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let places: Vec<usize> = (0..letters.len()).filter(|at| letters[*at].is_ascii_alphanumeric()).collect();
    let Some(at) = pick(&places, roll(0)) else { return format!("{text}a") };
    let others = match letters[*at] {
        '0'..='9' => "0123456789",
        'A'..='Z' => "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        _ => "abcdefghijklmnopqrstuvwxyz",
    };
    let others: Vec<char> = others.chars().filter(|other| *other != letters[*at]).collect();
    if let Some(other) = pick(&others, roll(1)) {
        letters[*at] = *other;
    }
    letters.into_iter().collect()
}

/// Texts that may mean something to the skill: its own literals, and paths below its folders.
fn words(spec: &SkillSpec, hints: &InputHints) -> Vec<String> {
    let endings = ["kavi.md", "kavi.txt", "kavi.json"];
    let paths = spec.paths.iter().flat_map(|path| endings.iter().map(move |ending| format!("{path}/{ending}")));
    hints.strings.iter().chain(&hints.own).cloned().chain(paths).chain(endings.map(str::to_owned)).collect()
}

/// Whether every text of an input is named by the tests or examples.
pub(super) fn is_named(spec: &SkillSpec, hints: &InputHints, input: &Value) -> bool {
    fn texts<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::String(text) => found.push(text),
            Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
            Value::Object(map) => map.values().for_each(|item| texts(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut named = Vec::new();
    spec.examples.iter().for_each(|example| texts(&example.input, &mut named));
    let mut found = Vec::new();
    texts(input, &mut found);
    let known = |text: &&str| named.contains(text) || hints.strings.iter().any(|string| string == text);
    !found.is_empty() && found.iter().all(known)
}

/// The files in the vault of every run: those of the tests and examples, and a placeholder at every path that a test names.
pub(super) fn files(spec: &SkillSpec, hints: &InputHints) -> BTreeMap<VaultPath, String> {
    let mut files = BTreeMap::new();
    let named = words(spec, hints).into_iter().filter(|word| word.contains('.'));
    for path in named.filter_map(|word| VaultPath::parse(&word).ok()) {
        let text = if path.as_str().ends_with(".json") { "{\"kavi\": [1, 2]}\n" } else { "# Kavi\n\none two three\n" };
        files.insert(path, text.to_owned());
    }
    let seeded = hints.files.iter().filter_map(|(path, text)| Some((VaultPath::parse(path).ok()?, text.clone())));
    files.extend(seeded);
    for example in &spec.examples {
        files.extend(example.vault.iter().map(|(path, text)| (path.clone(), text.clone())));
    }
    // A path cannot be a file and a folder at once. The deeper file wins.
    let all: Vec<VaultPath> = files.keys().cloned().collect();
    files.retain(|path, _| !all.iter().any(|other| other != path && other.is_within(path)));
    files
}

fn pick<T>(from: &[T], roll: u64) -> Option<&T> {
    let length = u64::try_from(from.len()).ok().filter(|length| *length > 0)?;
    from.get(usize::try_from(roll % length).ok()?)
}

/// A number that depends only on the seed and the salt.
fn roll(seed: &[u8], salt: u64) -> u64 {
    let digest = Digest::of(&[seed, &salt.to_be_bytes()].concat()).to_string();
    u64::from_str_radix(digest.get(..16).unwrap_or_default(), 16).unwrap_or(salt)
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::model::schema::IoSchema;
    use serde_json::json;

    fn spec() -> Result<SkillSpec, Box<dyn std::error::Error>> {
        let io = IoSchema::from_value(&json!({
            "input": { "path": "str", "title": "str", "body": "str" }, "output": { "ok": "bool" },
        }))?;
        Ok(serde_json::from_value(json!({
            "v": 1, "name": "write_note", "description": "x", "side_effect_class": "FILE_WRITE", "paths": ["Inbox/AI"],
            "required_secrets": [], "examples": [], "io": io,
        }))?)
    }

    #[test]
    fn some_inputs_come_near_and_a_quarter_is_off() -> Result<(), Box<dyn std::error::Error>> {
        let hints =
            InputHints { strings: vec!["Inbox/AI/a.md".to_owned(), "Hello".to_owned()], ..InputHints::default() };
        let vectors = draw(&spec()?, &hints, b"seed", 500);
        assert_eq!(vectors.len(), 500);
        assert_eq!(vectors.iter().filter(|vector| !vector.valid).count(), 125);
        assert!(vectors.iter().all(|v| spec().is_ok_and(|spec| spec.io.input().accepts(&v.input) == v.valid)));
        assert!(vectors.iter().filter(|vector| vector.input["path"] == "Inbox/AI/a.md").count() > 10);
        assert_eq!(vectors, draw(&spec()?, &hints, b"seed", 500));
        assert_ne!(vectors, draw(&spec()?, &hints, b"other", 500));
        Ok(())
    }

    #[test]
    fn inputs_of_the_tests_are_taken_and_varied() -> Result<(), Box<dyn std::error::Error>> {
        let known = json!({ "path": "Inbox/AI/a.md", "title": "T", "body": "B" });
        let hints = InputHints { objects: vec![known.clone(), json!({ "off": 1 })], ..InputHints::default() };
        let vectors = draw(&spec()?, &hints, b"seed", 100);
        assert!(vectors.iter().any(|vector| vector.input == known));
        assert!(
            vectors
                .iter()
                .any(|v| v.input["path"] == "Inbox/AI/a.md" && v.input["title"] == "T" && v.input["body"] != "B")
        );
        Ok(())
    }

    #[test]
    fn the_vault_has_what_tests_name() -> Result<(), Box<dyn std::error::Error>> {
        let mut hints =
            InputHints { strings: vec!["a/b.md".to_owned(), "../x.md".to_owned()], ..InputHints::default() };
        hints.files.insert("c.md".to_owned(), "text".to_owned());
        hints.strings.push("a.b/c.md".to_owned());
        hints.strings.push("a.b".to_owned());
        let files = files(&spec()?, &hints);
        let names: Vec<String> = files.keys().map(ToString::to_string).collect();
        for name in ["a/b.md", "c.md", "a.b/c.md", "Inbox/AI/kavi.md"] {
            assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
        }
        assert!(!names.iter().any(|found| found == "a.b"));
        Ok(())
    }
}
