//! The guests, what they are given, and what must become of them.

use kavi::model::effect::EffectClass;
use kavi::model::limits::Limits;

/// Whether the check of imports at load stands before the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// As for every skill.
    Yes,
    /// It was fooled: functions that it refuses by name are linked. The wall alone must hold.
    Fooled,
}

/// One guest and one input.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    /// A component in `components/`, or a program in `examples/`.
    pub guest: &'static str,
    pub class: EffectClass,
    pub checked: Checked,
    pub input: &'static str,
    /// Limits that are lower than usual.
    pub tight: &'static [&'static str],
    /// How the outcome begins.
    pub outcome: &'static str,
}

impl Row {
    /// What runs after every one of them.
    pub const BENIGN: &'static Self = &row("benign", "echo", r#"{"a":1}"#, &[], "output {\"a\":1}");

    /// The limits of its run: small ones, so that each is soon met.
    pub fn limits(&self) -> Limits {
        let mut limits = Limits { wall_ms: 2_000, cpu_ms: 1_000, memory_bytes: 32 << 20, ..Limits::default() };
        for tight in self.tight {
            let table: toml::Table = tight.parse().expect("a limit");
            let mut all = toml::Table::try_from(&limits).expect("limits");
            all.extend(table);
            limits = all.try_into().expect("known limits");
        }
        limits
    }
}

const fn row(
    name: &'static str,
    guest: &'static str,
    input: &'static str,
    tight: &'static [&'static str],
    outcome: &'static str,
) -> Row {
    Row { name, guest, class: EffectClass::ReadOnly, checked: Checked::Yes, input, tight, outcome }
}

/// May write.
const fn writer(
    name: &'static str,
    guest: &'static str,
    input: &'static str,
    tight: &'static [&'static str],
    outcome: &'static str,
) -> Row {
    Row { class: EffectClass::FileWrite, ..row(name, guest, input, tight, outcome) }
}

/// May write, and the check of its imports did not hold.
const fn fooled(name: &'static str, input: &'static str, outcome: &'static str) -> Row {
    Row { checked: Checked::Fooled, ..writer(name, "files", input, &[], outcome) }
}

/// May only read, and the check of its imports did not hold.
const fn reader(name: &'static str, input: &'static str, outcome: &'static str) -> Row {
    Row { class: EffectClass::ReadOnly, ..fooled(name, input, outcome) }
}

const SOON: &[&str] = &["cpu_ms = 100"];

pub const ROWS: &[Row] = &[
    // Time.
    row("loop in run", "loop_run", "1", SOON, "timeout cpu_ms 100"),
    row("loop in start", "loop_start", "1", SOON, "timeout cpu_ms 100"),
    row("loop in realloc", "loop_realloc", "1", SOON, "timeout cpu_ms 100"),
    row("loop in post-return", "loop_post", "1", SOON, "timeout cpu_ms 100"),
    row("loop of host calls", "host_calls", "1", SOON, "timeout cpu_ms 100"),
    row("loop, real time", "loop_run", "1", &["wall_ms = 100"], "timeout wall_ms 100"),
    row("loop in Rust", "spin", "1", SOON, "timeout cpu_ms 100"),
    row("sleep for ever", "wait", r#"{"for":"sleep"}"#, SOON, "timeout cpu_ms 100"),
    row("wait for input", "wait", r#"{"for":"input"}"#, &[], "output \"\""),
    row("wait for a pipe", "wait", r#"{"for":"file","path":"/vault/pipe.md"}"#, &[], "error"),
    // Memory.
    row("memory that grows", "memory_grow", "1", &[], "limit memory_bytes 33554432"),
    row("memory that is declared", "memory_declared", "1", &[], "limit memory_bytes 33554432"),
    row("memory in Rust", "memory", "4000", &[], "limit memory_bytes 33554432"),
    row("many memories", "memory_many", "1", &[], "limit memories 8"),
    row("a table that grows", "table_grow", "1", &[], "limit table_elements 100000"),
    row("many tables", "table_many", "1", &[], "limit tables 16"),
    row("many instances", "instances", "1", &[], "limit instances 64"),
    row("recursion", "recursion", "1", &[], "limit stack_bytes 524288"),
    row("recursion in Rust", "recurse", "100000000", &[], "trap"),
    // What it gives back.
    row("a trap", "trap", "1", &[], "trap"),
    row("a division by nothing", "divide", "1", &[], "trap"),
    row("a panic", "abort", r#""words""#, &[], "trap"),
    row("an exit", "exit", "0", &[], "exit 0"),
    row("an exit with a code", "exit", "7", &[], "exit"),
    row("a giant output", "output_giant", "1", &[], "limit output_bytes 1048576"),
    writer("a giant output in Rust", "flood", r#"{"what":"output","count":5000}"#, &[], "limit output_bytes 1048576"),
    row("a giant error", "error_giant", "1", &[], "limit error_bytes 16384"),
    // The SDK cuts what its program says.
    writer("a giant error in Rust", "flood", r#"{"what":"error","count":100}"#, &[], "error failed: xxx"),
    row("an output outside of memory", "output_outside", "1", &[], "trap"),
    row("an output from nowhere", "output_nowhere", "1", &[], "trap"),
    row("an output that is no text", "output_not_utf8", "1", &[], "trap"),
    row("an output of the wrong type", "output_wrong_type", "1", &[], "trap"),
    row("room outside of memory", "realloc_outside", "1", &[], "trap"),
    // What it says.
    row("a log line outside of memory", "log_outside", "1", &[], "trap"),
    row("a giant log line", "log_giant", "1", &[], "limit hostcall_bytes 1048576"),
    writer("a flood of log lines", "flood", r#"{"what":"log","count":100000}"#, &[], "output"),
    writer("terminal escapes", "flood", r#"{"what":"escapes","count":10}"#, &[], "output"),
    writer("a flood of output", "flood", r#"{"what":"stdout","count":10000}"#, &[], "limit stdout_bytes 262144"),
    writer("a flood of errors", "flood", r#"{"what":"stderr","count":10000}"#, &[], "limit stderr_bytes 262144"),
    // What it asks for.
    row("an interface that is not granted", "import_undeclared", "1", &[], "refused"),
    row("the network", "import_sockets", "1", &[], "refused"),
    row("the network in Rust", "connect", r#""127.0.0.1:1""#, &[], "refused"),
    row("an unknown interface, empty", "import_unknown_empty", "1", &[], "refused"),
    row("the log of another version", "import_look_alike", "1", &[], "refused"),
    row("one function more", "import_extra_function", "1", &[], "not instantiated"),
    row("a bare function", "import_bare", "1", &[], "refused"),
    row("what only tests are given", "seed", r#""a.md""#, &[], "refused"),
    row("one export more", "export_more", "1", &[], "refused"),
    row("no export", "export_none", "1", &[], "refused"),
    row("a core module", "core_module", "1", &[], "refused"),
    row("links, read-only", "files", r#"{"do":"link","path":"a","to":"b"}"#, &[], "refused"),
    writer("links", "files", r#"{"do":"link","path":"a","to":"b"}"#, &[], "refused"),
    // What the host is like.
    row(
        "environment, arguments, input",
        "environment",
        "{}",
        &[],
        r#"output {"arguments":[],"input":"","variables":[]}"#,
    ),
    row("clock and chance", "chance", "{}", &[], r#"output {"elapsed":"#),
    // Files.
    reader("read", r#"{"do":"read","path":"/vault/a.md"}"#, r#"output "alpha""#),
    reader("traverse", r#"{"do":"read","path":"/vault/../outside.md"}"#, "error"),
    reader("traverse in the middle", r#"{"do":"read","path":"/vault/sub/../../outside.md"}"#, "error"),
    reader("an absolute path", r#"{"do":"read","path":"/etc/passwd"}"#, "error"),
    reader("a path without a folder", r#"{"do":"read","path":"a.md"}"#, "error"),
    reader("a link that leads out", r#"{"do":"read","path":"/vault/leads_out.md"}"#, "error"),
    reader("through a link to everything", r#"{"do":"read","path":"/vault/root/etc/passwd"}"#, "error"),
    reader("list a link to everything", r#"{"do":"list","path":"/vault/root"}"#, "error"),
    reader("a name with NUL", r#"{"do":"read","path":"/vault/a.md\u0000.txt"}"#, "error"),
    reader("a trailing slash", r#"{"do":"read","path":"/vault/a.md/"}"#, "error"),
    reader("another case", r#"{"do":"read","path":"/vault/A.md"}"#, "error"),
    reader("staging, not granted", r#"{"do":"write","path":"/out/x.md","to":"x"}"#, "error"),
    reader("write into the vault", r#"{"do":"write","path":"/vault/a.md","to":"x"}"#, "error"),
    reader("append to the vault", r#"{"do":"append","path":"/vault/a.md","to":"x"}"#, "error"),
    reader("cut in the vault", r#"{"do":"sparse","path":"/vault/a.md","to":"0"}"#, "error"),
    reader("remove from the vault", r#"{"do":"remove","path":"/vault/a.md"}"#, "error"),
    reader("a folder in the vault", r#"{"do":"folder","path":"/vault/new"}"#, "error"),
    fooled("write into the vault, as a writer", r#"{"do":"write","path":"/vault/a.md","to":"x"}"#, "error"),
    fooled("rename out of the vault", r#"{"do":"rename","path":"/vault/a.md","to":"/out/a.md"}"#, "error"),
    fooled("rename into the vault", r#"{"do":"rename","path":"/out/a.md","to":"/vault/b.md"}"#, "error"),
    fooled("write above staging", r#"{"do":"write","path":"/out/../x.md","to":"x"}"#, "error"),
    fooled("a hard link to the vault", r#"{"do":"link","path":"/vault/a.md","to":"/out/a.md"}"#, "error"),
    fooled("a symbolic link", r#"{"do":"soft","path":"/out/a.md","to":"/etc/passwd"}"#, "error"),
    fooled("a sparse tebibyte", r#"{"do":"sparse","path":"/out/a.md","to":"1099511627776"}"#, "limit staged_bytes"),
    // Quotas, exact.
    writer("fill the disk", "flood", r#"{"what":"bytes","count":100000}"#, &["staged_bytes = 50000"], "limit"),
    writer("exactly the quota", "flood", r#"{"what":"bytes","count":50}"#, &["staged_bytes = 50000"], "output"),
    writer(
        "one byte over it",
        "flood",
        r#"{"what":"bytes","count":51}"#,
        &["staged_bytes = 50999"],
        "limit staged_bytes",
    ),
    writer(
        "write the same for ever",
        "flood",
        r#"{"what":"rewrite","count":9000}"#,
        &["staged_bytes = 50000"],
        "limit",
    ),
    writer(
        "fill the inodes",
        "flood",
        r#"{"what":"files","count":100000}"#,
        &["staged_files = 100"],
        "limit staged_files 100",
    ),
    writer(
        "many folders",
        "flood",
        r#"{"what":"folders","count":9000}"#,
        &["staged_files = 100"],
        "limit staged_files 100",
    ),
    writer("deep folders", "flood", r#"{"what":"deep","count":9000}"#, &[], "limit staged_depth 16"),
    writer("open files", "flood", r#"{"what":"open","count":9000}"#, &["descriptors = 50"], "limit descriptors 50"),
    writer(
        "handles",
        "flood",
        r#"{"what":"open","count":9000}"#,
        &["resource_handles = 40"],
        "limit resource_handles 40",
    ),
    writer("write, then fail", "write_then_fail", r#""Inbox/AI/a.md""#, &[], "error failed"),
];
