//! What a service may still do once it is confined.

/// What a service may still do once it is confined.
#[derive(Debug, Clone, Copy)]
pub struct ServiceScope<'a> {
    /// Files and folders that it may read. One that does not exist is left out.
    pub readable: &'a [&'a str],
    /// TCP ports that it may connect to.
    pub ports: &'a [u16],
}
