//! Clocks, caps and resource limits.

use super::*;

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
    let idle = |limits: &mut JobLimits| limits.idle = Some(Duration::from_millis(300));
    assert_eq!(limited("echo one; sleep 1000", idle).exit, Exit::Idle);
    assert_eq!(limited("trap '' TERM INT HUP; sleep 1000 & wait", idle).exit, Exit::Idle);
}

#[test]
fn resource_limits_act() {
    let cpu = |limits: &mut JobLimits| limits.cpu = Some(Duration::from_secs(1));
    assert_eq!(limited("while :; do :; done", cpu).exit, Exit::Signal(24));
    // One that ignores the warning is killed.
    assert_eq!(limited("trap '' XCPU; while :; do :; done", cpu).exit, Exit::Signal(9));
    let small = |limits: &mut JobLimits| limits.file_size = Some(100_000);
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
