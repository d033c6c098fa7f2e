//! Skills from another workspace: a bundle makes a proposal and nothing more, and a hostile one leaves nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use kavi::history::bundle::{self, Bundle, MAX_BUNDLE};
use serde_json::json;

use crate::approvals::Person;
use crate::forged::{Forged, python, verdict};
use crate::support::{self, Called, Workspace};

/// The bundle of a skill that is trusted in a workspace.
fn exported(workspace: &Workspace, name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("skill.bundle");
    workspace.json(&["export-skill", name, "--bundle", &file.display().to_string()]).expect(0);
    (folder, file)
}

fn import(workspace: &Workspace, file: &Path) -> Called {
    workspace.json(&["import", &file.display().to_string()])
}

#[test]
fn an_imported_skill_is_proposed_and_the_gates_and_a_person_decide_again() {
    let theirs = Workspace::trusted();
    let (_folder, file) = exported(&theirs, "write_note");
    let text = fs::read_to_string(&file).unwrap();
    assert!(verdict("an honest bundle", &text));
    let outside: Called = support::kavi(Path::new("/")).arg("check-proof").arg(&file).output().unwrap().into();
    assert!(outside.expect(0).stdout.starts_with("VALID as of "));

    let ours = Workspace::new();
    let imported = import(&ours, &file).expect(0).json();
    assert_eq!((&imported["status"], &imported["revision"]), (&json!("PROPOSED"), &json!(null)));
    let component = theirs.show("write_note")["component_sha256"].clone();
    assert_eq!(imported["origin"]["component_sha256"], component);
    assert_eq!(imported["origin"]["promoted_by"], "test");
    assert!(imported["evidence"].to_string().contains("test result: PASSED"), "{imported}");
    // Their promotion counts for nothing here.
    ours.note("Inbox/AI/a.md").expect(3);
    let id = imported["id"].as_str().unwrap();
    ours.refused(&["promote-skill", id, "--approved-by", "ada", "--yes"], 3);
    let shown = ours.call(&["show", id]).expect(0).stdout;
    assert!(shown.contains("came in a bundle of kavi/") && shown.contains("evidence, and no trust"), "{shown}");

    let sources = imported["sources"].as_str().unwrap().to_owned();
    assert_eq!(sources, ours.path().join("skills/write_note").display().to_string());
    ours.import(id, Path::new(&sources)).expect(0);
    ours.json(&["verify-skill", id]).expect(0);
    let promoted = ours.call(&["promote-skill", id, "--approved-by", "ada", "--yes"]).expect(0).stdout;
    assert!(promoted.contains("source the same as there, component the same as there"), "{promoted}");
    assert_eq!(ours.show("write_note")["component_sha256"], component);
    ours.note("Inbox/AI/a.md").expect(0);
    ours.json(&["audit"]).expect(0);

    // Nothing is replaced, neither by an export nor by an import.
    theirs.refused(&["export-skill", "write_note", "--bundle", &file.display().to_string()], 1);
    assert!(import(&ours, &file).expect(2).stdout.contains("nothing is replaced"));
    let elsewhere = ours.path().join("skills/second");
    let again = ["import", &file.display().to_string(), "--to", &elsewhere.display().to_string()];
    ours.json(&again).expect(0);
    assert!(elsewhere.join("src/lib.rs").is_file());
}

#[test]
fn another_source_is_named_at_promotion() {
    let theirs = Workspace::trusted();
    let (_folder, file) = exported(&theirs, "peek");
    let ours = Workspace::new();
    let imported = import(&ours, &file).expect(0).json();
    let (id, sources) = (imported["id"].as_str().unwrap(), imported["sources"].as_str().unwrap());
    let lib = Path::new(sources).join("src/lib.rs");
    let text = fs::read_to_string(&lib).unwrap();
    fs::write(&lib, format!("// Mine.\n{text}")).unwrap();
    ours.import(id, Path::new(sources)).expect(0);
    ours.json(&["verify-skill", id]).expect(0);
    let promoted = ours.call(&["promote-skill", id, "--approved-by", "ada", "--yes"]).expect(0).stdout;
    assert!(promoted.contains("source NOT the one from there"), "{promoted}");
}

#[test]
fn a_signed_promotion_is_shown_and_the_key_that_was_asked_for_counts() {
    let theirs = Workspace::trusted();
    let person = Person::with_key();
    person.enroll(&theirs);
    let id = crate::approvals::again(&theirs);
    person.call(&theirs, &crate::approvals::promote(&id)).expect(0);
    let (_folder, file) = exported(&theirs, "peek");
    let path = file.display().to_string();
    assert!(python(&file));
    let key = theirs.json(&["audit"]).expect(0).json()["history"]["key"].as_str().unwrap().to_owned();
    let other = Workspace::new().json(&["audit"]).expect(0).json()["history"]["key"].as_str().unwrap().to_owned();
    let ours = Workspace::new();
    ours.refused(&["import", &path, "--key", &other], 3);
    ours.refused(&["import", &path, "--key", "no key"], 2);
    let imported = ours.json(&["import", &path, "--key", &key]).expect(0).json();
    let approval = imported["origin"]["approval"].as_str().unwrap();
    assert!(approval.starts_with("signed by ada with SHA256:") && approval.ends_with("level file"), "{approval}");
}

#[test]
fn what_was_revoked_or_never_promoted_is_not_exported() {
    let workspace = Workspace::trusted();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a").display().to_string();
    workspace.json(&["revoke", "peek", "--why", "smells", "--approved-by", "ada"]).expect(0);
    workspace.refused(&["export-skill", "peek@1", "--bundle", &file], 3);
    let id = workspace.propose("later", "READ_ONLY", r#"{"input":{"a":"str"},"output":{"b":"str"}}"#, &[]);
    workspace.refused(&["export-skill", &id, "--bundle", &file], 2);
    workspace.refused(&["export-skill", "write_note"], 2);
    workspace.refused(&["export-skill", "write_note", "--bundle", &file, "--to", "x"], 2);
    assert!(!Path::new(&file).exists());
}

/// A bundle of somebody with a key of their own, and a specification that is one.
fn forged(workspace: &Workspace) -> Forged {
    let (_folder, file) = exported(workspace, "peek");
    let honest = Bundle::parse(&fs::read_to_string(file).unwrap()).unwrap();
    Forged {
        specification: honest.specification,
        component: honest.component,
        source: honest.proof.source.unwrap(),
        ..Forged::new()
    }
}

#[test]
fn a_hostile_bundle_is_refused_and_leaves_nothing() {
    let theirs = Workspace::trusted();
    let ours = Workspace::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hostile.bundle");
    let before = ours.state();
    let mut texts: Vec<(String, Vec<u8>)> = Vec::new();
    let with_source = |files: &[&str]| {
        let source: BTreeMap<_, _> = files.iter().map(|path| ((*path).to_owned(), b"fn run() {}".to_vec())).collect();
        Forged { source, ..forged(&theirs) }.bundle().text().into_bytes()
    };
    for path in ["/tmp/x", "../x", "src/../../x", "a//b", "src/", ".", "..", "a\\..\\b", "src/\u{7}.rs", ""] {
        texts.push((format!("a path: {path:?}"), with_source(&["src/lib.rs", path])));
    }
    texts.push(("a file that is also a folder".to_owned(), with_source(&["src", "src/lib.rs"])));
    texts.push(("a path that is too long".to_owned(), with_source(&[&"x".repeat(300)])));
    let honest = forged(&theirs).bundle();
    let text = honest.text();
    let line = text.lines().position(|line| line == "source").unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let twice = [&lines[..line + 3], &lines[line + 1..]].concat().join("\n") + "\n";
    texts.push(("a file that is there twice".to_owned(), twice.into_bytes()));
    let other = Bundle { component: b"\0asm".to_vec(), ..honest.clone() };
    texts.push(("another component".to_owned(), other.text().into_bytes()));
    let other = Bundle { specification: b"{}".to_vec(), ..honest.clone() };
    texts.push(("another specification".to_owned(), other.text().into_bytes()));
    let other =
        Bundle { proof: kavi::history::proof::Proof { source: None, ..honest.proof.clone() }, ..honest.clone() };
    texts.push(("no source".to_owned(), other.text().into_bytes()));
    let spaced = String::from_utf8(honest.specification.clone()).unwrap().replacen(':', ": ", 1).into_bytes();
    texts.push((
        "a specification in another form".to_owned(),
        Forged { specification: spaced, ..forged(&theirs) }.bundle().text().into_bytes(),
    ));
    let nonsense = Forged { specification: b"[]".to_vec(), ..forged(&theirs) }.bundle().text();
    texts.push(("no specification".to_owned(), nonsense.into_bytes()));
    texts.push(("cut".to_owned(), text.as_bytes()[..text.len() / 2].to_vec()));
    texts.push(("longer".to_owned(), format!("{text}more").into_bytes()));
    texts.push(("no text".to_owned(), vec![0xff; 100]));
    texts.push(("nothing".to_owned(), Vec::new()));
    texts.push(("oversized".to_owned(), vec![b'a'; MAX_BUNDLE + 1]));
    for (name, bytes) in texts {
        fs::write(&file, &bytes).unwrap();
        let called = import(&ours, &file);
        assert!([2, 3].contains(&called.code), "{name}: {called:?}");
        assert_eq!(support::difference(&before, &ours.state()), [""; 0], "{name}");
        if bytes.len() <= MAX_BUNDLE && !name.contains("specification") {
            assert!(!python(&file), "{name}");
        }
    }
    assert_eq!(ours.count("SELECT count(*) FROM skill_proposals"), 0);

    // Things that are no files, and a folder that leads elsewhere.
    fs::remove_file(&file).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    import(&ours, &file).expect(2);
    import(&ours, folder.path()).expect(2);
    import(&ours, &folder.path().join("nothing")).expect(1);
    let honest_file = folder.path().join("honest.bundle");
    fs::write(&honest_file, &text).unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir_all(ours.path().join("skills")).unwrap();
    symlink(outside.path(), ours.path().join("skills/peek")).unwrap();
    import(&ours, &honest_file).expect(2);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(ours.count("SELECT count(*) FROM skill_proposals"), 0);
    fs::remove_file(ours.path().join("skills/peek")).unwrap();
    import(&ours, &honest_file).expect(0);
}

#[test]
fn no_changed_byte_of_a_bundle_is_accepted() {
    let workspace = Workspace::trusted();
    let (folder, file) = exported(&workspace, "peek");
    let bytes = fs::read(&file).unwrap();
    let (mut state, changed) = (0x9e37_79b9_u64, folder.path().join("changed"));
    for number in 0..600 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let place = (state >> 20) as usize % bytes.len();
        let mut other = bytes.clone();
        other[place] ^= 1 << (number % 8);
        let accepted = std::str::from_utf8(&other).is_ok_and(|text| bundle::check(text, None).is_ok());
        assert!(!accepted, "byte {place}");
        if number % 60 == 0 {
            fs::write(&changed, &other).unwrap();
            assert!(!python(&changed), "byte {place}");
        }
    }
}
