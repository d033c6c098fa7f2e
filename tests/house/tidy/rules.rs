//! The rules of the house, and the check of source files against them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    agents,
    mentions::{self, Kind, Mention, Part},
    tree::{self, Source},
    trusted,
};

/// Which modules of ours each module may use. `error` wraps what every module below `app` can report, and
/// `main` enters the processes that Kavi starts from its own executable.
const MAY_USE: &[(&str, &[&str])] = &[
    ("sync", &[]),
    ("log_targets", &[]),
    ("model", &[]),
    ("dir", &[]),
    ("history", &[]),
    ("ledger", &["model", "history"]),
    ("artifacts", &["model", "dir"]),
    ("policy", &["model"]),
    ("cage", &["model"]),
    ("http", &["model"]),
    ("egress", &["model", "cage", "http", "secrets"]),
    ("llm", &["model", "http"]),
    ("context", &["model", "policy", "ledger", "trust"]),
    ("runtime", &["model", "cage", "dir"]),
    ("secrets", &["model", "cage"]),
    ("trust", &["model", "history", "ledger", "artifacts", "cage", "http"]),
    ("registry", &["model", "ledger", "artifacts", "trust"]),
    (
        "forge",
        &[
            "model",
            "history",
            "dir",
            "ledger",
            "artifacts",
            "policy",
            "cage",
            "http",
            "egress",
            "llm",
            "context",
            "runtime",
            "registry",
            "trust",
        ],
    ),
    (
        "invoke",
        &[
            "model",
            "history",
            "dir",
            "ledger",
            "artifacts",
            "policy",
            "cage",
            "http",
            "egress",
            "llm",
            "context",
            "runtime",
            "registry",
            "trust",
        ],
    ),
    (
        "improve",
        &[
            "model",
            "history",
            "dir",
            "ledger",
            "artifacts",
            "policy",
            "cage",
            "http",
            "egress",
            "llm",
            "runtime",
            "registry",
            "trust",
            "forge",
            "invoke",
        ],
    ),
    ("workspace", &["model", "history", "policy"]),
    (
        "error",
        &[
            "model",
            "history",
            "trust",
            "ledger",
            "artifacts",
            "policy",
            "cage",
            "http",
            "egress",
            "llm",
            "context",
            "runtime",
            "secrets",
            "registry",
            "forge",
            "invoke",
            "improve",
            "workspace",
        ],
    ),
    (
        "app",
        &[
            "model",
            "history",
            "dir",
            "trust",
            "ledger",
            "artifacts",
            "policy",
            "cage",
            "http",
            "egress",
            "llm",
            "context",
            "runtime",
            "secrets",
            "registry",
            "forge",
            "invoke",
            "improve",
            "workspace",
            "error",
        ],
    ),
    ("cli", &["app", "model", "error", "workspace"]),
    ("mcp", &["app", "model", "error", "workspace"]),
    ("main", &["app", "cli", "mcp", "workspace", "error", "model", "cage", "runtime"]),
];

/// The modules that every other one may use.
const FOR_ALL: &[&str] = &["sync", "log_targets"];

/// The files at the root that may name every module.
const WIRING: &[&str] = &["lib"];

/// Something that belongs in a few places and nowhere else.
struct Rule {
    id: &'static str,
    /// `a::b` is that and all below it, `a::b*` every name that starts so, `a!` a macro.
    patterns: &'static [&'static str],
    /// The paths of files where it belongs, by how they start.
    allowed: &'static [&'static str],
    /// Whether code that only the tests have is exempt.
    tests: Tests,
    todo: &'static str,
}

#[derive(PartialEq, Eq)]
enum Tests {
    Exempt,
    Included,
}

const RULES: &[Rule] = &[
    Rule {
        id: "sqlite",
        patterns: &["rusqlite", "libsqlite3_sys"],
        allowed: &["src/ledger/"],
        tests: Tests::Included,
        todo: "add a function to `ledger` that returns model types",
    },
    Rule {
        id: "postgresql",
        patterns: &["tokio_postgres", "postgres*"],
        allowed: &["src/context/postgres/"],
        tests: Tests::Included,
        todo: "ask the store of `context` that has the connection",
    },
    Rule {
        id: "engine",
        patterns: &["wasmtime*", "cranelift*"],
        allowed: &["src/runtime/"],
        tests: Tests::Included,
        todo: "add a function to `runtime` that hides the engine's types",
    },
    Rule {
        id: "protocol",
        patterns: &["rmcp", "tokio*", "hyper*", "http_body_util", "futures*"],
        allowed: &["src/mcp/", "src/http/", "src/forge/gateway/", "src/context/postgres/"],
        tests: Tests::Included,
        todo: "use a synchronous function of `mcp`, `http` or the gateway; only they know a protocol or a runtime",
    },
    Rule {
        id: "folder-handles",
        patterns: &[
            "cap_std",
            "rustix::fs::openat2",
            "rustix::fs::rename*",
            "rustix::fs::linkat",
            "rustix::fs::RenameFlags",
        ],
        allowed: &["src/dir/"],
        tests: Tests::Included,
        todo: "use a `FolderHandle` or a `FileSlot`: only `dir` knows how a file is reached through no link",
    },
    Rule {
        id: "http-client",
        patterns: &["reqwest", "ureq", "webpki_roots"],
        allowed: &["src/http/"],
        tests: Tests::Included,
        todo: "use `http::HttpClient`, which fixes TLS, proxies, redirects and limits in one place",
    },
    Rule {
        id: "process",
        patterns: &[
            "std::process::Command",
            "std::process::Child",
            "std::os::unix::process::CommandExt",
            "nix::unistd::fork",
            "nix::unistd::exec*",
            "nix::unistd::fexecve",
            "nix::sched::clone",
            "nix::spawn",
            "rustix::runtime",
            "process_wrap",
            "tokio::process",
        ],
        // The runtime's tests compile their guest with rustc. The pager and the command of [notify] are the person's own programs,
        // which need their terminal and their desktop.
        allowed: &["src/cage/", "src/runtime/tests/", "src/cli/pager.rs", "src/app/notify.rs"],
        tests: Tests::Included,
        todo: "start the program through `cage`, which confines it and ends its whole tree",
    },
    Rule {
        id: "print",
        patterns: &["print!", "println!", "eprint!", "eprintln!", "dbg!"],
        // The SDK's log, when a skill's own tests run outside of Kavi.
        allowed: &["src/cli/", "src/main.rs", "sdk/src/log.rs"],
        tests: Tests::Exempt,
        todo: "return the text, and let `cli` print it",
    },
    Rule {
        id: "log-output",
        patterns: &["tracing_subscriber"],
        allowed: &["src/cli/"],
        tests: Tests::Included,
        todo: "report with `tracing`, and let `cli` choose what is written and where",
    },
    Rule {
        id: "stdout",
        patterns: &["std::io::stdout", "std::io::stderr", "tokio::io::stdout", "tokio::io::stderr", "rustix::stdio"],
        allowed: &["src/cli/", "src/main.rs", "src/mcp/"],
        tests: Tests::Exempt,
        todo: "take a `Write` as an argument, and let the caller choose where it goes",
    },
    Rule {
        id: "environment",
        // `env::consts` and `env::split_paths` read nothing.
        patterns: &[
            "std::env::args*",
            "std::env::current_*",
            "std::env::home_dir",
            "std::env::remove_var",
            "std::env::set_*",
            "std::env::temp_dir",
            "std::env::var*",
        ],
        // The SDK's stand-in for the vault, when a skill's own tests run outside of Kavi; a guest that looks around.
        allowed: &["src/workspace/environment.rs", "src/main.rs", "sdk/src/roots.rs", "src/runtime/tests/guest.rs"],
        tests: Tests::Included,
        todo: "resolve the value in `workspace` and hand it in",
    },
    Rule {
        id: "clock",
        patterns: &["std::time::SystemTime::now", "jiff::Timestamp::now", "jiff::Zoned::now"],
        // Within a guest the clock is the one that its host hands in; the runtime's tests are about that.
        allowed: &["src/model/time.rs", "sdk/src/clock.rs", "src/runtime/tests/guest.rs"],
        tests: Tests::Included,
        todo: "take a `&dyn Clock`, so that tests and replays are repeatable",
    },
    Rule {
        id: "timer",
        patterns: &["std::time::Instant::now"],
        // The deadlines of the gateway and of a broker are about a peer, not about a child process or a guest.
        allowed: &["src/model/time.rs", "src/cage/", "src/runtime/", "src/forge/gateway/", "src/egress/"],
        tests: Tests::Included,
        todo: "take a `&dyn Clock`, or put the limit where `cage` or `runtime` enforces it",
    },
    Rule {
        id: "ids",
        patterns: &["uuid::Uuid::new_v*", "uuid::Uuid::now_v*"],
        allowed: &["src/model/id.rs"],
        tests: Tests::Included,
        todo: "take an `&dyn IdSource`, so that tests and snapshots are repeatable",
    },
    Rule {
        id: "pure",
        patterns: &["std::fs", "std::net", "std::thread", "rustix", "nix", "tempfile"],
        allowed: &[
            "src/ledger/",
            "src/trust/",
            "src/artifacts/",
            "src/cage/",
            "src/dir/",
            "src/http/",
            "src/egress/",
            "src/llm/",
            // One thread has the connection, so that callers may be inside of a runtime or a wall.
            "src/context/postgres/",
            "src/runtime/",
            "src/secrets/",
            "src/registry/",
            "src/forge/",
            "src/improve/guidance.rs",
            "src/improve/pass.rs",
            "src/invoke/",
            "src/cli/",
            "src/mcp/",
            "src/app.rs",
            "src/app/",
            "src/workspace/",
            "src/main.rs",
            // A thread, because the parser needs a stack of known size.
            "src/policy/scan/syntax_tree.rs",
        ],
        tests: Tests::Exempt,
        todo: "decide on values here, and read or write in a module that acts",
    },
];

/// What wit-bindgen generated for the SDK; no rule of ours is about it.
const GENERATED: &[&str] = &["sdk/src/bindings"];

/// Where `unsafe` may stand outside of generated code: a place is added here by review, with the reason.
const UNSAFE_PLACES: &[&str] = &[
    // Loads machine code that was authenticated over the same buffer; the engine has no safe call for it.
    "src/runtime/code.rs",
];

/// Longest file of ours, in lines. The aim is 400.
const MAX_LINES: usize = 500;

/// The same for a file of nothing but tests, which may hold a long table.
const MAX_TEST_LINES: usize = 700;

/// Where a `TrustedSkill` is made.
const TRUSTED_HOME: &str = "src/registry/";

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// Which rule.
    pub rule: &'static str,
    /// What is there.
    pub what: String,
    /// What to do about it.
    pub todo: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: [{}] {}; {}", self.path, self.line, self.rule, self.what, self.todo)
    }
}

/// Checks `sources` against every rule; in order of file and line.
pub fn check(sources: &[Source]) -> Vec<Violation> {
    let modules = tree::modules(sources);
    let only_tests = only_tests(sources, &modules);
    let mut found = BTreeSet::new();
    for source in sources.iter().filter(|source| !source.lies_in(GENERATED)) {
        let (module, part) = match only_tests.get(&source.path) {
            Some(module) => (module.clone(), Part::Tests),
            None => (source.module(), Part::Program),
        };
        let mut file = File { source, found: &mut found };
        file.check_shape(part);
        match mentions::read(&source.text, module, part, &modules) {
            Ok(mentions) => mentions.iter().for_each(|mention| file.check_mention(mention)),
            Err(error) => file.report(error.span().start().line, "parse", "this is not Rust".to_owned(), "mend it"),
        }
        file.check_trusted();
        file.check_words();
    }
    found.into_iter().collect()
}

/// The files that only the tests have, with the module that each of them is.
pub fn only_tests(sources: &[Source], modules: &BTreeSet<Vec<String>>) -> BTreeMap<String, Vec<String>> {
    let mut files = BTreeMap::new();
    for source in sources {
        let mentions = mentions::read(&source.text, source.module(), Part::Program, modules).unwrap_or_default();
        for mention in mentions.iter().filter(|mention| mention.part == Part::Tests) {
            match (mention.kind, mention.path.split_first()) {
                (Kind::PathAttribute, Some((file, module))) => {
                    files.insert(source.beside(file), module.to_vec());
                }
                (Kind::TestModule, _) => {
                    let below = sources.iter().filter(|other| other.module().starts_with(&mention.path));
                    files.extend(below.map(|other| (other.path.clone(), other.module())));
                }
                _ => {}
            }
        }
    }
    files
}

/// One file and what was found so far.
struct File<'a> {
    source: &'a Source,
    found: &'a mut BTreeSet<Violation>,
}

impl File<'_> {
    fn report(&mut self, line: usize, rule: &'static str, what: String, todo: impl Into<String>) {
        let path = self.source.path.clone();
        self.found.insert(Violation { path, line, rule, what, todo: todo.into() });
    }

    fn check_shape(&mut self, part: Part) {
        let top = self.source.top().to_owned();
        let known = top == "sdk" || WIRING.contains(&top.as_str()) || MAY_USE.iter().any(|(name, _)| *name == top);
        if !known {
            let todo = "say in the import table (tests/house/tidy/rules.rs, docs/ARCHITECTURE.md) what it may use";
            self.report(1, "imports", format!("`{top}` is a module that the import table does not know"), todo);
        }
        let lines = self.source.text.lines().count();
        let most = if part == Part::Tests { MAX_TEST_LINES } else { MAX_LINES };
        if lines > most {
            let what = format!("{lines} lines, more than {most}");
            self.report(lines, "length", what, "split the file by what its parts are for; the aim is 400");
        }
        let opening = self.source.text.trim_start();
        let opens_with_doc = opening.starts_with("//!") || opening.starts_with("#![doc = include_str!(");
        if !opens_with_doc && part == Part::Program && self.source.path != "src/main.rs" {
            let todo = "open with `//!`: what it does, what it guarantees, what it deliberately never does";
            self.report(1, "docs", "the module does not say what it is for".to_owned(), todo);
        }
    }

    fn check_mention(&mut self, mention: &Mention) {
        match mention.kind {
            Kind::TestModule => {}
            Kind::Unsafe => {
                if !self.source.lies_in(UNSAFE_PLACES) {
                    let todo = "find a safe way, or have the place reviewed and listed in tests/house/tidy/rules.rs";
                    self.report(mention.line, "unsafe", "`unsafe`".to_owned(), todo);
                }
            }
            Kind::ExternCrate => {
                let todo = "write `use`, so that the import table can be checked";
                self.report(mention.line, "imports", "`extern crate`".to_owned(), todo);
            }
            Kind::PathAttribute => {
                // Tests may lie in a file beside theirs, and may take the SDK's rules in to compare them with ours.
                let file = self.source.beside(mention.path.first().map_or("", String::as_str));
                let fine = [self.source.folder(), "sdk/src"].contains(&tree::folder(&file));
                if mention.part == Part::Program || !fine {
                    let todo = "put the file where its module says, so that the import table can be checked";
                    self.report(mention.line, "imports", "a module with `#[path]`".to_owned(), todo);
                }
            }
            Kind::Use | Kind::Glob | Kind::Path | Kind::Macro => {
                self.check_import(mention);
                self.check_door(mention);
                self.check_rules(mention);
            }
        }
    }

    fn check_import(&mut self, mention: &Mention) {
        let own = self.source.top();
        let mut names = mention.path.iter().map(String::as_str);
        let first = names.next().unwrap_or_default();
        if own == "sdk" {
            if first == "kavi" {
                let what = format!("`sdk` may not use `{}`", mention.path.join("::"));
                self.report(mention.line, "imports", what, "put what both need into `wit/`");
            }
            return;
        }
        // The program's root is a crate of its own and sees the library by its name.
        let ours = first == "crate" || (own == "main" && first == "kavi");
        if !ours || WIRING.contains(&own) {
            return;
        }
        let own = own.to_owned();
        let target = names.next();
        match target {
            Some(target) if target == own => {}
            Some(target) if MAY_USE.iter().any(|(name, _)| *name == target) || WIRING.contains(&target) => {
                let allowed = MAY_USE.iter().find(|(name, _)| *name == own).map_or(&[][..], |(_, allowed)| allowed);
                if !allowed.contains(&target) && !FOR_ALL.contains(&target) {
                    let what = format!("`{own}` may not use `{target}` (`{}`)", mention.path.join("::"));
                    let may = if allowed.is_empty() { "nothing of ours".to_owned() } else { allowed.join(", ") };
                    let todo = format!("it may use {may}; move what is shared into `model`, or hand it in from `app`");
                    self.report(mention.line, "imports", what, todo);
                }
            }
            None if mention.kind == Kind::Path => {}
            _ if own == "main" => {}
            _ => {
                let what = format!("`{own}` reaches into the crate's root (`{}`)", mention.path.join("::"));
                self.report(mention.line, "imports", what, "name the module that it comes from");
            }
        }
    }

    fn check_door(&mut self, mention: &Mention) {
        if self.source.top() == agents::FRONT && agents::is_past_the_door(mention) {
            let what = format!("`{}` is not of the agents' door", mention.path.join("::"));
            self.report(mention.line, "agents", what, "add what agents need, and no more, to `AgentApi`");
        }
    }

    fn check_words(&mut self) {
        if self.source.top() != agents::FRONT {
            return;
        }
        for (line, word) in agents::words_of_a_persons(&self.source.text) {
            if agents::is_the_sdks(&self.source.path, &word) {
                continue;
            }
            let what = format!("`{word}` is a person's");
            self.report(line, "agents", what, "agents propose; find another name if it is something else");
        }
    }

    fn check_rules(&mut self, mention: &Mention) {
        for rule in RULES {
            let exempt = rule.tests == Tests::Exempt && mention.part == Part::Tests;
            if exempt || self.source.top() == "lib" || self.source.lies_in(rule.allowed) {
                continue;
            }
            if self.source.top() == "sdk" && rule.id == "pure" {
                continue;
            }
            if rule.patterns.iter().any(|pattern| matches(pattern, mention)) {
                let what = format!("`{}` belongs in {}", mention.path.join("::"), rule.allowed.join(", "));
                self.report(mention.line, rule.id, what, rule.todo);
            }
        }
    }

    fn check_trusted(&mut self) {
        let at_home = self.source.lies_in(&[TRUSTED_HOME]);
        for (line, what, todo) in trusted::other_ways(&self.source.text, at_home) {
            self.report(line, "trust", what.to_owned(), todo);
        }
    }
}

/// Whether `pattern` covers the mention. A glob import is covered when it brings the pattern's names in.
fn matches(pattern: &str, mention: &Mention) -> bool {
    if let Some(name) = pattern.strip_suffix('!') {
        return mention.kind == Kind::Macro && mention.path.last().is_some_and(|last| last == name);
    }
    let wanted: Vec<&str> = pattern.split("::").collect();
    let same = wanted.iter().zip(&mention.path).all(|(wanted, name)| match wanted.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == wanted,
    });
    same && (mention.path.len() >= wanted.len() || (mention.kind == Kind::Glob && !mention.path.is_empty()))
}
