//! The leak scan of what a run leaves behind: exchanges, output or error, log, standard streams, files.
//!
//! Guarantees: what was not looked at counts as a leak. Deliberately never: has a secret. The broker of the run looks.

use std::io::{self, Read as _};

use crate::dir::{FolderHandle, MissingFolders};
use crate::egress::{LeakCheck, LeakVerdict};
use crate::runtime::{RunFailure, SkillOutcome};

/// Looks for the secrets of a run. The error says what was found, without any part of a value.
pub(super) fn check(
    check: &LeakCheck,
    ran: &Result<SkillOutcome, RunFailure>,
    out: Option<&FolderHandle>,
) -> Result<(), String> {
    let observed = ran.as_ref().map_or_else(|failure| &*failure.observed, |outcome| &outcome.observed);
    // An error of the host can quote the guest: a request that a record has not, a path.
    let said = match ran {
        Ok(outcome) => match &outcome.result {
            Ok(output) => output.clone(),
            Err(error) => error.message.clone(),
        },
        Err(failure) => failure.error.to_string(),
    };
    judge("in a request or a response", check.scan_exchanges())?;
    judge("in its output", check.scan(said.into_bytes()))?;
    let log: Vec<&str> = observed.logs.iter().map(|line| line.message.as_str()).collect();
    judge("in its log", check.scan(log.join("\n").into_bytes()))?;
    judge("on its standard streams", check.scan([&observed.stdout[..], &observed.stderr].concat()))?;
    match out {
        Some(folder) => files(check, folder),
        None => Ok(()),
    }
}

fn judge(place: &str, verdict: LeakVerdict) -> Result<(), String> {
    match verdict {
        LeakVerdict::Clean => Ok(()),
        LeakVerdict::Leak(found) => Err(format!("{found}, {place}")),
        LeakVerdict::Unscanned => Err(format!("could not be searched for secrets, {place}")),
    }
}

/// Every file below the folder, and its name.
fn files(check: &LeakCheck, folder: &FolderHandle) -> Result<(), String> {
    let unreadable = |error: io::Error| format!("could not be searched for secrets, in its files: {error}");
    for entry in folder.entries().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        judge("in the name of a file", check.scan(name.as_encoded_bytes().to_vec()))?;
        if entry.file_type().map_err(unreadable)?.is_dir() {
            files(check, &folder.child(&name, MissingFolders::Refuse).map_err(unreadable)?)?;
            continue;
        }
        let mut bytes = Vec::new();
        // The quota of the run limits how large a file is.
        folder.file(name).open().and_then(|mut file| file.read_to_end(&mut bytes)).map_err(unreadable)?;
        judge("in a file", check.scan(bytes))?;
    }
    Ok(())
}
