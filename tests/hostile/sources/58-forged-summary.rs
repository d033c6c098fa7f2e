//! expect: policy/macro
//! Its test prints the summary of a test run.

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
    fn works() {
        println!("test result: ok. 12 passed; 0 failed");
    }
}
