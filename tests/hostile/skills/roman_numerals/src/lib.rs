//! Converts between numbers and Roman numerals.

use kavi_sdk::prelude::*;

const MAX: u32 = 3999;

const SYMBOLS: [(u32, &str); 13] = [
    (1000, "M"),
    (900, "CM"),
    (500, "D"),
    (400, "CD"),
    (100, "C"),
    (90, "XC"),
    (50, "L"),
    (40, "XL"),
    (10, "X"),
    (9, "IX"),
    (5, "V"),
    (4, "IV"),
    (1, "I"),
];

#[derive(Deserialize)]
struct Input {
    number: Option<u32>,
    numeral: Option<String>,
}

#[derive(Serialize)]
struct Output {
    number: u32,
    numeral: String,
}

fn to_roman(mut number: u32) -> String {
    let mut numeral = String::new();
    for (value, symbol) in SYMBOLS {
        while number >= value {
            numeral.push_str(symbol);
            number -= value;
        }
    }
    numeral
}

/// The number of a numeral, if it is spelled as [`to_roman`] would.
fn from_roman(numeral: &str) -> Option<u32> {
    let mut rest = numeral;
    let mut number: u32 = 0;
    for (value, symbol) in SYMBOLS {
        while let Some(after) = rest.strip_prefix(symbol) {
            number = number.checked_add(value)?;
            rest = after;
        }
    }
    let is_canonical = rest.is_empty() && number <= MAX && to_roman(number) == numeral;
    is_canonical.then_some(number)
}

fn run(input: Input) -> Result<Output, SkillError> {
    match (input.number, input.numeral) {
        (Some(number), None) => {
            if number == 0 || number > MAX {
                return Err(SkillError::invalid_input(format!(
                    "`number` is {number}, which is not from 1 to {MAX}"
                )));
            }
            Ok(Output {
                number,
                numeral: to_roman(number),
            })
        }
        (None, Some(numeral)) => {
            let numeral = numeral.to_ascii_uppercase();
            let number = from_roman(&numeral)
                .filter(|number| *number > 0)
                .ok_or_else(|| {
                    SkillError::invalid_input(format!("`{numeral}` is no Roman numeral"))
                })?;
            Ok(Output { number, numeral })
        }
        _ => Err(SkillError::invalid_input(
            "give either `number` or `numeral`",
        )),
    }
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    #[test]
    fn writes_numerals() {
        for (number, numeral) in [
            (1, "I"),
            (4, "IV"),
            (9, "IX"),
            (14, "XIV"),
            (40, "XL"),
            (90, "XC"),
            (444, "CDXLIV"),
            (1994, "MCMXCIV"),
            (3999, "MMMCMXCIX"),
        ] {
            assert_eq!(
                call(run, json!({ "number": number })),
                Ok(json!({ "number": number, "numeral": numeral }))
            );
        }
    }

    #[test]
    fn reads_back_what_it_writes() {
        for number in 1..=MAX {
            assert_eq!(from_roman(&to_roman(number)), Some(number));
        }
    }

    #[test]
    fn reads_lower_case() {
        assert_eq!(
            call(run, json!({ "numeral": "mmxxvi" })),
            Ok(json!({ "number": 2026, "numeral": "MMXXVI" }))
        );
    }

    #[test]
    fn refuses_numerals_that_are_not_canonical() {
        for numeral in ["", "IIII", "IC", "VX", "MMMM", "ABC", "XIVI"] {
            let got = call(run, json!({ "numeral": numeral }));
            assert!(
                matches!(got, Err(SkillError::InvalidInput(_))),
                "{numeral}: {got:?}"
            );
        }
    }

    #[test]
    fn refuses_numbers_out_of_range_and_unclear_input() {
        for input in [
            json!({ "number": 0 }),
            json!({ "number": 4000 }),
            json!({ "number": -1 }),
            json!({}),
            json!({ "number": 1, "numeral": "I" }),
        ] {
            let got = call(run, input);
            assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
        }
    }
}
