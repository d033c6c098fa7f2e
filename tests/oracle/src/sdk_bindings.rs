//! The SDK's bindings are what the generator makes of `wit/` today.

use std::{error::Error, fs, path::Path};

use wit_bindgen_rust::{Opts, WithOption};

use crate::{ROOT, generate::generate};

/// One file of `sdk/src/bindings`, and how it is made.
struct Bindings {
    world: &'static str,
    file: &'static str,
    options: Opts,
}

fn all() -> [Bindings; 2] {
    let runtime_path = Some("crate::bindings::runtime".to_owned());
    let of_skill = |interface: &str| {
        let module = format!("crate::bindings::skill::kavi::skill::{interface}");
        (format!("kavi:skill/{interface}@0.3.0"), WithOption::Path(module))
    };
    [
        Bindings {
            world: "skill",
            file: "skill.rs",
            options: Opts {
                runtime_path: runtime_path.clone(),
                pub_export_macro: true,
                export_macro_name: Some("__export_skill".to_owned()),
                default_bindings_module: Some("kavi_sdk::bindings::skill".to_owned()),
                ..Opts::default()
            },
        },
        Bindings {
            world: "skill-test",
            file: "skill_test.rs",
            options: Opts { runtime_path, with: vec![of_skill("log"), of_skill("types")], ..Opts::default() },
        },
    ]
}

#[test]
fn the_bindings_of_the_sdk_are_what_the_generator_makes() -> Result<(), Box<dyn Error>> {
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk-bindings");
    fs::create_dir_all(&fresh)?;
    let mut changed = Vec::new();
    for Bindings { world, file, options } in all() {
        let made = generate(&Path::new(ROOT).join("wit"), world, options)?;
        if fs::read_to_string(Path::new(ROOT).join("sdk/src/bindings").join(file))? != made {
            // Kept for the person who changed the contract: the test itself never writes into the sources.
            fs::write(fresh.join(file), made)?;
            changed.push(file);
        }
    }
    let fresh = fresh.display();
    assert!(changed.is_empty(), "{changed:?} differ from wit/; copy them from {fresh} to sdk/src/bindings");
    Ok(())
}
