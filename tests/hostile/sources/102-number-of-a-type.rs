//! expect: policy/path
use std::any::TypeId;

use kavi_sdk::prelude::*;

fn run(_: Value) -> Result<Value, SkillError> {
    Ok(json!(format!("{:?}", TypeId::of::<u8>())))
}

kavi_sdk::export_skill!(run);
