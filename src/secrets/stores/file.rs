//! A file of the person's own.
//!
//! Guarantees: the file that is checked is the file that is read, through one descriptor. It is regular, no link, has one name
//! and mode 0600 or 0400, belongs to this user, and lies in a folder that nobody else can write. Deliberately never: repairs a
//! mode.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::{Errno, retry_on_intr};
use zeroize::Zeroizing;

use super::super::error::ReadRefusal;
use super::super::value::MAX_VALUE_BYTES;

/// Room for the longest value, a line break, and one byte that shows that a file is longer.
const BUFFER: usize = MAX_VALUE_BYTES + 3;

/// The bytes of the file.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, ReadRefusal> {
    let unreadable = |path: &Path, why: std::io::Error| ReadRefusal::Unreadable {
        path: path.display().to_string(),
        why: why.to_string(),
    };
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(unsafe_place(path, "it is not the path of a file"));
    };
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = retry_on_intr(|| openat(CWD, parent, folder, Mode::empty()))
        .map_err(|error| unreadable(parent, error.into()))?;
    check_folder(&folder, parent)?;
    // From the folder that was checked. Without NONBLOCK, opening a pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match retry_on_intr(|| openat(&folder, name, flags, Mode::empty())) {
        Ok(file) => File::from(file),
        Err(Errno::LOOP | Errno::MLINK) => return Err(unsafe_place(path, "it is a symbolic link")),
        Err(error) => return Err(unreadable(path, error.into())),
    };
    check_file(&file, path)?;
    // One allocation: a buffer that grows would leave copies of its earlier contents.
    let mut bytes = Zeroizing::new(vec![0; BUFFER]);
    let mut filled = 0;
    while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
        match (&file).read(room) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(path, error)),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn unsafe_place(path: &Path, why: &str) -> ReadRefusal {
    ReadRefusal::Unsafe { path: path.display().to_string(), why: why.to_owned() }
}

/// Whoever can write the folder can put another file in the place of this one.
fn check_folder(folder: &impl std::os::fd::AsFd, path: &Path) -> Result<(), ReadRefusal> {
    let stat = retry_on_intr(|| fstat(folder))
        .map_err(|error| unsafe_place(path, &std::io::Error::from(error).to_string()))?;
    if ![0, rustix::process::geteuid().as_raw()].contains(&stat.st_uid) {
        return Err(unsafe_place(path, "the folder belongs to another user"));
    }
    if stat.st_mode & 0o022 != 0 {
        return Err(unsafe_place(path, "others can write to the folder"));
    }
    Ok(())
}

fn check_file(file: &File, path: &Path) -> Result<(), ReadRefusal> {
    let stat =
        retry_on_intr(|| fstat(file)).map_err(|error| unsafe_place(path, &std::io::Error::from(error).to_string()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(unsafe_place(path, "it is not a regular file"));
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(unsafe_place(path, "it belongs to another user"));
    }
    // All bits are compared, because a set-id or sticky bit on a secret is a mistake as well.
    if ![0o600, 0o400].contains(&(stat.st_mode & 0o7777)) {
        return Err(unsafe_place(path, "its mode is neither 0600 nor 0400"));
    }
    // Through another name, somebody else may see or change it where nobody looks.
    if stat.st_nlink != 1 {
        return Err(unsafe_place(path, "it has more than one name (hard links)"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    type Tested = Result<(), Box<dyn std::error::Error>>;

    fn mode(path: &Path, mode: u32) -> std::io::Result<()> {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }

    /// A folder of this user alone with a secret in it.
    fn secret() -> std::io::Result<(tempfile::TempDir, std::path::PathBuf)> {
        let folder = tempfile::tempdir()?;
        mode(folder.path(), 0o700)?;
        let path = folder.path().join("token");
        fs::write(&path, "made-up")?;
        mode(&path, 0o600)?;
        Ok((folder, path))
    }

    fn why(path: &Path) -> String {
        read(path).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_file_of_this_user_alone_is_read() -> Tested {
        let (_folder, path) = secret()?;
        assert_eq!(read(&path).map(|bytes| bytes.to_vec()), Ok(b"made-up".to_vec()));
        mode(&path, 0o400)?;
        assert!(read(&path).is_ok());
        // A file that is too long is read far enough to show that.
        mode(&path, 0o600)?;
        fs::write(&path, vec![b'a'; 10 * BUFFER])?;
        assert_eq!(read(&path).map(|bytes| bytes.len()), Ok(BUFFER));
        Ok(())
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() -> Tested {
        let (_folder, path) = secret()?;
        for bad in [0o644, 0o640, 0o660, 0o602, 0o700, 0o1600, 0o200] {
            mode(&path, bad)?;
            // Without the right to read it, opening fails. As root it does not.
            assert!(read(&path).is_err(), "{bad:o}");
        }
        mode(&path, 0o644)?;
        assert!(why(&path).contains("its mode is neither 0600 nor 0400"), "{}", why(&path));
        Ok(())
    }

    #[test]
    fn a_link_and_a_second_name_are_refused() -> Tested {
        let (folder, path) = secret()?;
        let link = folder.path().join("link");
        symlink(&path, &link)?;
        assert!(why(&link).contains("symbolic link"), "{}", why(&link));
        fs::hard_link(&path, folder.path().join("second"))?;
        assert!(why(&path).contains("more than one name"), "{}", why(&path));
        Ok(())
    }

    #[test]
    fn only_regular_files_are_read() -> Tested {
        let (folder, _) = secret()?;
        let inside = folder.path().join("folder");
        fs::create_dir(&inside)?;
        assert!(why(&inside).contains("not a regular file"), "{}", why(&inside));
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
        assert!(why(&pipe).contains("not a regular file"), "{}", why(&pipe));
        assert!(why(Path::new("/dev/zero")).contains("not a regular file"));
        assert!(matches!(read(&folder.path().join("none")), Err(ReadRefusal::Unreadable { .. })));
        assert!(matches!(read(Path::new("/")), Err(ReadRefusal::Unsafe { .. })));
        Ok(())
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() -> Tested {
        let (folder, path) = secret()?;
        for bad in [0o770, 0o707, 0o1777] {
            mode(folder.path(), bad)?;
            assert!(why(&path).contains("others can write to the folder"), "{bad:o}: {}", why(&path));
        }
        mode(folder.path(), 0o755)?;
        assert!(read(&path).is_ok());
        Ok(())
    }

    #[test]
    fn a_file_of_another_user_is_refused() -> Tested {
        let (folder, path) = secret()?;
        if !rustix::process::geteuid().is_root() {
            // Only root can give a file away. `/etc/passwd` is another user's for everybody else.
            assert!(why(Path::new("/etc/passwd")).contains("another user"));
            return Ok(());
        }
        std::os::unix::fs::chown(&path, Some(1), None)?;
        assert!(why(&path).contains("it belongs to another user"), "{}", why(&path));
        std::os::unix::fs::chown(&path, Some(0), None)?;
        std::os::unix::fs::chown(folder.path(), Some(1), None)?;
        assert!(why(&path).contains("the folder belongs to another user"), "{}", why(&path));
        Ok(())
    }
}
