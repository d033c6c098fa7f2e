//! Linked folders, as a guest sees them.

use std::os::unix::fs::symlink;

use crate::model::layout::Layout;

use super::*;

/// A vault with two links that are followed and one that is not.
fn linked() -> (Folders, LinkedFolders) {
    let folders = Folders::new();
    let beside = |path: &str| folders.0.path().join(path);
    std::fs::create_dir_all(beside("beside/sub")).unwrap();
    std::fs::write(beside("beside/a.md"), "linked").unwrap();
    std::fs::write(beside("beside/sub/c.md"), "deep").unwrap();
    symlink("../outside.md", beside("beside/out.md")).unwrap();
    symlink("..", beside("beside/up")).unwrap();
    for link in ["Linked", "sub/Deep", "Other"] {
        symlink(beside("beside"), folders.vault(link)).unwrap();
    }
    let layout = Layout { root: beside("work"), vault: folders.vault("") };
    let linked = LinkedFolders::resolve(&layout, &["Linked".to_owned(), "sub/Deep".to_owned()]);
    assert_eq!(linked.broken, []);
    (folders, linked)
}

fn guest(folders: &Folders, linked: &LinkedFolders, arguments: &[&str]) -> String {
    let (vault, out, limits) = (opened(&folders.vault("")), opened(&folders.out("")), tight());
    let request = GuestRequest {
        input: "",
        capabilities: &WRITER,
        vault: Some(&vault),
        linked: &linked.folders,
        out: Some(&out),
        http: None,
        determinism: determinism(1),
        limits: &limits,
        watch: &Unwatched,
    };
    let outcome = GUEST.run_test(arguments, &request).unwrap();
    assert!(matches!(outcome.exit, TestExit::Returned), "{outcome:?}");
    String::from_utf8(outcome.observed.stdout).unwrap()
}

#[test]
fn a_linked_folder_is_read_where_its_link_is() {
    let (folders, linked) = linked();
    let guest = |arguments: &[&str]| guest(&folders, &linked, arguments);
    assert_eq!(guest(&["read", "/vault/Linked/a.md"]), "Ok(\"linked\")\n");
    assert_eq!(guest(&["read", "/vault/sub/Deep/sub/c.md"]), "Ok(\"deep\")\n");
    assert_eq!(guest(&["read", "/vault/a.md"]), "Ok(\"alpha\")\n");
    // A listing says that it is a folder, and of a link that no one named that it is a link.
    let is_folder = |listed: &str, name: &str| {
        let line = listed.lines().find(|line| line.starts_with(&format!("{name:?} "))).unwrap().to_owned();
        line.contains("is_dir: true") || line.contains("Ok((false, true,")
    };
    let listed = guest(&["list", "/vault"]);
    assert!(is_folder(&listed, "Linked") && !is_folder(&listed, "Other"), "{listed}");
    assert!(is_folder(&guest(&["list", "/vault/sub"]), "Deep"));
    assert!(guest(&["list", "/vault/Linked"]).contains("\"a.md\""));
    assert_eq!(guest(&["read", "/vault/Other/a.md"]), "Err(FilesystemLoop)\n");
}

#[test]
fn no_link_inside_a_linked_folder_is_followed() {
    let (folders, linked) = linked();
    for path in ["/vault/Linked/out.md", "/vault/Linked/up/outside.md", "/vault/sub/Deep/up/vault/a.md"] {
        assert_eq!(guest(&folders, &linked, &["read", path]), "Err(FilesystemLoop)\n", "{path}");
    }
    for path in ["/vault/Linked/../../outside.md", "/vault/Linked/../../beside/a.md"] {
        let seen = guest(&folders, &linked, &["read", path]);
        assert!(seen.starts_with("Err("), "{path} gives {seen}");
    }
}

#[test]
fn a_linked_folder_is_never_written() {
    let (folders, linked) = linked();
    let seen = guest(&folders, &linked, &["change", "/vault/Linked"]);
    assert_eq!(seen.lines().count(), 9);
    for line in seen.lines() {
        assert!(line.ends_with("Err(ReadOnlyFilesystem)"), "{seen}");
    }
    assert_eq!(std::fs::read_to_string(folders.0.path().join("beside/a.md")).unwrap(), "linked");
    assert_eq!(std::fs::read_dir(folders.0.path().join("beside")).unwrap().count(), 4);
}

#[test]
fn a_link_that_is_changed_after_the_start_leads_nowhere_else() {
    let (folders, linked) = linked();
    let secret = folders.0.path().join("secret");
    std::fs::create_dir(&secret).unwrap();
    std::fs::write(secret.join("a.md"), "secret").unwrap();
    std::fs::remove_file(folders.vault("Linked")).unwrap();
    symlink(&secret, folders.vault("Linked")).unwrap();
    // The folder itself is replaced by a link as well.
    std::fs::rename(folders.0.path().join("beside"), folders.0.path().join("moved")).unwrap();
    symlink(&secret, folders.0.path().join("beside")).unwrap();
    assert_eq!(guest(&folders, &linked, &["read", "/vault/Linked/a.md"]), "Ok(\"linked\")\n");
    assert_eq!(guest(&folders, &linked, &["read", "/vault/sub/Deep/a.md"]), "Ok(\"linked\")\n");
}

#[test]
fn without_the_vault_no_linked_folder_is_there() {
    let (folders, linked) = linked();
    let (vault, limits) = (opened(&folders.vault("")), tight());
    for (capabilities, vault) in [(&PURE, Some(&vault)), (&*WRITER, None)] {
        let request = GuestRequest {
            input: "",
            capabilities,
            vault,
            linked: &linked.folders,
            out: None,
            http: None,
            determinism: determinism(1),
            limits: &limits,
            watch: &Unwatched,
        };
        let outcome = GUEST.run_test(&["read", "/vault/Linked/a.md"], &request).unwrap();
        let seen = String::from_utf8(outcome.observed.stdout).unwrap();
        assert!(seen.starts_with("Err("), "{seen}");
    }
}

#[test]
fn a_thread_is_shared_only_by_runs_with_the_same_linked_folders() {
    let (folders, linked) = linked();
    let (limits, echo) = (tight(), skills::ECHO.compile());
    let vault = opened(&folders.vault(""));
    let request = |linked| GuestRequest {
        input: "x",
        capabilities: &READER,
        vault: Some(&vault),
        linked,
        out: None,
        http: None,
        determinism: determinism(1),
        limits: &limits,
        watch: &Unwatched,
    };
    let key = LaneKey::Vault(folders.vault(""), linked.folders.clone());
    Lane::keep(&key, |lane| {
        let watch: std::sync::Arc<dyn crate::model::switch::Watch + Send> = std::sync::Arc::new(Unwatched);
        let run = |linked| echo.run_on(lane, &request(linked), &watch);
        assert!(run(&linked.folders).is_ok());
        assert!(matches!(run(&linked.folders[..1]), Err(RunFailure { error: RunError::SecondWall(_), .. })));
        assert!(matches!(run(&[]), Err(RunFailure { error: RunError::SecondWall(_), .. })));
        // The second wall lets the thread read the linked folders, and nothing beside them.
        assert!(std::fs::read(folders.0.path().join("beside/a.md")).is_ok());
        assert!(std::fs::write(folders.0.path().join("beside/a.md"), "x").is_err());
        assert!(std::fs::read(folders.0.path().join("outside.md")).is_err());
    })
    .unwrap();
}
