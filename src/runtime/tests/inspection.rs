//! What is read from a component before it is compiled.

use super::*;
use inspect::{ExportKind, ImportKind, InspectError, InterfaceMismatch, check, check_tests, interface};

fn bytes(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A skill that is well formed and does nothing.
const RUN: &str = r#"
  (import "kavi:skill/types@0.1.0" (instance $types
    (type $e (variant (case "invalid-input" string) (case "not-found" string) (case "denied" string) (case "failed" string)))
    (export "error" (type (eq $e)))))
  (alias export $types "error" (type $error))
  (core module $m
    (memory (export "memory") 1)
    (func (export "f") (param i32 i32) (result i32) i32.const 0)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0))
  (core instance $m (instantiate $m))
  (func (export "run") (param "input" string) (result (result string (error $error)))
    (canon lift (core func $m "f") (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))"#;

fn mismatches(fields: &str, capabilities: &SkillCapabilities) -> Vec<InterfaceMismatch> {
    check(&interface(&bytes(&format!("(component {fields})"))).unwrap(), capabilities)
}

#[test]
fn only_components_are_taken() {
    assert_eq!(interface(&bytes("(module)")), Err(InspectError::CoreModule));
    for bytes in [&b""[..], b"hello", b"\0asm", &bytes("(component)")[..6]] {
        assert!(matches!(interface(bytes), Err(InspectError::Invalid(_))), "{bytes:?}");
    }
}

#[test]
fn features_that_skills_do_not_need_are_refused() {
    for fields in [
        "(memory 1 1 shared)",
        "(memory i64 1)",
        "(memory 1) (memory 1)",
        "(func (result v128) (v128.const i32x4 0 0 0 0))",
        "(tag)",
        "(type (struct))",
        "(func $f (return_call $f))",
    ] {
        let component = bytes(&format!("(component (core module {fields}))"));
        assert!(matches!(interface(&component), Err(InspectError::Invalid(_))), "{fields}");
        assert!(RUNTIME.compile_tests(&component).is_err());
    }
}

#[test]
fn the_interface_is_read_exactly() {
    let text = r#"(component
        (import "wasi:io/streams@0.2.6" (instance (export "f" (func)) (export "t" (type (sub resource)))))
        (import "plain" (func))
        (core module (memory 2 5)) (core module (memory 1))
        (component (core module $m (memory 3)) (import "inner" (func)))
        (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#;
    let found = interface(&bytes(text)).unwrap();
    let import = |name: &str, functions: &[&str], kind| inspect::Import {
        name: name.into(),
        functions: functions.iter().map(|name| (*name).to_owned()).collect(),
        kind,
    };
    assert_eq!(
        found.imports,
        [import("wasi:io/streams@0.2.6", &["f"], ImportKind::Interface), import("plain", &[], ImportKind::Other)]
    );
    let export = inspect::Export { name: "wasi:cli/run@0.2.0".into(), kind: ExportKind::Interface };
    assert_eq!(found.exports, [export]);
    let memory = |minimum: u64, maximum: Option<u64>| inspect::LinearMemory {
        minimum_bytes: minimum << 16,
        maximum_bytes: maximum.map(|pages| pages << 16),
    };
    assert_eq!(found.memories, [memory(2, Some(5)), memory(1, None), memory(3, None)]);
    assert!(!found.makes_resources);
}

#[test]
fn a_skill_within_its_capabilities_has_no_mismatch() {
    assert_eq!(mismatches(RUN, &PURE), []);
    let earlier = format!(r#"(import "wasi:io/error@0.2.0" (instance)) {RUN}"#);
    assert_eq!(mismatches(&earlier, &PURE), []);
    let used = format!(r#"(type $t (enum "a")) (import "error" (type $e (eq $t))) {RUN}"#);
    assert_eq!(mismatches(&used, &PURE), []);
}

#[test]
fn an_import_must_be_granted_by_its_exact_name() {
    for name in ["wasi:sockets/tcp@0.2.6", "wasi:io/errors@0.2.6", "kavi:skill/testing@0.1.0", "evil:io/error@0.2.6"] {
        let found = mismatches(&format!(r#"(import "{name}" (instance)) {RUN}"#), &PURE);
        assert_eq!(found, [InterfaceMismatch::NotGranted { import: name.into() }]);
    }
    for import in [
        r#"(import "log" (func))"#,
        r#"(import "c" (component))"#,
        r#"(import "error" (func))"#,
        r#"(import "error" (type (sub resource)))"#,
        r#"(type $t (enum "a")) (import "other" (type (eq $t)))"#,
    ] {
        assert!(matches!(mismatches(&format!("{import} {RUN}"), &PURE)[..], [InterfaceMismatch::NotGranted { .. }]));
    }
}

#[test]
fn a_component_is_of_one_listed_version_of_the_contract() {
    let log = |version: &str| format!(r#"(import "kavi:skill/log@{version}" (instance)) {RUN}"#);
    assert_eq!(mismatches(&log("0.1.0"), &PURE), []);
    for listed in ["0.2.0", "0.3.0"] {
        let newer = log(listed).replace("types@0.1.0", &format!("types@{listed}"));
        assert_eq!(mismatches(&newer, &PURE), []);
    }
    // One that mixes two would get imports of both.
    let [InterfaceMismatch::Version { wanted, .. }] = &mismatches(&log("0.2.0"), &PURE)[..] else { panic!("mixed") };
    assert_eq!(wanted, "0.2.0");
}

#[test]
fn another_version_is_refused_by_a_message_that_names_both() {
    for (name, version) in [
        ("kavi:skill/log", "0.4.0"),
        ("kavi:skill/log", "0.1.1"),
        ("wasi:io/error", "0.3.0"),
        ("wasi:io/error", "0.2.13"),
        ("wasi:io/error", "1.2.6"),
    ] {
        let found = mismatches(&format!(r#"(import "{name}@{version}" (instance)) {RUN}"#), &PURE);
        let [InterfaceMismatch::Version { interface, built_for, wanted }] = &found[..] else {
            panic!("{name} {version}")
        };
        assert_eq!((interface.as_str(), built_for.as_str()), (name, version));
        let message = found[0].to_string();
        assert!(message.contains(version) && message.contains(wanted), "{message}");
    }
    let found = mismatches(&format!(r#"(import "wasi:io/error" (instance)) {RUN}"#), &PURE);
    assert!(matches!(found[..], [InterfaceMismatch::Version { .. }]));
}

#[test]
fn a_denied_function_is_refused_within_a_granted_interface() {
    let import = |function: &str| {
        format!(
            r#"(import "wasi:filesystem/types@0.2.6" (instance (export "descriptor" (type $d (sub resource)))
            (export "[method]descriptor.{function}" (func (param "self" (borrow $d)))))) {RUN}"#
        )
    };
    let denied = |function: &str| {
        [InterfaceMismatch::Denied { function: format!("wasi:filesystem/types#[method]descriptor.{function}") }]
    };
    // Nobody makes links; who writes nothing changes nothing.
    for capabilities in [&READER, &*WRITER] {
        assert_eq!(mismatches(&import("symlink-at"), capabilities), denied("symlink-at"));
        assert_eq!(mismatches(&import("stat"), capabilities), []);
    }
    assert_eq!(mismatches(&import("rename-at"), &READER), denied("rename-at"));
    assert_eq!(mismatches(&import("rename-at"), &WRITER), []);
}

#[test]
fn run_is_the_only_export() {
    assert_eq!(mismatches("", &PURE), [InterfaceMismatch::Missing { export: "run".into() }]);
    let more = format!(r#"{RUN} (instance $i) (export "more" (instance $i))"#);
    assert_eq!(mismatches(&more, &PURE), [InterfaceMismatch::Unexpected { export: "more".into() }]);
    let found = mismatches(r#"(instance $i) (export "run" (instance $i))"#, &PURE);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn run_is_of_the_type_in_the_contract() {
    for (right, wrong) in [
        ("\"input\" string", "\"input\" (list u8)"),
        ("(result (result string (error $error)))", "(result string)"),
        ("(result (result string (error $error)))", "(result (result string))"),
        ("(result (result string (error $error)))", "(result (result (error $error)))"),
        ("(result (result string (error $error)))", "(result (result string (error string)))"),
        ("(case \"failed\" string)", "(case \"failed\")"),
        ("(case \"failed\" string)", ""),
        ("(case \"failed\" string)", "(case \"odd\" string)"),
    ] {
        assert!(RUN.contains(right));
        assert_eq!(mismatches(&RUN.replace(right, wrong), &PURE), [InterfaceMismatch::RunType], "{wrong}");
    }
}

#[test]
fn code_that_could_take_minutes_to_compile_is_refused() {
    let component = |function: &str| bytes(&format!("(component (core module (func {function})))"));
    let is_refused = |runtime: &Runtime, component: &[u8], tier| {
        matches!(runtime.examine(component, tier), Err(RuntimeError::CompileEffort { .. }))
    };
    // Many values alive at once are what the optimising compiler is slow at.
    let alive = format!("(param i32) (result i32) {}{}", "(local.get 0)".repeat(60_000), "i32.xor ".repeat(59_999));
    assert!(is_refused(&RUNTIME, &component(&alive), Tier::Optimised));
    assert!(RUNTIME.compile_tests(&component(&alive)).is_ok());
    // Each function costs something, however little is in it.
    let empty = bytes(&format!("(component (core module {}))", "(func)".repeat(150_000)));
    assert!(empty.len() < 700_000 && is_refused(&RUNTIME, &empty, Tier::Optimised));
    // Eight bytes declare fifty thousand locals.
    let locals = component(&format!("(local {})", "i64 ".repeat(49_000)));
    let strict = Runtime::new(&Limits { compile_effort: 1_000, ..Limits::default() }).unwrap();
    assert!(is_refused(&strict, &locals, Tier::Optimised) && is_refused(&strict, &locals, Tier::Fast));
}

#[test]
fn a_component_makes_no_resources() {
    let fields = format!(r#"(type $r (resource (rep i32))) (core func $new (canon resource.new $r)) {RUN}"#);
    assert_eq!(mismatches(&fields, &PURE), [InterfaceMismatch::MakesResources]);
}

#[test]
fn a_test_component_and_a_skill_are_not_taken_for_each_other() {
    let tests = GUEST.interface();
    // The guest imports functions that are refused by name, so that the wall is tried as well. Nothing else is wrong with it.
    let refused_by_name = |mismatch: &InterfaceMismatch| matches!(mismatch, InterfaceMismatch::Denied { .. });
    assert!(check_tests(tests, &PURE).iter().all(refused_by_name));
    assert!(check(tests, &PURE).contains(&InterfaceMismatch::Missing { export: "run".into() }));
    let skill = interface(&bytes(&format!("(component {RUN})"))).unwrap();
    assert_eq!(check_tests(&skill, &PURE).len(), 2);
    // The name alone makes no test component: its version and the type of its `run` count too.
    let test_component = |version: &str, run: &str| {
        let text = format!(
            r#"(component
              (core module $m (memory (export "memory") 1) (func (export "r") (result i32) i32.const 0)
                (func (export "t") (param i32) (result i32) i32.const 0))
              (core instance $m (instantiate $m))
              {run}
              (instance $i (export "run" (func $run)))
              (export "wasi:cli/run@{version}" (instance $i)))"#
        );
        check_tests(&interface(&bytes(&text)).unwrap(), &PURE)
    };
    let right = r#"(func $run (result (result)) (canon lift (core func $m "r")))"#;
    assert_eq!(test_component("0.2.0", right), []);
    assert_eq!(test_component("0.2.12", right), []);
    for version in ["9.9.9", "0.2.13", "0.3.0"] {
        let refused = test_component(version, right);
        assert!(matches!(&refused[..], [InterfaceMismatch::Version { .. }]), "{version}: {refused:?}");
    }
    for wrong in [
        r#"(func $run (result u32) (canon lift (core func $m "r")))"#,
        r#"(func $run (param "a" u32) (result (result)) (canon lift (core func $m "t")))"#,
        r#"(func $run (result (result u8)) (canon lift (core func $m "r") (memory (core memory $m "memory"))))"#,
    ] {
        assert_eq!(test_component("0.2.0", wrong), [InterfaceMismatch::TestRunType], "{wrong}");
    }
    let limits = tight();
    let request = GuestRequest {
        input: "",
        capabilities: &WRITER,
        vault: None,
        linked: &[],
        out: None,
        http: None,
        determinism: determinism(1),
        limits: &limits,
        watch: &Unwatched,
    };
    assert!(matches!(GUEST.run(&request), Err(RunFailure { error: RunError::Refused(_), .. })));
}
