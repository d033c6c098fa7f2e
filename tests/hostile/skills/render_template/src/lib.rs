//! A tiny template renderer.

use std::collections::{BTreeMap, BTreeSet};

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    template: String,
    values: BTreeMap<String, String>,
    #[serde(default)]
    strict: bool,
}

#[derive(Serialize)]
struct Output {
    text: String,
    unused: Vec<String>,
}

#[derive(Debug, PartialEq)]
enum Token<'a> {
    Text(&'a str),
    Value(&'a str),
    Open(&'a str),
    Close(&'a str),
}

fn tokens(template: &str) -> Result<Vec<Token<'_>>, SkillError> {
    let mut tokens = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        if !before.is_empty() {
            tokens.push(Token::Text(before));
        }
        if let Some(after) = after.strip_prefix("{{") {
            tokens.push(Token::Text("{{"));
            rest = after;
            continue;
        }
        let (tag, after) = after
            .split_once("}}")
            .ok_or_else(|| SkillError::invalid_input("a `{{` is never closed"))?;
        let tag = tag.trim();
        tokens.push(if let Some(name) = tag.strip_prefix('#') {
            Token::Open(name.trim())
        } else if let Some(name) = tag.strip_prefix('/') {
            Token::Close(name.trim())
        } else {
            Token::Value(tag)
        });
        rest = after;
    }
    if !rest.is_empty() {
        tokens.push(Token::Text(rest));
    }
    Ok(tokens)
}

struct Renderer<'a> {
    values: &'a BTreeMap<String, String>,
    strict: bool,
    used: BTreeSet<&'a str>,
    /// The sections that are open, and whether they are shown.
    sections: Vec<(&'a str, bool)>,
    text: String,
}

impl<'a> Renderer<'a> {
    fn new(values: &'a BTreeMap<String, String>, strict: bool) -> Self {
        Self {
            values,
            strict,
            used: BTreeSet::new(),
            sections: Vec::new(),
            text: String::new(),
        }
    }

    fn is_shown(&self) -> bool {
        self.sections.iter().all(|(_, shown)| *shown)
    }

    fn lookup(&mut self, name: &'a str) -> Option<&'a str> {
        let value = self.values.get(name)?;
        self.used.insert(name);
        Some(value)
    }

    fn step(&mut self, token: Token<'a>) -> Result<(), SkillError> {
        match token {
            Token::Text(text) => {
                if self.is_shown() {
                    self.text.push_str(text);
                }
            }
            Token::Value(name) => {
                let value = self.lookup(name);
                if value.is_none() && self.strict {
                    return Err(SkillError::invalid_input(format!("no value for `{name}`")));
                }
                if self.is_shown() {
                    self.text.push_str(value.unwrap_or_default());
                }
            }
            Token::Open(name) => {
                let shown = self.lookup(name).is_some_and(|value| !value.is_empty());
                self.sections.push((name, shown));
            }
            Token::Close(name) => match self.sections.pop() {
                Some((open, _)) if open == name => {}
                _ => {
                    return Err(SkillError::invalid_input(format!(
                        "`{name}` is closed and was not open"
                    )));
                }
            },
        }
        Ok(())
    }
}

fn run(input: Input) -> Result<Output, SkillError> {
    let tokens = tokens(&input.template)?;
    let mut renderer = Renderer::new(&input.values, input.strict);
    for token in tokens {
        renderer.step(token)?;
    }
    if let Some((name, _)) = renderer.sections.last() {
        return Err(SkillError::invalid_input(format!(
            "the section `{name}` is never closed"
        )));
    }
    let unused = input
        .values
        .keys()
        .filter(|name| !renderer.used.contains(name.as_str()))
        .cloned()
        .collect();
    Ok(Output {
        text: renderer.text,
        unused,
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn render(template: &str) -> Result<Value, SkillError> {
        let values = json!({ "name": "Ada", "empty": "" });
        call(run, json!({ "template": template, "values": values }))
    }

    fn text(template: &str) -> String {
        render(template).unwrap()["text"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn fills_in_values_and_lists_the_unused_ones() {
        assert_eq!(
            render("Dear {{ name }}{{nobody}},"),
            Ok(json!({ "text": "Dear Ada,", "unused": ["empty"] }))
        );
    }

    #[test]
    fn shows_sections_with_a_value() {
        assert_eq!(text("{{#name}}Hi {{name}}{{/name}}."), "Hi Ada.");
        assert_eq!(text("{{#empty}}no{{/empty}}{{# gone }}no{{/ gone }}."), ".");
        assert_eq!(text("{{#empty}}{{#name}}{{name}}{{/name}}{{/empty}}x"), "x");
    }

    #[test]
    fn doubled_braces_are_literal() {
        assert_eq!(text("a {{{{b}} {"), "a {{b}} {");
    }

    #[test]
    fn strict_wants_every_value() {
        let strict = |template: &str| {
            let input = json!({ "template": template, "values": { "a": "1" }, "strict": true });
            call(run, input)
        };
        assert!(strict("{{a}}").is_ok());
        assert!(matches!(strict("{{b}}"), Err(SkillError::InvalidInput(_))));
    }

    #[test]
    fn refuses_templates_that_do_not_balance() {
        for template in [
            "{{name",
            "{{#name}}",
            "{{/name}}",
            "{{#a}}{{#b}}{{/a}}{{/b}}",
        ] {
            let got = render(template);
            assert!(
                matches!(got, Err(SkillError::InvalidInput(_))),
                "{template}: {got:?}"
            );
        }
    }
}
