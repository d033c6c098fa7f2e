//! Computes for ever.

use std::hint::black_box;

use kavi_sdk::prelude::*;

fn run(_: Value) -> Result<(), SkillError> {
    loop {
        black_box(());
    }
}

kavi_sdk::export_skill!(run);
