//! The usual measures of a list of numbers.

use kavi_sdk::prelude::*;

/// What there is to say of some numbers.
#[derive(Debug, Serialize)]
pub struct Summary {
    min: f64,
    max: f64,
    mean: f64,
    median: f64,
    deviation: f64,
}

impl Summary {
    /// The summary, or `None` when there are no numbers.
    ///
    /// # Errors
    /// Invalid input when the numbers are too large to be added up.
    pub fn of(mut values: Vec<f64>) -> Result<Option<Self>, SkillError> {
        values.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (values.first().copied(), values.last().copied()) else {
            return Ok(None);
        };
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / count;
        let summary = Self {
            min,
            max,
            mean,
            median: median(&values),
            deviation: variance.sqrt(),
        };
        if !summary.mean.is_finite() || !summary.deviation.is_finite() {
            return Err(SkillError::invalid_input("the numbers are too large"));
        }
        Ok(Some(summary))
    }
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied().unwrap_or_default();
    if sorted.len() % 2 == 1 {
        return upper;
    }
    let lower = sorted.get(middle - 1).copied().unwrap_or_default();
    (lower + upper) / 2.0
}
