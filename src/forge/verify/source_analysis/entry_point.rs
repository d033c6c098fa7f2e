//! Finds the function that `export_skill!` names.

use serde::{Deserialize, Serialize};
use syn::{Item, Path};

use super::source_tree::{CodeScope, Function, Source, is_for_tests, line_of};

/// The exported function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryPoint {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

impl EntryPoint {
    pub(super) fn of(sources: &[Source], function: &Function<'_>) -> Self {
        Self {
            name: function.sig.ident.to_string(),
            file: sources[function.source].path.clone(),
            line: line_of(&function.sig.ident),
        }
    }
}

/// The indexes, in `functions`, of the candidates for the exported function. There is one, unless several have the name.
pub(super) fn find(sources: &[Source], functions: &[Function<'_>]) -> Vec<usize> {
    let Some((module, path)) = exported(sources) else { return Vec::new() };
    let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let Some((name, qualifier)) = names.split_last() else { return Vec::new() };
    let named: Vec<usize> = (0..functions.len()).filter(|index| functions[*index].sig.ident == name).collect();
    // By the last part of the path. What it resolves to would need the imports of the compiler.
    let fits = |function: &Function<'_>| match qualifier.last().map(String::as_str) {
        None | Some("self") => function.owner.is_none() && function.module == module,
        Some("crate") => function.owner.is_none() && function.module.is_empty(),
        Some(last) => {
            function.owner.as_deref() == Some(last)
                || (function.owner.is_none() && function.module.last().map(String::as_str) == Some(last))
        }
    };
    let exact: Vec<usize> = named.iter().copied().filter(|index| fits(&functions[*index])).collect();
    // Imports are not resolved: when no function fits by its path, every one of that name is a candidate.
    if exact.is_empty() { named } else { exact }
}

/// The path of a function below the crate.
pub(super) fn path(function: &Function<'_>) -> String {
    let name = function.sig.ident.to_string();
    function.module.iter().cloned().chain(function.owner.clone()).chain([name]).collect::<Vec<_>>().join("::")
}

/// The module that contains `export_skill!`, and the path that it names.
fn exported(sources: &[Source]) -> Option<(Vec<String>, Path)> {
    fn walk(items: &[Item], module: &[String]) -> Option<(Vec<String>, Path)> {
        items.iter().find_map(|item| match item {
            Item::Macro(item) if item.mac.path.segments.last().is_some_and(|last| last.ident == "export_skill") => {
                let named = item.mac.parse_body_with(|input: syn::parse::ParseStream<'_>| {
                    let path: Path = input.parse()?;
                    input.parse::<Option<syn::Token![,]>>()?;
                    Ok(path)
                });
                named.ok().map(|path| (module.to_vec(), path))
            }
            Item::Mod(item) if !is_for_tests(&item.attrs) => {
                let mut below = module.to_vec();
                below.push(item.ident.to_string());
                item.content.as_ref().and_then(|(_, items)| walk(items, &below))
            }
            _ => None,
        })
    }
    let skill = sources.iter().filter(|source| source.scope == CodeScope::SkillComponent);
    skill.into_iter().find_map(|source| walk(&source.file.items, &source.module))
}

#[cfg(test)]
mod unit {
    use super::super::{source_tree, splice};
    use super::*;

    fn lines(source: &str) -> Result<Vec<u32>, String> {
        let sources = source_tree::load(&[(splice::ROOT.to_owned(), source.to_owned())].into())?;
        let functions = source_tree::functions(&sources);
        Ok(find(&sources, &functions)
            .into_iter()
            .map(|index| source_tree::line_of(&functions[index].sig.ident))
            .collect())
    }

    #[test]
    fn it_is_found_wherever_it_is() -> Result<(), String> {
        assert_eq!(lines("fn run() {}\nmod a { fn run() {} }\nkavi_sdk::export_skill!(run);")?, [1]);
        assert_eq!(lines("fn run() {}\nmod a {\npub fn run() {} }\nexport_skill!(a::run,);")?, [3]);
        assert_eq!(lines("use a::run;\nmod a {\npub fn run() {} }\nexport_skill!(run);")?, [3]);
        assert_eq!(lines("struct S;\nimpl S {\nfn run() {} }\nfn run() {}\nexport_skill!(S::run);")?, [3]);
        assert!(lines("fn run() {}")?.is_empty());
        assert!(lines("fn run() {}\nexport_skill!(walk);")?.is_empty());
        Ok(())
    }
}
