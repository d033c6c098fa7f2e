//! expect: policy/test
//! The tests call a macro of the skill that gives its type another method.

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

macro_rules! strict {
    ($t:ty) => {
        impl $t {
            fn fine(&self) -> bool {
                self.title.len() < 10
            }
        }
    };
}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.fine();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;

    strict!(Input);
}
