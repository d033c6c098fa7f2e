//! The files that `kavi new` writes: a working skill crate, for a person to change.
//!
//! Guarantees: the crate builds with plain cargo. The example, for a skill without a proposal, passes the gates unchanged. Deliberately never: writes or reads a
//! file. The caller does, and must not replace an existing one.

mod from_spec;

use crate::model::{name::SkillName, spec::SkillSpec};

/// The files of a new skill, by path relative to the Kavi workspace.
pub fn files(name: &SkillName) -> Vec<(String, String)> {
    let crate_files = [("Cargo.toml", include_str!("Cargo.toml.in")), ("src/lib.rs", include_str!("lib.rs.in"))];
    crate_files
        .into_iter()
        .map(|(path, text)| (format!("skills/{name}/{path}"), text.replace("{{name}}", name.as_str())))
        .collect()
}

/// The same for a skill whose specification is there: with the types of its input and output, and without what it does.
pub fn files_for(spec: &SkillSpec) -> Vec<(String, String)> {
    let mut files = files(&spec.name);
    for (path, text) in &mut files {
        if path.ends_with("src/lib.rs") {
            *text = from_spec::source(spec);
        }
    }
    files
}

/// The files that all skills share, by path relative to the Kavi workspace. The caller writes those that are missing.
///
/// They expect the files of [`sdk_sources`](super::sdk_sources) in `.kavi/`.
pub fn shared_files() -> [(&'static str, &'static str); 3] {
    [
        ("skills/Cargo.toml", include_str!("skills-Cargo.toml.in")),
        ("skills/rustfmt.toml", include_str!("rustfmt.toml.in")),
        ("skills/.gitignore", include_str!("gitignore.in")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::InvalidName;

    #[test]
    fn every_placeholder_is_filled() -> Result<(), InvalidName> {
        let files = files(&SkillName::parse("tidy_inbox")?);
        let paths: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["skills/tidy_inbox/Cargo.toml", "skills/tidy_inbox/src/lib.rs"]);
        for (path, text) in &files {
            assert!(!text.contains("{{name}}") && text.contains("tidy_inbox"), "{path}");
        }
        Ok(())
    }

    #[test]
    fn the_skills_of_this_repository_are_made_the_same_way() -> Result<(), InvalidName> {
        let files = files(&SkillName::parse("write_note")?);
        assert_eq!(files[0].1, include_str!("../../../skills/write_note/Cargo.toml"));
        let [(_, workspace), (_, style), _] = shared_files();
        assert_eq!(style, include_str!("../../../skills/rustfmt.toml"));
        // Here the SDK lies in the open; everything below the first line is the same otherwise.
        let here = workspace.replace("../.kavi/sdk", "../sdk");
        let below = |text: &str| text.split_once('\n').map(|(_, rest)| rest.to_owned());
        assert_eq!(below(&here), below(include_str!("../../../skills/Cargo.toml")));
        Ok(())
    }
}
