//! Entries that were changed in any place, and caches with anything in them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::LazyLock;

use super::*;
use crate::runtime::{
    WASMTIME_VERSION,
    tests::{RUNTIME, machine_code},
};

/// A component with a little code.
static COMPONENT: LazyLock<Vec<u8>> =
    LazyLock::new(|| wat::parse_str("(component (core module (func (result i32) i32.const 7)))").unwrap());

fn component() -> Digest {
    Digest::of(&COMPONENT)
}

fn code() -> MachineCode {
    machine_code(&COMPONENT).unwrap()
}

fn identity() -> CodeIdentity {
    CodeIdentity::new(component(), RUNTIME.engine_id(), Digest::of(b"policy"))
}

fn key() -> SealKey {
    SealKey::new([3; 32])
}

#[test]
fn an_entry_gives_back_what_was_sealed() {
    let code = code();
    let sealed = seal::seal(&key(), &identity(), &code).unwrap();
    let opened = seal::open(&key(), &identity(), sealed).unwrap();
    assert_eq!((opened.bytes(), opened.interface()), (code.bytes(), code.interface()));
    RUNTIME.load(&opened).unwrap();
}

#[test]
fn no_byte_of_an_entry_can_be_changed_or_left_out() {
    let sealed = seal::seal(&key(), &identity(), &code()).unwrap();
    let refused = |buffer: Vec<u8>| matches!(seal::open(&key(), &identity(), buffer), Err(SealError::Foreign));
    for at in 0..sealed.len() {
        let mut flipped = sealed.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(refused(flipped), "byte {at} was changed");
    }
    for left in 0..sealed.len() {
        assert!(refused(sealed[..left].to_vec()), "cut after {left} bytes");
    }
    assert!(refused([sealed.as_slice(), &[0]].concat()));
    assert!(matches!(seal::open(&SealKey::new([4; 32]), &identity(), sealed), Err(SealError::Foreign)));
}

#[test]
fn an_entry_for_anything_else_is_stale() {
    let code = code();
    let mut of_another_engine = *RUNTIME.engine_id().as_bytes();
    of_another_engine[0] ^= 1;
    let engine: EngineId = serde_json::from_value(serde_json::json!(of_another_engine)).unwrap();
    let others = [
        CodeIdentity { component: Digest::of(b"another"), ..identity() },
        CodeIdentity { engine, ..identity() },
        CodeIdentity { wasmtime: "48.0.7".to_owned(), ..identity() },
        CodeIdentity { policy: Digest::of(b"another policy"), ..identity() },
    ];
    for other in others {
        let sealed = seal::seal(&key(), &other, &code).unwrap();
        let opened = seal::open(&key(), &identity(), sealed);
        assert!(matches!(opened, Err(SealError::Stale)), "{other:?}");
    }
    // Code that names another engine than the one that runs is refused even by hand.
    let foreign = MachineCode::trusted(code.bytes().to_vec(), 0, code.interface().clone(), engine);
    assert!(matches!(RUNTIME.load(&foreign), Err(crate::runtime::RuntimeError::OtherEngine)));
}

/// A cache in a folder of its own.
fn cache(folder: &Path, policy: &str) -> CodeCache {
    CodeCache::new(folder.join("cache"), Some(folder.join("keys/code.key")), Digest::of(policy.as_bytes()))
}

#[test]
fn what_is_kept_is_found_again_by_the_same_policy_only() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, other) = (cache(folder.path(), "a"), cache(folder.path(), "b"));
    let engine = RUNTIME.engine_id();
    assert!(cache.find(component(), engine).unwrap().is_none());
    assert_eq!(cache.status(engine), CacheStatus::default());
    cache.keep(component(), &code()).unwrap();
    assert!(cache.find(component(), engine).unwrap().is_some());
    assert!(matches!(other.find(component(), engine), Err(CacheError::Stale)));
    assert_eq!((cache.status(engine).valid, other.status(engine).stale), (1, 1));
    other.keep(component(), &code()).unwrap();
    assert!(matches!(cache.find(component(), engine), Err(CacheError::Stale)));
    // The key is made once, and for nobody else to read.
    let mode = fs::metadata(folder.path().join("keys/code.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let nowhere = CodeCache::new(folder.path().join("cache"), None, Digest::of(b"b"));
    assert!(matches!(nowhere.find(component(), engine), Err(CacheError::NoKeyPlace)));
    assert!(matches!(nowhere.keep(component(), &code()), Err(CacheError::NoKeyPlace)));
}

#[test]
fn an_entry_whose_key_is_gone_is_foreign() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path(), "a");
    cache.keep(component(), &code()).unwrap();
    fs::remove_file(folder.path().join("keys/code.key")).unwrap();
    assert!(matches!(cache.find(component(), RUNTIME.engine_id()), Err(CacheError::Foreign)));
    assert!(!folder.path().join("keys/code.key").exists(), "to look makes no key");
}

#[test]
fn clearing_takes_what_is_ours_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path(), "a");
    assert_eq!(cache.clear().unwrap(), Cleared::default());
    cache.keep(component(), &code()).unwrap();
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("note"), "stays").unwrap();
    let at = |name: &str| folder.path().join("cache").join(name);
    symlink(&outside, at(&Digest::of(b"a link").to_string())).unwrap();
    fs::create_dir_all(at(&Digest::of(b"a folder").to_string()).join("deep")).unwrap();
    fs::write(at(".new-x"), "half").unwrap();
    fs::write(at("note.md"), "not ours").unwrap();
    let found = cache.status(RUNTIME.engine_id());
    assert_eq!((found.entries, found.valid, found.foreign, found.leftovers), (3, 1, 2, 1));
    assert_eq!(cache.clear().unwrap().removed, 4);
    assert_eq!(fs::read_to_string(outside.join("note")).unwrap(), "stays");
    assert_eq!(fs::read_to_string(at("note.md")).unwrap(), "not ours");
    assert_eq!(fs::read_dir(folder.path().join("cache")).unwrap().count(), 1);
}

#[test]
fn many_threads_write_and_read_one_entry() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, code) = (cache(folder.path(), "a"), code());
    cache.keep(component(), &code).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..20).for_each(|_| cache.keep(component(), &code).unwrap()));
            scope.spawn(|| {
                for _ in 0..100 {
                    let found = cache.find(component(), RUNTIME.engine_id()).unwrap();
                    assert_eq!(found.unwrap().bytes(), code.bytes());
                }
            });
        }
    });
    assert_eq!(cache.status(RUNTIME.engine_id()).leftovers, 0);
}

#[test]
fn the_version_that_entries_name_is_the_one_that_is_compiled_in() {
    let lock: toml::Table = include_str!("../../../Cargo.lock").parse().unwrap();
    let packages = lock["package"].as_array().unwrap().iter();
    let wasmtime: Vec<&str> = packages
        .filter(|package| package["name"].as_str() == Some("wasmtime"))
        .map(|package| package["version"].as_str().unwrap())
        .collect();
    assert_eq!(wasmtime, [WASMTIME_VERSION]);
}

#[test]
fn the_same_settings_give_the_same_engine_and_the_fast_compiler_another() {
    let again = crate::runtime::Runtime::new(&crate::model::limits::Limits {
        // A limit of runs has no part in the code.
        stack_bytes: 256 << 10,
        ..Default::default()
    });
    assert_eq!(again.unwrap().engine_id(), RUNTIME.engine_id());
    let fast = crate::runtime::engine::engine(crate::runtime::engine::Tier::Fast, &Default::default()).unwrap();
    assert_ne!(EngineId::of(&fast), RUNTIME.engine_id());
}
