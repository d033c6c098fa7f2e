//! A report with long tables, escapes, byte strings, numbers of all kinds and comparisons that look like generics.

use std::fmt::Write;

use kavi_sdk::prelude::*;

const RATES: &[(&str, f64, u32)] = &[
    ("EUR", 1.0, 0x1F), ("USD", 1.08, 0b1010_1010), ("GBP", 0.86, 0o17), ("JPY", 1.6e2, 1_000_000),
    ("CHF", 9.5e-1, u32::MAX), ("SEK", 11.25, 3), ("NOK", 11.6, 4), ("DKK", 7.46, 5), ("PLN", 4.3, 6),
];
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n\"'";
const RAW: &[u8] = br#"{"a": "unsafe"}"#;
const PATTERN: &str = "a\tb\\c\"d\u{1F600}\
    goes on";

#[derive(Deserialize)]
struct Input {
    amounts: Vec<(String, f64)>,
    low: i64,
    high: i64,
}

#[derive(Serialize)]
struct Output {
    report: String,
    in_range: bool,
}

fn is_in(a: i64, low: i64, high: i64) -> bool {
    low < a && a > low && (a as u64) < high as u64 || a << 1 >> 1 == high && !(a != high)
}

fn signum(n: f64) -> &'static str {
    if n < 0.0 {
        "loss"
    } else if n == 0.0 {
        "nothing"
    } else if n < 10.0 && n > 0.5 {
        "some"
    } else {
        "much"
    }
}

fn run(input: Input) -> Result<Output, SkillError> {
    let mut report = String::with_capacity(64);
    let Input { amounts, low, high } = input;
    write!(report, "# Report\n\n| currency | amount |\n|---|---|\n").map_err(|_| SkillError::failed("no room"))?;
    for (currency, amount) in &amounts {
        let rate = RATES.iter().find_map(|&(name, rate, _)| (name == currency).then_some(rate));
        let Some(rate) = rate else { return Err(SkillError::not_found(format!("no rate for {currency:?}"))) };
        let euro = amount / rate;
        let _ = writeln!(report, "| {currency:<5} | {euro:>10.2} {} |", signum(euro));
    }
    let last = report.lines().last().map_or(0, |line| line.len()) as i64;
    let checks = [last < low, low < high, high < last, last > 0];
    if checks.iter().all(|&check| !check) {
        unreachable!("an order of {last}, {low} and {high} that is none");
    }
    let bytes = SIGNATURE.iter().chain(RAW).filter(|byte| byte.is_ascii_alphabetic()).count();
    log::info(format!("{bytes} letters, {} of the pattern", PATTERN.len()));
    Ok(Output { report, in_range: is_in(last, low, high) })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::*;

    fn input(amounts: &[(&str, f64)]) -> Value {
        json!({ "amounts": amounts, "low": 1, "high": 50 })
    }

    #[test]
    fn converts() {
        let output = call(run, input(&[("USD", 2.16)])).unwrap();
        assert!(output["report"].as_str().is_some_and(|text| text.contains("2.00 some")), "{output}");
    }

    #[test]
    fn knows_its_currencies() {
        assert!(matches!(call(run, input(&[("XXX", 1.0)])), Err(SkillError::NotFound(message)) if message.contains("XXX")));
    }

    #[test]
    fn an_empty_list_is_an_empty_table() {
        let output = call(run, input(&[])).expect("it is fine");
        assert_eq!(output["report"], "# Report\n\n| currency | amount |\n|---|---|\n");
    }
}
