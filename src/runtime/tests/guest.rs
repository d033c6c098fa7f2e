//! A guest that tries one thing, named by its first argument, and prints what came of it.
//! Compiled by the tests with `rustc --target wasm32-wasip2`; plain `std`, as a skill would be.

#![allow(deprecated)]

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    thread,
    time::{Duration, Instant, SystemTime},
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["environment"] => println!("{:?} {:?}", std::env::vars().collect::<Vec<_>>(), arguments.len()),
        ["stdin"] => println!("{:?}", std::io::stdin().read_to_end(&mut Vec::new())),
        ["time"] => time(),
        ["chance"] => chance(),
        ["sleep-an-hour"] => thread::sleep(Duration::from_secs(3600)),
        ["sleep-forever"] => loop {
            thread::sleep(Duration::MAX);
        },
        ["read", path] => println!("{:?}", fs::read_to_string(path).map_err(|error| error.kind())),
        ["write", path, text] => println!("{:?}", fs::write(path, text).map_err(|error| error.kind())),
        ["list", path] => list(path),
        ["change", path] => change(path),
        ["links"] => links(),
        ["files"] => files(),
        ["seek"] => seek(),
        ["sparse", path, length] => {
            let file = File::create(path).unwrap();
            println!("{:?}", file.set_len(length.parse().unwrap()));
        }
        ["append", path, times] => {
            let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
            for _ in 0..times.parse().unwrap() {
                file.write_all(b"0123456789").unwrap();
            }
        }
        ["rewrite", path, times] => {
            for _ in 0..times.parse().unwrap() {
                fs::write(path, "0123456789").unwrap();
            }
        }
        ["many-files", count] => {
            for number in 0..count.parse::<u32>().unwrap() {
                File::create(format!("/out/{number}")).unwrap();
            }
        }
        ["many-folders", count] => {
            for number in 0..count.parse::<u32>().unwrap() {
                fs::create_dir(format!("/out/{number}")).unwrap();
                fs::remove_dir(format!("/out/{number}")).unwrap();
            }
        }
        ["hold-open", path, count] => {
            let open: Vec<_> = (0..count.parse().unwrap()).map(|_| File::open(path)).collect();
            println!("{} {}", open.len(), open.iter().all(Result::is_ok));
        }
        ["open-and-close", path, count] => {
            println!("{}", (0..count.parse::<u32>().unwrap()).all(|_| File::open(path).is_ok()));
        }
        ["hold-listings", path, count] => {
            let open: Vec<_> = (0..count.parse().unwrap()).map(|_| fs::read_dir(path)).collect();
            println!("{}", open.len());
        }
        ["deep", depth] => println!("{:?}", fs::create_dir_all(format!("/out{}", "/a".repeat(depth.parse().unwrap())))),
        ["spin"] => loop {
            std::hint::black_box(0);
        },
        ["spin-on-the-clock"] => loop {
            std::hint::black_box(Instant::now());
        },
        ["recurse"] => println!("{}", recurse(0)),
        ["memory"] => {
            let mut hog = Vec::new();
            loop {
                hog.push(vec![1_u8; 1 << 20]);
            }
        }
        ["flood"] => loop {
            println!("0123456789");
        },
        ["flood-stderr"] => loop {
            eprintln!("0123456789");
        },
        ["print", count] => print!("{}", "x".repeat(count.parse().unwrap())),
        ["exit", code] => std::process::exit(code.parse().unwrap()),
        ["panic"] => panic!("on purpose"),
        ["fine"] => println!("fine"),
        _ => println!("what is {arguments:?}?"),
    }
}

fn time() {
    let start = Instant::now();
    println!("{:?}", SystemTime::now().duration_since(SystemTime::UNIX_EPOCH));
    thread::sleep(Duration::from_secs(90));
    println!("{:?} {:?}", start.elapsed(), SystemTime::now().duration_since(SystemTime::UNIX_EPOCH));
}

fn chance() {
    let map: HashMap<u32, u32> = (0..50).map(|number| (number, number)).collect();
    println!("{:?}", map.keys().collect::<Vec<_>>());
}

fn list(path: &str) {
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata();
        let described = metadata.as_ref().map(|metadata| {
            let modified = metadata.modified().and_then(|time| Ok(time.duration_since(SystemTime::UNIX_EPOCH)));
            (metadata.is_file(), metadata.is_dir(), metadata.len(), modified.ok())
        });
        println!("{:?} {:?} {described:?}", entry.file_name(), entry.file_type().unwrap());
    }
}

fn change(path: &str) {
    let file = format!("{path}/a.md");
    println!("create {:?}", File::create(format!("{path}/new.md")).map(drop).map_err(|error| error.kind()));
    println!("append {:?}", OpenOptions::new().append(true).open(&file).map(drop).map_err(|error| error.kind()));
    println!("write {:?}", OpenOptions::new().write(true).open(&file).map(drop).map_err(|error| error.kind()));
    println!("folder {:?}", fs::create_dir(format!("{path}/new")).map_err(|error| error.kind()));
    println!("rename {:?}", fs::rename(&file, format!("{path}/b.md")).map_err(|error| error.kind()));
    println!("take {:?}", fs::rename(&file, "/out/a.md").map_err(|error| error.kind()));
    println!("remove {:?}", fs::remove_file(&file).map_err(|error| error.kind()));
    println!("rmdir {:?}", fs::remove_dir(format!("{path}/sub")).map_err(|error| error.kind()));
    println!("rmtree {:?}", fs::remove_dir_all(format!("{path}/sub")).map_err(|error| error.kind()));
}

fn links() {
    fs::write("/out/a.md", "x").unwrap();
    println!("hard {:?}", fs::hard_link("/out/a.md", "/out/b.md").map_err(|error| error.kind()));
    println!("soft {:?}", fs::soft_link("/etc/passwd", "/out/c.md").map_err(|error| error.kind()));
    println!("read {:?}", fs::read_link("/out/a.md").map_err(|error| error.kind()));
    let times = fs::FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
    let file = OpenOptions::new().write(true).open("/out/a.md").unwrap();
    println!("times {:?}", file.set_times(times).map_err(|error| error.kind()));
    println!("names {:?}", fs::read_dir("/out").unwrap().count());
}

fn files() {
    fs::create_dir_all("/out/a/b").unwrap();
    fs::write("/out/a/b/c.md", "hello").unwrap();
    let mut file = OpenOptions::new().append(true).open("/out/a/b/c.md").unwrap();
    file.write_all(b" world").unwrap();
    file.sync_all().unwrap();
    println!("{:?}", fs::read_to_string("/out/a/../a/./b//c.md"));
    println!(
        "new {:?}",
        OpenOptions::new().write(true).create_new(true).open("/out/a/b/c.md").map(drop).map_err(|error| error.kind())
    );
    fs::rename("/out/a/b/c.md", "/out/d.md").unwrap();
    fs::copy("/out/d.md", "/out/e.md").unwrap();
    println!("down {:?}", fs::rename("/out/a", "/out/a/b/c").map_err(|error| error.kind()));
    fs::rename("/out/a/b", "/out/f").unwrap();
    println!("file as folder {:?}", fs::read("/out/d.md/").map_err(|error| error.kind()));
    println!("unlink a folder {:?}", fs::remove_file("/out/f").is_err());
    fs::remove_dir_all("/out/a").unwrap();
    fs::remove_file("/out/e.md").unwrap();
    println!("{:?}", fs::metadata("/out/d.md").map(|metadata| metadata.len()));
    println!(
        "{:?} {}",
        fs::metadata("/out/e.md").map(drop).map_err(|error| error.kind()),
        fs::exists("/out/f").unwrap()
    );
}

fn seek() {
    let mut file = OpenOptions::new().read(true).write(true).create(true).open("/out/s.md").unwrap();
    file.write_all(b"0123456789").unwrap();
    file.seek(SeekFrom::Start(3)).unwrap();
    file.write_all(b"ab").unwrap();
    file.seek(SeekFrom::End(-6)).unwrap();
    let mut rest = String::new();
    file.read_to_string(&mut rest).unwrap();
    file.set_len(4).unwrap();
    println!("{rest} {:?}", fs::read_to_string("/out/s.md"));
}

fn recurse(depth: u64) -> u64 {
    let here = std::hint::black_box(depth);
    if here == u64::MAX { 0 } else { 1 + recurse(here + 1) }
}
