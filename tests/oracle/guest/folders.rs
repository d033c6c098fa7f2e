//! Folders: their listings, and what moves between them; and what there is only so much of.

use std::collections::BTreeSet;

use crate::{
    bindings::wasi::{
        cli::stdout,
        clocks::monotonic_clock,
        filesystem::types::{Descriptor, DescriptorFlags, OpenFlags},
        random::random,
    },
    report::{NOFOLLOW, NONE, READ, WRITE, clear, done, folder, get, line, names, put, root, told, tree},
};

pub fn report() {
    let (vault, out) = (root("/vault"), root("/out"));
    listings(&vault, &out);
    renames(&vault, &out);
    read_only_handles(&out);
    links(&vault, &out);
}

fn list(at: &Descriptor) -> String {
    told(names(at).map(|names| {
        let names: Vec<_> = names.into_iter().map(|(name, kind)| format!("{name} {kind:?}")).collect();
        names.join(", ")
    }))
}

fn listings(vault: &Descriptor, out: &Descriptor) {
    line("listing of the vault", list(vault));
    line("listing of a folder of the vault", list(&folder(out, ".")));
    line("listing of an empty folder", told(vault.open_at(NOFOLLOW, "empty", NONE, READ).map(|at| list(&at))));
    let odd = vault.open_at(NOFOLLOW, "odd", NONE, READ).expect("the folder opens");
    line("listing with a name that is no text", list(&odd));
    line("listing of out", list(out));
    // Made in an order that no file system gives back sorted.
    out.create_directory_at("many").expect("the folder is made");
    let many = folder(out, "many");
    for number in 0..64_u32 {
        put(&many, &format!("{}.md", (number * 37) % 64), "");
    }
    let entries = many.read_directory().expect("the folder is listed");
    let mut seen = Vec::new();
    while let Ok(Some(entry)) = entries.read_directory_entry() {
        seen.push(entry.name);
    }
    line("listing gives every name once", seen.iter().collect::<BTreeSet<_>>().len() == 64 && seen.len() == 64);
    line("listing is sorted", seen.is_sorted());
    line("listing after its end", format_args!("{:?}", entries.read_directory_entry().map(|entry| entry.is_some())));
    let entries = many.read_directory().expect("the folder is listed");
    many.unlink_file_at("1.md").expect("the file is removed");
    let mut count = 0;
    while let Ok(Some(_)) = entries.read_directory_entry() {
        count += 1;
    }
    line("listing does not see what happens later", count);
    drop(entries);
    clear(&many);
    drop(many);
    out.remove_directory_at("many").expect("the folder is removed");
}

fn renames(vault: &Descriptor, out: &Descriptor) {
    let fill = || {
        out.create_directory_at("one").expect("the folder is made");
        out.create_directory_at("one/inner").expect("the folder is made");
        out.create_directory_at("two").expect("the folder is made");
        out.create_directory_at("two/full").expect("the folder is made");
        put(out, "two/full/f.md", "full");
        put(out, "a.md", "alpha");
        put(out, "b.md", "beta");
    };
    let moves = [
        ("a.md", "c.md"),
        ("a.md", "b.md"),
        ("a.md", "a.md"),
        ("a.md", "one/a.md"),
        ("one/inner", "three"),
        ("one/inner", "two/inner"),
        ("one/inner", "two/full"),
        ("one", "two"),
        ("one", "one"),
        ("one", "one/inner/x"),
        ("one", "two/one"),
        ("a.md", "one"),
        ("one", "a.md"),
        ("missing", "c.md"),
        ("a.md", "missing/c.md"),
        ("two/full/f.md", "f.md"),
        ("a.md", "a.md/x"),
        ("two/full", "one/inner"),
        ("one/inner", "one"),
    ];
    for (from, to) in moves {
        fill();
        let answer = done(out.rename_at(from, out, to));
        line(format_args!("rename {from} to {to}"), format_args!("{answer}, then {}", tree(out)));
        clear(out);
    }
    fill();
    let two = folder(out, "two");
    line("rename between folders", done(out.rename_at("a.md", &two, "moved.md")));
    line("after a rename between folders", get(&two, "moved.md"));
    line("rename out of a folder that was moved", {
        out.rename_at("two", out, "zwei").expect("the folder is renamed");
        done(two.rename_at("moved.md", out, "back.md"))
    });
    line("rename from the vault", done(vault.rename_at("a.md", out, "stolen.md")));
    line("rename into the vault", done(out.rename_at("b.md", vault, "planted.md")));
    line("rename within the vault", done(vault.rename_at("a.md", vault, "c.md")));
    line("make a folder in one that was removed", {
        let gone = folder(out, "one/inner");
        out.remove_directory_at("one/inner").expect("the folder is removed");
        format!("{} {}", done(gone.create_directory_at("x")), list(&gone))
    });
    line("rmdir of a full folder", done(out.remove_directory_at("zwei")));
    line("open the parent of an open folder", done(two.open_at(NOFOLLOW, "..", NONE, READ)));
    drop(two);
    clear(out);
}

/// A folder that was opened without leave to change it.
fn read_only_handles(out: &Descriptor) {
    out.create_directory_at("ro").expect("the folder is made");
    put(out, "ro/a.md", "alpha");
    let folder = out.open_at(NOFOLLOW, "ro", OpenFlags::DIRECTORY, READ).expect("the folder opens");
    line("create below a folder open for reading", done(folder.open_at(NOFOLLOW, "n.md", OpenFlags::CREATE, WRITE)));
    line("write below a folder open for reading", done(folder.open_at(NOFOLLOW, "a.md", NONE, WRITE)));
    line("read below a folder open for reading", get(&folder, "a.md"));
    line("mkdir below a folder open for reading", done(folder.create_directory_at("x")));
    line("rename below a folder open for reading", done(folder.rename_at("a.md", &folder, "b.md")));
    line("unlink below a folder open for reading", done(folder.unlink_file_at("b.md")));
    line("rmdir below a folder open for reading", done(folder.remove_directory_at("x")));
    let mutate = READ | DescriptorFlags::MUTATE_DIRECTORY;
    line("a folder to change below one to read", done(folder.open_at(NOFOLLOW, ".", OpenFlags::DIRECTORY, mutate)));
    drop(folder);
    clear(out);
}

fn links(vault: &Descriptor, out: &Descriptor) {
    put(out, "a.md", "alpha");
    line("link", done(out.link_at(NOFOLLOW, "a.md", out, "hard.md")));
    line("symlink", done(out.symlink_at("a.md", "soft.md")));
    line("symlink to an absolute path", done(out.symlink_at("/etc/passwd", "absolute")));
    line("symlink out of the folder", done(out.symlink_at("../outside.md", "outside")));
    line("read through the symlink out of the folder", get(out, "outside"));
    line("readlink of what was made", told(out.readlink_at("soft.md")));
    line("readlink of a file", told(out.readlink_at("a.md")));
    line("link from the vault", done(vault.link_at(NOFOLLOW, "a.md", out, "v.md")));
    line("link into the vault", done(out.link_at(NOFOLLOW, "a.md", vault, "v.md")));
    line("symlink in the vault", done(vault.symlink_at("a.md", "v.md")));
    for name in ["hard.md", "soft.md", "outside", "absolute", "v.md", "a.md"] {
        let _ = out.unlink_file_at(name);
    }
}

/// Uses more of something than the tests allow, and says so when nothing stopped it.
pub fn use_up(what: &str) {
    let out = root("/out");
    match what {
        "bytes" => put(&out, "big", &"x".repeat(60_000)),
        "sparse" => {
            let file = out.open_at(NOFOLLOW, "sparse", OpenFlags::CREATE, WRITE).expect("the file opens");
            file.set_size(1 << 20).expect("the file grows");
        }
        "largest" => {
            let file = out.open_at(NOFOLLOW, "largest", OpenFlags::CREATE, WRITE).expect("the file opens");
            let _ = file.write(b"x", i64::MAX as u64);
        }
        "files" => (0..40).for_each(|number| put(&out, &number.to_string(), "")),
        "depth" => {
            let deep = |depth| "d/".repeat(depth);
            (1..20).for_each(|depth| out.create_directory_at(&deep(depth)).expect("the folder is made"));
        }
        "descriptors" => drop((0..200).map(|_| folder(&out, ".")).collect::<Vec<_>>()),
        "handles" => drop((0..2_000).map(|_| stdout::get_stdout()).collect::<Vec<_>>()),
        "random" => drop(random::get_random_bytes(2 << 20)),
        "stdout" => print!("{}", "x".repeat(300_000)),
        "sleep" => monotonic_clock::subscribe_duration(100_000_000).block(),
        _ => println!("unknown resource {what}"),
    }
    println!("{what}: nothing stopped it");
}
