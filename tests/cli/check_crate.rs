//! `kavi check`: every gate on a crate, without a workspace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{self, Called};

/// A folder with this crate of the repository, whose source is changed.
fn crate_in(folder: &Path, name: &str, change: impl Fn(String) -> String) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("skills/read_note");
    let to = folder.join(name);
    fs::create_dir_all(to.join("src")).unwrap();
    for entry in fs::read_dir(from.join("src")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join("src").join(entry.file_name())).unwrap();
    }
    for file in ["Cargo.toml", "spec.json"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    let source = to.join("src/lib.rs");
    fs::write(&source, change(fs::read_to_string(&source).unwrap())).unwrap();
}

fn check(folder: &Path, args: &[&str]) -> Called {
    let temporary = folder.join("tmp");
    fs::create_dir_all(&temporary).unwrap();
    let mut command = support::kavi(folder);
    command.arg("check").args(args).env("TMPDIR", &temporary);
    let called = command.output().unwrap().into();
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0, "the workspace of the check is thrown away");
    called
}

#[test]
fn a_crate_is_checked_without_a_workspace() {
    let folder = support::folder();
    crate_in(folder.path(), "good", |source| source);
    crate_in(folder.path(), "a b", |source| {
        source.replacen("fn run(", "fn unused() -> usize {\n    std::env::args().count()\n}\n\nfn run(", 1)
    });
    let document = check(folder.path(), &["good", "--json"]).expect(0).json();
    assert_eq!(document["checked"][0]["status"], "PASSED", "{document:#}");
    assert_eq!(document["checked"][0]["name"], "read_note");

    let called = check(folder.path(), &["good", "a b", "--sarif", "found.sarif"]).expect(4);
    assert!(called.stdout.contains("read_note in good passes"), "{called:?}");
    assert!(called.stdout.contains("read_note in a b does not pass"), "{called:?}");
    assert!(called.stderr.contains("1 of 2 skills do not pass: a b"), "{called:?}");
    let log: Value = serde_json::from_slice(&fs::read(folder.path().join("found.sarif")).unwrap()).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    let found = results.iter().find(|result| result["ruleId"] == "policy/path").unwrap_or_else(|| panic!("{log:#}"));
    let place = &found["locations"][0]["physicalLocation"];
    assert_eq!(
        (found["level"].as_str(), place["artifactLocation"]["uri"].as_str()),
        (Some("error"), Some("a%20b/src/lib.rs"))
    );
    let source = fs::read_to_string(folder.path().join("a b/src/lib.rs")).unwrap();
    let line = source.lines().position(|line| line.contains("std::env::args()")).unwrap() + 1;
    assert_eq!(place["region"]["startLine"], line);
    let rules: Vec<&Value> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
    assert!(results.iter().all(|result| rules.contains(&&result["ruleId"])), "{log:#}");
}

#[test]
fn what_is_no_crate_with_a_specification_is_refused() {
    let folder = support::folder();
    let called = check(folder.path(), &["nowhere"]).expect(2);
    assert!(called.stderr.contains("nowhere/spec.json"), "{called:?}");
    crate_in(folder.path(), "odd", |source| source);
    fs::write(folder.path().join("odd/spec.json"), "{}").unwrap();
    check(folder.path(), &["odd"]).expect(2);
    // What is refused before the gates is reported like what they find.
    crate_in(folder.path(), "planted", |source| source);
    fs::write(folder.path().join("planted/build.rs"), "fn main() {}").unwrap();
    let document = check(folder.path(), &["planted", "--json"]).expect(4).json();
    let rule = document["checked"][0]["findings"][0]["rule"].as_str().unwrap();
    assert!(rule.starts_with("workspace/"), "{document:#}");
}

/// The action runs this program, with options that it has.
#[test]
fn the_action_runs_the_check_that_there_is() {
    let action = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml")).unwrap();
    let line = action.lines().map(str::trim).find(|line| line.starts_with("kavi ")).unwrap();
    let folder = support::folder();
    crate_in(folder.path(), "skills/good", |source| source);
    fs::write(folder.path().join("skills/README.md"), "").unwrap();
    let kavi = Path::new(env!("CARGO_BIN_EXE_kavi")).parent().unwrap().to_owned();
    let path = format!("{}:{}", kavi.display(), std::env::var("PATH").unwrap());
    let mut bash = std::process::Command::new("bash");
    let like = support::kavi(folder.path());
    bash.args(["-euc", line]).current_dir(folder.path()).env_clear();
    bash.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bash.env("PATH", path).env("SKILLS", "skills/*/spec.json").env("SARIF", "kavi.sarif");
    let called: Called = bash.output().unwrap().into();
    called.expect(0);
    assert!(folder.path().join("kavi.sarif").exists());
}

/// The scripts of the action, each with what it says before it.
fn scripts(action: &str) -> Vec<String> {
    let mut scripts: Vec<String> = Vec::new();
    let mut is_script = false;
    for line in action.lines() {
        if line.trim() == "run: |" {
            is_script = true;
            scripts.push(String::new());
        } else if is_script && line.starts_with("        ") {
            let script = scripts.last_mut().unwrap();
            script.push_str(&line[8..]);
            script.push('\n');
        } else {
            is_script = false;
        }
    }
    scripts
}

/// Each script of the action runs, as GitHub runs it, with programs that only say what they were asked for.
#[test]
fn each_step_of_the_action_runs_as_a_script() {
    let action = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml")).unwrap();
    let folder = support::folder();
    let bin = folder.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::create_dir_all(folder.path().join("repo/skills/a b")).unwrap();
    fs::create_dir_all(folder.path().join("kavi source")).unwrap();
    fs::write(folder.path().join("repo/skills/a b/spec.json"), "{}").unwrap();
    for program in ["rustup", "sudo", "cargo", "kavi"] {
        // `sudo` fails as it does where the setting is unknown: the step goes on.
        let code = i32::from(program == "sudo");
        let script = format!("#!/bin/sh\necho \"{program} in $(basename \"$PWD\"): $*\" >> \"$LOG\"\nexit {code}\n");
        fs::write(bin.join(program), script).unwrap();
        fs::set_permissions(bin.join(program), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let log = folder.path().join("log");
    let scripts = scripts(&action);
    assert_eq!(scripts.len(), 3, "{scripts:#?}");
    for (at, script) in scripts.iter().enumerate() {
        let mut bash = std::process::Command::new("bash");
        bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]).current_dir(folder.path().join("repo"));
        bash.env("PATH", format!("{}:/usr/bin:/bin", bin.display())).env("LOG", &log);
        bash.env("SOURCE", folder.path().join("kavi source"));
        bash.env("SKILLS", "skills/*/spec.json").env("SARIF", "kavi.sarif");
        let called: Called = bash.output().unwrap().into();
        assert_eq!(called.code, 0, "step {at}: {called:?}");
    }
    assert_eq!(
        fs::read_to_string(log).unwrap(),
        "rustup in repo: target add wasm32-wasip2\n\
         rustup in repo: component add rustfmt clippy\n\
         sudo in repo: sysctl -qw kernel.apparmor_restrict_unprivileged_userns=0\n\
         cargo in kavi source: install --path . --locked\n\
         kavi in repo: check skills/a b/spec.json --sarif kavi.sarif\n"
    );
}

/// The recipe of a container has a compiler that is new enough, and its volumes belong to the one who writes to them.
#[test]
fn the_recipe_of_a_container_holds_together() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/INSTALLING.md")).unwrap();
    let start = text.find("FROM ").unwrap();
    let recipe: Vec<&str> = text[start..].split("```").next().unwrap().lines().collect();
    let manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let version = manifest["workspace"]["package"]["rust-version"].as_str().unwrap();
    let images: Vec<&&str> = recipe.iter().filter(|line| line.starts_with("FROM ")).collect();
    assert_eq!(images.len(), 2);
    assert!(images.iter().all(|image| image.contains(&format!("rust:{version}-slim"))), "{images:?}");
    let at = |part: &str| recipe.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("no {part}"));
    let user = at("USER kavi");
    let made = recipe[at("install -d -o kavi")];
    assert!(at("useradd") < at("install -d") && at("install -d") < user && user < at("ENTRYPOINT"));
    for folder in ["/home/kavi/notes", "/home/kavi/.cache/kavi", "/home/kavi/.local/state/kavi"] {
        assert!(made.contains(folder), "{folder} is not made for its user");
        assert!(text[start..].matches(folder).count() > 1, "{folder} is not named as a mount");
    }
    assert!(recipe.iter().any(|line| line.contains("WORKDIR /home/kavi/notes")));
    assert!(recipe[at("cargo install")].contains("--locked"));
    // A workspace is its owner's, and a program says which commit it is of.
    assert!(recipe[at("useradd")].contains("--uid \"$UID\"") && at("ARG UID") < at("useradd"));
    assert!(at("ARG KAVI_COMMIT") < at("cargo install"));
    // The options of the command name what the recipe takes, and its volumes are those that were made.
    let build = text.lines().find(|line| line.starts_with("docker build ")).unwrap();
    assert!(build.contains("--build-arg UID=") && build.contains("--build-arg KAVI_COMMIT="));
    let ignored = fs::read_to_string(root.join(".dockerignore")).unwrap();
    let of_git = fs::read_to_string(root.join(".gitignore")).unwrap();
    for folder in of_git.lines().filter(|line| line.ends_with("/target") || line.starts_with("/.kavi")) {
        assert!(ignored.contains(folder.trim_end_matches('/')), "{folder} gets into the image");
    }
    // What the action gets as well, and what the README of the toolchain asks for.
    for part in ["wasm32-wasip2", "rustfmt", "clippy"] {
        at(part);
    }
}
