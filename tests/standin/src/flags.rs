//! Takes the flags that the real program takes, and nothing but the locked-down set that Kavi promises.

use std::{collections::BTreeMap, env};

/// Flags without a value that must be there.
const SWITCHES: &[&str] = &[
    "--verbose",
    "--restricted",
    "--safe-mode",
    "--strict-mcp-config",
    "--disable-slash-commands",
    "--no-session-persistence",
];

/// Flags with a value that must be there, and the one value they may have where there is only one.
const SETTINGS: &[(&str, Option<&str>)] = &[
    ("--output-format", Some("stream-json")),
    ("--model", None),
    ("--setting-sources", Some("")),
    ("--tools", Some("Read,Edit,Write,Glob,Grep")),
    ("--permission-mode", Some("acceptEdits")),
    ("--permission-prompts", Some("none")),
    ("--max-turns", None),
    ("--max-budget-usd", None),
    ("--append-system-prompt", None),
];

/// The whole environment: all of it must be there, and nothing else.
const ENVIRONMENT: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "API_TIMEOUT_MS",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "CLAUDE_CODE_MAX_RETRIES",
    "DISABLE_AUTOUPDATER",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_TELEMETRY",
    "HOME",
    "PATH",
    "TMPDIR",
];

/// What the stand-in uses of them.
pub struct Flags {
    pub model: String,
}

/// Parses the arguments after the program's name.
pub fn parse(args: &[String]) -> Result<Flags, String> {
    let mut given: BTreeMap<&str, &str> = BTreeMap::new();
    let mut rest = args.iter().map(String::as_str);
    while let Some(flag) = rest.next() {
        let value = match flag {
            "-p" => "",
            _ if SWITCHES.contains(&flag) => "",
            _ if SETTINGS.iter().any(|(name, _)| *name == flag) => {
                rest.next().ok_or(format!("error: option '{flag} <value>' argument missing"))?
            }
            _ if flag.starts_with('-') => return Err(format!("error: unknown option '{flag}'")),
            _ => return Err("error: the prompt belongs on standard input".to_owned()),
        };
        if given.insert(flag, value).is_some() {
            return Err(format!("error: option '{flag}' was given twice"));
        }
    }
    check(&given)?;
    Ok(Flags { model: given["--model"].to_owned() })
}

fn check(given: &BTreeMap<&str, &str>) -> Result<(), String> {
    if given.contains_key("--output-format") && !given.contains_key("--verbose") {
        return Err("Error: When using --print, --output-format=stream-json requires --verbose".to_owned());
    }
    for flag in SWITCHES.iter().chain(&["-p"]) {
        given.get(flag).ok_or(format!("error: not locked down: '{flag}' is missing"))?;
    }
    for (flag, only) in SETTINGS {
        let value = given.get(flag).ok_or(format!("error: not locked down: '{flag}' is missing"))?;
        if only.is_some_and(|only| only != *value) {
            return Err(format!("error: option '{flag}' argument '{value}' is invalid"));
        }
    }
    let turns = given["--max-turns"].parse::<u32>().is_ok_and(|turns| turns > 0);
    let budget = given["--max-budget-usd"].parse::<f64>().is_ok_and(|budget| budget > 0.0);
    if turns && budget { Ok(()) } else { Err("error: a limit must be a number greater than 0".to_owned()) }
}

/// Refuses an environment with more or less in it than promised.
pub fn check_environment() -> Result<(), String> {
    for name in ENVIRONMENT {
        env::var(name).map_err(|_| format!("error: ${name} is missing"))?;
    }
    let expected = |name: &String| ENVIRONMENT.contains(&name.as_str());
    let extra = env::vars().map(|(name, _)| name).find(|name| !expected(name));
    extra.map_or(Ok(()), |name| Err(format!("error: ${name} should not be here")))
}
