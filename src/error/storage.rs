//! A disk that takes nothing: what it means for a command, wherever the operating system said so.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use crate::forge::rebuild::RebuildError;

/// What to do about a full disk.
pub(super) const FULL: &str = "free some space and try again; no change was made in part";
/// What to do about a file system that takes no changes.
pub(super) const READ_ONLY: &str = "make it writable and try again; `list-skills`, `show`, `status` and `tail-executions` \
                                    look without writing";

/// What to do where an operation on files failed because the disk takes nothing.
pub(super) fn hint(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        // The change is recorded, and only files that are derived from it are missing. To try again is wrong.
        if error.is::<RebuildError>() {
            return None;
        }
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => return Some(FULL),
            Some(ErrorKind::ReadOnlyFilesystem) => return Some(READ_ONLY),
            _ => cause = error.source(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::Error;
    use super::*;
    use crate::artifacts::ArtifactError;
    use crate::forge::promote::PromoteError;
    use crate::forge::record::RecordError;

    #[test]
    fn a_disk_that_takes_nothing_is_told_in_words_whatever_failed() {
        let of = |number| io::Error::from_raw_os_error(number);
        let stored = |number| Error::from(ArtifactError::Io { path: "store/x".into(), source: of(number) });
        let full = [stored(28), stored(122), Error::Io { what: "a file".to_owned(), source: of(28) }];
        for error in full {
            assert_eq!(error.hint().as_deref(), Some(FULL), "{error}");
            assert!(!error.message().contains("os error"), "{}", error.message());
        }
        assert_eq!(stored(30).hint().as_deref(), Some(READ_ONLY));
        assert_eq!(stored(30).message(), "store/x: Read-only file system");
        assert_eq!(stored(13).hint(), None);
        // The change is on record: doing it again is no help.
        let source = ArtifactError::Io { path: "registry.yaml".into(), source: of(28) };
        let recorded = Error::from(PromoteError::Record(RecordError::Views(RebuildError::Artifact(source))));
        assert_eq!(recorded.hint().as_deref(), Some("run `kavi rebuild`"));
    }
}
