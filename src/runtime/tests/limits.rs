//! Every limit, met by a guest that tries to pass it.

use super::*;

fn stopped(arguments: &[&str], limits: &Limits) -> (&'static str, u64, RunUsage) {
    Folders::new().stopped(arguments, limits)
}

#[test]
fn processor_and_real_time() {
    let limits = Limits { cpu_ms: 50, ..tight() };
    assert_eq!(stopped(&["spin"], &limits).0, "cpu_ms");
    assert_eq!(stopped(&["spin-on-the-clock"], &limits).0, "cpu_ms");
    assert_eq!(stopped(&["sleep-forever"], &limits).0, "cpu_ms");
    let limits = Limits { wall_ms: 50, cpu_ms: 20_000, ..tight() };
    assert_eq!(stopped(&["spin"], &limits).0, "wall_ms");
    assert_eq!(stopped(&["sleep-forever"], &limits).0, "wall_ms");
}

#[test]
fn memory_and_stack() {
    let (limit, value, usage) = stopped(&["memory"], &tight());
    assert_eq!((limit, value), ("memory_bytes", Limits::default().memory_bytes));
    assert!(usage.memory_bytes <= value);
    // The stack that Rust keeps in linear memory is the smaller one, and ends with a trap.
    let outcome = Folders::new().try_guest(&["recurse"], &tight());
    assert!(
        matches!(
            outcome.exit,
            TestExit::Trap(RunError::Trap { .. } | RunError::LimitExceeded { limit: "stack_bytes", .. })
        ),
        "{outcome:?}"
    );
    assert_eq!(guest(&["fine"]), "fine\n");
}

#[test]
fn standard_output_and_error() {
    let limits = Limits { stdout_bytes: 1_000, stderr_bytes: 500, ..tight() };
    let outcome = Folders::new().try_guest(&["flood"], &limits);
    assert!(outcome.observed.stdout.len() <= 1_000);
    assert_eq!(stopped(&["flood"], &limits).0, "stdout_bytes");
    assert_eq!(stopped(&["flood-stderr"], &limits).0, "stderr_bytes");
    assert!(matches!(Folders::new().try_guest(&["print", "1000"], &limits).exit, TestExit::Returned));
    assert_eq!(stopped(&["print", "1001"], &limits).0, "stdout_bytes");
}

#[test]
fn staged_bytes_are_exact_and_never_given_back() {
    let limits = Limits { staged_bytes: 1_000, ..tight() };
    let folders = Folders::new();
    let outcome = folders.try_guest(&["append", "/out/a", "100"], &limits);
    assert!(matches!(outcome.exit, TestExit::Returned));
    assert_eq!(outcome.observed.usage.staged_bytes, 1_000);
    let folders = Folders::new();
    let (limit, value, usage) = folders.stopped(&["append", "/out/a", "101"], &limits);
    assert_eq!((limit, value, usage.staged_bytes), ("staged_bytes", 1_000, 1_000));
    assert_eq!(std::fs::metadata(folders.out("a")).unwrap().len(), 1_000);
    assert_eq!(stopped(&["rewrite", "/out/a", "101"], &limits).0, "staged_bytes");
}

#[test]
fn a_sparse_file_costs_its_length() {
    let limits = Limits { staged_bytes: 1 << 20, ..tight() };
    let folders = Folders::new();
    assert_eq!(folders.stopped(&["sparse", "/out/a", &(1_u64 << 40).to_string()], &limits).0, "staged_bytes");
    assert_eq!(std::fs::metadata(folders.out("a")).unwrap().len(), 0);
    let outcome = Folders::new().try_guest(&["sparse", "/out/a", &(1_u64 << 20).to_string()], &limits);
    assert!(matches!(outcome.exit, TestExit::Returned), "{outcome:?}");
}

#[test]
fn staged_files_and_folders() {
    let limits = Limits { staged_files: 20, ..tight() };
    let folders = Folders::new();
    assert_eq!(folders.stopped(&["many-files", "21"], &limits).0, "staged_files");
    assert_eq!(std::fs::read_dir(folders.out("")).unwrap().count(), 20);
    assert_eq!(stopped(&["many-folders", "21"], &limits).0, "staged_files");
    let outcome = Folders::new().try_guest(&["many-files", "20"], &limits);
    assert!(matches!(outcome.exit, TestExit::Returned), "{outcome:?}");
    assert_eq!(stopped(&["deep", "40"], &tight()).0, "staged_depth");
    assert_eq!(guest(&["deep", "16"]), "Ok(())\n");
}

#[test]
fn open_files_handles_and_listings() {
    let limits = Limits { descriptors: 10, ..tight() };
    let held = Folders::new().try_guest(&["hold-open", "/vault/a.md", "10"], &limits);
    assert_eq!(held.observed.stdout, b"10 true\n");
    assert_eq!(stopped(&["hold-open", "/vault/a.md", "11"], &limits).0, "descriptors");
    let closed = Folders::new().try_guest(&["open-and-close", "/vault/a.md", "500"], &limits);
    assert_eq!(closed.observed.stdout, b"true\n");
    let limits = Limits { resource_handles: 50, descriptors: 1_000, ..tight() };
    assert_eq!(stopped(&["hold-open", "/vault/a.md", "60"], &limits).0, "resource_handles");
    let limits = Limits { directory_entries: 20, ..tight() };
    assert_eq!(stopped(&["hold-listings", "/vault", "11"], &limits).0, "directory_entries");
    assert_eq!(guest(&["hold-listings", "/vault", "11"]), "11\n");
}

#[test]
fn a_native_stack_that_is_unsafe_is_refused() {
    let limits = Limits { stack_bytes: Limits::MAX_STACK_BYTES + 1, ..Limits::default() };
    assert!(matches!(Runtime::new(&limits), Err(RuntimeError::UnsafeLimit { limit: "stack_bytes", .. })));
}

#[test]
fn a_component_that_is_too_large_is_refused() {
    let runtime = Runtime::new(&Limits { component_bytes: 10, ..Limits::default() }).unwrap();
    let refused = runtime.compile_tests(&[0; 11]);
    assert!(matches!(refused, Err(RuntimeError::Inspect(inspect::InspectError::TooLarge { bytes: 11, limit: 10 }))));
}
