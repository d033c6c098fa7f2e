//! Gives the beginning of a text on one line.

use kavi_sdk::prelude::*;

const MAX_CHARS: usize = 200;

#[derive(Deserialize)]
struct Input {
    text: String,
}

#[derive(Serialize)]
struct Output {
    excerpt: String,
    cut: bool,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let words: Vec<&str> = input.text.split_whitespace().collect();
    let line = words.join(" ");
    let cut = line.chars().count() > MAX_CHARS;
    let mut excerpt: String = line.chars().take(MAX_CHARS).collect();
    if cut {
        excerpt.push('…');
    }
    Ok(Output { excerpt, cut })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    #[test]
    fn a_short_text_is_put_on_one_line() {
        let output = call(run, json!({ "text": "  one\n two " }));
        assert_eq!(output, Ok(json!({ "excerpt": "one two", "cut": false })));
    }

    #[test]
    fn a_long_text_is_cut() {
        let output = call(run, json!({ "text": "ä".repeat(201) })).unwrap();
        assert_eq!(output["cut"], true);
        assert_eq!(output["excerpt"], format!("{}…", "ä".repeat(200)));
    }

    #[test]
    fn an_empty_text_has_an_empty_excerpt() {
        let output = call(run, json!({ "text": "" }));
        assert_eq!(output, Ok(json!({ "excerpt": "", "cut": false })));
    }
}
