//! The identity block: the text that tells an agent who it is, what it may do, and under which values.
//!
//! Guarantees: the same input gives the same bytes. A value of charter, policy or capabilities is data. No newline, `§`,
//! fence, control or hidden character of it can begin a section, or imitate the closing label. That label is the last thing
//! in the block. A block that is longer than its cap is cut within its values, and says so.
//!
//! Deliberately never: says that something is allowed. What counts is decided where it happens.

use serde_json::Value;

use crate::model::text;
use crate::policy::access::Governance;
use crate::policy::actor_capability::ActorCapability;
use crate::policy::matrix::Actor;
use crate::policy::registry::{self, PolicyValues, tokens};

/// The closing label.
pub const LABEL: &str = "This identity block was assembled by Kavi on session start. The substrate is the source of truth; if \
     anything below conflicts with a fresh substrate query, the substrate query wins.";

/// What marks a cut.
pub const CUT: &str = "[cut: the block is longer than its cap; `kavi context show --full` has all of it]";

/// What an expected key that is not stored shows.
pub const NOT_SEEDED: &str = "<not seeded>";

/// Longest value in one line, in characters.
const MOST_VALUE: usize = 2_000;

/// Why there is no block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The charter or the policy cannot be believed.
    #[error("{0}")]
    Unreadable(String),
    /// It has more tokens than the model may be given.
    #[error("the identity block has {tokens} tokens (UTF-8 bytes / 3), and `{key}` allows {most}")]
    TokenCeiling {
        /// The key.
        key: String,
        /// Its value.
        most: u64,
        /// Those of the block.
        tokens: u64,
    },
}

/// How a block is made.
#[derive(Debug, Clone, Copy)]
pub struct BlockOptions<'a> {
    /// The agent.
    pub actor: &'a Actor,
    /// The model that it is for, where that is known.
    pub model: Option<&'a str>,
    /// Whether it may be longer than the cap.
    pub full: bool,
}

/// Makes the block.
///
/// # Errors
/// [`BlockError`].
pub fn assemble(governance: &Governance, options: BlockOptions<'_>) -> Result<String, BlockError> {
    let charter = governance.charter.as_ref().map_err(|error| BlockError::Unreadable(error.to_string()))?;
    let policy = governance.policy.as_ref().map_err(|error| BlockError::Unreadable(error.to_string()))?;
    let mut sections = Vec::new();
    match charter {
        Some((version, charter)) => {
            let said = &charter.sections;
            sections.push((format!("§1 Identity (Role Charter v{version})"), paragraphs(&said.identity)));
            sections
                .push(("§2 You CAN".to_owned(), said.authority_can_do.iter().map(|item| list_item(item)).collect()));
            let cannot = said.authority_cannot_do.iter().map(|item| list_item(item)).collect();
            sections.push(("§3 You CANNOT".to_owned(), cannot));
        }
        None => {
            let none = || vec!["(this workspace has no role charter)".to_owned()];
            sections.push(("§1 Identity (no Role Charter)".to_owned(), none()));
            sections.push(("§2 You CAN".to_owned(), none()));
            sections.push(("§3 You CANNOT".to_owned(), none()));
        }
    }
    sections.push(("§4 Active policy values".to_owned(), policy_lines(policy)));
    let granted = governance.matrix.granted(options.actor);
    let title = format!("§5 Granted capabilities ({} of {})", granted.len(), ActorCapability::ALL.len());
    sections.push((title, granted.iter().map(|capability| format!("- {capability}")).collect()));
    // In bytes, for a person's eye. The ceiling below is in tokens, and holds for the whole block
    // as well.
    let cap = if options.full { u64::MAX } else { policy.block_cap() };
    let block = render(&sections, usize::try_from(cap).unwrap_or(usize::MAX));
    check_ceiling(policy, options.model, &block)?;
    Ok(block)
}

fn check_ceiling(policy: &PolicyValues, model: Option<&str>, block: &str) -> Result<(), BlockError> {
    let model = model.unwrap_or("default");
    let Some(most) = policy.token_ceiling(model) else { return Ok(()) };
    let tokens = tokens(block);
    match tokens <= most {
        true => Ok(()),
        false => Err(BlockError::TokenCeiling { key: format!("{}{model}", registry::TOKEN_CEILING), most, tokens }),
    }
}

/// One line of data. What could begin a section or a fence is replaced, because no escape of it would be read as one.
fn data(value: &str) -> String {
    let line = text::line(value.trim(), MOST_VALUE);
    // A model reads the text as it is. So nothing that it could take for the form of the block may
    // be left, escaped or not.
    line.replace('§', "\\u{a7}").replace('`', "'").replace("~~~", "\\~~~")
}

/// Every line of a text, indented: no line of it begins where a section does.
fn paragraphs(value: &str) -> Vec<String> {
    value.lines().map(|line| format!("  {}", data(line)).trim_end().to_owned()).collect()
}

fn list_item(value: &str) -> String {
    format!("- {}", data(value))
}

/// Each expected key, and each stored one, in the order of their names.
fn policy_lines(policy: &PolicyValues) -> Vec<String> {
    let mut names = registry::expected_keys();
    names.extend(policy.all().map(|(name, _)| name.to_owned()));
    names.sort();
    names.dedup();
    let value = |name: &str| match policy.stored(name) {
        Some(Value::String(value)) => data(value),
        Some(value) => data(&value.to_string()),
        None => NOT_SEEDED.to_owned(),
    };
    names.iter().map(|name| format!("{} = {}", data(name), value(name))).collect()
}

/// The sections under their titles, and the label. Lines are left out from the longest section until it fits.
fn render(sections: &[(String, Vec<String>)], cap: usize) -> String {
    let mut kept: Vec<usize> = sections.iter().map(|(_, lines)| lines.len()).collect();
    let of_lines = |lines: &[String]| lines.iter().map(|line| line.len() + 1).sum::<usize>();
    let mut sizes: Vec<usize> = sections.iter().map(|(_, lines)| of_lines(lines)).collect();
    // Counted down from here: to write the block again for each line would take minutes for a long
    // charter.
    let mut total = write(sections, &kept).len();
    while total > cap {
        // Titles and label are far below the smallest cap, so there is always a line to leave out.
        let Some(index) = (0..sections.len()).filter(|index| kept[*index] > 0).max_by_key(|index| sizes[*index]) else {
            break;
        };
        let lines = &sections[index].1;
        let size = lines[kept[index] - 1].len() + 1;
        // The first line that is left out of a section brings the mark of the cut.
        if kept[index] == lines.len() {
            total += CUT.len() + 1;
        }
        kept[index] -= 1;
        sizes[index] -= size;
        total -= size;
    }
    write(sections, &kept)
}

fn write(sections: &[(String, Vec<String>)], kept: &[usize]) -> String {
    let mut block = String::new();
    for ((title, lines), kept) in sections.iter().zip(kept) {
        block.push_str(title);
        block.push('\n');
        for line in &lines[..*kept] {
            block.push_str(line);
            block.push('\n');
        }
        if *kept < lines.len() {
            block.push_str(CUT);
            block.push('\n');
        }
        block.push('\n');
    }
    block.push_str(LABEL);
    block.push('\n');
    block
}

#[cfg(test)]
#[path = "identity_block_tests.rs"]
mod tests;
