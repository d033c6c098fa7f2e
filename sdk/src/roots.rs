//! Where the two granted folders are: fixed places inside a run, a temporary folder anywhere else.

use std::path::PathBuf;

/// The granted folders.
pub(crate) struct Roots {
    /// The vault, which a skill only reads.
    pub(crate) vault: PathBuf,
    /// Where writes are staged. Missing when the skill may not write.
    pub(crate) out: PathBuf,
}

#[cfg(target_family = "wasm")]
pub(crate) fn roots() -> Roots {
    Roots { vault: PathBuf::from("/vault"), out: PathBuf::from("/out") }
}

#[cfg(not(target_family = "wasm"))]
pub(crate) use native::roots;

/// A private vault for each thread, and so for each test of a plain `cargo test`.
#[cfg(not(target_family = "wasm"))]
mod native {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::{env, fs, io, process};

    use super::Roots;

    thread_local! {
        static SCRATCH: Scratch = Scratch::new();
    }

    static NEXT: AtomicU32 = AtomicU32::new(0);

    /// A folder that goes away with its thread.
    struct Scratch(PathBuf);

    impl Scratch {
        /// A folder that cannot be made shows as a vault in which nothing can be read or written.
        fn new() -> Self {
            loop {
                let number = NEXT.fetch_add(1, Ordering::Relaxed);
                let folder = env::temp_dir().join(format!("kavi-sdk-{}-{number}", process::id()));
                match fs::create_dir(&folder) {
                    // Left by a process that had the same number: never take what somebody else made.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    made => {
                        let made = made.and_then(|()| fs::create_dir(folder.join("vault")));
                        let _ = made.and_then(|()| fs::create_dir(folder.join("out")));
                        return Self(folder);
                    }
                }
            }
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            // Best effort: a temporary folder that stays behind harms nobody.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    pub(crate) fn roots() -> Roots {
        SCRATCH.with(|scratch| Roots { vault: scratch.0.join("vault"), out: scratch.0.join("out") })
    }
}
