//! expect: policy/test
//! The tests give a type of the skill a method that wins over its trait's.

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
    fn fine(&self) -> bool {
        true
    }
}
impl Check for Input {}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.fine();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;

    impl Input {
        fn fine(&self) -> bool {
            self.title.len() < 10
        }
    }
}
