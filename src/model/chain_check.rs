//! Checks a chain against the schemas of its skills, before its first step runs.
//!
//! Guarantees: a chain that is refused can never work. An accepted one may still fail, because of the values at run time.
//! Deliberately never: looks a skill up.

use serde_json::Value;

use super::{
    chain::{Chain, ChainStep, ValuePath, path::position},
    effect::EffectClass,
    name::SkillName,
    schema::{Schema, SchemaMismatch},
    spec::SkillSpec,
};

/// Why a chain can never work. Steps are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainMismatch {
    /// A class that this call does not allow.
    #[error("step {step}: `{skill}` is {class}, wider than {most}, which is the most that was asked for")]
    TooWide {
        /// The step.
        step: usize,
        /// Its skill.
        skill: SkillName,
        /// Its class.
        class: EffectClass,
        /// The widest that is allowed.
        most: EffectClass,
    },
    /// No output of the source has this path.
    #[error("step {step}: the output of `{skill}` (step {from}) never has `{path}`")]
    NoSource {
        /// The step.
        step: usize,
        /// The source.
        from: usize,
        /// The skill of the source.
        skill: SkillName,
        /// The path.
        path: ValuePath,
    },
    /// No input of the skill has this path.
    #[error("step {step}: the input of `{skill}` has no `{path}`")]
    NoPlace {
        /// The step.
        step: usize,
        /// Its skill.
        skill: SkillName,
        /// The path.
        path: ValuePath,
    },
    /// The two sides of a mapping have no type in common.
    #[error("step {step}: `{from}` is {given}, but `{to}` of `{skill}` takes {wanted}")]
    Types {
        /// The step.
        step: usize,
        /// Its skill.
        skill: SkillName,
        /// The path in the output.
        from: ValuePath,
        /// The types that it can have.
        given: String,
        /// The path in the input.
        to: ValuePath,
        /// The types that the input accepts.
        wanted: String,
    },
    /// The input never matches, whatever the earlier steps give.
    #[error("step {step}: the input never fits `{skill}`: {why}")]
    Input {
        /// The step.
        step: usize,
        /// Its skill.
        skill: SkillName,
        /// What does not match.
        why: SchemaMismatch,
    },
}

/// Checks every step of a chain. `specs` are those of its skills, in their order.
///
/// # Errors
/// [`ChainMismatch`] for the first thing that can never work.
pub fn check(chain: &Chain, specs: &[SkillSpec], most: Option<EffectClass>) -> Result<(), Box<ChainMismatch>> {
    for (number, (step, spec)) in chain.steps().iter().zip(specs).enumerate() {
        // The class comes first, so that a chain that is too wide is refused without a look at its
        // schemas.
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
    // The input, with a value of the right type wherever a mapping adds one. If even that does not match, nothing does.
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
        // One common type is enough: which one comes is known only at run time.
        if !given.iter().any(|given| wanted.iter().any(|wanted| overlap(given, wanted))) {
            let (from, to) = (mapping.from.clone(), mapping.to.clone());
            let (given, wanted) = (given.join(" or "), wanted.join(" or "));
            return Err(Box::new(ChainMismatch::Types { step: number, skill: skill(), from, given, to, wanted }));
        }
        // Without an example for one path, nothing can be said about the whole input.
        let example = places.iter().find_map(|place| Schema::example_of(place));
        trial = match (trial, example) {
            (Some(mut trial), Some(example)) => {
                mapping.to.put(&mut trial, example).map_err(|()| no_place(&mapping.to))?;
                Some(trial)
            }
            // Once unknown, the input stays unknown, and is checked when the step runs.
            _ => None,
        };
    }
    match trial.map(|trial| spec.io.check_input(&trial)) {
        Some(Err(why)) => Err(Box::new(ChainMismatch::Input { step: number, skill: skill(), why })),
        _ => Ok(()),
    }
}

/// The schemas that a value at `path` may have; none when there can be no value.
fn parts<'s>(schema: &'s Value, path: &ValuePath) -> Vec<&'s Value> {
    path.names().fold(alternatives(schema), |at, name| {
        at.into_iter().flat_map(|schema| step_into(schema, name)).flat_map(alternatives).collect()
    })
}

/// A schema, or its alternatives.
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
        // Only where it is a schema: closed objects have no other names.
        let others = || schema.get("additionalProperties").filter(|schema| schema.is_object());
        if let Some(found) = named.or_else(others) {
            return Some(found);
        }
    }
    if types.contains(&"array") {
        // A position behind the longest array can never have a value.
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

#[cfg(test)]
#[path = "chain_check_tests.rs"]
mod tests;
