//! The parsed source tree: the modules of a crate and the functions in them.
//!
//! Guarantees: a file is read once, and its module path is the one that `rustc` gives it.
//! Deliberately never: resolves imports or types.

use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Block, ImplItem, Item, Meta, Signature, TraitItem};

use super::splice::{Anchor, Insertion, ROOT};

/// Whether code is part of the skill or only of its tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeScope {
    /// It is compiled into the component.
    SkillComponent,
    /// It is compiled only for the tests.
    Tests,
}

/// One source file.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) file: syn::File,
    /// The path of its module, without the crate.
    pub(super) module: Vec<String>,
    pub(super) scope: CodeScope,
}

impl Source {
    /// Insertions before and after a span.
    pub(super) fn around(&self, span: Span, before: String, after: String) -> [Insertion; 2] {
        let range = span.byte_range();
        let before = self.insertion(span.start().line, range.start, Anchor::Before, before);
        let after = self.insertion(span.end().line, range.end, Anchor::After, after);
        [Insertion { partner: Some(range.end), ..before }, Insertion { partner: Some(range.start), ..after }]
    }

    /// An insertion right behind the opening brace of a block.
    pub(super) fn at_start_of(&self, block: &Block, text: String) -> Insertion {
        let open = block.brace_token.span.open();
        self.insertion(open.end().line, open.byte_range().end, Anchor::Before, text)
    }

    pub(super) fn insertion(&self, line: usize, at: usize, anchor: Anchor, text: String) -> Insertion {
        Insertion { file: self.path.clone(), line: u32::try_from(line).unwrap_or(0), at, anchor, partner: None, text }
    }
}

/// A function with a body that is part of the skill.
pub(super) struct Function<'a> {
    /// The index of its file.
    pub(super) source: usize,
    /// The path of its module.
    pub(super) module: Vec<String>,
    /// The type or trait it belongs to.
    pub(super) owner: Option<String>,
    /// Whether it is the method of a trait.
    pub(super) of_trait: bool,
    pub(super) sig: &'a Signature,
    pub(super) block: &'a Block,
}

/// Parses the files that `src/lib.rs` leads to.
pub(super) fn load(files: &BTreeMap<String, String>) -> Result<Vec<Source>, String> {
    let mut pending = vec![PendingFile {
        path: ROOT.to_owned(),
        folder: "src".to_owned(),
        module: Vec::new(),
        scope: CodeScope::SkillComponent,
    }];
    let mut sources: Vec<Source> = Vec::new();
    while let Some(PendingFile { path, folder, module, scope }) = pending.pop() {
        if sources.iter().any(|source| source.path == path) {
            continue;
        }
        let Some(text) = files.get(&path) else { continue };
        // The parser skips a byte order mark and a shebang line, so its positions would be wrong.
        if text.starts_with('\u{feff}') || text.starts_with("#!") {
            return Err(format!("`{path}` does not start with code"));
        }
        let file =
            syn::parse_file(text).map_err(|error| format!("`{path}`, line {}: {error}", error.span().start().line))?;
        let mut modules = Declared { files, pending: &mut pending };
        modules.collect(&file.items, &folder, &module, scope);
        sources.push(Source { path, text: text.clone(), file, module, scope });
    }
    Ok(sources)
}

/// A file that a `mod` declaration leads to.
struct PendingFile {
    path: String,
    /// The folder of the files of its own modules.
    folder: String,
    module: Vec<String>,
    scope: CodeScope,
}

/// Collects the files that `mod` declarations lead to.
struct Declared<'a> {
    files: &'a BTreeMap<String, String>,
    pending: &'a mut Vec<PendingFile>,
}

impl Declared<'_> {
    fn collect(&mut self, items: &[Item], folder: &str, module: &[String], scope: CodeScope) {
        for item in items {
            let Item::Mod(item) = item else { continue };
            let scope = if is_for_tests(&item.attrs) { CodeScope::Tests } else { scope };
            let name = item.ident.to_string();
            let below = format!("{folder}/{name}");
            let mut module = module.to_vec();
            module.push(name);
            match &item.content {
                Some((_, items)) => self.collect(items, &below, &module, scope),
                None => {
                    // As the compiler looks for them. Where both are there it refuses, and nothing
                    // is built.
                    let candidates = [format!("{below}.rs"), format!("{below}/mod.rs")];
                    let found = candidates.into_iter().find(|path| self.files.contains_key(path));
                    self.pending.extend(found.map(|path| PendingFile { path, folder: below, module, scope }));
                }
            }
        }
    }
}

/// `#[cfg(test)]`, in any of its forms, or `#[test]`.
pub(super) fn is_for_tests(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| match &attr.meta {
        // Too wide for `not(test)`, which the policy refuses in a skill.
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string().contains("test"),
        Meta::Path(path) => path.is_ident("test"),
        Meta::NameValue(_) => false,
    })
}

/// Every function of the skill that has a body and may call another, in the order of the source.
pub(super) fn functions(sources: &[Source]) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        if source.scope == CodeScope::SkillComponent {
            collect(number, &source.module, &source.file.items, &mut found);
        }
    }
    // The compiler may evaluate a `const fn`, and there is no switch at compile time.
    found.retain(|function| function.sig.constness.is_none());
    found
}

fn collect<'a>(source: usize, module: &[String], items: &'a [Item], found: &mut Vec<Function<'a>>) {
    let make = |sig: &'a Signature, block: &'a Block, owner: Option<String>, of_trait: bool| Function {
        source,
        module: module.to_vec(),
        owner,
        of_trait,
        sig,
        block,
    };
    for item in items {
        match item {
            Item::Fn(item) if !is_for_tests(&item.attrs) => found.push(make(&item.sig, &item.block, None, false)),
            Item::Impl(item) if !is_for_tests(&item.attrs) => {
                let owner = last_segment(&item.self_ty);
                for inner in &item.items {
                    if let ImplItem::Fn(method) = inner
                        && !is_for_tests(&method.attrs)
                    {
                        found.push(make(&method.sig, &method.block, owner.clone(), item.trait_.is_some()));
                    }
                }
            }
            Item::Trait(item) if !is_for_tests(&item.attrs) => {
                for inner in &item.items {
                    if let TraitItem::Fn(method) = inner
                        && let Some(block) = &method.default
                    {
                        found.push(make(&method.sig, block, Some(item.ident.to_string()), true));
                    }
                }
            }
            Item::Mod(item) if !is_for_tests(&item.attrs) => {
                if let Some((_, items)) = &item.content {
                    let mut below = module.to_vec();
                    below.push(item.ident.to_string());
                    collect(source, &below, items, found);
                }
            }
            _ => {}
        }
    }
}

/// The last name of a type that is a path.
pub(super) fn last_segment(of: &syn::Type) -> Option<String> {
    match of {
        syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// The items that are compiled only for the tests, with the path of their module.
pub(super) fn test_items(source: &Source) -> Vec<(Vec<String>, &Item)> {
    items_of(source, CodeScope::Tests)
}

/// The items that are compiled into the component, with the paths of their modules.
pub(super) fn skill_items(source: &Source) -> Vec<(Vec<String>, &Item)> {
    items_of(source, CodeScope::SkillComponent)
}

fn items_of(source: &Source, wanted: CodeScope) -> Vec<(Vec<String>, &Item)> {
    struct ItemWalk<'a> {
        wanted: CodeScope,
        found: Vec<(Vec<String>, &'a Item)>,
    }
    impl<'a> ItemWalk<'a> {
        fn walk(&mut self, items: &'a [Item], module: &[String], scope: CodeScope) {
            for item in items {
                let attrs: &[Attribute] = match item {
                    Item::Fn(item) => &item.attrs,
                    Item::Mod(item) => &item.attrs,
                    Item::Impl(item) => &item.attrs,
                    _ => &[],
                };
                let scope = if is_for_tests(attrs) { CodeScope::Tests } else { scope };
                match item {
                    Item::Mod(inner) => {
                        if let Some((_, items)) = &inner.content {
                            let mut below = module.to_vec();
                            below.push(inner.ident.to_string());
                            self.walk(items, &below, scope);
                        }
                    }
                    _ if scope == self.wanted => self.found.push((module.to_vec(), item)),
                    _ => {}
                }
            }
        }
    }
    let mut walk = ItemWalk { wanted, found: Vec::new() };
    walk.walk(&source.file.items, &source.module, source.scope);
    walk.found
}

/// The line that a node starts on.
pub(super) fn line_of(node: &impl syn::spanned::Spanned) -> u32 {
    u32::try_from(node.span().start().line).unwrap_or(0)
}

/// The tokens of a node, parsed again from its text. Their positions count from the start of the node.
pub(super) fn tokens_of(source: &Source, node: &impl syn::spanned::Spanned) -> TokenStream {
    text_of(source, node).parse().unwrap_or_default()
}

/// The text of a node.
pub(super) fn text_of<'a>(source: &'a Source, node: &impl syn::spanned::Spanned) -> &'a str {
    source.text.get(node.span().byte_range()).unwrap_or_default()
}
