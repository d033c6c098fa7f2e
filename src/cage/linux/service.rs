//! How a service of Kavi's own gives up what it does not need: privileges, files, ports and system calls.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr,
    Scope,
};
use rustix::process::{DumpableBehavior, Signal, set_dumpable_behavior, set_parent_process_death_signal};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use super::{at, landlock::allow, seccomp};
use crate::cage::error::{SetupStep, StageError};
use crate::cage::service_scope::ServiceScope;

/// The newest version that this code handles. An older kernel enforces what it has.
const KNOWN: ABI = ABI::V6;

/// Dies with its parent, and lets nobody read its memory.
pub(in crate::cage) fn close_service() -> Result<(), StageError> {
    let failed = |what| at(SetupStep::Privileges, what);
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed("parent-death signal"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed("prctl dumpable"))
}

pub(in crate::cage) fn confine_service(scope: ServiceScope<'_>) -> Result<(), StageError> {
    let failed = |what| at(SetupStep::Privileges, what);
    rustix::thread::clear_ambient_capability_set().map_err(failed("ambient capabilities"))?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .map_err(failed("capset"))?;
    // Landlock and the filter require it.
    rustix::thread::set_no_new_privs(true).map_err(failed("no_new_privs"))?;
    restrict(scope)?;
    // Last: the steps above need calls that the filter does not allow.
    seccomp::filter_service()
}

/// Files to read and ports to connect to; everything else is refused.
fn restrict(scope: ServiceScope<'_>) -> Result<(), StageError> {
    let failed = |what: &str| at(SetupStep::Landlock, what.to_owned());
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))
        .map_err(failed("handle files"))?
        .handle_access(AccessNet::from_all(KNOWN))
        .map_err(failed("handle ports"))?
        .scope(Scope::from_all(KNOWN))
        .map_err(failed("scope"))?
        .create()
        .map_err(failed("create"))?;
    for place in scope.readable {
        rules = allow(rules, place, AccessFs::ReadFile | AccessFs::ReadDir)?;
    }
    for port in scope.ports {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp)).map_err(failed("port"))?;
    }
    rules.restrict_self().map(drop).map_err(failed("restrict"))
}
