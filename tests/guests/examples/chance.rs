//! Answers with what differs between runs: times, and the seeds of two maps. A replay answers the same.

use std::hash::{BuildHasher, RandomState};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use kavi_sdk::prelude::*;

fn run(_: Value) -> Result<Value, SkillError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| SkillError::failed(error.to_string()))?;
    let seeds = [RandomState::new().hash_one(0), RandomState::new().hash_one(0)];
    Ok(json!({ "wall": since.as_nanos().to_string(), "elapsed": Instant::now().elapsed().as_nanos(), "seeds": seeds }))
}

kavi_sdk::export_skill!(run);
