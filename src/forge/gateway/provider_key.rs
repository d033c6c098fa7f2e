//! The provider's key: where it may come from, and where it goes.
//!
//! Guarantees: a [`ProviderKey`] prints nothing of itself and leaves this module only as the header of a request to the
//! provider; a file that others could read is refused. Never: writes the key, passes it to a child process, or looks for it
//! where the person did not say.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::redactor::Redactor;
use crate::artifacts::{PrivateError, read_private};

/// The longest key.
const LONGEST: usize = 4096;

/// Why a key is refused. None of these messages holds a part of the key.
#[derive(Debug, thiserror::Error)]
pub enum ProviderKeyError {
    /// It is empty, or a header cannot hold it.
    #[error("the provider's key is not one line of visible ASCII characters")]
    Invalid,
    /// The file cannot be opened or read.
    #[error("the key file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Another user could have read or written the file, or could replace it.
    #[error("the key file {} is refused: {why}", path.display())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl ProviderKeyError {
    /// The next step for the person.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Invalid => "set ANTHROPIC_API_KEY to the key alone, or write it alone into the key file",
            Self::Unreadable { .. } => "write the key into that file, or name another as key_file in kavi.toml",
            Self::Unsafe { .. } => {
                "make it a regular file of your own and `chmod 600` it; if others could read it, get a new key"
            }
        }
    }
}

/// The provider's key.
#[derive(Clone)]
pub struct ProviderKey(SecretString);

impl fmt::Debug for ProviderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProviderKey(..)")
    }
}

impl ProviderKey {
    /// Takes `text` as the key, without the white space around it.
    ///
    /// # Errors
    /// [`ProviderKeyError::Invalid`]
    pub fn parse(text: &str) -> Result<Self, ProviderKeyError> {
        // A key file ends with a line break as a rule.
        let text = text.trim();
        // A line break in a header's value would begin another header.
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > LONGEST || !visible {
            return Err(ProviderKeyError::Invalid);
        }
        Ok(Self(SecretString::from(text)))
    }

    /// Reads the key from a regular file that belongs to this user alone: not a link, mode 0600 or 0400.
    ///
    /// # Errors
    /// [`ProviderKeyError`]
    pub fn from_file(path: &Path) -> Result<Self, ProviderKeyError> {
        let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
        let text = read_private(path, most).map_err(|error| match error {
            PrivateError::Unreadable(source) => ProviderKeyError::Unreadable { path: path.to_owned(), source },
            PrivateError::Unsafe(why) => ProviderKeyError::Unsafe { path: path.to_owned(), why },
        })?;
        Self::parse(text.expose_secret())
    }

    /// The value of the header that carries the key.
    pub(super) fn header_value(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }

    /// Removes this key from one stream of bytes.
    pub(in crate::forge) fn redactor(&self) -> Redactor {
        Redactor::new(self.0.clone())
    }

    /// `bytes` without this key.
    pub(in crate::forge) fn redact(&self, bytes: &[u8]) -> Vec<u8> {
        let mut redactor = self.redactor();
        let mut clean = redactor.push(bytes);
        clean.extend(redactor.finish());
        clean
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use rustix::fs::{CWD, FileType, Mode};

    use super::*;

    const KEY: &str = "sk-ant-made-up-0000";

    fn file(text: &str, mode: u32) -> io::Result<(tempfile::TempDir, PathBuf)> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("key");
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
        Ok((folder, path))
    }

    fn why(path: &Path) -> String {
        ProviderKey::from_file(path).map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
    }

    #[test]
    fn a_private_file_is_accepted() -> io::Result<()> {
        for mode in [0o600, 0o400] {
            let (_folder, path) = file(&format!("{KEY}\n"), mode)?;
            let key = ProviderKey::from_file(&path).map(|key| key.0.expose_secret().to_owned());
            assert_eq!(key.ok().as_deref(), Some(KEY));
        }
        Ok(())
    }

    #[test]
    fn a_file_that_others_may_read_is_not() -> io::Result<()> {
        for mode in [0o644, 0o640, 0o604, 0o660, 0o700, 0o200, 0o4600] {
            let (_folder, path) = file(KEY, mode)?;
            let why = why(&path);
            assert!(why.contains("mode") || why.contains("denied"), "{mode:o}: {why}");
            assert!(!why.contains(KEY));
        }
        Ok(())
    }

    #[test]
    fn a_link_a_folder_a_pipe_and_anothers_file_are_not() -> io::Result<()> {
        let (folder, path) = file(KEY, 0o600)?;
        let link = folder.path().join("link");
        symlink(&path, &link)?;
        assert!(why(&link).ends_with("it is a symbolic link"), "{}", why(&link));
        assert!(why(folder.path()).ends_with("it is not a regular file"));
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
        assert!(why(&pipe).ends_with("it is not a regular file"));
        assert!(why(&folder.path().join("nothing")).contains("No such file"));
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(1234), None)?;
            assert!(why(&path).ends_with("it belongs to another user"));
        } else {
            assert!(why(Path::new("/etc/passwd")).ends_with("it belongs to another user"));
        }
        Ok(())
    }

    #[test]
    fn what_is_no_key_is_not_taken() -> io::Result<()> {
        for bad in ["", " \n", "a b", "a\nb", "k\u{e4}", "a\0b", &"x".repeat(LONGEST + 1)] {
            assert!(matches!(ProviderKey::parse(bad), Err(ProviderKeyError::Invalid)), "{bad:?}");
            let (_folder, path) = file(bad, 0o600)?;
            assert!(ProviderKey::from_file(&path).is_err(), "{bad:?}");
        }
        Ok(())
    }

    #[test]
    fn a_key_prints_nothing_of_itself() -> Result<(), ProviderKeyError> {
        let key = ProviderKey::parse(KEY)?;
        assert!(!format!("{key:?} {:?}", key.redactor()).contains("made"));
        Ok(())
    }
}
