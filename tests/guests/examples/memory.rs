//! Takes as many mebibytes as it is told, and touches each page of them.

use kavi_sdk::prelude::*;

fn run(mebibytes: usize) -> Result<usize, SkillError> {
    let blocks: Vec<Vec<u8>> = (0..mebibytes).map(|_| vec![1; 1 << 20]).collect();
    Ok(blocks.iter().map(|block| block.iter().map(|byte| usize::from(*byte)).sum::<usize>()).sum())
}

kavi_sdk::export_skill!(run);
