//! The one way out that a job can be given, and what a job prints of itself.

use super::*;

/// A host that answers each connection with what it heard, in capitals.
fn shouting_host(listener: std::os::unix::net::UnixListener) {
    use std::io::{Read, Write};
    std::thread::spawn(move || {
        for mut peer in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut heard = String::new();
                peer.read_to_string(&mut heard).unwrap();
                peer.write_all(heard.to_uppercase().as_bytes()).unwrap();
            });
        }
    });
}

const ASK: &str = "import socket
def ask(text, port=4711):
    s = socket.create_connection(('127.0.0.1', port), 20); s.sendall(text.encode()); s.shutdown(socket.SHUT_WR)
    out = b''
    while True:
        got = s.recv(65536)
        if not got: return out.decode()
        out += got
";

#[test]
fn a_forward_leads_to_one_socket() {
    let one = folder();
    // Nobody but the forward gets through the folder.
    let closed = one.path().join("closed");
    fs::create_dir(&closed).unwrap();
    let socket = closed.join("gate");
    shouting_host(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let script = format!(
        "{ASK}
import threading
print(ask('hello'))
print(len(ask('x' * 3000000)))
out = []
threads = [threading.Thread(target=lambda i=i: out.append(ask('t%d' % i))) for i in range(12)]
[t.start() for t in threads]; [t.join() for t in threads]
print(' '.join(sorted(out)))
for i in range(100): assert ask('again') == 'AGAIN'
try: ask('x', 4712)
except OSError as error: print(type(error).__name__)
"
    );
    let Some(job) = python(&script) else { return };
    let done = run(&job.loopback_forward(4711, &socket).limits(seconds(60)));
    let said = "HELLO\n3000000\nT0 T1 T10 T11 T2 T3 T4 T5 T6 T7 T8 T9\nConnectionRefusedError";
    assert_eq!(text(&done.stdout), said, "{}", text(&done.stderr));
}

#[test]
fn a_forward_carries_no_more_than_it_can_and_recovers() {
    let one = folder();
    let socket = one.path().join("gate");
    shouting_host(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let script = format!(
        "{ASK}
held = [socket.create_connection(('127.0.0.1', 4711), 20) for i in range(60)]
[s.sendall(b'x') for s in held[:16]]
refused = 0
for s in held[16:]:
    try: refused += s.recv(1) == b''
    except ConnectionResetError: refused += 1
print(refused)
[s.close() for s in held]
while True:
    try:
        if ask('free') == 'FREE': break
    except OSError: pass
print(ask('free'))
"
    );
    let Some(job) = python(&script) else { return };
    let done = run(&job.loopback_forward(4711, &socket).limits(seconds(60)));
    assert_eq!(text(&done.stdout), "44\nFREE", "{}", text(&done.stderr));
}

#[test]
fn a_forward_to_nothing_closes_and_the_job_goes_on() {
    let one = folder();
    let socket = one.path().join("gate");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let Some(job) = python(&format!("{ASK}\ntry: print(repr(ask('x')))\nexcept OSError: print(repr(''))")) else {
        return;
    };
    let done = run(&job.loopback_forward(4711, &socket).limits(seconds(20)));
    assert_eq!(text(&done.stdout), "''", "{}", text(&done.stderr));
}

#[test]
fn without_a_cage_there_is_no_forward() {
    let job = Job::new("/usr/bin/true").loopback_forward(4711, "/tmp/nothing");
    let unconfined = Cage::new(exe(), Confinement::Unconfined);
    for refused in [unconfined.run(&job, &mut |_, _| {}), cage().run_tool(&job, &mut |_, _| {})] {
        assert!(matches!(refused, Err(CageError::ForwardOutside)), "{refused:?}");
    }
}

#[test]
fn a_job_prints_nothing_that_it_is_given() {
    let job = Job::new("/usr/bin/true").arg("made-up").env("TOKEN", "made-up").stdin(b"made-up".to_vec());
    let printed = format!("{job:?}");
    assert!(printed.contains("/usr/bin/true") && !printed.contains("made-up"), "{printed}");
}
