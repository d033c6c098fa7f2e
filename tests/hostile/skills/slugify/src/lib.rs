//! Turns a title into a URL slug.

use kavi_sdk::prelude::*;

const DEFAULT_MAX_LENGTH: usize = 80;

#[derive(Deserialize)]
struct Input {
    title: String,
    max_length: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Output {
    slug: String,
}

/// The ASCII spelling of a letter, or `None` when it separates words.
fn transliterate(letter: char) -> Option<&'static str> {
    Some(match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => "a",
        'ç' => "c",
        'è' | 'é' | 'ê' | 'ë' => "e",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'ñ' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => "o",
        'ù' | 'ú' | 'û' | 'ü' => "u",
        'ý' | 'ÿ' => "y",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        _ => return None,
    })
}

fn words(title: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for letter in title.chars().flat_map(char::to_lowercase) {
        if letter.is_ascii_alphanumeric() {
            word.push(letter);
        } else if let Some(ascii) = transliterate(letter) {
            word.push_str(ascii);
        } else if letter == '\'' || letter == '’' {
            continue;
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Joins as many words as fit. A first word that is too long is cut.
fn join_within(words: &[String], max_length: usize) -> String {
    let mut slug = String::new();
    for word in words {
        if slug.is_empty() {
            slug.extend(word.chars().take(max_length));
        } else if slug.len() + 1 + word.len() <= max_length {
            slug.push('-');
            slug.push_str(word);
        } else {
            break;
        }
    }
    slug
}

fn run(input: Input) -> Result<Output, SkillError> {
    let max_length = input.max_length.unwrap_or(DEFAULT_MAX_LENGTH);
    if max_length == 0 {
        return Err(SkillError::invalid_input("`max_length` is zero"));
    }
    let slug = join_within(&words(&input.title), max_length);
    if slug.is_empty() {
        return Err(SkillError::invalid_input(
            "`title` has no letter or digit that a slug can hold",
        ));
    }
    Ok(Output { slug })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn slug(title: &str) -> String {
        let output = call(run, json!({ "title": title })).unwrap();
        output["slug"].as_str().unwrap().to_owned()
    }

    #[test]
    fn joins_words_with_single_hyphens() {
        assert_eq!(slug("Hello, World!"), "hello-world");
        assert_eq!(slug("  a -- b__c  "), "a-b-c");
    }

    #[test]
    fn strips_accents_and_spells_out_ligatures() {
        assert_eq!(slug("Crème Brûlée"), "creme-brulee");
        assert_eq!(slug("Straße Ærø Œuvre"), "strasse-aero-oeuvre");
        assert_eq!(
            slug("Ñandú Çava Þing Ýmir Ísland"),
            "nandu-cava-ing-ymir-island"
        );
    }

    #[test]
    fn apostrophes_do_not_split_words() {
        assert_eq!(slug("Don't Stop"), "dont-stop");
        assert_eq!(slug("Don’t Stop"), "dont-stop");
    }

    #[test]
    fn cuts_at_a_word_boundary() {
        let cut = |max: usize| call(run, json!({ "title": "one two three", "max_length": max }));
        assert_eq!(cut(7), Ok(json!({ "slug": "one-two" })));
        assert_eq!(cut(9), Ok(json!({ "slug": "one-two" })));
        assert_eq!(cut(2), Ok(json!({ "slug": "on" })));
        assert_eq!(cut(13), Ok(json!({ "slug": "one-two-three" })));
    }

    #[test]
    fn the_default_length_is_eighty() {
        assert_eq!(slug(&"x".repeat(100)).len(), 80);
    }

    #[test]
    fn refuses_a_title_without_letters() {
        for title in ["", "!!!", "日本"] {
            let got = call(run, json!({ "title": title }));
            assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
        }
        let zero = call(run, json!({ "title": "a", "max_length": 0 }));
        assert!(matches!(zero, Err(SkillError::InvalidInput(_))), "{zero:?}");
    }
}
