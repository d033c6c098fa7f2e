//! Test components: Rust's harness, and a vault that a test fills.

use super::*;

static HARNESS: LazyLock<CompiledComponent> = LazyLock::new(|| rustc("harness_guest.rs", &["--test"]));

fn test(arguments: &[&str]) -> (TestExit, String) {
    let folders = Folders::new();
    std::fs::remove_dir_all(folders.vault("")).unwrap();
    std::fs::create_dir(folders.vault("")).unwrap();
    let (vault, limits) = (opened(&folders.vault("")), Limits { cpu_ms: 200, ..tight() });
    let request = GuestRequest {
        input: "",
        capabilities: &READER,
        vault: Some(&vault),
        linked: &[],
        out: None,
        http: None,
        determinism: determinism(1),
        limits: &limits,
        watch: &Unwatched,
    };
    let outcome = HARNESS.run_test(arguments, &request).unwrap();
    (outcome.exit, String::from_utf8(outcome.observed.stdout).unwrap())
}

#[test]
fn the_harness_lists_its_tests() {
    let (exit, listed) = test(&["--list", "--format", "terse"]);
    assert!(matches!(exit, TestExit::Returned), "{exit:?}");
    let names: Vec<&str> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    assert_eq!(names, ["cheats", "fails", "never_ends", "passes", "sees_no_vault"]);
}

#[test]
fn each_test_ends_in_its_own_way() {
    for name in ["passes", "sees_no_vault"] {
        let (exit, said) = test(&["--exact", name, "--nocapture"]);
        assert!(matches!(exit, TestExit::Returned), "{exit:?}");
        assert!(said.contains("test result: ok. 1 passed"), "{said}");
    }
    assert!(matches!(test(&["--exact", "fails", "--nocapture"]).0, TestExit::Trap(RunError::Trap { .. })));
    assert!(matches!(test(&["--exact", "cheats", "--nocapture"]).0, TestExit::GuestExit(0)));
    let (exit, _) = test(&["--exact", "never_ends", "--nocapture"]);
    assert!(matches!(exit, TestExit::Trap(RunError::Timeout { limit: "cpu_ms", value: 200 })), "{exit:?}");
    // A name that does not exist runs nothing and is no failure of the harness: look it up in the list first.
    let (exit, said) = test(&["--exact", "missing", "--nocapture"]);
    assert!(matches!(exit, TestExit::Returned) && said.contains("running 0 tests"), "{exit:?} {said}");
}

/// A command whose `run` seeds one file and fails if that does.
fn seeding(path: &str, contents: &str) -> CompiledComponent {
    let text = format!(
        r#"(component
  (import "kavi:skill/testing@0.1.0" (instance $testing
    (export "seed" (func (param "path" string) (param "contents" string) (result (result (error string)))))))
  (core module $memory
    (memory (export "memory") 1)
    (data (i32.const 1000) "{path}") (data (i32.const 8000) "{contents}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 40000))
  (core instance $memory (instantiate $memory))
  (core func $seed (canon lower (func $testing "seed")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $command
    (import "memory" "memory" (memory 1))
    (import "host" "seed" (func $seed (param i32 i32 i32 i32 i32)))
    (func (export "run") (result i32)
      (call $seed (i32.const 1000) (i32.const {}) (i32.const 8000) (i32.const {}) (i32.const 0))
      (i32.load8_u (i32.const 0))))
  (core instance $command (instantiate $command
    (with "memory" (instance $memory))
    (with "host" (instance (export "seed" (func $seed))))))
  (func $run (result (result)) (canon lift (core func $command "run")))
  (instance $exports (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $exports)))"#,
        path.len(),
        contents.len()
    );
    RUNTIME.compile_tests(&wat::parse_str(text).unwrap()).unwrap()
}

fn seed(folders: &Folders, path: &str, limits: &Limits) -> TestExit {
    let vault = opened(&folders.vault(""));
    let request = GuestRequest {
        input: "",
        capabilities: &READER,
        vault: Some(&vault),
        linked: &[],
        out: None,
        http: None,
        determinism: determinism(1),
        limits,
        watch: &Unwatched,
    };
    seeding(path, "seeded").run_test(&[], &request).unwrap().exit
}

#[test]
fn a_test_fills_its_vault() {
    let folders = Folders::new();
    for path in ["new.md", "deep/er/new.md", "/vault/sub/new.md", "a.md"] {
        let exit = seed(&folders, path, &tight());
        assert!(matches!(exit, TestExit::Returned), "{path}: {exit:?}");
        let written = std::fs::read_to_string(folders.vault(path.trim_start_matches("/vault/"))).unwrap();
        assert_eq!(written, "seeded", "{path}");
    }
}

#[test]
fn a_seed_stays_in_the_vault_and_within_the_limits() {
    let folders = Folders::new();
    std::os::unix::fs::symlink("..", folders.vault("up")).unwrap();
    std::os::unix::fs::symlink("../outside.md", folders.vault("link.md")).unwrap();
    for path in ["../outside.md", "/etc/x", "up/outside.md", "link.md", "sub", "", "new/", "a.md/new.md"] {
        let exit = seed(&folders, path, &tight());
        assert!(matches!(exit, TestExit::ReturnedErr), "{path}: {exit:?}");
    }
    assert_eq!(std::fs::read_to_string(folders.0.path().join("outside.md")).unwrap(), "outside");
    let exit = seed(&folders, "new.md", &Limits { staged_bytes: 5, ..tight() });
    assert!(matches!(exit, TestExit::Trap(RunError::LimitExceeded { limit: "staged_bytes", value: 5 })), "{exit:?}");
    let exit = seed(&folders, "a/b/c/d", &Limits { staged_depth: 3, ..tight() });
    assert!(matches!(exit, TestExit::Trap(RunError::LimitExceeded { limit: "staged_depth", value: 3 })), "{exit:?}");
}

/// A command that could ask for a call as the contract had it before 0.3.0, and that does nothing.
fn asking_without_answers(version: &str) -> String {
    format!(
        r#"(component
  (import "kavi:skill/types@{version}" (instance $types
    (type $e (variant (case "invalid-input" string) (case "not-found" string) (case "denied" string) (case "failed" string)))
    (export "error" (type (eq $e)))))
  (alias export $types "error" (type $error))
  (import "kavi:skill/testing@{version}" (instance
    (alias outer 1 $error (type $outer))
    (export "error" (type $e (eq $outer)))
    (export "call" (func (param "function" string) (param "input" string) (param "now" (option s64))
      (result (option (result string (error $e))))))))
  (core module $command (func (export "run") (result i32) (i32.const 0)))
  (core instance $command (instantiate $command))
  (func $run (result (result)) (canon lift (core func $command "run")))
  (instance $exports (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $exports)))"#
    )
}

#[test]
fn tests_of_an_older_contract_are_linked_with_the_call_that_it_had() {
    let folders = Folders::new();
    let (vault, limits) = (opened(&folders.vault("")), tight());
    let request = GuestRequest {
        input: "",
        capabilities: &READER,
        vault: Some(&vault),
        linked: &[],
        out: None,
        http: None,
        determinism: determinism(1),
        limits: &limits,
        watch: &Unwatched,
    };
    for (version, is_linked) in [("0.1.0", true), ("0.2.0", true), ("0.3.0", false)] {
        let compiled = RUNTIME.compile_tests(&wat::parse_str(asking_without_answers(version)).unwrap());
        let returned = compiled.is_ok_and(|compiled| {
            compiled.run_test(&[], &request).is_ok_and(|run| matches!(run.exit, TestExit::Returned))
        });
        assert_eq!(returned, is_linked, "{version}");
    }
}
