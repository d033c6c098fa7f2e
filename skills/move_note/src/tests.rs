use super::*;
use kavi_sdk::testing::{call, removed_paths, seed, written, written_paths};

fn moved(path: &str, to: &str) -> Value {
    call(run, json!({ "path": path, "to": to })).unwrap()
}

fn refused(input: Value) -> SkillError {
    let error = call(run, input).unwrap_err();
    assert!(written_paths().is_empty() && removed_paths().is_empty());
    error
}

#[test]
fn a_note_is_at_its_new_path_and_nowhere_else() {
    seed("Inbox/a.md", "text\n");
    let expected = json!({
        "path": "Notes/b.md", "sha256": sha256("text\n"), "links": 0, "changed": [], "skipped": 0,
    });
    assert_eq!(moved("Inbox/a.md", "Notes/b.md"), expected);
    assert_eq!(written("Notes/b.md").as_deref(), Some("text\n"));
    assert_eq!(written_paths(), ["Notes/b.md"]);
    assert_eq!(removed_paths(), ["Inbox/a.md"]);
}

#[test]
fn a_folder_keeps_the_name() {
    seed("Inbox/a.md", "text\n");
    assert_eq!(
        moved("Inbox/a.md", "Archive/2026/")["path"],
        "Archive/2026/a.md"
    );
    assert_eq!(written_paths(), ["Archive/2026/a.md"]);
}

#[test]
fn bytes_that_are_no_text_stay() {
    seed("Inbox/a.md", "\u{feff}one\r\n");
    moved("Inbox/a.md", "Notes/a.md");
    assert_eq!(written("Notes/a.md").as_deref(), Some("\u{feff}one\r\n"));
}

#[test]
fn links_keep_their_manner() {
    seed("Inbox/plan.md", "text\n");
    seed(
        "Notes/a.md",
        "[[plan]] [[Inbox/plan]] [[Inbox/plan.md#Beds|beds]] ![[plan#^id]] [p](../Inbox/plan.md) [q](plan.md)\n",
    );
    let output = moved("Inbox/plan.md", "Projects/new plan.md");
    assert_eq!(
        (&output["links"], &output["changed"]),
        (&json!(6), &json!(["Notes/a.md"]))
    );
    assert_eq!(
        written("Notes/a.md").as_deref(),
        Some(
            "[[new plan]] [[Projects/new plan]] [[Projects/new plan.md#Beds|beds]] ![[new plan#^id]] [p](../Projects/new%20plan.md) [q](new%20plan.md)\n"
        )
    );
}

#[test]
fn links_in_the_front_matter_are_links() {
    seed("Inbox/plan.md", "text\n");
    seed(
        "Notes/a.md",
        "---\nup: \"[[Inbox/plan]]\"\nnext: ['[[Inbox/plan|x]]']\nnote: see [[Inbox/plan]]\n---\n",
    );
    let output = moved("Inbox/plan.md", "Notes/Bob's \"plan\".md");
    assert_eq!(output["links"], 3);
    let expected = "---\nup: \"[[Notes/Bob's \\\"plan\\\"]]\"\nnext: ['[[Notes/Bob''s \"plan\"|x]]']\nnote: see [[Notes/Bob's \"plan\"]]\n---\n";
    assert_eq!(written("Notes/a.md").as_deref(), Some(expected));
}

#[test]
fn links_of_the_moved_note_lead_where_they_did() {
    seed(
        "Inbox/plan.md",
        "[b](b.md) [b](../Inbox/b.md) [c](c) [[./c]] [[c]] [[plan#Here]] [h](#Here) [w](https://x.y/b.md) ![](../img/a.png) ![](<a b/p.png>)\n",
    );
    seed("Inbox/b.md", "");
    seed("Inbox/c.md", "");
    seed("img/a.png", "");
    seed("Inbox/a b/p.png", "");
    let output = moved("Inbox/plan.md", "Projects/deep/plan.md");
    assert_eq!(output["changed"], json!(["Projects/deep/plan.md"]));
    // `[[c]]` is found from anywhere, and a path is one from the new folder.
    let text = "[b](../../Inbox/b.md) [b](../../Inbox/b.md) [c](../../Inbox/c) [[../../Inbox/c]] [[c]] [[plan#Here]] [h](#Here) [w](https://x.y/b.md) ![](../../img/a.png) ![](<../../Inbox/a b/p.png>)\n";
    assert_eq!(written("Projects/deep/plan.md").as_deref(), Some(text));
    assert_eq!(output["sha256"], sha256(text));
}

#[test]
fn a_link_to_another_note_of_the_same_name_stays_with_it() {
    seed("Inbox/x.md", "text\n");
    seed("Projects/sub/plan.md", "this one\n");
    seed("Notes/a.md", "[[plan]]\n");
    // The new note has a shorter path, so `plan` alone would lead to it.
    let output = moved("Inbox/x.md", "Archive/plan.md");
    assert_eq!(output["changed"], json!(["Notes/a.md"]));
    assert_eq!(
        written("Notes/a.md").as_deref(),
        Some("[[Projects/sub/plan]]\n")
    );
}

#[test]
fn a_name_that_is_taken_becomes_a_path() {
    seed("Inbox/x.md", "text\n");
    seed("plan.md", "another\n");
    seed("Notes/a.md", "[[x]]\n");
    moved("Inbox/x.md", "Projects/plan.md");
    assert_eq!(
        written("Notes/a.md").as_deref(),
        Some("[[Projects/plan]]\n")
    );
}

#[test]
fn definitions_are_rewritten_once() {
    seed("Inbox/plan.md", "text\n");
    seed(
        "Notes/a.md",
        "[a][p] and [p]\n\n[p]: <../Inbox/plan.md#Beds> \"title\"\n",
    );
    assert_eq!(moved("Inbox/plan.md", "Areas/plan.md")["links"], 1);
    let expected = "[a][p] and [p]\n\n[p]: <../Areas/plan.md#Beds> \"title\"\n";
    assert_eq!(written("Notes/a.md").as_deref(), Some(expected));
}

#[test]
fn what_is_no_link_stays() {
    seed("Inbox/plan.md", "text\n");
    seed(
        "Notes/a.md",
        "`[[plan]]` <!-- [[plan]] --> [[planet]]\n\n    [[plan]]\n",
    );
    seed("Notes/b.md", "no links\n");
    assert_eq!(moved("Inbox/plan.md", "Areas/other.md")["links"], 0);
    assert_eq!(written_paths(), ["Areas/other.md"]);
}

#[test]
fn links_stay_when_that_is_asked_for() {
    seed("Inbox/plan.md", "text\n");
    seed("Notes/a.md", "[[Inbox/plan]]\n");
    let input = json!({ "path": "Inbox/plan.md", "to": "Areas/other.md", "update_links": false });
    let output = call(run, input).unwrap();
    assert_eq!(
        (&output["links"], &output["changed"]),
        (&json!(0), &json!([]))
    );
    assert_eq!(written_paths(), ["Areas/other.md"]);
}

#[test]
fn a_hash_says_which_file_is_meant() {
    seed("Inbox/a.md", "text\n");
    let with = |sha256: String| json!({ "path": "Inbox/a.md", "to": "Notes/a.md", "expect_sha256": sha256 });
    let error = refused(with("0".repeat(64)));
    assert!(error.message().contains("has changed"), "{error:?}");
    assert!(call(run, with(sha256("text\n").to_uppercase())).is_ok());
}

#[test]
fn nothing_is_overwritten() {
    seed("Inbox/a.md", "one\n");
    seed("Notes/a.md", "two\n");
    for to in ["Notes/a.md", "Notes/"] {
        let error = refused(json!({ "path": "Inbox/a.md", "to": to }));
        assert!(error.message().contains("exists already"), "{error:?}");
    }
}

#[test]
fn a_note_that_is_missing_is_not_found() {
    let error = refused(json!({ "path": "Inbox/a.md", "to": "Notes/a.md" }));
    assert!(matches!(error, SkillError::NotFound(_)), "{error:?}");
}

#[test]
fn what_is_no_path_of_a_note_is_refused() {
    seed("Inbox/a.md", "text\n");
    for (path, to, why) in [
        ("Inbox/a.txt", "Notes/a.md", "`Inbox/a.txt` is no note"),
        ("Inbox/a.md", "Notes/a.txt", "nor with `/`"),
        ("Inbox/a.md", "Notes/a#b.md", "no link could lead to it"),
        ("Inbox/a.md", "Notes/a|b.md", "no link could lead to it"),
        ("Inbox/a.md", "Notes/a[b.md", "no link could lead to it"),
        ("Inbox/a.md", "Notes/a]b.md", "no link could lead to it"),
        ("Inbox/a.md", "Notes/a^b.md", "no link could lead to it"),
        ("Inbox/a.md", "Inbox/a.md", "is where it is already"),
        ("Inbox/a.md", "Inbox/", "is where it is already"),
        ("Inbox/a.md", "../a.md", "not a path inside the vault"),
    ] {
        let error = refused(json!({ "path": path, "to": to }));
        assert!(matches!(error, SkillError::InvalidInput(_)), "{error:?}");
        assert!(error.message().contains(why), "{error:?}");
    }
}

#[test]
fn a_link_that_could_not_follow_stops_the_move() {
    seed("Inbox/x.md", "text\n");
    seed("Notes/a.md", "");
    seed("Notes/b.md", "[[x]]\n");
    // Links make no difference between the two names.
    let error = refused(json!({ "path": "Inbox/x.md", "to": "Notes/A.md" }));
    assert!(
        error
            .message()
            .contains("the link `[[x]]` in `Notes/b.md` cannot lead to"),
        "{error:?}"
    );
}

#[test]
fn what_is_outside_the_folders_is_not_changed() {
    seed("Inbox/a.md", "text\n");
    seed("Other/b.md", "text\n");
    seed("c.md", "text\n");
    for (path, to, named) in [
        ("Inbox/a.md", "Other/a.md", "`Other/a.md` is in none"),
        ("Inbox/a.md", "Inboxes/a.md", "`Inboxes/a.md` is in none"),
        ("Inbox/a.md", "Inbox.md", "`Inbox.md` is in none"),
        ("Other/b.md", "Inbox/b.md", "`Other/b.md` is in none"),
        ("c.md", "Archive/c.md", "`c.md` is in none"),
    ] {
        let error = refused(json!({ "path": path, "to": to }));
        assert!(matches!(error, SkillError::InvalidInput(_)), "{error:?}");
        assert!(error.message().contains(named), "{error:?}");
    }
    for folder in [
        "Daily",
        "Journal",
        "Notes",
        "Projects",
        "Areas",
        "Resources",
        "Archive",
    ] {
        let (from, to) = (format!("Inbox/{folder}.md"), format!("{folder}/a.md"));
        seed(&from, "text\n");
        assert_eq!(moved(&from, &to)["path"], to);
    }
}

#[test]
fn a_link_from_outside_the_folders_stops_the_move() {
    seed("Inbox/a.md", "text\n");
    seed("Other/b.md", "[[Inbox/a]]\n");
    let error = refused(json!({ "path": "Inbox/a.md", "to": "Archive/a.md" }));
    let expected = "`Other/b.md` is in none of the folders Inbox, Daily, Journal, Notes, Projects, Areas, Resources, Archive, and links to the note";
    assert!(error.message().contains(expected), "{error:?}");
}

#[test]
fn a_name_beside_the_note_stays_a_name() {
    seed("Inbox/plan.md", "text\n");
    seed("Inbox/other.md", "[[plan]] [p](plan.md)\n");
    moved("Inbox/plan.md", "Areas/new.md");
    let expected = "[[new]] [p](../Areas/new.md)\n";
    assert_eq!(written("Inbox/other.md").as_deref(), Some(expected));
}

#[test]
fn a_path_from_the_top_of_the_vault_stays_one() {
    seed("Inbox/plan.md", "![](/img/a.png) [o](/Inbox/o.md)\n");
    seed("Inbox/o.md", "[p](/Inbox/plan.md#x) [[/Inbox/plan]]\n");
    seed("img/a.png", "");
    let output = moved("Inbox/plan.md", "Areas/new plan.md");
    assert_eq!(output["changed"], json!(["Inbox/o.md"]));
    assert_eq!(
        written("Inbox/o.md").as_deref(),
        Some("[p](/Areas/new%20plan.md#x) [[/Areas/new plan]]\n")
    );
}

#[test]
fn a_name_that_is_no_path_stays_a_name() {
    seed("Inbox/deep/plan.md", "![](p.png)\n");
    seed("Inbox/o.md", "[p](plan.md)\n");
    seed("img/p.png", "");
    let output = moved("Inbox/deep/plan.md", "Areas/new.md");
    assert_eq!(output["changed"], json!(["Inbox/o.md"]));
    assert_eq!(written("Inbox/o.md").as_deref(), Some("[p](new.md)\n"));
    assert_eq!(written("Areas/new.md").as_deref(), Some("![](p.png)\n"));
}

#[test]
fn a_path_goes_up_no_further_than_it_must() {
    seed("Inbox/plan.md", "text\n");
    seed("Projects/sub/a.md", "[p](../../Inbox/plan.md)\n");
    moved("Inbox/plan.md", "Projects/plan.md");
    assert_eq!(
        written("Projects/sub/a.md").as_deref(),
        Some("[p](../plan.md)\n")
    );
}
