//! The import table and the manners of the house, held against the source.
//!
//! Reads `src/` and `sdk/` and fails on an import that the table forbids, on an engine, database, process, clock,
//! environment or printing call outside its module, on `unsafe`, and on files that grew too long. It is made to
//! catch a mistake while it is small, not an author who hides something; review is for that.

mod agents;
mod circles;
mod declarations;
mod known;
mod mentions;
mod rules;
mod tree;
mod trusted;

use std::{collections::BTreeMap, error::Error, fs, path::Path};

use mentions::Part;
use rules::{Violation, check};
use tree::Source;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_tree_keeps_the_rules_of_the_house() -> Result<(), Box<dyn Error>> {
    let sources = tree::read(Path::new(ROOT), &["src", "sdk/src"])?;
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "the tree was not read");
    let found = check(&sources);
    let list: Vec<String> = found.iter().map(Violation::to_string).collect();
    assert!(found.is_empty(), "{} broken rules:\n{}", list.len(), list.join("\n"));
    Ok(())
}

#[test]
fn the_sdk_depends_on_nothing_of_ours() -> Result<(), Box<dyn Error>> {
    let manifest: toml::Table = fs::read_to_string(Path::new(ROOT).join("sdk/Cargo.toml"))?.parse()?;
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table).ok_or("no dependencies")?;
    for (name, how) in dependencies {
        let local = how.get("path").is_some() || how.get("workspace").is_some();
        assert!(name != "kavi" && !local, "sdk/Cargo.toml: `{name}` is ours; `sdk` may use `wit/` only");
    }
    Ok(())
}

/// The files of the program, without those that only its tests have.
fn program() -> Result<Vec<Source>, Box<dyn Error>> {
    let sources = tree::read(Path::new(ROOT), &["src"])?;
    let only_tests = rules::only_tests(&sources, &tree::modules(&sources));
    Ok(sources.into_iter().filter(|source| !only_tests.contains_key(&source.path)).collect())
}

/// Where test code is. `tests/guests` and `tests/hostile` are not tests: they hold programs that are run and judged.
const TESTED: &[&str] = &[
    "src",
    "sdk/src",
    "tests/cli",
    "tests/containment",
    "tests/house",
    "tests/library",
    "tests/standin",
    "tests/support",
];

/// A guest that sleeps so that it is ended.
const UNDER_TEST: &[&str] = &["tests/guests/", "src/runtime/tests/guest.rs"];

/// Where the test code of these sources sleeps.
fn sleeps(sources: &[Source]) -> Vec<String> {
    let modules = tree::modules(sources);
    let only_tests = rules::only_tests(sources, &modules);
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !source.lies_in(UNDER_TEST)) {
        let tests = source.lies_in(&["tests/", "sdk/tests/"]) || only_tests.contains_key(&source.path);
        let part = if tests { Part::Tests } else { Part::Program };
        let mentions = mentions::read(&source.text, source.module(), part, &modules).unwrap_or_default();
        let sleeping = mentions.iter().filter(|mention| {
            mention.part == Part::Tests
                && mention.path.last().is_some_and(|last| last.starts_with("sleep") || last.ends_with("nanosleep"))
        });
        found.extend(sleeping.map(|mention| format!("{}:{}", source.path, mention.line)));
    }
    found
}

#[test]
fn no_test_sleeps() -> Result<(), Box<dyn Error>> {
    let found = sleeps(&tree::read(Path::new(ROOT), TESTED)?);
    let todo = "wait for an event: a line, the end of a child, a change of a file (tests/support/watch.rs), a channel";
    assert!(found.is_empty(), "a test sleeps; {todo}:\n{}", found.join("\n"));
    let fixture = |path: &str, text: &str| sleeps(&[Source::new("src/lib.rs", ""), Source::new(path, text)]);
    for text in
        ["fn f() { std::thread::sleep(x); }", "use std::thread; fn f() { thread::sleep(x) }", "use a::sleep_until;"]
    {
        assert_eq!(fixture("tests/cli/stop.rs", text), ["tests/cli/stop.rs:1"], "{text}");
    }
    let inside = "fn f() { tokio::time::sleep(x); }\n#[cfg(test)] mod tests { fn f() { tokio::time::sleep(x); } }";
    assert_eq!(fixture("src/mcp/call.rs", inside), ["src/mcp/call.rs:2"]);
    assert_eq!(fixture("tests/guests/examples/wait.rs", "fn f() { std::thread::sleep(x); }"), [""; 0]);
    Ok(())
}

/// What is found, as name and place, must be what is known: a new one is refused, and one that is gone must leave the list.
#[track_caller]
fn are_known(found: Vec<(String, String)>, known: &[&str], todo: &str) {
    let mut gone = known.to_vec();
    let mut news = String::new();
    for (name, place) in found {
        match gone.iter().position(|known| *known == name) {
            Some(index) => drop(gone.remove(index)),
            None => news.push_str(&format!("\n`{name}` ({place})")),
        }
    }
    assert!(news.is_empty(), "{todo}:{news}");
    assert!(gone.is_empty(), "delete from tests/house/tidy/known.rs, because they are mended: {gone:?}");
}

#[test]
fn no_public_type_name_is_defined_twice() -> Result<(), Box<dyn Error>> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in program()? {
        for (line, name) in declarations::read(&source.text).public_types {
            // The arguments of a verb are named alike, one in each file of a verb.
            if !(name == "Args" && source.path.starts_with("src/cli/")) {
                places.entry(name).or_default().push(format!("{}:{line}", source.path));
            }
        }
    }
    let double = places.into_iter().filter(|(_, places)| places.len() > 1);
    let double = double.map(|(name, places)| (name, places.join(", "))).collect();
    are_known(double, known::DOUBLE_TYPE_NAMES, "a public type name has one meaning; rename all but one");
    Ok(())
}

#[test]
fn no_function_takes_a_tuple_as_a_parameter() -> Result<(), Box<dyn Error>> {
    let mut found = Vec::new();
    for source in program()? {
        let functions = declarations::read(&source.text).tuple_functions.into_iter();
        found.extend(functions.map(|(line, name)| (name, format!("{}:{line}", source.path))));
    }
    are_known(found, known::TUPLE_PARAMETERS, "take a struct with named fields, or one parameter for each value");
    Ok(())
}

/// The types whose `Debug` form starts with another name than theirs.
fn misnamed_debug_forms(text: &str) -> Vec<String> {
    let blocks = text.split("Debug for ").skip(1);
    let misnamed = blocks.filter_map(|block| {
        let end = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let name = &block[..end(block)];
        let body = block.split("\n}").next()?;
        let shown = ["f.write_str(\"", "f.debug_struct(\"", "f.debug_tuple(\""].iter();
        let shown = shown.filter_map(|call| body.split(call).nth(1)).next()?;
        let shown = &shown[..end(shown)];
        // An enumeration shows its variant.
        let is_enum = body.contains("Self::");
        (shown != name && !is_enum).then(|| format!("{name} shows `{shown}`"))
    });
    misnamed.collect()
}

#[test]
fn a_debug_form_starts_with_the_name_of_its_type() -> Result<(), Box<dyn Error>> {
    let fixture = "impl fmt::Debug for Door {\n fn fmt() { f.write_str(\"Gate(..)\") }\n}\n\
                   impl Debug for Gate {\n fn fmt() { f.debug_struct(\"Gate\").finish() }\n}";
    assert_eq!(misnamed_debug_forms(fixture), ["Door shows `Gate`"]);
    for source in program()? {
        let misnamed = misnamed_debug_forms(&source.text);
        assert!(misnamed.is_empty(), "{}: {misnamed:?}", source.path);
    }
    Ok(())
}

#[test]
fn a_list_of_what_is_known_can_only_shrink() {
    let found = || vec![("run".to_owned(), "a.rs:1".to_owned()), ("run".to_owned(), "b.rs:2".to_owned())];
    are_known(found(), &["run", "run"], "mend it");
    for known in [&["run"][..], &["run", "run", "run"], &["run", "run", "walk"]] {
        let verdict = std::panic::catch_unwind(|| are_known(found(), known, "mend it"));
        assert!(verdict.is_err(), "{known:?}");
    }
}

#[test]
fn declarations_are_read_as_they_are_meant() {
    let text = "pub struct A; pub(crate) enum B {} pub(super) type C = u8; struct D; mod m { pub trait E {} }\n\
                #[cfg(test)] mod tests { pub struct F; fn f((a, b): (u8, u8)) {} }\n\
                fn one((a, b): (u8, u8)) {} fn two(pair: &(u8, u8)) {} fn three(all: &[(u8, u8)], none: ()) {}\n\
                impl A { fn four(&self, (a, b): (u8, u8)) { g(|(a, b)| a); } } trait E { fn five(pair: (u8, u8)); }";
    let declared = declarations::read(text);
    let names = |all: &[(usize, String)]| all.iter().map(|(line, name)| format!("{line} {name}")).collect::<Vec<_>>();
    assert_eq!(names(&declared.public_types), ["1 A", "1 B", "1 C", "1 E"]);
    assert_eq!(names(&declared.tuple_functions), ["3 one", "3 two", "4 A::four", "4 E::five"]);
}

/// The rules that one file breaks, as `line rule`.
fn broken(path: &str, text: &str) -> Vec<String> {
    let with_doc = format!("//! A fixture.\n{text}");
    let others = ["src/lib.rs", "src/forge/verify/mod.rs", "src/forge/mod.rs", "src/model/mod.rs", "src/ledger/mod.rs"];
    let mut sources: Vec<Source> =
        others.iter().filter(|other| **other != path).map(|other| Source::new(other, "//! Another.")).collect();
    sources.push(Source::new(path, &with_doc));
    let ours = check(&sources).into_iter().filter(|violation| violation.path == path);
    ours.map(|violation| format!("{} {}", violation.line - 1, violation.rule)).collect()
}

#[track_caller]
fn refuses(path: &str, text: &str, rule: &str) {
    assert_eq!(broken(path, text), [format!("1 {rule}")], "{path}: {text}");
}

#[track_caller]
fn accepts(path: &str, text: &str) {
    assert_eq!(broken(path, text), [""; 0], "{path}: {text}");
}

#[test]
fn an_import_that_the_table_forbids_is_found_however_it_is_written() {
    for text in [
        "use crate::ledger::Ledger;",
        "use crate::{model::id, ledger::Ledger};",
        "use crate::{ledger as books};",
        "fn f() { crate::ledger::open(); }",
        "fn f() -> Result<(), crate::ledger::Error> { Ok(()) }",
        "use super::super::super::ledger;",
        "use super::super::super::{ledger::Ledger};",
        "fn f() { super::super::super::ledger::open(); }",
        "fn f() { macro_call!(crate::ledger::X) }",
        "mod inner { use super::super::super::super::ledger::Ledger; }",
        "pub use crate::ledger::{self};",
        "#[cfg(test)] mod tests { use crate::ledger::Ledger; }",
        "fn f() { return ::std::mem::drop(crate::ledger::open()) }",
    ] {
        refuses("src/cage/linux/mounts.rs", text, "imports");
    }
    let renamed = "use crate as k;\nfn f() { k::ledger::open(); }";
    assert_eq!(broken("src/cage/linux/mounts.rs", renamed), ["1 imports", "2 imports"]);
}

#[test]
fn the_table_holds_in_both_directions() {
    accepts(
        "src/forge/build.rs",
        "use crate::{ledger::L, artifacts, policy, cage, llm, runtime, registry, model::id};",
    );
    accepts("src/forge/build.rs", "use super::verify; use crate::forge::packet; fn f() { self::g::h() }");
    accepts("src/forge/mod.rs", "pub mod verify; use verify::Report; fn f() { verify::run() }");
    refuses("src/forge/build.rs", "use crate::invoke::run;", "imports");
    refuses("src/invoke/run.rs", "use crate::forge::propose;", "imports");
    refuses("src/ledger/builds.rs", "use crate::artifacts::Store;", "imports");
    refuses("src/runtime/engine.rs", "use crate::policy::grants;", "imports");
    refuses("src/registry/mod.rs", "use crate::runtime::Engine;", "imports");
    refuses("src/model/id.rs", "use crate::error::Error;", "imports");
    refuses("src/forge/build.rs", "use crate::workspace::Config;", "imports");
    refuses("src/forge/build.rs", "use crate::app::App;", "imports");
    refuses("src/cli/run.rs", "use crate::ledger::Ledger;", "imports");
    refuses("src/cli/run.rs", "use crate::mcp::serve;", "imports");
    refuses("src/mcp/tools.rs", "use crate::cli::table;", "imports");
    refuses("src/mcp/tools.rs", "use crate::registry::TrustedSkill;", "imports");
    refuses("src/main.rs", "use kavi::ledger::Ledger;", "imports");
    accepts("src/main.rs", "use kavi::{app::App, cli, workspace}; fn main() { kavi::cage::enter(); }");
    accepts("src/app.rs", "use crate::{ledger, runtime, forge, invoke};");
    refuses("src/app.rs", "use crate::mcp;", "imports");
    refuses("src/app/runs.rs", "use crate::cli;", "imports");
    accepts("src/model/id.rs", "use crate::sync::lock;");
    refuses("src/sync.rs", "use crate::model::id;", "imports");
    accepts("src/error.rs", "use crate::{ledger, forge, invoke};");
    refuses("src/error.rs", "use crate::app::App;", "imports");
    refuses("sdk/src/lib.rs", "use kavi::model::id;", "imports");
    assert_eq!(broken("src/extra/mod.rs", ""), ["0 imports"]);
}

#[test]
fn no_way_round_the_table() {
    refuses("src/cage/mod.rs", "use crate::*;", "imports");
    refuses("src/cage/mod.rs", "use super::*;", "imports");
    refuses("src/cage/mod.rs", "use crate::Ledger;", "imports");
    refuses("src/cage/mod.rs", "extern crate rusqlite as r;", "imports");
    refuses("src/cage/mod.rs", "#[path = \"../ledger/mod.rs\"] mod books;", "imports");
    refuses("src/cage/mod.rs", "#[path = \"beside.rs\"] mod books;", "imports");
    refuses("src/cage/mod.rs", "#[cfg(test)] #[path = \"../ledger/mod.rs\"] mod books;", "imports");
    accepts("src/cage/mod.rs", "#[cfg(test)] #[path = \"../../sdk/src/path.rs\"] mod sdk_path;");
}

#[test]
fn comments_strings_and_own_modules_are_no_imports() {
    accepts("src/cage/mod.rs", "// use crate::ledger::Ledger;");
    accepts("src/cage/mod.rs", "/// See [`crate::ledger`].\npub fn f() { let _ = \"crate::ledger::x\"; }");
    accepts(
        "src/cage/mod.rs",
        "/* use rusqlite::Connection; */ mod linux; use crate::cage::linux; pub(crate) fn f() {}",
    );
    accepts("src/cage/mod.rs", "pub(in crate::cage) fn f<'a>() -> impl Iterator<Item = u8> + use<'a> { g() }");
    accepts("src/cage/mod.rs", "#[cfg(test)] mod tests { use super::*; use crate::model::name; }");
}

#[test]
fn libraries_stay_in_their_module() {
    refuses("src/registry/mod.rs", "use rusqlite::Connection;", "sqlite");
    refuses("src/registry/mod.rs", "fn f(c: &::rusqlite::Connection) {}", "sqlite");
    accepts("src/ledger/mod.rs", "use rusqlite::Connection;");
    refuses("src/forge/verify/mod.rs", "fn f() { wasmtime::Engine::default(); }", "engine");
    refuses("src/cage/mod.rs", "use wasmtime_wasi::WasiCtx;", "engine");
    accepts("src/runtime/mod.rs", "use wasmtime::Engine; use wasmtime_wasi::WasiCtx;");
    accepts("src/forge/verify/mod.rs", "use wasmparser::Parser;");
}

#[test]
fn the_front_for_agents_reaches_nothing_but_its_door() {
    for text in [
        "use crate::app::App;",
        "use crate::app::{AgentApi, App as Api};",
        "fn f(door: &crate::app::App) {}",
        "use crate::app::UndoPlan;",
        "use crate::app::Host as H;",
    ] {
        let found = broken("src/mcp/tools.rs", text);
        assert!(!found.is_empty() && found.iter().all(|rule| rule == "1 agents"), "{text}: {found:?}");
    }
    refuses("src/mcp/tools.rs", "use crate::app;", "agents");
    refuses("src/mcp/tools.rs", "use crate::app::Made;", "agents");
    refuses("src/mcp/tools.rs", "use crate::app::*;", "agents");
    for call in ["approve", "reject", "promote", "revoke", "rollback", "resume", "stop", "undo", "policy"] {
        refuses("src/mcp/tools.rs", &format!("fn f(door: &D) {{ door.{call}(1); }}"), "agents");
        refuses("src/mcp/tools.rs", &format!("fn f() {{ hidden!(x.{call}()); }}"), "agents");
        accepts("src/cli/run.rs", &format!("fn f(app: &App) {{ app.{call}(1); }}"));
    }
    accepts(
        "src/mcp/tools.rs",
        "use crate::app::{AgentApi, Submission}; /// approve\nfn f() { g(\"kavi effects approve\") }",
    );
}

#[test]
fn the_protocol_and_its_runtime_stay_in_the_front_for_agents() {
    refuses("src/app/agents.rs", "use tokio::sync::oneshot;", "protocol");
    refuses("src/cli/run.rs", "fn f() { rmcp::serve(); }", "protocol");
    refuses("src/runtime/pool.rs", "#[cfg(test)] mod tests { use tokio_util::sync; }", "protocol");
    accepts("src/mcp/mod.rs", "use rmcp::model::Tool; use tokio::sync::watch;");
}

#[test]
fn processes_start_in_the_cage_only() {
    for text in [
        "use std::process::Command;",
        "use std::process::{Command as Cmd, ExitCode};",
        "use std::process; fn f() { process::Command::new(\"x\"); }",
        "use std::{process as p}; fn f() { p::Command::new(\"x\"); }",
        "use std::process::*;",
        "fn f() { std::process::Command::new(\"x\"); }",
        "use std as s; fn f() { s::process::Command::new(\"x\"); }",
        "fn f() { let _ = nix::unistd::execve(a, b, c); }",
        "use nix::unistd::{fork, getpid};",
        "use nix::unistd; fn f() { unistd::fexecve(a, b, c); }",
        "#[cfg(test)] mod tests { fn f() { std::process::Command::new(\"x\"); } }",
    ] {
        refuses("src/forge/build.rs", text, "process");
        accepts("src/cage/linux/spawn.rs", text);
    }
    accepts("src/forge/build.rs", "use std::process::ExitCode; fn f() { std::process::id(); }");
}

#[test]
fn printing_is_for_the_command_line() {
    for text in ["fn f() { println!(\"x\"); }", "fn f() { std::eprint!(\"x\"); }", "fn f() { g(|| dbg!(1)); }"] {
        refuses("src/forge/build.rs", text, "print");
        refuses("src/mcp/mod.rs", text, "print");
        refuses("sdk/src/lib.rs", text, "print");
        accepts("src/cli/run.rs", text);
        accepts("src/main.rs", text);
    }
    refuses("src/forge/build.rs", "use std::io::{self, Write}; fn f() { io::stdout().flush(); }", "stdout");
    refuses("src/forge/build.rs", "use std::io::stderr;", "stdout");
    accepts("src/mcp/mod.rs", "use std::io; fn f() { io::stdout(); }");
    accepts("src/forge/build.rs", "#[cfg(test)] mod tests { fn f() { println!(\"x\"); } }");
    accepts("src/forge/build.rs", "#[cfg(test)] fn f() { println!(\"x\"); }");
    refuses("src/forge/build.rs", "#[cfg(test)] use a::b; fn f() { println!(\"x\"); }", "print");
    refuses("src/forge/build.rs", "#[cfg(not(test))] fn f() { println!(\"x\"); }", "print");
}

#[test]
fn the_command_line_alone_decides_where_the_log_goes() {
    refuses("src/forge/build.rs", "fn f() { tracing_subscriber::fmt().init(); }", "log-output");
    accepts("src/forge/build.rs", "fn f() { tracing::info!(\"x\"); }");
    accepts("src/cli/log.rs", "use tracing_subscriber::registry;");
}

#[test]
fn a_test_module_in_a_file_of_its_own_is_a_test_module() {
    let parent = Source::new("src/forge/mod.rs", "//! A.\n#[cfg(test)]\nmod tests;\nmod build;\n");
    let child = |name: &str| Source::new(name, "//! A.\nfn f() { println!(); }\n");
    let root = Source::new("src/lib.rs", "//! A.");
    let build = Source::new("src/forge/build.rs", "//! A.\n#[cfg(test)] #[path = \"build_tests.rs\"] mod tests;");
    let beside = Source::new("src/forge/build_tests.rs", "use super::super::super::invoke; fn f() { println!(); }");
    let found = check(&[root, parent, child("src/forge/tests.rs"), child("src/forge/packet.rs"), build, beside]);
    let list: Vec<(&str, &str)> = found.iter().map(|violation| (violation.path.as_str(), violation.rule)).collect();
    assert_eq!(list, [("src/forge/build_tests.rs", "imports"), ("src/forge/packet.rs", "print")]);
}

#[test]
fn environment_clock_and_ids_are_handed_in() {
    refuses("src/forge/build.rs", "fn f() { std::env::var_os(\"HOME\"); }", "environment");
    refuses("src/llm/mod.rs", "use std::env; fn f() { env::var(\"HOME\"); }", "environment");
    accepts("src/workspace/environment.rs", "use std::env; fn f() { env::vars(); }");
    accepts("src/llm/mod.rs", "const VERSION: &str = env!(\"CARGO_PKG_VERSION\");");
    refuses("src/ledger/mod.rs", "use std::time::SystemTime; fn f() { SystemTime::now(); }", "clock");
    refuses("src/ledger/mod.rs", "use jiff::Timestamp as T; fn f() { g(T::now) }", "clock");
    accepts("src/ledger/mod.rs", "use crate::model::time::Timestamp; fn f(c: C) { c.now(); Timestamp::parse(x); }");
    accepts("src/model/time.rs", "fn f() { jiff::Timestamp::now(); }");
    refuses("src/invoke/run.rs", "fn f() { std::time::Instant::now(); }", "timer");
    accepts("src/runtime/limits.rs", "use std::time::Instant; fn f() { Instant::now(); }");
    refuses("src/forge/propose.rs", "use uuid::Uuid; fn f() { Uuid::new_v4(); }", "ids");
    accepts("src/forge/propose.rs", "fn f() { uuid::Uuid::from_u128(1); }");
}

#[test]
fn what_decides_does_not_act() {
    refuses("src/policy/scan.rs", "use std::fs;", "pure");
    refuses("src/model/id.rs", "fn f() { std::fs::read(\"x\"); }", "pure");
    accepts("src/policy/scan.rs", "#[cfg(test)] mod tests { fn f() { std::fs::read(\"x\"); } }");
    accepts("src/forge/build.rs", "use std::fs;");
}

#[test]
fn unsafe_code_stands_only_where_it_was_reviewed() {
    refuses("src/runtime/cache.rs", "fn f() { unsafe { g() } }", "unsafe");
    refuses("src/runtime/cache.rs", "#[cfg(test)] mod tests { unsafe fn f() {} }", "unsafe");
    accepts("src/runtime/cache.rs", "// unsafe\n#[forbid(unsafe_code)] fn f() { g(\"unsafe\") }");
    accepts("sdk/src/bindings.rs", "unsafe fn f() {}");
    accepts("src/runtime/code.rs", "fn f() { unsafe { g() } }");
}

#[test]
fn there_is_one_unsafe_block_and_it_gives_its_reasons() -> Result<(), Box<dyn Error>> {
    // That there is none in any other file is a rule of the tree.
    let text = fs::read_to_string(Path::new(ROOT).join("src/runtime/code.rs"))?;
    let code: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect();
    let count = |what: &str| code.iter().filter(|line| line.contains(what)).count();
    assert_eq!((count("unsafe {"), count("allow(unsafe_code)"), count("unsafe fn")), (1, 1, 0));
    assert!(text.contains("// SAFETY: "), "the reasons are missing");
    // The reasons count the places that call code believed.
    let sources = tree::read(Path::new(ROOT), &["src"])?;
    let believers = sources.iter().filter(|source| source.text.contains("MachineCode::trusted("));
    let believers: Vec<&str> =
        believers.map(|source| source.path.as_str()).filter(|path| !path.contains("/tests")).collect();
    assert_eq!(believers, ["src/runtime/cache/seal.rs", "src/runtime/compile_child.rs"]);
    Ok(())
}

#[test]
fn only_the_registry_makes_a_trusted_skill() {
    refuses("src/invoke/run.rs", "fn f() { g(TrustedSkill { name: x }) }", "trust");
    refuses("src/invoke/run.rs", "fn f() { registry::TrustedSkill(x) }", "trust");
    refuses("src/invoke/run.rs", "pub struct TrustedSkill { name: u8 }", "trust");
    refuses("src/registry/mod.rs", "pub struct TrustedSkill { pub name: u8 }", "trust");
    refuses(
        "src/registry/mod.rs",
        "#[derive(Debug, serde::Deserialize)] pub struct TrustedSkill { name: u8 }",
        "trust",
    );
    accepts(
        "src/registry/mod.rs",
        "pub struct TrustedSkill { name: u8 } fn f() -> TrustedSkill { TrustedSkill { name } }",
    );
    accepts("src/invoke/run.rs", "fn f(skill: &TrustedSkill) -> TrustedSkill { skill.clone() }");
}

#[test]
fn files_stay_short_and_say_what_they_are_for() {
    let found = broken("src/forge/build.rs", &"// line\n".repeat(500));
    assert_eq!(found, ["500 length"]);
    accepts("src/forge/build.rs", &"// line\n".repeat(499));
    accepts("sdk/src/bindings.rs", &"// line\n".repeat(900));
    let bare = check(&[Source::new("src/cage/mod.rs", "pub fn f() {}")]);
    assert_eq!(bare.iter().map(|violation| violation.rule).collect::<Vec<_>>(), ["docs"]);
}

#[test]
fn a_file_that_is_no_rust_is_reported() {
    assert_eq!(broken("src/cage/mod.rs", "fn f( {").last().map(String::as_str), Some("1 parse"));
}

#[test]
fn a_violation_names_the_place_the_rule_and_the_way_out() {
    let found = check(&[Source::new("src/cage/mod.rs", "//! A.\n\nuse crate::ledger::Ledger;\n")]);
    let text = found.iter().map(Violation::to_string).collect::<String>();
    assert_eq!(
        text,
        "src/cage/mod.rs:3: [imports] `cage` may not use `ledger` (`crate::ledger::Ledger`); \
         it may use model; move what is shared into `model`, or hand it in from `app`"
    );
}
