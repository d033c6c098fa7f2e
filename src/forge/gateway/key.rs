//! The provider's key: where it may come from, and how it is kept out of what passes.
//!
//! Guarantees: a [`Key`] prints nothing of itself and leaves this module only as the header of a request to the
//! provider; a file that others could read is not taken; what repeats the key loses it here, as long as it is not encoded.
//! Never: writes it, passes it on to a child, or looks for it where the person did not say.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use ureq::http::HeaderValue;

use crate::artifacts::{PrivateError, read_private};

/// No key is longer.
const LONGEST: usize = 4096;

/// Shorter keys are not looked for in answers: they would match by chance.
const SHORTEST_BLOTTED: usize = 8;

/// What stands where the key stood.
const BLOT: &[u8] = b"[redacted]";

/// Why a key is not taken. None of these says anything of the key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is empty or could not stand in a header.
    #[error("the provider's key is no line of visible ASCII characters")]
    NoKey,
    /// The file cannot be opened or read.
    #[error("the key file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Somebody else could have read or written the file, or could put another in its place.
    #[error("the key file {} is refused: {why}", path.display())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl KeyError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoKey => "set ANTHROPIC_API_KEY to the key alone, or write it alone into the key file",
            Self::Unreadable { .. } => "write the key into that file, or name another as key_file in kavi.toml",
            Self::Unsafe { .. } => {
                "make it a plain file of your own and `chmod 600` it; if others could read it, get a new key"
            }
        }
    }
}

/// The provider's key.
#[derive(Clone)]
pub struct Key(SecretString);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// The key that `text` is, but for white space around it.
    ///
    /// # Errors
    /// [`KeyError::NoKey`]
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > LONGEST || !visible {
            return Err(KeyError::NoKey);
        }
        Ok(Self(SecretString::from(text)))
    }

    /// The key in a file that is this user's alone: regular, no link, mode 0600 or 0400.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
        let text = read_private(path, most).map_err(|error| match error {
            PrivateError::Unreadable(source) => KeyError::Unreadable { path: path.to_owned(), source },
            PrivateError::Unsafe(why) => KeyError::Unsafe { path: path.to_owned(), why },
        })?;
        Self::parse(text.expose_secret())
    }

    /// The key as the provider wants it.
    pub(super) fn header(&self) -> Result<HeaderValue, KeyError> {
        let mut value = HeaderValue::from_str(self.0.expose_secret()).map_err(|_| KeyError::NoKey)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Keeps this key out of one stream of bytes.
    pub(in crate::forge) fn blotter(&self) -> Blotter<'_> {
        Blotter { key: self.0.expose_secret().as_bytes(), held: Vec::new() }
    }

    /// `bytes` without this key.
    pub(in crate::forge) fn blot(&self, bytes: &[u8]) -> Vec<u8> {
        let mut blotter = self.blotter();
        let mut clean = blotter.push(bytes);
        clean.extend(blotter.finish());
        clean
    }
}

/// Blots a key out of a stream of bytes, however it is cut into pieces. Holds back no more than the beginning of a key.
pub(in crate::forge) struct Blotter<'k> {
    key: &'k [u8],
    held: Vec<u8>,
}

impl Blotter<'_> {
    /// What may go on after this piece came.
    pub(in crate::forge) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        if self.key.len() < SHORTEST_BLOTTED {
            return std::mem::take(&mut self.held);
        }
        let mut out = Vec::with_capacity(self.held.len());
        let mut rest = &self.held[..];
        while let Some(at) = rest.windows(self.key.len()).position(|window| window == self.key) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(BLOT);
            rest = &rest[at + self.key.len()..];
        }
        let longest = rest.len().min(self.key.len() - 1);
        let begun = (1..=longest).rev().find(|length| rest.ends_with(&self.key[..*length])).unwrap_or(0);
        let (free, held) = rest.split_at(rest.len() - begun);
        out.extend_from_slice(free);
        self.held = held.to_vec();
        out
    }

    /// What was held back and turned out not to be the key.
    pub(in crate::forge) fn finish(self) -> Vec<u8> {
        self.held
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
        Key::from_file(path).map_or_else(|error| error.to_string(), |_| "taken".to_owned())
    }

    #[test]
    fn a_file_of_ones_own_is_taken() -> io::Result<()> {
        for mode in [0o600, 0o400] {
            let (_folder, path) = file(&format!("{KEY}\n"), mode)?;
            let key = Key::from_file(&path).map(|key| key.0.expose_secret().to_owned());
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
        assert!(why(folder.path()).ends_with("it is no regular file"));
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
        assert!(why(&pipe).ends_with("it is no regular file"));
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
            assert!(matches!(Key::parse(bad), Err(KeyError::NoKey)), "{bad:?}");
            let (_folder, path) = file(bad, 0o600)?;
            assert!(Key::from_file(&path).is_err(), "{bad:?}");
        }
        Ok(())
    }

    #[test]
    fn a_key_prints_nothing_of_itself() -> Result<(), KeyError> {
        let key = Key::parse(KEY)?;
        assert!(!format!("{key:?} {:?}", key.header()?).contains("made"));
        Ok(())
    }

    #[test]
    fn a_stream_loses_the_key_however_it_is_cut() -> Result<(), KeyError> {
        let key = Key::parse(KEY)?;
        let text = format!("a {KEY} b {KEY}{KEY} sk-ant-made-up-000 sk-ant-sk-ant-made-up-0000 sk-ant-");
        let clean = "a [redacted] b [redacted][redacted] sk-ant-made-up-000 sk-ant-[redacted] sk-ant-";
        for piece in 1..text.len() {
            let mut blotter = key.blotter();
            let mut out: Vec<u8> = text.as_bytes().chunks(piece).flat_map(|bytes| blotter.push(bytes)).collect();
            out.extend(blotter.finish());
            assert_eq!(String::from_utf8_lossy(&out), clean, "{piece}");
        }
        Ok(())
    }

    #[test]
    fn nothing_is_held_back_but_the_beginning_of_a_key() -> Result<(), KeyError> {
        let key = Key::parse(KEY)?;
        let mut blotter = key.blotter();
        assert_eq!(blotter.push(b"data: {}\n\n"), b"data: {}\n\n");
        assert_eq!(blotter.push(b"x sk-"), b"x ");
        assert_eq!(blotter.push(b"y"), b"sk-y");
        Ok(())
    }
}
