//! What a run is given.

use std::sync::Arc;

use super::{linked_folders::LinkedFolder, test_calls::TestCalls};
use crate::dir::FolderHandle;
use crate::model::{
    capabilities::SkillCapabilities, exchange::HttpPort, execution::Determinism, limits::Limits, switch::Watch,
};

/// Which of the two contracts a component is run by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ComponentKind {
    /// `run` of `kavi:skill`.
    Skill,
    /// A test harness, with a vault that it may fill.
    Tests,
}

/// The arguments and the environment of a guest. A skill gets neither: both are for programs that the forge makes for a check.
#[derive(Debug, Clone, Default)]
pub struct GuestCommand {
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    /// Where the calls of a test go. Without it the test program calls its own copy of the skill.
    pub(super) calls: Option<TestCalls>,
}

impl GuestCommand {
    /// These arguments after the name of the program, and this environment.
    pub fn new(arguments: &[&str], environment: &[(String, String)]) -> Self {
        let arguments = std::iter::once("tests").chain(arguments.iter().copied()).map(str::to_owned).collect();
        Self { arguments, environment: environment.to_vec(), calls: None }
    }

    /// The same, with somebody who answers the calls of a test.
    #[must_use]
    pub fn with_calls(self, calls: TestCalls) -> Self {
        Self { calls: Some(calls), ..self }
    }
}

/// Everything that one run is given. Nothing else reaches the guest.
#[derive(Debug, Clone, Copy)]
pub struct GuestRequest<'a> {
    /// The input, JSON as far as the skill is concerned.
    pub input: &'a str,
    /// What the skill may touch.
    pub capabilities: &'a SkillCapabilities,
    /// The folder that the guest sees as `/vault`, if its capabilities include it.
    pub vault: Option<&'a FolderHandle>,
    /// The linked folders that it sees below `/vault`, if it has that.
    pub linked: &'a [LinkedFolder],
    /// The empty folder that the guest sees as `/out`, if its capabilities include it.
    pub out: Option<&'a FolderHandle>,
    /// What makes the requests of the guest, if its capabilities include hosts. Without it each is refused.
    pub http: Option<&'a Arc<dyn HttpPort>>,
    /// The guest's clock and the seed of its random numbers.
    pub determinism: Determinism,
    /// The limits of this run.
    pub limits: &'a Limits,
    /// Asked while the guest runs, to end it when it may not run any more.
    pub watch: &'a dyn Watch,
}

impl<'a> GuestRequest<'a> {
    /// The vault, if the guest is to have it.
    pub(super) fn granted_vault(&self) -> Option<&'a FolderHandle> {
        // The capabilities decide and not the caller: a folder that was passed by mistake stays
        // unreachable.
        self.vault.filter(|_| self.capabilities.reads_vault())
    }

    /// The linked folders, if the guest is to have them: only with the vault in which their links lie.
    pub(super) fn granted_linked(&self) -> &'a [LinkedFolder] {
        self.granted_vault().map_or(&[], |_| self.linked)
    }

    /// What makes its requests, if the guest is to make any.
    pub(super) fn granted_http(&self) -> Option<Arc<dyn HttpPort>> {
        self.http.filter(|_| self.capabilities.reaches_hosts()).map(Arc::clone)
    }

    /// The staging folder, if the guest is to have it.
    pub(super) fn granted_out(&self) -> Option<&'a FolderHandle> {
        self.out.filter(|_| self.capabilities.writes_files())
    }
}
