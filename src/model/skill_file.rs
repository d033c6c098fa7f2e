//! `SKILL.md`: the form in which agents read a skill, with a frontmatter, the guidance, and a reference that Kavi writes.
//!
//! Guarantees: the same parts give the same bytes. A file that Kavi wrote is read back as the guidance that is in it.
//! Deliberately never: takes anything but name, description and guidance from a file.

use serde::Deserialize;

use super::{
    characters::hides,
    digest::Digest,
    effect::EffectClass,
    guidance::{GuidanceText, InvalidGuidance, KAVI_COMMENT},
    name::SkillName,
    spec::SkillSpec,
    text, tool_hints,
};

/// Largest file that is read, in bytes.
pub const MAX_SKILL_FILE_BYTES: usize = 64 << 10;
/// Longest description of the format, in characters.
const MAX_DESCRIPTION: usize = 1_024;
/// The line behind the guidance.
const REFERENCE: &str = "<!-- kavi: the rest is made from the promoted specification -->";

/// What a `SKILL.md` shows.
#[derive(Debug, Clone, Copy)]
pub struct SkillFile<'a> {
    /// The promoted specification.
    pub spec: &'a SkillSpec,
    /// The trusted revision.
    pub revision: u32,
    /// The digest of its component.
    pub component_sha256: Digest,
    /// The published guidance.
    pub guidance: &'a GuidanceText,
}

/// A skill's name as the format spells it.
pub fn file_name(name: &SkillName) -> String {
    name.as_str().replace('_', "-")
}

/// The description of a skill on one line.
pub fn summary(spec: &SkillSpec) -> String {
    let line: Vec<&str> = spec.description.split_whitespace().collect();
    text::line(&line.join(" "), 1_000)
}

impl SkillFile<'_> {
    /// The file.
    pub fn render(&self) -> String {
        let spec = self.spec;
        let folders: Vec<&str> = spec.paths.iter().map(|path| path.as_str()).collect();
        let touches = match spec.side_effect_class {
            EffectClass::FileWrite => {
                format!("writes files below {}; policy may hold them until a person approves", folders.join(", "))
            }
            class if tool_hints::of(class).read_only => "changes nothing".to_owned(),
            class => format!("is {class}"),
        };
        // A JSON string is a valid YAML string.
        let what = serde_json::Value::String(summary(spec));
        format!(
            "---\nname: {}\ndescription: {what}\n---\n\n{}\n{REFERENCE}\n\n\
             ## Reference\n\nCall it as the tool `{}`. Revision {}, component sha256 {}. It {touches}.\n\n\
             ### Input\n\n```json\n{:#}\n```\n\n### Output\n\n```json\n{:#}\n```\n",
            file_name(&spec.name),
            self.guidance,
            spec.name,
            self.revision,
            self.component_sha256,
            spec.io.input_schema(),
            spec.io.output_schema(),
        )
    }
}

/// A `SKILL.md` of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedSkillFile {
    /// The skill that it names.
    pub name: SkillName,
    /// Its description.
    pub description: String,
    /// Its guidance.
    pub guidance: GuidanceText,
}

/// Why a file is no `SKILL.md`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSkillFile {
    /// It is too large.
    #[error("it has more than {MAX_SKILL_FILE_BYTES} bytes")]
    TooLarge,
    /// It is no text.
    #[error("it is not UTF-8")]
    NotText,
    /// It has no frontmatter.
    #[error("it does not begin with a frontmatter between two lines `---`")]
    NoFrontMatter,
    /// The frontmatter cannot be read.
    #[error("the frontmatter cannot be read: {0}")]
    Manifest(String),
    /// The name is no name.
    #[error("`{0}` is not a name of a skill: use a-z, 0-9 and `-`, 64 characters at most")]
    Name(String),
    /// The description is no description.
    #[error("the description is empty, longer than {MAX_DESCRIPTION} characters, or has invisible characters")]
    Description,
    /// The guidance is none.
    #[error(transparent)]
    Guidance(#[from] InvalidGuidance),
}

#[derive(Deserialize)]
struct FrontMatter {
    name: String,
    description: String,
}

/// Reads a file.
///
/// # Errors
/// [`InvalidSkillFile`].
pub fn parse(bytes: &[u8]) -> Result<ImportedSkillFile, InvalidSkillFile> {
    if bytes.len() > MAX_SKILL_FILE_BYTES {
        return Err(InvalidSkillFile::TooLarge);
    }
    let file = std::str::from_utf8(bytes).map_err(|_| InvalidSkillFile::NotText)?.replace("\r\n", "\n");
    let rest = file.strip_prefix("---\n").ok_or(InvalidSkillFile::NoFrontMatter)?;
    let (manifest, body) = rest.split_once("\n---\n").ok_or(InvalidSkillFile::NoFrontMatter)?;
    let manifest: FrontMatter = serde_saphyr::from_str(manifest)
        .map_err(|error| InvalidSkillFile::Manifest(text::line(&error.to_string(), 200)))?;
    let name = skill_name(&manifest.name).ok_or_else(|| InvalidSkillFile::Name(text::line(&manifest.name, 100)))?;
    let description = manifest.description.trim();
    let is_control = |c: char| c.is_control() && c != '\n';
    if description.is_empty()
        || description.chars().count() > MAX_DESCRIPTION
        || description.chars().any(is_control)
        || hides(description)
    {
        return Err(InvalidSkillFile::Description);
    }
    // What Kavi wrote behind the guidance is written again from the specification, so it is not taken.
    let body = body.find(KAVI_COMMENT).map_or(body, |at| &body[..at]);
    Ok(ImportedSkillFile { name, description: description.to_owned(), guidance: GuidanceText::parse(body)? })
}

fn skill_name(text: &str) -> Option<SkillName> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.chars().all(is_plain).then(|| SkillName::parse(&text.replace('-', "_")).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Result<SkillSpec, Box<dyn std::error::Error>> {
        let io = super::super::schema::IoSchema::parse(r#"{"input":{"title":"str"},"output":{"path":"str"}}"#)?;
        Ok(serde_json::from_value(serde_json::json!({
            "v": 1, "name": "write_note", "description": "Writes a note:\n # \"quoted\"", "side_effect_class": "FILE_WRITE",
            "paths": ["Inbox"], "required_secrets": [], "io": io, "examples": [
                { "name": "one", "input": { "title": "```\nrm" }, "expect": { "err": "failed" } }
            ],
        }))?)
    }

    #[test]
    fn a_file_is_read_back_as_the_guidance_that_is_in_it() -> Result<(), Box<dyn std::error::Error>> {
        let spec = spec()?;
        let guidance = GuidanceText::template(&spec);
        assert_eq!(GuidanceText::parse(guidance.as_str())?, guidance);
        let file = SkillFile { spec: &spec, revision: 1, component_sha256: Digest::of(b""), guidance: &guidance };
        let read = parse(file.render().as_bytes())?;
        assert_eq!((read.name.as_str(), &read.guidance), ("write_note", &guidance));
        assert_eq!(read.description, "Writes a note: # \"quoted\"");
        Ok(())
    }

    #[test]
    fn a_file_that_cannot_be_read_says_why() {
        let of = |text: &str| parse(text.as_bytes()).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(of("# no frontmatter").contains("frontmatter"));
        assert!(of("---\nname: a\n").contains("frontmatter"));
        assert!(of("---\nname: [\n---\nx").contains("cannot be read"));
        assert!(of("---\nname: a\n---\nx").contains("cannot be read"), "{}", of("---\nname: a\n---\nx"));
        assert!(of("---\nname: A b\ndescription: x\n---\nx").contains("not a name"));
        assert!(of("---\nname: ../a\ndescription: x\n---\nx").contains("not a name"));
        assert!(of("---\nname: a\ndescription: ' '\n---\nx").contains("description"));
        assert!(of("---\nname: a\ndescription: x\n---\n\n").contains("empty"));
        assert!(of(&format!("---\nname: a\ndescription: x\n---\n{}", "x".repeat(70_000))).contains("bytes"));
    }
}
