//! Items that a skill may have.

use super::honest;

#[test]
fn honest_code_passes() {
    honest(&[
        "use std::collections::{BTreeMap, HashMap, hash_map::Entry}; fn f(m: &mut HashMap<String, u8>) { if let Entry::Vacant(e) = m.entry(String::new()) { e.insert(1); } }",
        "use std::fmt::{self, Display, Write as _}; impl fmt::Display for Output { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, \"{}\", self.n) } }",
        "use std::mem; fn f(v: &mut Vec<u8>) -> Vec<u8> { let _ = mem::size_of::<u8>(); mem::take(v) }",
        "use std::{cmp::{Ordering, Reverse}, rc::Rc, cell::RefCell, time::Duration};",
        "use std::collections::*; fn f() -> hash_map::HashMap<u8, u8> { HashMap::new() }",
        "mod path { pub fn zero() -> u8 { 0 } } #[derive(Deserialize)] struct S { #[serde(default = \"crate::path::zero\")] x: u8 }",
        "use serde::{Deserializer, de::{self, Visitor}}; fn f<'de, D: serde::Deserializer<'de>>(_: D) -> Option<D::Error> { None }",
        "#[macro_use] mod m { macro_rules! check { () => { 1 } } } #[cfg(test)] mod tests { #[test] fn t() { assert_eq!(check!(), 1); } }",
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
        "use std::path::Path; struct N { exists: bool, metadata: u8 } fn f(n: &N, p: &str) -> bool { let exists = n.exists; assert!(exists, \"{}\", n.metadata); Path::new(p).is_absolute() }",
        "macro_rules! point { ($name:ident { $($field:ident : $ty:ty),* $(,)? }) => { #[derive(Debug)] struct $name { $($field: $ty),* } impl $name { fn zero() -> Self { Self { $($field: <$ty>::default()),* } } } } } point!(P { x: u8, y: u8 });",
        "macro_rules! check { ($c:expr, $m:literal) => { if !$c { return Err(SkillError::invalid_input($m)); } } }",
        "fn f(a: u8, b: u8) -> bool { if a != b && !(a > b) { return !(a == 0); } matches!(a, 1 | 2 | b'x'..=b'z') }",
        "fn f(v: &[u32]) -> u64 { v.iter().copied().map(u64::from).sum::<u64>() + u64::from(u32::MAX) }",
        "trait Shape { const SIDES: u32; fn area(&self) -> f64; } struct Sq(f64); impl Shape for Sq { const SIDES: u32 = 4; fn area(&self) -> f64 { self.0 * self.0 * std::f64::consts::PI } } fn g<S: Shape + ?Sized>(s: &S) -> u32 { S::SIDES + <S as Shape>::SIDES }",
        "fn f<T>(x: T) -> impl Fn() -> T + use<T> where T: Clone { move || x.clone() }",
        "fn f(x: Option<u8>) -> u8 { let Some(x) = x else { return 0 }; 'outer: loop { if let Some(y) = Some(x) && y > 1 { break 'outer y; } else { continue 'outer; } } }",
        "use std::sync::{Arc, Weak}; fn f(n: Arc<u8>) -> Weak<u8> { Arc::downgrade(&n) }",
        "#[cfg(test)] mod tests { use std::sync::{LazyLock, Mutex, atomic::{AtomicU32, Ordering}}; static N: LazyLock<Mutex<u32>> = LazyLock::new(|| Mutex::new(1)); thread_local! { static X: std::cell::Cell<u32> = const { std::cell::Cell::new(1) }; } fn f(n: &AtomicU32) { n.fetch_add(1, Ordering::SeqCst); } }",
        "enum Often { Once, Daily } use Often::Once; fn f() -> Often { Once }",
        "struct Pointer(String); enum Kind { Pointer } fn f(p: &Pointer, addr: &str) -> Kind { let _ = (addr, &p.0); Kind::Pointer }",
        "fn f() -> Value { json!({ \"a\": null, \"b\": [1, 2.5, true], \"c\": { \"d\": format!(\"{}\", 1) } }) }",
        "fn f(v: &Value) -> Result<Vec<String>, SkillError> { let x: Vec<String> = serde_json::from_value(v.clone()).map_err(|e| SkillError::failed(e.to_string()))?; Ok(x) }",
        "fn f() -> Result<(), SkillError> { let text = vault::read(\"a.md\")?; if vault::exists(\"b.md\")? { vault::write(\"Inbox/AI/b.md\", &text)?; } log::info(\"x\"); Ok(()) }",
        "use std::path::Path; fn f(p: &str) -> Result<bool, SkillError> { let _ = Path::new(p).file_stem(); vault::exists(p) }",
        "enum Shape { Square, Round } use Shape::*; fn f(s: &Shape) -> u8 { match s { Square => 1, Round => 2 } }",
        "mod model { pub(crate) mod note { #[derive(Debug)] pub struct Note; } pub use note::Note; pub use self::note as notes; } use model::{Note, notes}; use crate::model::note; fn f(_: Note, _: notes::Note, _: note::Note) {}",
        "const fn f(x: u32) -> u32 { x } const N: usize = { f(3) as usize }; struct B<const M: usize>([u8; M]); type C = B<{ N * 2 }>;",
        "async fn f() {} fn g(x: std::task::Poll<u8>) -> bool { x.is_ready() }",
        "use std::collections::HashSet; fn f(a: &HashSet<u8>, b: &HashSet<u8>) -> usize { let union = a.union(b).count(); union * 2 }",
        "#[inline] #[must_use = \"it\"] pub fn f() -> u8 { std::panic!(\"x\") }",
        "fn f(x: &dyn std::any::Any) -> Box<dyn std::error::Error + Send + Sync + 'static> { Box::from(\"x\") }",
        "#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)] #[repr(u8)] enum E { #[default] A = 1, B }",
        "fn f(a: i32, b: i32) -> bool { a < b && b > a || (a as i64) < b as i64 }",
        "fn f(x: &mut u8) -> u8 { let y = 2 * *x; *x *= y; y }",
        "use std::ops::{Add, Deref}; impl Add for Output { type Output = Self; fn add(self, o: Self) -> Self { Self { n: self.n + o.n } } }",
        "fn r#match(r#in: u8) -> u8 { r#in }",
        "mod clock { pub fn now() -> u8 { 1 } } fn f(clock: u8) -> u8 { clock + clock::now() }",
        "#[derive(Debug)] pub enum Error { Bad(std::num::ParseIntError) } impl std::error::Error for Error {} impl std::fmt::Display for Error { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(\"bad\") } }",
    ]);
}

#[test]
fn placeholders_and_the_search_for_secrets_are_no_secrets() {
    honest(&[
        "const A: &str = \"AKIAIOSFODNN7EXAMPLE\";",
        "const A: &str = \"ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\";",
        "const A: [&str; 3] = [\"ghp_\", \"sk-\", \"-----BEGIN RSA PRIVATE KEY-----\"];",
        "const A: &str = \"sk-your-own-key-goes-here-and-nowhere-else\";",
        "const A: &str = \"-----BEGIN PRIVATE KEY-----\\nMIIEexampleexampleexampleexampleexampleexample\\n-----END\";",
        "const A: &str = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\";",
        "const A: &str = \"a task-list of the day that is much longer than thirty-two characters\";",
    ]);
}
