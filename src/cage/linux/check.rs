//! The self-check: the last step before the job is started asks the kernel, from the inside, whether the confinement is in
//! force.

use std::fs;
use std::io;

use super::at;
use crate::cage::error::{SetupStep, StageError};

/// Fails unless this process is the first of its namespace, is filtered, holds no capability and can gain none. It
/// must be unable to write a kernel setting, and have no network interface but its loopback.
pub(in crate::cage) fn walls() -> Result<(), StageError> {
    let refuse = |what: &str| Err(StageError::new(SetupStep::SelfCheck, what));
    // Only the first process of a namespace takes all others with it when it ends.
    if rustix::process::getpid() != rustix::process::Pid::INIT {
        return refuse("this process is not the first of a process namespace");
    }
    let status = read("/proc/self/status")?;
    if let Some(fault) = fault_in_status(&status) {
        return refuse(&fault);
    }
    // A crash handler set here would run on the host, outside of the cage.
    // The refusal is tried and not derived: capabilities are empty already, and root without any
    // could still write here.
    match fs::OpenOptions::new().write(true).open("/proc/sys/kernel/core_pattern") {
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(at(SetupStep::SelfCheck, "/proc/sys")(error)),
        Ok(_) => return refuse("kernel settings can be written"),
    }
    let interfaces = read("/proc/self/net/dev")?;
    // Two lines are headings.
    let strange = interfaces.lines().skip(2).filter_map(|line| line.split(':').next()).find(|name| name.trim() != "lo");
    match strange {
        Some(name) => refuse(&format!("the network interface {} is visible", name.trim())),
        None => Ok(()),
    }
}

fn read(file: &str) -> Result<String, StageError> {
    fs::read_to_string(file).map_err(at(SetupStep::SelfCheck, file))
}

/// What is wrong with a process's status, if anything is. A missing line is wrong.
fn fault_in_status(status: &str) -> Option<String> {
    let value = |key: &str| {
        status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim).map(str::to_owned)
    };
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        match value(set) {
            // The kernel prints more digits when it knows more capabilities, so the length is not
            // compared.
            Some(bits) if bits.chars().all(|digit| digit == '0') && !bits.is_empty() => {}
            other => return Some(format!("{set} is {other:?} and not empty")),
        }
    }
    // 2 is the filter mode. 1 would be the strict mode, in which no job could start.
    for (key, wanted) in [("NoNewPrivs", "1"), ("Seccomp", "2")] {
        match value(key) {
            Some(is) if is == wanted => {}
            other => return Some(format!("{key} is {other:?} and not {wanted}")),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::fault_in_status;

    const GOOD: &str = "Name:\tx\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n\
        CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";

    #[test]
    fn a_closed_process_passes() {
        assert_eq!(fault_in_status(GOOD), None);
    }

    #[test]
    fn anything_open_or_missing_is_a_fault() {
        for (from, to) in [
            ("CapBnd:\t0000000000000000", "CapBnd:\t0000000000000001"),
            ("CapEff:\t0000000000000000", "CapEff:\t000001ffffffffff"),
            ("CapAmb:\t0000000000000000\n", ""),
            ("CapPrm:\t0000000000000000", "CapPrm:\t"),
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0"),
            ("Seccomp:\t2", "Seccomp:\t0"),
        ] {
            assert!(fault_in_status(&GOOD.replace(from, to)).is_some(), "{to:?} passed");
        }
    }
}
