//! Circles among the files of the program: each of them needs the next one, and the last the first.
//!
//! A file needs the file in which a name is declared. So a name that a module hands on by `pub use` counts for the file behind
//! it, and a file that only hands on needs nothing. Methods are not seen: a file that calls one has the type from somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;

use super::known;
use super::mentions::{self, Kind, Mention, Part};
use super::rules;
use super::tree::{self, Source};

/// How often a name may be handed on before it is given up.
const MOST_STEPS: usize = 8;

/// Where a module hands a name on to: by the path of the module, and the name.
type Facades = BTreeMap<(Vec<String>, String), Vec<String>>;

/// Which files each file needs, with the line that says so.
type Needs = BTreeMap<String, BTreeMap<String, usize>>;

/// The mentions of a file that count here: those of the program, of modules of ours.
fn counted(source: &Source, modules: &BTreeSet<Vec<String>>) -> Vec<Mention> {
    let mentions = mentions::read(&source.text, source.module(), Part::Program, modules).unwrap_or_default();
    let ours = |mention: &Mention| {
        mention.part == Part::Program
            && matches!(mention.kind, Kind::Use | Kind::Glob | Kind::Path | Kind::Macro)
            && mention.path.first().is_some_and(|first| first == "crate")
    };
    mentions.into_iter().filter(ours).collect()
}

/// The module that declares what `path` names. None where it names a module and nothing in it.
fn declared_in(path: &[String], modules: &BTreeSet<Vec<String>>, facades: &Facades) -> Option<Vec<String>> {
    let mut path = path.get(1..)?.to_vec();
    for _ in 0..MOST_STEPS {
        let length = (1..=path.len()).rev().find(|length| modules.contains(&path[..*length]))?;
        let name = path.get(length)?.clone();
        let module = path[..length].to_vec();
        match facades.get(&(module.clone(), name)) {
            Some(target) if *target != path => path = [target.as_slice(), &path[length + 1..]].concat(),
            _ => return Some(module),
        }
    }
    None
}

/// What each file of the program needs.
fn needs(sources: &[Source]) -> Needs {
    let modules = tree::modules(sources);
    let only_tests = rules::only_tests(sources, &modules);
    let program: Vec<&Source> = sources.iter().filter(|source| !only_tests.contains_key(&source.path)).collect();
    let files: BTreeMap<Vec<String>, &str> =
        program.iter().map(|source| (source.module(), source.path.as_str())).collect();
    let mentioned: Vec<(&Source, Vec<Mention>)> =
        program.iter().map(|source| (*source, counted(source, &modules))).collect();
    let mut facades = Facades::new();
    for (source, mentions) in &mentioned {
        for mention in mentions.iter().filter(|mention| mention.kind == Kind::Use) {
            if let (Some(name), Some(path)) = (&mention.binds, mention.path.get(1..)) {
                facades.insert((source.module(), name.clone()), path.to_vec());
            }
        }
    }
    let mut needs = Needs::new();
    for (source, mentions) in &mentioned {
        let needed = needs.entry(source.path.clone()).or_default();
        for mention in mentions.iter().filter(|mention| !mention.exported) {
            let module = declared_in(&mention.path, &modules, &facades);
            if let Some(file) = module.and_then(|module| files.get(&module).copied())
                && file != source.path
            {
                needed.entry(file.to_owned()).or_insert(mention.line);
            }
        }
    }
    needs
}

/// Everything that `start` needs, near or far.
fn reached<'a>(start: &'a str, needs: &'a Needs) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![start];
    while let Some(file) = open.pop() {
        for next in needs.get(file).into_iter().flat_map(BTreeMap::keys) {
            if found.insert(next.as_str()) {
                open.push(next);
            }
        }
    }
    found
}

/// The needs between files of one circle, as `file:line needs file`, below the files that they are of.
fn circles(sources: &[Source]) -> BTreeMap<String, Vec<String>> {
    let needs = needs(sources);
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        needs.keys().map(|file| (file.as_str(), reached(file, &needs))).collect();
    let mut found = BTreeMap::new();
    for (file, needed) in &needs {
        let closes = |next: &&String| reach.get(next.as_str()).is_some_and(|reach| reach.contains(file.as_str()));
        let lines: Vec<String> = needed
            .iter()
            .filter(|(next, _)| closes(next))
            .map(|(next, line)| format!("{file}:{line} needs {next}"))
            .collect();
        if !lines.is_empty() {
            found.insert(file.clone(), lines);
        }
    }
    found
}

#[test]
fn no_files_need_each_other_in_a_circle() -> Result<(), Box<dyn Error>> {
    let found = circles(&tree::read(Path::new(super::ROOT), &["src"])?);
    let is_known = |file: &str| known::CIRCLES.iter().any(|folder| file.starts_with(folder));
    let news: Vec<&str> =
        found.iter().filter(|(file, _)| !is_known(file)).flat_map(|(_, lines)| lines).map(String::as_str).collect();
    let todo = "move what both need into a file of its own, or hand a trait in";
    assert!(news.is_empty(), "files need each other in a circle; {todo}:\n{}", news.join("\n"));
    for folder in known::CIRCLES {
        let left = found.keys().any(|file| file.starts_with(folder));
        assert!(left, "delete {folder} from tests/house/tidy/known.rs: no circle is left there");
    }
    Ok(())
}

#[test]
fn a_circle_is_found_however_it_is_closed() {
    let found = |one: &str, other: &str| {
        let forge = "//! A.\nmod build;\nmod packet;\npub use build::Build;\npub use packet::Packet as Sent;";
        let sources = [("lib.rs", ""), ("forge/mod.rs", forge), ("forge/build.rs", one), ("forge/packet.rs", other)];
        let sources = sources.map(|(file, text)| Source::new(&format!("src/{file}"), text));
        circles(&sources).into_keys().collect::<Vec<_>>()
    };
    let both = ["src/forge/build.rs", "src/forge/packet.rs"];
    let needing = "use super::packet::Packet; pub struct Build;";
    for other in [
        "use super::build::Build; pub struct Packet;",
        "use super::Build; pub struct Packet;",
        "use crate::forge::Build as Made; pub struct Packet;",
        "pub struct Packet; fn f() { super::build::run() }",
        "use super::build; pub struct Packet; fn f() { build::run() }",
        "use super::{build as made}; pub struct Packet; fn f() { made::run() }",
    ] {
        assert_eq!(found(needing, other), both, "{other}");
        assert_eq!(found("use crate::forge::Sent; pub struct Build;", other), both, "{other}");
    }
    for other in [
        "pub struct Packet;",
        "/// [`super::build::Build`]\npub struct Packet;",
        "pub struct Packet; #[cfg(test)] mod tests { use super::super::build::Build; }",
        "use super::super::model::id::Id; pub struct Packet;",
    ] {
        assert_eq!(found(needing, other), [""; 0], "{other}");
    }
    // Of the parent, which only hands on.
    assert_eq!(found("use super::Sent; pub struct Build;", "pub struct Packet;"), [""; 0]);
}
