//! Values made along a schema in normal form.
//!
//! What is made nearly always fits; only the validator says whether it does. Numbers without bounds stay within
//! ±(2⁵³ − 1), what every JSON reader holds exactly.

use serde_json::{Map, Number, Value};

use super::{pattern, seeded_rng::SeededRng};
use crate::model::json;

/// Most values in a sample before everything optional is left out.
const SOFT_VALUES: usize = 500;
/// Most bytes of text in a sample before everything is as short as it may be.
const SOFT_BYTES: usize = 16 << 10;
/// Most values at all; a schema that asks for more has no example.
const HARD_VALUES: usize = 4 << 10;
/// Most bytes of text at all.
const HARD_BYTES: usize = 128 << 10;
/// Largest example, in bytes of canonical text.
const MAX_EXAMPLE_BYTES: usize = 64 << 10;
/// The largest integer that every reader holds exactly.
const MAX_SAFE: i128 = (1 << 53) - 1;

const WORDS: [&str; 8] = ["text", "Note", "2024-02-29", "a b c", "Inbox/AI/note.md", "0", "x", "hello world"];
const ODD: [&str; 14] = [
    "../../etc/passwd",
    "\"quoted\" \\ back",
    "# heading\n---\n",
    "tab\tand\r\nline",
    "null",
    "{\"a\":1}",
    "<script>alert(1)</script>",
    "Ärger über Öl",
    "日本語のテキスト",
    "e\u{301}\u{323} \u{1F469}\u{200D}\u{1F4BB}",
    "\u{202E}txt.exe\u{202C}",
    "\u{1}\u{7F}\u{85}",
    " leading and trailing ",
    "\u{FFFF}\u{10FFFF}",
];

/// A small value that fits, found first along `default` and `examples`, then by trying.
pub(super) fn example(schema: &Value, fits: impl Fn(&Value) -> bool) -> Option<Value> {
    let fits = |value: &Value| json::canonical(value).len() <= MAX_EXAMPLE_BYTES && fits(value);
    let small = (0..4).map(|number| Sampler::new(0, number, SampleMode::Small).value(schema));
    let tried = (0..200).map(|number| Sampler::new(1, number, SampleMode::Tried).value(schema));
    small.chain(tried).find(fits)
}

/// The smallest value of a schema. It nearly always fits.
pub(super) fn small(schema: &Value) -> Value {
    Sampler::new(0, 0, SampleMode::Small).value(schema)
}

/// A value for stream `number` of `seed`.
pub(super) fn varied(schema: &Value, seed: u64, number: u64) -> Value {
    Sampler::new(seed, number, SampleMode::Varied).value(schema)
}

/// What kind of values are made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SampleMode {
    /// Small ones, for people.
    Small,
    /// All sorts, for people: where small ones do not fit, e.g. because no two may be equal.
    Tried,
    /// All sorts, with an eye on the bounds.
    Varied,
}

struct Sampler {
    seeded_rng: SeededRng,
    mode: SampleMode,
    values: usize,
    bytes: usize,
}

impl Sampler {
    fn new(seed: u64, number: u64, mode: SampleMode) -> Self {
        Self { seeded_rng: SeededRng::new(seed, number), mode, values: 0, bytes: 0 }
    }

    fn sparse(&self) -> bool {
        self.mode == SampleMode::Small || self.values > SOFT_VALUES || self.bytes > SOFT_BYTES
    }

    fn value(&mut self, schema: &Value) -> Value {
        self.values += 1;
        // Lists in lists multiply. This cuts them off with a value that probably does not fit,
        // which the caller sees and tries again.
        if self.values > HARD_VALUES || self.bytes > HARD_BYTES {
            return Value::Null;
        }
        let list = |key: &str| schema.get(key).and_then(Value::as_array);
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        let told = schema.get("default").or(list("examples").and_then(|values| values.first()));
        if let Some(value) = told
            // The author's own values come up in a part of the draws. With more of them, a skill
            // could be written for those alone.
            && (self.mode != SampleMode::Varied || self.seeded_rng.below(8) == 0)
        {
            return value.clone();
        }
        if let Some(value) = list("enum").and_then(|values| self.choose(values)) {
            return value.clone();
        }
        if let Some(branch) = list("anyOf").or(list("oneOf")).and_then(|branches| self.choose(branches)) {
            return self.value(branch);
        }
        let kind = match schema.get("type") {
            Some(Value::Array(names)) => self.choose(names).and_then(Value::as_str),
            Some(name) => name.as_str(),
            None => None,
        };
        match kind {
            Some("object") => self.object(schema),
            Some("array") => self.array(schema),
            Some("string") => self.string(schema),
            Some("integer") => self.integer(schema),
            Some("number") => self.number(schema),
            Some("boolean") => Value::Bool(self.seeded_rng.below(2) == 1),
            _ => Value::Null,
        }
    }

    /// The first one for people, any one otherwise.
    fn choose<'a>(&mut self, items: &'a [Value]) -> Option<&'a Value> {
        if self.mode == SampleMode::Small { items.first() } else { self.seeded_rng.pick(items) }
    }

    fn object(&mut self, schema: &Value) -> Value {
        let mut out = Map::new();
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let least = count(schema, "minProperties").unwrap_or(0);
        let most = count(schema, "maxProperties").unwrap_or(usize::MAX);
        let optional_share = if self.sparse() { 0 } else { self.seeded_rng.below(3) };
        let optional = properties.len() - required.len();
        for (name, property) in properties {
            let needed = required.contains(&name.as_str());
            // Which optional ones would do is not computed. All of them do wherever the schema can
            // be met at all.
            let must_fill = optional > 0 && least > required.len();
            if needed || (out.len() < most && (must_fill || self.seeded_rng.below(2) < optional_share)) {
                let value = self.value(property);
                out.insert(name.clone(), value);
            }
        }
        if let Some(extra) = schema.get("additionalProperties").filter(|extra| extra.is_object()) {
            let wanted = if self.sparse() { usize::from(properties.is_empty()) } else { self.size(4) };
            let target = least.max(out.len() + wanted).min(most);
            for number in 0..target {
                if out.len() >= target {
                    break;
                }
                // A space and a letter outside of ASCII, because a skill may use such a name as a
                // file name or a column.
                let name = if number == 0 { "key".to_owned() } else { format!("key {number} ä") };
                if !properties.contains_key(&name) {
                    let value = self.value(extra);
                    out.insert(name, value);
                }
            }
        }
        Value::Object(out)
    }

    fn size(&mut self, bound: u64) -> usize {
        usize::try_from(self.seeded_rng.below(bound)).unwrap_or(0)
    }

    /// A count from `least` to `most`, often one of the two.
    fn length(&mut self, least: usize, most: Option<usize>, usual: usize, edge: usize) -> usize {
        let most_usual = most.unwrap_or(usize::MAX).min(least + usual);
        match self.seeded_rng.below(5) {
            0 => least,
            1 => most.filter(|most| *most <= edge).unwrap_or(most_usual),
            _ => least + self.size((most_usual - least) as u64 + 1),
        }
    }

    fn array(&mut self, schema: &Value) -> Value {
        let Some(items) = schema.get("items") else { return Value::Array(Vec::new()) };
        let (least, most) = (count(schema, "minItems").unwrap_or(0), count(schema, "maxItems"));
        let wanted = match self.mode {
            SampleMode::Small => least.max(1).min(most.unwrap_or(1)),
            SampleMode::Varied if self.sparse() => least,
            SampleMode::Tried | SampleMode::Varied => self.length(least, most, 5, 32),
        };
        let unique = schema.get("uniqueItems").is_some();
        let mut out: Vec<Value> = Vec::new();
        let mut tries = 0;
        // A list of different booleans has two items at most. The bound ends the search for a third
        // one.
        while out.len() < wanted && tries < wanted * 4 + 16 {
            tries += 1;
            // A list of different items needs varied ones even in an example.
            let mode = self.mode;
            if unique && tries > 1 {
                self.mode = SampleMode::Varied;
            }
            let item = self.value(items);
            self.mode = mode;
            if !unique || !out.contains(&item) {
                out.push(item);
            }
        }
        Value::Array(out)
    }

    fn string(&mut self, schema: &Value) -> Value {
        let (least, most) = (count(schema, "minLength").unwrap_or(0), count(schema, "maxLength"));
        let text = match schema.get("pattern").and_then(Value::as_str) {
            Some(pattern) => self.matching(pattern, least, most.unwrap_or(usize::MAX)),
            None => self.text(least, most),
        };
        self.bytes += text.len();
        Value::String(text)
    }

    fn matching(&mut self, pattern: &str, least: usize, most: usize) -> String {
        let mut last = String::new();
        // The pattern and the lengths are two rules, and a text that is made for one may break the
        // other.
        for _ in 0..16 {
            last = pattern::sample(pattern, &mut self.seeded_rng).unwrap_or_default();
            if (least..=most).contains(&last.chars().count()) {
                break;
            }
        }
        last
    }

    fn text(&mut self, least: usize, most: Option<usize>) -> String {
        let length = match self.mode {
            SampleMode::Small => 4.max(least).min(most.unwrap_or(4)),
            SampleMode::Varied if self.sparse() => least,
            // Rarely a text as long as it may be: that finds buffers and limits, and costs more
            // than all the others.
            SampleMode::Varied if self.seeded_rng.below(40) == 0 => least.max(most.unwrap_or(4_096).min(4_096)),
            SampleMode::Tried | SampleMode::Varied => self.length(least, most, 24, 512),
        };
        let mut text = String::new();
        let mut left = length;
        while left > 0 {
            let piece = match self.mode {
                SampleMode::Small => "text",
                SampleMode::Tried | SampleMode::Varied => {
                    let pool: &[&str] = if self.seeded_rng.below(2) == 0 { &WORDS } else { &ODD };
                    self.seeded_rng.pick(pool).copied().unwrap_or("text")
                }
            };
            text.extend(piece.chars().take(left));
            left = left.saturating_sub(piece.chars().count());
        }
        text
    }

    fn integer(&mut self, schema: &Value) -> Value {
        let low = integer_bound(schema, "minimum", f64::ceil)
            .or(integer_bound(schema, "exclusiveMinimum", f64::floor).map(|n| n + 1));
        let high =
            integer_bound(schema, "maximum", f64::floor)
                .or(integer_bound(schema, "exclusiveMaximum", f64::ceil).map(|n| n - 1));
        let (low, high) = window(low, high);
        let step = schema.get("multipleOf").and_then(Value::as_number);
        let whole = |step: &Number| {
            let real = step.as_f64().filter(|step| step.fract() == 0.0 && *step < 1e18);
            step.as_i128().or(real.map(|step| step as i128))
        };
        let step = step.and_then(whole).unwrap_or(1).max(1);
        // In multiples of the step from here on, so that each choice below is one.
        let (first, last) = (low.div_euclid(step) + i128::from(low.rem_euclid(step) != 0), high.div_euclid(step));
        let zero = 0.clamp(first, last.max(first));
        let chosen = match self.mode {
            SampleMode::Small => 1.clamp(first, last.max(first)),
            SampleMode::Tried | SampleMode::Varied => match self.seeded_rng.below(7) {
                0 => first,
                1 => last,
                2 => zero,
                3 => self.seeded_rng.between(first, last),
                // Where types end: a power of two, one more, or one less.
                4 => {
                    let power = 1_i128 << self.seeded_rng.below(54);
                    let near = power + self.seeded_rng.between(-1, 1);
                    let near = if self.seeded_rng.below(4) == 0 { -near } else { near };
                    near.clamp(first, last.max(first))
                }
                _ => self.seeded_rng.between(first.max(zero - 100), last.min(zero + 100)),
            },
        };
        let value = chosen.saturating_mul(step);
        match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => Value::from(value),
            (_, Ok(value)) => Value::from(value),
            _ => real(value as f64),
        }
    }

    fn number(&mut self, schema: &Value) -> Value {
        if self.mode == SampleMode::Small || self.seeded_rng.below(3) == 0 {
            let (low, high) = (
                real_bound(schema, ["minimum", "exclusiveMinimum"]),
                real_bound(schema, ["maximum", "exclusiveMaximum"]),
            );
            if schema.get("multipleOf").is_none() && low.unwrap_or(f64::MIN).ceil() < high.unwrap_or(f64::MAX) {
                return self.integer(schema);
            }
        }
        if let Some(step) = schema.get("multipleOf").and_then(Value::as_f64) {
            return self.multiple(schema, step);
        }
        // The next double is the smallest that is still allowed. A fixed distance would fall out of
        // a narrow range.
        let above = real_bound(schema, ["exclusiveMinimum"; 2]).map(f64::next_up);
        let below = real_bound(schema, ["exclusiveMaximum"; 2]).map(f64::next_down);
        let low = real_bound(schema, ["minimum"; 2]).or(above);
        let high = real_bound(schema, ["maximum"; 2]).or(below);
        let (low, high) = match (low, high) {
            (None, None) => (-1e9, 1e9),
            // Relative to the bound: beside 1e300, adding a million changes nothing.
            (Some(low), None) => (low, low.abs().mul_add(2.0, 1e6)),
            (None, Some(high)) => (high.abs().mul_add(-2.0, -1e6), high),
            (Some(low), Some(high)) => (low, high),
        };
        real(match self.seeded_rng.below(5) {
            0 => low,
            1 => high,
            2 => 0.1_f64.clamp(low, high.max(low)),
            3 => (self.seeded_rng.unit() - 0.5).clamp(low, high.max(low)),
            _ => (high - low).mul_add(self.seeded_rng.unit(), low),
        })
    }

    /// A multiple of `step`, made from its decimal digits: `3 × 0.1` as doubles is not a multiple of `0.1`.
    fn multiple(&mut self, schema: &Value, step: f64) -> Value {
        let low = real_bound(schema, ["minimum", "exclusiveMinimum"]);
        let high = real_bound(schema, ["maximum", "exclusiveMaximum"]);
        let factor = |bound: f64, round: fn(f64) -> f64| round(bound / step).clamp(-1e15, 1e15) as i128;
        let (first, last) = match (low.map(|low| factor(low, f64::ceil)), high.map(|high| factor(high, f64::floor))) {
            (None, None) => (-1_000, 1_000),
            (Some(first), None) => (first, first + 1_000),
            (None, Some(last)) => (last - 1_000, last),
            (Some(first), Some(last)) => (first, last),
        };
        let chosen = match self.seeded_rng.below(4) {
            0 => first,
            1 => last,
            _ => self.seeded_rng.between(first, last),
        };
        let decimals = step.to_string().split_once('.').map_or(0, |(_, digits)| digits.len());
        let exact = format!("{:.decimals$}", chosen as f64 * step);
        real(exact.parse().unwrap_or(step))
    }
}

fn count(schema: &Value, key: &str) -> Option<usize> {
    schema.get(key).and_then(Value::as_u64).map(|n| usize::try_from(n).unwrap_or(usize::MAX))
}

fn real(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn real_bound(schema: &Value, keys: [&str; 2]) -> Option<f64> {
    keys.into_iter().find_map(|key| schema.get(key)).and_then(Value::as_f64)
}

fn integer_bound(schema: &Value, key: &str, round: fn(f64) -> f64) -> Option<i128> {
    let number = schema.get(key)?.as_number()?;
    number.as_i128().or_else(|| number.as_f64().map(|bound| round(bound) as i128))
}

/// The integers to choose from.
fn window(low: Option<i128>, high: Option<i128>) -> (i128, i128) {
    const FAR: i128 = 1 << 65;
    let (low, high) = (low.map(|low| low.clamp(-FAR, FAR)), high.map(|high| high.clamp(-FAR, FAR)));
    match (low, high) {
        (None, None) => (-MAX_SAFE, MAX_SAFE),
        (Some(low), None) => (low, MAX_SAFE.max(low + 1_000)),
        (None, Some(high)) => ((-MAX_SAFE).min(high - 1_000), high),
        (Some(low), Some(high)) => (low, high),
    }
}
