//! Answers with the environment, the arguments and standard input. All of them must be empty.

use std::io::Read;

use kavi_sdk::prelude::*;

fn run(_: Value) -> Result<Value, SkillError> {
    let variables: Vec<_> = std::env::vars().collect();
    let arguments: Vec<_> = std::env::args().collect();
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    Ok(json!({ "variables": variables, "arguments": arguments, "input": input }))
}

kavi_sdk::export_skill!(run);
