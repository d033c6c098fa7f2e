//! What an inspection finds wrong with a component: the bytes themselves, or what they ask for.

use std::fmt;

/// The bytes are not a component that can be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// A core module, from a build for another target.
    #[error("the bytes are a core wasm module, not a component (build for wasm32-wasip2)")]
    CoreModule,
    /// Neither a module nor a component, or one with features that skills do not need.
    #[error("the bytes are no valid component: {0}")]
    Invalid(String),
    /// Too large.
    #[error("limit `component_bytes` of {limit} reached: the component has {bytes}")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
}

/// A difference between what a component is and what its grants allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterfaceMismatch {
    /// It imports what is not granted.
    NotGranted {
        /// The import.
        import: String,
    },
    /// It imports a function that is refused although its interface is granted.
    Denied {
        /// `interface#function`.
        function: String,
    },
    /// It was built for another version.
    Version {
        /// The interface.
        interface: String,
        /// What it was built for.
        built_for: String,
        /// What the runtime speaks.
        wanted: String,
    },
    /// It does not export what it must.
    Missing {
        /// The export.
        export: String,
    },
    /// It exports what nobody asked for.
    Unexpected {
        /// The export.
        export: String,
    },
    /// Its `run` is not of the type in the contract.
    RunType,
    /// The `run` of its tests is not of the type that WASI says.
    TestRunType,
    /// It makes resources of its own.
    MakesResources,
}

impl fmt::Display for InterfaceMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGranted { import } => write!(f, "import `{import}` is not granted"),
            Self::Denied { function } => write!(f, "import of function `{function}` is refused"),
            Self::Version { interface, built_for, wanted } => {
                write!(f, "`{interface}` is wanted in version {wanted}, the component was built for {built_for}")
            }
            Self::Missing { export } => write!(f, "export `{export}` is missing"),
            Self::Unexpected { export } => write!(f, "export `{export}` is not part of the contract"),
            Self::RunType => f.write_str("export `run` is not `func(input: string) -> result<string, error>`"),
            Self::TestRunType => f.write_str("export `wasi:cli/run` has no `run: func() -> result`"),
            Self::MakesResources => f.write_str("it makes resources of its own, which no skill may"),
        }
    }
}
