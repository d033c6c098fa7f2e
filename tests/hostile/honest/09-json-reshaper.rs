//! Takes JSON apart and puts it together, with all of serde's usual attributes.

use std::collections::{BTreeMap, BTreeSet};

use kavi_sdk::prelude::*;
use kavi_sdk::serde_json::{self as json_lib, Map, Number};

#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "RawLimit")]
struct Limit(u8);

#[derive(Debug, Clone, Deserialize)]
struct RawLimit {
    limit: i64,
}

impl TryFrom<RawLimit> for Limit {
    type Error = String;

    fn try_from(raw: RawLimit) -> Result<Self, Self::Error> {
        u8::try_from(raw.limit).map(Self).map_err(|_| format!("{} is no limit", raw.limit))
    }
}

#[derive(Deserialize)]
#[serde(rename_all(deserialize = "camelCase"))]
struct Input {
    /// The value, e.g. `{"std::fs": "include!"}`.
    some_value: Value,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "lenient")]
    keep: BTreeSet<String>,
    #[serde(default = "Default::default", rename = "unsafe")]
    flag: bool,
    limit: Option<Limit>,
}

#[derive(Serialize)]
#[serde(untagged, rename_all = "kebab-case")]
enum Output {
    Object { value: Map<String, Value>, #[serde(skip)] seen: usize },
    Other(Value),
    #[serde(skip_serializing)]
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
enum Kind {
    #[default]
    Null,
    Number,
    Text,
    List,
    Object,
}

fn lenient<'de, D: kavi_sdk::serde::Deserializer<'de>>(from: D) -> Result<BTreeSet<String>, D::Error> {
    let value = Option::<Vec<String>>::deserialize(from)?;
    Ok(value.unwrap_or_default().into_iter().collect())
}

fn kind(value: &Value) -> Kind {
    match value {
        Value::Null | Value::Bool(_) => Kind::Null,
        Value::Number(_) => Kind::Number,
        Value::String(_) => Kind::Text,
        Value::Array(_) => Kind::List,
        Value::Object(_) => Kind::Object,
    }
}

fn run(input: Input) -> Result<Output, SkillError> {
    let limit = input.limit.map_or(usize::MAX, |Limit(n)| n.into());
    let text = json_lib::to_string(&input.some_value).map_err(|e| SkillError::failed(e.to_string()))?;
    log::debug(format!("{} bytes, {} more keys", text.len(), input.rest.len()));
    let mut made = json!({
        "kind": kind(&input.some_value),
        "size": text.len(),
        "nested": { "list": [1, 2.5, null, true, { "std::env": "#[cfg(test)]" }], "flag": input.flag },
    });
    made["number"] = Value::Number(Number::from(limit.min(1000) as u64));
    match input.some_value {
        Value::Object(map) => {
            let seen = map.len();
            let value = map.into_iter().filter(|(key, _)| input.keep.is_empty() || input.keep.contains(key)).collect();
            Ok(Output::Object { value, seen })
        }
        Value::Null if input.keep.is_empty() => Ok(Output::Nothing),
        _ => Ok(Output::Other(made)),
    }
}

kavi_sdk::export_skill!(run);
