//! Grüße, 世界! Пример, مثال, דוגמה — literals and comments in many scripts, and emoji made of several characters.

use kavi_sdk::prelude::*;

const GREETINGS: &[(&str, &str)] = &[
    ("de", "Schöne Grüße, „Welt“ …"),
    ("fr", "Bonjour à tous : « ça va ? »"),
    ("uk", "Привіт, світе"),
    ("ja", "こんにちは、世界"),
    ("he", "שלום עולם"),
    ("ar", "مرحبا بالعالم"),
    ("emoji", "👩‍💻 ❤️ 🏳️‍🌈 1️⃣ 👍🏽"),
    ("escaped", "\u{202e}\u{200b}\u{feff} is fine as an escape"),
];

const SIGNS: [char; 5] = ['é', 'ß', '—', '\'', '\u{a0}'];

#[derive(Deserialize)]
struct Input {
    language: String,
}

#[derive(Serialize)]
struct Output {
    greeting: String,
    signs: usize,
}

fn run(input: Input) -> Result<Output, SkillError> {
    // Ищем язык — „gefunden“ oder nicht.
    let found = GREETINGS.iter().find(|(language, _)| *language == input.language);
    let (_, greeting) = found.ok_or_else(|| SkillError::not_found(format!("no greeting in “{}”", input.language)))?;
    let signs = greeting.chars().filter(|c| SIGNS.contains(c)).count();
    Ok(Output { greeting: (*greeting).to_owned(), signs })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_greeting() {
        let output = run(Input { language: "uk".to_owned() }).unwrap();
        assert_eq!(output.greeting, "Привіт, світе");
    }
}
