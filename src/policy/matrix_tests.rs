use super::*;

/// The documented table: capability, group, then what each actor has by default.
const DOCUMENT: &str = include_str!("../../docs/CAPABILITIES.md");

/// The cells of the rows that begin with a capability in backticks.
fn documented() -> Vec<Vec<String>> {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `"));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    rows.map(cells).collect()
}

fn row(actor: &str, capability: &str, granted: bool) -> GrantRow {
    GrantRow { actor: actor.to_owned(), capability: capability.to_owned(), granted }
}

#[test]
fn there_are_48_capabilities_in_two_groups_of_24_and_an_agent_has_22() {
    let in_group = |group| ActorCapability::ALL.into_iter().filter(move |capability| capability.group() == group);
    let observe: Vec<_> = in_group(CapabilityGroup::ObserveAndPropose).collect();
    let decide: Vec<_> = in_group(CapabilityGroup::Decide).collect();
    assert_eq!((ActorCapability::ALL.len(), observe.len(), decide.len()), (48, 24, 24));
    assert!(observe.iter().all(|capability| !decide.contains(capability)), "the groups overlap");
    let matrix = CapabilityMatrix::default();
    let granted = matrix.granted(&Actor::Agent(Some("kora".to_owned())));
    assert_eq!((granted.len(), ActorCapability::ALL.len() - granted.len()), (22, 26));
    assert!(granted.iter().all(|capability| observe.contains(capability)), "an agent decides: {granted:?}");
}

#[test]
fn the_documented_table_and_the_code_say_the_same() -> Result<(), Box<dyn std::error::Error>> {
    let rows = documented();
    let names: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let known: Vec<&str> = ActorCapability::ALL.into_iter().map(ActorCapability::as_str).collect();
    assert_eq!(names, known, "docs/CAPABILITIES.md and ActorCapability differ");
    for row in &rows {
        let capability: ActorCapability = row[0].parse()?;
        assert_eq!(row[1], capability.group().as_str(), "{capability}");
        let actors = [Actor::Person, Actor::Chain, Actor::Agent(None), Actor::Background];
        for (actor, cell) in actors.iter().zip(&row[2..]) {
            let word = if actor.grants_by_default(capability) { "granted" } else { "denied" };
            assert_eq!(cell, word, "{actor} {capability}");
        }
    }
    Ok(())
}

#[test]
fn a_stored_entry_replaces_the_default_of_its_actor_alone() {
    let rows = [
        row("agent", "run_skill", false),
        row("agent:kora", "run_skill", true),
        row("agent:kora", "promote_skill", true),
    ];
    let matrix = CapabilityMatrix::of(&rows);
    let kora = Actor::Agent(Some("kora".to_owned()));
    let other = Actor::Agent(Some("other".to_owned()));
    let run = ActorCapability::RunSkill;
    assert_eq!(matrix.look_up(&kora, run), Grant { granted: true, source: GrantSource::Stored });
    assert_eq!(matrix.look_up(&other, run), Grant { granted: false, source: GrantSource::StoredForAll });
    assert_eq!(matrix.look_up(&Actor::Person, run), Grant { granted: true, source: GrantSource::Default });
    assert!(matrix.look_up(&kora, ActorCapability::PromoteSkill).granted);
    assert!(!matrix.look_up(&other, ActorCapability::PromoteSkill).granted);
    assert_eq!(matrix.named_agents(), [kora]);
}

#[test]
fn what_is_unknown_is_denied() {
    let matrix = CapabilityMatrix::of(&[row("stranger", "run_skill", true), row("agent", "fly", true)]);
    assert_eq!(matrix.unknown().len(), 2);
    for (actor, capability) in [
        ("stranger", "run_skill"),
        ("agent", "fly"),
        ("", "run_skill"),
        ("agent:", "run_skill"),
        ("Person", "run_skill"),
    ] {
        let answer = matrix.look_up_words(actor, capability);
        assert_eq!(answer, Grant { granted: false, source: GrantSource::Missing }, "{actor} {capability}");
    }
    assert!(matrix.look_up_words("person", "run_skill").granted);
}

#[test]
fn actors_are_written_as_they_are_read() {
    for text in ["person", "chain", "agent", "agent:an unnamed client", "background"] {
        assert_eq!(text.parse::<Actor>().map(|actor| actor.to_string()), Ok(text.to_owned()));
    }
}
