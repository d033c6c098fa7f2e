use std::fs;
use std::os::unix::fs::symlink;

use super::*;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn write(root: &Path, path: &str, bytes: &[u8]) -> io::Result<()> {
    let slot = FolderHandle::slot(root, &root.join(path), MissingFolders::Make)?;
    slot.write_durably(bytes, 0o644, ExistingFile::Replace)
}

#[test]
fn no_link_below_the_root_is_written_through() -> Tested {
    let place = tempfile::tempdir()?;
    let (root, outside) = (place.path().join("root"), place.path().join("outside"));
    fs::create_dir_all(root.join("a/b"))?;
    fs::create_dir_all(outside.join("b"))?;
    fs::write(outside.join("file"), "theirs")?;
    write(&root, "a/b/file", b"ours")?;
    // A link at the end is replaced, and what it points to stays.
    fs::remove_file(root.join("a/b/file"))?;
    symlink(outside.join("file"), root.join("a/b/file"))?;
    write(&root, "a/b/file", b"ours")?;
    assert!(fs::symlink_metadata(root.join("a/b/file"))?.is_file());
    // A link on the way is refused, wherever it leads.
    for to in [outside.clone(), root.join("a")] {
        let link = root.join("link");
        symlink(to, &link)?;
        assert!(write(&root, "link/file", b"ours").is_err());
        assert!(write(&root, "link/b/file", b"ours").is_err());
        let slot = |missing| FolderHandle::slot(&root, &root.join("link/file"), missing);
        assert!(slot(MissingFolders::Refuse).is_err() && slot(MissingFolders::Make).is_err());
        fs::remove_file(link)?;
    }
    assert_eq!(fs::read_to_string(outside.join("file"))?, "theirs");
    assert_eq!(fs::read_dir(outside.join("b"))?.count(), 0);
    // The root itself may be reached through one: the person chose it.
    symlink(&root, place.path().join("here"))?;
    write(&place.path().join("here"), "c/file", b"ours")?;
    assert_eq!(fs::read_to_string(root.join("c/file"))?, "ours");
    Ok(())
}

#[test]
fn no_path_leaves_the_root() -> Tested {
    let place = tempfile::tempdir()?;
    let root = place.path().join("root");
    fs::create_dir(&root)?;
    for bad in ["../file", "a/../../file", "..", "/etc/file", ""] {
        assert!(write(&root, bad, b"x").is_err(), "{bad}");
    }
    assert_eq!(fs::read_dir(place.path())?.count(), 1);
    Ok(())
}

#[test]
fn what_is_refused_leaves_nothing_behind() -> Tested {
    let place = tempfile::tempdir()?;
    fs::write(place.path().join("file"), "theirs")?;
    let slot = FolderHandle::slot(place.path(), &place.path().join("file"), MissingFolders::Refuse)?;
    let refused = slot.write_durably(b"ours", 0o600, ExistingFile::Refuse).map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::AlreadyExists));
    assert_eq!(slot.write_new(b"ours").map_err(|error| error.kind()), Err(ErrorKind::AlreadyExists));
    assert_eq!(fs::read_to_string(place.path().join("file"))?, "theirs");
    assert_eq!(fs::read_dir(place.path())?.count(), 1);
    // A file that a process with the same number left is not in the way.
    fs::write(place.path().join(format!("{TEMPORARY}-{}-0", std::process::id())), "left")?;
    slot.write_durably(b"ours", 0o600, ExistingFile::Replace)?;
    assert_eq!(fs::read_to_string(place.path().join("file"))?, "ours");
    Ok(())
}
