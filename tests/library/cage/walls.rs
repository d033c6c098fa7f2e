//! What a job cannot reach: capabilities, processes, network, kernel settings, system calls, inherited things.

use super::*;

#[test]
fn the_probe_finds_a_cage_here() {
    match cage().probe() {
        CageReport::Own { as_root, .. } => assert_eq!(as_root, is_root()),
        other => panic!("no cage of our own: {other:?}"),
    }
}

#[test]
fn the_record_says_what_was_in_force() {
    let AppliedConfinement::Caged { by, user_namespace, .. } = run(&shell("true")).confinement else {
        panic!("not caged")
    };
    assert_eq!(by, if is_root() { NamespaceMaker::OwnAsRoot } else { NamespaceMaker::Own });
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
fn inherited_descriptors_do_not_get_in() {
    // A descriptor that the caller's parent left open: a shell opens one and starts this test binary again.
    if std::env::var_os("KAVI_TEST_STRAY").is_some() {
        assert_eq!(says("ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3");
        return;
    }
    let output = std::process::Command::new("/usr/bin/sh")
        .args(["-c", "exec 7</etc/passwd; exec \"$0\" --exact \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg(crate::support::full_name(module_path!(), "inherited_descriptors_do_not_get_in"))
        .env("KAVI_TEST_STRAY", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("1 passed"), "{}", text(&output.stdout));
}

#[test]
fn bubblewrap_makes_the_same_walls() {
    let cage = Cage::only_by(exe(), CageMethod::Bubblewrap);
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
        cp /usr/bin/true /out/true; /out/true 2>/dev/null && echo ran; \
        true $(setsid sh -c 'exec >/dev/null; sleep {left}' 2>/dev/null &); echo made > /out/made; exit 5"
    );
    let job = shell(&script).mount(Mount::read_write(open.path(), "/out"));
    let done = cage.run(&job, &mut |_, _| {}).unwrap();
    let said = text(&done.stdout).replace(' ', "");
    assert_eq!((&*said, done.exit), ("65534\n5\n12\nlo", Exit::Code(5)), "{}", text(&done.stderr));
    assert_eq!(fs::read_to_string(open.path().join("made")).unwrap(), "made\n");
    assert!(!alive(&left));
    assert!(matches!(done.confinement, AppliedConfinement::Caged { by: NamespaceMaker::Bubblewrap, .. }));
    let job = shell(&format!("setsid sleep {hung} & sleep {hung}")).limits(seconds(1));
    assert_eq!(cage.run(&job, &mut |_, _| {}).unwrap().exit, Exit::WallClock);
    assert!(!alive(&hung));
}

#[test]
fn a_hidden_proc_gives_the_jobs_own_path_and_no_file() {
    let pry = "for file in cmdline version mounts self/mountinfo self/status self/environ self/cgroup sys/kernel/random/boot_id 1/status; do \
               cat /proc/$file 2>/dev/null && echo read $file; done; ls /proc /proc/self 2>/dev/null; readlink /proc/self/exe; echo end";
    let done = run(&shell(pry).hide_proc());
    assert_eq!(done.exit, Exit::Code(0), "{}", text(&done.stderr));
    let said = text(&done.stdout);
    assert!(said.starts_with("/usr/bin/") && said.ends_with("\nend") && said.lines().count() == 2, "{said}");
    // Everything else of the tree can be read as before, and a file can get a name in another folder.
    let rest = "cat /etc/passwd > /tmp/copy && cat /tmp/copy && ls /usr /dev > /dev/null && mkdir /tmp/a && ln /tmp/copy /tmp/a/copy";
    let done = run(&shell(rest).hide_proc());
    assert_eq!(done.exit, Exit::Code(0), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains("kavi"), "{} {}", text(&done.stdout), text(&done.stderr));
}
