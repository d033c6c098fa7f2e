//! Converts values between units.

use std::fmt;

use kavi_sdk::prelude::*;

const DEFAULT_DECIMALS: i32 = 4;
const ABSOLUTE_ZERO_KELVIN: f64 = 0.0;

#[derive(Deserialize)]
struct Input {
    value: f64,
    from: Unit,
    to: Unit,
    decimals: Option<i32>,
}

#[derive(Serialize)]
struct Output {
    value: f64,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Unit {
    #[serde(rename = "mm")]
    Millimetre,
    #[serde(rename = "cm")]
    Centimetre,
    #[serde(rename = "m")]
    Metre,
    #[serde(rename = "km")]
    Kilometre,
    #[serde(rename = "in")]
    Inch,
    #[serde(rename = "ft")]
    Foot,
    #[serde(rename = "mi")]
    Mile,
    #[serde(rename = "g")]
    Gram,
    #[serde(rename = "kg")]
    Kilogram,
    #[serde(rename = "lb")]
    Pound,
    #[serde(rename = "oz")]
    Ounce,
    #[serde(rename = "C")]
    Celsius,
    #[serde(rename = "F")]
    Fahrenheit,
    #[serde(rename = "K")]
    Kelvin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Length,
    Mass,
    Temperature,
}

impl Unit {
    fn kind(self) -> Kind {
        match self {
            Self::Millimetre
            | Self::Centimetre
            | Self::Metre
            | Self::Kilometre
            | Self::Inch
            | Self::Foot
            | Self::Mile => Kind::Length,
            Self::Gram | Self::Kilogram | Self::Pound | Self::Ounce => Kind::Mass,
            Self::Celsius | Self::Fahrenheit | Self::Kelvin => Kind::Temperature,
        }
    }

    /// Factor and offset: `base = value * factor + offset`, with metre, gram and kelvin as bases.
    fn scale(self) -> (f64, f64) {
        match self {
            Self::Millimetre => (0.001, 0.0),
            Self::Centimetre => (0.01, 0.0),
            Self::Metre | Self::Gram | Self::Kelvin => (1.0, 0.0),
            Self::Kilometre | Self::Kilogram => (1000.0, 0.0),
            Self::Inch => (0.0254, 0.0),
            Self::Foot => (0.3048, 0.0),
            Self::Mile => (1609.344, 0.0),
            Self::Pound => (453.592_37, 0.0),
            Self::Ounce => (28.349_523_125, 0.0),
            Self::Celsius => (1.0, 273.15),
            Self::Fahrenheit => (5.0 / 9.0, 459.67 * 5.0 / 9.0),
        }
    }

    fn to_base(self, value: f64) -> f64 {
        let (factor, offset) = self.scale();
        value * factor + offset
    }

    fn of_base(self, base: f64) -> f64 {
        let (factor, offset) = self.scale();
        (base - offset) / factor
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Millimetre => "mm",
            Self::Centimetre => "cm",
            Self::Metre => "m",
            Self::Kilometre => "km",
            Self::Inch => "in",
            Self::Foot => "ft",
            Self::Mile => "mi",
            Self::Gram => "g",
            Self::Kilogram => "kg",
            Self::Pound => "lb",
            Self::Ounce => "oz",
            Self::Celsius => "°C",
            Self::Fahrenheit => "°F",
            Self::Kelvin => "K",
        })
    }
}

fn run(input: Input) -> Result<Output, SkillError> {
    let decimals = input.decimals.unwrap_or(DEFAULT_DECIMALS);
    if !(0..=9).contains(&decimals) {
        return Err(SkillError::invalid_input("`decimals` is not from 0 to 9"));
    }
    let (from, to) = (input.from, input.to);
    if from.kind() != to.kind() {
        return Err(SkillError::invalid_input(format!(
            "{from} and {to} measure different things"
        )));
    }
    let base = from.to_base(input.value);
    if from.kind() == Kind::Temperature && base < ABSOLUTE_ZERO_KELVIN {
        return Err(SkillError::invalid_input(
            "the temperature is below absolute zero",
        ));
    }
    let scale = 10f64.powi(decimals);
    let value = (to.of_base(base) * scale).round() / scale;
    Ok(Output {
        value,
        text: format!("{value} {to}"),
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn convert(value: f64, from: &str, to: &str) -> Result<Value, SkillError> {
        call(run, json!({ "value": value, "from": from, "to": to }))
    }

    fn value_of(value: f64, from: &str, to: &str) -> f64 {
        convert(value, from, to).unwrap()["value"].as_f64().unwrap()
    }

    #[test]
    fn converts_lengths() {
        assert_eq!(value_of(1.0, "mi", "km"), 1.6093);
        assert_eq!(value_of(12.0, "in", "ft"), 1.0);
        assert_eq!(value_of(1.0, "m", "mm"), 1000.0);
        assert_eq!(value_of(2.5, "cm", "mm"), 25.0);
    }

    #[test]
    fn converts_masses() {
        assert_eq!(value_of(1.0, "lb", "oz"), 16.0);
        assert_eq!(value_of(1.0, "kg", "g"), 1000.0);
        assert_eq!(value_of(1.0, "oz", "g"), 28.3495);
    }

    #[test]
    fn converts_temperatures() {
        assert_eq!(
            convert(100.0, "C", "F"),
            Ok(json!({ "value": 212.0, "text": "212 °F" }))
        );
        assert_eq!(value_of(-40.0, "F", "C"), -40.0);
        assert_eq!(value_of(0.0, "C", "K"), 273.15);
    }

    #[test]
    fn rounds_to_the_decimals() {
        let input = json!({ "value": 1, "from": "in", "to": "cm", "decimals": 1 });
        assert_eq!(
            call(run, input),
            Ok(json!({ "value": 2.5, "text": "2.5 cm" }))
        );
        let input = json!({ "value": 1, "from": "mi", "to": "m", "decimals": 0 });
        assert_eq!(
            call(run, input),
            Ok(json!({ "value": 1609.0, "text": "1609 m" }))
        );
    }

    #[test]
    fn refuses_what_cannot_be_converted() {
        for input in [
            json!({ "value": 1, "from": "m", "to": "kg" }),
            json!({ "value": 1, "from": "C", "to": "g" }),
            json!({ "value": -300, "from": "C", "to": "K" }),
            json!({ "value": 1, "from": "m", "to": "parsec" }),
            json!({ "value": 1, "from": "m", "to": "m", "decimals": 10 }),
        ] {
            let got = call(run, input);
            assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
        }
    }
}
