//! What plain Rust sees of the world.

use rustix::fs::{CWD, FileType, Mode};

use super::*;

#[test]
fn environment_arguments_and_standard_input_are_empty() {
    assert_eq!(guest(&["environment"]), "[] 1\n");
    assert_eq!(guest(&["stdin"]), "Ok(0)\n");
}

#[test]
fn time_is_virtual_and_waiting_takes_none() {
    // 08:30:00.25 and two looks at the clock; ninety seconds and two more looks later.
    assert_eq!(guest(&["time"]), "Ok(1795163400.250002s)\n90.000002s Ok(1795163490.250004s)\n");
    let outcome = Folders::new().try_guest(&["sleep-an-hour"], &tight());
    assert!(matches!(outcome.exit, TestExit::Returned), "{outcome:?}");
}

#[test]
fn the_same_record_gives_the_same_bytes() {
    let with_seed = |seed| {
        let (limits, folders) = (tight(), Folders::new());
        let (vault, out) = (opened(&folders.vault("")), opened(&folders.out("")));
        let request = GuestRequest {
            input: "",
            capabilities: &WRITER,
            vault: Some(&vault),
            linked: &[],
            out: Some(&out),
            http: None,
            determinism: determinism(seed),
            limits: &limits,
            watch: &Unwatched,
        };
        let run = |verb| GUEST.run_test(&[verb], &request).unwrap().observed.stdout;
        [run("chance"), run("time")].concat()
    };
    assert_eq!(with_seed(1), with_seed(1));
    assert_ne!(with_seed(1), with_seed(2));
}

#[test]
fn a_listing_is_sorted_and_tells_nothing_of_the_machine() {
    let folders = Folders::new();
    for name in ["z.md", "m.md", "Z.md", "b"] {
        std::fs::write(folders.vault(name), name).unwrap();
    }
    let listed = folders.guest(&["list", "/vault"]);
    let names: Vec<&str> = listed.lines().map(|line| line.split('"').nth(1).unwrap()).collect();
    assert_eq!(names, ["Z.md", "a.md", "b", "m.md", "sub", "z.md"]);
    assert!(listed.contains("Ok((true, false, 5, Some(Ok(0ns))))"), "{listed}");
    assert!(listed.contains("Ok((false, true, 0, Some(Ok(0ns))))"), "{listed}");
}

#[test]
fn files_work_as_in_any_rust_program() {
    let folders = Folders::new();
    let expected = "Ok(\"hello world\")\nnew Err(AlreadyExists)\ndown Err(PermissionDenied)\nfile as folder \
                    Err(NotADirectory)\nunlink a folder true\nOk(11)\nErr(NotFound) true\n";
    let seen = folders.guest(&["files"]);
    assert_eq!(seen, expected);
    assert_eq!(std::fs::read_to_string(folders.out("d.md")).unwrap(), "hello world");
    assert_eq!(guest(&["seek"]), "b56789 Ok(\"012a\")\n");
    assert_eq!(guest(&["read", "/vault/a.md"]), "Ok(\"alpha\")\n");
    assert_eq!(guest(&["read", "/vault/sub/../a.md"]), "Ok(\"alpha\")\n");
}

#[test]
fn the_vault_is_read_only() {
    let folders = Folders::new();
    let seen = folders.guest(&["change", "/vault"]);
    assert_eq!(seen.lines().count(), 9);
    for line in seen.lines() {
        assert!(line.ends_with("Err(ReadOnlyFilesystem)"), "{seen}");
    }
    assert_eq!(std::fs::read_to_string(folders.vault("a.md")).unwrap(), "alpha");
    assert_eq!(std::fs::read_dir(folders.vault("")).unwrap().count(), 2);
}

#[test]
fn nothing_outside_the_folders_can_be_named() {
    let folders = Folders::new();
    for path in ["/vault/../outside.md", "/vault/sub/../../outside.md", "/out/../vault/a.md"] {
        assert_eq!(folders.guest(&["read", path]), "Err(PermissionDenied)\n", "{path}");
    }
    for path in ["/etc/passwd", "../outside.md", "outside.md", "/proc/self/environ", "/"] {
        let seen = folders.guest(&["read", path]);
        assert!(seen.starts_with("Err("), "{path} gives {seen}");
    }
    assert_eq!(folders.guest(&["write", "/out/../escaped.md", "x"]), "Err(PermissionDenied)\n");
    assert!(!folders.0.path().join("escaped.md").exists());
}

#[test]
fn links_that_lie_in_the_vault_are_not_followed() {
    let folders = Folders::new();
    std::os::unix::fs::symlink("/etc/passwd", folders.vault("absolute.md")).unwrap();
    std::os::unix::fs::symlink("a.md", folders.vault("inside.md")).unwrap();
    std::os::unix::fs::symlink("../", folders.vault("up")).unwrap();
    for path in ["/vault/absolute.md", "/vault/inside.md", "/vault/up/outside.md", "/vault/up/vault/a.md"] {
        let seen = folders.guest(&["read", path]);
        assert_eq!(seen, "Err(FilesystemLoop)\n", "{path}");
    }
    assert!(folders.guest(&["list", "/vault"]).contains("\"inside.md\""));
}

#[test]
fn a_name_that_is_not_utf8_is_listed_and_opens() {
    use std::os::unix::ffi::OsStrExt;
    let folders = Folders::new();
    let name = |bytes| folders.vault("").join(std::ffi::OsStr::from_bytes(bytes));
    std::fs::create_dir(name(b"d\xc3")).unwrap();
    std::fs::write(name(b"d\xc3/h\xff.md"), "text").unwrap();
    std::fs::write(name(b"d\xc3/h\\xFF.md"), "other").unwrap();
    assert!(folders.guest(&["list", "/vault"]).contains(r"d\\xC3"));
    let listed = folders.guest(&["list", r"/vault/d\xC3"]);
    assert!(listed.contains(r"h\\xFF.md") && listed.contains(r"h\\x5CxFF.md"), "{listed}");
    assert!(folders.guest(&["read", r"/vault/d\xC3/h\xFF.md"]).contains("text"));
    assert!(folders.guest(&["read", r"/vault/d\xC3/h\x5CxFF.md"]).contains("other"));
}

#[test]
fn pipes_and_sockets_that_lie_in_the_vault_are_not_opened() {
    let folders = Folders::new();
    rustix::fs::mknodat(CWD, folders.vault("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folders.vault("socket")).unwrap();
    for path in ["/vault/pipe", "/vault/socket"] {
        assert_eq!(folders.guest(&["read", path]), "Err(PermissionDenied)\n", "{path}");
    }
}

#[test]
fn no_link_and_no_time_can_be_set() {
    let folders = Folders::new();
    let seen = folders.guest(&["links"]);
    let expected = "hard Err(PermissionDenied)\nsoft Err(PermissionDenied)\nread Err(PermissionDenied)\ntimes \
                    Err(PermissionDenied)\nnames 1\n";
    assert_eq!(seen, expected);
    assert_eq!(std::fs::read_dir(folders.out("")).unwrap().count(), 1);
}

#[test]
fn a_folder_that_is_not_granted_is_not_there() {
    let folders = Folders::new();
    let (vault, out, limits) = (opened(&folders.vault("")), opened(&folders.out("")), tight());
    let request = GuestRequest {
        input: "",
        capabilities: &PURE,
        vault: Some(&vault),
        linked: &[],
        out: Some(&out),
        http: None,
        determinism: determinism(1),
        limits: &limits,
        watch: &Unwatched,
    };
    for path in ["/vault/a.md", "/out/a.md"] {
        let outcome = GUEST.run_test(&["read", path], &request).unwrap();
        let seen = String::from_utf8(outcome.observed.stdout).unwrap();
        assert!(seen.starts_with("Err("), "{path} gives {seen}");
    }
}

#[test]
fn staging_must_be_an_empty_folder() {
    let folders = Folders::new();
    let limits = tight();
    let run = |out: &FolderHandle| {
        let request = GuestRequest {
            input: "",
            capabilities: &WRITER,
            vault: None,
            linked: &[],
            out: Some(out),
            http: None,
            determinism: determinism(1),
            limits: &limits,
            watch: &Unwatched,
        };
        GUEST.run_test(&["fine"], &request).map(drop)
    };
    assert!(matches!(run(&opened(&folders.vault(""))), Err(RunError::StagingNotEmpty { .. })));
    assert!(run(&opened(&folders.out(""))).is_ok());
}

#[test]
fn a_run_has_the_folder_that_was_opened_and_not_its_path() {
    let folders = Folders::new();
    let (vault, moved) = (folders.vault(""), folders.0.path().join("moved"));
    let (handle, out, limits) = (opened(&vault), opened(&folders.out("")), tight());
    // Somebody puts a link at the path, after it was opened.
    std::fs::rename(&vault, &moved).unwrap();
    std::os::unix::fs::symlink("/etc", folders.0.path().join("vault")).unwrap();
    let request = GuestRequest {
        input: "",
        capabilities: &WRITER,
        vault: Some(&handle),
        linked: &[],
        out: Some(&out),
        http: None,
        determinism: determinism(1),
        limits: &limits,
        watch: &Unwatched,
    };
    let read = |path| String::from_utf8(GUEST.run_test(&["read", path], &request).unwrap().observed.stdout).unwrap();
    assert_eq!(read("/vault/a.md"), "Ok(\"alpha\")\n");
    assert_eq!(read("/vault/passwd"), "Err(NotFound)\n");
}

#[test]
fn an_exit_and_a_panic_are_told_apart() {
    let exit = Folders::new().try_guest(&["exit", "7"], &tight()).exit;
    // std reports any code but zero as 1 through the stable interface.
    assert!(matches!(exit, TestExit::GuestExit(1)), "{exit:?}");
    let exit = Folders::new().try_guest(&["exit", "0"], &tight()).exit;
    assert!(matches!(exit, TestExit::GuestExit(0)), "{exit:?}");
    let outcome = Folders::new().try_guest(&["panic"], &tight());
    assert!(matches!(outcome.exit, TestExit::Trap(RunError::Trap { .. })), "{outcome:?}");
    assert!(String::from_utf8(outcome.observed.stderr).unwrap().contains("on purpose"));
}
