//! Calls itself as deep as it is told, without an end if that is deep enough.

use std::hint::black_box;

use kavi_sdk::prelude::*;

fn down(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    if depth == 0 { frame[0] } else { black_box(down(depth - 1)) + frame[31] }
}

fn run(depth: u64) -> Result<u64, SkillError> {
    Ok(down(depth))
}

kavi_sdk::export_skill!(run);
