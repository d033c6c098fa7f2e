//! Takes a rewritten text out of a model's answer: what is in its one fence of Markdown, by the rules of CommonMark.
//!
//! Guarantees: a fence ends at a line with at least as many of the same character, and nothing behind them. So a fence inside of
//! the text survives, and an answer that was cut off has no text. Two texts in one answer are none: nobody knows which is meant.
//!
//! Deliberately never: repairs an answer.

/// Longest answer that is read, in bytes.
pub const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Why an answer has no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoFencedText {
    /// It is too long.
    #[error("the answer has {0} bytes, {MAX_ANSWER_BYTES} are read")]
    TooLong(usize),
    /// It has no fence.
    #[error("the answer has no fence of Markdown")]
    Missing,
    /// It has several.
    #[error("the answer has {0} fences, and one is wanted")]
    Several(usize),
    /// Its fence has another language.
    #[error("the fence of the answer is not marked as `markdown`")]
    OtherLanguage,
    /// Its fence does not end.
    #[error("the fence of the answer does not end")]
    Unclosed,
    /// Nothing is in its fence.
    #[error("the fence of the answer is empty")]
    Empty,
}

/// A line that opens a fence.
#[derive(Debug, Clone, Copy)]
struct FenceStart<'a> {
    mark: char,
    length: usize,
    language: &'a str,
}

fn opens(line: &str) -> Option<FenceStart<'_>> {
    let inner = line.trim_start_matches(' ');
    // Four spaces make a block of code, and more than that is no fence.
    if line.len() - inner.len() > 3 {
        return None;
    }
    let mark = inner.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = inner.trim_start_matches(mark);
    let (length, language) = (inner.len() - rest.len(), rest.trim());
    let is_span = mark == '`' && rest.contains('`');
    (length >= 3 && !is_span).then_some(FenceStart { mark, length, language })
}

fn closes(line: &str, start: FenceStart<'_>) -> bool {
    let end = opens(line);
    end.is_some_and(|end| end.mark == start.mark && end.length >= start.length && end.language.is_empty())
}

/// The text in the one fence of an answer.
///
/// # Errors
/// [`NoFencedText`].
pub fn text_of(answer: &str) -> Result<String, NoFencedText> {
    block_of(answer, "markdown")
}

/// The text in the one fence of an answer that is marked with a language.
///
/// # Errors
/// [`NoFencedText`].
pub fn block_of(answer: &str, language: &str) -> Result<String, NoFencedText> {
    if answer.len() > MAX_ANSWER_BYTES {
        return Err(NoFencedText::TooLong(answer.len()));
    }
    let answer = answer.replace("\r\n", "\n");
    let mut lines = answer.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let Some(start) = opens(line) else { continue };
        let mut body = String::new();
        let mut is_closed = false;
        for line in lines.by_ref() {
            if closes(line, start) {
                is_closed = true;
                break;
            }
            body.push_str(line);
            body.push('\n');
        }
        found.push((start.language.to_owned(), is_closed, body));
    }
    match found.as_slice() {
        [] => Err(NoFencedText::Missing),
        [(_, false, _)] => Err(NoFencedText::Unclosed),
        [(found, true, _)] if found != language => Err(NoFencedText::OtherLanguage),
        [(_, true, body)] if body.trim().is_empty() => Err(NoFencedText::Empty),
        [(_, true, body)] => Ok(body.clone()),
        several => Err(NoFencedText::Several(several.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_one_fence_is_taken_and_inner_fences_survive() {
        let text = |answer: &str| text_of(answer);
        assert_eq!(text("Here:\n```markdown\n# a\n\nb\n```\nDone."), Ok("# a\n\nb\n".to_owned()));
        let inner = "````markdown\n# a\n\n```json\n{}\n```\n\n# b\n````";
        assert_eq!(text(inner), Ok("# a\n\n```json\n{}\n```\n\n# b\n".to_owned()));
        assert_eq!(text("~~~markdown\n```sh\nx\n```\n~~~"), Ok("```sh\nx\n```\n".to_owned()));
        assert_eq!(text("```markdown\r\n# a\r\n```\r\n"), Ok("# a\n".to_owned()));
    }

    #[test]
    fn what_is_not_one_whole_text_is_none() {
        use NoFencedText as No;
        for (answer, expected) in [
            ("# a", No::Missing),
            ("", No::Missing),
            ("look: ```markdown\n# a\n", No::Missing),
            ("    ```markdown\n    # a\n    ```", No::Missing),
            ("```markdown\n# a\n", No::Unclosed),
            ("````markdown\n# a\n```\n", No::Unclosed),
            ("```markdown\n# a\n~~~\n", No::Unclosed),
            ("```markdown\n\n \n```", No::Empty),
            ("```\n# a\n```", No::OtherLanguage),
            ("```markdownx\n# a\n```", No::OtherLanguage),
            ("```md\n# a\n```", No::OtherLanguage),
            ("```json\n{}\n```", No::OtherLanguage),
            ("```markdown\n# a\n```\n```markdown\n# b\n```", No::Several(2)),
            ("```sh\nx\n```\n```markdown\n# b\n```", No::Several(2)),
            // An inner fence of the same length ends the outer one, so the rest is another fence.
            ("```markdown\n# a\n```json\n{}\n```\n# b\n```", No::Several(2)),
        ] {
            assert_eq!(text_of(answer), Err(expected), "{answer:?}");
        }
        assert_eq!(text_of(&"x".repeat(2 << 20)), Err(No::TooLong(2 << 20)));
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_reader_panic(answer in "(```markdown|```|~~~|#| |a|\n|`|\r)*") {
            let _ = text_of(&answer);
        }

        #[test]
        fn what_is_fenced_is_read_back(body in "[a-z#` \n]{1,200}") {
            prop_assume!(!body.trim().is_empty());
            let fence = "`".repeat(300);
            let text = text_of(&format!("{fence}markdown\n{body}\n{fence}\n"));
            prop_assert_eq!(text.map(|text| text.trim_end().to_owned()), Ok(body.trim_end().to_owned()));
        }
    }
}
