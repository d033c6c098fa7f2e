//! Says where things are.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    text: String,
}

#[derive(Serialize)]
struct Output {
    place: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    Ok(Output {
        place: format!(
            "{:p} {:?}",
            input.text.as_ptr(),
            std::any::TypeId::of::<Input>()
        ),
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn place(text: &str) -> String {
        let got = call(run, json!({ "text": text })).unwrap();
        got["place"].as_str().unwrap().to_owned()
    }

    #[test]
    fn is_an_address() {
        assert!(place("a").starts_with("0x"));
    }

    #[test]
    fn has_digits() {
        assert!(place("abc").chars().any(|c| c.is_ascii_digit()));
    }

    #[test]
    fn names_a_type() {
        assert!(place("abc").contains("TypeId"));
    }
}
