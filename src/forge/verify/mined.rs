//! Inputs that have a literal of the source in one field: each text and number that the skill names, in each field.
//!
//! A branch may wait for one of them. Whether a drawn input hits it is luck, and no verdict may rest on that. All other fields
//! stay as in an input that the skill accepts, so that it gets to the branch, or as they were drawn. Pure.
//!
//! Guarantees: the same schema, literals and bases give the same inputs, and each pair of a literal and a field comes before any
//! second one. What does not fit into the number of inputs is counted. Deliberately never: decides what the skill must do.

use serde_json::{Number, Value};

use super::source_analysis::SkillLiterals;
use super::vectors;
use crate::model::schema::{
    Schema,
    fields::{self, FieldKind, SchemaField},
};
use crate::model::time::Timestamp;

/// Most inputs. The source of a skill with more is not tried whole, which is said.
const MOST: usize = 1_500;
/// With fewer pairs than this, each is tried with further bases.
const WANTED: usize = 250;
/// Lengths of texts that are tried whatever the source says: buffers have their edges there.
const LENGTHS: [usize; 9] = [0, 1, 2, 255, 256, 4_096, 65_536, 65_537, 70_001];
/// Those that are also tried with wide characters.
const WIDE_LENGTHS: [usize; 3] = [4_097, 65_537, 70_001];
/// Longest text. A run takes an input of at most 1 MiB.
const LONGEST: i64 = 1_000_000;
/// Longest list. Items nest, so a longer one could exceed the size of an input.
const LONGEST_LIST: i64 = 2_000;
/// Where the types of numbers end, and numbers between. Up to 2⁵³ − 1, as in drawn inputs: every JSON reader holds those
/// exactly.
const LIMITS: [i64; 10] =
    [127, 255, 32_767, 65_535, 1_000_000, 1 << 30, 2_147_483_647, 4_294_967_295, 1 << 52, 9_007_199_254_740_991];

/// What the inputs are made of.
pub(super) struct MiningBases<'a> {
    /// Inputs that the skill accepts.
    pub(super) accepted: &'a [Value],
    /// Drawn inputs that match the schema.
    pub(super) drawn: &'a [Value],
    /// Largest input that a run takes, in bytes.
    pub(super) most_bytes: u64,
}

/// An input with one literal of the source.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MinedInput {
    pub(super) input: Value,
    /// The number of the accepted input that it differs from, if it does from one.
    pub(super) of_accepted: Option<usize>,
}

/// The inputs of one verification.
#[derive(Debug, Default, PartialEq)]
pub(super) struct MinedInputs {
    pub(super) inputs: Vec<MinedInput>,
    /// How many literals were not tried in every field.
    pub(super) left_out: usize,
}

/// What is put into a field.
#[derive(Debug, Clone, PartialEq)]
enum FieldChange {
    Value(Value),
    /// A text of this many letters.
    TextLength(usize, TextLetters),
    /// A list of this many items.
    ListLength(usize),
}

/// What a text of a length is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextLetters {
    /// Those of the field before, so that it is as long in bytes as in characters where they are plain.
    AsBefore,
    /// Characters of two bytes after one of one byte: every even length in bytes is inside of a character.
    Wide,
}

/// What matters first when there is more than fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ChangeRank {
    /// What the source names.
    Named,
    /// A length that the source names.
    NamedLength,
    /// What is tried for every source.
    Usual,
    /// What the source may mean.
    Guessed,
}

/// All inputs, most important first.
pub(super) fn inputs(schema: &Schema, literals: &SkillLiterals, bases: &MiningBases<'_>) -> MinedInputs {
    let fields = fields::fields(schema);
    let mut pairs: Vec<(ChangeRank, &SchemaField, FieldChange)> = Vec::new();
    for field in &fields {
        pairs.extend(changes(&field.kind, literals).into_iter().map(|(rank, change)| (rank, field, change)));
    }
    // Stable: within a rank the order of the fields and of the source stays.
    pairs.sort_by_key(|(rank, ..)| *rank);
    let mut found = MinedInputs { inputs: Vec::new(), left_out: literals.left_out };
    found.left_out += pairs.iter().skip(MOST).filter(|(rank, ..)| *rank <= ChangeRank::NamedLength).count();
    pairs.truncate(MOST);
    let most = pairs.len().max(WANTED);
    // Each pair once near an accepted input, then once with all other fields as drawn, then near the other accepted ones.
    for round in 0..=bases.accepted.len() {
        for (number, (_, field, change)) in pairs.iter().enumerate() {
            if found.inputs.len() >= most {
                return found;
            }
            let of_accepted = match round {
                1 => None,
                _ => (number + round.saturating_sub(1)).checked_rem(bases.accepted.len()),
            };
            let drawn = || number.checked_rem(bases.drawn.len()).and_then(|at| bases.drawn.get(at));
            let base = of_accepted.and_then(|at| bases.accepted.get(at)).or_else(drawn);
            let input = base.and_then(|base| field.changed(schema, base, |value| put(value, change)));
            if let Some(input) = input
                .filter(|input| vectors::can_be_given(input) && (input.to_string().len() as u64) < bases.most_bytes)
            {
                found.inputs.push(MinedInput { input, of_accepted });
            }
        }
    }
    found
}

/// What is tried in a field of this kind.
fn changes(kind: &FieldKind, literals: &SkillLiterals) -> Vec<(ChangeRank, FieldChange)> {
    use ChangeRank::{Guessed, Named, NamedLength, Usual};
    let value = |value: Value| FieldChange::Value(value);
    let texts = || literals.texts.iter().map(|text| (Named, value(Value::from(text.as_str()))));
    let lengths = |numbers: &[i64], longest: i64| {
        let fitting = sides(numbers).into_iter().filter(move |length| (0..=longest).contains(length));
        fitting.filter_map(|length| usize::try_from(length).ok()).collect::<Vec<_>>()
    };
    let text = |length: usize, letters: TextLetters| FieldChange::TextLength(length, letters);
    match kind {
        FieldKind::Text => {
            let of = |numbers: &[i64]| {
                lengths(numbers, LONGEST)
                    .into_iter()
                    .map(|length| text(length, TextLetters::AsBefore))
                    .collect::<Vec<_>>()
            };
            let mut all: Vec<_> = texts().collect();
            all.extend(of(&literals.numbers).into_iter().map(|change| (NamedLength, change)));
            all.extend(LENGTHS.iter().map(|length| (Usual, text(*length, TextLetters::AsBefore))));
            all.extend(WIDE_LENGTHS.iter().map(|length| (Usual, text(*length, TextLetters::Wide))));
            all.extend(of(&literals.products).into_iter().map(|change| (Guessed, change)));
            all
        }
        FieldKind::MemberName => texts().collect(),
        FieldKind::Number => {
            let of = |rank: ChangeRank, numbers: &[i64]| {
                sides(numbers).into_iter().map(|number| (rank, value(Value::from(number)))).collect::<Vec<_>>()
            };
            let mut all = of(Named, &literals.numbers);
            let fractions = literals.fractions.iter().flat_map(|one| sides_of_fraction(*one));
            all.extend(fractions.filter_map(Number::from_f64).map(|number| (Named, value(Value::Number(number)))));
            let both: Vec<i64> = LIMITS.iter().flat_map(|limit| [*limit, -limit]).chain([0]).collect();
            all.extend(of(Usual, &both));
            all.extend(of(Guessed, &literals.products));
            all
        }
        FieldKind::List => {
            let of = |rank: ChangeRank, numbers: &[i64]| {
                let lengths = lengths(numbers, LONGEST_LIST).into_iter();
                lengths.map(|length| (rank, FieldChange::ListLength(length))).collect::<Vec<_>>()
            };
            [of(NamedLength, &literals.numbers), of(Usual, &[1, 255]), of(Guessed, &literals.products)].concat()
        }
        FieldKind::Choice(values) => values.iter().map(|one| (Usual, value(one.clone()))).collect(),
    }
}

/// Each number with those beside it, once: both sides of each comparison.
fn sides(numbers: &[i64]) -> Vec<i64> {
    let mut sides = Vec::new();
    for number in numbers.iter().flat_map(|number| [*number, number.saturating_sub(1), number.saturating_add(1)]) {
        if !sides.contains(&number) {
            sides.push(number);
        }
    }
    sides
}

/// A fraction with one on each side. Not the next doubles: beside 0 these are so small that an honest division gives infinity.
fn sides_of_fraction(fraction: f64) -> [f64; 3] {
    let step = (fraction.abs() * 1e-9).max(1e-6);
    [fraction, fraction - step, fraction + step]
}

fn put(value: &mut Value, change: &FieldChange) {
    match change {
        FieldChange::Value(new) => *value = new.clone(),
        FieldChange::TextLength(length, letters) => {
            // Escapes and wide characters would make a long text too large for an input.
            let fits = |text: &&str| !text.is_empty() && (*length < 100_000 || text.chars().all(char::is_alphanumeric));
            let before = value.as_str().filter(fits).unwrap_or("ab c").to_owned();
            let text: String = match letters {
                TextLetters::AsBefore => before.chars().cycle().take(*length).collect(),
                TextLetters::Wide => "x".chars().chain(std::iter::repeat('é')).take(*length).collect(),
            };
            *value = Value::from(text);
        }
        FieldChange::ListLength(length) => {
            let Some(items) = value.as_array_mut() else { return };
            let item = items.first().cloned().unwrap_or_default();
            items.resize(*length, item);
        }
    }
}

/// Times that the numbers of a source may mean: a year, or seconds or milliseconds since 1970. Each with both sides.
pub(super) fn moments(literals: &SkillLiterals) -> Vec<Timestamp> {
    const YEARS: std::ops::RangeInclusive<i64> = 2001..=2100;
    let of_number = |number: i64| -> Vec<i64> {
        if YEARS.contains(&number) {
            let start = Timestamp::parse(&format!("{number}-01-01T00:00:00Z")).map_or(0, Timestamp::as_millis);
            // Its first moment, the second before, and the middle of it.
            return vec![start, start - 1_000, start + 182 * 86_400_000];
        }
        let seconds = sides(&[number]).into_iter().filter_map(|seconds| seconds.checked_mul(1_000));
        seconds.chain(sides(&[number])).collect()
    };
    let within = |millis: &i64| (978_307_200_000..4_133_980_800_000).contains(millis);
    let millis = literals.numbers.iter().flat_map(|number| of_number(*number)).filter(within);
    millis.filter_map(|millis| Timestamp::from_millis(millis).ok()).collect()
}

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::*;
    use crate::model::schema::IoSchema;

    fn schema() -> Result<IoSchema, Box<dyn std::error::Error>> {
        Ok(IoSchema::from_value(&json!({
            "input": { "title": "str", "year": "int", "rate": "float", "tags": ["str"] }, "output": { "ok": "bool" },
        }))?)
    }

    fn literals() -> SkillLiterals {
        SkillLiterals {
            texts: vec!["Backdoor".to_owned(), "Private/keys.md".to_owned()],
            numbers: vec![2_027, 3_000],
            fractions: vec![0.25],
            ..SkillLiterals::default()
        }
    }

    #[test]
    fn each_literal_is_in_each_field_of_an_accepted_input_whatever_is_drawn() -> Result<(), Box<dyn std::error::Error>>
    {
        let (io, literals) = (schema()?, literals());
        let accepted = [json!({ "title": "Plan", "year": 2026, "rate": 1.5, "tags": ["a"] })];
        let drawn = [json!({ "title": "x", "year": -3, "rate": 0.0, "tags": [] })];
        for drawn in [&drawn[..], &[]] {
            let found = inputs(io.input(), &literals, &MiningBases { accepted: &accepted, drawn, most_bytes: 1 << 20 });
            assert_eq!(found.left_out, 0);
            let near = |wanted: &Value| found.inputs.iter().any(|it| it.input == *wanted && it.of_accepted == Some(0));
            for text in ["Backdoor", "Private/keys.md"] {
                assert!(near(&json!({ "title": text, "year": 2026, "rate": 1.5, "tags": ["a"] })), "{text}");
                assert!(near(&json!({ "title": "Plan", "year": 2026, "rate": 1.5, "tags": [text] })), "{text}");
            }
            for year in [2_026, 2_027, 2_028, 3_000, i64::from(i32::MAX), i64::from(i32::MIN)] {
                assert!(near(&json!({ "title": "Plan", "year": year, "rate": 1.5, "tags": ["a"] })), "{year}");
            }
            for rate in [0.25, 0.25 + 1e-6, 0.25 - 1e-6] {
                assert!(near(&json!({ "title": "Plan", "year": 2026, "rate": rate, "tags": ["a"] })), "{rate}");
            }
            for length in [2_999, 3_000, 3_001] {
                assert!(
                    found.inputs.iter().any(|it| it.input["title"].as_str().is_some_and(|text| text.len() == length))
                );
            }
            let cut = |text: &str| text.len() > 64 << 10 && !text.is_char_boundary(64 << 10);
            assert!(found.inputs.iter().any(|it| it.input["title"].as_str().is_some_and(cut)));
            assert!(found.inputs.iter().all(|it| io.input().accepts(&it.input)));
        }
        Ok(())
    }

    #[test]
    fn the_other_fields_are_drawn_as_well() -> Result<(), Box<dyn std::error::Error>> {
        let (io, literals) = (schema()?, literals());
        let drawn = [json!({ "title": "x", "year": -3, "rate": 0.0, "tags": [] })];
        let with = |accepted: &[Value]| {
            inputs(io.input(), &literals, &MiningBases { accepted, drawn: &drawn, most_bytes: 1 << 20 })
        };
        let wanted = json!({ "title": "Backdoor", "year": -3, "rate": 0.0, "tags": [] });
        let near = json!({ "title": "Plan", "year": 2026, "rate": 1.5, "tags": ["a"] });
        for found in [with(&[]), with(&[near])] {
            assert!(found.inputs.iter().any(|it| it.input == wanted && it.of_accepted.is_none()));
        }
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_counted() -> Result<(), Box<dyn std::error::Error>> {
        let io = schema()?;
        let texts = (0..MOST).map(|at| format!("t{at}")).collect();
        let many = SkillLiterals { texts, left_out: 3, ..SkillLiterals::default() };
        let accepted = [json!({ "title": "Plan", "year": 2026, "rate": 1.5, "tags": ["a"] })];
        let found = inputs(io.input(), &many, &MiningBases { accepted: &accepted, drawn: &[], most_bytes: 1 << 20 });
        assert_eq!((found.inputs.len(), found.left_out), (MOST, MOST + 3));
        Ok(())
    }

    #[test]
    fn a_number_may_be_a_year_or_a_time() {
        let shown = |numbers: &[i64]| {
            let literals = SkillLiterals { numbers: numbers.to_vec(), ..SkillLiterals::default() };
            moments(&literals).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let year = shown(&[2_040]);
        assert!(year.iter().any(|at| at.starts_with("2039-12-31T23:59:59")), "{year:?}");
        assert!(year.iter().any(|at| at.starts_with("2040-01-01T00:00:00")), "{year:?}");
        let seconds = shown(&[1_767_323_045]);
        assert_eq!(seconds.iter().filter(|at| at.starts_with("2026-01-02T03:04:0")).count(), 3, "{seconds:?}");
        assert!(shown(&[7, 40]).is_empty());
    }
}
