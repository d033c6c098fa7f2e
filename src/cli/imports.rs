//! What a component imports, in groups that say what each gives it.
//!
//! Guarantees: an import that has no group is shown by its name. Deliberately never: decides what may be imported (that is
//! `runtime::interfaces`).

use crate::model::{capabilities::SkillCapabilities, spec::SkillSpec, text};

/// The groups: how the names of their interfaces begin, and what they give.
const GROUPS: [(&str, &[&str]); 11] = [
    ("http", &["kavi:skill/http"]),
    ("sign", &["kavi:skill/sign"]),
    ("log", &["kavi:skill/log"]),
    ("contract", &["kavi:skill/types"]),
    ("environment", &["wasi:cli/environment"]),
    ("exit", &["wasi:cli/exit"]),
    ("standard streams", &["wasi:cli/std", "wasi:cli/terminal-"]),
    ("clocks", &["wasi:clocks/"]),
    ("files", &["wasi:filesystem/"]),
    ("random numbers", &["wasi:random/"]),
    ("streams", &["wasi:io/"]),
];

/// One line for each group that is imported, and one for each import without a group.
pub fn lines(imports: &[String], spec: &SkillSpec) -> Vec<String> {
    let is_of = |import: &str, begins: &[&str]| begins.iter().any(|begin| import.starts_with(begin));
    let known = GROUPS.iter().filter(|(_, begins)| imports.iter().any(|import| is_of(import, begins)));
    let mut lines: Vec<String> = known.map(|(group, _)| format!("{group}: {}", meaning(group, spec))).collect();
    let unknown = imports.iter().filter(|import| !GROUPS.iter().any(|(_, begins)| is_of(import, begins)));
    lines.extend(unknown.map(|import| format!("UNKNOWN: {}", text::line(import, 200))));
    lines
}

/// What a group gives to this skill.
fn meaning(group: &str, spec: &SkillSpec) -> String {
    match group {
        "http" => "requests that a host rule allows, made outside of the run",
        "sign" => "signatures by a secret of the specification, made outside of the run",
        "log" => "lines that are kept in the record of the run",
        "contract" => "types only, no access",
        "environment" => "always empty, and no arguments",
        "exit" => "ends the run",
        "standard streams" => "input is empty, output is captured, there is no terminal",
        "clocks" if spec.reads_clock => "the time of the record, which the skill asks for",
        "clocks" => "the time of the record; the sources do not ask for it",
        "files" => return files(spec),
        "random numbers" => "from the seed of the record",
        _ => "used by the other groups, no access of their own",
    }
    .to_owned()
}

fn files(spec: &SkillSpec) -> String {
    let reads = if SkillCapabilities::of(spec).reads_vault() { "reads the vault" } else { "reads nothing" };
    if spec.paths.is_empty() {
        return format!("{reads}, writes nothing");
    }
    let folders: Vec<String> = spec.paths.iter().map(|path| format!("{path}/")).collect();
    let removes = if spec.removes_files { "writes and removes" } else { "writes" };
    format!("{reads}; what it {removes} is committed below {} only", folders.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of what the runtime can give.
    const TABLE: &str = include_str!("../runtime/interfaces.rs");

    #[test]
    fn each_interface_that_a_skill_can_import_has_a_group() -> Result<(), Box<dyn std::error::Error>> {
        let spec = SkillSpec::reading("fetch", r#"{"input":{"text":"str"},"output":{"words":"int"}}"#)?;
        let table = TABLE.split_once("const NEVER").map_or(TABLE, |(table, _)| table);
        let quoted = table.split('"').filter(|text| text.starts_with("kavi:skill/") || text.starts_with("wasi:"));
        // Tests alone are given it, and what is promoted has no tests.
        let names = quoted.filter(|name| !name.contains('{') && *name != "kavi:skill/testing");
        let names: Vec<String> = names.map(|name| format!("{name}@0.1.0")).collect();
        assert!(names.len() > 20, "{names:?}");
        let lines = lines(&names, &spec);
        assert_eq!(lines.len(), GROUPS.len(), "{lines:#?}");
        assert!(lines.iter().all(|line| !line.starts_with("UNKNOWN")), "{lines:#?}");
        let other = super::lines(&["wasi:sockets/tcp@0.2.0".to_owned()], &spec);
        assert_eq!(other, ["UNKNOWN: wasi:sockets/tcp@0.2.0"]);
        Ok(())
    }
}
