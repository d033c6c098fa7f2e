//! `prompts/list` and `prompts/get`: how to write a good proposal.

use rmcp::model::{ErrorData, GetPromptRequestParams, GetPromptResult, Prompt, PromptArgument, PromptMessage, Role};

use crate::model::text;

const PROMPT: &str = "write_proposal";

/// The one prompt.
pub(super) fn prompt() -> Prompt {
    let task = PromptArgument::new("task").with_description("The task that needs a skill.").with_required(false);
    Prompt::new(PROMPT, Some("How to write a proposal for a skill that a person will promote."), Some(vec![task]))
}

const ADVICE: &str = "\
Write a proposal for one skill and send it with propose_skill.

1. Check with find_skill or the list of tools that no trusted skill does it, alone or in a sequence.
2. One skill does one thing. Name it by what it does: verb and object, lower case, `_` between words.
3. Request the least class that is enough: READ_ONLY when it changes nothing; FILE_WRITE only with the few folders that it \
writes below. A skill has no network and starts no program.
4. Describe input and output as exactly as a schema can: lengths, ranges, patterns, optional members. Objects are closed.
5. Give two to five examples: the usual case, an empty one, and one that must fail. For a skill that reads, put the files that \
it reads into `vault`. Examples become tests; a wrong one makes every attempt fail.
6. Say in `why` what you could not do without it and how often. A person reads this and may say no.

A person does the rest: build, verification, promotion. Query the state with skill_status; do not ask the person.";

/// The prompt's text.
pub(super) fn get_prompt(request: &GetPromptRequestParams) -> Result<GetPromptResult, ErrorData> {
    if request.name != PROMPT {
        return Err(ErrorData::invalid_params(format!("there is no prompt {}", text::line(&request.name, 100)), None));
    }
    let task = request.arguments.as_ref().and_then(|arguments| arguments.get("task")).and_then(|task| task.as_str());
    let task = task.map(|task| format!("\n\nThe task: {}", text::block(task, 4_000))).unwrap_or_default();
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, format!("{ADVICE}{task}"))]))
}
