//! What a component asks for and offers, read from its bytes.
//!
//! The bytes are validated, never compiled and never run. The engine links an import of an unknown empty
//! instance without a word, so the comparison of [`check`] is what holds a component to its grants; the linker,
//! which is given only what the grants list, is the second lock on the same door.

use std::fmt;

use wasmparser::{
    CanonicalFunction, ComponentExternalKind, Encoding, Parser, Payload, Validator, WasmFeatures,
    component_types::{ComponentAnyTypeId, ComponentEntityType},
};

use crate::model::grants::Grants;

/// The WASI release whose interfaces the runtime has. Components built for an earlier 0.2 work as well.
pub const WASI_VERSION: &str = "0.2.12";
/// The version of `kavi:skill` that the runtime speaks.
pub const SKILL_VERSION: &str = "0.1.0";

/// The name of a skill's only export.
pub(super) const RUN: &str = "run";
/// The types that the world of a skill uses by name.
const WORLD_TYPES: &[&str] = &["error"];
/// The interface that a test component exports.
pub(super) const TEST_RUN: &str = "wasi:cli/run";

/// What a test component may import beyond its skill's grants: what the test harness of Rust's standard library
/// needs, and the means to fill its vault. All of it ends at the wall, which gives only the folders that the
/// grants include.
pub const TEST_IMPORTS: &[&str] = &[
    "kavi:skill/testing",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure-seed",
];

/// The bytes are not a component that can be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// A core module, from a build for another target.
    #[error("the bytes are a core wasm module, not a component (build for wasm32-wasip2)")]
    CoreModule,
    /// Neither a module nor a component, or one with features that skills do not need.
    #[error("the bytes are no valid component: {0}")]
    Invalid(String),
    /// Too large.
    #[error("limit `component_bytes` of {limit} reached: the component has {bytes}")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
}

/// What a component asks for and offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Everything it imports, in its own order.
    pub imports: Vec<Import>,
    /// Everything it exports, in its own order.
    pub exports: Vec<Export>,
    /// Its size.
    pub bytes: u64,
    /// The linear memories of its modules.
    pub memories: Vec<Memory>,
    /// Whether it makes resources of its own, as no skill needs to.
    pub makes_resources: bool,
}

/// One import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its exact name, with its version.
    pub name: String,
    /// The functions used, if it is an interface.
    pub functions: Vec<String>,
    /// What it is.
    pub kind: ImportKind,
}

/// What an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportKind {
    /// An interface.
    Interface,
    /// A plain type, as a world's `use` leaves it behind. It carries no authority.
    Type,
    /// Anything else: never granted.
    Other,
}

/// One export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its exact name, with its version.
    pub name: String,
    /// What it is.
    pub kind: ExportKind,
}

/// What an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportKind {
    /// A function.
    Function,
    /// An interface.
    Interface,
    /// Anything else.
    Other,
}

/// A linear memory as its module declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Its size at the start.
    pub minimum_bytes: u64,
    /// The size it can grow to, if it says so.
    pub maximum_bytes: Option<u64>,
}

/// A difference between what a component is and what its grants allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// It imports what is not granted.
    NotGranted {
        /// The import.
        import: String,
    },
    /// It imports a function that is refused although its interface is granted.
    Denied {
        /// `interface#function`.
        function: String,
    },
    /// It was built for another version.
    Version {
        /// The interface.
        interface: String,
        /// What it was built for.
        built_for: String,
        /// What the runtime speaks.
        wanted: String,
    },
    /// It does not export what it must.
    Missing {
        /// The export.
        export: String,
    },
    /// It exports what nobody asked for.
    Unexpected {
        /// The export.
        export: String,
    },
    /// It makes resources of its own.
    MakesResources,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGranted { import } => write!(f, "import `{import}` is not granted"),
            Self::Denied { function } => write!(f, "import of function `{function}` is refused"),
            Self::Version { interface, built_for, wanted } => {
                write!(f, "`{interface}` is wanted in version {wanted}, the component was built for {built_for}")
            }
            Self::Missing { export } => write!(f, "export `{export}` is missing"),
            Self::Unexpected { export } => write!(f, "export `{export}` is not part of the contract"),
            Self::MakesResources => f.write_str("it makes resources of its own, which no skill may"),
        }
    }
}

/// The WebAssembly features that Rust's `wasm32-wasip2` target uses. Everything else is switched off.
fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::CALL_INDIRECT_OVERLONG
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::BULK_MEMORY_OPT
        | WasmFeatures::FLOATS
        | WasmFeatures::COMPONENT_MODEL
}

/// Reads the interface of a component.
///
/// # Errors
/// [`InspectError`] when the bytes are no valid component with the features that skills need.
pub fn interface(bytes: &[u8]) -> Result<Interface, InspectError> {
    let invalid = |error: wasmparser::BinaryReaderError| InspectError::Invalid(error.to_string());
    if Parser::is_core_wasm(bytes) {
        return Err(InspectError::CoreModule);
    }
    let types = Validator::new_with_features(features()).validate_all(bytes).map_err(invalid)?;
    let types = types.as_ref();
    let mut found = Interface {
        imports: Vec::new(),
        exports: Vec::new(),
        bytes: bytes.len() as u64,
        memories: Vec::new(),
        makes_resources: false,
    };
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::Version { encoding: Encoding::Module | Encoding::Component, .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let name = import.map_err(invalid)?.name.name;
                    let entity = types.component_item_for_import(name).map(|item| item.ty);
                    let (kind, functions) = match entity {
                        Some(ComponentEntityType::Instance(id)) => {
                            let exports = types[id].exports.iter();
                            let functions = exports.filter(|(_, item)| matches!(item.ty, ComponentEntityType::Func(_)));
                            (ImportKind::Interface, functions.map(|(name, _)| name.clone()).collect())
                        }
                        Some(ComponentEntityType::Type { referenced: ComponentAnyTypeId::Defined(_), .. }) => {
                            (ImportKind::Type, Vec::new())
                        }
                        _ => (ImportKind::Other, Vec::new()),
                    };
                    found.imports.push(Import { name: name.to_owned(), functions, kind });
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let export = export.map_err(invalid)?;
                    let kind = match export.kind {
                        ComponentExternalKind::Func => ExportKind::Function,
                        ComponentExternalKind::Instance => ExportKind::Interface,
                        _ => ExportKind::Other,
                    };
                    found.exports.push(Export { name: export.name.name.to_owned(), kind });
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    let function = function.map_err(invalid)?;
                    found.makes_resources |= matches!(function, CanonicalFunction::ResourceNew { .. });
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory.map_err(invalid)?;
                    let page = 1_u64 << memory.page_size_log2.unwrap_or(16);
                    found.memories.push(Memory {
                        minimum_bytes: memory.initial.saturating_mul(page),
                        maximum_bytes: memory.maximum.map(|pages| pages.saturating_mul(page)),
                    });
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// An import or export name without its version, and the version.
pub(super) fn split_version(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

/// Compares a skill with its grants: imports only what is granted, by exact name and a version that the
/// runtime speaks; exports `run` and nothing else.
pub fn check(interface: &Interface, grants: &Grants, wit_version: &str) -> Vec<Mismatch> {
    let mut mismatches = check_imports(interface, grants, wit_version, &[]);
    let run = Export { name: RUN.into(), kind: ExportKind::Function };
    if !interface.exports.contains(&run) {
        mismatches.push(Mismatch::Missing { export: RUN.into() });
    }
    let others = interface.exports.iter().filter(|export| **export != run);
    mismatches.extend(others.map(|export| Mismatch::Unexpected { export: export.name.clone() }));
    mismatches
}

/// Compares a test component with the grants of the skill that it tests: the same, and what the test harness
/// needs; exports `wasi:cli/run` and nothing else.
pub fn check_tests(interface: &Interface, grants: &Grants, wit_version: &str) -> Vec<Mismatch> {
    let mut mismatches = check_imports(interface, grants, wit_version, TEST_IMPORTS);
    let is_run = |export: &&Export| export.kind == ExportKind::Interface && split_version(&export.name).0 == TEST_RUN;
    if !interface.exports.iter().any(|export| is_run(&export)) {
        mismatches.push(Mismatch::Missing { export: TEST_RUN.into() });
    }
    let others = interface.exports.iter().filter(|export| !is_run(export));
    mismatches.extend(others.map(|export| Mismatch::Unexpected { export: export.name.clone() }));
    mismatches
}

fn check_imports(interface: &Interface, grants: &Grants, wit_version: &str, more: &[&str]) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    if interface.makes_resources {
        mismatches.push(Mismatch::MakesResources);
    }
    for import in &interface.imports {
        let (name, version) = split_version(&import.name);
        let granted = match import.kind {
            ImportKind::Interface => grants.imports.contains(&name) || more.contains(&name),
            ImportKind::Type if WORLD_TYPES.contains(&&*import.name) => continue,
            ImportKind::Type | ImportKind::Other => false,
        };
        if !granted {
            mismatches.push(Mismatch::NotGranted { import: import.name.clone() });
            continue;
        }
        let wanted = if name.starts_with("kavi:") { wit_version } else { WASI_VERSION };
        let speaks = if name.starts_with("kavi:") { version == wanted } else { is_earlier_patch(version, wanted) };
        if !speaks {
            mismatches.push(Mismatch::Version {
                interface: name.to_owned(),
                built_for: if version.is_empty() { "no version".to_owned() } else { version.to_owned() },
                wanted: wanted.to_owned(),
            });
        }
        let functions = import.functions.iter().map(|function| format!("{name}#{function}"));
        let denied = functions.filter(|function| grants.denied_functions.contains(&function.as_str()));
        mismatches.extend(denied.map(|function| Mismatch::Denied { function }));
    }
    mismatches
}

/// Whether `version` is `wanted` or an earlier patch of the same minor version.
fn is_earlier_patch(version: &str, wanted: &str) -> bool {
    let parse = |text: &str| -> Option<(String, u32)> {
        let (minor, patch) = text.rsplit_once('.')?;
        Some((minor.to_owned(), patch.parse().ok()?))
    };
    match (parse(version), parse(wanted)) {
        (Some((minor, patch)), Some((wanted_minor, wanted_patch))) => minor == wanted_minor && patch <= wanted_patch,
        _ => false,
    }
}
