//! expect: policy/path
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use kavi_sdk::prelude::*;

fn run(_: Value) -> Result<bool, SkillError> {
    Ok(RandomState::new().hash_one(0).is_multiple_of(1000))
}

kavi_sdk::export_skill!(run);
