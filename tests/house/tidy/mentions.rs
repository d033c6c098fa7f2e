//! What a source file mentions: the paths, imports, macros and keywords in its tokens.
//!
//! Works on tokens, so comments and strings are no mentions and what stands inside a macro call is one.
//! It follows imports and renames inside one file. It is made for honest mistakes, not for an author who hides
//! something: a path that is glued together by a macro is not seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter::Peekable,
    slice::Iter,
};

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

/// How something is mentioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `use a::b;`
    Use,
    /// `use a::b::*;`
    Glob,
    /// `a::b` in code.
    Path,
    /// `a::b!(…)`
    Macro,
    /// `unsafe`
    Unsafe,
    /// `extern crate`
    ExternCrate,
    /// `#[path = "file"] mod a;`: the file, then the module's path.
    PathAttribute,
    /// `#[cfg(test)] mod a;`, a module with a file of its own that only the tests have.
    TestModule,
}

/// Whether the code is compiled into the program or only into its tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The program.
    Program,
    /// Below `#[cfg(test)]`.
    Tests,
}

/// One mention, resolved: `path` starts with `crate` or with the name of another crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// How.
    pub kind: Kind,
    /// What; empty for keywords.
    pub path: Vec<String>,
    /// The name that a `use` binds.
    pub binds: Option<String>,
    /// Whether it is a `pub use`.
    pub exported: bool,
    /// Where, from 1.
    pub line: usize,
    /// In the program or in its tests.
    pub part: Part,
}

/// A mention as it is written, before its first name is looked up.
#[derive(Debug, Clone)]
struct Raw {
    kind: Kind,
    names: Vec<String>,
    /// The name that a `use` binds.
    binds: Option<String>,
    /// Written with a leading `::`.
    absolute: bool,
    /// Behind `pub`.
    exported: bool,
    line: usize,
    part: Part,
}

/// The names that a module has imported, with what each stands for.
type Aliases = BTreeMap<String, Vec<Vec<String>>>;

/// One module while it is read: the file's, or one inside it.
#[derive(Debug)]
struct Module {
    path: Vec<String>,
    aliases: Aliases,
    raw: Vec<Raw>,
    inner: Vec<(Vec<String>, Group, Part)>,
}

/// Reads the mentions of the file that is module `path`; `modules` are all modules that there are.
///
/// # Errors
/// The text is not made of Rust tokens.
pub fn read(
    text: &str,
    path: Vec<String>,
    part: Part,
    modules: &BTreeSet<Vec<String>>,
) -> Result<Vec<Mention>, proc_macro2::LexError> {
    let tokens: TokenStream = text.parse()?;
    let mut found = Vec::new();
    read_module(tokens, path, part, &Aliases::new(), modules, &mut found);
    Ok(found)
}

fn read_module(
    tokens: TokenStream,
    path: Vec<String>,
    part: Part,
    outer: &Aliases,
    modules: &BTreeSet<Vec<String>>,
    found: &mut Vec<Mention>,
) {
    // Names of the outer module hold here as well, as if every inner module said `use super::*`: the
    // test module of a file does, and a name too many can only make a rule stricter.
    let mut module = Module { path, aliases: outer.clone(), raw: Vec::new(), inner: Vec::new() };
    module.scan(tokens, part);
    for raw in &module.raw {
        if let Some(name) = &raw.binds {
            let target = if raw.absolute { absolute(&raw.names) } else { module.locate_in_crate(&raw.names, modules) };
            module.aliases.entry(name.clone()).or_default().push(target);
        }
    }
    for raw in &module.raw {
        let paths = if raw.absolute { vec![raw.names.clone()] } else { module.resolve(&raw.names, modules, 0) };
        found.extend(paths.into_iter().map(|path| Mention {
            kind: raw.kind,
            path,
            binds: raw.binds.clone(),
            exported: raw.exported,
            line: raw.line,
            part: raw.part,
        }));
    }
    for (path, group, part) in module.inner {
        read_module(group.stream(), path, part, &module.aliases, modules, found);
    }
}

/// A path that another crate begins, marked so that no import is looked up for its first name.
fn absolute(names: &[String]) -> Vec<String> {
    let mut path = vec![String::new()];
    path.extend_from_slice(names);
    path
}

impl Module {
    /// `self` and `super` replaced by what they stand for in this module.
    fn locate(&self, names: &[String]) -> Vec<String> {
        let mut rest = names;
        let mut base = self.path.clone();
        let mut relative = false;
        while let Some((first, tail)) = rest.split_first() {
            match first.as_str() {
                "self" => {}
                "super" => drop(base.pop()),
                _ => break,
            }
            relative = true;
            rest = tail;
        }
        if !relative {
            return names.to_vec();
        }
        let mut path = vec!["crate".to_owned()];
        path.append(&mut base);
        path.extend_from_slice(rest);
        path
    }

    /// The same, and the name of a module inside this one replaced by its whole path.
    fn locate_in_crate(&self, names: &[String], modules: &BTreeSet<Vec<String>>) -> Vec<String> {
        let child = [self.path.as_slice(), names.get(..1).unwrap_or_default()].concat();
        if names.first().is_some_and(|first| first != "crate") && modules.contains(&child) {
            return [vec!["crate".to_owned()], self.path.clone(), names.to_vec()].concat();
        }
        self.locate(names)
    }

    /// Everything that `names` may stand for.
    fn resolve(&self, names: &[String], modules: &BTreeSet<Vec<String>>, depth: usize) -> Vec<Vec<String>> {
        let names = self.locate(names);
        let Some((first, rest)) = names.split_first() else { return vec![names] };
        if first.is_empty() {
            return vec![rest.to_vec()];
        }
        if first == "crate" {
            return vec![names];
        }
        if let Some(targets) = self.aliases.get(first)
            && depth < 8
            && targets.iter().all(|target| target.first() != Some(first))
        {
            let whole = |target: &Vec<String>| [target.as_slice(), rest].concat();
            return targets.iter().flat_map(|target| self.resolve(&whole(target), modules, depth + 1)).collect();
        }
        vec![self.locate_in_crate(&names, modules)]
    }

    fn scan(&mut self, tokens: TokenStream, part: Part) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        // Attributes stand before what they are about; a `;`, `,` or block ends what they are about.
        let mut attributes: Vec<String> = Vec::new();
        while at < tokens.len() {
            let here = if attributes.iter().any(|text| is_cfg_test(text)) { Part::Tests } else { part };
            at = match &tokens[at] {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    if let Some(TokenTree::Group(group)) = tokens.get(at + 1)
                        && group.delimiter() == Delimiter::Bracket
                    {
                        attributes.push(group.stream().to_string());
                        self.scan(group.stream(), here);
                        at + 2
                    } else {
                        at + 1
                    }
                }
                TokenTree::Punct(punct) => {
                    if matches!(punct.as_char(), ';' | ',') {
                        attributes.clear();
                    }
                    at + 1
                }
                TokenTree::Group(group) => {
                    self.scan(group.stream(), here);
                    if group.delimiter() == Delimiter::Brace {
                        attributes.clear();
                    }
                    at + 1
                }
                TokenTree::Literal(_) => at + 1,
                TokenTree::Ident(ident) => {
                    let next = self.scan_name(&tokens, at, here, &attributes);
                    if ident == "mod" || ident == "use" {
                        attributes.clear();
                    }
                    next
                }
            };
        }
    }

    /// Reads what starts with the name at `at`; gives the place behind it.
    fn scan_name(&mut self, tokens: &[TokenTree], at: usize, part: Part, attributes: &[String]) -> usize {
        let line = tokens[at].span().start().line;
        let mut keep = |kind| {
            self.raw.push(Raw { kind, names: Vec::new(), binds: None, absolute: false, exported: false, line, part });
        };
        match name(&tokens[at]).as_deref() {
            Some("unsafe") => keep(Kind::Unsafe),
            Some("extern") if tokens.get(at + 1).and_then(name).as_deref() == Some("crate") => {
                keep(Kind::ExternCrate);
                return at + 2;
            }
            Some("mod") => return self.scan_mod(tokens, at, part, attributes),
            Some("use") if !is_punct(tokens.get(at + 1), '<') => return self.scan_use(tokens, at + 1, part),
            Some(word) if !KEYWORDS.contains(&word) => return self.scan_path(tokens, at, part),
            _ => {}
        }
        at + 1
    }

    fn scan_mod(&mut self, tokens: &[TokenTree], at: usize, part: Part, attributes: &[String]) -> usize {
        let Some(inner) = tokens.get(at + 1).and_then(name) else { return at + 1 };
        let mut names = [self.path.as_slice(), &[inner]].concat();
        if let Some(TokenTree::Group(group)) = tokens.get(at + 2) {
            self.inner.push((names, group.clone(), part));
            return at + 3;
        }
        let line = tokens[at].span().start().line;
        let elsewhere = attributes.iter().find(|text| text.split([' ', '=']).next() == Some("path"));
        if let Some(file) = elsewhere {
            names.insert(0, file.split('"').nth(1).unwrap_or_default().to_owned());
            self.raw.push(Raw {
                kind: Kind::PathAttribute,
                names,
                binds: None,
                absolute: true,
                exported: false,
                line,
                part,
            });
        } else if part == Part::Tests {
            self.raw.push(Raw {
                kind: Kind::TestModule,
                names,
                binds: None,
                absolute: true,
                exported: false,
                line,
                part,
            });
        }
        at + 2
    }

    fn scan_use(&mut self, tokens: &[TokenTree], at: usize, part: Part) -> usize {
        let end = (at..tokens.len()).find(|&i| is_punct(tokens.get(i), ';')).unwrap_or(tokens.len());
        let absolute = is_punct(tokens.get(at), ':');
        let exported = is_exported(&tokens[..at.saturating_sub(1)]);
        use_tree(&mut tokens[at..end].iter().peekable(), &[], &mut |tree, glob, binds, line| {
            let kind = if glob { Kind::Glob } else { Kind::Use };
            self.raw.push(Raw { kind, names: tree, binds, absolute, exported, line, part });
        });
        end + 1
    }

    fn scan_path(&mut self, tokens: &[TokenTree], at: usize, part: Part) -> usize {
        let line = tokens[at].span().start().line;
        let mut names: Vec<String> = name(&tokens[at]).into_iter().collect();
        let mut next = at + 1;
        while is_path_separator(tokens, next)
            && let Some(more) = tokens.get(next + 2).and_then(name)
        {
            names.push(more);
            next += 3;
        }
        let calls_macro = is_punct(tokens.get(next), '!') && matches!(tokens.get(next + 1), Some(TokenTree::Group(_)));
        let kind = if calls_macro { Kind::Macro } else { Kind::Path };
        // A single name is a local thing, a field, a method, or an import whose `use` was already seen.
        if names.len() > 1 || calls_macro {
            let absolute = begins_absolute(tokens, at);
            self.raw.push(Raw { kind, names, binds: None, absolute, exported: false, line, part });
        }
        next
    }
}

/// Unfolds `a::{b, c as d, e::*, self}` into its leaves: names, whether it is a glob, the bound name, the line.
fn use_tree(
    tokens: &mut Peekable<Iter<'_, TokenTree>>,
    prefix: &[String],
    leaf: &mut dyn FnMut(Vec<String>, bool, Option<String>, usize),
) {
    let mut path = prefix.to_vec();
    let mut glob = false;
    let mut renamed: Option<String> = None;
    let mut line = 0;
    let mut open = true;
    while let Some(token) = tokens.next() {
        line = token.span().start().line;
        match token {
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let mut inner = inner.iter().peekable();
                while inner.peek().is_some() {
                    use_tree(&mut inner, &path, leaf);
                }
                open = false;
            }
            TokenTree::Punct(punct) if punct.as_char() == ',' => break,
            TokenTree::Punct(punct) => glob |= punct.as_char() == '*',
            TokenTree::Ident(word) if word == "as" => renamed = tokens.next().and_then(name),
            TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
            TokenTree::Ident(_) => path.extend(name(token)),
            TokenTree::Literal(_) => {}
        }
    }
    if open && line > 0 {
        let binds = if glob { None } else { renamed.or_else(|| path.last().cloned()).filter(|name| name != "_") };
        leaf(path, glob, binds, line);
    }
}

/// Words that begin no path.
const KEYWORDS: &[&str] = &[
    "as", "async", "await", "break", "const", "continue", "dyn", "else", "enum", "extern", "false", "fn", "for", "if",
    "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "static", "struct", "trait",
    "true", "type", "unsafe", "use", "where", "while",
];

fn is_cfg_test(attribute: &str) -> bool {
    let plain: String = attribute.chars().filter(|c| !c.is_whitespace()).collect();
    plain == "cfg(test)" || plain.starts_with("cfg(all(test,")
}

fn name(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(ident) => Some(ident.to_string().trim_start_matches("r#").to_owned()),
        _ => None,
    }
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// Whether the tokens before a `use` end with `pub`, or with `pub(crate)` and the like.
fn is_exported(before: &[TokenTree]) -> bool {
    match before {
        [.., word, TokenTree::Group(group)] if group.delimiter() == Delimiter::Parenthesis => {
            name(word).as_deref() == Some("pub")
        }
        [.., word] => name(word).as_deref() == Some("pub"),
        [] => false,
    }
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let joint =
        matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':' && p.spacing() == Spacing::Joint);
    joint && is_punct(tokens.get(at + 1), ':')
}

/// Whether the name at `at` stands behind a `::` that nothing stands before.
fn begins_absolute(tokens: &[TokenTree], at: usize) -> bool {
    if at < 2 || !is_path_separator(tokens, at - 2) {
        return false;
    }
    match at.checked_sub(3).map(|before| &tokens[before]) {
        Some(TokenTree::Ident(ident)) => KEYWORDS.contains(&ident.to_string().as_str()),
        Some(TokenTree::Punct(punct)) => punct.as_char() != '>',
        _ => true,
    }
}
