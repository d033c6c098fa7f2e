//! The files that a run removes. The host reads them from `/out/.kavi-changes.json`, checks each, and removes them together with
//! its writes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use serde_json::json;

/// The name of the manifest. It is hidden, so no path of the vault can be the same.
pub(crate) const MANIFEST: &str = ".kavi-changes.json";

thread_local! {
    /// Each path with the SHA-256 of the content that is removed. A run has one thread.
    static REMOVED: RefCell<BTreeMap<String, String>> = const { RefCell::new(BTreeMap::new()) };
}

/// Whether this run removes the file that the vault has at a path.
pub(crate) fn contains(path: &str) -> bool {
    REMOVED.with_borrow(|removed| removed.contains_key(path))
}

/// The paths that this run removes, sorted.
pub(crate) fn paths() -> Vec<String> {
    REMOVED.with_borrow(|removed| removed.keys().cloned().collect())
}

/// Removes a file whose content has this SHA-256. Another content at the end of the run is a conflict.
pub(crate) fn add(out: &Path, path: &str, sha256: String) -> io::Result<()> {
    REMOVED.with_borrow_mut(|removed| removed.insert(path.to_owned(), sha256));
    store(out)
}

/// Takes a removal back: the run writes a file there.
pub(crate) fn take_back(out: &Path, path: &str) -> io::Result<()> {
    match REMOVED.with_borrow_mut(|removed| removed.remove(path)) {
        Some(_) => store(out),
        None => Ok(()),
    }
}

/// Forgets a removal that is gone from the manifest: a test has put a file there.
pub(crate) fn forget(path: &str) {
    REMOVED.with_borrow_mut(|removed| removed.remove(path));
}

/// Takes over what the component of the skill removed in a call, from the manifest that it left.
#[cfg(target_family = "wasm")]
pub(crate) fn load(out: &Path) {
    let text = fs::read_to_string(out.join(MANIFEST)).unwrap_or_default();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let entries = manifest["remove"].as_array().into_iter().flatten();
    let removed =
        entries.filter_map(|entry| Some((entry["path"].as_str()?.to_owned(), entry["sha256"].as_str()?.to_owned())));
    REMOVED.set(removed.collect());
}

fn store(out: &Path) -> io::Result<()> {
    let remove: Vec<_> = REMOVED.with_borrow(|removed| {
        removed.iter().map(|(path, sha256)| json!({ "path": path, "sha256": sha256 })).collect()
    });
    let manifest = out.join(MANIFEST);
    if remove.is_empty() {
        return fs::remove_file(manifest);
    }
    fs::write(manifest, json!({ "v": 1, "remove": remove }).to_string())
}
