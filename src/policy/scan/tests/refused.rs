//! Items that a skill may not have, by the rule that they break.

use super::{HEAD, TAIL, refused, rules, skill, snapshot};
use crate::policy::scan::scan;

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
            "use serde::__private; fn f() {}",
            "fn f() { let _ = ::serde::__private228::Some(1); }",
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
            "use std::fs::{};",
            "use serde as s;",
            "use serde::*;",
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
            "#[macro_use] #[cfg(test)] mod m { macro_rules! check { () => { 1 } } }",
            "#[cfg(test)] #[macro_use] mod m { macro_rules! check { () => { 1 } } }",
            "#[recursion_limit = \"9999\"] mod x {}",
            "fn f() { builtin # offset_of(S, x); }",
        ],
    );
    for inner in
        ["#![feature(test)]", "#![no_std]", "#![no_main]", "#![recursion_limit = \"9\"]", "#![crate_type = \"bin\"]"]
    {
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
            "mod m { #![cfg(test)] }",
            "mod m { #[cfg(test)] #[doc = \"mod\"] fn f() {} }",
        ],
    );
    refused("macro", &["fn f() -> bool { cfg!(test) }", "fn f() -> bool { std::cfg!(debug_assertions) }"]);
    refused(
        "lint",
        &[
            "#[allow(unused)] fn f() {}",
            "#[expect(unused)] fn f() {}",
            "mod m { #![allow(unsafe_code)] }",
            "#[deny(x)] fn f() {}",
        ],
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
            "#[derive(Deserialize)] #[serde(from = \"std::path::PathBuf\")] struct S;",
            "#[derive(Deserialize)] struct S { #[serde(with = \"tests\")] x: u8 } #[cfg(test)] mod tests {}",
        ],
    );
}

#[test]
fn what_tells_one_program_from_another_is_refused() {
    refused(
        "path",
        &[
            "fn f(v: &[u8]) -> usize { v.as_ptr().addr() }",
            "fn f(v: Vec<u8>) { let g = Vec::as_ptr; let _ = g(&v); }",
            "fn f(v: &str) { let _ = <str>::as_ptr(v); }",
            "fn f(v: Box<u8>) -> usize { Box::into_raw(v) as usize }",
            "fn f(v: std::rc::Rc<u8>) -> usize { std::rc::Rc::into_raw(v) as usize }",
            "fn f(v: std::rc::Rc<u8>) -> bool { std::rc::Rc::ptr_eq(&v, &v) }",
            "fn f() -> bool { std::ptr::eq(\"a\", \"a\") }",
            "use std::ptr; fn f() -> bool { ptr::eq(\"a\", \"a\") }",
            "fn f() -> bool { std::ptr::fn_addr_eq(g, g) } fn g() {}",
            "use std::fmt::Pointer; fn f() {}",
            "use std::fmt::{self, Pointer as P}; fn f() {}",
            "impl std::fmt::Display for Output { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { std::fmt::Pointer::fmt(&self, f) } }",
            "use std::fmt::*; fn f(x: &u8, f: &mut Formatter<'_>) -> Result { Pointer::fmt(&x, f) }",
            "fn f(x: &u8) -> String { format!(\"{x:p}\") }",
            "fn f(x: &u8) -> String { format!(\"{:#018p}\", x) }",
            "fn g() {} fn f() -> String { format!(\"{:?}\", g as fn()) }",
            "use std::collections::hash_map::RandomState as R; fn f() { let _ = R::new(); }",
            "use std::hash::{BuildHasher, RandomState}; fn f() {}",
            "fn f() -> String { format!(\"{:?}\", std::task::Waker::noop()) }",
            "fn f(x: &dyn std::any::Any) { let _ = std::any::Any::type_id(x); }",
            "macro_rules! call { ($a:expr, $m:ident) => { $a.$m() } } fn f(v: &[u8]) { let _ = call!(v, as_ptr); }",
            "fn f() -> usize { let mut v: Vec<u8> = Vec::new(); let mut n = 1; while v.try_reserve(n).is_ok() { n *= 2; } n }",
            "fn f() { let _ = String::try_with_capacity(1); }",
        ],
    );
}

#[test]
fn state_that_outlives_a_call_is_refused() {
    refused(
        "state",
        &[
            "thread_local! { static X: std::cell::Cell<u32> = const { std::cell::Cell::new(1) }; }",
            "std::thread_local! { static X: std::cell::Cell<u32> = const { std::cell::Cell::new(1) }; }",
            "static N: std::sync::Mutex<u32> = std::sync::Mutex::new(1);",
            "use std::sync::OnceLock; static N: OnceLock<u32> = OnceLock::new();",
            "use std::sync::{Arc, LazyLock as L}; static N: L<u32> = L::new(|| 1);",
            "use std::sync; static N: sync::RwLock<u32> = sync::RwLock::new(1);",
            "use std::sync as s; static N: s::Once = s::Once::new();",
            "use std::sync::atomic::AtomicBool; static N: AtomicBool = AtomicBool::new(false);",
            "use core::sync::atomic::{self, AtomicU8}; static N: AtomicU8 = AtomicU8::new(0);",
            "use std::sync::atomic; static N: atomic::AtomicU64 = atomic::AtomicU64::new(0);",
            "mod a { pub use std::sync; } static N: a::sync::Mutex<u8> = a::sync::Mutex::new(0);",
            "macro_rules! m { () => { std::sync::Mutex::new(1) } } fn f() { let _ = m!(); }",
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
            "mod z { pub mod s {} } macro_rules! m { ($kw:ident $x:ident;) => { $kw std as s; } } m!(use z;);",
            "macro_rules! m { ($kw:ident $($x:lifetime)*) => { $kw std as s; } } m!(use<'a>);",
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
            "macro_rules! m { () => { use std::fmt; } }",
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
        &[
            "extern crate std as s;",
            "extern \"C\" { fn f(); }",
            "pub extern \"C\" fn f() {}",
            "extern crate alloc;",
            "type F = extern \"C\" fn();",
        ],
    );
    refused(
        "identifier",
        &["mod std {}", "mod core {}", "struct std;", "trait alloc {}", "fn f() { let r#fs = 1; }", "fn ж() {}"],
    );
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
            "#[cfg(test)] mod tests { type Mine = super::Output; impl Mine { fn x() {} } }",
            "#[cfg(test)] mod tests { use super::Output as Mine; impl Mine { fn x() {} } mod decoy { struct Mine; } }",
            "#[cfg(test)] mod tests { mod decoy { struct Vec; } trait T {} impl T for Vec<u8> {} }",
            "macro_rules! m { () => { impl Output { fn x() {} } } } #[cfg(test)] mod tests { use super::*; m!(); }",
            "macro_rules! m { () => { impl Output { fn x() {} } } } macro_rules! n { () => { m!(); } } #[cfg(test)] mod tests { use super::*; n!(); }",
            "macro_rules! m { ($s:ident $a:ident; $i:ident $b:ident;) => { $i $b { fn x() {} } } } #[cfg(test)] mod tests { use super::*; m!(struct Output; impl Output;); }",
            "#[cfg(test)] mod tests { struct Mine; #[test] fn f() { impl Drop for super::Output { fn drop(&mut self) {} } } }",
        ],
    );
    refused("macro", &["#[cfg(test)] mod tests { #[test] fn f() { println!(\"test result: ok\"); } }"]);
    refused("path", &["#[cfg(test)] mod tests { #[test] fn f() { std::process::exit(0); } }"]);
}

#[test]
fn the_time_is_for_a_specification_to_permit() {
    let asking = [
        "fn f() -> i64 { kavi_sdk::clock::now() }",
        "fn f() -> i64 { ::kavi_sdk::clock::now() }",
        "fn f() -> String { format!(\"{}\", kavi_sdk::clock::now()) }",
        "use kavi_sdk::clock;",
        "use kavi_sdk::clock as watch;",
        "use kavi_sdk::{json, clock::{now, DateTime}};",
        "use kavi_sdk::clock::*;",
        "fn f(now: kavi_sdk::clock::DateTime) {}",
        "macro_rules! now { () => { kavi_sdk::clock::now() } }",
    ];
    refused("clock", &asking);
    // Whoever may ask for the time is judged like everybody else in all other respects.
    for body in asking {
        let findings = scan(&skill(&format!("{body} fn g() {{ let _ = std::fs::read(\"/etc/passwd\"); }}")));
        assert!(rules(&findings).contains(&"path"), "{body}: {findings:#?}");
    }
    // Also by the second look, which only sources get that the first has found clean.
    assert!(rules(&scan(&skill("use kavi_sdk::clock; fn f() { let = ; }"))).contains(&"syntax"));
}

#[test]
fn local_macros_do_not_flood_the_compiler() {
    let twice = "macro_rules! twice { ($e:expr) => { $e + $e } }\n";
    let nested = format!("{}1{}", "twice!(".repeat(30), ")".repeat(30));
    let chain: String =
        (1..=30).map(|n| format!("macro_rules! m{n} {{ () => {{ m{0}!(); m{0}!(); }} }}\n", n - 1)).collect();
    refused(
        "local-macro",
        &[
            &format!("{twice}fn f() -> u64 {{ {nested} }}"),
            &format!("macro_rules! m0 {{ () => {{ let _ = 1; }} }}\n{chain}fn f() {{ m30!(); }}"),
            "macro_rules! m { ($e:expr) => { m!($e) + m!($e) } } fn f() -> u8 { m!(1) }",
            "macro_rules! m { ($($e:expr),*) => { m!($($e, $e),*) } } fn f() { m!(1) }",
            "macro_rules! m { ($a:expr, $($e:expr),*) => { m!($($a, $e),*) } } fn f() { m!(1, 2) }",
            "macro_rules! m { ($($e:expr),*) => { $( m!($e); )* } } fn f() { m!(1) }",
            "macro_rules! a { ($e:expr) => { b!($e) } } macro_rules! b { ($e:expr) => { a!($e) } } fn f() { a!(1) }",
        ],
    );
}

/// Put together here, so that no scanner takes this file for a leak.
fn token(start: &str, body: &str) -> String {
    format!("{start}{body}")
}

#[test]
fn secrets_are_no_literals() {
    let body = "q7Zr2Lk9Xw4Tn8Bv1Yc6Hd3Jm5Ps0Gf7Ea2Ru9Io4Kd";
    let key = format!("-----BEGIN {} KEY-----\\nMIIEvQ{body}{body}\\n-----END", "PRIVATE");
    let signed = format!("{}.{}.{body}", token("ey", &format!("Jh{body}")), token("ey", &format!("Jz{body}")));
    let mut found = vec![key, signed, token("AKIA", "Q7ZR2LK9XW4TN8BV")];
    for start in ["ghp_", "github_pat_", "glpat-", "xoxb-", "sk_live_", "sk-ant-", "AIza", "npm_", "hf_"] {
        found.push(token(start, body));
    }
    for secret in &found {
        for item in [
            format!("const A: &str = \"{secret}\";"),
            format!("const A: &[u8] = b\"{secret}\";"),
            format!("/// Call it with {secret}\nfn f() {{}}"),
            format!("#[cfg(test)] mod tests {{ #[test] fn t() {{ assert_eq!(\"{secret}\", \"x\"); }} }}"),
        ] {
            let findings = scan(&skill(&item));
            assert!(rules(&findings).contains(&"secret"), "{item}: {findings:#?}");
            assert!(findings.iter().all(|finding| !finding.message.contains(body)), "{findings:#?}");
        }
    }
    refused("secret", &[&format!("const A: &str = \"\\x67hp_{body}\";")]);
}
