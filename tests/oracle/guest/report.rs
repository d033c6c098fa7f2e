//! How an answer is written, and what every part of the guest needs.

use std::fmt::Display;

use crate::bindings::wasi::{
    filesystem::{
        preopens::get_directories,
        types::{Descriptor, DescriptorFlags, DescriptorType, ErrorCode, OpenFlags, PathFlags},
    },
    io::streams::StreamError,
};

pub const NONE: OpenFlags = OpenFlags::empty();
pub const READ: DescriptorFlags = DescriptorFlags::READ;
pub const WRITE: DescriptorFlags = DescriptorFlags::WRITE;
pub const NOFOLLOW: PathFlags = PathFlags::empty();

/// One line of the report.
pub fn line(operation: impl Display, answer: impl Display) {
    println!("{operation} = {answer}");
}

/// An answer of the file system.
pub fn told<T: Display>(answer: Result<T, ErrorCode>) -> String {
    match answer {
        Ok(value) => value.to_string(),
        Err(code) => code.name().to_owned(),
    }
}

/// An answer without a value.
pub fn done<T>(answer: Result<T, ErrorCode>) -> String {
    told(answer.map(|_| "ok"))
}

/// An answer of a stream.
pub fn streamed<T: Display>(answer: Result<T, StreamError>) -> String {
    match answer {
        Ok(value) => value.to_string(),
        Err(StreamError::Closed) => "closed".to_owned(),
        Err(StreamError::LastOperationFailed(error)) => {
            let code = crate::bindings::wasi::filesystem::types::filesystem_error_code(&error);
            format!("failed: {}", code.map_or("unknown", |code| code.name()))
        }
    }
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}

/// One of the two folders of a run.
pub fn root(name: &str) -> Descriptor {
    let found = get_directories().into_iter().find(|(_, path)| path == name);
    found.map(|(folder, _)| folder).expect("the folder is preopened")
}

/// Opens a folder that is there.
pub fn folder(parent: &Descriptor, path: &str) -> Descriptor {
    let flags = READ | DescriptorFlags::MUTATE_DIRECTORY;
    parent.open_at(NOFOLLOW, path, OpenFlags::DIRECTORY, flags).expect("the folder opens")
}

/// Writes a whole file.
pub fn put(parent: &Descriptor, path: &str, contents: &str) {
    let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let file = parent.open_at(NOFOLLOW, path, flags, WRITE).expect("the file opens");
    assert_eq!(file.write(contents.as_bytes(), 0).expect("the file is written"), contents.len() as u64);
}

/// Reads a whole small file.
pub fn get(parent: &Descriptor, path: &str) -> String {
    let file = parent.open_at(NOFOLLOW, path, NONE, READ);
    told(file.and_then(|file| file.read(1000, 0)).map(|(bytes, _)| text(&bytes)))
}

/// The names in a folder, sorted.
pub fn names(folder: &Descriptor) -> Result<Vec<(String, DescriptorType)>, ErrorCode> {
    let entries = folder.read_directory()?;
    let mut names = Vec::new();
    while let Some(entry) = entries.read_directory_entry()? {
        names.push((entry.name, entry.type_));
    }
    names.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(names)
}

/// Everything below a folder, on one line.
pub fn tree(folder_: &Descriptor) -> String {
    let mut all = Vec::new();
    walk(folder_, "", &mut all);
    all.join(" ")
}

fn walk(at: &Descriptor, path: &str, all: &mut Vec<String>) {
    for (name, kind) in names(at).expect("the folder is listed") {
        let below = format!("{path}{name}");
        match kind {
            DescriptorType::Directory => {
                all.push(format!("{below}/"));
                walk(&folder(at, &name), &format!("{below}/"), all);
            }
            DescriptorType::RegularFile => all.push(format!("{below}:{}", get(at, &name).replace('"', ""))),
            kind => all.push(format!("{below}:{kind:?}")),
        }
    }
}

/// Removes everything below a folder.
pub fn clear(at: &Descriptor) {
    for (name, kind) in names(at).expect("the folder is listed") {
        if kind == DescriptorType::Directory {
            clear(&folder(at, &name));
            at.remove_directory_at(&name).expect("the folder is removed");
        } else {
            at.unlink_file_at(&name).expect("the file is removed");
        }
    }
}
