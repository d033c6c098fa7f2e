//! The test vectors of the conformance gate: inputs drawn from the schema, mixed with the inputs and texts of the skill's tests
//! and examples. Without the mixing hardly any input would come near to the purpose of the skill. Pure.
//! `mined` adds those that must not be left to luck.
//!
//! Guarantees: the same spec, hints and seed give the same vectors. Deliberately never: decides what the skill must do with one.

use serde_json::Value;

use super::source_analysis::InputHints;
use crate::model::{
    digest::Digest,
    schema::generate::{self, Vector},
    spec::SkillSpec,
};

/// Whether a run can get this input: Kavi reads no text that contains U+0000, so a skill may give it back without harm.
pub(super) fn can_be_given(input: &Value) -> bool {
    // In JSON text U+0000 can only be written as this escape.
    !input.to_string().contains("\\u0000")
}

/// The inputs of the examples and of the tests.
pub(super) fn known(spec: &SkillSpec, hints: &InputHints) -> Vec<Value> {
    let mut known: Vec<Value> = Vec::new();
    for input in spec.examples.iter().map(|example| &example.input).chain(&hints.objects) {
        if spec.io.input().accepts(input) && can_be_given(input) && !known.contains(input) {
            known.push(input.clone());
        }
    }
    known
}

/// Draws `count` inputs. Every fourth does not match the schema.
pub(super) fn draw(spec: &SkillSpec, hints: &InputHints, seed: &[u8], count: usize) -> Vec<Vector> {
    let schema = spec.io.input();
    let mut vectors = generate::vectors(schema, roll(seed, 0), count);
    let words = words(spec, hints);
    let words = KnownTexts { of_tests: words.get(..hints.strings.len()).unwrap_or_default(), all: &words };
    let known = known(spec, hints);
    let known: Vec<&Value> = known.iter().collect();
    // Of each four vectors the first stays as drawn and the last is the invalid one. The two between are replaced by
    // variations of the known inputs.
    for (at, vector) in vectors.iter_mut().enumerate().skip(1).filter(|(at, _)| at % 4 != 3 && at % 4 != 0) {
        if !vector.valid {
            continue;
        }
        // The salts of one vector stay below 2^32, so no two vectors share a number.
        let input = vary(&known, &vector.input, &words, &|salt| roll(seed, (at as u64) << 32 | salt));
        if schema.accepts(&input) && can_be_given(&input) {
            vector.input = input;
        }
    }
    // Last, so that the positions above still are those of the draw. What cannot be given is no
    // input that does not match, either.
    vectors.retain(|vector| !vector.valid || can_be_given(&vector.input));
    vectors
}

/// A known input with one member changed, or, one time in four, the drawn input with texts that may mean something.
fn vary(known: &[&Value], drawn: &Value, words: &KnownTexts<'_>, roll: &dyn Fn(u64) -> u64) -> Value {
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
                    (Value::String(_), 1) => pick(words.all, roll(4)).cloned().unwrap_or_default(),
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
            // Half of them are as simple as they can be. A skill that accepts only texts that fit together, as the start and
            // the end of each meeting, would refuse nearly all others.
            let simple = roll(6).is_multiple_of(2) && !words.of_tests.is_empty();
            if simple {
                shorten(&mut filled);
            }
            let texts = if simple { FillTexts::Exactly(words.of_tests) } else { FillTexts::Near(words.all) };
            fill(&mut filled, texts, &|salt| roll(16 + salt));
            return filled;
        }
    }
    Value::Object(map)
}

/// Texts that may mean something to the skill.
struct KnownTexts<'a> {
    of_tests: &'a [String],
    all: &'a [String],
}

/// What the texts of a value are replaced by.
#[derive(Clone, Copy)]
enum FillTexts<'a> {
    /// One of these.
    Exactly(&'a [String]),
    /// One of these, or a text close to it.
    Near(&'a [String]),
}

/// Takes all items but the first from every list, at any depth.
fn shorten(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.truncate(1);
            items.iter_mut().for_each(shorten);
        }
        Value::Object(map) => map.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Replaces every text of a value, at any depth.
fn fill(value: &mut Value, words: FillTexts<'_>, roll: &dyn Fn(u64) -> u64) {
    match value {
        Value::String(text) => {
            let (FillTexts::Exactly(known) | FillTexts::Near(known)) = words;
            if let Some(word) = pick(known, roll(0)) {
                let exact = matches!(words, FillTexts::Exactly(_)) || roll(1).is_multiple_of(2);
                *text = if exact { word.clone() } else { near(word, &|salt| roll(2 + salt)) };
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                fill(item, words, &|salt| roll((at as u64 + 1) * 64 + salt));
            }
        }
        Value::Object(map) => {
            for (at, (key, item)) in map.iter_mut().enumerate() {
                let roll = |salt: u64| roll((at as u64 + 1) * 64 + salt);
                match (words, &item) {
                    (FillTexts::Exactly(known), Value::String(_)) if names_a_path(key) => {
                        // A word that is no path would only be refused. With a path of the tests
                        // the skill gets to its work.
                        let paths: Vec<String> =
                            known.iter().filter(|text| text.contains(['/', '.'])).cloned().collect();
                        let texts = if paths.is_empty() { known } else { paths.as_slice() };
                        fill(item, FillTexts::Exactly(texts), &roll);
                    }
                    _ => fill(item, words, &roll),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether a member of an input is the path of a file or a folder, by its name.
fn names_a_path(key: &str) -> bool {
    ["path", "file", "note", "folder", "from", "to", "source", "target"].iter().any(|name| key.contains(name))
}

/// A text that differs from another in one letter or digit.
fn near(text: &str, roll: &dyn Fn(u64) -> u64) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let places: Vec<usize> = (0..letters.len()).filter(|at| letters[*at].is_ascii_alphanumeric()).collect();
    // Without a letter to change, one letter more is as near.
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

/// A text of an input that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChangedText {
    pub(super) before: String,
    pub(super) after: String,
}

/// An input that differs from another in one letter of one text, and that text. `None` when the input has no text.
pub(super) fn neighbour(known: &Value, seed: &[u8], number: u64) -> (Value, Option<ChangedText>) {
    fn texts<'v>(value: &'v mut Value, found: &mut Vec<&'v mut String>) {
        match value {
            Value::String(text) => found.push(text),
            Value::Array(items) => items.iter_mut().for_each(|item| texts(item, found)),
            Value::Object(map) => map.values_mut().for_each(|item| texts(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let roll = |salt: u64| roll(seed, number << 32 | salt);
    let (mut input, mut found) = (known.clone(), Vec::new());
    texts(&mut input, &mut found);
    let at = usize::try_from(roll(0) % found.len().max(1) as u64).unwrap_or(0);
    let changed = found.get_mut(at).map(|text| {
        let after = near(text, &|salt| roll(1 + salt));
        ChangedText { before: std::mem::replace(*text, after.clone()), after }
    });
    (input, changed)
}

/// Texts that may mean something to the skill: its own literals, and paths below its folders.
pub(super) fn words(spec: &SkillSpec, hints: &InputHints) -> Vec<String> {
    let endings = ["new.md", "new.txt", "new.json"];
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
    // An input without any text cannot be looked up by one, so it never counts as named.
    !found.is_empty() && found.iter().all(known)
}

fn pick<T>(from: &[T], roll: u64) -> Option<&T> {
    let length = u64::try_from(from.len()).ok().filter(|length| *length > 0)?;
    from.get(usize::try_from(roll % length).ok()?)
}

/// A number that depends only on the seed and the salt.
fn roll(seed: &[u8], salt: u64) -> u64 {
    let digest = Digest::of(&[seed, &salt.to_be_bytes()].concat()).to_string();
    // A digest of seed and number. A generator with a state would give other inputs when one draw
    // more is made before.
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
    fn no_input_has_a_character_that_no_run_can_get() -> Result<(), Box<dyn std::error::Error>> {
        let spec = spec()?;
        let mut with_nul = draw(&spec, &InputHints::default(), &[1; 32], 1).remove(0).input;
        fn put(value: &mut Value) {
            match value {
                Value::String(text) => text.push('\0'),
                Value::Array(items) => items.iter_mut().for_each(put),
                Value::Object(map) => map.values_mut().for_each(put),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        put(&mut with_nul);
        assert!(!can_be_given(&with_nul), "{with_nul}");
        let hints = InputHints { objects: vec![with_nul], strings: vec!["a\0b".to_owned()], ..InputHints::default() };
        let drawn = draw(&spec, &hints, &[2; 32], 400);
        assert!(drawn.iter().filter(|vector| vector.valid).all(|vector| can_be_given(&vector.input)));
        Ok(())
    }

    #[test]
    fn a_neighbour_differs_in_one_text() {
        let known = json!({ "path": "Inbox/a.md", "lines": ["one", "two"], "count": 3 });
        let texts = |value: &Value| {
            [&value["path"], &value["lines"][0], &value["lines"][1], &value["count"]].map(ToString::to_string)
        };
        for number in 0..64 {
            let (input, changed) = neighbour(&known, b"seed", number);
            assert!(changed.is_some_and(|changed| !texts(&input).contains(&json!(changed.before).to_string())));
            let (before, after) = (texts(&known), texts(&input));
            assert_eq!(before.iter().zip(&after).filter(|(before, after)| before != after).count(), 1, "{after:?}");
        }
        assert_eq!(neighbour(&json!({ "count": 3 }), b"seed", 0), (json!({ "count": 3 }), None));
    }

    #[test]
    fn some_inputs_have_one_item_with_texts_of_the_tests() -> Result<(), Box<dyn std::error::Error>> {
        let io = IoSchema::from_value(&json!({
            "input": { "meetings": [{ "start": "str", "end": "str" }] }, "output": { "ok": "bool" },
        }))?;
        let spec = SkillSpec { io, ..spec()? };
        let hints = InputHints { strings: vec!["09:00".to_owned(), "10:30".to_owned()], ..InputHints::default() };
        let wanted = json!({ "meetings": [{ "start": "09:00", "end": "10:30" }] });
        let inputs = draw(&spec, &hints, b"seed", 500);
        assert!(inputs.iter().filter(|vector| vector.input == wanted).count() > 5);
        Ok(())
    }

    #[test]
    fn inputs_of_the_tests_are_known_and_varied() -> Result<(), Box<dyn std::error::Error>> {
        let known = json!({ "path": "Inbox/AI/a.md", "title": "T", "body": "B" });
        let hints = InputHints { objects: vec![known.clone(), json!({ "off": 1 })], ..InputHints::default() };
        assert_eq!(super::known(&spec()?, &hints), [known]);
        let vectors = draw(&spec()?, &hints, b"seed", 100);
        assert!(
            vectors
                .iter()
                .any(|v| v.input["path"] == "Inbox/AI/a.md" && v.input["title"] == "T" && v.input["body"] != "B")
        );
        Ok(())
    }
}
