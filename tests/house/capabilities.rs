//! Every public method of `app` belongs to exactly one capability of the documented table, and the table names no other.

use std::{collections::BTreeMap, error::Error, fs, path::Path};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The files of the services, and of what agents can do.
fn files() -> Result<Vec<String>, Box<dyn Error>> {
    let app = Path::new(ROOT).join("src/app");
    let mut texts = vec![fs::read_to_string(Path::new(ROOT).join("src/app.rs"))?];
    for entry in fs::read_dir(&app)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(fs::read_to_string(path)?);
        }
    }
    texts.push(fs::read_to_string(app.join("agents/api.rs"))?);
    Ok(texts)
}

/// `Type::method` of every public method in one file. A method that only gives a service is none.
fn methods(text: &str) -> Vec<String> {
    let (mut found, mut of) = (Vec::new(), None);
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("impl ") {
            let name = rest.split(['<', ' ', '{']).next().unwrap_or_default();
            of = (name == "App" || name.ends_with("Service")).then_some((name, "    pub fn "));
        } else if line.starts_with("pub trait AgentApi") {
            of = Some(("AgentApi", "    fn "));
        } else if line.starts_with('}') {
            of = None;
        } else if let Some((name, begins)) = of
            && let Some(rest) = line.strip_prefix(begins)
            && !line.contains("Service<'_>")
        {
            found.push(format!("{name}::{}", rest.split(['(', '<']).next().unwrap_or_default()));
        }
    }
    found
}

#[test]
fn every_method_of_app_belongs_to_one_capability() -> Result<(), Box<dyn Error>> {
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let table = fs::read_to_string(Path::new(ROOT).join("docs/CAPABILITIES.md"))?;
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let (capability, methods) = (cells.first().ok_or("no name")?, cells.last().ok_or("no methods")?);
        for method in methods.split(", ") {
            named.entry(method.replace('`', "")).or_default().push((*capability).to_owned());
        }
    }
    let twice: Vec<_> = named.iter().filter(|(_, capabilities)| capabilities.len() > 1).collect();
    assert!(twice.is_empty(), "in more than one row of docs/CAPABILITIES.md: {twice:?}");
    let mut real: Vec<String> = files()?.iter().flat_map(|text| methods(text)).collect();
    real.sort();
    assert!(real.len() > 90, "the methods were not read: {real:?}");
    let missing: Vec<_> = real.iter().filter(|method| !named.contains_key(*method)).collect();
    assert!(missing.is_empty(), "give each a row in docs/CAPABILITIES.md: {missing:?}");
    let gone: Vec<_> = named.keys().filter(|method| !real.contains(method)).collect();
    assert!(gone.is_empty(), "docs/CAPABILITIES.md names methods that are not there: {gone:?}");
    Ok(())
}

#[test]
fn methods_are_found_where_they_are_public() {
    let text = "impl App {\n    pub fn open() {}\n    fn hidden() {}\n    pub fn runs(&self) -> RunService<'_> {\n    }\n}\n\
        impl RunService<'_> {\n    pub fn run_batch<T>(\n}\nimpl Other {\n    pub fn no() {}\n}\n\
        pub trait AgentApi: Send {\n    fn call(&self);\n}\n";
    assert_eq!(methods(text), ["App::open", "RunService::run_batch", "AgentApi::call"]);
}
