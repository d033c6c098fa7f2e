//! Checks numbers with the Luhn formula.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    numbers: Vec<String>,
}

#[derive(Serialize)]
struct Output {
    valid: Vec<bool>,
}

fn digits(number: &str) -> Option<Vec<u32>> {
    let digits = number
        .chars()
        .filter(|c| *c != ' ' && *c != '-')
        .map(|c| c.to_digit(10))
        .collect::<Option<Vec<u32>>>()?;
    (digits.len() > 1).then_some(digits)
}

fn is_valid(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            if place % 2 == 1 {
                let doubled = digit * 2;
                if doubled > 9 { doubled - 9 } else { doubled }
            } else {
                *digit
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

fn run(input: Input) -> Result<Output, SkillError> {
    let mut valid = Vec::new();
    for number in &input.numbers {
        let digits = digits(number)
            .ok_or_else(|| SkillError::invalid_input(format!("`{number}` is not a number")))?;
        valid.push(is_valid(&digits));
    }
    Ok(Output { valid })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn check(numbers: &[&str]) -> Result<Value, SkillError> {
        call(run, json!({ "numbers": numbers }))
    }

    #[test]
    fn knows_valid_numbers() {
        let numbers = ["4539 1488 0343 6467", "79927398713", "0-0", "18"];
        assert_eq!(
            check(&numbers),
            Ok(json!({ "valid": [true, true, true, true] }))
        );
    }

    #[test]
    fn knows_invalid_numbers() {
        assert_eq!(
            check(&["79927398710", "4539148803436468", "81"]),
            Ok(json!({ "valid": [false, false, false] }))
        );
    }

    #[test]
    fn refuses_what_is_no_number() {
        for number in ["", "7", "12a4", "１２"] {
            let got = check(&["18", number]);
            assert!(
                matches!(got, Err(SkillError::InvalidInput(_))),
                "{number}: {got:?}"
            );
        }
    }
}
