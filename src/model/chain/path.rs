//! Paths into JSON values: names separated by dots, positions in arrays as numbers.

use std::fmt;

use serde_json::Value;

/// Longest path, in bytes.
pub const MAX_BYTES: usize = 500;
/// Most names.
pub const MAX_NAMES: usize = 32;

/// A path into a JSON value, like `results.0.path`. A name that has a dot in it cannot be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuePath(Vec<String>);

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is no path into JSON: names separated by dots, at most {MAX_NAMES} of them and {MAX_BYTES} bytes")]
pub struct InvalidPath {
    path: String,
}

impl ValuePath {
    /// Parses a path.
    ///
    /// # Errors
    /// [`InvalidPath`] for an empty name, and for what is too long.
    pub fn parse(path: &str) -> Result<Self, InvalidPath> {
        let names: Vec<String> = path.split('.').map(str::to_owned).collect();
        // Each name of a path can make an object that holds the next, so their number limits the
        // depth.
        let odd = path.len() > MAX_BYTES || names.len() > MAX_NAMES || names.iter().any(String::is_empty);
        if odd { Err(InvalidPath { path: crate::model::json::shown(path) }) } else { Ok(Self(names)) }
    }

    /// Its names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// What lies there in `value`.
    pub fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.names().try_fold(value, |at, name| match at {
            Value::Object(map) => map.get(name),
            Value::Array(items) => items.get(position(name)?),
            _ => None,
        })
    }

    /// Puts something there: into an object, also one that is made for it, or over an item of an array.
    pub(in crate::model) fn put(&self, value: &mut Value, part: Value) -> Result<(), ()> {
        let Some((last, folders)) = self.0.split_last() else { return Err(()) };
        let mut at = value;
        for name in folders {
            at = match at {
                Value::Object(map) => map.entry(name.as_str()).or_insert_with(|| Value::Object(Default::default())),
                // Arrays are never extended: a position far away would fill the memory with nulls.
                Value::Array(items) => position(name).and_then(|at| items.get_mut(at)).ok_or(())?,
                _ => return Err(()),
            };
        }
        match at {
            Value::Object(map) => {
                map.insert(last.clone(), part);
                Ok(())
            }
            Value::Array(items) => {
                let item = position(last).and_then(|at| items.get_mut(at)).ok_or(())?;
                *item = part;
                Ok(())
            }
            _ => Err(()),
        }
    }
}

/// A position in an array: digits, without a needless zero.
pub(in crate::model) fn position(name: &str) -> Option<usize> {
    // `parse` also accepts a plus sign and leading zeros, which would give one item many names.
    let plain = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    if plain { name.parse().ok() } else { None }
}

impl fmt::Display for ValuePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::model::json::shown(&self.0.join(".")))
    }
}
