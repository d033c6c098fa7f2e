//! Help pages: examples can be pasted from a terminal of 80 columns, and options are shown where they have an effect.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

use crate::support::{self, Workspace};

/// Every page: the verbs of the root page, and those below a verb.
fn pages(workspace: &Workspace) -> Vec<(Vec<String>, String)> {
    let mut pages = vec![];
    let mut waiting = vec![Vec::<String>::new()];
    while let Some(verb) = waiting.pop() {
        let mut args: Vec<&str> = verb.iter().map(String::as_str).collect();
        args.push("--help");
        let page = workspace.call(&args).expect(0).stdout;
        let listed = page.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
        let listed = listed.take_while(|line| !line.is_empty());
        let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        for name in names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
            waiting.push([&verb[..], &[name.to_owned()]].concat());
        }
        pages.push((verb, page));
    }
    assert!(pages.len() > 35, "{}", pages.len());
    pages
}

fn from_examples(page: &str) -> Vec<&str> {
    page.lines().skip_while(|line| !line.starts_with("Examples:")).collect()
}

#[test]
fn what_is_written_by_hand_fits_80_columns() {
    let workspace = Workspace::new();
    for (verb, page) in pages(&workspace) {
        for line in from_examples(&page) {
            assert!(line.chars().count() <= 80, "{verb:?}: {line}");
        }
    }
}

#[test]
fn examples_are_commands_of_a_shell() {
    let workspace = Workspace::new();
    for (verb, page) in pages(&workspace) {
        let lines = from_examples(&page);
        let examples: Vec<&str> = lines.iter().skip(1).take_while(|line| !line.is_empty()).copied().collect();
        if examples.is_empty() {
            continue;
        }
        let script = examples.join("\n");
        let checked = support::feed(
            {
                let mut shell = Command::new("sh");
                shell.arg("-n");
                shell
            },
            &script,
        );
        assert_eq!((checked.code, checked.stderr.as_str()), (0, ""), "{verb:?}:\n{script}");
        let starts = examples.iter().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        for start in starts {
            let known = ["  kavi ", "  #", "  cd ", "  echo ", "  cat ", "  claude ", "  rm ", "  man ", "  eval "];
            assert!(known.iter().any(|known| start.starts_with(known)), "{verb:?}: {start}");
        }
    }
}

#[test]
fn global_options_have_a_heading_of_their_own_and_are_shown_where_they_have_an_effect() {
    let workspace = Workspace::new();
    for (verb, page) in pages(&workspace) {
        let global = page.split("Global options:").nth(1).unwrap_or_else(|| panic!("{verb:?}: {page}"));
        for option in ["--output", "--verbose", "--quiet", "--log-format"] {
            assert!(global.contains(option), "{verb:?}: {option}");
        }
        let shown = |option: &str| page.contains(option);
        let first = verb.first().map_or("", String::as_str);
        assert_eq!(
            shown("--workspace <DIR>"),
            !["check", "completions", "demo", "init", "man", "restore", "setup"].contains(&first),
            "{verb:?}"
        );
        let without = ["cache", "effects", "list-skills", "new", "propose-skill", "show", "stop", "undo"];
        if without.contains(&first) {
            assert!(!shown("--unconfined"), "{verb:?}");
        }
        if ["", "build-skill", "run-skill", "verify-skill", "status", "doctor", "demo", "mcp"].contains(&first) {
            assert!(shown("--unconfined"), "{verb:?}");
        }
    }
    // What is not shown is accepted all the same.
    workspace.call(&["list-skills", "--unconfined"]).expect(0);
    workspace.call(&["effects", "list", "--unconfined"]).expect(0);
}
