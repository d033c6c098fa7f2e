//! The modules of a crate and the functions in them.

use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Block, ImplItem, Item, Meta, Signature, TraitItem};

use super::splice::{Edit, Side};

/// The file that the compiler starts from.
pub(super) const ROOT: &str = "src/lib.rs";

/// Whether code is part of the skill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// It is compiled into the component.
    Skill,
    /// It is compiled for the tests alone.
    Tests,
}

/// One source file.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) file: syn::File,
    /// The path of its module, without the crate.
    pub(super) module: Vec<String>,
    pub(super) audience: Audience,
}

impl Source {
    /// Insertions around what the tokens from `first` to `last` cover.
    pub(super) fn around(&self, span: Span, before: String, after: String) -> [Edit; 2] {
        let range = span.byte_range();
        [
            self.edit(span.start().line, range.start, Side::Before, before),
            self.edit(span.end().line, range.end, Side::After, after),
        ]
    }

    /// An insertion right behind the opening brace of a block.
    pub(super) fn at_start_of(&self, block: &Block, text: String) -> Edit {
        let open = block.brace_token.span.open();
        self.edit(open.end().line, open.byte_range().end, Side::Before, text)
    }

    pub(super) fn edit(&self, line: usize, at: usize, side: Side, text: String) -> Edit {
        Edit { file: self.path.clone(), line: u32::try_from(line).unwrap_or(0), at, side, text }
    }
}

/// A function with a body that is part of the skill.
pub(super) struct Function<'a> {
    /// Its file's place in the list.
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
    let mut wanted = vec![(ROOT.to_owned(), "src".to_owned(), Vec::new(), Audience::Skill)];
    let mut sources: Vec<Source> = Vec::new();
    while let Some((path, folder, module, audience)) = wanted.pop() {
        if sources.iter().any(|source| source.path == path) {
            continue;
        }
        let Some(text) = files.get(&path) else { continue };
        // What the parser would skip without counting it.
        if text.starts_with('\u{feff}') || text.starts_with("#!") {
            return Err(format!("`{path}` does not start with code"));
        }
        let file =
            syn::parse_file(text).map_err(|error| format!("`{path}`, line {}: {error}", error.span().start().line))?;
        declared(&file.items, &folder, &module, audience, files, &mut wanted);
        sources.push(Source { path, text: text.clone(), file, module, audience });
    }
    Ok(sources)
}

type Wanted = (String, String, Vec<String>, Audience);

fn declared(
    items: &[Item],
    folder: &str,
    module: &[String],
    audience: Audience,
    files: &BTreeMap<String, String>,
    wanted: &mut Vec<Wanted>,
) {
    for item in items {
        let Item::Mod(item) = item else { continue };
        let audience = if is_for_tests(&item.attrs) { Audience::Tests } else { audience };
        let name = item.ident.to_string();
        let below = format!("{folder}/{name}");
        let mut module = module.to_vec();
        module.push(name);
        match &item.content {
            Some((_, items)) => declared(items, &below, &module, audience, files, wanted),
            None => {
                let candidates = [format!("{below}.rs"), format!("{below}/mod.rs")];
                let found = candidates.into_iter().find(|path| files.contains_key(path));
                wanted.extend(found.map(|path| (path, below, module, audience)));
            }
        }
    }
}

/// `#[cfg(test)]`, in any of its forms, or `#[test]`.
pub(super) fn is_for_tests(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| match &attr.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string().contains("test"),
        Meta::Path(path) => path.is_ident("test"),
        Meta::NameValue(_) => false,
    })
}

/// Every function of the skill that has a body and may call another, in the order of the source.
pub(super) fn functions(sources: &[Source]) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        if source.audience == Audience::Skill {
            collect(number, &source.module, &source.file.items, &mut found);
        }
    }
    // What is `const` may be evaluated by the compiler, which has no switch to look at.
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

/// The items that are for the tests alone, with the path of their module.
pub(super) fn test_items(source: &Source) -> Vec<(Vec<String>, &Item)> {
    fn walk<'a>(items: &'a [Item], module: &[String], audience: Audience, out: &mut Vec<(Vec<String>, &'a Item)>) {
        for item in items {
            let attrs: &[Attribute] = match item {
                Item::Fn(item) => &item.attrs,
                Item::Mod(item) => &item.attrs,
                Item::Impl(item) => &item.attrs,
                _ => &[],
            };
            let audience = if is_for_tests(attrs) { Audience::Tests } else { audience };
            match item {
                Item::Mod(inner) => {
                    if let Some((_, items)) = &inner.content {
                        let mut below = module.to_vec();
                        below.push(inner.ident.to_string());
                        walk(items, &below, audience, out);
                    }
                }
                _ if audience == Audience::Tests => out.push((module.to_vec(), item)),
                _ => {}
            }
        }
    }
    let mut out = Vec::new();
    walk(&source.file.items, &source.module, source.audience, &mut out);
    out
}

/// The line that something starts on.
pub(super) fn line_of(node: &impl syn::spanned::Spanned) -> u32 {
    u32::try_from(node.span().start().line).unwrap_or(0)
}

/// The tokens of a node, read again from its text: their places count from its start.
pub(super) fn tokens_of(source: &Source, node: &impl syn::spanned::Spanned) -> TokenStream {
    text_of(source, node).parse().unwrap_or_default()
}

/// The text that a node covers.
pub(super) fn text_of<'a>(source: &'a Source, node: &impl syn::spanned::Spanned) -> &'a str {
    source.text.get(node.span().byte_range()).unwrap_or_default()
}
