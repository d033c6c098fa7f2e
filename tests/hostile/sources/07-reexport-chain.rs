//! expect: policy/path
//! Hides a closed module behind two modules of its own.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

mod outer {
    pub mod inner {
        pub use std::net as wires;
    }
    pub use inner::wires;
}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = crate::outer::wires::TcpStream::connect("127.0.0.1:22");
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
