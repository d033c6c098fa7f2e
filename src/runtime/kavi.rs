//! The host side of `kavi:skill`: logging, and seeding the vault of a test.
//!
//! Bound by hand, because a message is then read where it lies in the guest's memory and cut before it is
//! copied.

use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Lift, LinkerInstance, WasmStr},
};

use super::{outcome::LogLevel, state::State};

/// `kavi:skill/log.level`.
#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made by the derived lifting, which the lint does not see")]
enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

/// Links `kavi:skill/log`.
pub(super) fn link_log(instance: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    instance.func_wrap("write", |mut store: StoreContextMut<'_, State>, (level, message): (Level, WasmStr)| {
        let limits = &store.data().limits;
        let longest = super::state::count(limits.log_line_bytes);
        let text = message.to_str(&store)?;
        let end = text.floor_char_boundary(longest);
        let line = text[..end].to_owned();
        Ok(store.data_mut().log(level.into(), line)?)
    })
}

/// Links `kavi:skill/testing`.
pub(super) fn link_testing(instance: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    instance.func_wrap("seed", |mut store: StoreContextMut<'_, State>, (path, contents): (String, String)| {
        Ok((store.data_mut().files.seed(&path, &contents)?,))
    })
}
