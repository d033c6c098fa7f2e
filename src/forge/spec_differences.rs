//! What differs between two specifications, in words that a person can judge.
//!
//! Deliberately never: says whether a difference is allowed.

use serde_json::Value;

use crate::model::{capabilities::SkillCapabilities, spec::SkillSpec, text};

/// Longest part of a schema or a description that is quoted, in characters.
const QUOTED: usize = 200;

/// What the next specification may do and the active one may not, the reverse, and what else differs.
pub(super) fn of(old: &SkillSpec, new: &SkillSpec) -> Vec<String> {
    let mut changes = Vec::new();
    if old.side_effect_class != new.side_effect_class {
        changes.push(format!("class {} becomes {}", old.side_effect_class, new.side_effect_class));
    }
    gained_and_lost(&mut changes, &touched(old), &touched(new));
    if old.io != new.io {
        changes.push("input or output schema differs".to_owned());
        schema(&mut changes, "input", old.io.input_schema(), new.io.input_schema());
        schema(&mut changes, "output", old.io.output_schema(), new.io.output_schema());
    }
    if old.coerce != new.coerce {
        let verb = if new.coerce { "adds" } else { "drops" };
        changes.push(format!("{verb} coercion of arguments"));
    }
    if old.description != new.description {
        let (old, new) = (text::line(&old.description, QUOTED), text::line(&new.description, QUOTED));
        changes.push(format!("description differs: `{old}` becomes `{new}`"));
    }
    let names = |spec: &SkillSpec| {
        let examples = spec.examples.iter().map(|example| format!("example `{}`", text::line(&example.name, 100)));
        let tests = spec.required_tests.iter().map(|test| format!("required test `{}`", text::line(test, 100)));
        examples.chain(tests).collect::<Vec<_>>()
    };
    let (before, after) = (names(old), names(new));
    changes.extend(after.iter().filter(|name| !before.contains(name)).map(|name| format!("adds {name}")));
    changes.extend(before.iter().filter(|name| !after.contains(name)).map(|name| format!("drops {name}")));
    let same_name = |example: &&crate::model::example::Example| {
        old.examples.iter().any(|other| other.name == example.name && other != *example)
    };
    changes.extend(
        new.examples.iter().filter(same_name).map(|it| format!("example `{}` differs", text::line(&it.name, 100))),
    );
    changes
}

/// What a skill with this specification may touch.
fn touched(spec: &SkillSpec) -> Vec<String> {
    let paths = spec.paths.iter().map(|path| format!("folder `{path}`"));
    let clock = spec.reads_clock.then(|| "the clock".to_owned());
    let secrets = spec.required_secrets.iter().map(|name| format!("secret `{name}`"));
    let removals = spec.removes_files.then(|| "removing files".to_owned());
    let hosts = spec.hosts.iter().map(|rule| format!("host rule `{rule}`"));
    let private = spec.allow_private.iter().map(|host| format!("private host `{host}`"));
    let bindings = spec.secrets.iter().map(|binding| format!("{} `{binding}`", binding.use_of_value()));
    let vault = SkillCapabilities::of(spec).reads_vault().then(|| "reading the vault".to_owned());
    let files = paths.chain(vault).chain(clock).chain(removals);
    files.chain(hosts).chain(private).chain(secrets).chain(bindings).collect()
}

fn gained_and_lost(changes: &mut Vec<String>, before: &[String], after: &[String]) {
    changes.extend(after.iter().filter(|item| !before.contains(item)).map(|item| format!("gains {item}")));
    changes.extend(before.iter().filter(|item| !after.contains(item)).map(|item| format!("loses {item}")));
}

/// The members of an object schema that were added, removed or changed.
fn schema(changes: &mut Vec<String>, side: &str, old: &Value, new: &Value) {
    let members = |schema: &Value| schema["properties"].as_object().cloned().unwrap_or_default();
    let (before, after) = (members(old), members(new));
    for (name, schema) in &after {
        let name = text::line(name, 100);
        match before.get(&name) {
            None => changes.push(format!("{side} gains `{name}`")),
            Some(was) if was != schema => {
                let (was, now) = (text::line(&was.to_string(), QUOTED), text::line(&schema.to_string(), QUOTED));
                changes.push(format!("{side} `{name}`: {was} becomes {now}"));
            }
            Some(_) => {}
        }
    }
    let lost = before.keys().filter(|name| !after.contains_key(*name));
    changes.extend(lost.map(|name| format!("{side} loses `{}`", text::line(name, 100))));
    if old["required"] != new["required"] {
        let (was, now) =
            (text::line(&old["required"].to_string(), QUOTED), text::line(&new["required"].to_string(), QUOTED));
        changes.push(format!("{side} requires {now} instead of {was}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{effect::EffectClass, schema::IoSchema};

    #[test]
    fn every_difference_is_said_in_words() -> Result<(), Box<dyn std::error::Error>> {
        let old = SkillSpec {
            required_tests: vec!["counts".to_owned()],
            ..SkillSpec::reading("tally", r#"{"input":{"text":"str","most":"int"},"output":{"words":"int"}}"#)?
        };
        let new = SkillSpec {
            description: "Counts\u{1b}".to_owned(),
            side_effect_class: EffectClass::FileWrite,
            paths: vec![crate::model::vault_path::VaultPath::parse("Inbox")?],
            io: IoSchema::parse(r#"{"input":{"text":"int","least":"int"},"output":{"words":"int"}}"#)?,
            reads_clock: true,
            required_tests: Vec::new(),
            ..old.clone()
        };
        let said = of(&old, &new).join("\n");
        for difference in [
            "class READ_ONLY becomes FILE_WRITE",
            "gains folder `Inbox`",
            "gains the clock",
            "input or output schema differs",
            "input gains `least`",
            "input loses `most`",
            "input `text`: ",
            "description differs: `Counts` becomes `Counts\\u{1b}`",
            "drops required test `counts`",
        ] {
            assert!(said.contains(difference), "{difference}\n{said}");
        }
        assert!(!said.contains("output gains") && of(&old, &old).is_empty(), "{said}");
        Ok(())
    }
}
