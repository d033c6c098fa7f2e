//! The `kavi` program: parse, wire, map the outcome to an exit code. Everything else is in the library.

use std::process::ExitCode;

use kavi::app::Host;
use kavi::mcp::McpServer;
use kavi::workspace::Environment;

fn main() -> ExitCode {
    // Children of Kavi's own come first: before any thread, and before the environment is looked at.
    let (input, output, errors) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    if let Some(code) = kavi::app::child_entry(std::env::args_os(), input, output, errors) {
        return code;
    }
    let environment = Environment::read();
    match (std::env::current_exe(), std::env::current_dir()) {
        (Ok(exe), Ok(cwd)) => {
            let host = Host { exe, environment, cwd };
            kavi::cli::run(std::env::args_os(), host, &McpServer)
        }
        (Err(error), _) => {
            kavi::cli::cannot_start(std::env::args_os(), "this program's own file cannot be found", &error)
        }
        (_, Err(error)) => kavi::cli::cannot_start(std::env::args_os(), "the current folder cannot be read", &error),
    }
}
