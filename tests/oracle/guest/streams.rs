//! Streams over files.

use crate::{
    bindings::wasi::{
        filesystem::types::{Descriptor, OpenFlags},
        io::poll,
    },
    report::{NOFOLLOW, NONE, READ, WRITE, done, get, line, put, root, streamed, text},
};

pub fn report() {
    let (vault, out) = (root("/vault"), root("/out"));
    input(&vault);
    output(&out);
    splicing(&vault, &out);
    modes(&vault, &out);
}

fn input(vault: &Descriptor) {
    let file = vault.open_at(NOFOLLOW, "a.md", NONE, READ).expect("the file opens");
    let stream = file.read_via_stream(1).expect("the stream opens");
    let read = |length| streamed(stream.blocking_read(length).map(|bytes| text(&bytes)));
    line("stream read 2", read(2));
    line("stream skip 1", streamed(stream.blocking_skip(1)));
    line("stream read to the end", read(100));
    line("stream read at the end", read(1));
    line("stream read at the end again", read(1));
    line("stream skip at the end", streamed(stream.blocking_skip(1)));
    let pollable = stream.subscribe();
    line("stream at its end is ready", pollable.ready());
    pollable.block();
    line("stream poll", format_args!("{:?}", poll::poll(&[&pollable])));
    drop(pollable);
    drop(stream);
    let beyond = file.read_via_stream(100).expect("the stream opens");
    line("stream read beyond the end", streamed(beyond.blocking_read(1).map(|bytes| text(&bytes))));
    let last = file.read_via_stream(u64::MAX).expect("the stream opens");
    line("stream read at the last offset", streamed(last.blocking_read(1).map(|bytes| text(&bytes))));
    let nothing = file.read_via_stream(0).expect("the stream opens");
    line("stream read 0", streamed(nothing.blocking_read(0).map(|bytes| text(&bytes))));
    line("stream read after a read of 0", streamed(nothing.blocking_read(5).map(|bytes| text(&bytes))));
    let at_once = file.read_via_stream(0).expect("the stream opens");
    line("stream read without waiting", streamed(at_once.read(5).map(|bytes| text(&bytes))));
    at_once.subscribe().block();
    line("stream read after waiting", streamed(at_once.read(5).map(|bytes| text(&bytes))));
}

fn output(out: &Descriptor) {
    let file = out.open_at(NOFOLLOW, "o.md", OpenFlags::CREATE, WRITE).expect("the file opens");
    let stream = file.write_via_stream(0).expect("the stream opens");
    line("stream may be written", stream.check_write().is_ok_and(|bytes| bytes > 0));
    line("stream write", streamed(stream.write(b"one").map(|()| "ok")));
    line("stream flush", streamed(stream.blocking_flush().map(|()| "ok")));
    line("after a stream write", get(out, "o.md"));
    line("stream write goes on", streamed(stream.blocking_write_and_flush(b"two").map(|()| "ok")));
    line("stream write nothing", streamed(stream.blocking_write_and_flush(b"").map(|()| "ok")));
    line("stream zeroes", streamed(stream.blocking_write_zeroes_and_flush(2).map(|()| "ok")));
    line("after stream writes", get(out, "o.md"));
    line("output stream is ready", stream.subscribe().ready());
    let second = file.write_via_stream(1).expect("the stream opens");
    line("second stream write", streamed(second.blocking_write_and_flush(b"NE").map(|()| "ok")));
    line("after a second stream", get(out, "o.md"));
    let append = file.append_via_stream().expect("the stream opens");
    line("append", streamed(append.blocking_write_and_flush(b"three").map(|()| "ok")));
    line("append again", streamed(append.blocking_write_and_flush(b"four").map(|()| "ok")));
    line("after appends", get(out, "o.md"));
    line("shrink below an append", done(file.set_size(2)));
    line("append after shrinking", streamed(append.blocking_write_and_flush(b"!").map(|()| "ok")));
    line("after an append to a shrunken file", get(out, "o.md"));
    let hole = file.write_via_stream(6).expect("the stream opens");
    line("stream write behind the end", streamed(hole.blocking_write_and_flush(b"x").map(|()| "ok")));
    line("after a stream write behind the end", get(out, "o.md"));
    let last = file.write_via_stream(u64::MAX).expect("the stream opens");
    line("stream write at the last offset", streamed(last.blocking_write_and_flush(b"x").map(|()| "ok")));
    line("stream write after a failure", streamed(last.blocking_write_and_flush(b"x").map(|()| "ok")));
    drop((stream, second, append, hole, last));
    line("stream survives its file", {
        let stream = file.write_via_stream(0).expect("the stream opens");
        drop(file);
        streamed(stream.blocking_write_and_flush(b"Z").map(|()| "ok"))
    });
    line("after a stream that survived its file", get(out, "o.md"));
    out.unlink_file_at("o.md").expect("the file is removed");
}

fn splicing(vault: &Descriptor, out: &Descriptor) {
    let file = vault.open_at(NOFOLLOW, "a.md", NONE, READ).expect("the file opens");
    let copy = out.open_at(NOFOLLOW, "c.md", OpenFlags::CREATE, WRITE).expect("the file opens");
    let (from, to) = (file.read_via_stream(0), copy.write_via_stream(0));
    let (from, to) = (from.expect("the stream opens"), to.expect("the stream opens"));
    line("splice 2", streamed(to.blocking_splice(&from, 2)));
    line("splice the rest", streamed(to.blocking_splice(&from, 100)));
    line("splice at the end", streamed(to.blocking_splice(&from, 100)));
    drop((from, to, copy));
    line("after splices", get(out, "c.md"));
    out.unlink_file_at("c.md").expect("the file is removed");
}

/// Streams that the mode of the file does not allow.
fn modes(vault: &Descriptor, out: &Descriptor) {
    put(out, "m.md", "mode");
    let open = |flags| out.open_at(NOFOLLOW, "m.md", NONE, flags).expect("the file opens");
    line("write-via-stream of a file open for reading", done(open(READ).write_via_stream(0)));
    line("append-via-stream of a file open for reading", done(open(READ).append_via_stream()));
    let writing = open(WRITE).read_via_stream(0);
    line(
        "read-via-stream of a file open for writing",
        match writing {
            Ok(stream) => streamed(stream.blocking_read(1).map(|bytes| text(&bytes))),
            Err(code) => code.name().to_owned(),
        },
    );
    let file = vault.open_at(NOFOLLOW, "a.md", NONE, READ).expect("the file opens");
    line("write-via-stream in the vault", done(file.write_via_stream(0)));
    line("append-via-stream in the vault", done(file.append_via_stream()));
    out.unlink_file_at("m.md").expect("the file is removed");
}
