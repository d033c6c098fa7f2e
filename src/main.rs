use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = kavi::cage::child_entry(std::env::args_os()) {
        return code;
    }
    ExitCode::SUCCESS
}
