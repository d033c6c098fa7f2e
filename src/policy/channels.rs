//! What each channel may do: the `[policy]` tables of kavi.toml.
//!
//! Guarantees: `background` never commits, whatever the table says; a class or a channel that the table does not name has its
//! default. Deliberately never: asks anybody, or grants a capability (that is `model::capabilities`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{channel::Channel, effect::EffectClass};

/// What a channel may do with a skill of one class.
// In the order of strictness: where several layers answer, the greatest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelRule {
    /// It runs, and its files are committed.
    Allow,
    /// It runs, and its files are held until a person approves them. A class without files to hold runs only where a person
    /// can agree first.
    Ask,
    /// It does not run.
    Deny,
}

impl ChannelRule {
    /// The spelling in kavi.toml.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

/// The rule of a word.
pub fn rule(word: &str) -> Option<ChannelRule> {
    [ChannelRule::Allow, ChannelRule::Ask, ChannelRule::Deny].into_iter().find(|rule| rule.as_str() == word)
}

/// A table that would let `background` commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`policy.background.{0}` cannot be \"allow\": no person is present, so nothing is committed; set \"ask\" or \"deny\""
)]
pub struct BackgroundCommits(&'static str);

/// The rule for each channel and class.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Table")]
pub struct ChannelPolicy(Table);

type Table = BTreeMap<Channel, BTreeMap<EffectClass, ChannelRule>>;

impl TryFrom<Table> for ChannelPolicy {
    type Error = BackgroundCommits;

    fn try_from(table: Table) -> Result<Self, BackgroundCommits> {
        let background = table.get(&Channel::Background).into_iter().flatten();
        // READ_ONLY has nothing to commit, so a run of it unattended is harmless.
        let commits = |(class, answer): &(&EffectClass, &ChannelRule)| {
            **answer == ChannelRule::Allow && **class != EffectClass::ReadOnly
        };
        if let Some((class, _)) = background.into_iter().find(commits) {
            return Err(BackgroundCommits(class.as_str()));
        }
        let named = |channel, class| table.get(&channel).and_then(|classes| classes.get(&class)).copied();
        let of_channel =
            |channel| EffectClass::ALL.map(|class| (class, named(channel, class).unwrap_or(default(channel, class))));
        // Filled in completely here, so that a look-up later cannot find a gap.
        Ok(Self(Channel::ALL.map(|channel| (channel, of_channel(channel).into())).into()))
    }
}

impl Default for ChannelPolicy {
    fn default() -> Self {
        Self(
            Channel::ALL
                .map(|channel| (channel, EffectClass::ALL.map(|class| (class, default(channel, class))).into()))
                .into(),
        )
    }
}

impl ChannelPolicy {
    /// The rule for every channel and class.
    pub fn rules(&self) -> &BTreeMap<Channel, BTreeMap<EffectClass, ChannelRule>> {
        &self.0
    }

    /// What a channel may do with a skill of this class.
    pub fn answer(&self, channel: Channel, class: EffectClass) -> ChannelRule {
        // Cannot happen, since the table is complete. If it does, nothing runs.
        self.0.get(&channel).and_then(|classes| classes.get(&class)).copied().unwrap_or(ChannelRule::Deny)
    }

    /// The same for a skill that could carry notes out: it reads the vault and reaches a host. Where no person types the
    /// command, that is asked about each time, whatever the table says of its class.
    pub fn answer_for(&self, channel: Channel, class: EffectClass, can_carry_out: bool) -> ChannelRule {
        match self.answer(channel, class) {
            ChannelRule::Allow if can_carry_out && channel != Channel::Cli => ChannelRule::Ask,
            rule => rule,
        }
    }
}

/// The rule where kavi.toml has none.
pub fn default(channel: Channel, class: EffectClass) -> ChannelRule {
    match (channel, class) {
        // A person who types the command is there to see what it writes. Nobody is, for the other
        // channels.
        (_, EffectClass::ReadOnly)
        | (Channel::Cli, EffectClass::FileWrite | EffectClass::Network | EffectClass::SecretRead) => ChannelRule::Allow,
        _ => ChannelRule::Ask,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct File {
        policy: ChannelPolicy,
    }

    fn parse(text: &str) -> Result<ChannelPolicy, toml::de::Error> {
        toml::from_str::<File>(text).map(|file| file.policy)
    }

    #[test]
    fn only_a_person_at_the_command_line_commits_unasked() {
        let channels = ChannelPolicy::default();
        for channel in Channel::ALL {
            for class in EffectClass::ALL {
                let typed = [EffectClass::FileWrite, EffectClass::Network, EffectClass::SecretRead];
                let unasked = class == EffectClass::ReadOnly || (channel == Channel::Cli && typed.contains(&class));
                let expected = if unasked { ChannelRule::Allow } else { ChannelRule::Ask };
                assert_eq!(channels.answer(channel, class), expected, "{channel} {class}");
            }
        }
    }

    #[test]
    fn what_could_carry_notes_out_is_asked_about_where_nobody_types_the_command() -> Result<(), toml::de::Error> {
        let channels = parse("[policy.mcp]\nNETWORK = 'allow'\n[policy.chain]\nNETWORK = 'deny'")?;
        let answer = |channel, can_carry_out| channels.answer_for(channel, EffectClass::Network, can_carry_out);
        assert_eq!((answer(Channel::Mcp, false), answer(Channel::Mcp, true)), (ChannelRule::Allow, ChannelRule::Ask));
        assert_eq!(answer(Channel::Chain, true), ChannelRule::Deny);
        assert_eq!(answer(Channel::Cli, true), ChannelRule::Allow);
        Ok(())
    }

    #[test]
    fn a_table_changes_what_it_names_and_nothing_else() -> Result<(), toml::de::Error> {
        let channels = parse("[policy.chain]\nFILE_WRITE = 'allow'\n[policy.mcp]\nREAD_ONLY = 'deny'")?;
        assert_eq!(channels.answer(Channel::Chain, EffectClass::FileWrite), ChannelRule::Allow);
        assert_eq!(channels.answer(Channel::Mcp, EffectClass::ReadOnly), ChannelRule::Deny);
        assert_eq!(channels.answer(Channel::Mcp, EffectClass::FileWrite), ChannelRule::Ask);
        assert_eq!(channels.answer(Channel::Cli, EffectClass::FileWrite), ChannelRule::Allow);
        Ok(())
    }

    #[test]
    fn unknown_channels_classes_and_answers_and_a_background_that_commits_are_errors() {
        for (bad, said) in [
            ("[policy.window]\nREAD_ONLY = 'allow'", "window"),
            ("[policy.cli]\nread_only = 'allow'", "read_only"),
            ("[policy.cli]\nREAD_ONLY = 'maybe'", "maybe"),
            ("[policy.background]\nFILE_WRITE = 'allow'", "policy.background.FILE_WRITE"),
        ] {
            let error = parse(bad).map_or_else(|error| error.to_string(), |_| String::new());
            assert!(error.contains(said), "{bad}: {error}");
        }
        assert!(parse("[policy.background]\nREAD_ONLY = 'allow'\nFILE_WRITE = 'deny'").is_ok());
    }
}
