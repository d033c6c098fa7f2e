//! The scanner over whole sources: every hostile one is refused for its reason, every honest one passes.
//!
//! A hostile source names the rule that it breaks in its first line, `//! expect: policy/<rule>`. A line
//! `//@ file: src/x.rs` starts another file of the same crate.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use kavi::model::finding::Finding;
use kavi::model::snapshot::Snapshot;
use kavi::policy::scan;

type Outcome = Result<(), Box<dyn Error>>;

fn sources(kind: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile").join(kind);
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.sort();
    Ok(paths)
}

fn snapshot(text: &str) -> Snapshot {
    let mut files = BTreeMap::new();
    let mut path = "src/lib.rs".to_owned();
    let mut file = String::new();
    for line in text.split_inclusive('\n') {
        if let Some(next) = line.strip_prefix("//@ file: ") {
            files.insert(std::mem::replace(&mut path, next.trim().to_owned()), std::mem::take(&mut file).into_bytes());
        } else {
            file.push_str(line);
        }
    }
    files.insert(path, file.into_bytes());
    Snapshot::new(files)
}

fn show(findings: &[Finding]) -> String {
    let line = |f: &Finding| {
        format!("  {}:{} {}: {}\n", f.file.as_deref().unwrap_or("-"), f.line.unwrap_or(0), f.rule, f.message)
    };
    findings.iter().map(line).collect()
}

#[test]
fn every_hostile_source_is_refused_for_its_reason() -> Outcome {
    let paths = sources("sources")?;
    assert!(paths.len() >= 40, "only {} hostile sources", paths.len());
    let mut wrong = String::new();
    for path in paths {
        let text = fs::read_to_string(&path)?;
        let expected = text.lines().next().and_then(|line| line.strip_prefix("//! expect: "));
        let expected = expected.ok_or_else(|| format!("{} does not say what it expects", path.display()))?;
        let findings = scan::scan(&snapshot(&text));
        if !findings.iter().any(|finding| finding.rule == expected) {
            wrong.push_str(&format!("{} expects {expected}:\n{}", path.display(), show(&findings)));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    Ok(())
}

#[test]
fn every_honest_source_passes() -> Outcome {
    let paths = sources("honest")?;
    assert!(paths.len() >= 12, "only {} honest sources", paths.len());
    let mut wrong = String::new();
    for path in paths {
        let findings = scan::scan(&snapshot(&fs::read_to_string(&path)?));
        if !findings.is_empty() {
            wrong.push_str(&format!("{} is refused:\n{}", path.display(), show(&findings)));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    Ok(())
}
