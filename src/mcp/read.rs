//! What can be read: how each trusted skill is used, records of runs, artifacts, and how a good proposal is written.
//!
//! The guidance of a skill is a `SKILL.md`, listed with its digest as the protocol's extension for skills wants it. Names there have
//! `-` where Kavi's have `_`.
//!
//! Guarantees: the guidance of a skill is made from the spec that a person promoted, and the same spec gives the same bytes; a
//! record is given without what the skill was given, gave, wrote or said.

use rmcp::model::{
    ErrorData, GetPromptRequestParams, GetPromptResult, ListResourcesResult, ListSkillsResult, Prompt, PromptArgument,
    PromptMessage, ReadResourceResult, Resource, ResourceContents, ResourceTemplate, Role, Skill, SkillFrontmatter,
    SkillResource, SkillResources,
};

use super::server::{Server, ask};
use super::tools;
use crate::app::AgentSkill;
use crate::error::{Error, Kind};
use crate::model::{digest::Digest, effect::EffectClass, hints, id::ExecutionId, text};

/// Resources on a page.
const PAGE: usize = 100;
const SKILL: &str = "skill://kavi/";
const SKILL_FILE: &str = "/SKILL.md";
const RECORD: &str = "kavi://record/";
const RECORDS: &str = "kavi://records";
const ARTIFACT: &str = "kavi://artifact/";
const PROMPT: &str = "write_proposal";

/// A skill's name as the extension spells it.
fn spelled(skill: &AgentSkill) -> String {
    skill.spec.name.as_str().replace('_', "-")
}

/// Where the guidance of a skill is.
fn uri(skill: &AgentSkill) -> String {
    format!("{SKILL}{}{SKILL_FILE}", spelled(skill))
}

/// The skill whose guidance is there.
fn skill_at<'a>(skills: &'a [AgentSkill], uri: &str) -> Option<&'a AgentSkill> {
    let name = uri.strip_prefix(SKILL)?.strip_suffix(SKILL_FILE)?;
    skills.iter().find(|skill| spelled(skill) == name)
}

/// What a skill does, on one line, as its frontmatter has it.
fn summary(skill: &AgentSkill) -> String {
    let line: Vec<&str> = skill.spec.description.split_whitespace().collect();
    text::line(&line.join(" "), 1_000)
}

/// An entry of the extension: the name, what it does, and the digest of the guidance.
fn entry(skill: &AgentSkill) -> Skill {
    let uri = uri(skill);
    let file = SkillResource::from_bytes(uri.clone(), guidance(skill).as_bytes());
    Skill::new(uri, SkillFrontmatter::new(spelled(skill), summary(skill)), SkillResources::Files(vec![file]))
}

/// One page of the entries.
pub(super) fn skills(skills: &[AgentSkill], cursor: Option<&str>) -> Result<ListSkillsResult, ErrorData> {
    let (shown, next) = cut(skills, cursor)?;
    let mut page = ListSkillsResult::with_all_items(shown.into_iter().map(entry).collect());
    page.next_cursor = next;
    Ok(page)
}

/// The entry at this place.
pub(super) fn skill(skills: &[AgentSkill], uri: &str) -> Result<Skill, ErrorData> {
    let found = skill_at(skills, uri).map(entry);
    found.ok_or_else(|| ErrorData::invalid_params(format!("there is no skill at {}", text::line(uri, 200)), None))
}

/// The guidance of one skill: a `SKILL.md`.
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
    // A text of JSON is one of YAML.
    let (name, what) = (spelled(skill), serde_json::Value::String(summary(skill)));
    let mut out = format!(
        "---\nname: {name}\ndescription: {what}\n---\n\n# {}\n\n{}\n\nCall it as the tool `{}`. Revision {}, component sha256 {}. It {touches}.\n\n## Input\n\n```json\n{:#}\n```\n\n## Output\n\n```json\n{:#}\n```\n",
        spec.name,
        text::block(&spec.description, 2_000),
        spec.name,
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

/// The skills of one page, and where the next begins.
fn cut<'a>(skills: &'a [AgentSkill], cursor: Option<&str>) -> Result<(Vec<&'a AgentSkill>, Option<String>), ErrorData> {
    let after = tools::after(cursor)?.unwrap_or_default();
    let mut left = skills.iter().filter(|skill| skill.spec.name.as_str() > after).peekable();
    let shown: Vec<&AgentSkill> = left.by_ref().take(PAGE).collect();
    let next = left.peek().and(shown.last()).map(|last| format!("after:{}", last.spec.name));
    Ok((shown, next))
}

/// One page of what can be read by name: the newest records, then the guidance of each trusted skill.
pub(super) fn page(skills: &[AgentSkill], cursor: Option<&str>) -> Result<ListResourcesResult, ErrorData> {
    let (shown, next) = cut(skills, cursor)?;
    let resource = |skill: &AgentSkill| {
        let resource = Resource::new(uri(skill), spelled(skill)).with_description(summary(skill));
        resource.with_mime_type("text/markdown")
    };
    let records = Resource::new(RECORDS, "records")
        .with_description("The newest runs, newest first: which skill, when and whether it succeeded.")
        .with_mime_type("application/json");
    let first = cursor.is_none().then_some(records);
    let all = first.into_iter().chain(shown.into_iter().map(resource)).collect();
    let mut page = ListResourcesResult::with_all_items(all);
    page.next_cursor = next;
    Ok(page)
}

/// What can be read by an id.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |uri: String, name: &str, about: &str| {
        ResourceTemplate::new(uri, name.to_owned()).with_description(about.to_owned())
    };
    vec![
        template(format!("{SKILL}{{name}}{SKILL_FILE}"), "skill", "How a trusted skill is used."),
        template(format!("{RECORD}{{id}}"), "record", "The record of a run, by the `kavi/execution` of its result."),
        template(format!("{ARTIFACT}{{sha256}}"), "artifact", "A specification, report or note, by its digest."),
    ]
}

fn no_such(uri: &str) -> ErrorData {
    let named = text::line(uri, 200);
    ErrorData::resource_not_found(format!("there is nothing at {named}"), Some(serde_json::json!({ "uri": named })))
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
        let (text, mime) = if uri.starts_with(SKILL) {
            let skills = ask(|reply| self.door.skills(reply)).await.map_err(refused)?;
            (skill_at(&skills, uri).map(guidance).ok_or_else(|| no_such(uri))?, "text/markdown")
        } else if uri == RECORDS {
            let records = ask(|reply| self.door.newest_records(reply)).await.map_err(refused)?;
            (format!("{records:#}"), "application/json")
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
