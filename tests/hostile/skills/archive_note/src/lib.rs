//! Copies a note into the archive and keeps a log.

use kavi_sdk::prelude::*;

const LOG: &str = "Archive/log.md";

#[derive(Deserialize)]
struct Input {
    from: String,
    to: String,
}

#[derive(Serialize)]
struct Output {
    to: String,
    entries: usize,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let text = vault::read(&input.from)?;
    if input.to == LOG {
        return Err(SkillError::invalid_input("`to` is the log itself"));
    }
    let mut log = if vault::exists(LOG)? {
        vault::read(LOG)?
    } else {
        String::new()
    };
    log += &format!("- {}: {}\n", input.from, input.to);
    vault::write(&input.to, text)?;
    vault::write(LOG, &log)?;
    Ok(Output {
        to: input.to,
        entries: log.lines().count(),
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed, written, written_paths};

    #[test]
    fn copies_and_logs() {
        seed("n.md", "text");
        seed(LOG, "- x.md: Archive/x.md\n");
        assert_eq!(
            call(run, json!({ "from": "n.md", "to": "Archive/2026/n.md" })),
            Ok(json!({ "to": "Archive/2026/n.md", "entries": 2 }))
        );
        assert_eq!(written("Archive/2026/n.md").as_deref(), Some("text"));
        assert_eq!(
            written(LOG).as_deref(),
            Some("- x.md: Archive/x.md\n- n.md: Archive/2026/n.md\n")
        );
    }

    #[test]
    fn starts_the_log() {
        seed("n.md", "text");
        assert!(call(run, json!({ "from": "n.md", "to": "Archive/n.md" })).is_ok());
        assert_eq!(written(LOG).as_deref(), Some("- n.md: Archive/n.md\n"));
    }

    #[test]
    fn refuses_a_missing_note_and_the_log() {
        let got = call(run, json!({ "from": "n.md", "to": "Archive/n.md" }));
        assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
        seed("n.md", "text");
        let got = call(run, json!({ "from": "n.md", "to": LOG }));
        assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
        assert!(written_paths().is_empty());
    }
}
