//! What a skill may name, each with the reason. What is not here is refused.
//!
//! Pure data and look-ups in it. No entry gives the outside world: that comes through `kavi_sdk` alone.

/// How much of a module of the standard library is open.
#[derive(Debug, Clone, Copy)]
pub(super) enum Open {
    /// All of it, also what lies deeper and by a glob.
    All,
    /// These names and what lies below them.
    Only(&'static [&'static str]),
}

/// The modules of `std`, `core` and `alloc`. None of the `All` ones exports a module that is not itself on the list.
const MODULES: &[(&str, Open)] = &[
    // Values, containers and text: computation only.
    ("array", Open::All),
    ("ascii", Open::All),
    ("borrow", Open::All),
    ("boxed", Open::All),
    ("char", Open::All),
    ("collections", Open::All),
    ("fmt", Open::All),
    ("option", Open::All),
    ("primitive", Open::All),
    ("rc", Open::All),
    ("result", Open::All),
    ("slice", Open::All),
    ("str", Open::All),
    ("string", Open::All),
    ("vec", Open::All),
    // The language's traits and what they are made of.
    // Never the number or the name of a type: they tell one program from another.
    ("any", Open::Only(&["Any"])),
    ("clone", Open::All),
    ("cmp", Open::All),
    ("convert", Open::All),
    ("default", Open::All),
    ("error", Open::All),
    ("hash", Open::All),
    ("iter", Open::All),
    ("marker", Open::All),
    ("ops", Open::All),
    // Cells are safe in one thread; `UnsafeCell` needs `unsafe` to read.
    ("cell", Open::All),
    // Futures without an executor do nothing outside.
    ("future", Open::All),
    ("pin", Open::All),
    ("task", Open::All),
    // Numbers.
    ("num", Open::All),
    ("f32", Open::All),
    ("f64", Open::All),
    ("i8", Open::All),
    ("i16", Open::All),
    ("i32", Open::All),
    ("i64", Open::All),
    ("i128", Open::All),
    ("isize", Open::All),
    ("u8", Open::All),
    ("u16", Open::All),
    ("u32", Open::All),
    ("u64", Open::All),
    ("u128", Open::All),
    ("usize", Open::All),
    // An optimiser's hint without effect; the rest of `hint` is unsafe.
    ("hint", Open::Only(&["black_box"])),
    // The safe moves; never a reinterpretation.
    (
        "mem",
        Open::Only(&[
            "Discriminant",
            "ManuallyDrop",
            "align_of",
            "align_of_val",
            "discriminant",
            "drop",
            "forget",
            "needs_drop",
            "replace",
            "size_of",
            "size_of_val",
            "swap",
            "take",
        ]),
    ),
    // Paths as text. Their methods that ask the file system are in `FILE_METHODS`.
    (
        "path",
        Open::Only(&[
            "Ancestors",
            "Component",
            "Components",
            "Display",
            "Iter",
            "MAIN_SEPARATOR",
            "Path",
            "PathBuf",
            "StripPrefixError",
        ]),
    ),
    // Comparing identities needs no pointer of one's own.
    ("ptr", Open::Only(&["eq"])),
    // Shared values; one thread makes the locks trivial. Channels and barriers have no second thread to meet.
    (
        "sync",
        Open::Only(&[
            "Arc",
            "LazyLock",
            "LockResult",
            "Mutex",
            "MutexGuard",
            "Once",
            "OnceLock",
            "PoisonError",
            "RwLock",
            "RwLockReadGuard",
            "RwLockWriteGuard",
            "TryLockError",
            "Weak",
            "atomic",
        ]),
    ),
    // A span of time is a number; clocks are not.
    ("time", Open::Only(&["Duration", "TryFromFloatSecsError"])),
];

/// Methods of `Path` that ask the file system.
pub(super) const FILE_METHODS: &[&str] = &[
    "canonicalize",
    "exists",
    "is_dir",
    "is_file",
    "is_symlink",
    "metadata",
    "read_dir",
    "read_link",
    "symlink_metadata",
    "try_exists",
];

/// The crates of the standard library.
pub(super) const STD_ROOTS: &[&str] = &["std", "core", "alloc"];
/// The one dependency.
pub(super) const SDK: &str = "kavi_sdk";
/// The crate that derived code refers to, and so in every skill's reach.
const SERDE: &str = "serde";
/// Names below `kavi_sdk` that its own macro uses, and nobody else.
pub(super) const SDK_INTERNAL: &[&str] = &["bindings", "call", "export", "wit_bindgen"];
/// The module of `kavi_sdk` that tells the time.
pub(super) const SDK_CLOCK: &str = "clock";
/// Modules of `kavi_sdk` whose glob import is understood.
pub(super) const SDK_GLOBS: &[&str] = &["log", "prelude", "testing", "vault"];
/// Lower-case names that `kavi_sdk::prelude::*` or a glob of the standard library brings.
const GLOB_NAMES: &[&str] = &[
    "log",
    "serde_json",
    "vault",
    "atomic",
    "binary_heap",
    "btree_map",
    "btree_set",
    "consts",
    "hash_map",
    "hash_set",
    "linked_list",
    "vec_deque",
];
/// Modules that the SDK's prelude brings.
pub(super) const SDK_MODULES: &[&str] = &["log", "serde", "serde_json", "vault"];

const PRIMITIVES: &[&str] = &[
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16", "u32", "u64", "u128",
    "usize",
];

/// Macros that only compute, fail or check, and whose arguments are ordinary code.
const MACROS: &[&str] = &[
    "assert",
    "assert_eq",
    "assert_ne",
    "compile_error",
    "concat",
    "format",
    "format_args",
    "matches",
    "panic",
    "pin",
    "ready",
    "stringify",
    "thread_local",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
];
/// Macros of the SDK.
pub(super) const SDK_MACROS: &[&str] = &["export_skill", "json"];
/// Macros of the standard library that are refused: a local one of that name would mislead as much.
const REFUSED_MACROS: &[(&str, &str)] = &[
    ("addr_of", UNSAFE_HINT),
    ("addr_of_mut", UNSAFE_HINT),
    ("asm", UNSAFE_HINT),
    ("cfg", "it makes the tested program another one than the promoted one"),
    ("column", PLACE_HINT),
    ("concat_bytes", PLACE_HINT),
    ("concat_idents", "it builds names"),
    ("dbg", PRINT_HINT),
    ("debug_assert", DEBUG_HINT),
    ("debug_assert_eq", DEBUG_HINT),
    ("debug_assert_ne", DEBUG_HINT),
    ("env", FILE_HINT),
    ("eprint", PRINT_HINT),
    ("eprintln", PRINT_HINT),
    ("file", PLACE_HINT),
    ("global_asm", UNSAFE_HINT),
    ("include", FILE_HINT),
    ("include_bytes", FILE_HINT),
    ("include_str", FILE_HINT),
    ("is_x86_feature_detected", PLACE_HINT),
    ("line", PLACE_HINT),
    ("module_path", PLACE_HINT),
    ("naked_asm", UNSAFE_HINT),
    ("offset_of", UNSAFE_HINT),
    ("option_env", FILE_HINT),
    ("print", PRINT_HINT),
    ("println", PRINT_HINT),
    ("trace_macros", PLACE_HINT),
    ("try", PLACE_HINT),
];
const UNSAFE_HINT: &str = "a skill has no unsafe code";
const PLACE_HINT: &str = "a skill does not look at its own build";
const FILE_HINT: &str = "a skill reads nothing while it is built; put the data into a constant";
const PRINT_HINT: &str = "nobody reads the standard output; use `log::info` and its like";
const DEBUG_HINT: &str = "it is gone from the promoted program but not from the tested one; use `assert!`";

/// Traits that may be derived, by the last name of their path.
pub(super) const DERIVES: &[&str] =
    &["Clone", "Copy", "Debug", "Default", "Deserialize", "Eq", "Hash", "Ord", "PartialEq", "PartialOrd", "Serialize"];

/// Names of attributes that mean something to the scanner: no import may take one.
pub(super) const ATTRIBUTES: &[&str] = &[
    "cfg",
    "cfg_attr",
    "cold",
    "default",
    "deprecated",
    "derive",
    "doc",
    "inline",
    "macro_use",
    "must_use",
    "non_exhaustive",
    "repr",
    "rustfmt",
    "serde",
    "test",
    "track_caller",
];

/// Keywords that may be part of a path.
pub(super) const PATH_KEYWORDS: &[&str] = &["Self", "crate", "self", "super"];

const KEYWORDS: &[&str] = &[
    "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super",
    "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Whether `word` is a keyword, also a reserved one.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

/// How much of a module of the standard library is open, `None` when nothing is.
pub(super) fn module(name: &str) -> Option<Open> {
    MODULES.iter().find(|(module, _)| *module == name).map(|(_, open)| *open)
}

/// Whether `name` is a crate that every path may start with.
pub(super) fn is_root(name: &str) -> bool {
    STD_ROOTS.contains(&name) || name == SDK || name == SERDE
}

/// Whether the macro `name` is on the list.
pub(super) fn is_macro(name: &str) -> bool {
    MACROS.contains(&name) || SDK_MACROS.contains(&name)
}

/// Whether `name` is a macro of the standard library or the SDK, allowed or not.
pub(super) fn is_known_macro(name: &str) -> bool {
    is_macro(name) || REFUSED_MACROS.iter().any(|(refused, _)| *refused == name)
}

/// Why the macro `name` is refused.
pub(super) fn macro_hint(name: &str) -> &'static str {
    let refused = REFUSED_MACROS.iter().find(|(refused, _)| *refused == name);
    refused.map_or("it is not on the list of macros that a skill may call", |(_, hint)| hint)
}

/// Whether `name`, in lower case at the start of a path, is one that the language or the prelude gives.
pub(super) fn is_given(name: &str) -> bool {
    PRIMITIVES.contains(&name) || GLOB_NAMES.contains(&name)
}

/// What to use instead of a closed module of the standard library.
pub(super) fn module_hint(name: &str) -> &'static str {
    match name {
        "fs" | "path" => "files are read and written through `kavi_sdk::vault`",
        "io" => "write text with `std::fmt::Write`, files with `kavi_sdk::vault`",
        "env" => "a skill has no environment: what it needs is in its input",
        "time" => "a skill has no clock but `kavi_sdk::clock`: use that, or take the time as an input",
        "net" | "process" | "os" | "thread" => "a skill has no network, processes or threads of its own",
        "panic" => "return a `SkillError` instead",
        _ => "it is not on the list of what a skill may use",
    }
}
