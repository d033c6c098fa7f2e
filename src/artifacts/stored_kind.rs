//! What a stored file is.

/// What a stored file is. Each kind has a folder of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredKind {
    /// A compiled component.
    Component,
    /// A source file of a snapshot.
    Source,
    /// The list of files of a snapshot.
    Snapshot,
    /// A file of the vault: what a commit replaces, or would bring.
    File,
    /// An input or an output that is too large for its record, as canonical JSON.
    Value,
}

impl StoredKind {
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Component => "components",
            Self::Source => "sources",
            Self::Snapshot => "snapshots",
            Self::File => "files",
            Self::Value => "values",
        }
    }

    /// Who may read such a file: what came out of the vault, or was given to a skill, only its owner.
    pub(super) fn mode(self) -> u32 {
        match self {
            Self::Component | Self::Source | Self::Snapshot => 0o644,
            Self::File | Self::Value => 0o600,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Source => "source file",
            Self::Snapshot => "snapshot",
            Self::File => "vault file",
            Self::Value => "value",
        }
    }
}
