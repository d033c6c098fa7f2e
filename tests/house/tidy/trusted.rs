//! Other ways to come by a trusted skill than through the registry.

use syn::visit::Visit;

/// The type that only `registry` makes.
const TRUSTED: &str = "TrustedSkill";

/// Line, what is there, and what to do, for each place in `text` that makes or lets others make the type;
/// `at_home` says that the file is the registry's. Text that is no Rust file has none: its parser says so.
pub fn other_ways(text: &str, at_home: bool) -> Vec<(usize, &'static str, &'static str)> {
    let mut seen = Trusted { at_home, found: Vec::new() };
    if let Ok(file) = syn::parse_file(text) {
        seen.visit_file(&file);
    }
    seen.found
}

/// What was found so far.
struct Trusted {
    at_home: bool,
    found: Vec<(usize, &'static str, &'static str)>,
}

impl Trusted {
    fn is_it(path: &syn::Path) -> bool {
        path.segments.last().is_some_and(|segment| segment.ident == TRUSTED)
    }

    fn add(&mut self, ident: &syn::Ident, what: &'static str, todo: &'static str) {
        self.found.push((ident.span().start().line, what, todo));
    }
}

impl<'ast> Visit<'ast> for Trusted {
    fn visit_expr_struct(&mut self, node: &'ast syn::ExprStruct) {
        if Self::is_it(&node.path)
            && !self.at_home
            && let Some(last) = node.path.segments.last()
        {
            self.add(&last.ident, "a `TrustedSkill` is made outside `registry`", "ask the registry for it");
        }
        syn::visit::visit_expr_struct(self, node);
    }

    fn visit_expr_call(&mut self, node: &'ast syn::ExprCall) {
        if let syn::Expr::Path(path) = &*node.func
            && Self::is_it(&path.path)
            && !self.at_home
            && let Some(last) = path.path.segments.last()
        {
            self.add(&last.ident, "a `TrustedSkill` is made outside `registry`", "ask the registry for it");
        }
        syn::visit::visit_expr_call(self, node);
    }

    fn visit_item_struct(&mut self, node: &'ast syn::ItemStruct) {
        if node.ident == TRUSTED {
            if !self.at_home {
                self.add(&node.ident, "`TrustedSkill` is defined outside `registry`", "define it in `registry` alone");
            }
            if node.fields.iter().any(|field| !matches!(field.vis, syn::Visibility::Inherited)) {
                self.add(&node.ident, "`TrustedSkill` has a field that others can set", "make its fields private");
            }
            let derives = node.attrs.iter().filter(|attribute| attribute.path().is_ident("derive"));
            for derive in derives {
                let _ = derive.parse_nested_meta(|meta| {
                    if meta.path.is_ident("Default")
                        || meta.path.segments.last().is_some_and(|s| s.ident == "Deserialize")
                    {
                        let todo = "remove the derive: only the registry's check of the digest makes one";
                        self.add(&node.ident, "`TrustedSkill` can be made by a derive", todo);
                    }
                    Ok(())
                });
            }
        }
        syn::visit::visit_item_struct(self, node);
    }
}
