//! Skills written by hand, for what no Rust program does.

use super::*;

/// Parts of a component whose `run` is given in the text format.
pub(super) struct WatSkill<'a> {
    /// The body of `run (param $ptr i32) (param $len i32) (result i32)`.
    run: &'a str,
    /// The body of `realloc`, `cabi_post_run`, the start function.
    realloc: &'a str,
    post: &'a str,
    start: &'a str,
    /// More of the core module.
    fields: &'a str,
    /// Pages of memory at the start.
    pages: u32,
}

/// Gives the input back.
pub(super) const ECHO: WatSkill<'static> = WatSkill {
    run: "(i32.store8 (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (local.get $ptr))
          (i32.store (i32.const 8) (local.get $len)) (i32.const 0)",
    realloc: "(local $at i32)
        (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
        (global.set $top (i32.add (local.get $at) (local.get 3))) (local.get $at)",
    post: "",
    start: "",
    fields: "",
    pages: 64,
};
/// Returns `(discriminant, kind, pointer, length)`.
const FAIL: &str = "(i32.store8 (i32.const 0) (i32.const 1)) (i32.store8 (i32.const 4) (i32.const 2))
    (i32.store (i32.const 8) (local.get $ptr)) (i32.store (i32.const 12) (local.get $len)) (i32.const 0)";
const FOREVER: &str = "(loop $l (br $l))";
/// Never comes back.
pub(super) const FOREVER_SKILL: WatSkill<'static> = WatSkill { run: "(loop $l (br $l)) unreachable", ..ECHO };
/// Gives one byte of its memory back that nobody wrote, and leaves another one there for whoever gets the memory next.
pub(super) const DIRTY: WatSkill<'static> = WatSkill {
    run: "(i32.store8 (i32.const 3000) (i32.load8_u (i32.const 2000))) (i32.store8 (i32.const 2000) (i32.const 88))
          (i32.store8 (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 3000))
          (i32.store (i32.const 8) (i32.const 1)) (i32.const 0)",
    ..ECHO
};

impl WatSkill<'_> {
    fn text(&self) -> String {
        let Self { run, realloc, post, start, fields, pages } = self;
        format!(
            r#"(component
  (import "kavi:skill/types@0.1.0" (instance $types
    (type $e (variant (case "invalid-input" string) (case "not-found" string) (case "denied" string) (case "failed" string)))
    (export "error" (type (eq $e)))))
  (alias export $types "error" (type $error))
  (import "kavi:skill/log@0.1.0" (instance $log
    (type $l (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $l)))
    (export "write" (func (param "level" $level) (param "message" string)))))
  (core module $memory
    (memory (export "memory") {pages})
    (global $top (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc}))
  (core instance $memory (instantiate $memory))
  (core func $log (canon lower (func $log "write") (memory (core memory $memory "memory"))))
  (core module $skill
    (import "memory" "memory" (memory 1))
    (import "host" "log" (func $log (param i32 i32 i32)))
    {fields}
    (func $run (export "run") (param $ptr i32) (param $len i32) (result i32) {run})
    (func (export "post") (param i32) {post})
    (func $start {start})
    (start $start))
  (core instance $skill (instantiate $skill
    (with "memory" (instance $memory))
    (with "host" (instance (export "log" (func $log))))))
  (func (export "run") (param "input" string) (result (result string (error $error)))
    (canon lift (core func $skill "run") (memory (core memory $memory "memory"))
      (realloc (core func $memory "realloc")) (post-return (core func $skill "post"))))
)"#
        )
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        wat::parse_str(self.text()).unwrap()
    }

    pub(super) fn compile(&self) -> CompiledComponent {
        optimised(&self.bytes()).unwrap()
    }

    fn run(&self, input: &str, limits: &Limits) -> Result<SkillOutcome, RunFailure> {
        run(&self.compile(), &PURE, input, limits)
    }

    /// The limit that ends it; the next run is as good as ever.
    fn stopped(&self, input: &str, limits: &Limits) -> (&'static str, u64) {
        let ended = self.run(input, limits);
        let Err(RunError::LimitExceeded { limit, value } | RunError::Timeout { limit, value }) =
            ended.map_err(RunError::from)
        else {
            panic!("not stopped by a limit")
        };
        assert_eq!(ECHO.run("again", &tight()).unwrap().result, Ok("again".into()));
        (limit, value)
    }
}

fn run(
    compiled: &CompiledComponent,
    capabilities: &SkillCapabilities,
    input: &str,
    limits: &Limits,
) -> Result<SkillOutcome, RunFailure> {
    compiled.run(&GuestRequest {
        input,
        capabilities,
        vault: None,
        linked: &[],
        out: None,
        http: None,
        determinism: determinism(1),
        limits,
        watch: &Unwatched,
    })
}

#[test]
fn a_skill_returns_its_output_or_its_error() {
    assert_eq!(ECHO.run("{\"a\":1}", &tight()).unwrap().result, Ok("{\"a\":1}".into()));
    let error = WatSkill { run: FAIL, ..ECHO }.run("no", &tight()).unwrap().result;
    assert_eq!(error, Err(GuestError { kind: crate::model::example::ErrorKind::Denied, message: "no".into() }));
}

#[test]
fn both_tiers_run_the_same() {
    let bytes = wat::parse_str(ECHO.text()).unwrap();
    let fast = RUNTIME.compile_tests(&bytes).unwrap();
    assert_eq!(run(&fast, &PURE, "x", &tight()).unwrap().result, Ok("x".into()));
}

#[test]
fn a_loop_ends_wherever_it_is() {
    let limits = Limits { cpu_ms: 30, ..tight() };
    let never = format!("{FOREVER} unreachable");
    assert_eq!(WatSkill { run: &never, ..ECHO }.stopped("", &limits), ("cpu_ms", 30));
    assert_eq!(WatSkill { realloc: &never, ..ECHO }.stopped("x", &limits), ("cpu_ms", 30));
    assert_eq!(WatSkill { post: FOREVER, ..ECHO }.stopped("", &limits), ("cpu_ms", 30));
    assert_eq!(WatSkill { start: FOREVER, ..ECHO }.stopped("", &limits), ("cpu_ms", 30));
}

#[test]
fn input_and_output_have_sizes() {
    let limits = Limits { input_bytes: 300_000, output_bytes: 200_000, error_bytes: 10, ..tight() };
    let text = |length| "x".repeat(length);
    assert!(ECHO.run(&text(200_000), &limits).is_ok());
    assert_eq!(ECHO.stopped(&text(200_001), &limits), ("output_bytes", 200_000));
    assert_eq!(ECHO.stopped(&text(300_001), &limits), ("input_bytes", 300_000));
    assert_eq!(WatSkill { run: FAIL, ..ECHO }.stopped(&text(11), &limits), ("error_bytes", 10));
    // More than may cross at all: refused before it is copied.
    let limits = Limits { hostcall_bytes: 1_000, output_bytes: 2_000, ..limits };
    assert_eq!(ECHO.stopped(&text(250_000), &limits), ("output_bytes", 2_000));
    let all = "(i32.store (i32.const 4) (i32.const 16)) (i32.store (i32.const 8) (i32.const 4000000)) (i32.const 0)";
    let limits = Limits { hostcall_bytes: 1 << 20, ..tight() };
    assert_eq!(WatSkill { run: all, ..ECHO }.stopped("", &limits), ("output_bytes", 1 << 20));
}

#[test]
fn a_message_that_is_too_large_does_not_cross() {
    let log = "(call $log (i32.const 1) (i32.const 16) (i32.const 4000000)) (i32.const 0)";
    let limits = Limits { hostcall_bytes: 3 << 20, ..tight() };
    assert_eq!(WatSkill { run: log, ..ECHO }.stopped("", &limits), ("hostcall_bytes", 3 << 20));
}

#[test]
fn a_flood_of_log_lines_is_cut_and_counted() {
    let flood = "(local $n i32)
        (loop $l (call $log (i32.const 1) (local.get $ptr) (local.get $len))
          (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 50))))
        (i32.store8 (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 0))
        (i32.store (i32.const 8) (i32.const 0)) (i32.const 0)";
    let skill = WatSkill { run: flood, ..ECHO };
    let limits = Limits { log_lines: 10, ..tight() };
    let observed = skill.run("line", &limits).unwrap().observed;
    assert_eq!((observed.logs.len(), observed.usage.dropped_log_lines), (10, 40));
    assert_eq!(observed.logs[0], LogLine { level: LogLevel::Info, message: "line".into() });
    let observed = skill.run("line", &Limits { log_bytes: 21, ..tight() }).unwrap().observed;
    assert_eq!(observed.logs.len(), 5);
    let observed = skill.run("äöü", &Limits { log_line_bytes: 3, ..tight() }).unwrap().observed;
    assert_eq!(observed.logs[0].message, "ä");
}

#[test]
fn deep_recursion_ends_at_the_stack_limit() {
    let skill = WatSkill { run: "(call $run (local.get $ptr) (local.get $len))", ..ECHO };
    assert_eq!(skill.stopped("", &tight()), ("stack_bytes", Limits::default().stack_bytes));
}

#[test]
fn memory_is_one_sum() {
    let grow = "(loop $l (drop (memory.grow (i32.const 16))) (br $l)) unreachable";
    assert_eq!(WatSkill { run: grow, ..ECHO }.stopped("", &tight()).0, "memory_bytes");
    let limits = Limits { memory_bytes: 1 << 20, ..tight() };
    assert_eq!(ECHO.stopped("", &limits).0, "memory_bytes");
    // A memory that cannot grow is the guest's own affair, and not charged for trying.
    let full = "(loop $l (drop (table.grow (ref.null func) (i32.const 9))) (br $l)) unreachable";
    let own = WatSkill { run: full, fields: "(table 1 2 funcref)", ..ECHO };
    assert_eq!(own.stopped("", &Limits { cpu_ms: 30, ..tight() }).0, "cpu_ms");
}

#[test]
fn tables_are_one_sum() {
    let grow = "(loop $l (drop (table.grow (ref.null func) (i32.const 1000))) (br $l)) unreachable";
    let skill = WatSkill { run: grow, fields: "(table 1 funcref)", ..ECHO };
    assert_eq!(skill.stopped("", &tight()).0, "table_elements");
}

#[test]
fn instances_memories_and_tables_are_counted() {
    let limits = tight();
    assert_eq!(ECHO.stopped("", &Limits { instances: 1, ..limits.clone() }), ("instances", 1));
    assert_eq!(ECHO.stopped("", &Limits { memories: 0, ..limits.clone() }), ("memories", 0));
    let skill = WatSkill { fields: "(table 1 funcref) (table 1 funcref)", ..ECHO };
    assert_eq!(skill.stopped("", &Limits { tables: 1, ..limits }), ("tables", 1));
}

#[test]
fn nonsense_from_the_guest_is_a_trap() {
    for run in [
        "unreachable",
        // The result lies outside of memory, or is not aligned, or says nothing.
        "(i32.const -4)",
        "(i32.const 1)",
        "(i32.store8 (i32.const 0) (i32.const 9)) (i32.const 0)",
        // Text outside of memory, and text that is not UTF-8.
        "(i32.store (i32.const 8) (i32.const -1)) (i32.const 0)",
        "(i32.store8 (i32.const 16) (i32.const 255)) (i32.store (i32.const 4) (i32.const 16))
         (i32.store (i32.const 8) (i32.const 1)) (i32.const 0)",
        "(call $log (i32.const 9) (i32.const 0) (i32.const 0)) (i32.const 0)",
        "(call $log (i32.const 0) (i32.const -9) (i32.const 8)) (i32.const 0)",
    ] {
        let ended = WatSkill { run, ..ECHO }.run("", &tight());
        assert!(matches!(ended, Err(RunFailure { error: RunError::Trap { .. }, .. })), "{run}: {ended:?}");
        assert!(ECHO.run("again", &tight()).is_ok());
    }
}

#[test]
fn nothing_is_kept_from_one_run_for_the_next() {
    let count = "(i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
        (i32.store8 (i32.const 16) (i32.add (i32.load (i32.const 64)) (i32.const 48)))
        (i32.store (i32.const 4) (i32.const 16)) (i32.store (i32.const 8) (i32.const 1)) (i32.const 0)";
    let counter = WatSkill { run: count, ..ECHO }.compile();
    for _ in 0..3 {
        assert_eq!(run(&counter, &PURE, "", &tight()).unwrap().result, Ok("1".into()));
    }
}

#[test]
fn what_is_not_granted_is_not_linked() {
    let imports = r#"(import "wasi:filesystem/preopens@0.2.6" (instance))"#;
    let text = ECHO.text().replacen("(component", &format!("(component {imports}"), 1);
    let files = optimised(&wat::parse_str(text).unwrap()).unwrap();
    let error = run(&files, &PURE, "", &tight()).map_err(RunError::from).unwrap_err();
    let RunError::Refused(mismatches) = error else { panic!("{error:?}") };
    let import = "wasi:filesystem/preopens@0.2.6".into();
    assert_eq!(mismatches, [inspect::InterfaceMismatch::NotGranted { import }]);
    // Linked for one skill is not linked for another.
    assert!(run(&files, &READER, "x", &tight()).is_ok());
    assert!(matches!(run(&files, &PURE, "x", &tight()).map_err(RunError::from), Err(RunError::Refused(_))));
}

#[test]
fn an_interface_of_another_shape_is_refused() {
    let text = ECHO.text().replace("(param \"level\" $level) (param \"message\" string)", "(param \"message\" string)");
    let text = text.replace("$log (param i32 i32 i32)", "$log (param i32 i32)");
    let compiled = optimised(&wat::parse_str(text).unwrap()).unwrap();
    let error = run(&compiled, &PURE, "", &tight()).map_err(RunError::from).unwrap_err();
    assert!(matches!(error, RunError::Instantiate { .. }), "{error:?}");
}

#[test]
fn a_panic_of_the_host_ends_one_run_and_no_more() {
    let compiled = ECHO.compile();
    assert!(run(&compiled, &PURE, "", &tight()).is_ok());
    let limits = tight();
    let request = GuestRequest {
        input: "",
        capabilities: &PURE,
        vault: None,
        linked: &[],
        out: None,
        http: None,
        determinism: determinism(1),
        limits: &limits,
        watch: &Unwatched,
    };
    let pre = compiled.linked.lock().unwrap().as_ref().unwrap().pre.clone();
    let state = crate::runtime::wall::state::GuestState::new(
        &request,
        GuestCommand::default(),
        interrupt::Interrupt::default(),
    )
    .unwrap();
    let ended = run::execute(state, &pre, |_, _| Ok(()), |_, ()| -> wasmtime::Result<()> { panic!("a bug of ours") });
    assert!(matches!(&ended.result, Err(RunError::Host(text)) if text == "a bug of ours"), "{:?}", ended.result);
    assert_eq!(run(&compiled, &PURE, "x", &tight()).unwrap().result, Ok("x".into()));
}

#[test]
fn many_threads_run_one_component() {
    let compiled = ECHO.compile();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let compiled = &compiled;
            scope.spawn(move || {
                let text = number.to_string();
                for _ in 0..50 {
                    assert_eq!(run(compiled, &PURE, &text, &tight()).unwrap().result, Ok(text.clone()));
                }
            });
        }
    });
}
