//! Sources and what the scanner says of them: one line each for what must be refused and what must pass.

use proptest::prelude::*;

use super::*;

const HEAD: &str = "use kavi_sdk::prelude::*;\n#[derive(Deserialize)] struct Input { title: String }\n\
    #[derive(Serialize)] struct Output { n: u32 }\n";
const TAIL: &str = "\nfn run(input: Input) -> Result<Output, SkillError> { Ok(Output { n: input.title.len() as u32 }) }\n\
    kavi_sdk::export_skill!(run);\n";

fn snapshot(files: &[(&str, &str)]) -> Snapshot {
    Snapshot::new(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect())
}

/// A skill with `body` among its items.
fn skill(body: &str) -> Snapshot {
    snapshot(&[("src/lib.rs", &format!("{HEAD}{body}{TAIL}"))])
}

fn rules(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.rule.trim_start_matches("policy/")).collect()
}

fn refused(rule: &str, bodies: &[&str]) {
    for body in bodies {
        let findings = scan(&skill(body));
        assert!(rules(&findings).contains(&rule), "{body}\nis to break {rule}: {findings:#?}");
    }
}

fn honest(bodies: &[&str]) {
    for body in bodies {
        let findings = scan(&skill(body));
        assert!(findings.is_empty(), "{body}\nis honest: {findings:#?}");
    }
}

#[test]
fn paths_outside_the_list_are_refused() {
    refused(
        "path",
        &[
            "fn f() { let _ = std::fs::read(\"/etc/passwd\"); }",
            "fn f() { let _ = ::std::fs::read(\"x\"); }",
            "fn f() { let _ = core::arch::wasm32::memory_size::<0>(); }",
            "use std::fs;",
            "use std::{fmt, fs::File};",
            "use ::std::net::TcpStream;",
            "use ::{std::process::Command as C};",
            "use std::process::*;",
            "use std::mem; fn f(x: u32) -> f32 { mem::transmute(x) }",
            "use std::mem as m; fn f(x: u32) -> f32 { m::transmute(x) }",
            "use std::mem::{self as m}; fn f(x: u32) -> f32 { m::transmute(x) }",
            "use std::time; fn f() { let _ = time::Instant::now(); }",
            "mod a { pub use std::time as t; } fn f() { let _ = crate::a::t::SystemTime::now(); }",
            "mod a { pub use std::time as t; } use a::t as u; fn f() { let _ = u::SystemTime::now(); }",
            "mod a { pub use std::sync; } use a::*; fn f() { let _ = sync::mpsc::channel::<u8>(); }",
            "fn f() { let _ = r#std::fs::read(\"x\"); }",
            "fn f() { let _ = std::r#fs::read(\"x\"); }",
            "fn f() { let _ = <std::fs::File>::open(\"x\"); }",
            "fn f<R: std::io::Read>(_: R) {}",
            "fn f() { let _ = <Vec<u8> as std::io::Write>::flush; }",
            "type F = std::fs::File;",
            "trait T { type F = std::fs::File; }",
            "struct S<const N: usize>; type X = S<{ std::process::id() as usize }>;",
            "fn f() { let _ = format!(\"{:?}\", vec![std::env::vars()]); }",
            "fn f() { let _ = json!({ \"a\": [std::env::var(\"HOME\")] }); }",
            "macro_rules! m { () => { std::process::abort() } }",
            "macro_rules! m { ($e:expr) => { $e } } fn f() { m!(std::process::abort()); }",
            "fn f() -> Option<u8> { let _: std::<>::fs::File; None }",
            "fn f() { let _ = std::<>::fs::read(\"x\"); }",
            "use std::mem; fn f() { let _ = mem::<>::transmute::<u8, i8>; }",
            "fn f(x: std<>::fs::File) {}",
            "fn f() { let _ = kavi_sdk::serde::__private::de::borrow_cow_str; }",
            "use kavi_sdk::serde_json::__private;",
            "fn f() { kavi_sdk::bindings::skill::run(); }",
            "use kavi_sdk::bindings::skill;",
            "use kavi_sdk::{call as c};",
            "use kavi_sdk::testing;",
            "fn f() { kavi_sdk::testing::seed(\"a\", \"b\"); }",
            "fn f() { libc::system(); }",
            "use wasi::filesystem;",
            "fn f() { ::libc::system(); }",
            "use std::prelude::v1::*;",
            "use std::include_str as text;",
            "use std::panic;",
            "fn f() { std::panic::set_hook(Box::new(|_| {})); }",
            "fn f() { std::thread::spawn(|| {}); }",
            "fn f() { let _ = std::alloc::System; }",
            "fn f() { let _ = alloc::alloc::alloc; }",
            "fn f() { let _ = std::time::SystemTime::now(); }",
            "fn f() { let _ = std::ptr::null::<u8>(); }",
            "use std::path::Path; fn f(p: &str) -> bool { Path::new(p).exists() }",
            "use std::path::Path; fn f(p: &str) -> bool { Path::exists(Path::new(p)) }",
            "use std::path::Path as P; fn f(p: &P) -> bool { <P>::is_dir(p) }",
            "fn f(p: &std::path::Path) { let _ = Some(p).map(|p| p.read_dir()); }",
            "use std::path::Path as p; fn f(x: &p) -> bool { p::exists(x) }",
            "use std::path::Path; macro_rules! call { ($a:expr, $m:ident) => { $a.$m() } } fn f() { call!(Path::new(\"x\"), exists); }",
            "use std::path::Path as vault; fn f(x: &vault) -> bool { vault::exists(x) }",
            "mod p {} mod q { use std::path::Path as p; fn f(x: &p) -> bool { p::exists(x) } }",
            "fn f(x: u8) { match x { _ => ::libc::abort() } }",
            "fn f(x: u32) -> bool { x > ::std::process::id() }",
            "fn f() { pub(in std::fs) struct S; }",
            "fn f() { let _ = std::vec::Vec::<std::fs::File>::new(); }",
            "fn f() { let _ = Vec::<std::fs::File>::new(); }",
        ],
    );
}

#[test]
fn misleading_imports_are_refused() {
    refused(
        "import",
        &[
            "use std as s;",
            "use std::{self as s};",
            "use ::{std as s};",
            "use ::std as s;",
            "use core as c;",
            "use kavi_sdk as k;",
            "use kavi_sdk::{self as k};",
            "use std::*;",
            "use ::std::*;",
            "use core::*;",
            "use std::mem::*;",
            "use std::time::{*};",
            "use kavi_sdk::*;",
            "use kavi_sdk::serde::*;",
            "mod a { pub use std; } use a::std as s;",
            "mod a { pub use std; } use a::std::*;",
            "use std::mem; use mem::*;",
            "use std::fmt as std;",
            "use std::fmt as core;",
            "use std::format as assert;",
            "use std::format as include_str;",
            "use kavi_sdk::Serialize as test;",
            "fn f() { use std as s; }",
            "macro_rules! m { ($a:ident) => { use $a as x; } }",
            "macro_rules! m { ($a:ident) => { use std::$a; } }",
            "macro_rules! m { ($($a:ident)*) => { $($a)* } } m!(use std as x);",
            "use std::fmt use std::fs;",
            "use std::fmt + std::fs;",
        ],
    );
}

#[test]
fn attributes_outside_the_list_are_refused() {
    refused(
        "attribute",
        &[
            "#[path = \"/etc/passwd\"] mod x;",
            "#[no_mangle] pub fn f() {}",
            "#[unsafe(no_mangle)] pub fn f() {}",
            "#[export_name = \"x\"] pub fn f() {}",
            "#[link_section = \".init_array\"] static X: u8 = 0;",
            "#[used] static X: u8 = 0;",
            "#[global_allocator] static X: A = A;",
            "#[panic_handler] fn p() {}",
            "#[proc_macro] pub fn p() {}",
            "#[ctor::ctor] fn c() {}",
            "#[doc = include_str!(\"/etc/passwd\")] fn f() {}",
            "#[doc = concat!(\"a\", \"b\")] fn f() {}",
            "#[doc(cfg(test))] fn f() {}",
            "#[derive(Debug, Evil)] struct S;",
            "#[derive(evil::Debug)] struct S;",
            "#[derive(::std::fmt::Evil)] struct S;",
            "#[macro_export] macro_rules! m { () => {} }",
            "#[repr(packed)] struct S(u8, u32);",
            "#[target_feature(enable = \"simd128\")] fn f() {}",
            "#[clippy::msrv = \"1\"] fn f() {}",
            "#[r#path = \"x\"] mod x {}",
            "fn f() { let _ = vec![{ #[rustc_dummy] 1 }]; }",
            "#[must_use = env!(\"HOME\")] fn f() -> u8 { 1 }",
            "#[deprecated(note = include_str!(\"x\"))] fn f() {}",
            "#[diagnostic::on_unimplemented(message = \"x\")] trait T {}",
            "#[recursion_limit = \"9999\"] mod x {}",
            "fn f() { builtin # offset_of(S, x); }",
        ],
    );
    for inner in ["#![feature(test)]", "#![no_std]", "#![no_main]", "#![recursion_limit = \"9\"]", "#![crate_type = \"bin\"]"] {
        let text = format!("{inner}\n{HEAD}{TAIL}");
        assert!(rules(&scan(&snapshot(&[("src/lib.rs", &text)]))).contains(&"attribute"), "{inner}");
    }
}

#[test]
fn conditional_code_and_lint_levels_are_refused() {
    refused(
        "cfg",
        &[
            "#[cfg(test)] fn f() {}",
            "#[cfg(test)] use std::fmt;",
            "#[cfg(not(test))] mod m {}",
            "#[cfg(any(test))] mod m {}",
            "#[cfg(all(test))] mod m {}",
            "#[cfg(test, )] mod m {}",
            "#[cfg(debug_assertions)] fn f() {}",
            "#[cfg(target_family = \"wasm\")] fn f() {}",
            "#[cfg_attr(test, derive(Debug))] struct S;",
            "#[cfg_attr(all(), path = \"x.rs\")] mod m;",
            "fn f() { let _ = vec![#[cfg(test)] 1, 2]; }",
            "fn f() { #[cfg(test)] return; }",
            "struct S { #[cfg(test)] x: u8 }",
            "#[r#cfg(test)] fn f() {}",
            "mod m { #[cfg(test)] #[doc = \"mod\"] fn f() {} }",
        ],
    );
    refused("macro", &["fn f() -> bool { cfg!(test) }", "fn f() -> bool { std::cfg!(debug_assertions) }"]);
    refused(
        "lint",
        &["#[allow(unused)] fn f() {}", "#[expect(unused)] fn f() {}", "mod m { #![allow(unsafe_code)] }", "#[deny(x)] fn f() {}"],
    );
}

#[test]
fn serde_strings_hold_no_code() {
    refused(
        "serde",
        &[
            "#[derive(Deserialize)] #[serde(from = \"[u8; include!(\\\"/etc/passwd\\\")]\")] struct S;",
            "#[derive(Deserialize)] #[serde(try_from = \"std::fs::File\")] struct S;",
            "#[derive(Deserialize)] #[serde(from = r#\"std::fs::File\"#)] struct S;",
            "#[derive(Deserialize)] #[serde(from = \"std\\u{3a}:fs::File\")] struct S;",
            "#[derive(Deserialize)] #[serde(from = \"Vec<std::fs::File>\")] struct S;",
            "#[derive(Deserialize)] #[serde(bound = \"T: std::io::Read\")] struct S;",
            "#[derive(Deserialize)] #[serde(crate = \"evil::serde\")] struct S;",
            "#[derive(Deserialize)] #[serde(getter = \"f\")] struct S;",
            "#[derive(Deserialize)] struct S { #[serde(default = \"std::process::abort\")] x: u8 }",
            "#[derive(Deserialize)] struct S { #[serde(with = \"{ x }\")] x: u8 }",
            "#[derive(Deserialize)] struct S { #[serde(deserialize_with = \"a!()\")] x: u8 }",
            "#[derive(Deserialize)] struct S { #[serde(rename = concat!(\"a\"))] x: u8 }",
            "#[derive(Deserialize)] struct S { #[serde(rename(deserialize = env!(\"X\")))] x: u8 }",
            "#[derive(Deserialize)] struct S { #[serde(borrow = \"'a + std::x\")] x: u8 }",
            "#[derive(Deserialize)] struct S { #[serde(serde_evil)] x: u8 }",
            "use std::mem; #[derive(Deserialize)] struct S { #[serde(default = \"mem::zeroed\")] x: u8 }",
            "#[derive(Deserialize)] struct S { #[serde(with = \"tests\")] x: u8 } #[cfg(test)] mod tests {}",
        ],
    );
}

#[test]
fn macros_outside_the_list_are_refused() {
    refused(
        "macro",
        &[
            "const X: &str = include_str!(\"/etc/passwd\");",
            "const X: &[u8] = core::include_bytes!(\"/etc/passwd\");",
            "include!(\"/etc/passwd\");",
            "const X: &str = env!(\"HOME\");",
            "const X: &str = r#env!(\"HOME\");",
            "const X: Option<&str> = std::option_env!(\"HOME\");",
            "fn f() { let _ = format!(\"{}\", include_str!(\"x\")); }",
            "fn f() { let _ = vec![vec![json!({ \"a\": env!(\"X\") })]]; }",
            "macro_rules! m { () => { include_str!(\"x\") } }",
            "fn f() { println!(\"x\"); }",
            "fn f() { dbg!(1); }",
            "fn f() { debug_assert!(true); }",
            "fn f() { asm!(\"nop\"); }",
            "const X: &str = file!();",
            "fn f() { kavi_sdk::serde_json::json_internal!(1); }",
            "fn f() { unknown!(1); }",
            "fn f() { crate::unknown!(1); }",
            "fn f() { vec![mod x {}]; }",
            "type T = [u8; include_bytes!(\"x\").len()];",
            "fn f(x: u8) { match x { include!(\"x\") => {} } }",
        ],
    );
}

#[test]
fn local_macros_build_no_paths() {
    refused(
        "local-macro",
        &[
            "macro_rules! m { ($a:ident, $b:ident) => { $a::$b } }",
            "macro_rules! m { ($a:ident) => { std::$a::read } }",
            "macro_rules! m { ($a:ident) => { $a!(\"x\") } }",
            "macro_rules! m { ($a:ident) => { $a! { x } } }",
            "macro_rules! m { ($($a:ident)::*) => { 1 } }",
            "macro_rules! m { ($($a:ident),*) => { $($a)::* } }",
            "macro_rules! m { ($a:ident $($b:ident)*) => { $a $(::$b)* } }",
            "macro_rules! m { ($($a:tt)*) => { $($a)* } }",
            "macro_rules! m { ($a:path) => { $a!() } }",
            "macro_rules! m { ($a:meta) => { #[$a] fn f() {} } }",
            "macro_rules! m { ($a:item) => { $a } }",
            
            "macro_rules! m { ($a:ident) => { mod $a {} } }",
            "macro_rules! m { ($a:ident) => { macro_rules! n { () => { $a } } } }",
            "macro_rules! m { ($a:ident, $e:expr) => { $a $(!($e))* } }",
            "macro_rules! m { ($a:ident, $b:ident) => { ${concat($a, $b)} } }",
            "macro_rules! m { ($d:tt) => { 1 } }",
            "macro_rules! m { ($a:ident) => { #[derive($a)] struct S; } }",
            "macro_rules! assert { ($e:expr) => {} }",
            "macro_rules! include_str { ($e:expr) => {} }",
            "macro_rules! json { ($e:expr) => { $e } }",
            "macro m($a:ident) { $a }",
            "macro_rules! m { ($t:ty) => { $t::new() } }",
        ],
    );
}

#[test]
fn unsafe_and_foreign_code_is_refused() {
    refused(
        "unsafe",
        &[
            "fn f() { unsafe {} }",
            "unsafe fn f() {}",
            "unsafe impl Send for Input {}",
            "fn f() { let _ = vec![unsafe { 1 }]; }",
            "macro_rules! m { () => { unsafe { 1 } } }",
            "static mut X: u8 = 0;",
            "union U { a: u8, b: i8 }",
            "fn f(x: &u8) -> usize { x as *const u8 as usize }",
            "fn f(x: *mut u8) {}",
            "fn f(x: u8) { let _ = &raw const x; }",
        ],
    );
    refused(
        "extern",
        &["extern crate std as s;", "extern \"C\" { fn f(); }", "pub extern \"C\" fn f() {}", "extern crate alloc;", "type F = extern \"C\" fn();"],
    );
    refused("identifier", &["mod std {}", "mod core {}", "struct std;", "trait alloc {}", "fn f() { let r#fs = 1; }", "fn ж() {}"]);
}

#[test]
fn test_code_is_kept_apart() {
    refused(
        "test",
        &[
            "#[test] fn f() {}",
            "mod m { #[test] fn f() {} }",
            "#[cfg(test)] mod tests { #[test] #[ignore] fn f() {} }",
            "#[cfg(test)] mod tests { #[test] #[should_panic] fn f() {} }",
            "#[cfg(test)] mod tests { #[test] #[should_panic(expected = \"x\")] fn f() {} }",
            "#[cfg(test)] mod tests { pub fn f() {} } fn g() { tests::f() }",
            "#[cfg(test)] mod tests { pub fn f() {} } use tests::f;",
            "#[cfg(test)] mod tests { pub fn f() {} } use self::tests as t;",
            "mod a { pub mod imp { pub fn f() {} } } use a::*; #[cfg(test)] mod imp { pub fn f() {} } fn g() { imp::f() }",
            "#[cfg(test)] mod tests { impl super::Input { fn x(&self) {} } }",
            "#[cfg(test)] mod tests { use super::*; impl Input { fn x(&self) {} } }",
            "#[cfg(test)] mod tests { use super::*; impl From<u8> for Output { fn from(n: u8) -> Self { Self { n: 1 } } } }",
            "#[cfg(test)] mod tests { trait T {} impl<X> T for X {} }",
            "#[cfg(test)] mod tests { macro_rules! m { () => ( impl super::Output { fn x() {} } ) } m!(); }",
            "#[cfg(test)] mod tests { macro_rules! m { ($($t:ident)*) => { $( impl super::Output { fn $t() {} } )* } } }",
            "#[cfg(test)] mod tests { use super::*; macro_rules! m { ($i:ident $t:ident) => { $i $t { fn x() {} } } } m!(impl Output); }",
            "#[cfg(test)] mod tests { struct Mine; #[test] fn f() { impl Drop for super::Output { fn drop(&mut self) {} } } }",
        ],
    );
    refused("macro", &["#[cfg(test)] mod tests { #[test] fn f() { println!(\"test result: ok\"); } }"]);
    refused("path", &["#[cfg(test)] mod tests { #[test] fn f() { std::process::exit(0); } }"]);
}

#[test]
fn files_and_modules_fit_together() {
    let lib = format!("mod util;\n{HEAD}{TAIL}");
    let check = |files: &[(&str, &str)]| rules(&scan(&snapshot(files))).contains(&"structure");
    assert!(!check(&[("src/lib.rs", &lib), ("src/util.rs", "pub fn f() {}")]));
    assert!(!check(&[("src/lib.rs", &lib), ("src/util/mod.rs", "mod deep;"), ("src/util/deep.rs", "")]));
    assert!(!check(&[("src/lib.rs", &lib), ("src/util.rs", "mod deep;"), ("src/util/deep.rs", "")]));
    assert!(check(&[("src/lib.rs", &lib)]));
    assert!(check(&[("src/lib.rs", &lib), ("src/util.rs", ""), ("src/util/mod.rs", "")]));
    assert!(check(&[("src/lib.rs", &lib), ("src/util.rs", ""), ("src/extra.rs", "")]));
    assert!(check(&[("src/lib.rs", &lib), ("src/util.rs", ""), ("build.rs", "")]));
    assert!(check(&[("src/main.rs", "")]));
    assert!(check(&[("src/lib.rs", &format!("{lib}mod util;")), ("src/util.rs", "")]));
    assert!(check(&[("src/lib.rs", &format!("{lib}fn g() {{ mod x; }}")), ("src/util.rs", "")]));
    let tests = format!("#[cfg(test)]\nmod tests;\n{HEAD}{TAIL}");
    assert_eq!(scan(&snapshot(&[("src/lib.rs", &tests), ("src/tests.rs", "#[test] fn f() { assert!(true); }")])), []);
    let found = scan(&snapshot(&[("src/lib.rs", &lib), ("src/util.rs", "use std::fs;")]));
    assert_eq!((found[0].file.as_deref(), found[0].line), (Some("src/util.rs"), Some(1)));
}

#[test]
fn one_skill_is_exported() {
    let check = |text: &str| rules(&scan(&snapshot(&[("src/lib.rs", text)]))).contains(&"export");
    assert!(check(HEAD));
    assert!(check(&format!("{HEAD}{TAIL}kavi_sdk::export_skill!(run);")));
    assert!(check("fn run() {} mod m { kavi_sdk::export_skill!(run); }"));
    assert!(check("fn run() {} fn f() { kavi_sdk::export_skill!(run); }"));
    assert!(check("fn run() {} kavi_sdk::export_skill!(std::process::abort);"));
    assert!(check("fn run() {} kavi_sdk::export_skill!({ run });"));
    assert!(check("fn run() {} kavi_sdk::export_skill!(missing);"));
    assert!(check("fn run() {} export_skill!(run);"));
    assert!(check("fn run() {} mod evil { pub mod kavi_sdk {} } evil::kavi_sdk::export_skill!(run);"));
    assert!(!check("fn run() {} kavi_sdk::export_skill!(run);"));
    assert!(!check("fn run() {} ::kavi_sdk::export_skill! { run }"));
}

#[test]
fn bytes_are_plain_visible_and_few() {
    let check = |bytes: &[u8]| {
        let files = [("src/lib.rs".to_owned(), bytes.to_vec())];
        precheck(&Snapshot::new(files.into())).first().map(|finding| finding.rule.clone())
    };
    let with = |text: &str| check(format!("{HEAD}{text}{TAIL}").as_bytes());
    assert_eq!(check(b"fn f() { \xff }").as_deref(), Some("policy/encoding"));
    for text in ["\0", "\x1b", "// a\rfn f() {}\n", "\x0c", "\u{85}", "\x0b"] {
        assert_eq!(with(text).as_deref(), Some("policy/encoding"), "{text:?}");
    }
    assert_eq!(check(b"---\nx\n---\n").as_deref(), Some("policy/encoding"));
    for text in ["// \u{202e}", "/* \u{2066} */", "fn f() { \"\u{200b}\"; }", "/// \u{e0041}\n", "'\u{ad}'", "r#\"\u{feff}\"#", "\u{200e}"] {
        assert_eq!(with(text).as_deref(), Some("policy/unicode"), "{text:?}");
    }
    assert_eq!(check("\u{feff}fn f() {}".as_bytes()).as_deref(), Some("policy/unicode"));
    for text in ["fn \u{441}() {}", "let \u{a0} x", "\u{37e}", "'\u{e9}x"] {
        assert_eq!(with(text).as_deref(), Some("policy/identifier"), "{text:?}");
    }
    for (open, close) in [("(", ")"), ("[", "]"), ("{", "}"), ("Vec<", ">"), ("!", ""), ("a<u8, ", ">"), ("|a, b| ", "")] {
        let text = format!("fn f() {{ {}1{} }}", open.repeat(20_000), close.repeat(20_000));
        assert_eq!(with(&text).as_deref(), Some("policy/nesting"), "{open}");
    }
    let chain = format!("fn f() {{ if a {{}} {} }}", "else if a {} ".repeat(5000));
    assert_eq!(with(&chain).as_deref(), Some("policy/nesting"));
    let sum = format!("fn f() {{ 1 {} }}", "+ {1} ".repeat(20_000));
    assert_eq!(with(&sum).as_deref(), Some("policy/nesting"));
    assert_eq!(check(&vec![b' '; MAX_FILE_BYTES + 1]).as_deref(), Some("policy/size"));
    let many = (0..=MAX_FILES).map(|i| (format!("src/f{i}.rs"), Vec::new())).collect();
    assert_eq!(rules(&precheck(&Snapshot::new(many))), ["size"]);
    assert_eq!(with("/* [[[[ ( */ const X: &str = \"[[[[(((\"; const C: char = '(';"), None);
    assert_eq!(with("const X: &str = \"é 👩‍💻 ❤️ Ж 中\"; // ünïcödé — “quotes”\nconst C: [char; 2] = ['é', '\\''];"), None);
}

#[test]
fn a_run_at_the_cap_parses_on_the_scanner_s_stack() {
    let depth = MAX_RUN - 64;
    for (open, close) in [("!", ""), ("&", ""), ("-", ""), ("1+", "")] {
        let findings = scan(&skill(&format!("fn f() {{ let _ = {}1{}; }}", open.repeat(depth / open.len()), close)));
        assert!(findings.is_empty(), "{open}: {findings:?}");
    }
    let deep = format!("fn f() {{ {}1{}; }}", "(".repeat(MAX_NESTING - 4), ")".repeat(MAX_NESTING - 4));
    assert_eq!(scan(&skill(&deep)), []);
}

#[test]
fn honest_code_passes() {
    honest(&[
        "use std::collections::{BTreeMap, HashMap, hash_map::Entry}; fn f(m: &mut HashMap<String, u8>) { if let Entry::Vacant(e) = m.entry(String::new()) { e.insert(1); } }",
        "use std::fmt::{self, Display, Write as _}; impl fmt::Display for Output { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, \"{}\", self.n) } }",
        "use std::mem; fn f(v: &mut Vec<u8>) -> Vec<u8> { let _ = mem::size_of::<u8>(); mem::take(v) }",
        "use std::{cmp::{Ordering, Reverse}, rc::Rc, cell::RefCell, time::Duration};",
        "use std::collections::*; fn f() -> hash_map::HashMap<u8, u8> { HashMap::new() }",
        "use core::str::FromStr; use std::string::ToString;",
        "use std::path::{Path, PathBuf}; fn f(p: &str) -> Option<String> { Path::new(p).extension().and_then(|e| e.to_str()).map(str::to_owned) }",
        "fn f() { let fs = 1; let std = 2.5; let env = fs; let process = std; let _ = (env, process); }",
        "struct Command { name: String } impl Command { fn spawn(&self) {} } fn f(c: Command) { c.spawn(); Command { name: String::new() }.spawn() }",
        "mod fs { pub fn read() {} } mod process { pub struct Command; } fn f() { fs::read(); let _ = process::Command; }",
        "const X: &str = \"unsafe { std::fs::read() } include_str!(x) #[cfg(test)]\"; // unsafe extern std::fs\n",
        "const X: &str = r#\"unsafe { \"std::process::exit\" }\"#; /* std::env::var */",
        "/// Uses `unsafe` and `std::fs` never. `#[allow(x)]`\nfn f() {}",
        "#[cfg(test)] mod tests { use super::*; use kavi_sdk::testing::{call, seed}; #[test] fn works() { seed(\"a\", \"b\"); assert_eq!(1 + 1, 2); let r = call(run, json!({ \"title\": \"x\" })).unwrap(); assert!(matches!(r, Value::Object(_)), \"{r}\"); } }",
        "#[cfg(test)] pub(crate) mod tests { #[derive(Debug)] struct Case<'a> { x: &'a str } impl<'a> Case<'a> { fn new(x: &'a str) -> Self { Self { x } } } impl Default for Case<'_> { fn default() -> Self { Self::new(\"\") } } fn cases() -> impl Iterator<Item = u8> { 0..3 } }",
        "mod util { pub fn double(x: u32) -> u32 { x * 2 } #[cfg(test)] mod tests { use super::*; #[test] fn t() { assert_eq!(double(2), 4) } } }",
        "#[derive(Deserialize, Debug, Clone, Default, PartialEq)] #[serde(rename_all = \"camelCase\", deny_unknown_fields)] struct S { #[serde(default = \"limit\", rename = \"std::fs\")] limit: u32, #[serde(skip_serializing_if = \"Option::is_none\")] r#type: Option<String> } fn limit() -> u32 { 3 }",
        "#[derive(Deserialize)] #[serde(tag = \"kind\", content = \"value\")] enum E { #[serde(rename(serialize = \"a\", deserialize = \"b\"))] A(u8), #[serde(other)] B }",
        "#[derive(Deserialize)] #[serde(try_from = \"String\")] struct S(String); impl TryFrom<String> for S { type Error = String; fn try_from(s: String) -> Result<Self, String> { Ok(Self(s)) } }",
        "#[derive(kavi_sdk::serde::Serialize)] #[serde(crate = \"kavi_sdk::serde\")] struct S { #[serde(with = \"crate::hex\")] x: u8 } mod hex {}",
        "macro_rules! square { ($x:expr) => { $x * $x }; ($x:expr, $($y:expr),+ $(,)?) => { square!($x) + $($y)+* }; }",
        "macro_rules! map { ($($k:expr => $v:expr),* $(,)?) => {{ let mut m = ::std::collections::BTreeMap::new(); $(m.insert($k, $v);)* m }} } fn f() { let _ = map!{ \"a\" => 1, \"b\" => u8::MAX }; }",
        "macro_rules! text { ($v:expr) => {{ use std::fmt::Write as _; let mut s = String::new(); let _ = write!(s, \"{}\", $v); s }} }",
        "use std::path::Path; struct N { exists: bool, metadata: u8 } fn f(n: &N, p: &str) -> bool { let exists = n.exists; assert!(exists, \"{}\", n.metadata); Path::new(p).is_absolute() }",
        "macro_rules! point { ($name:ident { $($field:ident : $ty:ty),* $(,)? }) => { #[derive(Debug)] struct $name { $($field: $ty),* } impl $name { fn zero() -> Self { Self { $($field: <$ty>::default()),* } } } } } point!(P { x: u8, y: u8 });",
        "macro_rules! check { ($c:expr, $m:literal) => { if !$c { return Err(SkillError::invalid_input($m)); } } }",
        "fn f(a: u8, b: u8) -> bool { if a != b && !(a > b) { return !(a == 0); } matches!(a, 1 | 2 | b'x'..=b'z') }",
        "fn f(v: &[u32]) -> u64 { v.iter().copied().map(u64::from).sum::<u64>() + u64::from(u32::MAX) }",
        "trait Shape { const SIDES: u32; fn area(&self) -> f64; } struct Sq(f64); impl Shape for Sq { const SIDES: u32 = 4; fn area(&self) -> f64 { self.0 * self.0 * std::f64::consts::PI } } fn g<S: Shape + ?Sized>(s: &S) -> u32 { S::SIDES + <S as Shape>::SIDES }",
        "fn f<T>(x: T) -> impl Fn() -> T + use<T> where T: Clone { move || x.clone() }",
        "fn f(x: Option<u8>) -> u8 { let Some(x) = x else { return 0 }; 'outer: loop { if let Some(y) = Some(x) && y > 1 { break 'outer y; } else { continue 'outer; } } }",
        "use std::sync::{Arc, LazyLock, Mutex, atomic::{AtomicU32, Ordering}}; static N: LazyLock<Mutex<u32>> = LazyLock::new(|| Mutex::new(1)); fn f(n: &AtomicU32) { n.fetch_add(1, Ordering::SeqCst); }",
        "fn f() -> Value { json!({ \"a\": null, \"b\": [1, 2.5, true], \"c\": { \"d\": format!(\"{}\", 1) } }) }",
        "fn f(v: &Value) -> Result<Vec<String>, SkillError> { let x: Vec<String> = serde_json::from_value(v.clone()).map_err(|e| SkillError::failed(e.to_string()))?; Ok(x) }",
        "fn f() -> Result<(), SkillError> { let text = vault::read(\"a.md\")?; if vault::exists(\"b.md\")? { vault::write(\"Inbox/AI/b.md\", &text)?; } log::info(\"x\"); Ok(()) }",
        "use std::path::Path; fn f(p: &str) -> Result<bool, SkillError> { let _ = Path::new(p).file_stem(); vault::exists(p) }",
        "enum Shape { Square, Round } use Shape::*; fn f(s: &Shape) -> u8 { match s { Square => 1, Round => 2 } }",
        "mod model { pub(crate) mod note { #[derive(Debug)] pub struct Note; } pub use note::Note; pub use self::note as notes; } use model::{Note, notes}; use crate::model::note; fn f(_: Note, _: notes::Note, _: note::Note) {}",
        "const fn f(x: u32) -> u32 { x } const N: usize = { f(3) as usize }; struct B<const M: usize>([u8; M]); type C = B<{ N * 2 }>;",
        "async fn f() {} thread_local! { /// A counter.\n static X: std::cell::Cell<u32> = const { std::cell::Cell::new(1) }; }",
        "use std::collections::HashSet; fn f(a: &HashSet<u8>, b: &HashSet<u8>) -> usize { let union = a.union(b).count(); union * 2 }",
        "#[inline] #[must_use = \"it\"] pub fn f() -> u8 { std::panic!(\"x\") }",
        "fn f(x: &dyn std::any::Any) -> Box<dyn std::error::Error + Send + Sync + 'static> { Box::from(\"x\") }",
        "#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)] #[repr(u8)] enum E { #[default] A = 1, B }",
        "fn f(a: i32, b: i32) -> bool { a < b && b > a || (a as i64) < b as i64 }",
        "fn f(x: &mut u8) -> u8 { let y = 2 * *x; *x *= y; y }",
        "use std::ops::{Add, Deref}; impl Add for Output { type Output = Self; fn add(self, o: Self) -> Self { Self { n: self.n + o.n } } }",
        "fn r#match(r#in: u8) -> u8 { r#in }",
        "#[derive(Debug)] pub enum Error { Bad(std::num::ParseIntError) } impl std::error::Error for Error {} impl std::fmt::Display for Error { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(\"bad\") } }",
    ]);
}

/// Pieces that hostile and honest code is made of.
const PIECES: &[&str] = &[
    "std", "::", "fs", "use", "as", "*", "{", "}", "(", ")", "[", "]", "<", ">", "#", "!", "$", "macro_rules", "mod", "x",
    "cfg", "test", "impl", "for", "where", ";", ",", "=", "=>", "->", "'a", "'x'", "\"s\"", "r#\"s\"#", "r#type", "unsafe",
    "extern", "serde", "derive", "crate", "self", "super", "pub", ":", ".", "&", "|", "1", "/// d\n", "/* c */", "\n", "ident",
    "kavi_sdk", "export_skill", "run", "fn", "struct", "é", "\u{202e}", "'", "\"", "r#", "path", "$crate", "if", "else",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_makes_the_scanner_panic(parts in proptest::collection::vec(0..PIECES.len(), 0..60), spaced: bool) {
        let words: Vec<&str> = parts.iter().filter_map(|i| PIECES.get(*i).copied()).collect();
        let text = words.join(if spaced { " " } else { "" });
        let _ = scan(&snapshot(&[("src/lib.rs", &text)]));
        let _ = scan(&skill(&text));
    }

    #[test]
    fn no_bytes_make_the_scanner_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
        let _ = scan(&Snapshot::new([("src/lib.rs".to_owned(), bytes)].into()));
        let _ = scan(&snapshot(&[("src/lib.rs", &text)]));
    }
}
