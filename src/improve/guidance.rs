//! Guidance of trusted skills: its first revision, what persons publish, and its form as a folder.
//!
//! Guarantees: guidance is published by a person's decision alone. The promotion of a skill publishes what its sources or its
//! specification say, because the person saw both. A folder that Kavi did not write is never written into.
//!
//! Deliberately never: takes name, description or schemas from a guidance. They are those of the promoted specification.

use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::artifacts::{self, ArtifactError, ReadError, Store};
use crate::forge::snapshot_store;
use crate::ledger::{Decided, GuidanceRevision, GuidanceRollback, ImproveStore, LedgerError, NewGuidance, Proposal};
use crate::model::{
    approver::Approver,
    guidance::{GuidanceOrigin, GuidanceText, InvalidGuidance, KAVI_COMMENT},
    name::SkillName,
    skill_file::{self, InvalidSkillFile, SkillFile},
    text,
    time::{Clock, Timestamp},
};
use crate::sync::uninterrupted;

/// Longest reason, in characters.
const MOST_WHY: usize = 2_000;

/// Why nothing was published or exported.
#[derive(Debug, thiserror::Error)]
pub enum GuidanceError {
    /// The text is no guidance.
    #[error(transparent)]
    Invalid(#[from] InvalidGuidance),
    /// It is the text that is published.
    #[error("revision {number} of the guidance of `{skill}` has exactly this text")]
    Unchanged {
        /// The skill.
        skill: SkillName,
        /// The published revision.
        number: u32,
    },
    /// There is no earlier revision.
    #[error("no other revision of the guidance of `{0}` was published before")]
    NothingBefore(SkillName),
    /// A decision without a reason.
    #[error("a change of the guidance needs a reason: give --why TEXT")]
    NoReason,
    /// No skill of that name is trusted.
    #[error("there is no trusted skill `{0}`")]
    NotTrusted(String),
    /// A folder that is to be imported has no `SKILL.md` that can be read.
    #[error("{path} {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The `SKILL.md` cannot be read.
    #[error("{path}: {source}")]
    SkillFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: InvalidSkillFile,
    },
    /// There is a file that Kavi did not write.
    #[error("{0} was not written by `kavi export-skill`, so it is left as it is")]
    Foreign(PathBuf),
    /// A file.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What works on guidance.
#[derive(Debug, Clone, Copy)]
pub struct GuidanceContext<'a> {
    /// The revisions and decisions.
    pub ledger: &'a dyn ImproveStore,
    /// The sources that were promoted.
    pub store: &'a Store,
    /// The time of decisions.
    pub clock: &'a dyn Clock,
}

/// A guidance that a person wants to publish.
#[derive(Debug, Clone, Copy)]
pub struct GuidanceEdit<'a> {
    /// The text.
    pub body: &'a GuidanceText,
    /// Where it comes from.
    pub origin: GuidanceOrigin,
    /// Why.
    pub why: &'a str,
}

impl GuidanceContext<'_> {
    /// The trusted revision of a name.
    ///
    /// # Errors
    /// [`GuidanceError::NotTrusted`] when there is none.
    pub fn trusted(&self, name: &str) -> Result<Proposal, GuidanceError> {
        let missing = || GuidanceError::NotTrusted(text::line(name, 100));
        let name = SkillName::parse(name).map_err(|_| missing())?;
        self.ledger.trusted(&name)?.ok_or_else(missing)
    }

    /// What is published of a trusted skill. Publishes the first revision where there is none yet.
    ///
    /// # Errors
    /// [`GuidanceError`] when it cannot be read, or was changed outside of Kavi.
    pub fn published(&self, trusted: &Proposal) -> Result<GuidanceRevision, GuidanceError> {
        if let Some(published) = self.ledger.published_guidance(&trusted.spec.name)? {
            return Ok(published);
        }
        let promoted = self.ledger.promotions_of(trusted.id)?.pop();
        let by = promoted.map_or_else(|| "kavi".to_owned(), |promoted| promoted.approved_by);
        let missing = || GuidanceError::NotTrusted(trusted.spec.name.to_string());
        self.promoted(trusted, &by)?.ok_or_else(missing)
    }

    /// Publishes what the promotion of a skill brings: the guidance that its builder left, else one that is made from its
    /// specification. Gives none where what is published stays.
    ///
    /// # Errors
    /// [`GuidanceError`] when it cannot be written.
    pub fn promoted(&self, trusted: &Proposal, by: &str) -> Result<Option<GuidanceRevision>, GuidanceError> {
        let (Some(trust), skill) = (trusted.trust, &trusted.spec.name) else { return Ok(None) };
        let sources = snapshot_store::load(self.store, trust.snapshot_sha256)?;
        let (body, origin) = match sources.guidance() {
            Some(bytes) => (GuidanceText::from_bytes(bytes)?, GuidanceOrigin::Builder),
            None => (GuidanceText::template(&trusted.spec), GuidanceOrigin::Template),
        };
        let published = self.ledger.published_guidance(skill)?;
        // A person's own text stays when only the code changes. A builder's text that is new was seen at the promotion.
        let stays = match (&published, origin) {
            (None, _) => false,
            (Some(published), GuidanceOrigin::Builder) => {
                let earlier = self.ledger.guidance_revisions(skill)?;
                // A builder's text that was published before was replaced by a person since. The
                // promotion of new code must not bring it back.
                published.body == body || earlier.iter().any(|it| it.origin == origin && it.body == body)
            }
            (Some(published), _) => published.origin != GuidanceOrigin::Template || published.body == body,
        };
        if stays {
            return Ok(None);
        }
        let why = format!("revision {} of the skill was promoted", trust.revision);
        // The ledger refuses when another revision is published by then. Otherwise two decisions
        // could each replace what the other just published.
        let seen = published.map(|published| published.number);
        let new = NewGuidance { skill, body: &body, origin, author: by, seen, why: &why };
        Ok(Some(self.ledger.publish_guidance(&new, Decided { by, at: self.clock.now() })?))
    }

    /// Publishes a text, in place of the revision that the person saw.
    ///
    /// # Errors
    /// [`GuidanceError`] when it is what is published, or another revision is published by now.
    pub fn publish(
        &self,
        seen: &GuidanceRevision,
        edit: &GuidanceEdit<'_>,
        approver: &Approver,
    ) -> Result<GuidanceRevision, GuidanceError> {
        let (skill, body) = (&seen.skill, edit.body);
        if *body == seen.body {
            return Err(GuidanceError::Unchanged { skill: skill.clone(), number: seen.number });
        }
        let (why, by) = (reason(edit.why)?, approver.as_str());
        let new = NewGuidance { skill, body, origin: edit.origin, author: by, seen: Some(seen.number), why: &why };
        Ok(self.ledger.publish_guidance(&new, Decided { by, at: self.clock.now() })?)
    }

    /// Publishes an earlier revision again: this one, else the one that was published before.
    ///
    /// # Errors
    /// [`GuidanceError`] when there is none.
    pub fn roll_back(
        &self,
        skill: &SkillName,
        to: Option<u32>,
        why: &str,
        approver: &Approver,
    ) -> Result<GuidanceRevision, GuidanceError> {
        let why = reason(why)?;
        let newest = self.ledger.guidance_decisions(skill)?.pop();
        let missing = || GuidanceError::NothingBefore(skill.clone());
        let newest = newest.ok_or_else(missing)?;
        let to = to.or(newest.previous).ok_or_else(missing)?;
        let rollback = GuidanceRollback { skill, to, seen: newest.published, why: &why };
        Ok(self.ledger.roll_back_guidance(&rollback, Decided { by: approver.as_str(), at: self.clock.now() })?)
    }

    /// Publishes the guidance of a folder with a `SKILL.md`.
    ///
    /// # Errors
    /// [`GuidanceError`] when it cannot be read, names no trusted skill, or brings nothing new.
    pub fn import(&self, folder: &Path, approver: &Approver) -> Result<GuidanceRevision, GuidanceError> {
        let path = folder.join("SKILL.md");
        let unreadable = |why: String| GuidanceError::Unreadable { path: path.clone(), why };
        let bytes = artifacts::read_once(&path).map_err(|error| match error {
            ReadError::Missing => unreadable("is missing".to_owned()),
            ReadError::Io(error) => unreadable(format!("cannot be read: {error}")),
            _ => unreadable("is not a plain file".to_owned()),
        })?;
        let file = skill_file::parse(&bytes).map_err(|source| GuidanceError::SkillFile { path, source })?;
        // By the name in the file, not that of the folder: the file says what it is about, and a
        // folder can be renamed by accident.
        let seen = self.published(&self.trusted(file.name.as_str())?)?;
        let why = format!("imported from {}", text::line(&folder.to_string_lossy(), 400));
        let edit = GuidanceEdit { body: &file.guidance, origin: GuidanceOrigin::Import, why: &why };
        self.publish(&seen, &edit, approver)
    }

    /// Writes a trusted skill as a folder below `to`: `SKILL.md`, and each revision of its guidance. Gives the folder.
    ///
    /// # Errors
    /// [`GuidanceError::Foreign`] when there is a `SKILL.md` of somebody else.
    pub fn export(&self, trusted: &Proposal, to: &Path) -> Result<PathBuf, GuidanceError> {
        let missing = || GuidanceError::NotTrusted(trusted.spec.name.to_string());
        let (trust, skill) = (trusted.trust.ok_or_else(missing)?, &trusted.spec.name);
        let published = self.published(trusted)?;
        let folder = to.join(skill_file::file_name(skill));
        let path = folder.join("SKILL.md");
        match artifacts::read_once(&path) {
            Err(ReadError::Missing) => {}
            // Only what Kavi wrote is written over. A `SKILL.md` of somebody else may have the same
            // name.
            Ok(bytes) if String::from_utf8_lossy(&bytes).contains(KAVI_COMMENT) => {}
            _ => return Err(GuidanceError::Foreign(path)),
        }
        let io = |source| ArtifactError::Io { path: to.to_owned(), source };
        uninterrupted(|| std::fs::create_dir_all(to)).map_err(io)?;
        for revision in self.ledger.guidance_revisions(skill)? {
            let name = format!("r{}-{}.md", revision.number, compact(revision.created_at));
            artifacts::write_durably(to, &folder.join("contents").join(name), content(&revision).as_bytes())?;
        }
        let (spec, guidance) = (&trusted.spec, &published.body);
        let file = SkillFile { spec, revision: trust.revision, component_sha256: trust.component_sha256, guidance };
        // Last: a folder whose `SKILL.md` is new has every revision.
        let text = format!("{}\n{}", file.render(), footer(&published));
        artifacts::write_durably(to, &path, text.as_bytes())?;
        Ok(folder)
    }
}

/// The difference between two revisions, as a unified diff. Guidance has no characters that a terminal would obey.
pub fn difference(old: &GuidanceRevision, new: &GuidanceRevision) -> String {
    let names = [old.number, new.number].map(|number| format!("r{number}"));
    let diff = TextDiff::from_lines(old.body.as_str(), new.body.as_str());
    diff.unified_diff().context_radius(3).header(&names[0], &names[1]).to_string()
}

fn reason(why: &str) -> Result<String, GuidanceError> {
    let why = text::block(why.trim(), MOST_WHY);
    if why.is_empty() { Err(GuidanceError::NoReason) } else { Ok(why) }
}

fn content(revision: &GuidanceRevision) -> String {
    format!("{}\n{}", revision.body, footer(revision))
}

/// The line that says which revision a file has.
fn footer(revision: &GuidanceRevision) -> String {
    let GuidanceRevision { skill, number, body, origin, .. } = revision;
    format!("{KAVI_COMMENT} {skill}, guidance revision {number}, {origin}, sha256 {} -->\n", body.sha256())
}

/// A time without punctuation, for the name of a file: `20261130T080000Z`.
fn compact(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.split('.').next().unwrap_or_default();
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_name_of_a_file() -> Result<(), Box<dyn std::error::Error>> {
        assert_eq!(compact(Timestamp::parse("2026-11-30T08:00:01.234Z")?), "20261130T080001Z");
        Ok(())
    }
}
