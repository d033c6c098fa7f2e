//! What can be read: how each trusted skill is used, records of runs, artifacts, and how a good proposal is written.
//!
//! Guarantees: the guidance of a skill is made from the spec that a person promoted; a record is given without what the skill was
//! given, gave, wrote or said.

use rmcp::model::{
    ErrorData, GetPromptRequestParams, GetPromptResult, ListResourcesResult, Prompt, PromptArgument, PromptMessage,
    ReadResourceResult, Resource, ResourceContents, ResourceTemplate, Role,
};

use super::server::{Server, ask};
use crate::app::AgentSkill;
use crate::error::{Error, Kind};
use crate::model::{digest::Digest, effect::EffectClass, hints, id::ExecutionId, text};

/// Resources on a page.
const PAGE: usize = 100;
const SKILL: &str = "kavi://skill/";
const RECORD: &str = "kavi://record/";
const ARTIFACT: &str = "kavi://artifact/";
const PROMPT: &str = "write_proposal";

/// The guidance of one skill, in Markdown.
fn guidance(skill: &AgentSkill) -> String {
    let spec = &skill.spec;
    let folders: Vec<&str> = spec.paths.iter().map(|path| path.as_str()).collect();
    let touches = match spec.side_effect_class {
        EffectClass::FileWrite => {
            format!("writes files below {}; policy may hold them for a person", folders.join(", "))
        }
        class if hints::of(class).read_only => "changes nothing".to_owned(),
        class => format!("is {class}"),
    };
    let mut out = format!(
        "# {}\n\n{}\n\nRevision {}, component sha256 {}. It {touches}.\n\n## Input\n\n```json\n{:#}\n```\n\n## Output\n\n```json\n{:#}\n```\n",
        spec.name,
        text::block(&spec.description, 2_000),
        skill.revision,
        skill.component_sha256,
        spec.io.input_schema(),
        spec.io.output_schema(),
    );
    for example in spec.examples.iter().take(3) {
        let input = text::fenced(&format!("{:#}", example.input), 4_000);
        out.push_str(&format!("\n## Example: {}\n\n```json\n{input}\n```\n", text::line(&example.name, 100)));
    }
    out
}

/// One page of what can be read by name: the guidance of each trusted skill.
pub(super) fn page(skills: &[AgentSkill], cursor: Option<&str>) -> Result<ListResourcesResult, ErrorData> {
    let after = match cursor.map(|cursor| cursor.strip_prefix("after:")) {
        None => "",
        Some(Some(name)) if !name.is_empty() => name,
        Some(_) => return Err(ErrorData::invalid_params("there is no such page", None)),
    };
    let mut left = skills.iter().filter(|skill| skill.spec.name.as_str() > after).peekable();
    let shown: Vec<&AgentSkill> = left.by_ref().take(PAGE).collect();
    let resource = |skill: &&AgentSkill| {
        let name = &skill.spec.name;
        Resource::new(format!("{SKILL}{name}"), name.to_string())
            .with_description(skill.spec.description.clone())
            .with_mime_type("text/markdown")
    };
    let mut page = ListResourcesResult::with_all_items(shown.iter().map(resource).collect());
    page.next_cursor = left.peek().and(shown.last()).map(|last| format!("after:{}", last.spec.name));
    Ok(page)
}

/// What can be read by an id.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |uri: &str, what: &str, name: &str, about: &str| {
        ResourceTemplate::new(format!("{uri}{{{what}}}"), name.to_owned()).with_description(about.to_owned())
    };
    vec![
        template(SKILL, "name", "skill", "How a trusted skill is used."),
        template(RECORD, "execution", "record", "The record of a run, by the `kavi/execution` of its result."),
        template(ARTIFACT, "sha256", "artifact", "A specification, report or note, by the digest of its bytes."),
    ]
}

fn no_such(uri: &str) -> ErrorData {
    ErrorData::resource_not_found(format!("there is nothing at {}", text::line(uri, 200)), None)
}

fn refused(uri: &str, error: &Error) -> ErrorData {
    match error.kind() {
        Kind::Usage => no_such(uri),
        _ => ErrorData::internal_error(text::block(&error.to_string(), 2_000), None),
    }
}

impl Server {
    /// One `resources/read`.
    pub(super) async fn read(&self, uri: &str) -> Result<ReadResourceResult, ErrorData> {
        let refused = |error: Error| refused(uri, &error);
        let (text, mime) = if let Some(name) = uri.strip_prefix(SKILL) {
            let skills = ask(|reply| self.door.skills(reply)).await.map_err(refused)?;
            let skill = skills.iter().find(|skill| skill.spec.name.as_str() == name).ok_or_else(|| no_such(uri))?;
            (guidance(skill), "text/markdown")
        } else if let Some(id) = uri.strip_prefix(RECORD) {
            let id = ExecutionId::parse(id).map_err(|_| no_such(uri))?;
            let record = ask(|reply| self.door.record(id, reply)).await.map_err(refused)?;
            (format!("{record:#}"), "application/json")
        } else if let Some(digest) = uri.strip_prefix(ARTIFACT) {
            let digest = Digest::parse(digest).map_err(|_| no_such(uri))?;
            (ask(|reply| self.door.artifact(digest, reply)).await.map_err(refused)?, "text/plain")
        } else {
            return Err(no_such(uri));
        };
        Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type(mime)]))
    }
}

/// The prompt that there is.
pub(super) fn prompt() -> Prompt {
    let task = PromptArgument::new("task").with_description("What you want to be able to do.").with_required(false);
    Prompt::new(PROMPT, Some("How to write a proposal for a skill that a person will promote."), Some(vec![task]))
}

const ADVICE: &str = "\
Write a proposal for one skill and send it with propose_skill.

1. See with find_skill or the list of tools that no trusted skill does it, alone or one after the other.
2. One skill does one thing. Name it by what it does: verb and object, lower case, `_` between words.
3. Ask for the least class that does: READ_ONLY when it changes nothing; FILE_WRITE only with the few folders it writes below. \
There is no network and no program to start.
4. Say what goes in and what comes out as exactly as a schema can: lengths, ranges, patterns, what may be left out. Objects are \
closed.
5. Give two to five examples that must hold: the usual case, an empty one, and one that must fail. For a skill that reads, put the \
files it reads into `vault`. Examples become tests; a wrong one makes every attempt fail.
6. Say in `why` what you could not do without it and how often. A person reads that, and owes you nothing.

What comes next is a person's: building, checks, promotion. Ask skill_status, not the person, how it stands.";

/// The prompt's text.
pub(super) fn get_prompt(request: &GetPromptRequestParams) -> Result<GetPromptResult, ErrorData> {
    if request.name != PROMPT {
        return Err(ErrorData::invalid_params(format!("there is no prompt {}", text::line(&request.name, 100)), None));
    }
    let task = request.arguments.as_ref().and_then(|arguments| arguments.get("task")).and_then(|task| task.as_str());
    let task = task.map(|task| format!("\n\nThe task: {}", text::block(task, 4_000))).unwrap_or_default();
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, format!("{ADVICE}{task}"))]))
}
