//! Whether a chain can work at all, by the schemas of its skills: before its first step runs.
//!
//! Guarantees: what is refused can never work. What is accepted may still fail, with the values that there are.

use serde_json::Value;

use super::{Chain, ChainStep, ValuePath, path::position};
use crate::model::{
    effect::EffectClass,
    name::SkillName,
    schema::{Mismatch, Schema},
    spec::SkillSpec,
};

/// Why a chain can never work. Steps are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainMismatch {
    /// A class that this call does not allow.
    #[error("step {step}: `{skill}` is {class}, wider than {most}, which is the most that was asked for")]
    TooWide {
        /// Which step.
        step: usize,
        /// Its skill.
        skill: SkillName,
        /// Its class.
        class: EffectClass,
        /// The widest that is allowed.
        most: EffectClass,
    },
    /// The source has nothing there, whatever it gives.
    #[error("step {step}: the output of `{skill}` (step {from}) never has `{path}`")]
    NoSource {
        /// Which step.
        step: usize,
        /// The step it takes from.
        from: usize,
        /// That one's skill.
        skill: SkillName,
        /// What it wants.
        path: ValuePath,
    },
    /// The input has no such place.
    #[error("step {step}: the input of `{skill}` has no `{path}`")]
    NoPlace {
        /// Which step.
        step: usize,
        /// Its skill.
        skill: SkillName,
        /// What it says.
        path: ValuePath,
    },
    /// What comes never fits where it goes.
    #[error("step {step}: `{from}` is {given}, but `{to}` of `{skill}` takes {wanted}")]
    Types {
        /// Which step.
        step: usize,
        /// Its skill.
        skill: SkillName,
        /// Where it comes from.
        from: ValuePath,
        /// What types it can have.
        given: String,
        /// Where it goes.
        to: ValuePath,
        /// What types fit there.
        wanted: String,
    },
    /// The input never fits, whatever the earlier steps give.
    #[error("step {step}: the input never fits `{skill}`: {why}")]
    Input {
        /// Which step.
        step: usize,
        /// Its skill.
        skill: SkillName,
        /// Why not.
        why: Mismatch,
    },
}

/// Looks at every step of a chain. `specs` are those of its skills, in their order.
///
/// # Errors
/// [`ChainMismatch`] for the first thing that can never work.
pub fn check(chain: &Chain, specs: &[SkillSpec], most: Option<EffectClass>) -> Result<(), Box<ChainMismatch>> {
    for (number, (step, spec)) in chain.steps().iter().zip(specs).enumerate() {
        if let Some(most) = most.filter(|most| spec.side_effect_class > *most) {
            let class = spec.side_effect_class;
            return Err(Box::new(ChainMismatch::TooWide { step: number, skill: step.skill.clone(), class, most }));
        }
        check_step(number, step, specs, spec)?;
    }
    Ok(())
}

fn check_step(
    number: usize,
    step: &ChainStep,
    specs: &[SkillSpec],
    spec: &SkillSpec,
) -> Result<(), Box<ChainMismatch>> {
    let skill = || step.skill.clone();
    // The input with something that fits in every place that a mapping fills.
    let mut trial = Some(step.input.clone());
    let no_place = |path: &ValuePath| {
        Box::new(ChainMismatch::NoPlace { step: number, skill: step.skill.clone(), path: path.clone() })
    };
    for mapping in &step.mappings {
        let Some(source) = specs.get(mapping.step) else { continue };
        let sources = parts(source.io.output_schema(), &mapping.from);
        if sources.is_empty() {
            let path = mapping.from.clone();
            return Err(Box::new(ChainMismatch::NoSource {
                step: number,
                from: mapping.step,
                skill: source.name.clone(),
                path,
            }));
        }
        let places = parts(spec.io.input_schema(), &mapping.to);
        if places.is_empty() {
            return Err(Box::new(ChainMismatch::NoPlace { step: number, skill: skill(), path: mapping.to.clone() }));
        }
        let (given, wanted) = (types(&sources), types(&places));
        if !given.iter().any(|given| wanted.iter().any(|wanted| overlap(given, wanted))) {
            let (from, to) = (mapping.from.clone(), mapping.to.clone());
            let (given, wanted) = (given.join(" or "), wanted.join(" or "));
            return Err(Box::new(ChainMismatch::Types { step: number, skill: skill(), from, given, to, wanted }));
        }
        // Without an example of what fits there, nothing can be said about the whole.
        let example = places.iter().find_map(|place| Schema::example_of(place));
        trial = match (trial, example) {
            (Some(mut trial), Some(example)) => {
                mapping.to.put(&mut trial, example).map_err(|()| no_place(&mapping.to))?;
                Some(trial)
            }
            _ => None,
        };
    }
    match trial.map(|trial| spec.io.check_input(&trial)) {
        Some(Err(why)) => Err(Box::new(ChainMismatch::Input { step: number, skill: skill(), why })),
        _ => Ok(()),
    }
}

/// The schemas that what lies at `path` may have; none when there can be nothing.
fn parts<'s>(schema: &'s Value, path: &ValuePath) -> Vec<&'s Value> {
    path.names().fold(alternatives(schema), |at, name| {
        at.into_iter().flat_map(|schema| step_into(schema, name)).flat_map(alternatives).collect()
    })
}

/// A schema, or the ones of which it allows any.
fn alternatives(schema: &Value) -> Vec<&Value> {
    match schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
        Some(all) => all.iter().flat_map(alternatives).collect(),
        None => vec![schema],
    }
}

fn step_into<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    let types = own_types(schema);
    if types.contains(&"object") {
        let named = schema.get("properties").and_then(|properties| properties.get(name));
        let others = || schema.get("additionalProperties").filter(|schema| schema.is_object());
        if let Some(found) = named.or_else(others) {
            return Some(found);
        }
    }
    if types.contains(&"array") {
        let most = schema.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let within = position(name).is_some_and(|position| (position as u64) < most);
        return schema.get("items").filter(|_| within);
    }
    None
}

const ALL: [&str; 7] = ["object", "array", "string", "integer", "number", "boolean", "null"];

/// The types that a schema without alternatives names.
fn own_types(schema: &Value) -> Vec<&str> {
    match (schema.get("type"), schema.get("enum"), schema.get("const")) {
        (Some(Value::String(one)), _, _) => vec![one],
        (Some(Value::Array(some)), _, _) => some.iter().filter_map(Value::as_str).collect(),
        (_, Some(Value::Array(values)), _) => values.iter().map(type_of).collect(),
        (_, _, Some(value)) => vec![type_of(value)],
        _ => ALL.to_vec(),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn types<'s>(schemas: &[&'s Value]) -> Vec<&'s str> {
    let mut types: Vec<&str> = schemas.iter().flat_map(|schema| own_types(schema)).collect();
    types.sort_unstable();
    types.dedup();
    types
}

/// Whether a value can be of both types: 1.0 is an integer.
fn overlap(one: &str, other: &str) -> bool {
    let numeric = |name: &str| name == "integer" || name == "number";
    one == other || (numeric(one) && numeric(other))
}
