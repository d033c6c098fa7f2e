//! Every name that the crate declares, over all its files at once.
//!
//! The scanner does not resolve names as the compiler does. It takes the union over the crate instead: a name that
//! means a half-open module anywhere is judged as that module everywhere. This errs on the side of refusing, and no
//! order of globs, shadowing or re-exports can defeat it.

use std::collections::{BTreeMap, BTreeSet};

use super::import_tree::{self, ImportBinding, ImportLeaf};
use super::tokens::{SourceTokens, TokenKind, TokenRole, TokenScope};
use super::{allow_list, language, module_files};

/// Rounds that follow aliases of aliases.
const ROUNDS: usize = 16;

/// The names that the crate declares.
#[derive(Debug, Default)]
pub(super) struct DeclaredNames {
    /// Every item, import and macro.
    pub(super) declared: BTreeSet<String>,
    /// The modules.
    modules: BTreeSet<String>,
    /// Names that stand for something else than a module, somewhere.
    not_modules: BTreeSet<String>,
    /// The local macros.
    pub(super) macros: BTreeSet<String>,
    /// The modules for the tests alone, declared by code of the skill.
    pub(super) test_modules: BTreeSet<String>,
    /// The local macros of the skill that may expand to an implementation.
    pub(super) implementing: BTreeSet<String>,
    /// The functions at the crate's root.
    pub(super) root_functions: BTreeSet<String>,
    /// Other names of half-open modules of the standard library.
    aliases: BTreeMap<String, BTreeSet<Vec<String>>>,
    /// Whether the crate names `std::path`, whose types have methods that ask the file system.
    pub(super) has_paths: bool,
}

/// The words that declare the name after them.
const DECLARING: &[&str] = &["const", "enum", "fn", "mod", "static", "struct", "trait", "type", "union"];

impl DeclaredNames {
    /// The names that `files` declare.
    pub(super) fn collect(files: &[SourceTokens]) -> Self {
        let mut names = Self::default();
        files.iter().for_each(|file| names.declarations(file));
        files.iter().for_each(|file| names.implementations(file));
        let leaves: Vec<ImportLeaf> = files.iter().flat_map(import_tree::leaves).collect();
        for leaf in &leaves {
            // A new name may hide a type under the name of a module, so it is no module for
            // certain.
            if leaf.renamed {
                names.not_modules.extend(leaf.name().map(str::to_owned));
            }
            names.declared.extend(leaf.name().map(str::to_owned));
        }
        // An alias may be made from another one that a later file declares, so the union is
        // repeated until it is stable.
        for _ in 0..ROUNDS {
            let before = names.aliases.values().map(BTreeSet::len).sum::<usize>();
            leaves.iter().for_each(|leaf| names.follow(leaf));
            if names.aliases.values().map(BTreeSet::len).sum::<usize>() == before {
                break;
            }
        }
        // By any import: the methods come with the type, under whatever name it is bound.
        let imports = |root: &&str| leaves.iter().any(|leaf| leaf.names(&[root, "path"]));
        names.has_paths = allow_list::STD_ROOTS.iter().any(imports) || files.iter().any(names_paths);
        names
    }

    fn declarations(&mut self, file: &SourceTokens) {
        for (at, token) in file.tokens.iter().enumerate() {
            if token.role != TokenRole::Plain || token.kind != TokenKind::Ident {
                continue;
            }
            if file.local_macro(at).is_some() {
                self.macros.extend(file.segment(at + 2).map(str::to_owned));
                self.declared.extend(file.segment(at + 2).map(str::to_owned));
            }
            let Some(name) = file.segment(at + 1).map(str::to_owned) else { continue };
            if !DECLARING.contains(&&*token.text) {
                continue;
            }
            match &*token.text {
                "mod" => {
                    self.modules.insert(name.clone());
                    if module_files::is_for_tests(file, at) {
                        self.test_modules.insert(name.clone());
                    }
                }
                "enum" | "struct" | "trait" | "type" | "union" => {
                    self.not_modules.insert(name.clone());
                }
                // Only these can be exported: the export must show in the file that a person reads
                // first.
                "fn" if token.depth == 0 && file.path == module_files::ROOT => {
                    self.root_functions.insert(name.clone());
                }
                _ => {}
            }
            self.declared.insert(name);
        }
    }

    /// Notes the macros of the skill whose rules hold an implementation or call another local macro, which may.
    fn implementations(&mut self, file: &SourceTokens) {
        for (at, token) in file.tokens.iter().enumerate() {
            let Some(open) = file.local_macro(at).filter(|_| token.scope == TokenScope::Skill) else { continue };
            let implements = (open..file.pair_of(open)).any(|at| {
                let calls =
                    file.macro_call(at).is_some() && file.segment(at).is_some_and(|name| self.macros.contains(name));
                calls || file.is_word(at, "impl")
            });
            if implements {
                self.implementing.extend(file.segment(at + 2).map(str::to_owned));
            }
        }
    }

    /// Whether `name` is a module wherever it stands in the crate.
    pub(super) fn is_module(&self, name: &str) -> bool {
        let known = self.modules.contains(name) || allow_list::SDK_MODULES.contains(&name);
        let keyword = language::PATH_KEYWORDS.contains(&name) && name != "Self";
        // A name that is both counts as a value, since values have the methods that are refused.
        keyword || known && !self.not_modules.contains(name)
    }

    /// Notes the other name that an import gives to a half-open module.
    fn follow(&mut self, leaf: &ImportLeaf) {
        let ImportBinding::Name(name) = &leaf.binding else { return };
        let mut targets: Vec<Vec<String>> = self.meanings(&leaf.path);
        if let [.., root, module] = leaf.path.as_slice()
            && allow_list::STD_ROOTS.contains(&root.as_str())
            && matches!(allow_list::module(module), Some(allow_list::ModuleAccess::Only(_)))
        {
            targets.push(vec![module.clone()]);
        }
        if !targets.is_empty() {
            self.aliases.entry(name.clone()).or_default().extend(targets);
        }
    }

    /// What `path` means when its last name is another one of a half-open module.
    fn meanings(&self, path: &[String]) -> Vec<Vec<String>> {
        path.last().map(|last| self.alias(last)).unwrap_or_default()
    }

    /// The half-open modules that `name` may stand for, as paths below the standard library's root.
    pub(super) fn alias(&self, name: &str) -> Vec<Vec<String>> {
        self.aliases.get(name).map(|targets| targets.iter().cloned().collect()).unwrap_or_default()
    }
}

/// Whether `file` spells `std::path`.
pub(super) fn names_paths(file: &SourceTokens) -> bool {
    (0..file.tokens.len()).any(|at| {
        let root = file.segment(at).is_some_and(|name| allow_list::STD_ROOTS.contains(&name));
        root && file.is_separator(at + 1) && file.segment(at + 3) == Some("path")
    })
}
