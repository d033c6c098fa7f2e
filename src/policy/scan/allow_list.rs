//! The allow list: what a skill may name, each with the reason. Everything else is refused.
//!
//! Guarantees: no entry reaches the outside world, which comes through `kavi_sdk` alone. It holds data and look-ups, and never
//! judges a source. Why a common name is not on the list says `deny_list`.

/// How much of a module of the standard library is open.
#[derive(Debug, Clone, Copy)]
pub(super) enum ModuleAccess {
    /// All of it, also what lies deeper and by a glob.
    All,
    /// These names and what lies below them.
    Only(&'static [&'static str]),
}

/// The modules of `std`, `core` and `alloc`. None of the `All` ones exports a module that is not itself on the list.
const MODULES: &[(&str, ModuleAccess)] = &[
    // Values, containers and text: computation only.
    ("array", ModuleAccess::All),
    ("ascii", ModuleAccess::All),
    ("borrow", ModuleAccess::All),
    ("boxed", ModuleAccess::All),
    ("char", ModuleAccess::All),
    ("collections", ModuleAccess::All),
    ("fmt", ModuleAccess::All),
    ("option", ModuleAccess::All),
    ("primitive", ModuleAccess::All),
    ("rc", ModuleAccess::All),
    ("result", ModuleAccess::All),
    ("slice", ModuleAccess::All),
    ("str", ModuleAccess::All),
    ("string", ModuleAccess::All),
    ("vec", ModuleAccess::All),
    // The language's traits and what they are made of.
    // Never the number or the name of a type: they tell one program from another.
    ("any", ModuleAccess::Only(&["Any"])),
    ("clone", ModuleAccess::All),
    ("cmp", ModuleAccess::All),
    ("convert", ModuleAccess::All),
    ("default", ModuleAccess::All),
    ("error", ModuleAccess::All),
    ("hash", ModuleAccess::All),
    ("iter", ModuleAccess::All),
    ("marker", ModuleAccess::All),
    ("ops", ModuleAccess::All),
    // Cells are safe in one thread; `UnsafeCell` needs `unsafe` to read.
    ("cell", ModuleAccess::All),
    // Futures without an executor do nothing outside. A waker shows the address of its table.
    ("future", ModuleAccess::All),
    ("pin", ModuleAccess::All),
    ("task", ModuleAccess::Only(&["Context", "Poll"])),
    // Numbers.
    ("num", ModuleAccess::All),
    ("f32", ModuleAccess::All),
    ("f64", ModuleAccess::All),
    ("i8", ModuleAccess::All),
    ("i16", ModuleAccess::All),
    ("i32", ModuleAccess::All),
    ("i64", ModuleAccess::All),
    ("i128", ModuleAccess::All),
    ("isize", ModuleAccess::All),
    ("u8", ModuleAccess::All),
    ("u16", ModuleAccess::All),
    ("u32", ModuleAccess::All),
    ("u64", ModuleAccess::All),
    ("u128", ModuleAccess::All),
    ("usize", ModuleAccess::All),
    // An optimiser's hint without effect; the rest of `hint` is unsafe.
    ("hint", ModuleAccess::Only(&["black_box"])),
    // The safe moves; never a reinterpretation.
    (
        "mem",
        ModuleAccess::Only(&[
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
        ModuleAccess::Only(&[
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
    // Shared values. What can change in a `static` is for tests alone (`paths::keeps_state`).
    (
        "sync",
        ModuleAccess::Only(&[
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
    ("time", ModuleAccess::Only(&["Duration", "TryFromFloatSecsError"])),
];

/// The crates of the standard library.
pub(super) const STD_ROOTS: &[&str] = &["std", "core", "alloc"];
/// The one dependency.
pub(super) const SDK: &str = "kavi_sdk";
/// The crate that derived code refers to, and so in every skill's reach.
const SERDE: &str = "serde";
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
/// Traits that may be derived, by the last name of their path.
pub(super) const DERIVES: &[&str] =
    &["Clone", "Copy", "Debug", "Default", "Deserialize", "Eq", "Hash", "Ord", "PartialEq", "PartialOrd", "Serialize"];

/// How much of a module of the standard library is open, `None` when nothing is.
pub(super) fn module(name: &str) -> Option<ModuleAccess> {
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

/// Whether `name`, in lower case at the start of a path, is one that the language or the prelude gives.
pub(super) fn is_given(name: &str) -> bool {
    PRIMITIVES.contains(&name) || GLOB_NAMES.contains(&name)
}
