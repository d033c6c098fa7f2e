//! Asks WASI for everything that a skill could ask it for, and prints one line for each answer: `operation = answer`.
//! Compiled by the tests with `rustc --target wasm32-wasip2`; the bindings are made from the host's own WIT.

mod ambient;
#[allow(warnings)]
mod bindings;
mod descriptors;
mod folders;
mod paths;
mod report;
#[allow(dead_code)]
mod runtime;
mod streams;

fn main() {
    let arguments: Vec<String> = bindings::wasi::cli::environment::get_arguments();
    match arguments.get(1).map(String::as_str) {
        None => {
            ambient::report();
            descriptors::report();
            folders::report();
            streams::report();
            paths::report();
        }
        Some("end") => ambient::end(arguments.get(2).map_or("", String::as_str)),
        Some("use") => folders::use_up(arguments.get(2).map_or("", String::as_str)),
        Some(other) => println!("unknown argument {other}"),
    }
}
