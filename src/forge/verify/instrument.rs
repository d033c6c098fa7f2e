//! Instrumented programs: the sources with insertions, compiled for one gate.
//!
//! Guarantees: such a program is never kept and never promoted. A change that does not compile is left out, and the rest is
//! still tested.

use std::collections::{BTreeMap, BTreeSet};

use super::context::GateContext;
use super::error::VerifyError;
use super::source_analysis::{self, Insertion};
use crate::forge::compile::ProgramKind;
use crate::model::snapshot::Snapshot;

/// Most rounds of leaving out changes that do not compile.
const ROUNDS: usize = 3;

/// A program with those changes that compile.
pub(super) struct InstrumentedProgram {
    pub(super) component: Vec<u8>,
    /// The indexes of the changes that it contains.
    pub(super) kept: Vec<usize>,
}

/// Compiles the sources with as many of the changes as compile. `None` when they do not compile with any.
///
/// The analysis knows no types, so some changes do not compile. The line of the compiler's error tells which.
pub(super) fn compile(
    context: &GateContext<'_>,
    changes: &[&[Insertion]],
    product: ProgramKind,
) -> Result<Option<InstrumentedProgram>, VerifyError> {
    let files = text_files(context.snapshot)?;
    let mut kept: Vec<usize> = (0..changes.len()).collect();
    for _ in 0..ROUNDS {
        let insertions = kept.iter().flat_map(|at| changes[*at].iter());
        let changed = source_analysis::apply(&files, insertions)?;
        let changed = changed.into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
        let made = context.sandbox(&Snapshot::new(changed))?.compile(product)?;
        if let Some(component) = made.component {
            return Ok(Some(InstrumentedProgram { component, kept }));
        }
        let wrong: BTreeSet<(&str, u32)> =
            made.findings.iter().filter_map(|finding| Some((finding.file.as_deref()?, finding.line?))).collect();
        let before = kept.len();
        kept.retain(|at| {
            !changes[*at].iter().any(|insertion| wrong.contains(&(insertion.file.as_str(), insertion.line)))
        });
        if kept.len() == before {
            return Ok(None);
        }
    }
    Ok(None)
}

/// The files of a snapshot as text.
pub(super) fn text_files(snapshot: &Snapshot) -> Result<BTreeMap<String, String>, VerifyError> {
    let text_of = |path: &str, bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map_err(|_| VerifyError::NotUtf8(path.to_owned()))?;
        Ok((path.to_owned(), text.to_owned()))
    };
    snapshot.files().map(|(path, bytes)| text_of(path, bytes)).collect()
}
