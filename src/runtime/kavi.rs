//! The host side of `kavi:skill/log`.
//!
//! Bound by hand: a message is read where it lies in the guest's memory and cut before it is copied. Generated bindings
//! would copy all of it first.

use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Lift, LinkerInstance, WasmStr},
};

use crate::model::limits::count;

use super::{outcome::LogLevel, wall::state::GuestState};

/// `kavi:skill/log.level`.
#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made by the derived lifting, which the lint does not see")]
enum WitLevel {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

impl From<WitLevel> for LogLevel {
    fn from(level: WitLevel) -> Self {
        match level {
            WitLevel::Debug => Self::Debug,
            WitLevel::Info => Self::Info,
            WitLevel::Warn => Self::Warn,
            WitLevel::Error => Self::Error,
        }
    }
}

/// Links `kavi:skill/log`.
pub(super) fn link_log(instance: &mut LinkerInstance<'_, GuestState>) -> wasmtime::Result<()> {
    instance.func_wrap("write", |mut store: StoreContextMut<'_, GuestState>, (level, message): (WitLevel, WasmStr)| {
        let limits = &store.data().limits;
        let longest = count(limits.log_line_bytes);
        // Validated in place: a guest can pass megabytes, and only `log_line_bytes` of them are
        // copied.
        let text = message.to_str(&store)?;
        let end = text.floor_char_boundary(longest);
        let line = text[..end].to_owned();
        Ok(store.data_mut().log(level.into(), line)?)
    })
}
