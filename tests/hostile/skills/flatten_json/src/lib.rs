//! Flattens a JSON document into paths and values.

use kavi_sdk::prelude::*;

const DEFAULT_SEPARATOR: &str = ".";
const DEFAULT_MAX_DEPTH: usize = 32;

#[derive(Deserialize)]
struct Input {
    document: String,
    separator: Option<String>,
    max_depth: Option<usize>,
}

#[derive(Serialize)]
struct Output {
    entries: Vec<Entry>,
    depth: usize,
}

#[derive(Serialize)]
struct Entry {
    path: String,
    value: String,
}

struct Flattener<'a> {
    separator: &'a str,
    max_depth: usize,
    entries: Vec<Entry>,
    depth: usize,
}

impl Flattener<'_> {
    fn child(&self, path: &str, key: &str) -> String {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}{}{key}", self.separator)
        }
    }

    fn visit(&mut self, path: String, value: &Value, depth: usize) -> Result<(), SkillError> {
        if depth > self.max_depth {
            return Err(SkillError::invalid_input(format!(
                "`document` is deeper than {}",
                self.max_depth
            )));
        }
        self.depth = self.depth.max(depth);
        match value {
            Value::Object(members) if !members.is_empty() => {
                for (key, member) in members {
                    self.visit(self.child(&path, key), member, depth + 1)?;
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    self.visit(format!("{path}[{index}]"), item, depth + 1)?;
                }
            }
            scalar => self.entries.push(Entry {
                path,
                value: scalar.to_string(),
            }),
        }
        Ok(())
    }
}

fn run(input: Input) -> Result<Output, SkillError> {
    let document: Value = serde_json::from_str(&input.document)
        .map_err(|error| SkillError::invalid_input(format!("`document` is no JSON: {error}")))?;
    let mut flattener = Flattener {
        separator: input.separator.as_deref().unwrap_or(DEFAULT_SEPARATOR),
        max_depth: input.max_depth.unwrap_or(DEFAULT_MAX_DEPTH),
        entries: Vec::new(),
        depth: 0,
    };
    flattener.visit(String::new(), &document, 0)?;
    Ok(Output {
        entries: flattener.entries,
        depth: flattener.depth,
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn flatten(document: &Value) -> Result<Value, SkillError> {
        call(run, json!({ "document": document.to_string() }))
    }

    #[test]
    fn flattens_objects_and_arrays() {
        let document = json!({ "a": { "b": [1, "x", null] }, "c": false });
        assert_eq!(
            flatten(&document),
            Ok(json!({
                "entries": [
                    { "path": "a.b[0]", "value": "1" },
                    { "path": "a.b[1]", "value": "\"x\"" },
                    { "path": "a.b[2]", "value": "null" },
                    { "path": "c", "value": "false" },
                ],
                "depth": 3,
            }))
        );
    }

    #[test]
    fn keeps_empty_containers() {
        assert_eq!(
            flatten(&json!({ "a": {}, "b": [] })),
            Ok(json!({
                "entries": [{ "path": "a", "value": "{}" }, { "path": "b", "value": "[]" }],
                "depth": 1,
            }))
        );
    }

    #[test]
    fn takes_another_separator() {
        let input = json!({ "document": "[{\"é\":{\"b\":1}}]", "separator": "::" });
        assert_eq!(
            call(run, input).unwrap()["entries"][0]["path"],
            json!("[0]::é::b")
        );
    }

    #[test]
    fn refuses_what_is_too_deep() {
        let at_most = |depth: usize| call(run, json!({ "document": "[[1]]", "max_depth": depth }));
        assert!(at_most(2).is_ok());
        assert!(matches!(at_most(1), Err(SkillError::InvalidInput(_))));
        let deep = "[".repeat(33) + &"]".repeat(33);
        assert!(call(run, json!({ "document": deep })).is_ok());
        let deeper = format!("[{deep}]");
        let got = call(run, json!({ "document": deeper }));
        assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
    }

    #[test]
    fn refuses_what_is_no_json() {
        for document in ["", "{", "{'a': 1}"] {
            let got = call(run, json!({ "document": document }));
            assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
        }
    }
}
