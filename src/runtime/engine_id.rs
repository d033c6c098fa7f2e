//! Which engine made some machine code.

use std::hash::{Hash, Hasher};

use wasmtime::Engine;

/// The wasmtime that is compiled in. The engine's own check of machine code looks at its major version only.
pub const WASMTIME_VERSION: &str = "48.0.8";

/// Everything that decides what machine code an engine makes and takes: its settings, its version, the processor's features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EngineId([u8; 32]);

impl EngineId {
    /// Its length in bytes.
    pub(super) const BYTES: usize = 32;

    pub(super) fn of(engine: &Engine) -> Self {
        let mut hasher = IdHasher(blake3::Hasher::new_derive_key("kavi 2026-11-20 engine of skills"));
        // The engine's hash covers the major version only, and a patch release can change the code.
        WASMTIME_VERSION.hash(&mut hasher);
        // Contains the processor's features: code for a newer processor must not be loaded on an
        // older one.
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self(hasher.0.finalize().into())
    }

    pub(super) fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// Passes what is hashed on to a cryptographic hash. The standard hasher has 64 bits, for which collisions can be made.
struct IdHasher(blake3::Hasher);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.finalize();
        digest.as_bytes().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }
}
