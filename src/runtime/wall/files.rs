//! `wasi:filesystem` over the two folders of a run.

use std::os::{fd::AsFd, unix::fs::FileExt};

use rustix::{
    fs::{FileType, Stat},
    io::Errno,
};
use wasmtime::component::Resource;

use crate::dir::beneath;
use crate::model::limits::count;
use crate::sync::uninterrupted;

use super::{
    FsError,
    bindings::filesystem::{
        preopens,
        types::{
            self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode,
            MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
        },
    },
    descriptor::{Descriptor, Entries, OpenRequest, Removal, look, type_of},
    io::{CHUNK_BYTES, InputStream, IoError, OutputStream},
    path::GuestPath,
    staging::{GuestFolder, size},
    state::GuestState,
};

/// What the guest may know: kind and size. Times, links and the size of a folder differ between machines.
fn describe(stat: &Stat) -> DescriptorStat {
    let kind = beneath::kind(stat);
    DescriptorStat {
        type_: type_of(kind),
        link_count: 1,
        size: if kind == FileType::RegularFile { size(stat) } else { 0 },
        data_access_timestamp: None,
        data_modification_timestamp: None,
        status_change_timestamp: None,
    }
}

fn hash_of(number: u64) -> MetadataHashValue {
    MetadataHashValue { lower: number, upper: 0 }
}

impl types::Host for GuestState {
    fn filesystem_error_code(&mut self, error: Resource<IoError>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(Some(self.get(&error)?.0))
    }

    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        match error {
            FsError::Code(code) => Ok(code),
            FsError::Trap(error) => Err(error),
        }
    }
}

impl types::HostDescriptor for GuestState {
    fn open_at(
        &mut self,
        handle: Resource<Descriptor>,
        _: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Result<Resource<Descriptor>, FsError> {
        let folder = self.descriptor(&handle)?.folder()?;
        let path_text = path;
        let path = GuestPath::parse_in(folder.area, &path_text)?;
        let wanted = OpenRequest::new(open, flags, &path);
        self.note_call(if wanted.changes() { "open to write" } else { "open" }, &path_text);
        if wanted.changes() {
            folder.area.writable()?;
        }
        let opened = self.open(&folder, &path, &wanted)?;
        let is_folder = opened.is_folder();
        let open = self.files.admit(opened)?;
        let depth = folder.depth + path.depth();
        Ok(self.push(Descriptor { open, area: folder.area, folder: is_folder, depth, flags })?)
    }

    fn read_via_stream(&mut self, handle: Resource<Descriptor>, offset: u64) -> Result<Resource<InputStream>, FsError> {
        let file = self.descriptor(&handle)?.readable_file()?;
        Ok(self.push(InputStream::File(file.open, offset))?)
    }

    fn write_via_stream(
        &mut self,
        handle: Resource<Descriptor>,
        offset: u64,
    ) -> Result<Resource<OutputStream>, FsError> {
        let file = self.descriptor(&handle)?.writable_file()?;
        Ok(self.push(OutputStream::At(file.open, offset))?)
    }

    fn append_via_stream(&mut self, handle: Resource<Descriptor>) -> Result<Resource<OutputStream>, FsError> {
        let file = self.descriptor(&handle)?.writable_file()?;
        Ok(self.push(OutputStream::Append(file.open))?)
    }

    fn read(&mut self, handle: Resource<Descriptor>, length: u64, offset: u64) -> Result<(Vec<u8>, bool), FsError> {
        let file = self.descriptor(&handle)?.readable_file()?;
        // The guest names the length, and the host has the memory.
        let mut bytes = vec![0; count(length).min(CHUNK_BYTES)];
        let read = uninterrupted(|| file.open.file.read_at(&mut bytes, offset))?;
        bytes.truncate(read);
        // A read of nothing says nothing about the end of the file.
        Ok((bytes, read == 0 && length > 0))
    }

    fn write(&mut self, handle: Resource<Descriptor>, bytes: Vec<u8>, offset: u64) -> Result<u64, FsError> {
        let file = self.descriptor(&handle)?.writable_file()?;
        self.files.write(&file.open, &bytes, offset)?;
        Ok(bytes.len() as u64)
    }

    fn set_size(&mut self, handle: Resource<Descriptor>, size: u64) -> Result<(), FsError> {
        let file = self.descriptor(&handle)?.writable_file()?;
        self.files.set_size(&file.open, size)
    }

    fn advise(&mut self, _: Resource<Descriptor>, _: u64, _: u64, _: Advice) -> Result<(), FsError> {
        Ok(())
    }

    // The host makes staged files durable when it commits them.
    fn sync_data(&mut self, _: Resource<Descriptor>) -> Result<(), FsError> {
        Ok(())
    }

    fn sync(&mut self, _: Resource<Descriptor>) -> Result<(), FsError> {
        Ok(())
    }

    fn get_flags(&mut self, handle: Resource<Descriptor>) -> Result<DescriptorFlags, FsError> {
        Ok(self.descriptor(&handle)?.flags)
    }

    fn get_type(&mut self, handle: Resource<Descriptor>) -> Result<DescriptorType, FsError> {
        let folder = self.descriptor(&handle)?.folder;
        Ok(if folder { DescriptorType::Directory } else { DescriptorType::RegularFile })
    }

    fn read_directory(&mut self, handle: Resource<Descriptor>) -> Result<Resource<Entries>, FsError> {
        let folder = self.descriptor(&handle)?.folder()?;
        self.note_call("list", "");
        let entries = self.list(&folder)?;
        Ok(self.push(entries)?)
    }

    fn create_directory_at(&mut self, handle: Resource<Descriptor>, path: String) -> Result<(), FsError> {
        let folder = self.descriptor(&handle)?.folder()?;
        let path = GuestPath::parse(&path)?;
        let (parent, name) = path.split().ok_or(ErrorCode::Exist)?;
        let parent = beneath::parent(folder.open.file.as_fd(), parent.as_deref())?;
        // Asked first, so that a folder that is there is not paid for, and the answer is the same
        // in both folders.
        match beneath::stat(&parent, name) {
            Ok(_) => return Err(ErrorCode::Exist.into()),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        folder.area.writable()?;
        // Before it is made. If that fails, it stays paid: else a guest could try for ever.
        self.files.pay_for_entry(folder.depth + path.depth())?;
        Ok(beneath::make_folder(&parent, name)?)
    }

    fn stat(&mut self, handle: Resource<Descriptor>) -> Result<DescriptorStat, FsError> {
        Ok(describe(&rustix::fs::fstat(&self.descriptor(&handle)?.open.file)?))
    }

    fn stat_at(
        &mut self,
        handle: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> Result<DescriptorStat, FsError> {
        let folder = self.descriptor(&handle)?.folder()?;
        self.note_call("stat", &path);
        Ok(describe(&look(&folder, flags, &GuestPath::parse_in(folder.area, &path)?)?))
    }

    fn remove_directory_at(&mut self, handle: Resource<Descriptor>, path: String) -> Result<(), FsError> {
        self.remove(&handle, &path, Removal::Folder)
    }

    fn unlink_file_at(&mut self, handle: Resource<Descriptor>, path: String) -> Result<(), FsError> {
        self.remove(&handle, &path, Removal::File)
    }

    fn rename_at(
        &mut self,
        handle: Resource<Descriptor>,
        old: String,
        target: Resource<Descriptor>,
        new: String,
    ) -> Result<(), FsError> {
        let from = self.descriptor(&handle)?.writable_folder()?;
        let to = self.descriptor(&target)?.writable_folder()?;
        self.rename(&from, &GuestPath::parse(&old)?, &to, &GuestPath::parse(&new)?)
    }

    fn is_same_object(&mut self, a: Resource<Descriptor>, b: Resource<Descriptor>) -> wasmtime::Result<bool> {
        // By the numbers of this run. Inodes differ between machines, and a replay must answer the
        // same.
        Ok(self.get(&a)?.open.number == self.get(&b)?.open.number)
    }

    fn metadata_hash(&mut self, handle: Resource<Descriptor>) -> Result<MetadataHashValue, FsError> {
        Ok(hash_of(self.descriptor(&handle)?.open.number))
    }

    fn metadata_hash_at(
        &mut self,
        handle: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> Result<MetadataHashValue, FsError> {
        let folder = self.descriptor(&handle)?.folder()?;
        let stat = look(&folder, flags, &GuestPath::parse_in(folder.area, &path)?)?;
        Ok(hash_of(self.files.number(&stat)?))
    }

    fn set_times(&mut self, _: Resource<Descriptor>, _: NewTimestamp, _: NewTimestamp) -> Result<(), FsError> {
        Err(ErrorCode::NotPermitted.into())
    }

    fn set_times_at(
        &mut self,
        _: Resource<Descriptor>,
        _: PathFlags,
        _: String,
        _: NewTimestamp,
        _: NewTimestamp,
    ) -> Result<(), FsError> {
        Err(ErrorCode::NotPermitted.into())
    }

    fn link_at(
        &mut self,
        _: Resource<Descriptor>,
        _: PathFlags,
        _: String,
        _: Resource<Descriptor>,
        _: String,
    ) -> Result<(), FsError> {
        Err(ErrorCode::NotPermitted.into())
    }

    fn symlink_at(&mut self, _: Resource<Descriptor>, _: String, _: String) -> Result<(), FsError> {
        Err(ErrorCode::NotPermitted.into())
    }

    fn readlink_at(&mut self, _: Resource<Descriptor>, _: String) -> Result<String, FsError> {
        Err(ErrorCode::NotPermitted.into())
    }

    fn drop(&mut self, handle: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

impl types::HostDirectoryEntryStream for GuestState {
    fn read_directory_entry(&mut self, handle: Resource<Entries>) -> Result<Option<DirectoryEntry>, FsError> {
        Ok(self.get_mut(&handle)?.left.pop())
    }

    fn drop(&mut self, handle: Resource<Entries>) -> wasmtime::Result<()> {
        let entries = self.delete(handle)?;
        self.files.release_entries(entries.held);
        Ok(())
    }
}

impl preopens::Host for GuestState {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let roots = self.files.roots();
        let mut directories = Vec::new();
        for (area, name, open) in roots {
            let flags = match area {
                // For the guest's library. The wall refuses changes by the folder, and not by these
                // flags.
                GuestFolder::Vault => DescriptorFlags::READ,
                GuestFolder::Out => DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY,
            };
            let root = self.push(Descriptor { open, area, folder: true, depth: 0, flags })?;
            directories.push((root, name));
        }
        Ok(directories)
    }
}
