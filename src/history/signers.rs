//! Who may sign decisions: the `allowed_signers` of OpenSSH, with the options that Kavi uses.
//!
//! Guarantees: a line with an option that is not understood is an error, so no restriction is ever ignored. Deliberately never:
//! reads certificates or patterns of names; a principal is one name.

use serde::{Deserialize, Serialize};

use super::ssh_key::{SshKeyError, SshPublicKey};

/// Most signers of a list.
const MAX_SIGNERS: usize = 100;
/// Longest text of a list, in bytes.
pub const MAX_SIGNERS_TEXT: usize = 256 << 10;

/// Why a list of signers cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignersError {
    /// A line of it.
    #[error("line {line} of the signers: {why}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// Too many, or too long.
    #[error("the list of signers is too long")]
    TooLong,
}

/// A person's key, and when it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// Whose it is.
    pub principal: String,
    /// The public key, `KIND BASE64`.
    pub key: String,
    /// From when it counts, as `2026-11-30T00:00:00.000Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_after: Option<String>,
    /// Until when it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_before: Option<String>,
    /// What it may sign for; empty for everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Whether its owner says that an agent asks before each use (`ssh-add -c`). No signature shows that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirms: bool,
}

impl Signer {
    /// The key.
    ///
    /// # Errors
    /// [`SshKeyError`].
    pub fn public_key(&self) -> Result<SshPublicKey, SshKeyError> {
        SshPublicKey::parse(&self.key)
    }

    /// Whether it counts at a time, for something. Times of one form are compared as texts.
    pub fn counts(&self, at: &str, namespace: &str) -> bool {
        // Times have one form with a fixed length, so they compare as texts.
        self.valid_after.as_deref().is_none_or(|after| after <= at)
            && self.valid_before.as_deref().is_none_or(|before| at < before)
            && (self.namespaces.is_empty() || self.namespaces.iter().any(|name| name == namespace))
    }

    /// The line of `allowed_signers`.
    pub fn line(&self) -> String {
        let mut options = Vec::new();
        if !self.namespaces.is_empty() {
            options.push(format!("namespaces=\"{}\"", self.namespaces.join(",")));
        }
        let stamp = |time: &str| time.chars().filter(char::is_ascii_digit).take(14).collect::<String>();
        options.extend(self.valid_after.iter().map(|time| format!("valid-after=\"{}Z\"", stamp(time))));
        options.extend(self.valid_before.iter().map(|time| format!("valid-before=\"{}Z\"", stamp(time))));
        let options = if options.is_empty() { String::new() } else { format!("{} ", options.join(",")) };
        format!("{} {options}{}\n", self.principal, self.key)
    }
}

/// Whether a text can be the name of a signer: `allowed_signers` has no quotes, and patterns are not read.
pub fn is_principal(text: &str) -> bool {
    // OpenSSH reads these as wildcards, lists and comments. With one of them a line would let more
    // people sign than it shows.
    let good = |char: char| !char.is_whitespace() && !char.is_control() && !"\",*?!#".contains(char);
    !text.is_empty() && text.len() <= 100 && text.chars().all(good)
}

/// `20261130`, or with hours, minutes and seconds, as UTC.
fn time(stamp: &str) -> Option<String> {
    let digits = stamp.strip_suffix('Z').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let full = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return None,
    };
    let (year, month, day) = (&full[..4], &full[4..6], &full[6..8]);
    let (hour, minute, second) = (&full[8..10], &full[10..12], &full[12..]);
    Some(format!("{year}-{month}-{day}T{hour}:{minute}:{second}.000Z"))
}

/// Reads a file of `allowed_signers`.
///
/// # Errors
/// [`SignersError`].
pub fn parse_signers(text: &str) -> Result<Vec<Signer>, SignersError> {
    if text.len() > MAX_SIGNERS_TEXT {
        return Err(SignersError::TooLong);
    }
    let mut signers = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        signers.push(parse_line(line).map_err(|why| SignersError::Line { line: number + 1, why })?);
        if signers.len() > MAX_SIGNERS {
            return Err(SignersError::TooLong);
        }
    }
    Ok(signers)
}

fn parse_line(line: &str) -> Result<Signer, String> {
    let (principal, rest) = line.split_once(' ').ok_or("it is not `NAME [OPTIONS] KIND BASE64`")?;
    if !is_principal(principal) {
        return Err(format!("`{principal}` is no plain name"));
    }
    let mut signer = Signer {
        principal: principal.to_owned(),
        key: String::new(),
        valid_after: None,
        valid_before: None,
        namespaces: Vec::new(),
        confirms: false,
    };
    // A key begins with its kind. What does not parse as one may have options in front of it.
    let (options, key) = match SshPublicKey::parse(rest) {
        Ok(_) => ("", rest),
        Err(_) => rest.split_once(' ').ok_or("it has no key")?,
    };
    for option in split_options(options)? {
        let (name, value) = option.split_once('=').ok_or_else(|| format!("the option `{option}` is not known"))?;
        let value = value.trim_matches('"');
        let moment = || time(value).ok_or_else(|| format!("`{value}` is not YYYYMMDD[HHMM[SS]]Z"));
        match name {
            "namespaces" => signer.namespaces = value.split(',').map(str::to_owned).collect(),
            "valid-after" => signer.valid_after = Some(moment()?),
            "valid-before" => signer.valid_before = Some(moment()?),
            // `cert-authority` would let a key name further signers. An option that is ignored
            // means more trust than its author gave.
            _ => return Err(format!("the option `{name}` is not known")),
        }
    }
    signer.key = SshPublicKey::parse(key).map_err(|error| error.to_string())?.text();
    Ok(signer)
}

/// Splits at commas outside of quotes.
fn split_options(options: &str) -> Result<Vec<String>, String> {
    let (mut all, mut one, mut quoted) = (Vec::new(), String::new(), false);
    for char in options.chars() {
        match char {
            // A comma within quotes separates namespaces, not options.
            ',' if !quoted => all.push(std::mem::take(&mut one)),
            '"' => {
                quoted = !quoted;
                one.push(char);
            }
            _ => one.push(char),
        }
    }
    if quoted {
        return Err("a quote does not end".to_owned());
    }
    all.push(one);
    all.retain(|option| !option.is_empty());
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID97/cGOE7Nl/diOo/ROa3hQqm4OWNBY47KYea41F/de";

    #[test]
    fn a_line_comes_back_with_its_options_and_an_unknown_one_is_refused() -> Result<(), SignersError> {
        let line = format!("ada namespaces=\"policy@kavi,promotion@kavi\",valid-before=\"20270101Z\" {KEY}\n");
        let signers = parse_signers(&format!("# comment\n\n{line}bob {KEY} his key\n"))?;
        assert_eq!(signers.len(), 2);
        assert_eq!(parse_signers(&signers[0].line())?, signers[..1]);
        assert!(signers[0].counts("2026-12-31T23:59:59.999Z", "policy@kavi"));
        assert!(!signers[0].counts("2027-01-01T00:00:00.000Z", "policy@kavi"));
        assert!(!signers[0].counts("2026-12-31T23:59:59.999Z", "effect@kavi"));
        for bad in ["cert-authority", "valid-after=\"20270101\"", "valid-after=\"2027Z\"", "a=b", "namespaces=\"x"] {
            assert!(parse_signers(&format!("ada {bad} {KEY}\n")).is_err(), "{bad}");
        }
        for bad in ["ada", "a* ssh-ed25519 AAAA", "ada ssh-ed25519 AAAA", "ada ssh-dss AAAA", &format!("a,b {KEY}")] {
            assert!(parse_signers(bad).is_err(), "{bad}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(ada |namespaces=|ssh-ed25519 |.|\n)*") {
            let _ = parse_signers(&text);
        }
    }
}
