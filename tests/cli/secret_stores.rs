//! `kavi secret`: each store and each of its traps, through the binary. No value is ever shown or kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a test may fail")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::canary::{Canary, search};
use crate::support::{self, Called, Workspace, watch};

const VALUE: &str = "made-up \"value\" \\ with & \u{fc}n\u{ef}code/42+=";

/// A workspace whose kavi.toml names secrets, and a folder beside it.
struct Stores {
    workspace: Workspace,
    beside: tempfile::TempDir,
}

impl Stores {
    fn new() -> Self {
        let beside = support::folder();
        fs::set_permissions(beside.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Self { workspace: Workspace::new(), beside }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.beside.path().join(name)
    }

    /// A file with this mode beside the workspace.
    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Gives TOKEN this store, in place of the one that it had.
    fn store(&self, lines: &[String]) {
        let path = self.workspace.path().join("kavi.toml");
        let text = fs::read_to_string(&path).unwrap();
        let before = text.split("\n[secrets.TOKEN]").next().unwrap();
        fs::write(path, format!("{before}\n[secrets.TOKEN]\n{}\n", lines.join("\n"))).unwrap();
    }

    fn file_store(&self, path: &Path, cut: bool) {
        self.store(&["store = 'file'".into(), format!("path = '{}'", path.display()), format!("cut_newline = {cut}")]);
    }

    /// A script that is run by its own first line.
    fn command_store(&self, script: &str, variables: &[&str]) -> PathBuf {
        let path = self.file("command", &format!("#!/bin/sh\n{script}\n"), 0o700);
        self.store(&[
            "store = 'command'".into(),
            format!("command = ['{}', 'one argument', '$HOME']", path.display()),
            format!("variables = {variables:?}"),
        ]);
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kavi"));
        command.current_dir(self.workspace.path()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.beside.path()).env("KAVI_CACHE_DIR", support::cache()).env("KAVI_LOG", "trace");
        command.env("KAVI_STATE_DIR", support::state_folder(self.workspace.path()));
        command.args(args).args(["--output", "json"]);
        command
    }

    fn check(&self) -> Called {
        self.command(&["secret", "check", "TOKEN"]).output().unwrap().into()
    }

    fn reads(&self) -> Value {
        let called = self.check().expect(0);
        assert_shows_nothing(&called);
        serde_json::from_str(&called.stdout).unwrap()
    }

    /// The error, which has this exit code and says this.
    #[track_caller]
    fn refuses(&self, code: i32, says: &str) {
        let called = self.check().expect(code);
        assert_shows_nothing(&called);
        let error: Value = serde_json::from_str(&called.stdout).unwrap();
        let message = error["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("the secret TOKEN cannot be read") && message.contains(says), "{message}");
    }
}

fn assert_shows_nothing(called: &Called) {
    let canary = Canary::new("the value", VALUE);
    let shown = format!("{}{}", called.stdout, called.stderr);
    assert_eq!(canary.within(shown.as_bytes()), [""; 0], "{shown}");
}

#[test]
fn a_file_of_this_user_alone_is_read_and_shown_nowhere() {
    let stores = Stores::new();
    let path = stores.file("token", VALUE, 0o600);
    stores.file_store(&path, false);
    assert_eq!(stores.reads()["readable"], true);
    let human = Command::new(env!("CARGO_BIN_EXE_kavi"))
        .current_dir(stores.workspace.path())
        .args(["secret", "check", "TOKEN"])
        .env("KAVI_STATE_DIR", support::state_folder(stores.workspace.path()))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(human.stdout).unwrap(), "the secret TOKEN can be read\n");
    let (found, read) = search(stores.workspace.path(), &[Canary::new("the value", VALUE)]).unwrap();
    assert!(found.is_empty() && read > 3, "{found:?}");
}

#[test]
fn a_value_is_one_line_and_its_end_is_cut_where_the_store_says_so() {
    let stores = Stores::new();
    let path = stores.file("token", &format!("{VALUE}\n"), 0o600);
    stores.file_store(&path, false);
    stores.refuses(3, "contains a line break");
    stores.file_store(&path, true);
    assert_eq!(stores.reads()["short"], false);
    for (text, says) in [
        (format!("{VALUE}\n\n"), "contains a line break"),
        ("\n".to_owned(), "is empty"),
        ("a\0b".to_owned(), "contains a NUL byte"),
        ("a".repeat(8193), "has more than 8192 bytes"),
    ] {
        stores.file("token", &text, 0o600);
        stores.refuses(3, says);
    }
    stores.file("token", "0123456789abcde\n", 0o600);
    assert_eq!(stores.reads()["short"], true);
}

#[test]
fn a_file_that_others_could_have_changed_or_read_is_refused() {
    let stores = Stores::new();
    let path = stores.file("token", VALUE, 0o644);
    stores.file_store(&path, false);
    stores.refuses(3, "its mode is neither 0600 nor 0400");
    stores.file("token", VALUE, 0o600);
    fs::hard_link(&path, stores.path("second")).unwrap();
    stores.refuses(3, "more than one name");
    symlink(&path, stores.path("link")).unwrap();
    stores.file_store(&stores.path("link"), false);
    stores.refuses(3, "symbolic link");
    let open = stores.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    stores.file("open/token", VALUE, 0o600);
    stores.file_store(&open.join("token"), false);
    stores.refuses(3, "others can write to the folder");
    stores.file_store(&stores.path("nowhere"), false);
    stores.refuses(6, "No such file");
}

#[test]
fn a_command_gets_its_fixed_arguments_and_the_named_variables_alone() {
    let stores = Stores::new();
    let seen = stores.path("seen");
    let script = format!(
        "{{ printf '%s|' \"$@\"; env | sed 's/=.*//' | sort | tr '\\n' ' '; cat; }} > '{}'\nprintf 'made-up-value-of-a-command'",
        seen.display()
    );
    stores.command_store(&script, &["GIVEN", "NOT_SET"]);
    let mut command = stores.command(&["secret", "check", "TOKEN"]);
    command.env("GIVEN", "a").env("WITHHELD", "b").env("PATH", "/usr/bin:/bin");
    Called::from(command.output().unwrap()).expect(0);
    let seen = fs::read_to_string(seen).unwrap();
    let (arguments, names) = seen.rsplit_once('|').unwrap();
    assert_eq!(arguments, "one argument|$HOME");
    // A shell sets some of its own.
    let own = ["PWD", "SHLVL", "_", "OLDPWD", "PATH"];
    let given: Vec<&str> = names.split_whitespace().filter(|name| !own.contains(name)).collect();
    assert_eq!(given, ["GIVEN"]);
}

#[cfg(target_os = "linux")]
#[test]
fn the_children_that_read_have_no_environment_and_no_argument_but_their_verb() {
    let stores = Stores::new();
    // The command looks at the processes above it, up to Kavi.
    let script = format!(
        "p=$PPID\nwhile [ \"$p\" -gt 1 ]; do\n\
         line=$(tr '\\0' ' ' < /proc/$p/cmdline)\n\
         case \"$line\" in *' __'*) echo \"$line\"; tr '\\0' '\\n' < /proc/$p/environ;; *) break;; esac\n\
         p=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$p/status)\ndone > '{}' 2>/dev/null\n\
         printf 'made-up-value-of-a-command'",
        stores.path("seen").display()
    );
    stores.command_store(&script, &[]);
    let mut command = stores.command(&["secret", "check", "TOKEN"]);
    command.env("WITHHELD", VALUE).env("PATH", "/usr/bin:/bin");
    Called::from(command.output().unwrap()).expect(0);
    let seen = fs::read_to_string(stores.path("seen")).unwrap();
    assert!(seen.contains(" __read-secret"), "{seen}");
    // Each line is a program with its verb. An environment would be a line with a `=`.
    assert!(seen.lines().all(|line| line.split_whitespace().count() == 2 && !line.contains('=')), "{seen}");
    assert_eq!(Canary::new("the value", VALUE).within(seen.as_bytes()), [""; 0]);
}

#[test]
fn a_command_that_fails_floods_or_asks_gives_no_secret() {
    let stores = Stores::new();
    stores.command_store(&format!("printf '{}'; exit 7", "made-up-value"), &[]);
    stores.refuses(6, "ended with code 7");
    stores.command_store("echo made-up-words >&2; kill -9 $$", &[]);
    stores.refuses(6, "was ended by signal 9");
    assert!(!stores.check().stdout.contains("made-up-words"));
    stores.command_store("while :; do echo 0123456789012345678901234567890123456789; done", &[]);
    stores.refuses(6, "printed more than 65536 bytes");
    // A locked store asks at the terminal. There is none, so it fails and nobody waits.
    stores.command_store("read answer < /dev/tty && printf '%s' \"$answer\"", &[]);
    stores.refuses(6, "ended with code");
}

#[test]
fn a_command_that_hangs_is_ended() {
    let stores = Stores::new();
    stores.command_store("exec 3<>/dev/null; while :; do read x < /dev/zero; done", &[]);
    stores.refuses(6, "took more than 10 s");
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_ends_with_the_kavi_that_asked() {
    let stores = Stores::new();
    let (pipe, number) = (stores.path("pipe"), stores.path("number"));
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0)
        .unwrap();
    // Nobody ever writes to the pipe, and the time of the command is kept by a process that is gone.
    let (waits, says) = (pipe.display(), number.display());
    stores.command_store(&format!("echo $$ > '{says}.new'; mv '{says}.new' '{says}'; read x < '{waits}'"), &[]);
    let mut changes = watch::Tree::new(stores.beside.path());
    let mut command = stores.command(&["secret", "check", "TOKEN"]);
    let mut kavi = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    changes.until(&mut kavi, || number.exists());
    let script: u32 = fs::read_to_string(&number).unwrap().trim().parse().unwrap();
    kavi.kill().unwrap();
    kavi.wait().unwrap();
    watch::wait_for_the_end_of(script);
}

#[test]
fn a_program_that_others_can_write_is_not_started() {
    let stores = Stores::new();
    let path = stores.command_store("printf made-up-value-of-a-command", &[]);
    assert_eq!(stores.reads()["readable"], true);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    stores.refuses(3, "others can write the program");
    // Nor one that they can put another one in the place of.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    let open = stores.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let (link, copy) = (open.join("link"), open.join("copy"));
    symlink(&path, &link).unwrap();
    fs::copy(&path, &copy).unwrap();
    for replaceable in [&link, &copy] {
        stores.store(&["store = 'command'".into(), format!("command = ['{}']", replaceable.display())]);
        stores.refuses(3, "others can replace the program");
    }
    stores.command_store("printf made-up-value-of-a-command", &[]);
    assert_eq!(stores.reads()["readable"], true);
    fs::remove_file(&path).unwrap();
    stores.refuses(6, "No such file");
}

#[test]
fn a_variable_of_the_environment_is_read_from_kavi_alone() {
    let stores = Stores::new();
    stores.store(&["store = 'environment'".into(), "variable = 'MADE_UP'".into()]);
    stores.refuses(6, "MADE_UP is not set");
    let called: Called = stores.command(&["secret", "check", "TOKEN"]).env("MADE_UP", VALUE).output().unwrap().into();
    assert_shows_nothing(&called.expect(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_key_of_the_kernel_is_read() {
    use linux_keyutils::{KeyRing, KeyRingIdentifier};

    let stores = Stores::new();
    let key = format!("kavi-test-{}", std::process::id());
    stores.store(&["store = 'keyring'".into(), format!("key = '{key}'")]);
    let Ok(ring) = KeyRing::from_special_id(KeyRingIdentifier::User, false) else {
        eprintln!("skipped: this machine does not give the kernel's keyring out");
        return;
    };
    stores.refuses(6, "there is no such key");
    let Ok(added) = ring.add_key(&key, VALUE) else {
        eprintln!("skipped: this machine does not let keys be added");
        return;
    };
    assert_eq!(stores.reads()["readable"], true);
    // The kernel takes longer values than a secret may have. Adding a key again changes its value.
    let added = ring.add_key(&key, &vec![b'a'; 9000]).unwrap_or(added);
    stores.refuses(3, "has more than 8192 bytes");
    added.invalidate().unwrap();
    stores.refuses(6, "there is no such key");
}

#[test]
fn a_list_shows_stores_and_asks_none() {
    let stores = Stores::new();
    let listed = |stores: &Stores| {
        let called = Called::from(stores.command(&["secret", "list"]).output().unwrap()).expect(0);
        serde_json::from_str::<Value>(&called.stdout).unwrap()["secrets"].clone()
    };
    assert_eq!(listed(&stores), serde_json::json!([]));
    let path = stores.command_store("touch \"$0.started\"", &[]);
    let expected = serde_json::json!([{ "name": "TOKEN", "store": "command", "place": path }]);
    assert_eq!(listed(&stores), expected);
    assert!(!stores.path("command.started").exists());
}

#[test]
fn a_name_without_a_store_is_a_usage_error() {
    let stores = Stores::new();
    for (name, says) in [("TOKEN", "no [secrets.TOKEN]"), ("token", "not a valid name"), ("", "not a valid name")] {
        let error = stores.workspace.refused(&["secret", "check", name], 2);
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
    }
}
