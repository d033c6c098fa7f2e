//! A chain: skills that run one after the other. Each may take parts of the outputs of earlier ones.
//!
//! ```json
//! {"steps": [
//!    {"skill_name": "search_notes", "input": {"query": "kavi"}},
//!    {"skill_name": "summarize_note", "input_template": {"style": "bullet"},
//!     "from_prev": [{"to_field": "path", "from_path": "results.0.path"}]}],
//!  "options": {"stop_on_failure": true}}
//! ```
//!
//! A step has an `input`, or an `input_template` and mappings. A mapping takes the value at `from_path` in the output of step
//! `from_step_index` (by default the step before) and puts it at `to_field` of the input. Paths are names separated by dots; in an
//! array a name is a position from 0. `parent_index` says below which step this one is drawn in the session (by default the
//! step before).
//!
//! Guarantees of a [`Chain`]: between 1 and [`MAX_STEPS`] steps; every step refers to earlier ones only, so there is no
//! cycle. `chain_check` finds what cannot work before anything runs. Deliberately never: looks a skill up, or runs one.

use serde::Deserialize;
use serde_json::Value;

use super::{
    json::{self, JsonError, JsonLimits},
    name::SkillName,
    text,
};

pub(super) mod path;

pub use path::{InvalidPath, ValuePath};

/// Most steps.
pub const MAX_STEPS: usize = 64;
/// Most mappings of one step.
pub const MAX_MAPPINGS: usize = 64;

/// Skills to be run one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    steps: Vec<ChainStep>,
    /// What happens after a step that failed.
    pub on_failure: OnFailure,
}

/// What happens after a step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// No other step runs.
    Stop,
    /// The others run. Those that need its output fail.
    GoOn,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct ChainStep {
    /// The skill.
    pub skill: SkillName,
    /// Its input, without what the mappings add.
    pub input: Value,
    /// What it takes from earlier steps.
    pub mappings: Vec<Mapping>,
    /// The step that it is drawn below; none for the first.
    pub parent: Option<usize>,
}

/// A part of an earlier step's output that becomes a part of this one's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Its path in the input.
    pub to: ValuePath,
    /// Its path in the output.
    pub from: ValuePath,
    /// The step whose output it is.
    pub step: usize,
}

/// Why a text is no chain. Steps are counted from 0, as in the text.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidChain {
    /// No JSON.
    #[error("the chain cannot be read: {0}")]
    Json(#[from] JsonError),
    /// Other keys or types.
    #[error("the chain is not as it should be: {0}")]
    Shape(String),
    /// No steps, or too many.
    #[error("the chain has {0} steps: 1 to {MAX_STEPS} are possible")]
    Steps(usize),
    /// Neither or both of the ways to give an input.
    #[error("step {0}: give `input`, or `input_template` and `from_prev`")]
    Input(usize),
    /// Too many mappings.
    #[error("step {0}: more than {MAX_MAPPINGS} mappings")]
    Mappings(usize),
    /// A path is invalid.
    #[error("step {step}: {why}")]
    Path {
        /// The step.
        step: usize,
        /// The path, and what is wrong with it.
        why: InvalidPath,
    },
    /// A step refers to one that has not run yet.
    #[error("step {step}: `{key}` is {to}, but only steps before it have run by then")]
    Forward {
        /// The step.
        step: usize,
        /// The key that refers to it.
        key: &'static str,
        /// The step that it refers to.
        to: usize,
    },
    /// The first step has none before it.
    #[error("step 0: there is no step before it to take anything from")]
    FromNothing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainText {
    steps: Vec<StepText>,
    #[serde(default)]
    options: OptionsText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepText {
    skill_name: SkillName,
    input: Option<Value>,
    input_template: Option<Value>,
    from_prev: Option<Vec<MappingText>>,
    parent_index: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingText {
    to_field: String,
    from_path: String,
    from_step_index: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OptionsText {
    stop_on_failure: bool,
}

impl Default for OptionsText {
    fn default() -> Self {
        Self { stop_on_failure: true }
    }
}

impl Chain {
    /// Parses a chain.
    ///
    /// # Errors
    /// [`InvalidChain`] names the first rule that is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidChain> {
        let value = json::parse(bytes, JsonLimits::default())?;
        // Serde reads a struct from a list too, so objects are checked first.
        let steps = value.get("steps").and_then(Value::as_array).ok_or_else(no_steps)?;
        let mappings = |step: &Value| {
            step.get("from_prev").and_then(Value::as_array).is_some_and(|all| !all.iter().all(Value::is_object))
        };
        let options = value.get("options").is_some_and(|options| !options.is_object());
        if options || !steps.iter().all(Value::is_object) || steps.iter().any(mappings) {
            return Err(InvalidChain::Shape("steps, mappings and options are objects".to_owned()));
        }
        let shape = |error: serde_json::Error| InvalidChain::Shape(text::line(&error.to_string(), 300));
        let ChainText { steps, options } = serde_json::from_value(value).map_err(shape)?;
        if !(1..=MAX_STEPS).contains(&steps.len()) {
            return Err(InvalidChain::Steps(steps.len()));
        }
        let steps = steps.into_iter().enumerate().map(|(number, step)| parse_step(number, step));
        let on_failure = if options.stop_on_failure { OnFailure::Stop } else { OnFailure::GoOn };
        Ok(Self { steps: steps.collect::<Result<_, _>>()?, on_failure })
    }

    /// Its steps, in order.
    pub fn steps(&self) -> &[ChainStep] {
        &self.steps
    }
}

fn no_steps() -> InvalidChain {
    InvalidChain::Shape("it is no object with a list of `steps`".to_owned())
}

fn parse_step(number: usize, step: StepText) -> Result<ChainStep, InvalidChain> {
    let StepText { skill_name, input, input_template, from_prev, parent_index } = step;
    let (input, mappings) = match (input, input_template, from_prev) {
        (Some(input), None, None) => (input, Vec::new()),
        // Without a template the mappings alone make the input, starting from an empty object.
        (None, template, Some(mappings)) => (template.unwrap_or_else(|| Value::Object(Default::default())), mappings),
        (None, Some(template), None) => (template, Vec::new()),
        _ => return Err(InvalidChain::Input(number)),
    };
    if mappings.len() > MAX_MAPPINGS {
        return Err(InvalidChain::Mappings(number));
    }
    let mappings = mappings.into_iter().map(|mapping| parse_mapping(number, &mapping)).collect::<Result<_, _>>()?;
    let parent = match parent_index {
        // Only earlier steps: this is what makes a cycle impossible.
        Some(to) if to >= number => return Err(InvalidChain::Forward { step: number, key: "parent_index", to }),
        Some(parent) => Some(parent),
        None => number.checked_sub(1),
    };
    Ok(ChainStep { skill: skill_name, input, mappings, parent })
}

fn parse_mapping(number: usize, mapping: &MappingText) -> Result<Mapping, InvalidChain> {
    let path = |text: &str| ValuePath::parse(text).map_err(|why| InvalidChain::Path { step: number, why });
    let step = match mapping.from_step_index {
        Some(to) if to >= number => return Err(InvalidChain::Forward { step: number, key: "from_step_index", to }),
        Some(step) => step,
        None => number.checked_sub(1).ok_or(InvalidChain::FromNothing)?,
    };
    Ok(Mapping { to: path(&mapping.to_field)?, from: path(&mapping.from_path)?, step })
}

/// Why a step's input could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The step that it takes a value from has failed.
    #[error("step {0}, from which it takes `{1}`, has failed")]
    Failed(usize, ValuePath),
    /// The output has nothing there.
    #[error("the output of step {0} has nothing at `{1}`")]
    Missing(usize, ValuePath),
    /// The input has no place for it.
    #[error("the input has no place `{0}`")]
    NoPlace(ValuePath),
}

impl ChainStep {
    /// The step's input, with the values of earlier steps. `output` of a failed step is none.
    ///
    /// # Errors
    /// [`MappingError`] for the first mapping that does not work.
    pub fn input<'v>(&self, output: impl Fn(usize) -> Option<&'v Value>) -> Result<Value, MappingError> {
        // A copy for each run of the step, because the template must serve the next one unchanged.
        let mut input = self.input.clone();
        for Mapping { to, from, step } in &self.mappings {
            let given = output(*step).ok_or_else(|| MappingError::Failed(*step, from.clone()))?;
            let part = from.get(given).ok_or_else(|| MappingError::Missing(*step, from.clone()))?;
            to.put(&mut input, part.clone()).map_err(|()| MappingError::NoPlace(to.clone()))?;
        }
        Ok(input)
    }
}
