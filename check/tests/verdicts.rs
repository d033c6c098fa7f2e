//! The checker as a program: exit codes and verdicts, over the example of the documentation.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/verifier/example.proof")
}

fn check(args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_kavi-check")).args(args).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_example_is_valid_and_a_changed_one_is_not() {
    let text = std::fs::read_to_string(example()).unwrap();
    let (code, said) = check(&[example().to_str().unwrap()]);
    assert!(code == 0 && said.starts_with("VALID as of "), "{code}: {said}");
    assert!(said.contains("promotion at ") && said.contains("component_sha256="), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("changed.proof");
    for (old, new) in [("\"ada\"", "\"bob\""), ("event ", "event 1"), ("kavi-proof@v1", "kavi-proof@v2")] {
        assert!(text.contains(old), "{old}");
        std::fs::write(&changed, text.replacen(old, new, 1)).unwrap();
        let (code, said) = check(&[changed.to_str().unwrap()]);
        assert!(code == 1 && said.starts_with("NOT VALID: "), "{old}: {code}: {said}");
    }
    std::fs::write(&changed, [0xff; 9]).unwrap();
    for args in [&["/nowhere"][..], &[], &["a", "b", "c"], &[changed.to_str().unwrap()], &["a", "no key"]] {
        assert_eq!(check(args).0, 2, "{args:?}");
    }
}

#[test]
fn only_the_key_that_was_asked_for_counts() {
    let text = std::fs::read_to_string(example()).unwrap();
    let key = text.lines().nth(1).unwrap().strip_prefix("key ").unwrap();
    let path = example();
    assert_eq!(check(&[path.to_str().unwrap(), key]).0, 0);
    // The example of C2SP's specification of signed notes.
    let other = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_eq!(check(&[path.to_str().unwrap(), other]).0, 1);
}
