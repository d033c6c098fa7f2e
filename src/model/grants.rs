//! What a run is given. Which class gets what is decided in `policy::grants`, nowhere else.

/// The capabilities of one run, as the runtime links them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grants {
    /// `/vault`, read-only.
    pub vault: bool,
    /// `/out`, an empty staging folder, read-write.
    pub out: bool,
    /// Interfaces (without version) that a component of this class may import.
    pub imports: &'static [&'static str],
    /// Functions of those interfaces that may not be imported all the same, `interface#function`.
    pub denied_functions: &'static [&'static str],
}
