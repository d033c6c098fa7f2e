//! What the agents' front may reach: the door that it is given, and nothing that a person alone may do.

use proc_macro2::{TokenStream, TokenTree};

use super::mentions::{Kind, Mention};

/// The front for agents.
pub const FRONT: &str = "mcp";

/// All that it may name of `app`.
const DOOR: &[&str] = &[
    "AgentApi",
    "AgentCall",
    "AgentFiles",
    "AgentOpinion",
    "AgentRun",
    "AgentServer",
    "AgentServerError",
    "AgentSkill",
    "CallFailure",
    "FairQueue",
    "FileDiff",
    "HttpAddress",
    "HttpAgentServer",
    "HttpServing",
    "OwnedEntry",
    "PersonAnswer",
    "Proposal",
    "QueueLimits",
    "ReplyFn",
    "Settlement",
    "Submission",
    "Submitted",
    "TlsPem",
    "ToolListing",
];

/// What a person alone does, and what it is done with. No name in the front is one of these, wherever it comes from.
const A_PERSONS: &[&str] = &[
    "App",
    "Approver",
    "Consent",
    "Doors",
    "Host",
    "Ledger",
    "PromotionReport",
    "Shown",
    "Then",
    "UndoPlan",
    "acknowledge",
    "approve",
    "narrow",
    "policy",
    "promote",
    "promotion",
    "reject",
    "resume",
    "revoke",
    "rollback",
    "stop",
    "undo",
    "undo_plan",
];

/// Names that the SDK gives to something else, where it has to be named so.
const THE_SDKS: &[(&str, &str)] = &[
    // Taking up a stream of events that broke off.
    ("src/mcp/http/sessions.rs", "resume"),
];

/// Whether this word is the SDK's in this file.
pub fn is_the_sdks(file: &str, word: &str) -> bool {
    THE_SDKS.contains(&(file, word))
}

/// Whether the front reaches past its door with this.
pub fn is_past_the_door(mention: &Mention) -> bool {
    let names: Vec<&str> = mention.path.iter().map(String::as_str).collect();
    match names.as_slice() {
        ["crate", "app", name, ..] => !DOOR.contains(name),
        // The module itself, or all that is in it.
        ["crate", "app"] => true,
        ["crate"] => mention.kind != Kind::Path,
        _ => false,
    }
}

/// The words of a person's that stand in a file, with their lines.
pub fn words_of_a_persons(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    if let Ok(tokens) = text.parse::<TokenStream>() {
        look(tokens, &mut found);
    }
    found
}

fn look(tokens: TokenStream, found: &mut Vec<(usize, String)>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => look(group.stream(), found),
            TokenTree::Ident(ident) if A_PERSONS.iter().any(|word| ident == word) => {
                found.push((ident.span().start().line, ident.to_string()));
            }
            _ => {}
        }
    }
}
