use super::*;
use crate::model::governance::PinnedCharter;
use crate::model::time::Timestamp;

const GOOD: &str = "# Ada's clerk\n\nAnything.\n\n## Identity\n\nYou keep the notes.\nYou are careful.\n\n\
    ## Authority: can do\n\n- read notes\n- propose skills,\n  one at a time\n\n## authority_cannot_do\n\n* promote a skill\n";

fn row(text: &str) -> Result<CharterRow, Box<dyn std::error::Error>> {
    let charter = RoleCharter::parse(text.as_bytes())?;
    Ok(CharterRow {
        version: 1,
        content_md: Some(text.to_owned()),
        content_hash: charter.content_sha256.to_string(),
        sections_json: charter.sections_json(),
        set_by: "ada".to_owned(),
        created_at: Timestamp::parse("2026-11-30T00:00:00.000Z")?,
    })
}

fn pinned(text: &str) -> Option<PinnedCharter> {
    Some(PinnedCharter { version: 1, content_sha256: Digest::of(text.as_bytes()) })
}

#[test]
fn the_sections_are_parsed_from_the_text_that_is_hashed() -> Result<(), InvalidCharter> {
    let charter = RoleCharter::parse(GOOD.as_bytes())?;
    assert_eq!(charter.content_sha256, Digest::of(GOOD.as_bytes()));
    assert_eq!(charter.sections.identity, "You keep the notes.\nYou are careful.");
    assert_eq!(charter.sections.authority_can_do, ["read notes", "propose skills, one at a time"]);
    assert_eq!(charter.sections.authority_cannot_do, ["promote a skill"]);
    // Equal for a reader, and other bytes: no form of Unicode is made into another one.
    let (one, other) = (GOOD.replace("clerk", "caf\u{e9}"), GOOD.replace("clerk", "cafe\u{301}"));
    let digests = (RoleCharter::parse(one.as_bytes())?, RoleCharter::parse(other.as_bytes())?);
    assert_ne!(digests.0.content_sha256, digests.1.content_sha256);
    Ok(())
}

#[test]
fn the_digest_is_the_one_that_postgresql_computes() -> Result<(), InvalidCharter> {
    // encode(digest(content_md, 'sha256'), 'hex') of the same text.
    let text = "## identity\na\n## authority_can_do\n- b\n## authority_cannot_do\n- c\n";
    let charter = RoleCharter::parse(text.as_bytes())?;
    assert_eq!(charter.content_sha256.to_string(), "00a88b04a4902bb20f8b38d91af37079cb2c745df5db8ba159fa50eca054b027");
    Ok(())
}

#[test]
fn malformed_charters_are_refused() {
    let large = format!("{GOOD}- {}\n", "x".repeat(MOST_BYTES));
    let replaced = |from: &str, to: &str| GOOD.replace(from, to);
    let cases: Vec<(Vec<u8>, &str)> = [
        (String::new(), "no section identity"),
        (" \n\n".to_owned(), "no section identity"),
        ("# Title only\n".to_owned(), "no section identity"),
        (large, "the most is"),
        (format!("\u{feff}{GOOD}"), "byte order mark"),
        (replaced("notes.", "no\0tes."), "U+0000"),
        (replaced("notes.", "no\u{202e}tes."), "U+202E"),
        (replaced("notes.", "no\u{2066}tes."), "U+2066"),
        (replaced("notes.", "no\u{200b}tes."), "U+200B"),
        (replaced("notes.", "no\u{e0041}tes."), "U+E0041"),
        (replaced("notes.", "no\u{feff}tes."), "U+FEFF"),
        (replaced("notes.", "no\u{ad}tes."), "U+00AD"),
        (replaced("notes.", "no\u{2028}tes."), "U+2028"),
        (replaced("notes.", "no\u{1b}[31mtes."), "U+001B"),
        (replaced("notes.", "no\u{85}tes."), "U+0085"),
        (replaced("\n", "\r\n"), "U+000D"),
        (replaced("## Identity", "## Who"), "no section identity"),
        (replaced("## authority_cannot_do", "## authority_cant_do"), "`authority_cant_do`"),
        (replaced("## authority_cannot_do", "### More"), "`More`"),
        (replaced("## authority_cannot_do\n\n* promote a skill\n", ""), "no section authority_cannot_do"),
        (replaced("## Authority: can do", "Authority: can do"), "no section authority_can_do"),
        (format!("{GOOD}## Identity\nAgain\n"), "again"),
        (format!("{GOOD}## authority can do\n- more\n"), "again"),
        (replaced("You keep the notes.\nYou are careful.\n", ""), "identity of the charter is empty"),
        (replaced("* promote a skill\n", "\n"), "authority_cannot_do of the charter is empty"),
        (replaced("* promote a skill", "promote a skill"), "no list item"),
        (replaced("- read notes", "- "), "code fence"),
        (replaced("- read notes", "1. read notes"), "no list item"),
        (replaced("- read notes", "read notes\n- more"), "no list item"),
        (replaced("You are careful.", "```\n## authority_can_do\n```"), "code fence"),
        (replaced("You are careful.", "~~~"), "code fence"),
        (replaced("You are careful.", "<!-- hidden -->"), "code fence or HTML"),
        (replaced("You are careful.", "Authority can do\n---"), "code fence or HTML"),
        (replaced("You are careful.", "Authority can do\n==="), "code fence or HTML"),
    ]
    .into_iter()
    .map(|(text, said)| (text.into_bytes(), said))
    .chain([(b"## Identity\n\xff\n".to_vec(), "not UTF-8"), (b"\xed\xa0\x80".to_vec(), "not UTF-8")])
    .collect();
    assert!(cases.len() >= 30);
    for (bytes, said) in cases {
        let error = RoleCharter::parse(&bytes).map_or_else(|error| error.to_string(), |_| String::new());
        assert!(error.contains(said), "{said}: {error:?}");
    }
}

#[test]
fn a_charter_is_believed_only_when_all_of_it_agrees() -> Result<(), Box<dyn std::error::Error>> {
    let rows = |charters: Vec<CharterRow>, pinned| GovernanceRows { charters, pinned, ..Default::default() };
    let good = row(GOOD)?;
    let found = active(&rows(vec![good.clone()], pinned(GOOD)));
    let found = found.map(|found| found.map(|(version, charter)| (version, charter.content_md)));
    assert_eq!(found, Ok(Some((1, GOOD.to_owned()))));
    assert_eq!(active(&GovernanceRows::default()), Ok(None));
    let other = GOOD.replace("promote", "demote");
    let mut no_text = good.clone();
    no_text.content_md = None;
    let mut other_hash = good.clone();
    other_hash.content_hash = Digest::of(b"x").to_string();
    let mut other_sections = good.clone();
    other_sections.sections_json = row(&other)?.sections_json;
    let mut other_version = good.clone();
    other_version.version = 2;
    let problem =
        GovernanceRows { charter_problem: Some("edited".to_owned()), ..rows(vec![good.clone()], pinned(GOOD)) };
    for (rows, said) in [
        (rows(vec![no_text], pinned(GOOD)), "has no text"),
        (rows(vec![other_hash], pinned(GOOD)), "does not have the SHA-256"),
        (rows(vec![other_sections], pinned(GOOD)), "not those of its text"),
        (rows(vec![row(&other)?], pinned(GOOD)), "the history says"),
        (rows(vec![other_version], pinned(GOOD)), "the history says"),
        (rows(vec![good.clone()], None), "no event"),
        (rows(Vec::new(), pinned(GOOD)), "there is no row"),
        (rows(vec![good.clone(), good], pinned(GOOD)), "2 charters are active"),
        (problem, "edited"),
    ] {
        match active(&rows) {
            Err(CharterError::RoleCharterIntegrity(why)) => assert!(why.contains(said), "{said}: {why}"),
            other => assert!(other.is_err(), "{said}: {other:?}"),
        }
    }
    Ok(())
}
