//! Sources and what the scanner says of them: one line each for what must be refused and what must pass.

mod honest;
mod refused;

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
    assert!(check(&[("src/lib.rs", &lib.replace("util", "main")), ("src/main.rs", "")]));
    assert!(check(&[("src/lib.rs", &lib.replace("util", "lib"))]));
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
fn what_a_specification_permits_displaces_no_other_finding() {
    let clock = |n: usize| format!("fn t{n}() {{ kavi_sdk::clock::now(); }}\n");
    let body = (0..100).map(clock).collect::<String>() + "fn f() { std::fs::read(\"x\"); }\n";
    let mut findings = scan(&skill(&body));
    assert_eq!(rules(&findings).iter().filter(|rule| **rule == "clock").count(), report::MAX_FINDINGS);
    findings.retain(|finding| finding.rule != CLOCK);
    assert_eq!(rules(&findings), ["path"]);
    let many: String = (0..100).map(|n| format!("fn f{n}() {{ std::fs::read(\"x\"); }}\n")).collect();
    let mut findings = scan(&skill(&many));
    assert_eq!(findings.len(), report::MAX_FINDINGS + 1);
    findings.retain(|finding| finding.rule != "policy/path");
    assert_eq!(rules(&findings), ["limits"], "what is not listed is a finding too");
}

#[test]
fn a_raw_string_starts_only_where_the_compiler_starts_one() {
    // For the compiler each of these is a string that ends at the third quote. The brackets after it are code.
    let deep = "[".repeat(20_000);
    for before in ["'r", "'br", "'a'r", "b'a'r", "\"x\"r", "r\"x\"r", "r#\"x\"#r", "1r", "for"] {
        let text = format!("m!({before}\"\\\"\" {deep} \"\");");
        assert!(rules(&precheck(&skill(&text))).contains(&"nesting"), "{before}");
    }
    for before in ["r", "br", "cr", "#r", ".r", "/* */r", "'a' r"] {
        let text = format!("m!({before}\"\\\"; {deep}");
        assert!(rules(&precheck(&skill(&text))).contains(&"nesting"), "{before}");
        let text = format!("m!({before}\"{deep}\\\");");
        assert!(precheck(&skill(&text)).is_empty(), "{before}");
    }
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
    for text in [
        "// \u{202e}",
        "/* \u{2066} */",
        "fn f() { \"\u{200b}\"; }",
        "/// \u{e0041}\n",
        "'\u{ad}'",
        "r#\"\u{feff}\"#",
        "\u{200e}",
    ] {
        assert_eq!(with(text).as_deref(), Some("policy/unicode"), "{text:?}");
    }
    assert_eq!(check("\u{feff}fn f() {}".as_bytes()).as_deref(), Some("policy/unicode"));
    for text in ["fn \u{441}() {}", "let \u{a0} x", "\u{37e}", "'\u{e9}x"] {
        assert_eq!(with(text).as_deref(), Some("policy/identifier"), "{text:?}");
    }
    for (open, close) in
        [("(", ")"), ("[", "]"), ("{", "}"), ("Vec<", ">"), ("!", ""), ("a<u8, ", ">"), ("|a, b| ", "")]
    {
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
    assert_eq!(
        with("const X: &str = \"é 👩‍💻 ❤️ Ж 中\"; // ünïcödé — “quotes”\nconst C: [char; 2] = ['é', '\\''];"),
        None
    );
}

#[test]
fn a_run_at_the_cap_parses_on_the_scanner_s_stack() {
    let depth = MAX_RUN - 64;
    for (open, close) in [("!", ""), ("&", ""), ("-", ""), ("1+", "")] {
        let findings = scan(&skill(&format!("fn f() {{ let _ = {}1{}; }}", open.repeat(depth / open.len()), close)));
        assert!(findings.is_empty(), "{open}: {findings:?}");
    }
    let generic = format!("fn f(x: {}u8{}) {{}}", "Option<".repeat(500), ">".repeat(500));
    assert_eq!(scan(&skill(&generic)), []);
    let table = format!("const T: [u64; 200] = [{}];", "1 << 3, ".repeat(200));
    assert_eq!(scan(&skill(&table)), []);
    let deep = format!("fn f() {{ {}1{}; }}", "(".repeat(MAX_NESTING - 4), ")".repeat(MAX_NESTING - 4));
    assert_eq!(scan(&skill(&deep)), []);
}

/// Pieces that hostile and honest code is made of.
const PIECES: &[&str] = &[
    "std",
    "::",
    "fs",
    "use",
    "as",
    "*",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    "#",
    "!",
    "$",
    "macro_rules",
    "mod",
    "x",
    "cfg",
    "test",
    "impl",
    "for",
    "where",
    ";",
    ",",
    "=",
    "=>",
    "->",
    "'a",
    "'x'",
    "\"s\"",
    "r#\"s\"#",
    "r#type",
    "unsafe",
    "extern",
    "serde",
    "derive",
    "crate",
    "self",
    "super",
    "pub",
    ":",
    ".",
    "&",
    "|",
    "1",
    "/// d\n",
    "/* c */",
    "\n",
    "ident",
    "kavi_sdk",
    "export_skill",
    "run",
    "fn",
    "struct",
    "é",
    "\u{202e}",
    "'",
    "\"",
    "r#",
    "path",
    "$crate",
    "if",
    "else",
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

/// The compiler acts on a source before anything of it runs. What makes it read a file, an
/// environment variable or without end must keep the compiler away; what only the running code
/// would do need not.
#[test]
fn what_makes_the_compiler_read_or_work_is_unsafe_to_compile() {
    let safety = |body: &str| judge(&skill(body)).safety;
    for body in [
        "const A: &str = include_str!(\"/proc/cmdline\");",
        "#[cfg(test)] mod tests { const A: &[u8] = include_bytes!(\"/proc/cmdline\"); }",
        "const A: Option<&str> = option_env!(\"HOME\");",
        "use std::include_str as text; fn f() -> &'static str { text!(\"/etc/hostname\") }",
        "use std::include_str as json; fn f() -> &'static str { json!(\"/etc/hostname\") }",
        "#[path = \"/proc/self/environ\"] mod other {}",
        "#[doc = include_str!(\"/proc/cmdline\")] fn f() {}",
        "#[cfg(test)] mod tests { #[test] #[ignore = include_str!(\"/proc/cmdline\")] fn f() {} }",
        "#[allow(dead_code, reason = include_str!(\"/proc/cmdline\"))] fn f() {}",
        "#[derive(Deserialize)] #[serde(from = \"[u8; include!(\\\"/etc/passwd\\\")]\")] struct S;",
        "macro_rules! m { ($e:expr) => { m!($e) + m!($e) } } fn f() -> u8 { m!(1) + std::process::id() as u8 }",
        "extern crate std as other;",
    ] {
        assert_eq!(safety(body), CompileSafety::Unsafe, "{body}");
    }
    for body in [
        "",
        "fn f() { let _ = std::fs::read(\"/etc/passwd\"); }",
        "fn f() { println!(\"x\"); }",
        "#[allow(dead_code)] fn f() {}",
        "#[cfg(test)] mod tests { #[test] #[ignore] fn f() {} }",
    ] {
        assert_eq!(safety(body), CompileSafety::Safe, "{body}");
    }
    assert_eq!(judge(&snapshot(&[("src/lib.rs", "fn f() { \u{202e} }")])).safety, CompileSafety::Unsafe);
}
