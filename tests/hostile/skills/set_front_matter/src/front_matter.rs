//! A note as its front matter and its body.

use std::fmt;

use kavi_sdk::prelude::*;

const FENCE: &str = "---";

/// A note taken apart.
#[derive(Debug, PartialEq)]
pub struct Document<'a> {
    lines: Vec<String>,
    body: &'a str,
    has_fence: bool,
}

/// The key of a top-level field, if the line begins one.
fn key_of(line: &str) -> Option<&str> {
    let (key, _) = line.split_once(':')?;
    (!key.is_empty() && !key.starts_with([' ', '#', '-'])).then_some(key.trim_end())
}

impl<'a> Document<'a> {
    /// Takes a note apart.
    ///
    /// # Errors
    /// Failed when the front matter never ends.
    pub fn parse(text: &'a str) -> Result<Self, SkillError> {
        let Some(mut rest) = text.strip_prefix("---\n") else {
            return Ok(Self {
                lines: Vec::new(),
                body: text,
                has_fence: false,
            });
        };
        let mut lines = Vec::new();
        while let Some((line, after)) = rest.split_once('\n') {
            if line.trim_end() == FENCE {
                return Ok(Self {
                    lines,
                    body: after,
                    has_fence: true,
                });
            }
            lines.push(line.to_owned());
            rest = after;
        }
        if rest.trim_end() == FENCE {
            return Ok(Self {
                lines,
                body: "",
                has_fence: true,
            });
        }
        Err(SkillError::failed("the front matter does not end"))
    }

    /// Sets a field, and gives the text it had before.
    pub fn set(&mut self, key: &str, value: &str) -> Option<String> {
        let line = format!("{key}: {value}");
        self.has_fence = true;
        let Some(at) = self.lines.iter().position(|line| key_of(line) == Some(key)) else {
            self.lines.push(line);
            return None;
        };
        let continued = self
            .lines
            .iter()
            .skip(at + 1)
            .take_while(|line| line.starts_with([' ', '-']))
            .count();
        let old: Vec<String> = self.lines.splice(at..=at + continued, [line]).collect();
        let old = old.join("\n");
        let (_, previous) = old.split_once(':')?;
        Some(previous.trim().to_owned())
    }
}

impl fmt::Display for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_fence {
            writeln!(f, "{FENCE}")?;
            for line in &self.lines {
                writeln!(f, "{line}")?;
            }
            writeln!(f, "{FENCE}")?;
        }
        f.write_str(self.body)
    }
}
