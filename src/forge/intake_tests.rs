use std::fs;
use std::os::unix::fs::symlink;

use super::*;

type Anything = Result<(), Box<dyn std::error::Error>>;

fn workspace() -> Result<tempfile::TempDir, std::io::Error> {
    let dir = tempfile::tempdir()?;
    fs::create_dir(dir.path().join("src"))?;
    fs::write(dir.path().join("src/lib.rs"), "fn run() {}")?;
    Ok(dir)
}

fn rules(dir: &Path, allowed: &IntakeRules) -> Result<Vec<String>, IntakeError> {
    Ok(inspect(dir, allowed)?.err().unwrap_or_default().into_iter().map(|finding| finding.rule).collect())
}

#[test]
fn an_honest_workspace_becomes_one_snapshot() -> Anything {
    let dir = workspace()?;
    fs::create_dir_all(dir.path().join("src/util"))?;
    fs::write(dir.path().join("src/util/text.rs"), "")?;
    let accepted = inspect(dir.path(), &IntakeRules::default())?.map_err(|findings| format!("{findings:?}"))?;
    let paths: Vec<_> = accepted.snapshot.files().map(|(path, _)| path).collect();
    assert_eq!(paths, ["src/lib.rs", "src/util/text.rs"]);
    Ok(())
}

#[test]
fn guidance_is_accepted_where_it_can_be_read_and_is_no_source() -> Anything {
    let dir = workspace()?;
    fs::write(dir.path().join(GUIDANCE_FILE), "# Use\n")?;
    let accepted = inspect(dir.path(), &IntakeRules::default())?.map_err(|findings| format!("{findings:?}"))?;
    assert_eq!(accepted.snapshot.guidance(), Some(&b"# Use\n"[..]));
    assert_eq!(accepted.snapshot.sources().map(|(path, _)| path).collect::<Vec<_>>(), ["src/lib.rs"]);
    assert!(!is_source(GUIDANCE_FILE));
    for bad in ["", "---\nname: x\n---\n", "a\u{202e}b", &"x".repeat(17_000)] {
        fs::write(dir.path().join(GUIDANCE_FILE), bad)?;
        assert_eq!(rules(dir.path(), &IntakeRules::default())?, ["workspace/guidance"], "{bad:?}");
    }
    Ok(())
}

#[test]
fn what_is_outside_the_allowlist_is_named() -> Anything {
    for planted in [
        "build.rs",
        "Cargo.toml",
        "Cargo.lock",
        ".cargo/config.toml",
        ".git/config",
        "rust-toolchain.toml",
        "clippy.toml",
        "CLAUDE.md",
        ".claude/settings.json",
        ".mcp.json",
        "src/notes.md",
        "src/.hidden.rs",
        "src/Upper.rs",
        "src/a b.rs",
        "src/a/b/c/d.rs",
        "tests/more.rs",
    ] {
        let dir = workspace()?;
        let path = dir.path().join(planted);
        fs::create_dir_all(path.parent().unwrap_or(dir.path()))?;
        fs::write(path, "")?;
        assert_eq!(rules(dir.path(), &IntakeRules::default())?, ["workspace/outside"], "{planted}");
    }
    Ok(())
}

#[test]
fn a_persons_crate_may_have_tests_and_a_repository_around_it() -> Anything {
    let dir = workspace()?;
    for path in [".git/config", "README.md", "tests/works.rs", "tests/common/mod.rs", "tests/data.json"] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(dir.path()))?;
        fs::write(path, "")?;
    }
    let accepted = inspect(dir.path(), &super::super::import::rules())?.map_err(|found| format!("{found:?}"))?;
    assert_eq!(accepted.ignored, [".git", "README.md", "tests/common", "tests/data.json"]);
    assert_eq!(accepted.tests.keys().collect::<Vec<_>>(), ["tests/works.rs"]);
    assert_eq!(accepted.snapshot.files().count(), 1);
    Ok(())
}

#[test]
fn links_pipes_and_giants_are_refused() -> Anything {
    let dir = workspace()?;
    symlink("/etc/passwd", dir.path().join("src/a.rs"))?;
    symlink("/etc", dir.path().join("src/b"))?;
    fs::hard_link(dir.path().join("src/lib.rs"), dir.path().join("src/c.rs"))?;
    rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("src/d.rs"), FileType::Fifo, Mode::RWXU, 0)?;
    fs::File::create(dir.path().join("src/e.rs"))?.set_len(1 << 40)?;
    let found = rules(dir.path(), &IntakeRules::default())?;
    assert_eq!(
        found,
        ["workspace/kind", "workspace/kind", "workspace/link", "workspace/kind", "workspace/size", "workspace/link"]
    );
    Ok(())
}

#[test]
fn names_that_are_not_text_and_floods_are_refused() -> Anything {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = workspace()?;
    fs::write(dir.path().join("src").join(std::ffi::OsStr::from_bytes(b"\xff.rs")), "")?;
    assert_eq!(rules(dir.path(), &IntakeRules::default())?, ["workspace/name"]);

    let dir = workspace()?;
    for n in 0..=MAX_ENTRIES {
        fs::write(dir.path().join(format!("src/f{n}.rs")), "")?;
    }
    assert_eq!(rules(dir.path(), &IntakeRules::default())?, ["workspace/count"]);
    Ok(())
}

#[test]
fn provided_files_must_stay_and_sources_must_be_there() -> Anything {
    let dir = workspace()?;
    fs::write(dir.path().join("PACKET.md"), "packet")?;
    let mut allowed = IntakeRules::default();
    allowed.provided.insert("PACKET.md".to_owned(), Digest::of(b"packet"));
    assert!(rules(dir.path(), &allowed)?.is_empty());
    fs::write(dir.path().join("PACKET.md"), "other")?;
    assert_eq!(rules(dir.path(), &allowed)?, ["workspace/changed"]);
    fs::remove_file(dir.path().join("PACKET.md"))?;
    assert_eq!(rules(dir.path(), &allowed)?, ["workspace/missing"]);
    fs::remove_file(dir.path().join("src/lib.rs"))?;
    assert_eq!(rules(dir.path(), &IntakeRules::default())?, ["workspace/missing"]);
    Ok(())
}
