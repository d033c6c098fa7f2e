//! The record of one run.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::{
    channel::Channel,
    data_label::DataLabel,
    digest::Digest,
    effect::EffectClass,
    exchange::ExchangeRecord,
    id::{CommitId, ExecutionId},
    lifecycle::Purpose,
    limits::Limits,
    name::SkillName,
    schema::Coercion,
    signing::SignatureRecord,
    time::Timestamp,
    vault_path::VaultPath,
};

/// What a run is given besides its input, so that it can be replayed bit for bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Determinism {
    /// What the guest's wall clock says when it starts.
    pub clock: Timestamp,
    /// The seed of the guest's random numbers.
    pub seed: [u8; 32],
}

/// One file that a run wrote or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Where in the vault.
    pub path: VaultPath,
    /// Digest of its bytes; none where the run removes the file.
    pub sha256: Option<Digest>,
    /// Its size in bytes.
    pub bytes: u64,
    /// Digest of what lay there before; none where there was nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
}

/// What a run did with one file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FileResult {
    /// Nothing.
    #[default]
    Unchanged,
    /// It wrote these bytes.
    Written(Digest),
    /// It removed the file.
    Removed,
}

impl From<&Effect> for FileResult {
    fn from(effect: &Effect) -> Self {
        effect.sha256.map_or(Self::Removed, Self::Written)
    }
}

impl fmt::Display for FileResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => f.write_str("not written"),
            Self::Written(digest) => write!(f, "sha256 {digest}"),
            Self::Removed => f.write_str("removed"),
        }
    }
}

/// Null, the digest, or `removed`.
impl Serialize for FileResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unchanged => serializer.serialize_none(),
            Self::Written(digest) => digest.serialize(serializer),
            Self::Removed => serializer.serialize_str("removed"),
        }
    }
}

/// The files that two runs left differently, by path: what the first run did, and the second.
pub fn other_files<'a>(first: &'a [Effect], second: &'a [Effect]) -> Vec<(&'a VaultPath, FileResult, FileResult)> {
    // Sorted by path, so that two runs that wrote in another order compare as equal.
    let mut files: BTreeMap<_, (FileResult, FileResult)> = BTreeMap::new();
    first.iter().for_each(|effect| files.entry(&effect.path).or_default().0 = effect.into());
    second.iter().for_each(|effect| files.entry(&effect.path).or_default().1 = effect.into());
    let all = files.into_iter().map(|(path, (first, second))| (path, first, second));
    all.filter(|(_, first, second)| first != second).collect()
}

/// A JSON value that is too large for a record: the store has it, by the digest of its canonical text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredValue {
    /// Digest of the canonical JSON.
    pub sha256: Digest,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Largest input or output that a record itself holds, in bytes of canonical JSON.
// Larger values would be read with every list of records, of which most show none of it.
pub const MAX_INLINE_BYTES: usize = 64 * 1024;

/// Which restriction the kernel enforced for the thread of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SecondWall {
    /// Landlock, in this version, limited the thread to the folders of the run.
    Landlock(u32),
    /// The kernel has no Landlock: only the first wall was there.
    Missing,
}

/// The text is not a second wall.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a second wall")]
pub struct UnknownWall(String);

impl fmt::Display for SecondWall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Landlock(version) => write!(f, "landlock {version}"),
            Self::Missing => f.write_str("missing"),
        }
    }
}

impl FromStr for SecondWall {
    type Err = UnknownWall;

    fn from_str(text: &str) -> Result<Self, UnknownWall> {
        let unknown = || UnknownWall(text.to_owned());
        match text.strip_prefix("landlock ") {
            Some(version) => version.parse().map(Self::Landlock).map_err(|_| unknown()),
            None if text == "missing" => Ok(Self::Missing),
            None => Err(unknown()),
        }
    }
}

impl TryFrom<String> for SecondWall {
    type Error = UnknownWall;

    fn try_from(text: String) -> Result<Self, UnknownWall> {
        text.parse()
    }
}

impl From<SecondWall> for String {
    fn from(wall: SecondWall) -> Self {
        wall.to_string()
    }
}

/// One run of a skill, successful or not. Version 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionRecord {
    /// Version of this format.
    pub v: u32,
    /// Its id.
    pub execution_id: ExecutionId,
    /// The run it was derived from (chain or replay). That one's record may have been pruned.
    pub parent_execution_id: Option<ExecutionId>,
    /// What it was for.
    pub purpose: Purpose,
    /// The channel that the request came through.
    #[serde(rename = "door")]
    pub channel: Channel,
    /// The name of the caller.
    #[serde(rename = "asked_by")]
    pub caller: String,
    /// The skill's name.
    pub skill_name: SkillName,
    /// The trusted revision that ran; none where there was none.
    pub revision: Option<u32>,
    /// Digest of the component that ran.
    pub source_hash: Option<Digest>,
    /// Its class.
    pub side_effect_class: Option<EffectClass>,
    /// The engine that ran it; none where no guest was started.
    pub engine: Option<String>,
    /// What it might use; none where no guest was started.
    pub limits: Option<Limits>,
    /// The input; null where it was no JSON, or is stored.
    pub input_json: Value,
    /// Where the input is, if it is too large for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_stored: Option<StoredValue>,
    /// The output of a success; null where it is stored.
    pub output_json: Option<Value>,
    /// Where the output is, if it is too large for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_stored: Option<StoredValue>,
    /// Whether it succeeded.
    pub success: bool,
    /// `Kind: message` of a failure.
    pub error: Option<String>,
    /// What the guest's clock said.
    pub clock: Timestamp,
    /// The seed of its random numbers, in hexadecimal.
    pub seed: String,
    /// The files it wrote. Whether they are in the vault, its commit says.
    pub effects: Vec<Effect>,
    /// The commit that its files are part of; none where nothing is to be committed.
    pub commit_id: Option<CommitId>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it was over.
    pub finished_at: Timestamp,
    /// What stood behind the first wall; none where no guest was started.
    pub second_wall: Option<SecondWall>,
    /// What the guest logged, printed and used; none where no guest was started.
    pub said: Option<GuestOutput>,
    /// The digest of charter, policy and capabilities that it was decided under; none in a record from before they were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_sha256: Option<Digest>,
}

/// Why a run cannot be repeated from its record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSeed {
    /// The seed is not hexadecimal.
    #[error("its seed is not hexadecimal")]
    NotHex,
    /// The seed has the wrong length.
    #[error("its seed is not 32 bytes long")]
    Length,
}

impl ExecutionRecord {
    /// What the run was given besides its input.
    ///
    /// # Errors
    /// [`InvalidSeed`].
    pub fn determinism(&self) -> Result<Determinism, InvalidSeed> {
        let seed = hex::decode(&self.seed).map_err(|_| InvalidSeed::NotHex)?;
        Ok(Determinism { clock: self.clock, seed: seed.try_into().map_err(|_| InvalidSeed::Length)? })
    }
}

/// What a guest logged, printed and used, as its record keeps it. Within the limits of the run; to be escaped when shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestOutput {
    /// Its log, in order.
    pub logs: Vec<LogLine>,
    /// Its standard output; what is not UTF-8 is U+FFFD.
    pub stdout: String,
    /// Its standard error, likewise.
    pub stderr: String,
    /// What it used.
    pub usage: RunUsage,
    /// What of its input was taken as something else: the record has the input as it was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coerced: Vec<Coercion>,
    /// Its exchanges with hosts, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<ExchangeRecord>,
    /// Its signatures, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<SignatureRecord>,
    /// The label of its data, where it is one of a sequence of runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<DataLabel>,
}

/// One line of a guest's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// The text, as the guest wrote it: escape it before showing it.
    pub message: String,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For the skill's author.
    Debug,
    /// What happened.
    Info,
    /// Unexpected, but the work went on.
    Warn,
    /// What stopped the work.
    Error,
}

impl LogLevel {
    /// The spelling in WIT.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What a run used. Times are the host's and differ from run to run; the rest does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunUsage {
    /// Real time.
    pub wall_us: u64,
    /// Processor time.
    pub cpu_us: u64,
    /// Largest sum of all linear memories.
    pub memory_bytes: u64,
    /// Growth of files in `/out`.
    pub staged_bytes: u64,
    /// Files and folders made in `/out`.
    pub staged_files: u64,
    /// Log lines that were beyond the limits and are lost.
    pub dropped_log_lines: u64,
}
