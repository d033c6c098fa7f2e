//! expect: policy/test
//! Its test never runs.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.title.len();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    #[test]
    #[ignore = "slow"]
    fn works() {
        assert!(false);
    }
}
