//! Bindings made from WIT by the library that also made the SDK's.

use std::{error::Error, path::Path};

use wit_bindgen_core::{Files, WorldGenerator, wit_parser::Resolve};
use wit_bindgen_rust::Opts;

/// The one Rust file that the generator makes for a world.
pub fn generate(wit: &Path, world: &str, options: Opts) -> Result<String, Box<dyn Error>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit)?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let mut files = files.iter();
    match (files.next(), files.next()) {
        (Some((_, text)), None) => Ok(String::from_utf8(text.to_vec())?),
        _ => Err("the generator did not make exactly one file".into()),
    }
}
