//! A made-up key and made-up secrets in the environment and the home of Kavi: they reach the provider and nobody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use crate::support::canary::{Canary, search};
use crate::support::messages_api::{Block, MessagesApi, Reply};
use crate::support::standin::{Step, init, standin, success, write};
use crate::support::watch::{self, Tree};
use crate::support::{self, Called, Workspace};

/// With characters that every encoding writes differently.
const KEY: &str = "sk-ant-made-up/0000+canary==";
const SECRET: &str = "made-up \"secret\" \\ with & ünïcode/42";
const QUESTION: &str = r#"{"model":"m","max_tokens":1000,"messages":[{"role":"user","content":"hello"}]}"#;
const SCHEMA: &str = r#"{"input":{"text":"str"},"output":{"text":"str"}}"#;

/// What an attempt leaves to be looked at.
struct Attempt {
    called: Called,
    /// Environment and command line of every process that Kavi started, and the ledger's journal, as seen meanwhile.
    seen: BTreeSet<Vec<u8>>,
    api: MessagesApi,
}

/// A workspace, and a person's home beside it with secrets in it.
struct House {
    workspace: Workspace,
    beside: tempfile::TempDir,
}

fn canaries() -> [Canary; 2] {
    [Canary::new("the key", KEY), Canary::new("the secret", SECRET)]
}

impl House {
    /// With an agent that does these steps, given the folder in which the home lies.
    fn new(steps: impl FnOnce(&Path) -> Vec<Step>) -> Self {
        let (workspace, beside) = (Workspace::new(), support::folder());
        let claude = standin(beside.path(), steps(beside.path())).unwrap();
        for folder in ["home/.ssh", "home/.claude", "tmp", "cache"] {
            fs::create_dir_all(beside.path().join(folder)).unwrap();
        }
        for file in ["home/.ssh/id_ed25519", "home/.claude/.credentials.json", "home/.netrc"] {
            fs::write(beside.path().join(file), SECRET).unwrap();
        }
        let house = Self { workspace, beside };
        house.configure("claude = \"claude\"", &format!("claude = {:?}", claude.to_string_lossy()));
        house
    }

    fn configure(&self, from: &str, to: &str) {
        let path = self.workspace.path().join("kavi.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    /// Puts the key into a file and the file into kavi.toml.
    fn key_file(&self) -> PathBuf {
        let path = self.beside.path().join("home/key");
        fs::write(&path, format!("{KEY}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let setting = format!("key_file = {:?}", path.to_string_lossy());
        self.configure("# key_file = \"/home/you/.config/kavi/anthropic.key\"", &setting);
        path
    }

    /// The binary with nothing in its environment but what it needs and the secrets.
    fn kavi(&self, api: &MessagesApi) -> Command {
        let place = |name: &str| self.beside.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_kavi"));
        command.current_dir(self.workspace.path()).env_clear().stdin(Stdio::null());
        command.env("HOME", place("home")).env("TMPDIR", place("tmp")).env("KAVI_CACHE_DIR", place("cache"));
        command.env("KAVI_STATE_DIR", support::state_folder(self.workspace.path()));
        command.env("PATH", "/usr/bin:/bin").env("ANTHROPIC_BASE_URL", api.base_url());
        // The log of everything is searched for the key with the rest.
        command.env("KAVI_LOG", "trace");
        for name in ["GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "ANTHROPIC_AUTH_TOKEN", "MADE_UP"] {
            command.env(name, SECRET);
        }
        command
    }

    /// One attempt to build a new proposal.
    fn attempt(&self, key: Option<&str>) -> Attempt {
        let watcher = Arc::new(Watcher::new(self.workspace.path()));
        let script = vec![Reply::Message(vec![Block::text("hello yourself")])];
        // The agent lives and waits while its question is looked at.
        let for_api = Arc::clone(&watcher);
        let api = MessagesApi::observed(script, move |_| for_api.look()).unwrap();
        let id = self.workspace.propose("canary", "READ_ONLY", SCHEMA, &[]);
        let mut command = self.kavi(&api);
        command.envs(key.map(|key| ("ANTHROPIC_API_KEY", key)));
        command.args(["build-skill", &id, "--builder", "claude", "--output", "json"]);
        let mut tree = Tree::new(&self.workspace.path().join(".kavi"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        watcher.process.store(child.id(), Ordering::SeqCst);
        let end = watch::end_of(&child);
        let called = thread::scope(|scope| {
            let ended = scope.spawn(|| child.wait_with_output().unwrap());
            tree.each_change(&end, || watcher.look());
            ended.join().unwrap().into()
        });
        let seen = std::mem::take(&mut *watcher.seen.lock().unwrap());
        Attempt { called, seen, api }
    }

    /// Every place where something of an attempt could have stayed, and what was said and seen.
    fn find(&self, attempt: &Attempt) -> Vec<String> {
        let canaries = canaries();
        let mut found = Vec::new();
        for folder in
            [self.workspace.path().to_owned(), self.beside.path().join("tmp"), self.beside.path().join("cache")]
        {
            found.extend(search(&folder, &canaries).unwrap().0);
        }
        let Called { stdout, stderr, .. } = &attempt.called;
        for canary in &canaries {
            found.extend(canary.within(stdout.as_bytes()).into_iter().map(|form| format!("stdout: {form}")));
            found.extend(canary.within(stderr.as_bytes()).into_iter().map(|form| format!("stderr: {form}")));
            let seen = attempt.seen.iter().flat_map(|bytes| canary.within(bytes));
            found.extend(seen.map(|form| format!("a process or the journal: {form}")));
        }
        found
    }
}

/// Looks at what Kavi has started and at the ledger's journal.
struct Watcher {
    /// Kavi's process, or 0 before it is started.
    process: AtomicU32,
    journal: PathBuf,
    seen: Mutex<BTreeSet<Vec<u8>>>,
}

impl Watcher {
    fn new(workspace: &Path) -> Self {
        Self { process: AtomicU32::new(0), journal: workspace.join(".kavi/ledger.db-wal"), seen: Mutex::default() }
    }

    fn look(&self) {
        let mut seen = self.seen.lock().unwrap();
        look_at_children(self.process.load(Ordering::SeqCst), &mut seen);
        seen.extend(fs::read(&self.journal).ok());
    }
}

/// Environment and command line of the processes below this one.
fn look_at_children(parent: u32, seen: &mut BTreeSet<Vec<u8>>) {
    let mut parents = vec![parent];
    while let Some(parent) = parents.pop() {
        let tasks = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
        let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        for child in children.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()) {
            for file in ["environ", "cmdline"] {
                // Between its birth and its start a child of Kavi is a copy of Kavi, and so is what is read of it.
                if started(&child) {
                    seen.extend(fs::read(format!("/proc/{child}/{file}")));
                }
            }
            parents.extend(child.parse::<u32>());
        }
    }
}

/// Whether a process has been started with a program and arguments of its own.
fn started(process: &str) -> bool {
    let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    !line.is_empty() && !line.windows(11).any(|window| window == b"build-skill")
}

fn copy(from: impl AsRef<Path>, to: &str) -> Step {
    Step::CopySilently { from: from.as_ref().to_string_lossy().into_owned(), to: to.to_owned() }
}

fn post(headers: &[(&str, &str)], save: &str) -> Step {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Step::Post { target: "/v1/messages?beta=true".into(), headers, body: QUESTION.into(), save: save.into() }
}

/// An agent that looks for secrets wherever it can and leaves all it finds in its workspace and its transcript.
fn thief(house: &Path) -> Vec<Step> {
    let mut steps = vec![init(), Step::WriteEnvironment { path: "found-environment".into() }];
    for (index, file) in
        ["home/.ssh/id_ed25519", "home/.claude/.credentials.json", "home/.netrc", "home/key"].iter().enumerate()
    {
        steps.push(copy(house.join(file), &format!("found-file-{index}")));
    }
    for process in ["self", "1", "2"] {
        for file in ["environ", "cmdline", "mem", "maps"] {
            steps.push(copy(format!("/proc/{process}/{file}"), &format!("found-{process}-{file}")));
        }
    }
    steps.push(post(&[], "found-answer"));
    steps.push(post(&[("connection", "x-api-key"), ("x-http-method-override", "TRACE")], "found-second-answer"));
    steps.extend([write("src/lib.rs", "// nothing\n"), success()]);
    steps
}

#[test]
fn the_search_finds_every_form() {
    let folder = support::folder();
    for canary in canaries() {
        let (found, _) = search(folder.path(), &canaries()).unwrap();
        assert_eq!(found, Vec::<String>::new());
        for (name, form) in canary.forms() {
            fs::write(folder.path().join("file"), [b"before ", form, b" after"].concat()).unwrap();
            let (found, read) = search(folder.path(), &canaries()).unwrap();
            assert!(read == 1 && found.iter().any(|found| found.ends_with(&format!("({name})"))), "{name}: {found:?}");
        }
        fs::remove_file(folder.path().join("file")).unwrap();
    }
    // As a whole would be encoded, at each place where the secret can begin.
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let canary = Canary::new("the key", KEY);
    for before in ["", "a", "ab", "abc", "key="] {
        let text = BASE64_STANDARD.encode(format!("{before}{KEY} and more"));
        assert!(!canary.within(text.as_bytes()).is_empty(), "{before}");
    }
}

#[test]
fn the_api_key_is_in_no_log_artifact_or_error() {
    // The thief's attempt is refused and its workspace kept; the honest one is accepted and leaves artifacts.
    let honest = |_: &Path| vec![init(), post(&[], "/tmp/answer"), write("src/lib.rs", "// nothing\n"), success()];
    for (house, code) in [(House::new(thief), 3), (House::new(honest), 0)] {
        let attempt = house.attempt(Some(KEY));
        assert_eq!(attempt.called.code, code, "{:?}", attempt.called);
        assert_eq!(house.find(&attempt), Vec::<String>::new());
        for span in ["coding_agent{model=", "egress{number=", "http_request{host="] {
            assert!(attempt.called.stderr.contains(span), "{span}: {:?}", attempt.called);
        }
        let keys: Vec<_> =
            attempt.api.requests().iter().map(|request| request.header("x-api-key").map(str::to_owned)).collect();
        assert!(
            !keys.is_empty() && keys.iter().all(|key| key.as_deref() == Some(KEY)),
            "the key went nowhere: {keys:?}"
        );
        let log = find_file(house.workspace.path(), "BUILD_LOG.json").expect("a build log");
        let log: serde_json::Value = serde_json::from_slice(&fs::read(log).unwrap()).unwrap();
        let account = &log["builder_log"]["gateway"];
        assert_eq!(account["totals"]["requests"], keys.len(), "{account}");
        assert_eq!(account["lines"][0]["path"], "/v1/messages?beta=true");
        assert_eq!(log["builder_log"]["network"], "none but the gateway's socket");
    }
}

#[test]
fn the_environment_of_kavi_reaches_no_child() {
    let asking = |_: &Path| vec![init(), post(&[], "/dev/null"), write("src/lib.rs", "// nothing\n"), success()];
    let house = House::new(asking);
    let attempt = house.attempt(Some(KEY));
    assert_eq!(attempt.called.code, 0, "{:?}", attempt.called);
    let agent = attempt.seen.iter().find(|bytes| bytes.windows(19).any(|window| window == b"ANTHROPIC_BASE_URL="));
    let agent = String::from_utf8_lossy(agent.expect("the agent was never seen")).into_owned();
    let names: Vec<_> =
        agent.split('\0').filter_map(|entry| entry.split('=').next()).filter(|name| !name.is_empty()).collect();
    let expected = [
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL",
        "API_TIMEOUT_MS",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
        "CLAUDE_CODE_MAX_RETRIES",
        "DISABLE_AUTOUPDATER",
        "DISABLE_ERROR_REPORTING",
        "DISABLE_TELEMETRY",
        "HOME",
        "PATH",
        "TMPDIR",
    ];
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), expected.into());
    assert!(agent.contains("ANTHROPIC_BASE_URL=http://127.0.0.1:7717\0"), "{agent}");
    assert_eq!(house.find(&attempt), Vec::<String>::new());
}

#[test]
fn the_agent_cannot_read_the_persons_files() {
    let house = House::new(thief);
    house.key_file();
    let attempt = house.attempt(None);
    assert_eq!(attempt.called.code, 3, "{:?}", attempt.called);
    let found = find_file(house.workspace.path(), "found-answer").expect("what the thief found");
    let found = |name: &str| String::from_utf8_lossy(&fs::read(found.with_file_name(name)).unwrap()).into_owned();
    for index in 0..4 {
        assert!(
            found(&format!("found-file-{index}")).contains("No such file"),
            "{}",
            found(&format!("found-file-{index}"))
        );
    }
    assert!(found("found-1-environ").contains("denied"), "{}", found("found-1-environ"));
    assert!(found("found-1-mem").contains("denied"), "{}", found("found-1-mem"));
    assert!(found("found-answer").contains("hello yourself"), "the key file was not used");
    assert_eq!(house.find(&attempt), Vec::<String>::new());
}

#[test]
fn a_key_file_that_others_can_read_is_refused_before_anything_starts() {
    let house = House::new(|_| vec![init(), success()]);
    let key = house.key_file();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let attempt = house.attempt(None);
    assert_eq!(attempt.called.code, 3, "{:?}", attempt.called);
    let said = format!("{}{}", attempt.called.stdout, attempt.called.stderr);
    assert!(said.contains("its mode is neither 0600 nor 0400") && said.contains("chmod 600"), "{said}");
    assert_eq!(house.find(&attempt), Vec::<String>::new());
    // Nothing was asked, and no attempt was opened.
    assert!(attempt.api.requests().is_empty() && find_file(house.workspace.path(), "BUILD_PACKET.md").is_none());
}

/// A file of this name below a folder.
fn find_file(folder: &Path, name: &str) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).find_map(|path| match path.is_dir() {
        true if !path.is_symlink() => find_file(&path, name),
        _ => (path.file_name()? == name).then_some(path),
    })
}
