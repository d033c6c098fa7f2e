//! The files of a run into the vault: all of them or none, whatever happens in between.
//!
//! A run writes into a staging folder on the vault's own file system (`staging`). When its output is valid, a commit passes these
//! stages (`transaction`), each of which hands every change to its kind (`change`, `file_change`, `file_move`):
//!
//! 1. The staged files are made durable.
//! 2. **Check**, under one lock for the workspace: the file at every path of the vault is read. If another program changed it
//!    since the run began, nothing goes on (`conflict`). Otherwise its content is kept in the store.
//! 3. **Prepare**: every folder that a file needs is made, and the files move to one folder (`prepared_dir`).
//! 4. The record is written, with a PENDING commit that lists the changes.
//! 5. **Apply** (`apply`): each file is moved to its path. If another program was faster, the moves are undone, and the commit is
//!    REVERTED; else it is APPLIED.
//! 6. **Settle**: that is recorded on the disk. Only then the evidence of the moves is removed.
//!
//! A crash before the record leaves only files that are removed later. After it, [`recover`] applies the commit (`recovery`),
//! after `record_check` has compared it with the records of its runs. What cannot be finished blocks its own paths only.
//! `plan` says what happens to the files of a run: they are committed, held, shown or left. `stored` prepares a commit whose
//! content is in the store, for an approval or an undo.
//!
//! Guarantees: no link is followed inside the vault. A file that another program changed is not overwritten. A path at which
//! something else than a regular file lies is refused before the record exists. Known limit: while changes are applied, a
//! reader may see some files of one commit and not others.

mod apply;
mod change;
mod change_time;
mod commit_site;
mod conflict;
mod error;
mod file_change;
mod file_move;
mod folders;
mod plan;
mod prepared_dir;
mod record_check;
mod recovery;
mod staging;
mod stored;
#[cfg(test)]
mod tests;
mod transaction;
mod vault_file;

pub use error::EffectsError;
pub use record_check::check as check_recorded;
pub use recovery::{Recovery, UnfinishedCommit, recover};

pub(super) use conflict::RunStart;
pub(super) use plan::{FileOutcome, FilePlan, FileSet, staged_files};
pub(super) use recovery::abandon;
pub(super) use staging::Staging;
pub(super) use stored::prepare_stored;
pub(super) use vault_file::current_content;
