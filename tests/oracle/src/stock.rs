//! A guest on the stock implementation.

use std::error::Error;

use wasmtime::{
    Engine, Store,
    component::{Component, Linker, ResourceTable},
};
use wasmtime_wasi::{
    FsPerms, I32Exit, WasiCtx, WasiCtxView, WasiView,
    p2::{add_to_linker_sync, bindings::sync::Command, pipe::MemoryOutputPipe},
};

use crate::{folders::Folders, run::Seen};

struct State {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

/// One guest, compiled for the stock implementation.
pub struct Stock {
    component: Component,
    linker: Linker<State>,
}

impl Stock {
    pub fn new(component: &[u8]) -> Result<Self, Box<dyn Error>> {
        let engine = Engine::default();
        let mut linker = Linker::new(&engine);
        add_to_linker_sync(&mut linker)?;
        Ok(Self { component: Component::new(&engine, component)?, linker })
    }

    /// Runs the guest with the folders that Kavi gives, and as little else as the stock implementation can give.
    pub fn run(&self, arguments: &[&str], folders: &Folders) -> Result<Seen, Box<dyn Error>> {
        let (stdout, stderr) = (MemoryOutputPipe::new(4 << 20), MemoryOutputPipe::new(4 << 20));
        let mut builder = WasiCtx::builder();
        builder.arg("tests").args(arguments).stdout(stdout.clone()).stderr(stderr.clone());
        builder.preopened_dir(folders.vault(), "/vault", FsPerms::ReadOnly)?;
        builder.preopened_dir(folders.out(), "/out", FsPerms::ReadWrite)?;
        let state = State { ctx: builder.build(), table: ResourceTable::new() };
        let mut store = Store::new(self.linker.engine(), state);
        let command = Command::instantiate(&mut store, &self.component, &self.linker)?;
        let end = match command.wasi_cli_run().call_run(&mut store) {
            Ok(Ok(())) => "returned".to_owned(),
            Ok(Err(())) => "returned an error".to_owned(),
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(I32Exit(code)) => format!("exit {code}"),
                None => "trap".to_owned(),
            },
        };
        let text = |pipe: MemoryOutputPipe| String::from_utf8_lossy(&pipe.contents()).into_owned();
        Ok(Seen { end, stdout: text(stdout), stderr: text(stderr) })
    }
}
