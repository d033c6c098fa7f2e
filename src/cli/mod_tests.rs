//! In which form a command line that cannot be parsed is answered.

use super::*;

#[test]
fn a_command_line_that_cannot_be_parsed_is_answered_in_the_form_that_it_asks_for() {
    for (line, expected) in [
        ("kavi list-skills --json --bogus", true),
        ("kavi list --bogus --json", true),
        ("kavi --workspace x effects show --json", true),
        ("kavi cache status --json --bogus", true),
        ("kavi run-skill --json --bogus", false),
        ("kavi run-skill --json --bogus --output json", true),
        ("kavi consume-chain --json", false),
        ("kavi run --output=json", true),
        ("kavi --json", false),
        ("kavi bogus --json", false),
        ("kavi list-skills --bogus", false),
    ] {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        assert!(parse(&args).is_err(), "{line}");
        assert_eq!(wants_json(&args), expected, "{line}");
    }
}

#[test]
fn the_json_flag_counts_at_each_level_and_an_input_is_none() -> Result<(), clap::Error> {
    for (line, expected) in [
        ("kavi list-skills --json", true),
        ("kavi list-skills", false),
        ("kavi cache status --json", true),
        ("kavi cache status", false),
        ("kavi trust signers list --json", true),
        ("kavi improve --json", true),
        ("kavi improve status --json", true),
        ("kavi run-skill read_note --json {}", false),
        ("kavi list-skills --output json", false),
    ] {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        assert_eq!(parse(&args)?.wants_json, expected, "{line}");
    }
    Ok(())
}
