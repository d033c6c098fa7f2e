//! A throwaway PostgreSQL server from the distribution's packages, on a Unix socket in a folder of its own.
//!
//! The tests of one program share it. It ends with the last test that uses it, or with the program, whatever ends that.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The role that Kavi logs in as.
pub const ROLE: &str = "kavi_app";

/// The superuser of the cluster.
const ADMIN: &str = "admin";

/// The folder of the server's programs, or why there is none.
pub fn programs() -> Result<PathBuf, String> {
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = debian.map(|entry| entry.path().join("bin"));
    let mut places = debian.chain(on_path.unwrap_or_default());
    let found = places.find(|folder| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).is_file()));
    found.ok_or_else(|| "the package `postgresql` is not installed: there is no `initdb` with `postgres`".to_owned())
}

/// The user that the server runs as where the tests are root, which the server refuses to be.
fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let of = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2);
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    Some(of("postgres").or_else(|| of("nobody")).expect("a user `postgres` or `nobody`"))
}

fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// A running server.
#[derive(Debug)]
struct Cluster {
    programs: PathBuf,
    folder: tempfile::TempDir,
    keeper: Child,
    databases: AtomicU32,
}

impl Cluster {
    fn start(programs: PathBuf) -> Self {
        let folder = super::folder();
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).expect("a folder of the server's own");
        }
        let data = folder.path().join("data");
        let mut initdb = command(&programs.join("initdb"), user);
        initdb.arg("-D").arg(&data).args(["-U", ADMIN, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        let made = initdb.output().expect("initdb starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // The shell ends the server when the pipe to it closes: at the latest when this program is gone.
        let keep = r#""$@" </dev/null & server=$!; read -r end; kill -INT $server; wait $server"#;
        let mut keeper = command(Path::new("/bin/sh"), user);
        keeper.args(["-c", keep, "keeper"]).arg(programs.join("postgres")).arg("-D").arg(&data);
        keeper.arg("-k").arg(folder.path());
        for setting in ["listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=200"] {
            keeper.args(["-c", setting]);
        }
        let mut keeper =
            keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a shell");
        let mut log = BufReader::new(keeper.stderr.take().expect("a pipe")).lines();
        let mut said = String::new();
        loop {
            let line = log.next().unwrap_or_else(|| panic!("the server ended: {said}")).expect("a line");
            if line.contains("ready to accept connections") {
                break;
            }
            said.push_str(&line);
        }
        // What it says later must not fill the pipe.
        std::thread::spawn(move || log.for_each(drop));
        let cluster = Self { programs, folder, keeper, databases: AtomicU32::new(0) };
        cluster.sql("postgres", ADMIN, "CREATE DATABASE pattern");
        let schema = Command::new(env!("CARGO_BIN_EXE_kavi")).args(["context", "schema", "--role", ROLE]).output();
        let schema = schema.expect("kavi starts");
        assert!(schema.status.success(), "{}", String::from_utf8_lossy(&schema.stderr));
        cluster.sql("pattern", ADMIN, &String::from_utf8(schema.stdout).expect("SQL"));
        cluster
    }

    /// What psql prints, one row a line.
    fn sql(&self, database: &str, role: &str, sql: &str) -> String {
        let mut psql = command(&self.programs.join("psql"), None);
        psql.arg("-h").arg(self.folder.path()).args(["-U", role, "-d", database]);
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        let mut psql = psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("psql");
        psql.stdin.take().expect("a pipe").write_all(sql.as_bytes()).expect("psql reads");
        let output = psql.wait_with_output().expect("psql ends");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// A database of one test, with the schema that Kavi prints.
#[derive(Debug)]
pub struct Database {
    cluster: Arc<Cluster>,
    name: String,
}

impl Database {
    /// A new one. Ask [`programs`] first.
    pub fn new() -> Self {
        static CLUSTER: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = shared.upgrade().unwrap_or_else(|| {
            let cluster = Arc::new(Cluster::start(programs().expect("PostgreSQL")));
            *shared = Arc::downgrade(&cluster);
            cluster
        });
        let name = format!("test_{}", cluster.databases.fetch_add(1, Ordering::Relaxed));
        // Under the lock: a pattern is copied by one at a time.
        cluster.sql("postgres", ADMIN, &format!("CREATE DATABASE {name} TEMPLATE pattern"));
        drop(shared);
        Self { cluster, name }
    }

    /// Its address, for this role.
    pub fn url(&self, role: &str) -> String {
        format!("postgres://{role}@/{}?host={}", self.name, self.cluster.folder.path().display())
    }

    /// What a superuser is answered.
    pub fn admin(&self, sql: &str) -> String {
        self.cluster.sql(&self.name, ADMIN, sql)
    }

    /// A session of a superuser whose statements come one after the other.
    pub fn session(&self) -> Child {
        let mut psql = command(&self.cluster.programs.join("psql"), None);
        psql.arg("-h").arg(self.cluster.folder.path()).args(["-U", ADMIN, "-d", &self.name, "-X", "-q", "-A", "-t"]);
        psql.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql")
    }

    /// What Kavi's role is answered.
    pub fn app(&self, sql: &str) -> String {
        self.cluster.sql(&self.name, ROLE, sql)
    }
}
