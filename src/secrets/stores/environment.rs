//! Variables of the environment that Kavi was started with.
//!
//! Guarantees: they are read from the process that asks, by its number, so that process makes no copy of them. Children of Kavi
//! do not inherit them. Deliberately never: reads the own environment, which is empty in this child.

use zeroize::Zeroizing;

use super::super::error::ReadRefusal;

/// The environment of a process of this user, as it was started with it.
pub(super) fn of_process(process: i32) -> Result<Zeroizing<Vec<u8>>, ReadRefusal> {
    if !cfg!(target_os = "linux") {
        return Err(ReadRefusal::Environment("this system has no /proc: use another store".to_owned()));
    }
    let read = std::fs::read(format!("/proc/{process}/environ"));
    read.map(Zeroizing::new).map_err(|error| ReadRefusal::Environment(error.to_string()))
}

/// The value of one variable. None when it is not set.
pub(super) fn variable(environment: &[u8], name: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut entries = environment.split(|byte| *byte == 0);
    let value = entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    Some(Zeroizing::new(value.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let environment = b"TOKEN_OLD=a\0TOKEN=b=c\0TOKEN=d\0EMPTY=\0";
        let value = |name: &str| variable(environment, name).map(|value| value.to_vec());
        assert_eq!(value("TOKEN").as_deref(), Some(&b"b=c"[..]));
        assert_eq!(value("EMPTY").as_deref(), Some(&b""[..]));
        assert_eq!(value("TOK"), None);
        assert_eq!(value("OLD"), None);
    }
}
