//! What takes long to make and stays as it is, in a folder that outlives the program: the next one finds it there.
//!
//! Guarantees: one maker at a time, whatever process or thread asks; a folder counts only when it is whole and of the same version.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The folder of this name with what was made of this version, now or before, or why there is none.
pub fn once(name: &str, version: &str, make: impl FnOnce(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("once");
    fs::create_dir_all(&parent).unwrap();
    let (folder, whole) = (parent.join(name), parent.join(format!("{name}.whole")));
    let lock = File::create(parent.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if fs::read_to_string(&whole).is_ok_and(|found| found == version) {
        return Ok(folder);
    }
    let _ = fs::remove_file(&whole);
    let _ = fs::remove_dir_all(&folder);
    make(&folder)?;
    fs::write(whole, version).unwrap();
    Ok(folder)
}
