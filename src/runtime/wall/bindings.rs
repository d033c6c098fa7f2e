//! The host side of WASI 0.2, generated from `wit/`: traits and linking, no behaviour.
//!
//! Every resource is a type of our own, so that nothing of a stock WASI implementation is in the process.

wasmtime::component::bindgen!({
    path: "src/runtime/wit",
    world: "wall",
    imports: { default: trappable },
    trappable_error_type: {
        "wasi:io/streams.stream-error" => crate::runtime::wall::StreamError,
        "wasi:filesystem/types.error-code" => crate::runtime::wall::FsError,
    },
    with: {
        "wasi:io/error.error": crate::runtime::wall::io::IoError,
        "wasi:io/poll.pollable": crate::runtime::wall::io::Pollable,
        "wasi:io/streams.input-stream": crate::runtime::wall::io::InputStream,
        "wasi:io/streams.output-stream": crate::runtime::wall::io::OutputStream,
        "wasi:filesystem/types.descriptor": crate::runtime::wall::descriptor::Descriptor,
        "wasi:filesystem/types.directory-entry-stream": crate::runtime::wall::descriptor::Entries,
    },
});

pub(in crate::runtime) use wasi::*;
