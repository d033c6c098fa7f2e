//! `resources/list` and `resources/read`: the guidance of each trusted skill, records of runs, and artifacts.
//!
//! The guidance of a skill is a `SKILL.md`, listed with its digest as the protocol's extension for skills requires. Names
//! there have `-` where Kavi's names have `_`.
//!
//! Guarantees: a skill is shown with the spec that a person promoted and the guidance that a person published. The same of both
//! gives the same bytes. A record is shown without its input, output, paths and messages.

use rmcp::model::{
    ErrorData, ListResourcesResult, ListSkillsResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
    Skill, SkillFrontmatter, SkillResource, SkillResources,
};

use super::service::{McpService, ask};
use super::tools;
use crate::app::AgentSkill;
use crate::error::{Error, Kind};
use crate::model::{
    digest::Digest,
    id::ExecutionId,
    skill_file::{self, SkillFile},
    text,
};

/// Resources on a page.
const PAGE: usize = 100;
const SKILL: &str = "skill://kavi/";
const SKILL_FILE: &str = "/SKILL.md";
const RECORD: &str = "kavi://record/";
const RECORDS: &str = "kavi://records";
const CONTEXT: &str = "kavi://context";
const ARTIFACT: &str = "kavi://artifact/";

/// The URI of the guidance of a skill.
fn uri(skill: &AgentSkill) -> String {
    format!("{SKILL}{}{SKILL_FILE}", skill_file::file_name(&skill.spec.name))
}

/// The skill whose guidance has this URI.
fn skill_at<'a>(skills: &'a [AgentSkill], uri: &str) -> Option<&'a AgentSkill> {
    // Compared with the names of trusted skills and never made into a path.
    let name = uri.strip_prefix(SKILL)?.strip_suffix(SKILL_FILE)?;
    skills.iter().find(|skill| skill_file::file_name(&skill.spec.name) == name)
}

/// An entry of the extension: name, description, and the digest of the guidance.
fn entry(skill: &AgentSkill) -> Skill {
    let uri = uri(skill);
    let file = SkillResource::from_bytes(uri.clone(), guidance(skill).as_bytes());
    Skill::new(
        uri,
        SkillFrontmatter::new(skill_file::file_name(&skill.spec.name), skill_file::summary(&skill.spec)),
        SkillResources::Files(vec![file]),
    )
}

/// One page of the entries.
pub(super) fn skills(skills: &[AgentSkill], cursor: Option<&str>) -> Result<ListSkillsResult, ErrorData> {
    let (shown, next) = page_of(skills, cursor)?;
    let mut page = ListSkillsResult::with_all_items(shown.into_iter().map(entry).collect());
    page.next_cursor = next;
    Ok(page)
}

/// The entry with this URI.
pub(super) fn skill(skills: &[AgentSkill], uri: &str) -> Result<Skill, ErrorData> {
    let found = skill_at(skills, uri).map(entry);
    found.ok_or_else(|| ErrorData::invalid_params(format!("there is no skill at {}", text::line(uri, 200)), None))
}

/// The guidance of one skill, a `SKILL.md`.
fn guidance(skill: &AgentSkill) -> String {
    let AgentSkill { spec, revision, component_sha256, guidance, .. } = skill;
    SkillFile { spec, revision: *revision, component_sha256: *component_sha256, guidance }.render()
}

/// The skills of one page, and the cursor of the next page.
fn page_of<'a>(
    skills: &'a [AgentSkill],
    cursor: Option<&str>,
) -> Result<(Vec<&'a AgentSkill>, Option<String>), ErrorData> {
    let after = tools::after(cursor)?.unwrap_or_default();
    let mut left = skills.iter().filter(|skill| skill.spec.name.as_str() > after).peekable();
    let shown: Vec<&AgentSkill> = left.by_ref().take(PAGE).collect();
    // A cursor only when something follows, so that the client need not ask for an empty page.
    let next = left.peek().and(shown.last()).map(|last| format!("after:{}", last.spec.name));
    Ok((shown, next))
}

/// One page of resources: the identity block, the newest records, then the guidance of each trusted skill.
pub(super) fn page(skills: &[AgentSkill], cursor: Option<&str>) -> Result<ListResourcesResult, ErrorData> {
    let (shown, next) = page_of(skills, cursor)?;
    let resource = |skill: &AgentSkill| {
        let resource = Resource::new(uri(skill), skill_file::file_name(&skill.spec.name))
            .with_description(skill_file::summary(&skill.spec));
        resource.with_mime_type("text/markdown")
    };
    let records = Resource::new(RECORDS, "records")
        .with_description("The newest runs, newest first: the skill, the time, and whether it succeeded.")
        .with_mime_type("application/json");
    let context = Resource::new(CONTEXT, "context")
        .with_description("Who you are in this workspace: role charter, policy values, capabilities. As they are now.")
        .with_mime_type("text/plain");
    let first = cursor.is_none().then_some([context, records]);
    let all = first.into_iter().flatten().chain(shown.into_iter().map(resource)).collect();
    let mut page = ListResourcesResult::with_all_items(all);
    page.next_cursor = next;
    Ok(page)
}

/// Resources that are read by an id.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |uri: String, name: &str, about: &str| {
        ResourceTemplate::new(uri, name.to_owned()).with_description(about.to_owned())
    };
    vec![
        template(format!("{SKILL}{{name}}{SKILL_FILE}"), "skill", "How to use a trusted skill."),
        template(format!("{RECORD}{{id}}"), "record", "The record of a run, by the `kavi/execution` of its result."),
        template(format!("{ARTIFACT}{{sha256}}"), "artifact", "A specification, report or note, by its digest."),
    ]
}

fn not_found(uri: &str) -> ErrorData {
    let named = text::line(uri, 200);
    ErrorData::resource_not_found(format!("there is no resource at {named}"), Some(serde_json::json!({ "uri": named })))
}

fn refused(uri: &str, error: &Error) -> ErrorData {
    match error.kind() {
        // An id that does not exist and one that is malformed get the same answer.
        Kind::Usage => not_found(uri),
        _ => ErrorData::internal_error(text::block(&error.message(), 2_000), None),
    }
}

impl McpService {
    /// Handles one `resources/read`.
    pub(super) async fn read_uri(&self, uri: &str, by: String) -> Result<ReadResourceResult, ErrorData> {
        let refused = |error: Error| refused(uri, &error);
        let (text, mime) = if uri.starts_with(SKILL) {
            let skills = ask(|reply| self.api.skills(reply)).await.map_err(refused)?;
            (skill_at(&skills, uri).map(guidance).ok_or_else(|| not_found(uri))?, "text/markdown")
        } else if uri == CONTEXT {
            let identity = ask(|reply| self.api.identity(by, reply)).await.map_err(refused)?;
            let unset = || "no person has set a charter, policy values or capabilities in this workspace\n".to_owned();
            (identity.map_or_else(unset, |identity| identity.block), "text/plain")
        } else if uri == RECORDS {
            let records = ask(|reply| self.api.newest_records(reply)).await.map_err(refused)?;
            (format!("{records:#}"), "application/json")
        } else if let Some(id) = uri.strip_prefix(RECORD) {
            let id = ExecutionId::parse(id).map_err(|_| not_found(uri))?;
            let record = ask(|reply| self.api.record(id, reply)).await.map_err(refused)?;
            (format!("{record:#}"), "application/json")
        } else if let Some(digest) = uri.strip_prefix(ARTIFACT) {
            let digest = Digest::parse(digest).map_err(|_| not_found(uri))?;
            (ask(|reply| self.api.artifact(digest, reply)).await.map_err(refused)?, "text/plain")
        } else {
            return Err(not_found(uri));
        };
        Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type(mime)]))
    }
}
