//! `kavi check`

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::progress::{Spinner, Stages};
use super::sarif::CheckedCrate;
use super::throwaway::ThrowawayWorkspace;
use super::{Context, JsonFlag, sarif, views};
use crate::app::{App, Builder, Proposal, Reuse};
use crate::error::Error;
use crate::model::{
    finding::Finding,
    lifecycle::{BuildStatus, Verdict},
};

/// Run every gate on a crate with its spec.json, as a verification would. Needs no workspace, and records nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi check skills/write_note
  kavi check skills/*/spec.json --sarif kavi.sarif

Lines are those of the formatted sources: run `cargo fmt` first.
Exit code 4: a skill does not pass.")]
pub struct Args {
    /// The folder of a crate, with src/lib.rs, and spec.json with the whole specification. The path of that file will do.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Also write the findings to this file, as SARIF 2.1.0.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    #[command(flatten)]
    pub json: JsonFlag,
}

/// The file with the specification.
const SPEC: &str = "spec.json";

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (cwd, out) = (context.host.cwd.clone(), context.out.clone());
    let workspace = ThrowawayWorkspace::new("kavi-check-", context.host, context.walls)?;
    let spinner = Spinner::new(&out, Stages::Shown);
    let checked = Checker { app: &workspace.app }.check(&cwd, &args.folders)?;
    drop(spinner);
    if let Some(file) = &args.sarif {
        let text = format!("{:#}\n", sarif::log(&checked));
        let path = cwd.join(file);
        std::fs::write(&path, text).map_err(|source| Error::Io { what: path.display().to_string(), source })?;
    }
    let human: String = checked.iter().map(human).collect();
    let machine = json!({ "checked": checked.iter().map(document).collect::<Vec<_>>() });
    let failed: Vec<String> =
        checked.iter().filter(|checked| !checked.passed()).map(|it| it.folder.display().to_string()).collect();
    if failed.is_empty() {
        out.result(&human, &machine);
        return Ok(());
    }
    let error = Error::Verification {
        message: format!("{} of {} skills do not pass: {}", failed.len(), checked.len(), failed.join(", ")),
        hint: format!("mend what is listed, then `kavi check {}` again", failed.join(" ")),
    };
    Err(out.failure(&human, &machine, error))
}

/// Checks crates in a workspace of their own.
struct Checker<'a> {
    app: &'a App,
}

impl Checker<'_> {
    fn check(&self, cwd: &Path, folders: &[PathBuf]) -> Result<Vec<CheckedCrate>, Error> {
        let toolchain = self.app.attempts().toolchain()?;
        let mut all = Vec::new();
        for folder in folders {
            let (proposal, mut checked) = self.take(cwd, folder)?;
            if checked.findings.is_empty() {
                checked.gates = self.app.attempts().verify(&proposal, &toolchain, Reuse::Never)?.verification.gates;
            }
            all.push(checked);
        }
        Ok(all)
    }

    /// Proposes what the specification says, and takes the sources. Findings say why they were not taken.
    fn take(&self, cwd: &Path, folder: &Path) -> Result<(Proposal, CheckedCrate), Error> {
        let folder = match folder.file_name() {
            Some(name) if name == SPEC => folder.parent().unwrap_or(Path::new(".")),
            _ => folder,
        };
        let path = cwd.join(folder).join(SPEC);
        let bytes = std::fs::read(&path).map_err(|source| Error::Usage(format!("{}: {source}", path.display())))?;
        let proposals = self.app.proposals();
        let proposal = proposals.propose(&proposals.parse_spec_file(&bytes)?)?;
        let name = proposal.spec.name.clone();
        let mut checked = CheckedCrate { folder: folder.to_owned(), name, findings: Vec::new(), gates: Vec::new() };
        let build = self.app.attempts().build(&proposal, &Builder::Import(cwd.join(folder)), None)?.build;
        if build.status != BuildStatus::Succeeded {
            checked.findings = build.findings;
            if checked.findings.is_empty() {
                checked.findings.push(Finding::new("workspace/import", build.summary));
            }
        }
        Ok((proposals.find(&proposal.id.to_string())?, checked))
    }
}

fn human(checked: &CheckedCrate) -> String {
    let outcome = if checked.passed() { "passes" } else { "does not pass" };
    let found =
        if checked.gates.is_empty() { views::findings(&checked.findings) } else { views::gates(&checked.gates) };
    format!("{} in {} {outcome}\n{found}\n", checked.name, checked.folder.display())
}

fn document(checked: &CheckedCrate) -> Value {
    json!({
        "folder": checked.folder,
        "name": checked.name,
        "status": if checked.passed() { Verdict::Passed } else { Verdict::Failed },
        "findings": checked.findings,
        "gates": checked.gates,
    })
}
