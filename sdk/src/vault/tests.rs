//! The vault of a skill: what is read, listed and written.

use super::*;
use crate::testing::{removed_paths, seed, written, written_paths};

type Result = std::result::Result<(), SkillError>;

#[test]
fn a_write_is_visible_to_a_later_read_and_leaves_the_vault_alone() -> Result {
    seed("notes/a.md", "old");
    assert_eq!(read("notes/a.md")?, "old");
    write("notes/a.md", "new")?;
    assert_eq!(read("notes/a.md")?, "new");
    assert_eq!(written("notes/a.md").as_deref(), Some("new"));
    let untouched = fs::read_to_string(roots().vault.join("notes/a.md"))?;
    assert_eq!(untouched, "old");
    Ok(())
}

#[test]
fn a_list_merges_the_vault_and_the_writes() -> Result {
    seed("n/b.md", "");
    seed("n/sub/x.md", "");
    seed("n/.hidden", "");
    write("n/a.md", "")?;
    write("n/b.md", "again")?;
    let entries = list("n/")?;
    let paths: Vec<_> = entries.iter().map(|e| (e.path(), e.name(), e.is_folder())).collect();
    assert_eq!(paths, [("n/a.md", "a.md", false), ("n/b.md", "b.md", false), ("n/sub", "sub", true)]);
    assert!(entries[0].is_file());
    let root: Vec<_> = list("")?.into_iter().map(|e| e.path).collect();
    assert_eq!(root, ["n"]);
    Ok(())
}

#[test]
fn what_does_not_exist_is_not_found() -> Result {
    assert!(list("")?.is_empty());
    assert!(!exists("a")?);
    assert_eq!(read("a"), Err(SkillError::not_found("`a` is not in the vault")));
    assert_eq!(list("a"), Err(SkillError::not_found("`a` is not in the vault")));
    seed("a", "");
    assert!(exists("a")?);
    assert!(!exists("a/b")?);
    assert_eq!(list("a"), Err(SkillError::failed("`a` is a file, not a folder")));
    Ok(())
}

#[test]
fn files_and_folders_do_not_replace_each_other() -> Result {
    seed("file", "");
    seed("folder/x", "");
    assert_eq!(write("file/x", ""), Err(SkillError::failed("`file` is a file, not a folder")));
    assert_eq!(write("folder", ""), Err(SkillError::failed("`folder` is a folder, not a file")));
    assert_eq!(read("folder"), Err(SkillError::failed("`folder` is a folder, not a file")));
    Ok(())
}

#[test]
fn a_path_that_leads_out_is_refused_everywhere() {
    for bad in ["", "/etc/passwd", "../x", "a/../../x", "a\0"] {
        let refused = |got: std::result::Result<_, SkillError>| matches!(got, Err(SkillError::InvalidInput(_)));
        assert!(refused(read(bad).map(drop)), "{bad:?}");
        assert!(refused(write(bad, "")), "{bad:?}");
        assert!(refused(exists(bad).map(drop)), "{bad:?}");
        assert!(bad.is_empty() || refused(list(bad).map(drop)), "{bad:?}");
    }
}

#[test]
fn text_is_utf8_and_bytes_are_anything() -> Result {
    write("x.bin", [0xFF, 0xFE])?;
    assert!(matches!(read("x.bin"), Err(SkillError::Failed(_))));
    assert_eq!(read_bytes("x.bin")?, [0xFF, 0xFE]);
    Ok(())
}

#[test]
fn a_byte_that_is_no_text_keeps_its_place() -> Result {
    write("x.md", b"\xFFa\xE4\xB8 \xC3\xA4\xF0")?;
    assert_eq!(read_lossy("x.md")?, "?a?? \u{e4}?");
    assert_eq!(read_lossy("x.md")?.len(), read_bytes("x.md")?.len());
    write("y.md", "\u{e4}")?;
    assert_eq!(read_lossy("y.md")?, "\u{e4}");
    assert!(matches!(read_lossy("z.md"), Err(SkillError::NotFound(_))));
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_walk_finds_every_file_and_follows_no_link() -> Result {
    for path in ["n/b.md", "n/b/c.md", "n/b/d/e.txt", "n/.hidden.md", "a.md"] {
        seed(path, "x");
    }
    let vault = roots().vault;
    std::os::unix::fs::symlink("/etc", vault.join("n/out"))?;
    std::os::unix::fs::symlink("b.md", vault.join("n/link.md"))?;
    let found = walk("")?;
    assert_eq!(found.files, ["a.md", "n/b.md", "n/b/c.md", "n/b/d/e.txt"]);
    assert_eq!(found.skipped, 2);
    assert_eq!(walk("n/b")?.files, ["n/b/c.md", "n/b/d/e.txt"]);
    assert_eq!(walk("nowhere"), Err(SkillError::not_found("`nowhere` is not in the vault")));
    let links: Vec<_> = list("n")?.into_iter().filter(|e| !e.is_file() && !e.is_folder()).map(|e| e.path).collect();
    assert_eq!(links, ["n/link.md", "n/out"]);
    Ok(())
}

#[test]
fn names_are_read_as_wide_as_the_file_system_and_written_strictly() -> Result {
    let deep = "d/".repeat(20) + "x.md";
    let long = format!("{}.md", "長".repeat(70));
    let vault = roots().vault;
    for name in ["🗂\u{fe0f} a.md", "❤\u{fe0f} folder/c.md", "می\u{200c}خواهم.md", " g.md", "a\\b.md", &long, &deep]
    {
        let place = vault.join(name);
        place.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(place, name)?;
        assert_eq!(read(name)?, name);
        assert!(walk("")?.files.contains(&name.to_owned()), "{name}");
        assert!(matches!(write(name, ""), Err(SkillError::InvalidInput(_))), "{name}");
    }
    Ok(())
}

#[test]
fn settings_of_obsidian_are_read_and_no_other_hidden_file() -> Result {
    assert_eq!(settings("daily-notes")?, None);
    seed(".obsidian/daily-notes.json", r#"{"folder": "Journal"}"#);
    assert_eq!(settings("daily-notes")?, Some(crate::json!({ "folder": "Journal" })));
    seed(".obsidian/app.json", "{");
    assert!(matches!(settings("app"), Err(SkillError::Failed(_))));
    for name in ["", "../x", "plugins/a", "A", "."] {
        assert!(matches!(settings(name), Err(SkillError::InvalidInput(_))), "{name}");
    }
    assert!(matches!(read(".obsidian/app.json"), Err(SkillError::InvalidInput(_))));
    Ok(())
}

#[test]
fn without_a_folder_to_write_to_writing_is_denied() -> Result {
    fs::remove_dir_all(roots().out)?;
    assert!(matches!(write("a.md", ""), Err(SkillError::Denied(_))));
    seed("a.md", "x");
    assert_eq!(read("a.md")?, "x");
    assert_eq!(list("")?.len(), 1);
    Ok(())
}

fn manifest() -> Option<serde_json::Value> {
    let text = fs::read_to_string(roots().out.join(removals::MANIFEST)).ok()?;
    serde_json::from_str(&text).ok()
}

#[test]
fn what_is_removed_is_gone_for_the_rest_of_the_run() -> Result {
    seed("n/a.md", "old");
    seed("n/b.md", "stays");
    remove("n/a.md")?;
    assert_eq!(read("n/a.md"), Err(SkillError::not_found("`n/a.md` is not in the vault")));
    assert!(!exists("n/a.md")?);
    assert_eq!(list("n")?.iter().map(Entry::path).collect::<Vec<_>>(), ["n/b.md"]);
    assert_eq!(walk("")?.files, ["n/b.md"]);
    assert_eq!((removed_paths(), written_paths()), (vec!["n/a.md".to_owned()], vec![]));
    let removal = serde_json::json!({ "path": "n/a.md", "sha256": crate::sha256("old") });
    assert_eq!(manifest(), Some(serde_json::json!({ "v": 1, "remove": [removal] })));
    // The vault itself changes after the run.
    assert!(roots().vault.join("n/a.md").exists());
    Ok(())
}

#[test]
fn a_write_takes_a_removal_back_and_a_removal_a_write() -> Result {
    seed("a.md", "old");
    remove("a.md")?;
    write("a.md", "new")?;
    assert_eq!((read("a.md")?.as_str(), removed_paths(), manifest()), ("new", vec![], None));
    assert_eq!(list("")?.len(), 1);
    // The content of the vault is removed, and not that of the write.
    remove("a.md")?;
    assert_eq!((exists("a.md")?, removed_paths(), written_paths()), (false, vec!["a.md".to_owned()], vec![]));
    assert_eq!(manifest().map(|it| it["remove"][0]["sha256"].clone()), Some(crate::sha256("old").into()));
    // A file of this run alone leaves nothing to remove.
    write("b.md", "new")?;
    remove("b.md")?;
    assert_eq!((exists("b.md")?, removed_paths()), (false, vec!["a.md".to_owned()]));
    Ok(())
}

#[test]
fn what_cannot_be_removed_is_refused() -> Result {
    seed("n/a.md", "");
    assert_eq!(remove("b.md"), Err(SkillError::not_found("`b.md` is not in the vault")));
    assert_eq!(remove("n"), Err(SkillError::failed("`n` is a folder, not a file")));
    assert!(matches!(remove("../a.md"), Err(SkillError::InvalidInput(_))));
    remove("n/a.md")?;
    assert_eq!(remove("n/a.md"), Err(SkillError::not_found("`n/a.md` is not in the vault")));
    fs::remove_dir_all(roots().out)?;
    assert!(matches!(remove("n/a.md"), Err(SkillError::Denied(_))));
    Ok(())
}
