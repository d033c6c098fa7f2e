//! The deny list: what a skill must not name although its place is allowed, and the reasons that a refusal gives.
//!
//! The scanner refuses whatever is not on the `allow_list`. Here are the exceptions within what is allowed, and for well-known
//! names the text that says what to use instead. It holds data and look-ups, and never judges a source.

use super::allow_list;

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

/// Methods that give an address or the number of a type, compare addresses, or tell how much memory is left. All of these differ
/// between the program of the tests and the promoted component, although both do the same.
pub(super) const ADDRESS_METHODS: &[&str] = &[
    "addr",
    "addr_eq",
    "align_offset",
    "as_mut_ptr",
    "as_mut_ptr_range",
    "as_ptr",
    "as_ptr_range",
    "expose_provenance",
    "fn_addr_eq",
    "into_non_null",
    "into_raw",
    "into_raw_parts",
    "ptr_eq",
    "try_reserve",
    "try_reserve_exact",
    "try_with_capacity",
    "type_id",
];

/// Those of them that are a name of nothing else: not even as the argument of a macro.
pub(super) const ADDRESS_NAMES: &[&str] =
    &["as_mut_ptr", "as_mut_ptr_range", "as_ptr", "as_ptr_range", "expose_provenance", "into_raw_parts", "ptr_eq"];

/// Types that hold or show an address, and the one that seeds hash maps at random.
pub(super) const ADDRESS_TYPES: &[&str] =
    &["AtomicPtr", "NonNull", "RandomState", "RawWaker", "RawWakerVTable", "TypeId", "Waker"];

/// Names below `kavi_sdk` that its own macro uses, and nobody else.
pub(super) const SDK_INTERNAL: &[&str] = &["bindings", "call", "export", "wit_bindgen"];

/// Macros of the standard library that are refused, each with the reason. A local macro may not take such a name either:
/// it would mislead a reader.
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

/// Whether `name` is a macro of the standard library or the SDK, allowed or not.
pub(super) fn is_known_macro(name: &str) -> bool {
    allow_list::is_macro(name) || REFUSED_MACROS.iter().any(|(refused, _)| *refused == name)
}

/// Refused macros of the standard library that make the compiler read no file and no environment
/// variable.
const HARMLESS_MACROS: &[&str] = &[
    "cfg",
    "column",
    "dbg",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "eprint",
    "eprintln",
    "file",
    "line",
    "module_path",
    "print",
    "println",
];

/// Whether the compiler may read a source that calls the refused macro `name`.
pub(super) fn is_harmless_macro(name: &str) -> bool {
    HARMLESS_MACROS.contains(&name)
}

/// Why the macro `name` is refused.
pub(super) fn macro_hint(name: &str) -> &'static str {
    let refused = REFUSED_MACROS.iter().find(|(refused, _)| *refused == name);
    refused.map_or("it is not on the list of macros that a skill may call", |(_, hint)| hint)
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
