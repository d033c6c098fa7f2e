//! What a component asks for and offers, read from its bytes.
//!
//! The bytes are validated, never compiled and never run. The engine links an import of an unknown empty
//! instance without an error, so the comparison of [`check`] is what holds a component to its grants. The
//! linker, which is given only what the grants list, is the second check of the same thing.

mod check;

use serde::{Deserialize, Serialize};
use wasmparser::{
    BinaryReaderError, CanonicalFunction, ComponentExportSectionReader, ComponentExternalKind,
    ComponentImportSectionReader, Encoding, FunctionBody, Parser, Payload, PrimitiveValType, Validator,
    component_types::{ComponentAnyTypeId, ComponentDefinedType, ComponentEntityType, ComponentValType},
    types::TypesRef,
};

pub use check::{check, check_tests};
pub(super) use check::{compare, contract_version, split_version};

pub use super::inspect_error::{InspectError, InterfaceMismatch};
pub use super::versions::{SKILL_VERSION, SKILL_VERSIONS, WASI_VERSION};

use super::wasm_features;
use crate::model::example::ErrorKind;

/// The name of a skill's only export.
pub(super) const RUN: &str = "run";
/// The cases of a skill's error, in the order of the contract.
const ERROR_KINDS: [ErrorKind; 4] =
    [ErrorKind::InvalidInput, ErrorKind::NotFound, ErrorKind::Denied, ErrorKind::Failed];
/// The types that the world of a skill uses by name.
const WORLD_TYPES: &[&str] = &["error"];
/// The interface that a test component exports.
pub(super) const TEST_RUN: &str = "wasi:cli/run";

/// What a component asks for and offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Everything it imports, in its own order.
    pub imports: Vec<Import>,
    /// Everything it exports, in its own order.
    pub exports: Vec<Export>,
    /// Its size.
    pub bytes: u64,
    /// The linear memories of its modules.
    pub memories: Vec<LinearMemory>,
    /// Its code, as far as it tells how dear it is to compile.
    pub code: CodeSize,
    /// Whether it exports `run: func(input: string) -> result<string, error>`.
    pub runs_as_skill: bool,
    /// Whether it exports an interface `wasi:cli/run` with `run: func() -> result`.
    pub runs_as_tests: bool,
    /// Whether it makes resources of its own, as no skill needs to.
    pub makes_resources: bool,
}

/// How much code there is to compile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeSize {
    /// Functions in all modules.
    pub functions: u64,
    /// Their bodies.
    pub bytes: u64,
    /// Their local variables: a few bytes can declare fifty thousand.
    pub locals: u64,
    /// The sum of the squared sizes of the bodies, because that is how compilers grow.
    pub squares: u64,
}

impl CodeSize {
    fn add(&mut self, body: &FunctionBody<'_>) -> Result<(), BinaryReaderError> {
        let range = body.range();
        let bytes = range.end - range.start;
        self.functions += 1;
        self.bytes += bytes;
        // Saturating: a sum that wraps would make a huge component look cheap.
        self.squares = self.squares.saturating_add(bytes.saturating_mul(bytes));
        for locals in body.get_locals_reader()? {
            self.locals += u64::from(locals?.0);
        }
        Ok(())
    }
}

/// One import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Its exact name, with its version.
    pub name: String,
    /// The functions used, if it is an interface.
    pub functions: Vec<String>,
    /// What it is.
    pub kind: ImportKind,
}

/// What an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImportKind {
    /// An interface.
    Interface,
    /// A plain type, as a world's `use` leaves it behind. It carries no authority.
    Type,
    /// Anything else: never granted.
    Other,
}

/// One export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Its exact name, with its version.
    pub name: String,
    /// What it is.
    pub kind: ExportKind,
}

/// What an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExportKind {
    /// A function.
    Function,
    /// An interface.
    Interface,
    /// Anything else.
    Other,
}

/// A linear memory as its module declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinearMemory {
    /// Its size at the start.
    pub minimum_bytes: u64,
    /// The size it can grow to, if it says so.
    pub maximum_bytes: Option<u64>,
}

/// Reads the interface of a component.
///
/// # Errors
/// [`InspectError`] when the bytes are no valid component with the features that skills need.
pub fn interface(bytes: &[u8]) -> Result<Interface, InspectError> {
    // Asked first, because the validator's own message does not name the target to build for.
    if Parser::is_core_wasm(bytes) {
        return Err(InspectError::CoreModule);
    }
    read(bytes).map_err(|error| InspectError::Invalid(error.to_string()))
}

fn read(bytes: &[u8]) -> Result<Interface, BinaryReaderError> {
    // All of the bytes, before anything is read from them: the loop below relies on valid
    // structure.
    let types = Validator::new_with_features(wasm_features::of_inspection()).validate_all(bytes)?;
    let types = types.as_ref();
    let mut found = Interface {
        imports: Vec::new(),
        exports: Vec::new(),
        bytes: bytes.len() as u64,
        memories: Vec::new(),
        code: CodeSize::default(),
        runs_as_skill: runs_as_skill(&types),
        runs_as_tests: false,
        makes_resources: false,
    };
    // Nested components import from their parent and not from the host, so only the outermost one
    // counts.
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding: Encoding::Module | Encoding::Component, .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => found.add_imports(section, &types)?,
            Payload::ComponentExportSection(section) if depth == 1 => found.add_exports(section)?,
            // At every depth: a nested component could otherwise make resources unseen.
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    found.makes_resources |= matches!(function?, CanonicalFunction::ResourceNew { .. });
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    found.memories.push(LinearMemory::new(memory?));
                }
            }
            Payload::CodeSectionEntry(body) => found.code.add(&body)?,
            _ => {}
        }
    }
    found.runs_as_tests = runs_as_tests(&types, &found.exports);
    Ok(found)
}

impl Interface {
    fn add_imports(
        &mut self,
        section: ComponentImportSectionReader<'_>,
        types: &TypesRef<'_>,
    ) -> Result<(), BinaryReaderError> {
        for import in section {
            let name = import?.name.name;
            let (kind, functions) = match types.component_item_for_import(name).map(|item| item.ty) {
                Some(ComponentEntityType::Instance(id)) => {
                    let exports = types[id].exports.iter();
                    let functions = exports.filter(|(_, item)| matches!(item.ty, ComponentEntityType::Func(_)));
                    (ImportKind::Interface, functions.map(|(name, _)| name.clone()).collect())
                }
                // A resource is a type too, and a handle to one is authority. It falls under
                // `Other`.
                Some(ComponentEntityType::Type { referenced: ComponentAnyTypeId::Defined(_), .. }) => {
                    (ImportKind::Type, Vec::new())
                }
                _ => (ImportKind::Other, Vec::new()),
            };
            self.imports.push(Import { name: name.to_owned(), functions, kind });
        }
        Ok(())
    }

    fn add_exports(&mut self, section: ComponentExportSectionReader<'_>) -> Result<(), BinaryReaderError> {
        for export in section {
            let export = export?;
            let kind = match export.kind {
                ComponentExternalKind::Func => ExportKind::Function,
                ComponentExternalKind::Instance => ExportKind::Interface,
                _ => ExportKind::Other,
            };
            self.exports.push(Export { name: export.name.name.to_owned(), kind });
        }
        Ok(())
    }
}

impl LinearMemory {
    fn new(memory: wasmparser::MemoryType) -> Self {
        // Multiplied with saturation: the declared number of pages is the component's own choice.
        let page = 1_u64 << memory.page_size_log2.unwrap_or(16);
        Self {
            minimum_bytes: memory.initial.saturating_mul(page),
            maximum_bytes: memory.maximum.map(|pages| pages.saturating_mul(page)),
        }
    }
}

/// Whether the interface of a test component has a `run` of the type that WASI says.
fn runs_as_tests(types: &TypesRef<'_>, exports: &[Export]) -> bool {
    let Some(export) = exports.iter().find(|export| split_version(&export.name).0 == TEST_RUN) else { return false };
    let Some(ComponentEntityType::Instance(id)) = types.component_item_for_export(&export.name).map(|item| item.ty)
    else {
        return false;
    };
    let Some(ComponentEntityType::Func(id)) = types[id].exports.get(RUN).map(|item| item.ty) else { return false };
    let run = &types[id];
    let Some(ComponentValType::Type(result)) = run.result else { return false };
    let nothing = matches!(&types[result], ComponentDefinedType::Result { ok: None, err: None, .. });
    nothing && run.params.is_empty() && !run.async_
}

/// Whether the export `run` is of the type in the contract.
fn runs_as_skill(types: &TypesRef<'_>) -> bool {
    let is_text = |value: &ComponentValType| match value {
        ComponentValType::Primitive(PrimitiveValType::String) => true,
        ComponentValType::Primitive(_) => false,
        ComponentValType::Type(id) => {
            matches!(types[*id], ComponentDefinedType::Primitive(PrimitiveValType::String))
        }
    };
    let Some(ComponentEntityType::Func(id)) = types.component_item_for_export(RUN).map(|item| item.ty) else {
        return false;
    };
    let run = &types[id];
    let Some(ComponentValType::Type(result)) = run.result else { return false };
    let ComponentDefinedType::Result { ok: Some(ok), err: Some(ComponentValType::Type(error)), .. } = &types[result]
    else {
        return false;
    };
    let ComponentDefinedType::Variant(error) = &types[*error] else { return false };
    let cases = error.cases.iter().map(|(name, case)| (name.as_str(), case.ty.as_ref().is_some_and(is_text)));
    matches!(&run.params[..], [(_, input)] if is_text(input))
        && is_text(ok)
        // The order matters, because a case is passed as its number.
        && cases.eq(ERROR_KINDS.map(|kind| (kind.as_str(), true)))
        // An async function has another calling convention, which the typed call would not use.
        && !run.async_
}
