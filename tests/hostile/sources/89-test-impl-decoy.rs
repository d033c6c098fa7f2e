//! expect: policy/test
//! The tests implement for a foreign type behind a decoy of the same name.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

trait Check {
    fn fine(&self) -> bool;
}
impl Check for &Vec<u8> {
    fn fine(&self) -> bool {
        true
    }
}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = (&input.title.into_bytes()).fine();
    let input = Input { title: String::new() };
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    mod decoy {
        struct Vec;
    }

    impl super::Check for Vec<u8> {
        fn fine(&self) -> bool {
            false
        }
    }
}
