//! Seeded inputs for the conformance gate: valid ones at and between the bounds, and near misses.
//!
//! The same schema, seed and count always give the same vectors, and a longer run starts with those of a
//! shorter one. Whether a vector is valid is what [`Schema::check`] says of it, never what was intended.

use serde_json::{Map, Value, json};

use super::{Schema, sample, seeded_rng::SeededRng};

/// One input and whether it fits the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vector {
    /// The input.
    pub input: Value,
    /// Whether the schema accepts it.
    pub valid: bool,
}

/// Tries for each vector before a certain one is taken.
const TRIES: u64 = 16;

/// `count` vectors for `schema`: the example first, every fourth one invalid.
pub fn vectors(schema: &Schema, seed: u64, count: usize) -> Vec<Vector> {
    (0..count as u64)
        .map(|number| {
            let input = match number {
                0 => schema.example().clone(),
                _ if number % 4 == 3 => invalid(schema, seed, number),
                _ => valid(schema, seed, number),
            };
            // Asked and not remembered: a value that was spoiled can still fit, and one that was
            // made to fit need not.
            Vector { valid: schema.accepts(&input), input }
        })
        .collect()
}

fn valid(schema: &Schema, seed: u64, number: u64) -> Value {
    let mut candidates = (0..TRIES).map(|attempt| sample::varied(schema.as_value(), seed, number * TRIES + attempt));
    candidates.find(|candidate| schema.accepts(candidate)).unwrap_or_else(|| schema.example().clone())
}

fn invalid(schema: &Schema, seed: u64, number: u64) -> Value {
    let mut candidates = (0..TRIES).map(|attempt| {
        // Another stream than that of the valid ones. With the same one, a vector and its spoiled
        // twin would follow the same choices.
        let mut seeded_rng = SeededRng::new(!seed, number * TRIES + attempt);
        let mut value = if attempt < TRIES / 2 { valid(schema, seed, number) } else { schema.example().clone() };
        spoil(&mut value, Some(schema.as_value()), &mut seeded_rng);
        value
    });
    // An array never fits: both sides of every i/o schema are objects.
    candidates.find(|candidate| !schema.accepts(candidate)).unwrap_or_else(|| json!([]))
}

/// Changes one place of `value` so that it probably no longer fits.
fn spoil(value: &mut Value, schema: Option<&Value>, seeded_rng: &mut SeededRng) {
    if seeded_rng.below(3) > 0 && descend(value, schema, seeded_rng) {
        return;
    }
    let near = schema.map(|schema| near_misses(value, schema)).unwrap_or_default();
    if seeded_rng.below(2) == 0
        && let Some(miss) = seeded_rng.pick(&near)
    {
        *value = miss.clone();
        return;
    }
    match value {
        Value::Object(map) if seeded_rng.below(4) > 0 => spoil_object(map, seeded_rng),
        _ => *value = foreign(seeded_rng),
    }
}

/// Spoils one member of `value`; false when there is none.
fn descend(value: &mut Value, schema: Option<&Value>, seeded_rng: &mut SeededRng) -> bool {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let keys: Vec<String> = map.keys().cloned().collect();
            let Some(key) = seeded_rng.pick(&keys) else { return false };
            let named = schema.and_then(|schema| schema.get("properties")?.get(key));
            let below = named.or_else(|| schema.and_then(|schema| schema.get("additionalProperties")));
            if let Some(member) = map.get_mut(key) {
                spoil(member, below, seeded_rng);
            }
            true
        }
        Value::Array(items) if !items.is_empty() => {
            let index = usize::try_from(seeded_rng.below(items.len() as u64)).unwrap_or(0);
            if let Some(item) = items.get_mut(index) {
                spoil(item, schema.and_then(|schema| schema.get("items")), seeded_rng);
            }
            true
        }
        _ => false,
    }
}

fn spoil_object(map: &mut Map<String, Value>, seeded_rng: &mut SeededRng) {
    let keys: Vec<String> = map.keys().cloned().collect();
    let key = seeded_rng.pick(&keys).cloned();
    match (seeded_rng.below(4), key) {
        (0 | 1, Some(key)) => {
            map.remove(&key);
        }
        (2, Some(key)) => {
            let value = map.remove(&key).unwrap_or_default();
            // A name with a space at its end: readers that trim names take it for the property.
            map.insert(format!("{key} "), value);
        }
        (_, Some(key)) => {
            map.insert(key.to_uppercase(), json!("twin"));
        }
        (_, None) => {
            // What JavaScript takes for the prototype of the object.
            map.insert("__proto__".to_owned(), json!({"polluted": true}));
        }
    }
}

/// Values just outside of the bounds of `schema`.
fn near_misses(value: &Value, schema: &Value) -> Vec<Value> {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let size = |key: &str| schema.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let small = |key: &str| size(key).filter(|n| *n <= 4_096);
    let mut misses = Vec::new();
    match value {
        Value::Number(_) => {
            let outside = [bound("minimum").map(|n| n - 1.0), bound("maximum").map(|n| n + 1.0)];
            let excluded = [bound("exclusiveMinimum"), bound("exclusiveMaximum")];
            misses.extend(outside.into_iter().chain(excluded).flatten().map(whole));
            misses.extend([json!(0.5), json!(1e300), json!(-1e300)]);
        }
        Value::String(text) => {
            // A letter of two bytes, so that a check of bytes instead of characters shows.
            misses.extend(small("maxLength").map(|most| json!("é".repeat(most + 1))));
            let shorter = |least: usize| text.chars().take(least.saturating_sub(1)).collect::<String>();
            misses.extend(size("minLength").map(|least| json!(shorter(least))));
            misses.extend([json!(format!("{text}\n")), json!(format!(" {text}")), json!("")]);
        }
        Value::Array(items) => {
            if let (Some(most), Some(first)) = (small("maxItems"), items.first()) {
                misses.push(Value::Array(vec![first.clone(); most + 1]));
            }
            misses.extend(size("minItems").map(|least| items.iter().take(least.saturating_sub(1)).cloned().collect()));
            misses.push(items.iter().chain(items.first()).cloned().collect());
        }
        Value::Object(_) | Value::Bool(_) | Value::Null => {}
    }
    misses
}

/// A number as an integer when it is one.
fn whole(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 { json!(number as i64) } else { json!(number) }
}

/// A value of whatever type.
fn foreign(seeded_rng: &mut SeededRng) -> Value {
    match seeded_rng.below(10) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(0),
        3 => json!(-1.5),
        4 => json!("text"),
        5 => json!([]),
        6 => json!({}),
        7 => json!(u64::MAX),
        8 => json!([null, [1, "x"], {"a": {}}]),
        // Deeper than any schema goes, and within what the parser accepts.
        _ => (0..40).fold(json!("deep"), |inner, _| json!([inner])),
    }
}
