//! Streams, pollables and their errors.
//!
//! Nothing here waits. A stream is always ready, and a timer is ready as soon as somebody waits for it,
//! because waiting moves the virtual clock.

use std::{os::unix::fs::FileExt, sync::Arc};

use wasmtime::component::Resource;

use crate::model::limits::count;
use crate::sync::uninterrupted;

use super::{
    FsError, StreamError,
    bindings::{
        filesystem::types::ErrorCode,
        io::{error, poll, streams},
    },
    staging::{OpenFile, size},
    state::GuestState,
};

/// The most that one read gives and one write should bring.
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// Why a stream failed. Its text is the same on every machine.
#[derive(Debug, Clone, Copy)]
pub struct IoError(pub(super) ErrorCode);

/// What a guest can wait for.
#[derive(Debug, Clone, Copy)]
pub enum Pollable {
    /// Ready, always.
    Ready,
    /// Ready when the monotonic clock shows this.
    At(u64),
}

/// What a guest reads from.
pub enum InputStream {
    /// Standard input: at its end from the start.
    Closed,
    /// A file, from a position on.
    #[expect(private_interfaces, reason = "public for the generated bindings only")]
    File(Arc<OpenFile>, u64),
}

/// Where a guest writes to.
pub enum OutputStream {
    /// Captured.
    Stdout,
    /// Captured.
    Stderr,
    /// A file, from a position on.
    #[expect(private_interfaces, reason = "public for the generated bindings only")]
    At(Arc<OpenFile>, u64),
    /// A file, at its end.
    #[expect(private_interfaces, reason = "public for the generated bindings only")]
    Append(Arc<OpenFile>),
}

impl GuestState {
    fn read_stream(&mut self, handle: &Resource<InputStream>, length: u64) -> Result<Vec<u8>, StreamError> {
        let stream = self.get_mut(handle)?;
        let InputStream::File(file, position) = stream else { return Err(StreamError::Closed) };
        let mut bytes = vec![0; count(length).min(CHUNK_BYTES)];
        let read = uninterrupted(|| file.file.read_at(&mut bytes, *position)).map_err(FsError::from)?;
        if read == 0 && length > 0 {
            return Err(StreamError::Closed);
        }
        *position += read as u64;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn write_stream(&mut self, handle: &Resource<OutputStream>, bytes: &[u8]) -> Result<(), StreamError> {
        match self.get(handle)? {
            OutputStream::Stdout => Ok(self.stdout.write(bytes)?),
            OutputStream::Stderr => Ok(self.stderr.write(bytes)?),
            OutputStream::At(file, position) => {
                let (file, position) = (file.clone(), *position);
                self.files.write(&file, bytes, position)?;
                if let OutputStream::At(_, position) = self.get_mut(handle)? {
                    *position += bytes.len() as u64;
                }
                Ok(())
            }
            OutputStream::Append(file) => {
                let file = file.clone();
                let end = rustix::fs::fstat(&file.file).map_err(FsError::from)?;
                Ok(self.files.write(&file, bytes, size(&end))?)
            }
        }
    }

    fn write_zeroes_to(&mut self, handle: &Resource<OutputStream>, length: u64) -> Result<(), StreamError> {
        if length > CHUNK_BYTES as u64 {
            return Err(StreamError::Trap(wasmtime::Error::msg("more zeroes than check-write permits")));
        }
        self.write_stream(handle, &vec![0; count(length)])
    }

    fn is_ready(&self, pollable: Pollable) -> bool {
        match pollable {
            Pollable::Ready => true,
            Pollable::At(when) => self.clock.is_past(when),
        }
    }
}

impl error::Host for GuestState {}

impl error::HostError for GuestState {
    fn to_debug_string(&mut self, handle: Resource<IoError>) -> wasmtime::Result<String> {
        Ok(format!("{:?}", self.get(&handle)?.0))
    }

    fn drop(&mut self, handle: Resource<IoError>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

impl poll::Host for GuestState {
    fn poll(&mut self, handles: Vec<Resource<Pollable>>) -> wasmtime::Result<Vec<u32>> {
        let pollables = handles.iter().map(|handle| self.get(handle).copied()).collect::<Result<Vec<_>, _>>()?;
        if pollables.is_empty() {
            return Err(wasmtime::Error::msg("poll of an empty list"));
        }
        if !pollables.iter().any(|pollable| self.is_ready(*pollable)) {
            let next = pollables.iter().filter_map(|pollable| match pollable {
                Pollable::Ready => None,
                Pollable::At(when) => Some(*when),
            });
            self.clock.advance_to(next.min().unwrap_or(0));
        }
        let ready = (0..).zip(&pollables).filter(|(_, pollable)| self.is_ready(**pollable));
        Ok(ready.map(|(index, _)| index).collect())
    }
}

impl poll::HostPollable for GuestState {
    fn ready(&mut self, handle: Resource<Pollable>) -> wasmtime::Result<bool> {
        let pollable = *self.get(&handle)?;
        Ok(self.is_ready(pollable))
    }

    fn block(&mut self, handle: Resource<Pollable>) -> wasmtime::Result<()> {
        if let Pollable::At(when) = *self.get(&handle)? {
            self.clock.advance_to(when);
        }
        Ok(())
    }

    fn drop(&mut self, handle: Resource<Pollable>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

impl streams::Host for GuestState {
    fn convert_stream_error(&mut self, error: StreamError) -> wasmtime::Result<streams::StreamError> {
        match error {
            StreamError::Closed => Ok(streams::StreamError::Closed),
            StreamError::Failed(code) => Ok(streams::StreamError::LastOperationFailed(self.push(IoError(code))?)),
            StreamError::Trap(error) => Err(error),
        }
    }
}

impl streams::HostInputStream for GuestState {
    fn read(&mut self, handle: Resource<InputStream>, length: u64) -> Result<Vec<u8>, StreamError> {
        self.read_stream(&handle, length)
    }

    fn blocking_read(&mut self, handle: Resource<InputStream>, length: u64) -> Result<Vec<u8>, StreamError> {
        self.read_stream(&handle, length)
    }

    fn skip(&mut self, handle: Resource<InputStream>, length: u64) -> Result<u64, StreamError> {
        Ok(self.read_stream(&handle, length)?.len() as u64)
    }

    fn blocking_skip(&mut self, handle: Resource<InputStream>, length: u64) -> Result<u64, StreamError> {
        Ok(self.read_stream(&handle, length)?.len() as u64)
    }

    fn subscribe(&mut self, _: Resource<InputStream>) -> wasmtime::Result<Resource<Pollable>> {
        self.push(Pollable::Ready)
    }

    fn drop(&mut self, handle: Resource<InputStream>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

impl streams::HostOutputStream for GuestState {
    fn check_write(&mut self, handle: Resource<OutputStream>) -> Result<u64, StreamError> {
        self.get(&handle)?;
        Ok(CHUNK_BYTES as u64)
    }

    fn write(&mut self, handle: Resource<OutputStream>, bytes: Vec<u8>) -> Result<(), StreamError> {
        self.write_stream(&handle, &bytes)
    }

    fn blocking_write_and_flush(&mut self, handle: Resource<OutputStream>, bytes: Vec<u8>) -> Result<(), StreamError> {
        self.write_stream(&handle, &bytes)
    }

    fn flush(&mut self, handle: Resource<OutputStream>) -> Result<(), StreamError> {
        self.get(&handle)?;
        Ok(())
    }

    fn blocking_flush(&mut self, handle: Resource<OutputStream>) -> Result<(), StreamError> {
        self.get(&handle)?;
        Ok(())
    }

    fn subscribe(&mut self, _: Resource<OutputStream>) -> wasmtime::Result<Resource<Pollable>> {
        self.push(Pollable::Ready)
    }

    fn write_zeroes(&mut self, handle: Resource<OutputStream>, length: u64) -> Result<(), StreamError> {
        self.write_zeroes_to(&handle, length)
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        handle: Resource<OutputStream>,
        length: u64,
    ) -> Result<(), StreamError> {
        self.write_zeroes_to(&handle, length)
    }

    fn splice(
        &mut self,
        handle: Resource<OutputStream>,
        source: Resource<InputStream>,
        length: u64,
    ) -> Result<u64, StreamError> {
        let bytes = self.read_stream(&source, length)?;
        self.write_stream(&handle, &bytes)?;
        Ok(bytes.len() as u64)
    }

    fn blocking_splice(
        &mut self,
        handle: Resource<OutputStream>,
        source: Resource<InputStream>,
        length: u64,
    ) -> Result<u64, StreamError> {
        self.splice(handle, source, length)
    }

    fn drop(&mut self, handle: Resource<OutputStream>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}
