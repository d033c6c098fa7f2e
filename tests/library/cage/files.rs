//! What a job sees of the file tree, what it can change, and what it leaves.

use super::*;

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
    let mount = Mount { host: open.path().into(), inside: "/out".into(), access: MountAccess::ReadWriteExecute };
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
    assert_eq!(done.confinement, AppliedConfinement::Unconfined);
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
        CageError::Setup { step: SetupStep::Mounts, why } => why,
        other => panic!("{other}"),
    };
    let bubblewrap = Path::new("/usr/bin/bwrap").exists().then(|| Cage::only_by(exe(), CageMethod::Bubblewrap));
    for cage in [cage()].into_iter().chain(bubblewrap) {
        assert!(refusal(&cage, Mount::read_only(one.path().join("absent"), "/x")).contains("absent"));
        assert!(refusal(&cage, Mount::read_only(one.path().join("link"), "/x")).contains("symbolic link"));
        // A mount point is never made in a host folder.
        let job =
            shell("true").mount(Mount::read_write(one.path(), "/x")).mount(Mount::read_only(one.path(), "/x/new"));
        let error = cage.run(&job, &mut |_, _| {}).unwrap_err();
        assert!(matches!(error, CageError::Setup { step: SetupStep::Mounts, .. }), "{error}");
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
fn home_is_private_and_writable() {
    let job = shell("cd && echo x > file && cat file && pwd").env("HOME", INSIDE_HOME);
    assert_eq!(text(&run(&job).stdout), "x\n/home/kavi");
    assert_eq!(text(&run(&shell("ls -A \"$HOME\"").env("HOME", INSIDE_HOME)).stdout), "");
}
