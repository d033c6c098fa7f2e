//! Local macros that fill values, types and names into fixed code.

use std::collections::BTreeMap;

use kavi_sdk::prelude::*;

macro_rules! ensure {
    ($condition:expr, $($argument:expr),+ $(,)?) => {
        if !$condition {
            return Err(SkillError::invalid_input(format!($($argument),+)));
        }
    };
}

macro_rules! map {
    () => { ::std::collections::BTreeMap::new() };
    ($($key:expr => $value:expr),+ $(,)?) => {{
        let mut map = ::std::collections::BTreeMap::new();
        $(map.insert($key, $value);)+
        map
    }};
}

macro_rules! units {
    ($($name:ident = $factor:literal),* $(,)?) => {
        $(
            #[derive(Debug, Clone, Copy, PartialEq)]
            struct $name(f64);

            impl $name {
                const FACTOR: f64 = $factor;

                fn metres(self) -> f64 {
                    self.0 * Self::FACTOR
                }
            }
        )*
    };
}

units! { Feet = 0.3048, Miles = 1609.344 }

#[derive(Deserialize)]
#[serde(tag = "unit", content = "value")]
enum Length {
    #[serde(rename = "ft", alias = "feet")]
    Feet(f64),
    #[serde(rename = "mi")]
    Miles(f64),
}

#[derive(Deserialize)]
struct Input {
    lengths: Vec<Length>,
}

#[derive(Serialize)]
struct Output {
    metres: f64,
    by_unit: BTreeMap<&'static str, f64>,
}

fn run(input: Input) -> Result<Output, SkillError> {
    ensure!(!input.lengths.is_empty(), "there are {} lengths", input.lengths.len());
    let mut by_unit: BTreeMap<&'static str, f64> = map! { "feet" => 0.0, "miles" => 0.0 };
    for length in &input.lengths {
        let (unit, metres) = match length {
            Length::Feet(value) => ("feet", Feet(*value).metres()),
            Length::Miles(value) => ("miles", Miles(*value).metres()),
        };
        ensure!(metres.is_finite() && metres >= 0.0, "{metres} is no length");
        *by_unit.entry(unit).or_insert(0.0) += metres;
    }
    Ok(Output { metres: by_unit.values().sum(), by_unit })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! close {
        ($a:expr, $b:expr) => {
            assert!(($a - $b).abs() < 1e-9, "{} is not {}", $a, $b)
        };
    }

    #[test]
    fn feet_and_miles_add_up() {
        let output = run(Input { lengths: vec![Length::Feet(10.0), Length::Miles(1.0)] }).unwrap();
        close!(output.metres, 3.048 + 1609.344);
        close!(output.by_unit["feet"], 3.048);
    }
}
