//! The rules of one schema: each keyword is checked for its value, for its type and against the rules beside it.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use super::{
    checker::Checker,
    decimal,
    error::{SchemaError, join},
    keywords::{self, Scope, TYPES, Type},
    normalise::{Empty, Normalise},
    pattern, shorthand,
};

/// The smallest `multipleOf`.
const LEAST_STEP: f64 = 1e-9;
/// The largest count. Many readers of a schema hold a count in 32 bits.
const MOST_COUNT: u64 = i32::MAX as u64;
/// Most values of an `enum`.
const MAX_ENUM: usize = 256;

/// Adds the rules of `map` to `out`, in their normal form.
pub(super) fn add<'a>(
    normaliser: &mut dyn Normalise<'a>,
    map: &'a Map<String, Value>,
    at: &str,
    depth: usize,
    empty: Empty,
    out: &mut Map<String, Value>,
) -> Result<(), SchemaError> {
    let types = types(map, at)?;
    applicable(map, &types, at)?;
    choices(normaliser, map, at, out)?;
    match types.as_slice() {
        [] => return Ok(()),
        [one] => out.insert("type".to_owned(), Value::from(*one)),
        several => out.insert("type".to_owned(), Value::from(several)),
    };
    // With `enum` or `const` the type adds no rule; it only has to allow the listed values.
    let listed = out.contains_key("enum") || out.contains_key("const");
    let has = |kind: Type| !listed && types.iter().any(|name| kind.covers(name));
    if has(Type::String) {
        string(normaliser, map, at, out)?;
    }
    if has(Type::Number) {
        number(map, at, out)?;
    }
    if has(Type::Array) {
        array(normaliser, map, at, depth, out)?;
    }
    if has(Type::Object) {
        object(normaliser, map, at, depth, empty, out)?;
    }
    Ok(())
}

/// Leaves out a `default` of null where null does not fit: so Python writes an argument that may be left out, and it says no
/// more than `required` does.
pub(super) fn drop_null_default(schema: &mut Map<String, Value>) {
    if schema.get("default") != Some(&Value::Null) {
        return;
    }
    let checker = Checker::new(&Value::Object(schema.clone()));
    if checker.is_ok_and(|checker| checker.check(&Value::Null).is_err()) {
        schema.remove("default");
    }
}

/// Refuses values in a schema that the schema itself refuses.
pub(super) fn values_fit(schema: &Map<String, Value>, at: &str) -> Result<(), SchemaError> {
    let listed = |key: &'static str| {
        let items = schema.get(key).and_then(Value::as_array).into_iter().flatten();
        items.enumerate().map(move |(index, value)| (format!("{key}/{index}"), value))
    };
    let single = |key: &'static str| schema.get(key).map(|value| (key.to_owned(), value));
    let mut values: Vec<(String, &Value)> = listed("examples").chain(single("default")).collect();
    if schema.contains_key("type") {
        // Without a type they are the only rule, and fit it by definition.
        values.extend(listed("enum").chain(single("const")));
    }
    if values.is_empty() {
        return Ok(());
    }
    let refuse = |key: &str, why: String| SchemaError::BadValue { at: format!("{at}/{key}"), why };
    let checker = Checker::new(&Value::Object(schema.clone())).map_err(|why| refuse("", why))?;
    values
        .iter()
        .try_for_each(|(key, value)| checker.check(value).map_err(|mismatch| refuse(key, mismatch.to_string())))
}

fn malformed(at: &str, keyword: &str, why: &'static str) -> SchemaError {
    SchemaError::Malformed { at: join(at, keyword), why }
}

fn contradiction(at: &str, why: &'static str) -> SchemaError {
    SchemaError::Contradiction { at: at.to_owned(), why }
}

/// The types that are named, in the order of [`TYPES`].
fn types(map: &Map<String, Value>, at: &str) -> Result<Vec<&'static str>, SchemaError> {
    let wrong = || malformed(at, "type", "must be a type of JSON Schema, or a list of different ones");
    let named = |value: &Value| TYPES.into_iter().find(|name| value == name).ok_or_else(wrong);
    match map.get("type") {
        None if map.contains_key("enum") || map.contains_key("const") => Ok(Vec::new()),
        None => Err(SchemaError::Vacuous { at: at.to_owned(), why: "has no rule: give it a `type`" }),
        Some(Value::Array(names)) => {
            let mut found = names.iter().map(named).collect::<Result<Vec<_>, _>>()?;
            // One order for all, because the normal form is what is digested: two ways to write the
            // same types must not be two schemas.
            found.sort_by_key(|name| TYPES.iter().position(|other| other == name));
            found.dedup();
            if found.len() == names.len() && !found.is_empty() { Ok(found) } else { Err(wrong()) }
        }
        Some(name) => named(name).map(|name| vec![name]),
    }
}

/// Refuses rules for another type: they never apply, but a reader would rely on them.
fn applicable(map: &Map<String, Value>, types: &[&str], at: &str) -> Result<(), SchemaError> {
    let idle = |key: &&String| match keywords::scope(key) {
        Some(Scope::Of(kind)) => !types.iter().any(|name| kind.covers(name)),
        _ => false,
    };
    match map.keys().find(idle) {
        Some(keyword) => Err(SchemaError::Inapplicable {
            at: join(at, keyword),
            keyword: keyword.clone(),
            why: "it applies to a type that this schema does not have",
        }),
        None => Ok(()),
    }
}

fn choices(
    normaliser: &mut dyn Normalise<'_>,
    map: &Map<String, Value>,
    at: &str,
    out: &mut Map<String, Value>,
) -> Result<(), SchemaError> {
    if map.contains_key("enum") && map.contains_key("const") {
        return Err(contradiction(at, "`enum` and `const` are the same rule: use one"));
    }
    // Further rules could exclude some of the listed values, and a reader would not see which.
    let limited = map.keys().any(|key| matches!(keywords::scope(key), Some(Scope::Of(_))));
    if limited && (map.contains_key("enum") || map.contains_key("const")) {
        return Err(contradiction(at, "beside `enum` or `const` only the rule `type` is allowed"));
    }
    if let Some(value) = map.get("const") {
        let value = normaliser.literal(value, &join(at, "const"))?;
        out.insert("const".to_owned(), value);
    }
    let Some(values) = map.get("enum") else { return Ok(()) };
    let wrong = || malformed(at, "enum", "must be a list of 1 to 256 different values");
    let list = values.as_array().ok_or_else(wrong)?;
    // Quadratic, and bounded: the length is checked below, and the parser bounds what comes in.
    // Values of JSON cannot be hashed or sorted.
    let distinct = list.iter().enumerate().all(|(i, value)| !list.iter().take(i).any(|other| other == value));
    if list.is_empty() || list.len() > MAX_ENUM || !distinct {
        return Err(wrong());
    }
    let values = normaliser.literal(values, &join(at, "enum"))?;
    out.insert("enum".to_owned(), values);
    Ok(())
}

fn string(
    normaliser: &mut dyn Normalise<'_>,
    map: &Map<String, Value>,
    at: &str,
    out: &mut Map<String, Value>,
) -> Result<(), SchemaError> {
    counts(map, at, CountRule { least: "minLength", most: "maxLength", cap: 4_096 }, out)?;
    let Some(value) = map.get("pattern") else { return Ok(()) };
    let text = value.as_str().ok_or_else(|| malformed(at, "pattern", "must be a string"))?;
    pattern::check(text).map_err(|why| SchemaError::BadPattern { at: join(at, "pattern"), why })?;
    // Counted where a reference is put in place, so that one pattern that is referred to often
    // costs as often.
    normaliser.count_pattern()?;
    let value = normaliser.literal(value, &join(at, "pattern"))?;
    out.insert("pattern".to_owned(), value);
    Ok(())
}

fn number(map: &Map<String, Value>, at: &str, out: &mut Map<String, Value>) -> Result<(), SchemaError> {
    for key in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"] {
        match map.get(key) {
            None => {}
            Some(value @ Value::Number(_)) => {
                out.insert(key.to_owned(), value.clone());
            }
            Some(_) => return Err(malformed(at, key, "must be a number")),
        }
    }
    let bound = |key: &str| map.get(key).and_then(Value::as_number);
    if bound("multipleOf").is_some_and(|step| step.as_f64().is_none_or(|step| step <= 0.0)) {
        return Err(malformed(at, "multipleOf", "must be more than 0"));
    }
    if bound("multipleOf").is_some_and(|step| !decimal::is_exact(step)) {
        return Err(malformed(at, "multipleOf", "has more than 15 digits, which a JSON number does not hold exactly"));
    }
    // Readers of the schema that divide doubles would disagree about a smaller step.
    if bound("multipleOf").is_some_and(|step| step.as_f64().is_some_and(|step| step < LEAST_STEP)) {
        return Err(malformed(at, "multipleOf", "is too small: 0.000000001 at least"));
    }
    let (low, above) = (bound("minimum"), bound("exclusiveMinimum"));
    let (high, below) = (bound("maximum"), bound("exclusiveMaximum"));
    if (low.is_some() && above.is_some()) || (high.is_some() && below.is_some()) {
        return Err(contradiction(at, "a bound is given twice, with and without `exclusive`: use one"));
    }
    if let (Some(low), Some(high)) = (low.or(above), high.or(below)) {
        let exclusive = above.is_some() || below.is_some();
        match compare(low, high) {
            Ordering::Less => {}
            Ordering::Equal if !exclusive => {}
            Ordering::Equal | Ordering::Greater => {
                return Err(contradiction(at, "no number lies between the lower and the upper bound"));
            }
        }
    }
    Ok(())
}

/// Exact where both are whole numbers, in whatever way they are written. A number with a fraction is below 2⁵³, where
/// doubles hold every whole number.
fn compare(left: &Number, right: &Number) -> Ordering {
    let whole = |number: &Number| {
        // `1.0` and `1e3` are whole numbers too. Below 1e38 the cast to 128 bits is exact.
        let double = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 1e38);
        number.as_i128().or_else(|| double.map(|value| value as i128))
    };
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => left.as_f64().unwrap_or(f64::NAN).total_cmp(&right.as_f64().unwrap_or(f64::NAN)),
    }
}

fn array<'a>(
    normaliser: &mut dyn Normalise<'a>,
    map: &'a Map<String, Value>,
    at: &str,
    depth: usize,
    out: &mut Map<String, Value>,
) -> Result<(), SchemaError> {
    counts(map, at, CountRule { least: "minItems", most: "maxItems", cap: 256 }, out)?;
    let Some(items) = map.get("items") else {
        let why = "accepts any items: say what they are with `items`";
        return Err(SchemaError::Vacuous { at: at.to_owned(), why });
    };
    let items = normaliser.schema(items, &join(at, "items"), depth + 1)?;
    match map.get("uniqueItems") {
        None | Some(Value::Bool(false)) => {}
        // Comparing nested items is quadratic for items that are made to hash alike.
        Some(Value::Bool(true)) if !is_scalar(&items) => {
            let why = "only items that are text, numbers, booleans or null can be unique";
            return Err(malformed(at, "uniqueItems", why));
        }
        Some(value @ Value::Bool(true)) => {
            out.insert("uniqueItems".to_owned(), value.clone());
        }
        Some(_) => return Err(malformed(at, "uniqueItems", "must be true or false")),
    }
    out.insert("items".to_owned(), items);
    Ok(())
}

/// Whether a normal schema accepts neither arrays nor objects.
fn is_scalar(schema: &Value) -> bool {
    let nests = |value: &Value| matches!(value.as_str(), Some("array" | "object"));
    match schema.get("type") {
        Some(Value::Array(names)) => !names.iter().any(nests),
        Some(name) => !nests(name),
        None => {
            let values = schema.get("enum").and_then(Value::as_array).into_iter().flatten().chain(schema.get("const"));
            let branches = ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)).filter_map(Value::as_array);
            values.into_iter().all(|value| !value.is_array() && !value.is_object()) && branches.flatten().all(is_scalar)
        }
    }
}

fn object<'a>(
    normaliser: &mut dyn Normalise<'a>,
    map: &'a Map<String, Value>,
    at: &str,
    depth: usize,
    empty: Empty,
    out: &mut Map<String, Value>,
) -> Result<(), SchemaError> {
    let mut properties = Map::new();
    match map.get("properties") {
        None => {}
        Some(Value::Object(given)) => {
            for (name, node) in given {
                let at = join(&join(at, "properties"), name);
                normaliser.property(name, &at)?;
                properties.insert(name.clone(), normaliser.schema(node, &at, depth + 1)?);
            }
        }
        Some(_) => return Err(malformed(at, "properties", "must be an object of schemas")),
    }
    let is_free = properties.is_empty() && empty == Empty::Free;
    let extra = match map.get("additionalProperties").filter(|extra| !(is_free && says_nothing(extra))) {
        // An object without rules would accept anything. Where one is allowed, its values are
        // scalars, so that it stays as flat as it looks. `true` and `{}` say the same as nothing: pydantic
        // writes the one for `dict`, and zod the other for `z.record(z.any())`.
        None if is_free => shorthand::scalar(),
        None | Some(Value::Bool(false)) => Value::Bool(false),
        // A closed schema is what makes the capabilities of an input readable: nothing can be
        // passed that it does not name.
        Some(Value::Bool(true)) => return Err(SchemaError::Open { at: join(at, "additionalProperties") }),
        Some(node) => normaliser.schema(node, &join(at, "additionalProperties"), depth + 1)?,
    };
    let required = required(map, &properties, at)?;
    let (least, most) = counts(map, at, CountRule { least: "minProperties", most: "maxProperties", cap: 256 }, out)?;
    let closed = extra == Value::Bool(false);
    if most.is_some_and(|most| most < required.len() as u64)
        || (closed && least.is_some_and(|least| least > properties.len() as u64))
    {
        return Err(contradiction(at, "`minProperties` or `maxProperties` contradicts `properties` or `required`"));
    }
    if !required.is_empty() {
        out.insert("required".to_owned(), Value::from(required));
    }
    out.insert("properties".to_owned(), Value::Object(properties));
    out.insert("additionalProperties".to_owned(), extra);
    names(normaliser, map, at, depth, out)
}

/// Whether a schema accepts everything.
fn says_nothing(schema: &Value) -> bool {
    *schema == Value::Bool(true) || schema.as_object().is_some_and(Map::is_empty)
}

/// The rule for the names of properties. Every name is text, so that alone is no rule.
fn names<'a>(
    normaliser: &mut dyn Normalise<'a>,
    map: &'a Map<String, Value>,
    at: &str,
    depth: usize,
    out: &mut Map<String, Value>,
) -> Result<(), SchemaError> {
    let Some(node) = map.get("propertyNames") else { return Ok(()) };
    let at = join(at, "propertyNames");
    let names = normaliser.schema(node, &at, depth + 1)?;
    if names.get("type").is_some_and(|name| name == "string") && names.as_object().is_some_and(|map| map.len() == 1) {
        return Ok(());
    }
    out.insert("propertyNames".to_owned(), names);
    Ok(())
}

fn required(map: &Map<String, Value>, properties: &Map<String, Value>, at: &str) -> Result<Vec<String>, SchemaError> {
    let wrong = || malformed(at, "required", "must be a list of different names");
    let Some(value) = map.get("required") else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for name in value.as_array().ok_or_else(wrong)? {
        let name = name.as_str().ok_or_else(wrong)?;
        // JSON Schema allows it, and then nothing matches a closed object. That is a typing error,
        // and is told here.
        if !properties.contains_key(name) {
            return Err(SchemaError::UnknownRequired { at: join(at, "required"), name: name.to_owned() });
        }
        names.push(name.to_owned());
    }
    names.sort_unstable();
    let given = names.len();
    names.dedup();
    if names.len() == given { Ok(names) } else { Err(wrong()) }
}

/// Two keywords that limit a count.
#[derive(Clone, Copy)]
struct CountRule {
    least: &'static str,
    most: &'static str,
    /// The largest lower count: an example has to reach it.
    cap: u64,
}

/// Copies a pair of counts.
fn counts(
    map: &Map<String, Value>,
    at: &str,
    pair: CountRule,
    out: &mut Map<String, Value>,
) -> Result<(Option<u64>, Option<u64>), SchemaError> {
    let CountRule { least, most, cap } = pair;
    let read = |key: &str| match map.get(key) {
        None => Ok(None),
        Some(value) => match decimal::count(value) {
            Some(count) => Ok(Some(count)),
            None => Err(malformed(at, key, "must be a whole number, 0 or more")),
        },
    };
    let (low, high) = (read(least)?, read(most)?);
    if low.is_some_and(|low| low > cap) {
        return Err(malformed(at, least, "is too large: 4096 characters, 256 items or 256 properties at most"));
    }
    if high.is_some_and(|high| high > MOST_COUNT) {
        return Err(malformed(at, most, "is too large: 2147483647 at most"));
    }
    if let (Some(low), Some(high)) = (low, high)
        && low > high
    {
        return Err(contradiction(at, "the lower count is above the upper one"));
    }
    for (key, count) in [(least, low), (most, high)] {
        if let Some(count) = count {
            out.insert(key.to_owned(), Value::from(count));
        }
    }
    Ok((low, high))
}
