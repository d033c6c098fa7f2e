//! What an open file or folder can do.

use crate::{
    bindings::wasi::clocks::wall_clock::Datetime,
    bindings::wasi::filesystem::types::{
        Advice, Descriptor, DescriptorFlags, DescriptorType, ErrorCode, NewTimestamp, OpenFlags,
    },
    report::{NOFOLLOW, NONE, READ, WRITE, done, folder, get, line, put, root, text, told},
};

const MUTATE: DescriptorFlags = DescriptorFlags::MUTATE_DIRECTORY;

pub fn report() {
    let (vault, out) = (root("/vault"), root("/out"));
    roots(&vault, &out);
    opening(&vault, &out);
    reading(&vault);
    writing(&out);
    stats(&vault, &out);
    wrong_kinds(&vault, &out);
    times(&vault, &out);
    sameness(&vault, &out);
}

fn flags(answer: Result<DescriptorFlags, ErrorCode>) -> String {
    told(answer.map(|flags| {
        let names = [(READ, "read"), (WRITE, "write"), (MUTATE, "mutate")];
        let set = names.iter().filter(|(flag, _)| flags.bits() & flag.bits() != 0).map(|(_, name)| *name);
        let more = if flags.bits() & !(READ | WRITE | MUTATE).bits() == 0 { "" } else { " and more" };
        let set = set.collect::<Vec<_>>().join("+");
        if set.is_empty() { format!("no mode{more}") } else { format!("{set}{more}") }
    }))
}

fn roots(vault: &Descriptor, out: &Descriptor) {
    for (name, root) in [("vault", vault), ("out", out)] {
        line(format_args!("{name} type"), told(root.get_type().map(|kind| format!("{kind:?}"))));
        line(format_args!("{name} flags"), flags(root.get_flags()));
    }
}

/// All combinations of flags, on what is there and on what is not.
fn opening(vault: &Descriptor, out: &Descriptor) {
    let ways = [
        ("none", NONE),
        ("create", OpenFlags::CREATE),
        ("exclusive", OpenFlags::EXCLUSIVE),
        ("create+exclusive", OpenFlags::CREATE | OpenFlags::EXCLUSIVE),
        ("truncate", OpenFlags::TRUNCATE),
        ("create+truncate", OpenFlags::CREATE | OpenFlags::TRUNCATE),
        ("directory", OpenFlags::DIRECTORY),
        ("create+directory", OpenFlags::CREATE | OpenFlags::DIRECTORY),
        ("directory+truncate", OpenFlags::DIRECTORY | OpenFlags::TRUNCATE),
    ];
    let modes = [
        ("read", READ),
        ("write", WRITE),
        ("read+write", READ | WRITE),
        ("no mode", DescriptorFlags::empty()),
        ("read+mutate", READ | MUTATE),
    ];
    for (way, open) in ways {
        // The last two matter only to what is opened without a change.
        let modes = if open.bits() == 0 { &modes[..] } else { &modes[..3] };
        for &(mode, flags_) in modes {
            put(out, "file", "12345");
            out.create_directory_at("folder").expect("the folder is made");
            for name in ["file", "folder", "new"] {
                let answer = out.open_at(NOFOLLOW, name, open, flags_).and_then(|opened| opened.get_flags());
                let file = get(out, "file");
                let made = out.stat_at(NOFOLLOW, "new").is_ok();
                line(format_args!("out open {way}, {mode}, {name}"), format_args!("{} {file} {made}", flags(answer)));
            }
            let _ = out.unlink_file_at("new");
            out.unlink_file_at("file").expect("the file is removed");
            out.remove_directory_at("folder").expect("the folder is removed");
            if open.bits() & OpenFlags::EXCLUSIVE.bits() != 0 {
                continue;
            }
            for name in ["a.md", "sub", "new"] {
                let answer = vault.open_at(NOFOLLOW, name, open, flags_).and_then(|opened| opened.get_flags());
                line(format_args!("vault open {way}, {mode}, {name}"), flags(answer));
            }
        }
    }
}

fn reading(vault: &Descriptor) {
    let file = vault.open_at(NOFOLLOW, "a.md", NONE, READ).expect("the file opens");
    for (length, offset) in [(100, 0), (2, 1), (0, 0), (1, 4), (1, 5), (10, 3), (0, 5), (10, 1 << 40), (5, u64::MAX)] {
        let answer = file.read(length, offset).map(|(bytes, end)| format!("{} {end}", text(&bytes)));
        line(format_args!("read {length} at {offset}"), told(answer));
    }
    line("read of a file without read", {
        let file = vault.open_at(NOFOLLOW, "a.md", NONE, DescriptorFlags::empty());
        told(file.and_then(|file| file.read(10, 0)).map(|(bytes, _)| text(&bytes)))
    });
    let big = vault.open_at(NOFOLLOW, "big.bin", NONE, READ).expect("the file opens");
    line(
        "read of a big file gives something",
        big.read(1 << 20, 0).is_ok_and(|(bytes, end)| !bytes.is_empty() && !end),
    );
    line("write to a file of the vault", told(file.write(b"x", 0)));
    line("resize of a file of the vault", done(file.set_size(0)));
    line("advise", done(file.advise(0, 5, Advice::Sequential)));
    line("advise beyond the end", done(file.advise(100, 0, Advice::WillNeed)));
    line("sync of a file of the vault", done(file.sync()));
    line("sync-data of a file of the vault", done(file.sync_data()));
    line("sync of the vault", done(vault.sync()));
    line("sync-data of the vault", done(vault.sync_data()));
}

fn writing(out: &Descriptor) {
    let open = |flags| out.open_at(NOFOLLOW, "w.md", OpenFlags::CREATE, flags).expect("the file opens");
    let file = open(READ | WRITE);
    line("write", told(file.write(b"hello", 0)));
    line("write in the middle", told(file.write(b"EL", 1)));
    line("write nothing", told(file.write(b"", 100)));
    line("after writes", get(out, "w.md"));
    line("write behind the end", told(file.write(b"!", 8)));
    line("after a hole", get(out, "w.md"));
    line("write at the last offset", told(file.write(b"x", u64::MAX)));
    line("shrink", done(file.set_size(3)));
    line("after shrinking", get(out, "w.md"));
    line("grow", done(file.set_size(5)));
    line("after growing", get(out, "w.md"));
    line("sync", done(file.sync()));
    line("sync-data", done(file.sync_data()));
    line("write to a file open for reading", told(open(READ).write(b"x", 0)));
    line("resize of a file open for reading", done(open(READ).set_size(1)));
    line("read of a file open for writing", told(open(WRITE).read(1, 0).map(|(bytes, _)| text(&bytes))));
    line("write of a file that was removed", {
        out.unlink_file_at("w.md").expect("the file is removed");
        told(file.write(b"gone", 0))
    });
    line("read of a file that was removed", told(file.read(10, 0).map(|(bytes, _)| text(&bytes))));
    line("stat of a file that was removed", told(file.stat().map(|stat| stat.size)));
    put(out, "w.md", "one");
    let old = out.open_at(NOFOLLOW, "w.md", NONE, READ).expect("the file opens");
    put(out, "v.md", "two");
    line("rename over an open file", done(out.rename_at("v.md", out, "w.md")));
    line("read of a file that was replaced", told(old.read(10, 0).map(|(bytes, _)| text(&bytes))));
    line("read of what replaced it", get(out, "w.md"));
    out.unlink_file_at("w.md").expect("the file is removed");
}

fn stats(vault: &Descriptor, out: &Descriptor) {
    put(out, "s.md", "12345");
    let (file, sub) = (vault.open_at(NOFOLLOW, "a.md", NONE, READ).expect("the file opens"), folder(out, "."));
    let answers = [
        ("file", file.stat()),
        ("vault file", vault.stat_at(NOFOLLOW, "a.md")),
        ("out file", out.stat_at(NOFOLLOW, "s.md")),
        ("vault folder", vault.stat_at(NOFOLLOW, "sub")),
        ("vault", vault.stat()),
        ("out", sub.stat()),
        ("link", vault.stat_at(NOFOLLOW, "link-in")),
        ("pipe", vault.stat_at(NOFOLLOW, "pipe")),
    ];
    for (name, answer) in answers {
        let Ok(stat) = answer else {
            line(format_args!("stat of {name}"), done(answer));
            continue;
        };
        line(format_args!("stat of {name}: type"), format_args!("{:?}", stat.type_));
        line(format_args!("stat of {name}: size"), stat.size);
        if stat.type_ == DescriptorType::RegularFile {
            line(format_args!("stat of {name}: links"), stat.link_count);
        }
        line(format_args!("stat of {name}: accessed"), stat.data_access_timestamp.is_some());
        line(format_args!("stat of {name}: modified"), stat.data_modification_timestamp.is_some());
        line(format_args!("stat of {name}: changed"), stat.status_change_timestamp.is_some());
    }
    out.unlink_file_at("s.md").expect("the file is removed");
}

/// A folder where a file is asked for, and the other way round.
fn wrong_kinds(vault: &Descriptor, out: &Descriptor) {
    put(out, "k.md", "x");
    let file = out.open_at(NOFOLLOW, "k.md", NONE, READ | WRITE).expect("the file opens");
    line("read of a folder", told(vault.read(10, 0).map(|_| "ok")));
    line("write to a folder", told(out.write(b"x", 0)));
    line("resize of a folder", done(out.set_size(0)));
    line("advise about a folder", done(out.advise(0, 0, Advice::Normal)));
    line("read-via-stream of a folder", done(out.read_via_stream(0)));
    line("write-via-stream to a folder", done(out.write_via_stream(0)));
    line("append-via-stream to a folder", done(out.append_via_stream()));
    line("listing of a file", done(file.read_directory()));
    line("open-at in a file", done(file.open_at(NOFOLLOW, "x", NONE, READ)));
    line("stat-at in a file", done(file.stat_at(NOFOLLOW, "x")));
    line("hash-at in a file", done(file.metadata_hash_at(NOFOLLOW, "x")));
    line("mkdir in a file", done(file.create_directory_at("x")));
    line("rmdir in a file", done(file.remove_directory_at("x")));
    line("unlink in a file", done(file.unlink_file_at("x")));
    line("rename in a file", done(file.rename_at("x", out, "y")));
    line("rename into a file", done(out.rename_at("k.md", &file, "y")));
    line("link in a file", done(file.link_at(NOFOLLOW, "x", out, "y")));
    line("symlink in a file", done(file.symlink_at("x", "y")));
    line("readlink in a file", done(file.readlink_at("x")));
    drop(file);
    out.unlink_file_at("k.md").expect("the file is removed");
}

fn times(vault: &Descriptor, out: &Descriptor) {
    put(out, "t.md", "x");
    let file = out.open_at(NOFOLLOW, "t.md", NONE, READ | WRITE).expect("the file opens");
    let then = NewTimestamp::Timestamp(Datetime { seconds: 1_000_000_000, nanoseconds: 0 });
    line("set-times to now", done(file.set_times(NewTimestamp::Now, NewTimestamp::Now)));
    line("set-times to a time", done(file.set_times(NewTimestamp::NoChange, then)));
    line("set-times to nothing new", done(file.set_times(NewTimestamp::NoChange, NewTimestamp::NoChange)));
    line("set-times-at", done(out.set_times_at(NOFOLLOW, "t.md", then, then)));
    line("set-times-at of what is missing", done(out.set_times_at(NOFOLLOW, "missing", then, then)));
    line("set-times-at in the vault", done(vault.set_times_at(NOFOLLOW, "a.md", then, then)));
    out.unlink_file_at("t.md").expect("the file is removed");
}

fn sameness(vault: &Descriptor, out: &Descriptor) {
    let open = |path| vault.open_at(NOFOLLOW, path, NONE, READ).expect("the file opens");
    let (a, again, b) = (open("a.md"), open("sub/../a.md"), open("sub/b.md"));
    line("a file is the same object as itself", a.is_same_object(&again));
    line("two files are the same object", a.is_same_object(&b));
    line("a folder is the same object as itself", vault.is_same_object(&open(".")));
    line("vault and out are the same object", vault.is_same_object(out));
    let hash = |at: &Descriptor| at.metadata_hash().map(|hash| (hash.lower, hash.upper));
    line("hashes of one file are equal", hash(&a) == hash(&again));
    line("hashes of two files are equal", hash(&a) == hash(&b));
    let hash_at = vault.metadata_hash_at(NOFOLLOW, "a.md").map(|hash| (hash.lower, hash.upper));
    line("hashes of a file and of its path are equal", hash(&a) == hash_at);
    line("hash of a file", told(hash(&b).map(|hash| format!("{hash:?}"))));
}
