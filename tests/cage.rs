//! What the cage promises, asked from the inside with shell scripts, as the user who runs the tests and, when that is
//! root, once more as an ordinary user.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kavi::cage::{
    Access, Applied, Cage, CageError, CageReport, Confinement, Exit, Finished, INSIDE_HOME, Job, Limits, Maker, Method,
    Mount, Step, Stream,
};

/// The binary whose stages are tested; a copy of it that an ordinary user can reach when this is the second round.
fn exe() -> PathBuf {
    std::env::var_os("KAVI_TEST_EXE").map_or_else(|| env!("CARGO_BIN_EXE_kavi").into(), PathBuf::from)
}

fn cage() -> Cage {
    Cage::new(exe(), Confinement::Required)
}

fn our_id() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

fn is_root() -> bool {
    our_id() == 0
}

/// A folder that others may enter, as root's jobs must.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn seconds(wall: u64) -> Limits {
    Limits { wall: Duration::from_secs(wall), ..Limits::default() }
}

fn shell(script: &str) -> Job {
    Job::new("/usr/bin/sh")
        .args(["-c", script])
        .env("PATH", "/usr/bin")
        .mount(Mount::read_only("/usr/bin", "/usr/bin"))
        .limits(seconds(60))
}

fn run(job: &Job) -> Finished {
    cage().run(job, &mut |_, _| {}).unwrap()
}

/// Output of a script that must succeed.
fn says(script: &str) -> String {
    let done = run(&shell(script));
    assert_eq!(done.exit, Exit::Code(0), "{script}: {}", text(&done.stderr));
    text(&done.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

fn limited(script: &str, change: impl FnOnce(&mut Limits)) -> Finished {
    let mut limits = seconds(60);
    change(&mut limits);
    run(&shell(script).limits(limits))
}

/// The system's python, where there is one.
fn python(script: &str) -> Option<Job> {
    let there = Path::new("/usr/bin/python3").exists();
    let job = Job::new("/usr/bin/python3").mount(Mount::read_only("/usr/bin", "/usr/bin"));
    there.then(|| job.args(["-I", "-c", script]))
}

#[test]
fn the_probe_finds_a_cage_here() {
    match cage().probe() {
        CageReport::Own { as_root, .. } => assert_eq!(as_root, is_root()),
        other => panic!("no cage of our own: {other:?}"),
    }
}

#[test]
fn the_record_says_what_was_in_force() {
    let Applied::Caged { by, user_namespace, .. } = run(&shell("true")).confinement else { panic!("not caged") };
    assert_eq!(by, if is_root() { Maker::OwnAsRoot } else { Maker::Own });
    assert!(user_namespace);
}

#[test]
fn the_job_is_nobody_without_capabilities_and_can_gain_none() {
    assert_eq!(says("id -u; id -g"), "65534\n65534");
    let status = says("cat /proc/self/status");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(status.contains(&format!("{set}:\t0000000000000000")), "{status}");
    }
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert!(status.contains("Seccomp:\t2"), "{status}");
}

#[test]
fn the_environment_is_the_jobs_alone() {
    assert_eq!(says("env -u PWD -u _ -u OLDPWD | sort"), "PATH=/usr/bin");
    let job = shell("echo \"$GREETING\"").env("GREETING", "hello there");
    assert_eq!(text(&run(&job).stdout), "hello there");
}

#[test]
fn host_files_cannot_be_seen() {
    let links = ["lib", "lib32", "lib64"].into_iter().filter(|name| Path::new("/").join(name).exists());
    let links = links.collect::<Vec<_>>().join(" ");
    assert_eq!(says("cd / && echo *"), format!("dev etc home {links} proc tmp usr"));
    assert_eq!(says("cd /etc && echo * | sed s/ld.so.cache.//"), "group hosts passwd");
    for path in ["/etc/shadow", "/root", "/work", "/var", "/sys", "/run", "/proc/1/root/etc/shadow"] {
        assert_eq!(says(&format!("test -e {path} && echo seen || echo hidden")), "hidden", "{path}");
    }
    assert_eq!(says("for d in /tmp /home/kavi /dev/shm; do ls -A $d; done"), "");
}

#[test]
fn other_processes_cannot_be_seen() {
    // The first process and the shell.
    assert_eq!(says("cd /proc && echo [0-9]*"), "1 2");
    let pry = "cat /proc/1/environ /proc/1/mem /proc/1/maps; readlink /proc/1/fd/0 /proc/1/exe /proc/1/root";
    assert_eq!(says(&format!("({pry}) 2>/dev/null; kill -9 1; kill -STOP 1; echo alive")), "alive");
}

#[test]
fn there_is_no_network_but_an_own_loopback() {
    assert_eq!(says("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"), "lo");
    let script = r"
import socket
listener = socket.socket(); listener.bind(('127.0.0.1', 0)); listener.listen()
client = socket.create_connection(listener.getsockname()); print('loopback')
for family, kind in ((17, 3), (38, 5), (40, 1), (16, 3)):
    try: socket.socket(family, kind, 15 if family == 16 else 0); print('socket', family)
    except OSError as e: pass
for address in ('1.1.1.1', '169.254.169.254', '10.0.0.1'):
    try: socket.create_connection((address, 80), 2); print('reached', address)
    except OSError as e: pass
";
    let Some(job) = python(script) else { return };
    let done = run(&job);
    assert_eq!(text(&done.stdout), "loopback", "{}", text(&done.stderr));
}

#[test]
fn kernel_settings_cannot_be_written() {
    for file in ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/irq/default_smp_affinity"] {
        assert_eq!(
            says(&format!("(echo x > {file}) 2>/dev/null && echo written || echo refused")),
            "refused",
            "{file}"
        );
    }
    for file in ["/proc/kcore", "/proc/kallsyms", "/proc/sysrq-trigger"] {
        assert_eq!(says(&format!("test -c {file} || ! test -e {file} && echo covered")), "covered", "{file}");
    }
}

#[test]
fn no_new_namespace_mount_or_device() {
    for command in [
        "unshare -U true",
        "unshare -r true",
        "unshare -n true",
        "unshare -m true",
        "mount -t tmpfs none /tmp",
        "mount -o remount,rw /",
        "umount /proc/sys",
        "chroot /tmp true",
        "mknod /tmp/x b 8 0",
        "chown 0 /home/kavi",
        "nsenter -t 1 -n true",
    ] {
        assert_eq!(says(&format!("{command} >/dev/null 2>&1 && echo done || echo refused")), "refused", "{command}");
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn forbidden_system_calls_do_not_exist() {
    // unshare, setns, ptrace, bpf, keyctl, io_uring_setup, perf_event_open, userfaultfd, kexec_load, init_module,
    // process_vm_readv, pidfd_getfd, clone3, clone with a new user namespace, and getpid by its x32 number.
    let script = r"
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
calls = [(272, 0x10000000), (308, 3), (101, 0), (321, 0), (250, 0), (425, 1), (298, 0), (323, 0), (246, 0), (175, 0),
         (310, 1), (438, 3), (435, 0), (56, 0x10000000 | 17), (0x40000000 + 39, 0)]
for call, argument in calls:
    if libc.syscall(call, argument, 0, 0, 0, 0) != -1 or ctypes.get_errno() != errno.ENOSYS:
        print('allowed', call, ctypes.get_errno())
";
    let Some(job) = python(script) else { return };
    let done = run(&job);
    assert_eq!((text(&done.stdout), done.exit), (String::new(), Exit::Code(0)), "{}", text(&done.stderr));
}

#[test]
fn only_read_write_mounts_can_be_written() {
    let (closed, open) = (folder(), folder());
    fs::write(closed.path().join("given"), "given").unwrap();
    let script = "cat /in/given; for f in /in/new /in/given /x /etc/passwd /etc/x /usr/bin/x /usr/lib/x /dev/x /lib/x \
        /proc/x; do (echo x > $f) 2>/dev/null && echo wrote $f; done; touch /in/given 2>/dev/null && echo touched; \
        rm -f /in/given 2>/dev/null && echo removed; chmod 777 /in 2>/dev/null && echo moded; echo made > /out/made";
    let job = shell(script).mount(Mount::read_only(closed.path(), "/in")).mount(Mount::read_write(open.path(), "/out"));
    let done = run(&job);
    assert_eq!(text(&done.stdout), "given", "{}", text(&done.stderr));
    assert_eq!(fs::read_to_string(open.path().join("made")).unwrap(), "made\n");
}

#[test]
fn what_a_job_leaves_is_ours_again() {
    let open = folder();
    fs::create_dir(open.path().join("old")).unwrap();
    fs::write(open.path().join("old/file"), "before").unwrap();
    fs::set_permissions(open.path().join("old/file"), fs::Permissions::from_mode(0o600)).unwrap();
    let script = "cat old/file && echo after > old/file && mkdir -p a/b && echo deep > a/b/c && ln -s /etc/shadow link \
        && mkfifo a/fifo && umask 077 && echo private > secret && cp /usr/bin/true suid && chmod 4755 suid; pwd";
    let job = shell(script).mount(Mount::read_write(open.path(), "/out")).cwd(open.path());
    let done = run(&job);
    assert_eq!(text(&done.stdout), "before/out", "{}", text(&done.stderr));
    for file in [".", "old", "old/file", "a/b/c", "link", "a/fifo", "secret"] {
        assert_eq!(fs::symlink_metadata(open.path().join(file)).unwrap().uid(), our_id(), "{file}");
    }
    assert_eq!(fs::read_to_string(open.path().join("secret")).unwrap(), "private\n");
    assert_eq!(fs::read_to_string(open.path().join("old/file")).unwrap(), "after\n");
    let suid = fs::metadata(open.path().join("suid")).unwrap();
    assert!(suid.uid() != 0 || suid.mode() & 0o6000 == 0, "a set-id file became root's");
}

#[test]
fn a_file_with_a_second_name_is_not_given_away() {
    let (outside, open) = (folder(), folder());
    let precious = outside.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    fs::hard_link(&precious, open.path().join("alias")).unwrap();
    symlink(&precious, open.path().join("link")).unwrap();
    let script = "(echo x > link) 2>/dev/null && echo followed; (echo x > alias) 2>/dev/null; true";
    let job = shell(script).mount(Mount::read_write(open.path(), "/out")).cwd(open.path());
    assert_eq!(text(&run(&job).stdout), "");
    assert_eq!(fs::metadata(&precious).unwrap().uid(), our_id());
    // An ordinary user's file is that user's by every name.
    assert!(!is_root() || fs::read_to_string(&precious).unwrap() == "precious");
}

#[test]
fn nothing_written_can_be_executed_unless_asked_for() {
    let open = folder();
    let script = "for d in /out /tmp /home/kavi /dev/shm; do cp /usr/bin/true $d/true; chmod 755 $d/true; \
        $d/true 2>/dev/null && echo ran $d; done; true";
    let closed = shell(script).mount(Mount::read_write(open.path(), "/out"));
    assert_eq!(text(&run(&closed).stdout), "");
    let mount = Mount { host: open.path().into(), inside: "/out".into(), access: Access::ReadWriteExecute };
    assert_eq!(text(&run(&shell(script).mount(mount)).stdout), "ran /out");
}

#[test]
fn paths_are_seen_under_their_mounts() {
    let (one, two) = (folder(), folder());
    fs::create_dir(one.path().join("sub")).unwrap();
    let job = Job::new("/usr/bin/sh")
        .args(["-c", "echo \"$0 $1 $2 $WHERE\"; pwd"])
        .path_arg(one.path())
        .prefixed_path_arg("dependency=", one.path().join("deps"))
        .path_arg(two.path().join("x/y"))
        .env_path("WHERE", one.path().join("sub/file"))
        .cwd(one.path().join("sub"))
        .mount(Mount::read_only("/usr/bin", "/usr/bin"))
        .mount(Mount::read_only(one.path(), "/one"))
        .mount(Mount::read_write(two.path(), "/one/sub"));
    let done = run(&job);
    assert_eq!(text(&done.stdout), "/one dependency=/one/deps /one/sub/x/y /one/sub/file\n/one/sub");
}

#[test]
fn unconfined_paths_are_the_hosts() {
    let one = folder();
    let job = Job::new("/usr/bin/sh")
        .args(["-c", "echo \"$0 $WHERE\"; pwd; /usr/bin/env | /usr/bin/sort"])
        .prefixed_path_arg("dependency=", one.path().join("deps"))
        .env_path("WHERE", one.path())
        .cwd(one.path())
        .mount(Mount::read_only(one.path(), "/one"));
    let done = Cage::new(exe(), Confinement::Unconfined).run(&job, &mut |_, _| {}).unwrap();
    let here = one.path().display();
    assert_eq!(text(&done.stdout), format!("dependency={here}/deps {here}\n{here}\nPWD={here}\nWHERE={here}"));
    assert_eq!(done.confinement, Applied::Unconfined);
}

#[test]
fn jobs_that_cannot_be_passed_on_are_refused() {
    let one = folder();
    let refusal = |job: &Job| cage().run(job, &mut |_, _| {}).unwrap_err();
    assert!(matches!(refusal(&shell("true").path_arg(one.path())), CageError::Unmounted { .. }));
    assert!(matches!(refusal(&shell("true").path_arg("relative")), CageError::BadPath { .. }));
    assert!(matches!(refusal(&shell("true").path_arg("/usr/bin/../x")), CageError::BadPath { .. }));
    assert!(matches!(refusal(&shell("true").arg("a\0b")), CageError::BadText { .. }));
    assert!(matches!(refusal(&shell("true").env("A=B", "c")), CageError::BadText { .. }));
    for inside in ["/", "/proc", "/proc/sys", "/dev", "/tmp", "/tmp/x", "/etc", "/lib", "/home", "/usr/bin"] {
        let error = refusal(&shell("true").mount(Mount::read_only(one.path(), inside)));
        assert!(matches!(error, CageError::BadMount { .. }), "{inside}: {error}");
    }
    let whole = shell("true").mount(Mount::read_only("/", "/host"));
    assert!(matches!(refusal(&whole), CageError::BadMount { .. }));
    assert!(matches!(refusal(&shell("true").mount(Mount::read_only("/usr", "relative"))), CageError::BadPath { .. }));
}

#[test]
fn mounts_that_cannot_be_made_are_refused() {
    let one = folder();
    symlink("/etc", one.path().join("link")).unwrap();
    let refusal = |cage: &Cage, mount| match cage.run(&shell("true").mount(mount), &mut |_, _| {}).unwrap_err() {
        CageError::Setup { step: Step::Mounts, why } => why,
        other => panic!("{other}"),
    };
    let bubblewrap = Path::new("/usr/bin/bwrap").exists().then(|| Cage::only_by(exe(), Method::Bubblewrap));
    for cage in [cage()].into_iter().chain(bubblewrap) {
        assert!(refusal(&cage, Mount::read_only(one.path().join("absent"), "/x")).contains("absent"));
        assert!(refusal(&cage, Mount::read_only(one.path().join("link"), "/x")).contains("symbolic link"));
        // A mount point is never made in a host folder.
        let job =
            shell("true").mount(Mount::read_write(one.path(), "/x")).mount(Mount::read_only(one.path(), "/x/new"));
        let error = cage.run(&job, &mut |_, _| {}).unwrap_err();
        assert!(matches!(error, CageError::Setup { step: Step::Mounts, .. }), "{error}");
        assert!(!one.path().join("new").exists());
    }
    if is_root() {
        fs::set_permissions(one.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(refusal(&cage(), Mount::read_only(one.path(), "/x")).contains("cannot read"));
    }
}

#[test]
fn a_closed_home_does_not_hide_what_is_mounted_out_of_it() {
    let home = folder();
    fs::create_dir(home.path().join("tool")).unwrap();
    fs::write(home.path().join("tool/file"), "found").unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let job = shell("cat /tool/file").mount(Mount::read_only(home.path().join("tool"), "/tool"));
    assert_eq!(text(&run(&job).stdout), "found");
}

#[test]
fn single_files_can_be_mounted() {
    let one = folder();
    fs::write(one.path().join("in"), "in").unwrap();
    fs::write(one.path().join("out"), "").unwrap();
    let job = shell("cat /f/in > /f/out")
        .mount(Mount::read_only(one.path().join("in"), "/f/in"))
        .mount(Mount::read_write(one.path().join("out"), "/f/out"));
    let done = run(&job);
    assert!(done.exit.success(), "{}", text(&done.stderr));
    assert_eq!(fs::read_to_string(one.path().join("out")).unwrap(), "in");
}

#[test]
fn a_unix_socket_is_a_door_to_the_host() {
    use std::io::{Read, Write};
    let one = folder();
    let socket = one.path().join("gate");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).unwrap();
    let script = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/gate'); print(s.recv(9).decode())";
    let Some(job) = python(script) else { return };
    let gate = std::thread::spawn(move || {
        let mut peer = listener.accept().unwrap().0;
        peer.write_all(b"hello").unwrap();
        peer.read_to_end(&mut Vec::new()).unwrap();
    });
    let done = run(&job.mount(Mount::read_only(&socket, "/gate")).limits(seconds(20)));
    assert_eq!(text(&done.stdout), "hello", "{}", text(&done.stderr));
    gate.join().unwrap();
}

#[test]
fn exit_codes_and_signals_are_told_apart() {
    assert_eq!(run(&shell("exit 7")).exit, Exit::Code(7));
    assert_eq!(run(&shell("exit 143")).exit, Exit::Code(143));
    assert_eq!(run(&shell("kill -TERM $$")).exit, Exit::Signal(15));
    assert_eq!(run(&shell("kill -KILL $$")).exit, Exit::Signal(9));
    assert_eq!(run(&shell("kill -ABRT $$")).exit, Exit::Signal(6));
}

#[test]
fn a_program_that_cannot_start_is_an_error_that_names_it() {
    let job = Job::new("/usr/bin/no-such-program").mount(Mount::read_only("/usr/bin", "/usr/bin"));
    for outcome in [cage().run(&job, &mut |_, _| {}), cage().run_tool(&job, &mut |_, _| {})] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, CageError::Start { .. }), "{error}");
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}

#[test]
fn large_input_is_read_while_output_flows() {
    let input: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    let mut seen = 0;
    let job = shell("cat").stdin(input.clone());
    let mut watch = |stream, bytes: &[u8]| seen += usize::from(stream == Stream::Stdout) * bytes.len();
    let done = cage().run(&job, &mut watch).unwrap();
    assert_eq!(seen, input.len());
    assert!(done.stdout == input);
    // A job that does not read its input is not held up by it.
    assert_eq!(run(&shell("exec 0<&-; echo done").stdin(input)).exit, Exit::Code(0));
}

#[test]
fn output_is_streamed_kept_to_its_cap_and_limited() {
    let mut heard = Vec::new();
    let job = shell("echo out; echo err >&2; yes | head -c 100000").capture(1000);
    let done = cage().run(&job, &mut |stream, _| heard.push(stream)).unwrap();
    assert!(heard.contains(&Stream::Stdout) && heard.contains(&Stream::Stderr));
    assert_eq!((done.stdout.len(), done.dropped_bytes), (1000, 4 + 100_000 - 1000));
    assert_eq!(text(&done.stderr), "err");
    assert_eq!(limited("yes", |limits| limits.output_bytes = 1_000_000).exit, Exit::OutputLimit);
}

#[test]
fn clocks_end_a_job() {
    assert_eq!(limited("sleep 1000", |limits| limits.wall = Duration::from_millis(300)).exit, Exit::WallClock);
    let busy = "while :; do echo x; sleep 0.05; done";
    assert_eq!(limited(busy, |limits| limits.wall = Duration::from_millis(500)).exit, Exit::WallClock);
    let idle = |limits: &mut Limits| limits.idle = Some(Duration::from_millis(300));
    assert_eq!(limited("echo one; sleep 1000", idle).exit, Exit::Idle);
    assert_eq!(limited("trap '' TERM INT HUP; sleep 1000 & wait", idle).exit, Exit::Idle);
}

#[test]
fn resource_limits_act() {
    let cpu = |limits: &mut Limits| limits.cpu = Some(Duration::from_secs(1));
    assert_eq!(limited("while :; do :; done", cpu).exit, Exit::Signal(24));
    // One that ignores the warning is killed.
    assert_eq!(limited("trap '' XCPU; while :; do :; done", cpu).exit, Exit::Signal(9));
    let small = |limits: &mut Limits| limits.file_size = Some(100_000);
    assert_eq!(limited("exec head -c 200000 /dev/zero > /tmp/x", small).exit, Exit::Signal(25));
    let hungry = "exec dd if=/dev/zero of=/dev/null bs=500M count=1";
    assert_eq!(limited(hungry, |limits| limits.address_space = Some(256 << 20)).exit, Exit::Code(1));
    assert_eq!(limited(hungry, |limits| limits.data = Some(64 << 20)).exit, Exit::Code(1));
    assert_eq!(text(&limited("ulimit -c; ulimit -n", |limits| limits.open_files = 77).stdout), "0\n77");
    // Raising it would hand a crash to the host's handler.
    assert_eq!(says("prlimit --core=0 true 2>/dev/null && echo changed || echo kept; ulimit -c"), "kept\n0");
    let fill = "for d in /tmp /home/kavi /dev/shm; do head -c 900000 /dev/zero > $d/x 2>/dev/null; done; \
        cat /tmp/x /home/kavi/x /dev/shm/x | wc -c";
    let filled: u64 = text(&limited(fill, |limits| limits.scratch_bytes = 1 << 20).stdout).parse().unwrap();
    assert!(filled <= 1 << 20, "{filled}");
}

#[test]
fn a_fork_bomb_is_bounded_and_buried() {
    let bomb = "bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 1000";
    let done = limited(bomb, |limits| {
        limits.processes = Some(40);
        limits.wall = Duration::from_secs(1);
    });
    assert!(matches!(done.exit, Exit::WallClock | Exit::Code(2)), "{:?}", done.exit);
    let count = "set -- 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; (for i; do sleep 100 & done) 2>/dev/null; \
        cd /proc; set -- [0-9]*; echo $#";
    let some = limited(count, |limits| limits.processes = Some(10));
    let seen: u32 = text(&some.stdout).parse().unwrap();
    assert!((5..=11).contains(&seen), "{seen}");
}

/// Whether a process with this in its command line lives on the host.
fn alive(mark: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(mark))
    })
}

/// Leaves its session and its parent, ignores what can be ignored, and closes what it was given.
fn daemon(mark: &str) -> String {
    format!("setsid sh -c '(trap \"\" TERM HUP; sleep {mark}) & sleep {mark}' <&- >/dev/null 2>&1 & sleep 0.3; echo up")
}

/// A number that no other run of these tests has.
fn mark(number: u32) -> String {
    format!("{}{:02}{number}", 31_415, std::process::id() % 10_000)
}

#[test]
fn nothing_outlives_a_run() {
    let (left, killed) = (mark(1), mark(2));
    assert_eq!(text(&run(&shell(&daemon(&left))).stdout), "up");
    assert!(!alive(&left));
    let job = shell(&format!("{}; sleep {killed}", daemon(&killed))).limits(seconds(1));
    assert_eq!(run(&job).exit, Exit::WallClock);
    assert!(!alive(&killed));
}

#[test]
fn nothing_outlives_a_tool_or_an_unconfined_job() {
    let bare = Cage::new(exe(), Confinement::Unconfined);
    let (left, killed) = (mark(3), mark(4));
    assert_eq!(text(&bare.run(&shell(&daemon(&left)), &mut |_, _| {}).unwrap().stdout), "up");
    assert!(!alive(&left));
    let job = shell(&format!("{}; sleep {killed}", daemon(&killed))).limits(seconds(1));
    assert_eq!(bare.run_tool(&job, &mut |_, _| {}).unwrap().exit, Exit::WallClock);
    assert!(!alive(&killed));
}

#[test]
fn a_killed_kavi_takes_its_jobs_along() {
    // This test binary again, as the one that is killed.
    if let Ok(mark) = std::env::var("KAVI_TEST_VICTIM") {
        let job = shell(&format!("setsid sleep {mark} & sleep {mark}"));
        std::thread::scope(|scope| {
            scope.spawn(|| cage().run_tool(&job, &mut |_, _| {}));
            run(&job);
        });
        return;
    }
    let mark = mark(5);
    let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_kavi_takes_its_jobs_along"])
        .env("KAVI_TEST_VICTIM", &mark)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let wait_until = |state: bool| {
        let changed = (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            alive(&format!("sleep\0{mark}")) == state
        });
        assert!(changed, "waited in vain for {state}");
    };
    wait_until(true);
    std::thread::sleep(Duration::from_millis(300));
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until(false);
}

#[test]
fn a_tool_gets_an_empty_environment_and_its_limits() {
    let job = Job::new("/usr/bin/sh").args(["-c", "/usr/bin/env; ulimit -c; ulimit -n; /usr/bin/cat; exit 3"]);
    let job = job.stdin(b"input".to_vec()).limits(Limits { open_files: 99, ..seconds(60) });
    let done = cage().run_tool(&job, &mut |_, _| {}).unwrap();
    assert_eq!((text(&done.stdout), done.exit), ("PWD=/\n0\n99\ninput".to_owned(), Exit::Code(3)));
    assert_eq!(done.confinement, Applied::Unconfined);
}

#[test]
fn inherited_descriptors_do_not_get_in() {
    // A descriptor that the caller's parent left open: a shell opens one and starts this test binary again.
    if std::env::var_os("KAVI_TEST_STRAY").is_some() {
        assert_eq!(says("ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3");
        return;
    }
    let output = std::process::Command::new("/usr/bin/sh")
        .args(["-c", "exec 7</etc/passwd; exec \"$0\" --exact inherited_descriptors_do_not_get_in"])
        .arg(std::env::current_exe().unwrap())
        .env("KAVI_TEST_STRAY", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
}

#[test]
fn a_missing_stage_makes_no_cage() {
    let cage = Cage::new("/nonexistent/kavi".into(), Confinement::Required);
    assert!(matches!(cage.run(&shell("true"), &mut |_, _| {}), Err(CageError::Io { .. })));
    // A program that is no stage: the job does not run.
    let cage = Cage::new("/usr/bin/true".into(), Confinement::Required);
    let error = cage.run(&shell("true"), &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, CageError::NoCage { .. }), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn bubblewrap_makes_the_same_walls() {
    let cage = Cage::only_by(exe(), Method::Bubblewrap);
    if !Path::new("/usr/bin/bwrap").exists() {
        assert!(matches!(cage.run(&shell("true"), &mut |_, _| {}), Err(CageError::NoCage { .. })));
        return;
    }
    let open = folder();
    let (left, hung) = (mark(6), mark(7));
    let script = format!(
        "id -u; grep -c '^Cap.*0000000000000000$' /proc/self/status; cd /proc; echo [0-9]*; cd /; \
        (echo x > /proc/sys/kernel/core_pattern) 2>/dev/null && echo wrote; test -e /etc/shadow && echo seen; \
        tail -n +3 /proc/net/dev | cut -d: -f1; unshare -U true 2>/dev/null && echo nested; \
        cp /usr/bin/true /out/true; /out/true 2>/dev/null && echo ran; setsid sleep {left} & echo made > /out/made; \
        sleep 0.2; exit 5"
    );
    let job = shell(&script).mount(Mount::read_write(open.path(), "/out"));
    let done = cage.run(&job, &mut |_, _| {}).unwrap();
    let said = text(&done.stdout).replace(' ', "");
    assert_eq!((&*said, done.exit), ("65534\n5\n12\nlo", Exit::Code(5)), "{}", text(&done.stderr));
    assert_eq!(fs::read_to_string(open.path().join("made")).unwrap(), "made\n");
    assert!(!alive(&left));
    assert!(matches!(done.confinement, Applied::Caged { by: Maker::Bubblewrap, .. }));
    let job = shell(&format!("setsid sleep {hung} & sleep {hung}")).limits(seconds(1));
    assert_eq!(cage.run(&job, &mut |_, _| {}).unwrap().exit, Exit::WallClock);
    assert!(!alive(&hung));
}

#[test]
fn home_is_private_and_writable() {
    let job = shell("cd && echo x > file && cat file && pwd").env("HOME", INSIDE_HOME);
    assert_eq!(text(&run(&job).stdout), "x\n/home/kavi");
    assert_eq!(text(&run(&shell("ls -A \"$HOME\"").env("HOME", INSIDE_HOME)).stdout), "");
}

#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    use std::os::unix::process::CommandExt;
    // When an ordinary user runs the tests, the others have shown it.
    if !is_root() {
        return;
    }
    let place = folder();
    let (tests, binary) = (place.path().join("tests"), place.path().join("kavi"));
    fs::copy(std::env::current_exe().unwrap(), &tests).unwrap();
    fs::copy(exe(), &binary).unwrap();
    let output = std::process::Command::new(&tests)
        .env_clear()
        .env("KAVI_TEST_EXE", &binary)
        .current_dir("/")
        .uid(1234)
        .gid(1234)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
}
