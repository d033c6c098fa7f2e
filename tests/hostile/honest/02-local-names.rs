//! Names of its own that are names of closed modules elsewhere: fs, env, process, Command, std, thread.

use kavi_sdk::prelude::*;

mod fs {
    /// Not a file: a full stop.
    pub fn read(text: &str) -> Option<&str> {
        text.split('.').next()
    }
}

mod process {
    #[derive(Debug, Default)]
    pub struct Command {
        pub name: String,
        args: Vec<String>,
    }

    impl Command {
        pub fn new(name: &str) -> Self {
            Self { name: name.to_owned(), ..Self::default() }
        }

        pub fn arg(&mut self, arg: impl Into<String>) -> &mut Self {
            self.args.push(arg.into());
            self
        }

        pub fn spawn(&self) -> String {
            format!("{} {}", self.name, self.args.join(" "))
        }
    }
}

use process::Command;

#[derive(Deserialize)]
struct Input {
    values: Vec<f64>,
    env: Option<String>,
}

#[derive(Serialize)]
struct Output {
    mean: f64,
    std: f64,
    command: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let n = input.values.len() as f64;
    if input.values.is_empty() {
        return Err(SkillError::invalid_input("no values"));
    }
    let mean = input.values.iter().sum::<f64>() / n;
    let std = (input.values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let env = input.env.as_deref().and_then(fs::read).unwrap_or("none");
    let thread = env.len();
    let process = Command::new("show").arg(env).arg(thread.to_string()).spawn();
    Ok(Output { mean, std, command: process })
}

kavi_sdk::export_skill!(run);
