//! forge

pub mod scaffold;
pub mod sdk_sources;
