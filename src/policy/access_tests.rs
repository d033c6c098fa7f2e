use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::capabilities::ReadScope;
use crate::model::governance::{CharterRow, GrantRow, PinnedCharter};
use crate::model::host_grants::HostGrants;
use crate::model::time::Timestamp;
use crate::model::vault_path::VaultPath;
use crate::policy::actor_capability::CapabilityGroup;

const CHARTER: &str = "## identity\na\n## authority_can_do\n- b\n## authority_cannot_do\n- c\n";

fn actors() -> [Actor; 4] {
    [Actor::Person, Actor::Chain, Actor::Agent(Some("kora".to_owned())), Actor::Background]
}

fn channel(actor: &Actor) -> Channel {
    match actor {
        Actor::Person => Channel::Cli,
        Actor::Chain => Channel::Chain,
        Actor::Agent(_) => Channel::Mcp,
        Actor::Background => Channel::Background,
    }
}

/// One state of everything that has a say, each part from loose to strict.
#[derive(Debug, Clone, Copy)]
struct World {
    /// Active, absent, broken.
    charter: usize,
    charter_required: bool,
    /// Read as off, read as on, unread.
    disabled: usize,
    /// Granted, as by default, denied.
    grant: usize,
    /// Of the registry: nothing, allow, ask, deny, unreadable.
    stored_rule: usize,
    readable: bool,
}

fn rows(
    world: World,
    question: &AccessQuestion<'_>,
    class: EffectClass,
) -> Result<GovernanceRows, Box<dyn std::error::Error>> {
    let charter = RoleCharter::parse(CHARTER.as_bytes())?;
    let row = CharterRow {
        version: 1,
        content_md: Some(CHARTER.to_owned()),
        content_hash: charter.content_sha256.to_string(),
        sections_json: charter.sections_json(),
        set_by: "ada".to_owned(),
        created_at: Timestamp::parse("2026-11-30T00:00:00.000Z")?,
    };
    let pinned = PinnedCharter { version: 1, content_sha256: charter.content_sha256 };
    let mut policy = BTreeMap::new();
    if world.charter_required {
        policy.insert("context.charter".to_owned(), "\"required\"".to_owned());
    }
    let key = door_key(question.channel, class);
    match world.stored_rule {
        0 => {}
        4 => drop(policy.insert(key, "\"maybe\"".to_owned())),
        // For `background` that would be an error of its own.
        1 if question.channel == Channel::Background => {}
        rule => drop(policy.insert(key, format!("\"{}\"", ["allow", "ask", "deny"][rule - 1]))),
    }
    let grant =
        |granted| GrantRow { actor: question.actor.to_string(), capability: question.capability.to_string(), granted };
    Ok(GovernanceRows {
        charters: if world.charter == 1 { Vec::new() } else { vec![row] },
        pinned: (world.charter != 1).then_some(pinned),
        charter_problem: (world.charter == 2).then(|| "edited".to_owned()),
        policy,
        grants: match world.grant {
            0 => vec![grant(true)],
            1 => Vec::new(),
            _ => vec![grant(false)],
        },
    })
}

fn rule_in(
    world: World,
    question: &AccessQuestion<'_>,
    class: EffectClass,
) -> Result<ChannelRule, Box<dyn std::error::Error>> {
    let governance = Governance::of(&rows(world, question, class)?);
    let channels = ChannelPolicy::default();
    let context = AccessContext {
        governance: if world.readable { Ok(&governance) } else { Err("torn") },
        disabled: [Some(false), Some(true), None][world.disabled],
        file: FilePolicy { channels: &channels, requires_charter: false },
    };
    Ok(decide(question, &context).rule)
}

/// The same answer from a table that shares nothing with the code under test.
fn expected(world: World, question: &AccessQuestion<'_>, class: EffectClass) -> ChannelRule {
    let unattended = matches!(question.channel, Channel::Mcp | Channel::Background);
    let observes = question.capability.group() == CapabilityGroup::ObserveAndPropose;
    let by_default = match question.channel {
        Channel::Cli => true,
        Channel::Chain => question.capability == ActorCapability::RunSkill,
        Channel::Mcp => observes && !["read_values", "export_records"].contains(&question.capability.as_str()),
        Channel::Background => {
            observes && !["read_values", "export_records", "relay_answer"].contains(&question.capability.as_str())
        }
    };
    let granted = [true, by_default, false][world.grant];
    let charter_denies = unattended && (world.charter == 2 || (world.charter == 1 && world.charter_required));
    if !world.readable || (unattended && world.disabled > 0) || charter_denies || !granted {
        return ChannelRule::Deny;
    }
    // A policy that cannot be read denies agents everything, and everybody every run.
    if world.stored_rule == 4 && unattended {
        return ChannelRule::Deny;
    }
    if question.skill.is_none() {
        return ChannelRule::Allow;
    }
    let file = match (question.channel, class) {
        (_, EffectClass::ReadOnly) => ChannelRule::Allow,
        (Channel::Cli, EffectClass::FileWrite | EffectClass::Network | EffectClass::SecretRead) => ChannelRule::Allow,
        _ => ChannelRule::Ask,
    };
    let stored = [ChannelRule::Allow, ChannelRule::Allow, ChannelRule::Ask, ChannelRule::Deny, ChannelRule::Deny]
        [world.stored_rule];
    file.max(stored)
}

#[test]
fn every_cell_of_actors_capabilities_channels_and_classes_is_as_the_table_says()
-> Result<(), Box<dyn std::error::Error>> {
    let usual = World { charter: 0, charter_required: false, disabled: 0, grant: 1, stored_rule: 0, readable: true };
    let worlds = [
        usual,
        World { charter: 1, ..usual },
        World { charter: 1, charter_required: true, ..usual },
        World { charter: 2, ..usual },
        World { disabled: 1, ..usual },
        World { disabled: 2, ..usual },
        World { grant: 0, ..usual },
        World { grant: 2, ..usual },
        World { stored_rule: 2, ..usual },
        World { stored_rule: 3, ..usual },
        World { stored_rule: 4, ..usual },
        World { readable: false, ..usual },
    ];
    let mut cells = 0;
    for actor in actors() {
        for capability in ActorCapability::ALL {
            for class in EffectClass::ALL {
                let skill = (capability == ActorCapability::RunSkill).then_some(SkillQuestion {
                    class,
                    capabilities: None,
                    gets_private_data: false,
                });
                let question = AccessQuestion { actor: &actor, capability, channel: channel(&actor), skill };
                for world in worlds {
                    assert_eq!(
                        rule_in(world, &question, class)?,
                        expected(world, &question, class),
                        "{question:?} {world:?}"
                    );
                    cells += 1;
                }
            }
        }
    }
    assert_eq!(cells, 4 * 48 * 6 * worlds.len());
    Ok(())
}

#[test]
fn an_actor_that_comes_through_another_channel_is_denied() -> Result<(), Box<dyn std::error::Error>> {
    let usual = World { charter: 0, charter_required: false, disabled: 0, grant: 0, stored_rule: 0, readable: true };
    for actor in actors() {
        for other in Channel::ALL {
            let question =
                AccessQuestion { actor: &actor, capability: ActorCapability::RunSkill, channel: other, skill: None };
            let rule = rule_in(usual, &question, EffectClass::ReadOnly)?;
            assert_eq!(rule == ChannelRule::Allow, other == channel(&actor), "{actor} {other}");
        }
    }
    Ok(())
}

#[test]
fn a_skill_whose_class_does_not_admit_what_it_touches_is_denied() -> Result<(), Box<dyn std::error::Error>> {
    let writes = SkillCapabilities {
        reads: ReadScope::Vault,
        writes: vec![VaultPath::parse("Inbox")?],
        clock: false,
        hosts: HostGrants::default(),
        secrets: Vec::new(),
    };
    let usual = World { charter: 0, charter_required: false, disabled: 0, grant: 0, stored_rule: 0, readable: true };
    let skill =
        Some(SkillQuestion { class: EffectClass::ReadOnly, capabilities: Some(&writes), gets_private_data: false });
    let question =
        AccessQuestion { actor: &Actor::Person, capability: ActorCapability::RunSkill, channel: Channel::Cli, skill };
    assert_eq!(rule_in(usual, &question, EffectClass::ReadOnly)?, ChannelRule::Deny);
    Ok(())
}

#[test]
fn private_data_into_a_request_asks_in_every_channel_but_the_command_line() -> Result<(), Box<dyn std::error::Error>> {
    let rules = vec!["GET https://api.example.com/**".parse()?];
    let caller = SkillCapabilities {
        reads: ReadScope::Nothing,
        writes: Vec::new(),
        clock: false,
        hosts: HostGrants { rules, private: Vec::new() },
        secrets: Vec::new(),
    };
    let silent = SkillCapabilities { hosts: HostGrants::default(), ..caller.clone() };
    for actor in actors() {
        let channel = channel(&actor);
        for (capabilities, asks) in [(&caller, channel != Channel::Cli), (&silent, false)] {
            let skill = SkillQuestion {
                class: EffectClass::Network,
                capabilities: Some(capabilities),
                gets_private_data: true,
            };
            let question =
                AccessQuestion { actor: &actor, capability: ActorCapability::RunSkill, channel, skill: Some(skill) };
            let answer = sequence(&question, skill);
            assert_eq!(answer.rule == ChannelRule::Ask, asks, "{actor}");
            assert_ne!(answer.rule, ChannelRule::Deny, "{actor}");
        }
    }
    Ok(())
}

fn worlds() -> impl Strategy<Value = World> {
    (0..3_usize, any::<bool>(), 0..3_usize, 0..3_usize, 0..5_usize, any::<bool>()).prop_map(
        |(charter, charter_required, disabled, grant, stored_rule, readable)| World {
            charter,
            charter_required,
            disabled,
            grant,
            stored_rule,
            readable,
        },
    )
}

proptest! {
    #[test]
    fn a_stricter_layer_never_allows_more(
        world in worlds(), actor in 0..4_usize, capability in 0..48_usize, class in 0..6_usize, part in 0..6_usize,
    ) {
        let (actor, capability, class) = (&actors()[actor], ActorCapability::ALL[capability], EffectClass::ALL[class]);
        let skill = (capability == ActorCapability::RunSkill).then_some(SkillQuestion { class, capabilities: None, gets_private_data: false });
        let question = AccessQuestion { actor, capability, channel: channel(actor), skill };
        let stricter = match part {
            0 => World { charter: (world.charter + 1).min(2), ..world },
            1 => World { charter_required: true, ..world },
            2 => World { disabled: (world.disabled + 1).min(2), ..world },
            3 => World { grant: 2, ..world },
            4 => World { stored_rule: (world.stored_rule + 1).min(4), ..world },
            _ => World { readable: false, ..world },
        };
        let rule = |world| rule_in(world, &question, class).map_err(|error| TestCaseError::fail(error.to_string()));
        prop_assert!(rule(stricter)? >= rule(world)?, "{:?} {:?}", world, stricter);
        prop_assert_eq!(rule(world)?, expected(world, &question, class));
    }
}
