//! What a skill may touch, in one sentence, for whoever decides about it.
//!
//! Guarantees: the sentence is made from the value that the runtime grants by, and names every rule in full. What could carry
//! notes out of the machine is said as a warning, and is red on a terminal.
//!
//! Deliberately never: decides anything.

use serde_json::{Value, json};

use crate::model::{
    capabilities::{ReadScope, SkillCapabilities},
    spec::SkillSpec,
};

/// The sentence.
pub fn sentence(spec: &SkillSpec) -> String {
    let granted = SkillCapabilities::of(spec);
    let mut parts = vec![match granted.reads {
        ReadScope::Vault => "reads the whole vault".to_owned(),
        ReadScope::Nothing => "reads no file".to_owned(),
    }];
    parts.push(match granted.writes.as_slice() {
        [] => "writes none".to_owned(),
        folders => format!("writes below {}", list(folders.iter().map(|folder| format!("{folder}/")))),
    });
    parts.push(match granted.hosts.rules.as_slice() {
        [] => "reaches no host".to_owned(),
        rules => format!("reaches {}", list(rules.iter().map(ToString::to_string))),
    });
    if !granted.hosts.private.is_empty() {
        let private = granted.hosts.private.iter().map(ToString::to_string);
        parts.push(format!("may connect to the private address {}", list(private)));
    }
    let (signs, sends): (Vec<_>, Vec<_>) = granted.secrets.iter().partition(|bound| bound.place.signs().is_some());
    if !sends.is_empty() {
        let secrets = sends.iter().map(|bound| format!("{} to {} as {}", bound.name, bound.origin, bound.place));
        parts.push(format!("sends the secret {}, whose value it never sees", list(secrets)));
    }
    if !signs.is_empty() {
        let secrets = signs.iter().map(|bound| format!("{} for {} ({})", bound.name, bound.origin, bound.place));
        parts.push(format!("signs what it likes with the secret {}, whose value it never sees", list(secrets)));
    }
    let last = parts.pop().unwrap_or_default();
    format!("it {} and {last}", parts.join(", "))
}

/// What a person must not miss: it reads notes and reaches a host.
pub fn warning(spec: &SkillSpec) -> Option<String> {
    let granted = SkillCapabilities::of(spec);
    granted.can_carry_out().then(|| {
        let text = "WARNING: it reads all of your notes AND reaches a host: it can send what it reads there";
        // Plain where standard output is no terminal.
        console::style(text).red().bold().to_string()
    })
}

/// The same for machines.
pub fn document(spec: &SkillSpec) -> Value {
    let granted = SkillCapabilities::of(spec);
    json!({
        "reads": granted.reads,
        "writes": granted.writes,
        "clock": granted.clock,
        "hosts": granted.hosts.rules,
        "allow_private": granted.hosts.private,
        "secrets": granted.secrets,
        "reads_and_reaches": granted.can_carry_out(),
        "sentence": sentence(spec),
    })
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::effect::EffectClass;

    #[test]
    fn the_sentence_names_every_rule_and_warns_of_a_way_out() -> Result<(), Box<dyn std::error::Error>> {
        let quiet = SkillSpec {
            side_effect_class: EffectClass::SecretRead,
            required_secrets: vec!["API_TOKEN".to_owned()],
            hosts: vec!["GET https://api.example.com/v1/** calls_per_run=3".parse()?],
            secrets: vec!["API_TOKEN https://api.example.com bearer".parse()?],
            ..SkillSpec::reading("fetch", r#"{"input":{"text":"str"},"output":{"words":"int"}}"#)?
        };
        quiet.check()?;
        assert_eq!(
            sentence(&quiet),
            "it reads no file, writes none, reaches GET https://api.example.com/v1/** calls_per_run=3 and sends the \
             secret API_TOKEN to https://api.example.com as bearer, whose value it never sees"
        );
        assert_eq!(warning(&quiet), None);
        let loud = SkillSpec { reads: Some(ReadScope::Vault), ..quiet };
        assert!(warning(&loud).is_some_and(|text| text.contains("reads all of your notes AND reaches a host")));
        Ok(())
    }
}
