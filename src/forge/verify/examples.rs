//! The spec's examples, run on the exact release component, each in an instance and a vault of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Subject, VerifyError, test};
use crate::model::{
    digest::Digest,
    example::{Example, Expectation},
    execution::Effect,
    finding::Finding,
    json::{self, JsonLimits},
    text,
    vault_path::VaultPath,
};
use crate::policy::grants;
use crate::runtime::staged::{self, StagedError};
use crate::runtime::{Compiled, Outcome, Request, RunFailure, Tier};

pub(super) fn check(subject: &Subject<'_>, component: &[u8]) -> Result<Vec<Finding>, VerifyError> {
    let compiled = match subject.runtime.compile(component, Tier::Optimised) {
        Ok(compiled) => compiled,
        Err(error) => return Ok(vec![Finding::new("invariants/component", error.to_string())]),
    };
    let mut findings = Vec::new();
    for example in &subject.proposal.spec.examples {
        if let Err(message) = run(subject, &compiled, example)? {
            let finding = Finding::new("invariants/example", text::line(&message, 800));
            findings.push(finding.in_test(text::line(&example.name, 200)));
        }
    }
    Ok(findings)
}

fn run(subject: &Subject<'_>, compiled: &Compiled, example: &Example) -> Result<Result<(), String>, VerifyError> {
    let grants = grants::of(subject.proposal.spec.side_effect_class);
    let vault = tempfile::tempdir_in(subject.scratch).map_err(VerifyError::Folder)?;
    let out = tempfile::tempdir_in(subject.scratch).map_err(VerifyError::Folder)?;
    seed(vault.path(), &example.vault).map_err(VerifyError::Folder)?;
    let input = json::canonical(&example.input);
    let request = Request {
        input: &input,
        grants: &grants,
        vault: grants.vault.then(|| vault.path()),
        out: grants.out.then(|| out.path()),
        determinism: test::fixed(),
        limits: subject.limits,
    };
    let ran = compiled.run(&request);
    let staged = staged::collect(out.path());
    Ok(compare(subject, example, ran, staged))
}

fn compare(
    subject: &Subject<'_>,
    example: &Example,
    ran: Result<Outcome, RunFailure>,
    staged: Result<Vec<Effect>, StagedError>,
) -> Result<(), String> {
    let spec = &subject.proposal.spec;
    let outcome = ran.map_err(|failure| failure.to_string())?;
    let staged = staged.map_err(|error| error.to_string())?;
    match (&example.expect, outcome.result) {
        (Expectation::Ok(expected), Ok(output)) => {
            let output = json::parse(output.as_bytes(), JsonLimits::default())
                .map_err(|error| format!("the output is not JSON: {error}"))?;
            spec.io.check_output(&output).map_err(|error| format!("the output is off its schema: {error}"))?;
            if output != *expected {
                return Err(format!("expected {}, got {}", json::canonical(expected), json::canonical(&output)));
            }
        }
        (Expectation::Err(expected), Err(error)) if error.kind == *expected && staged.is_empty() => return Ok(()),
        (Expectation::Err(_), Err(error)) if !staged.is_empty() => {
            return Err(format!("it wrote {} files and then failed: {}", staged.len(), error.message));
        }
        (Expectation::Ok(_), Err(error)) => return Err(format!("{}: {}", error.kind.as_str(), error.message)),
        (Expectation::Err(expected), Err(error)) => {
            return Err(format!(
                "expected the error {}, got {}: {}",
                expected.as_str(),
                error.kind.as_str(),
                error.message
            ));
        }
        (Expectation::Err(expected), Ok(output)) => {
            return Err(format!("expected the error {}, got {output}", expected.as_str()));
        }
    }
    if let Some(effect) = staged.iter().find(|effect| !spec.may_write(&effect.path)) {
        return Err(format!("it wrote `{}`, outside the folders of its spec", effect.path));
    }
    compare_files(&example.files, &staged)
}

fn compare_files(expected: &BTreeMap<VaultPath, String>, staged: &[Effect]) -> Result<(), String> {
    if expected.is_empty() {
        return Ok(());
    }
    let extra = staged.iter().find(|effect| !expected.contains_key(&effect.path));
    if let Some(effect) = extra {
        return Err(format!("it wrote `{}`, which the example does not name", effect.path));
    }
    for (path, contents) in expected {
        match staged.iter().find(|effect| effect.path == *path) {
            None => return Err(format!("it did not write `{path}`")),
            Some(effect) if effect.sha256 != Digest::of(contents.as_bytes()) => {
                return Err(format!("it wrote other bytes to `{path}` than the example has"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Puts an example's files into a fresh vault.
fn seed(vault: &Path, files: &BTreeMap<VaultPath, String>) -> std::io::Result<()> {
    for (path, contents) in files {
        let path = vault.join(path.as_str());
        fs::create_dir_all(path.parent().unwrap_or(vault))?;
        fs::write(path, contents)?;
    }
    Ok(())
}
