//! policy

pub mod scan;
