//! The one table of interfaces that the runtime can give: who is given each, and how it is linked.
//!
//! Guarantees: inspection compares a component with this table and the linker links from it, so the two cannot differ.
//! What is not in the table can be neither granted nor linked. What a skill is given follows from its
//! [`SkillCapabilities`] alone.
//!
//! Nothing in the table reaches outside the run except the folders: no environment, no arguments, closed standard input,
//! captured output, a seeded generator, and a clock that the record dictates.

use wasmtime::{Engine, component::Linker};

use crate::model::{capabilities::SkillCapabilities, digest::Digest};

use super::{
    error::RuntimeError,
    http_import, kavi,
    request::ComponentKind,
    sign_import, testing_import,
    versions::SKILL_VERSIONS,
    wall::{
        Wall,
        bindings::{cli, clocks, filesystem, io, random},
        state::GuestState,
    },
};

/// Who is given an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    /// Every component: the contract's own types, the log, and what Rust's standard library imports of itself.
    Everyone,
    /// Skills that read or write a folder, and all tests: the test harness imports files in any case.
    Folders,
    /// Skills that reach a host, and their tests.
    Hosts,
    /// Skills with a secret that signs, and their tests.
    Signing,
    /// Tests only.
    Tests,
}

struct HostInterface {
    name: &'static str,
    given: Given,
    /// The oldest version of the contract that has it.
    since: &'static str,
    /// Links it in a version of the contract.
    link: fn(&mut Linker<GuestState>, &str) -> wasmtime::Result<()>,
}

/// Adds one generated interface, on the store's state.
macro_rules! generated {
    ($given:ident, $name:literal, $($module:ident)::+) => {
        HostInterface {
            name: $name,
            given: Given::$given,
            since: OLDEST,
            link: |linker, _| $($module)::+::add_to_linker::<GuestState, Wall>(linker, |state| state),
        }
    };
}

/// The oldest version of the contract.
const OLDEST: &str = SKILL_VERSIONS[0];

const INTERFACES: &[HostInterface] = &[
    HostInterface {
        name: "kavi:skill/http",
        given: Given::Hosts,
        since: "0.2.0",
        link: |linker, version| http_import::link_http(&mut linker.instance(&format!("kavi:skill/http@{version}"))?),
    },
    HostInterface {
        name: "kavi:skill/log",
        given: Given::Everyone,
        since: OLDEST,
        link: |linker, version| kavi::link_log(&mut linker.instance(&format!("kavi:skill/log@{version}"))?),
    },
    HostInterface {
        name: "kavi:skill/sign",
        given: Given::Signing,
        since: "0.3.0",
        link: |linker, version| sign_import::link_sign(&mut linker.instance(&format!("kavi:skill/sign@{version}"))?),
    },
    HostInterface {
        name: "kavi:skill/testing",
        given: Given::Tests,
        since: OLDEST,
        link: |linker, version| {
            testing_import::link_testing(&mut linker.instance(&format!("kavi:skill/testing@{version}"))?, version)
        },
    },
    // Types only: there is nothing to link.
    HostInterface { name: "kavi:skill/types", given: Given::Everyone, since: OLDEST, link: |_, _| Ok(()) },
    generated!(Everyone, "wasi:cli/environment", cli::environment),
    generated!(Everyone, "wasi:cli/exit", cli::exit),
    generated!(Everyone, "wasi:cli/stderr", cli::stderr),
    generated!(Everyone, "wasi:cli/stdin", cli::stdin),
    generated!(Everyone, "wasi:cli/stdout", cli::stdout),
    generated!(Everyone, "wasi:cli/terminal-input", cli::terminal_input),
    generated!(Everyone, "wasi:cli/terminal-output", cli::terminal_output),
    generated!(Everyone, "wasi:cli/terminal-stderr", cli::terminal_stderr),
    generated!(Everyone, "wasi:cli/terminal-stdin", cli::terminal_stdin),
    generated!(Everyone, "wasi:cli/terminal-stdout", cli::terminal_stdout),
    generated!(Everyone, "wasi:clocks/monotonic-clock", clocks::monotonic_clock),
    generated!(Everyone, "wasi:clocks/wall-clock", clocks::wall_clock),
    generated!(Folders, "wasi:filesystem/preopens", filesystem::preopens),
    generated!(Folders, "wasi:filesystem/types", filesystem::types),
    generated!(Everyone, "wasi:io/error", io::error),
    generated!(Everyone, "wasi:io/poll", io::poll),
    generated!(Everyone, "wasi:io/streams", io::streams),
    generated!(Everyone, "wasi:random/insecure-seed", random::insecure_seed),
    generated!(Everyone, "wasi:random/random", random::random),
];

/// Functions that no component may import although their interface is given: links, and times that the wall masks anyway.
const NEVER: &[&str] = &[
    "wasi:filesystem/types#[method]descriptor.link-at",
    "wasi:filesystem/types#[method]descriptor.readlink-at",
    "wasi:filesystem/types#[method]descriptor.set-times",
    "wasi:filesystem/types#[method]descriptor.set-times-at",
    "wasi:filesystem/types#[method]descriptor.symlink-at",
];

/// What a component that writes nothing has no reason to import. (Not the streams: std imports them for any file.)
const CHANGES: &[&str] = &[
    "wasi:filesystem/types#[method]descriptor.create-directory-at",
    "wasi:filesystem/types#[method]descriptor.remove-directory-at",
    "wasi:filesystem/types#[method]descriptor.rename-at",
    "wasi:filesystem/types#[method]descriptor.set-size",
    "wasi:filesystem/types#[method]descriptor.unlink-file-at",
];

/// Whether functions are refused by name within an interface that is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FunctionCheck {
    On,
    /// For tests which prove that the wall refuses such a call as well.
    Off,
}

/// What one component may import. As small as it is, it decides everything about linking: two runs with the same
/// allowlist can share one linked component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ImportAllowlist {
    kind: ComponentKind,
    /// The version of the contract that the component was built for.
    contract: &'static str,
    folders: bool,
    hosts: bool,
    signs: bool,
    changes: bool,
    functions: FunctionCheck,
}

impl ImportAllowlist {
    pub(super) fn new(
        kind: ComponentKind,
        capabilities: &SkillCapabilities,
        contract: &'static str,
        functions: FunctionCheck,
    ) -> Self {
        // A skill that writes needs the interface of folders as well, even if it reads nothing.
        let changes = capabilities.writes_files();
        let folders = capabilities.reads_vault() || changes;
        let (hosts, signs) = (capabilities.reaches_hosts(), capabilities.signs());
        Self { kind, contract, folders, hosts, signs, changes, functions }
    }

    pub(super) fn kind(self) -> ComponentKind {
        self.kind
    }

    /// The version of the contract whose imports it gives.
    pub(super) fn contract(self) -> &'static str {
        self.contract
    }

    fn gives(self, interface: &HostInterface) -> bool {
        let place = |version| SKILL_VERSIONS.iter().position(|listed| *listed == version);
        // A component of an older version gets exactly what there was then.
        if place(interface.since) > place(self.contract) {
            return false;
        }
        match interface.given {
            Given::Everyone => true,
            Given::Folders => self.folders || self.kind == ComponentKind::Tests,
            Given::Hosts => self.hosts,
            Given::Signing => self.signs,
            Given::Tests => self.kind == ComponentKind::Tests,
        }
    }

    /// Whether the interface of this name, without its version, may be imported.
    pub(super) fn allows(self, name: &str) -> bool {
        INTERFACES.iter().any(|interface| interface.name == name && self.gives(interface))
    }

    /// Whether `interface#function` is refused by name.
    pub(super) fn refuses_function(self, function: &str) -> bool {
        let refused = NEVER.contains(&function) || (!self.changes && CHANGES.contains(&function));
        refused && self.functions == FunctionCheck::On
    }

    /// A linker with what may be imported, and nothing else.
    pub(super) fn linker(self, engine: &Engine) -> Result<Linker<GuestState>, RuntimeError> {
        let mut linker = Linker::new(engine);
        // The same question as in `allows`, so that what is linked and what passes inspection
        // cannot differ.
        for interface in INTERFACES.iter().filter(|interface| self.gives(interface)) {
            (interface.link)(&mut linker, self.contract).map_err(|error| RuntimeError::Engine(error.to_string()))?;
        }
        Ok(linker)
    }
}

/// The version of this table: another table has another one. Machine code is cached under it, because a cached component
/// was inspected by the table of its time.
pub fn import_table_version() -> Digest {
    let mut table = String::new();
    for interface in INTERFACES {
        // One line for each entry, so that no two tables give the same text.
        table.push_str(&format!("{} {:?} {}\n", interface.name, interface.given, interface.since));
    }
    for function in NEVER.iter().chain(CHANGES) {
        table.push_str(function);
        table.push('\n');
    }
    Digest::of(table.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{capabilities::ReadScope, host_grants::HostGrants};

    #[test]
    fn the_table_has_no_socket_and_no_name_twice() {
        for (index, interface) in INTERFACES.iter().enumerate() {
            assert!(!interface.name.contains("sockets") && !interface.name.contains("wasi:http"), "{}", interface.name);
            assert!(!INTERFACES[..index].iter().any(|other| other.name == interface.name), "{}", interface.name);
        }
    }

    #[test]
    fn what_touches_no_folder_is_given_no_files() {
        let nothing = SkillCapabilities {
            reads: ReadScope::Nothing,
            writes: Vec::new(),
            clock: false,
            hosts: HostGrants::NONE,
            secrets: Vec::new(),
        };
        let reader = SkillCapabilities { reads: ReadScope::Vault, ..nothing.clone() };
        let skill = |capabilities| ImportAllowlist::new(ComponentKind::Skill, capabilities, OLDEST, FunctionCheck::On);
        assert!(!skill(&nothing).allows("wasi:filesystem/types") && skill(&reader).allows("wasi:filesystem/types"));
        assert!(!skill(&reader).allows("kavi:skill/testing"));
        let tests = ImportAllowlist::new(ComponentKind::Tests, &nothing, OLDEST, FunctionCheck::On);
        assert!(tests.allows("wasi:filesystem/types") && tests.allows("kavi:skill/testing"));
    }

    #[test]
    fn each_is_given_what_its_capabilities_and_its_version_of_the_contract_have()
    -> Result<(), Box<dyn std::error::Error>> {
        let rules = vec!["GET https://api.example.com/**".parse()?];
        let nothing = SkillCapabilities {
            reads: ReadScope::Nothing,
            writes: Vec::new(),
            clock: false,
            hosts: HostGrants::NONE,
            secrets: Vec::new(),
        };
        let hosts = SkillCapabilities { hosts: HostGrants { rules, private: Vec::new() }, ..nothing.clone() };
        let bound = |place: &str| format!("KEY https://api.example.com {place}").parse();
        let (signs, sends) = (vec![bound("hmac-sha256")?], vec![bound("bearer")?]);
        let (signs, sends) = (
            SkillCapabilities { secrets: signs, ..hosts.clone() },
            SkillCapabilities { secrets: sends, ..hosts.clone() },
        );
        // What each is given: `http`, `sign`.
        for (capabilities, contract, given) in [
            (&nothing, "0.3.0", [false, false]),
            (&hosts, "0.1.0", [false, false]),
            (&hosts, "0.2.0", [true, false]),
            (&hosts, "0.3.0", [true, false]),
            (&sends, "0.3.0", [true, false]),
            (&signs, "0.2.0", [true, false]),
            (&signs, "0.3.0", [true, true]),
        ] {
            for kind in [ComponentKind::Skill, ComponentKind::Tests] {
                let allowlist = ImportAllowlist::new(kind, capabilities, contract, FunctionCheck::On);
                let got = ["kavi:skill/http", "kavi:skill/sign"].map(|name| allowlist.allows(name));
                assert_eq!(got, given, "{kind:?} {contract}");
            }
        }
        Ok(())
    }
}
