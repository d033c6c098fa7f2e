//! Programs out of changed sources. They are compiled for one gate, never kept, never promoted.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{self, Edit};
use super::{Subject, VerifyError};
use crate::forge::compile::Product;
use crate::model::snapshot::Snapshot;

/// Rounds in which changes that do not compile are left out.
const ROUNDS: usize = 3;

/// A program with the changes that compile.
pub(super) struct Program {
    pub(super) component: Vec<u8>,
    /// The places of the changes that are in it.
    pub(super) kept: Vec<usize>,
}

/// Compiles the sources with as many of the changes as compile; `None` when they do not compile with any.
///
/// A change that does not fit the types around it is told by the line of the compiler's error, and left out.
pub(super) fn compile(
    subject: &Subject<'_>,
    changes: &[&[Edit]],
    product: Product,
) -> Result<Option<Program>, VerifyError> {
    let files = text_files(subject.snapshot)?;
    let mut kept: Vec<usize> = (0..changes.len()).collect();
    for _ in 0..ROUNDS {
        let edits = kept.iter().flat_map(|at| changes[*at].iter());
        let changed = plan::apply(&files, edits).map_err(VerifyError::Scan)?;
        let changed = changed.into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
        let made = subject.bench(&Snapshot::new(changed))?.compile(product)?;
        if let Some(component) = made.component {
            return Ok(Some(Program { component, kept }));
        }
        let wrong: BTreeSet<(&str, u32)> =
            made.findings.iter().filter_map(|finding| Some((finding.file.as_deref()?, finding.line?))).collect();
        let before = kept.len();
        kept.retain(|at| !changes[*at].iter().any(|edit| wrong.contains(&(edit.file.as_str(), edit.line))));
        if kept.len() == before {
            return Ok(None);
        }
    }
    Ok(None)
}

/// The files of a snapshot as text.
pub(super) fn text_files(snapshot: &Snapshot) -> Result<BTreeMap<String, String>, VerifyError> {
    let texts = snapshot.files().map(|(path, bytes)| Ok((path.to_owned(), std::str::from_utf8(bytes)?.to_owned())));
    texts.collect::<Result<_, std::str::Utf8Error>>().map_err(|error| VerifyError::Scan(error.to_string()))
}
