//! From text to text through a typed function: the glue behind [`export_skill!`](crate::export_skill).

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::SkillError;

/// Runs a skill on a JSON text.
///
/// # Errors
/// Invalid input if the text does not fit `I`, what the function answers, and failed if its output is no JSON.
pub fn call<I, O>(run: impl FnOnce(I) -> Result<O, SkillError>, input: &str) -> Result<String, SkillError>
where
    I: DeserializeOwned,
    O: Serialize,
{
    let input = serde_json::from_str(input).map_err(|error| SkillError::invalid_input(error.to_string()).cut())?;
    let output = run(input).map_err(SkillError::cut)?;
    serde_json::to_string(&output).map_err(|error| SkillError::failed(format!("the output is not JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_refused_in_both_directions() {
        let long = |_: ()| Err::<(), _>(SkillError::failed("x".repeat(100_000)));
        assert!(call(long, "null").is_err_and(|error| error.message().len() < 5_000));
        let nothing = |_: ()| Ok::<_, SkillError>(());
        assert_eq!(call(nothing, "null"), Ok("null".to_owned()));
        for bad in ["", "{", "null null", "1", &"[".repeat(10_000)] {
            assert!(matches!(call(nothing, bad), Err(SkillError::InvalidInput(_))), "{bad:.20}");
        }
        let unnamed = |_: ()| Ok(std::collections::BTreeMap::from([((1, 2), 3)]));
        assert!(matches!(call(unnamed, "null"), Err(SkillError::Failed(_))));
    }
}
