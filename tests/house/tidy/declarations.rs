//! What a source file declares: the names of its public types, and the functions that take a tuple.
//!
//! Code below `#[cfg(test)]` does not count, and neither does what a macro makes.

use syn::visit::{self, Visit};

/// What one file declares.
#[derive(Debug, Default)]
pub struct Declarations {
    /// Line and name of every type, trait and alias that more than its own module may name.
    pub public_types: Vec<(usize, String)>,
    /// Line and name of every function with a tuple as a parameter. A method's name starts with its type.
    pub tuple_functions: Vec<(usize, String)>,
    owner: Option<String>,
}

/// Reads `text`. A text that is no Rust file declares nothing: the rules report it elsewhere.
pub fn read(text: &str) -> Declarations {
    let mut declared = Declarations::default();
    if let Ok(file) = syn::parse_file(text) {
        declared.visit_file(&file);
    }
    declared
}

impl Declarations {
    fn add_type(&mut self, visibility: &syn::Visibility, name: &syn::Ident) {
        if !matches!(visibility, syn::Visibility::Inherited) {
            self.public_types.push((name.span().start().line, name.to_string()));
        }
    }

    fn add_function(&mut self, signature: &syn::Signature) {
        if signature.inputs.iter().any(is_tuple) {
            let name = signature.ident.to_string();
            let name = self.owner.as_ref().map_or_else(|| name.clone(), |owner| format!("{owner}::{name}"));
            self.tuple_functions.push((signature.ident.span().start().line, name));
        }
    }

    /// Visits what is inside of a type or trait of this name.
    fn within(&mut self, owner: Option<String>, visit: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.owner, owner);
        visit(self);
        self.owner = before;
    }
}

/// Whether several values are handed in as one parameter without names: `(a, b): (A, B)`, or a value of such a type.
fn is_tuple(parameter: &syn::FnArg) -> bool {
    let syn::FnArg::Typed(parameter) = parameter else { return false };
    let mut of = &*parameter.ty;
    while let syn::Type::Reference(reference) = of {
        of = &reference.elem;
    }
    let tuple_type = matches!(of, syn::Type::Tuple(tuple) if !tuple.elems.is_empty());
    tuple_type || matches!(*parameter.pat, syn::Pat::Tuple(_))
}

fn only_in_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|what| what.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Declarations {
    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        if !only_in_tests(&node.attrs) {
            visit::visit_item_mod(self, node);
        }
    }

    fn visit_item_struct(&mut self, node: &'ast syn::ItemStruct) {
        self.add_type(&node.vis, &node.ident);
    }

    fn visit_item_enum(&mut self, node: &'ast syn::ItemEnum) {
        self.add_type(&node.vis, &node.ident);
    }

    fn visit_item_union(&mut self, node: &'ast syn::ItemUnion) {
        self.add_type(&node.vis, &node.ident);
    }

    fn visit_item_type(&mut self, node: &'ast syn::ItemType) {
        self.add_type(&node.vis, &node.ident);
    }

    fn visit_item_trait(&mut self, node: &'ast syn::ItemTrait) {
        self.add_type(&node.vis, &node.ident);
        self.within(Some(node.ident.to_string()), |inside| visit::visit_item_trait(inside, node));
    }

    fn visit_item_impl(&mut self, node: &'ast syn::ItemImpl) {
        let owner = match &*node.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
            _ => None,
        };
        if !only_in_tests(&node.attrs) {
            self.within(owner, |inside| visit::visit_item_impl(inside, node));
        }
    }

    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        if !only_in_tests(&node.attrs) {
            self.within(None, |inside| {
                inside.add_function(&node.sig);
                visit::visit_item_fn(inside, node);
            });
        }
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        if !only_in_tests(&node.attrs) {
            self.add_function(&node.sig);
            visit::visit_impl_item_fn(self, node);
        }
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        self.add_function(&node.sig);
        visit::visit_trait_item_fn(self, node);
    }
}
