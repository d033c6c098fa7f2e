//! What the build embeds and `kavi --version` prints: the commit, read without git, and the digest of the sources.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::Workspace;

#[path = "../../build.rs"]
#[allow(dead_code, reason = "a build script has a `main`")]
mod build;

const ID: &str = "0123456789abcdef0123456789abcdef01234567";

fn commit(files: &[(&str, &str)], at: &str) -> Result<Option<String>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().ok_or("no folder")?)?;
        fs::write(path, text)?;
    }
    Ok(build::find_commit(&folder.path().join(at)).map(|commit| commit.id))
}

#[test]
fn the_commit_is_found_without_git() -> Result<(), Box<dyn Error>> {
    let line = format!("{ID}\n");
    let packed = format!("# pack-refs with: peeled\n{ID} refs/heads/main\n{} refs/heads/other\n", "f".repeat(40));
    let branch = ("tree/.git/HEAD", "ref: refs/heads/main\n");
    let found: &[&[(&str, &str)]] = &[
        &[branch, ("tree/.git/refs/heads/main", &line)],
        &[branch, ("tree/.git/packed-refs", &packed)],
        &[("tree/.git/HEAD", &line)],
        &[
            ("tree/.git", "gitdir: ../real/worktrees/a\n"),
            ("real/worktrees/a/HEAD", "ref: refs/heads/main\n"),
            ("real/worktrees/a/commondir", "../..\n"),
            ("real/refs/heads/main", &line),
        ],
    ];
    for files in found {
        assert_eq!(commit(files, "tree")?.as_deref(), Some(ID), "{files:?}");
    }
    let missing: &[&[(&str, &str)]] = &[
        // A source archive.
        &[("tree/Cargo.toml", "")],
        &[branch],
        &[branch, ("tree/.git/refs/heads/main", "no id\n")],
        &[("tree/.git", "nonsense")],
    ];
    for files in missing {
        assert_eq!(commit(files, "tree")?, None, "{files:?}");
    }
    Ok(())
}

/// The command of `docs/INSTALLING.md`, over this tree, gives what was embedded.
#[test]
fn anybody_can_compute_the_digest_of_the_sources() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("docs/INSTALLING.md"))?;
    let start = guide.find("find Cargo.lock").ok_or("docs/INSTALLING.md has no such command")?;
    let command = guide[start..].split("\n```").next().ok_or("it has no end")?;
    let done = Command::new("sh").args(["-c", command]).current_dir(root).output()?;
    let printed = String::from_utf8(done.stdout)?;
    let digest = build::sources_digest(root, &build::source_files(root)?)?;
    assert_eq!(printed.split_whitespace().next(), Some(digest.as_str()), "{command}");
    let workspace = Workspace::new();
    let printed = workspace.call(&["--version"]).expect(0).stdout;
    let lines: Vec<&str> = printed.lines().collect();
    let sources = format!("sources: sha256:{digest}");
    assert_eq!(lines, [concat!("kavi ", env!("CARGO_PKG_VERSION")), lines[1], &sources]);
    // A build for tests has no commit, and says why.
    let commit = option_env!("KAVI_COMMIT").unwrap_or("not embedded (a development build)");
    assert_eq!(lines[1], format!("commit: {commit}"));
    assert_eq!(workspace.call(&["-V"]).expect(0).stdout.trim(), lines[0]);
    Ok(())
}
