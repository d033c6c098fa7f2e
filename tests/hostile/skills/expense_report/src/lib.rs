//! Writes a report of the expenses of a month.

mod amount;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use amount::Amount;
use kavi_sdk::prelude::*;

const SOURCE: &str = "Expenses";

#[derive(Deserialize)]
struct Input {
    month: String,
}

#[derive(Serialize)]
struct Output {
    written_path: String,
    categories: usize,
    total: String,
}

struct Expense<'a> {
    date: &'a str,
    category: &'a str,
    amount: Amount,
}

impl<'a> Expense<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.strip_prefix("- ")?.split_whitespace();
        let expense = Expense { date: fields.next()?, category: fields.next()?, amount: fields.next()?.parse().ok()? };
        match fields.next() {
            None => Some(expense),
            Some(_) => None,
        }
    }
}

/// Adds up the expenses of all notes.
fn collect(month: &str) -> Result<BTreeMap<String, Amount>, SkillError> {
    let mut totals: BTreeMap<String, Amount> = BTreeMap::new();
    let prefix = format!("{month}-");
    for path in vault::walk(SOURCE)?.files {
        let text = vault::read_lossy(&path)?;
        for expense in text.lines().filter_map(Expense::parse) {
            if !expense.date.starts_with(&prefix) {
                continue;
            }
            let total = totals.entry(expense.category.to_string()).or_default();
            *total = total
                .checked_add(expense.amount)
                .ok_or_else(|| SkillError::failed(format!("the total of `{}` is too large", expense.category)))?;
        }
    }
    Ok(totals)
}

fn render(month: &str, totals: &BTreeMap<String, Amount>, sum: Amount) -> String {
    let mut rows: Vec<(&String, &Amount)> = totals.iter().collect();
    rows.sort_by_key(|&(name, amount)| (Reverse(*amount), name));
    let mut text = format!("# Expenses of {month}\n\n| Category | Amount |\n| --- | ---: |\n");
    for (name, amount) in rows {
        text.push_str(&format!("| {name} | {amount} |\n"));
    }
    text.push_str(&format!("| **Total** | {sum} |\n"));
    text
}

fn run(input: Input) -> Result<Output, SkillError> {
    let month = &input.month;
    let totals = match collect(month) {
        Err(SkillError::NotFound(_)) => BTreeMap::new(),
        other => other?,
    };
    if totals.is_empty() {
        return Err(SkillError::not_found(format!("there is no expense in {month}")));
    }
    let mut sum = Amount::default();
    for amount in totals.values() {
        sum = sum.checked_add(*amount).ok_or_else(|| SkillError::failed("the total is too large"))?;
    }
    let written_path = format!("Reports/{month}.md");
    vault::write(&written_path, render(month, &totals, sum))?;
    Ok(Output { written_path, categories: totals.len(), total: sum.to_string() })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed, written, written_paths};

    fn report(month: &str) -> Result<Value, SkillError> {
        call(run, json!({ "month": month }))
    }

    #[test]
    fn sums_by_category() {
        seed("Expenses/a.md", "- 2026-05-01 rent 700\n- 2026-05-02 food 10.05\n");
        seed("Expenses/2026/b.md", "- 2026-05-31 food 9.95\n- 2026-05-31 art 20\n");
        let output = report("2026-05");
        assert_eq!(output, Ok(json!({ "written_path": "Reports/2026-05.md", "categories": 3, "total": "740.00" })));
        let expected = "# Expenses of 2026-05\n\n| Category | Amount |\n| --- | ---: |\n| rent | 700.00 |\n| art | 20.00 |\n| food | 20.00 |\n| **Total** | 740.00 |\n";
        assert_eq!(written("Reports/2026-05.md").as_deref(), Some(expected));
    }

    #[test]
    fn other_lines_are_ignored() {
        seed(
            "Expenses/a.md",
            "2026-05-01 x 1\n- 2026-05-01 x\n- 2026-05-01 x y\n- 2026-05-01 x 1 2\n- 2026-05-01 ok 3\n-\n",
        );
        assert_eq!(report("2026-05").unwrap()["total"], "3.00");
    }

    #[test]
    fn a_month_without_expenses_is_not_found() {
        let got = report("2026-05");
        assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
        seed("Expenses/a.md", "- 2026-04-30 x 1\n- 2026-050-1 x 1\n");
        let got = report("2026-05");
        assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
        assert!(written_paths().is_empty());
    }

    #[test]
    fn a_total_that_is_too_large_fails() {
        seed("Expenses/a.md", "- 2026-05-01 a 99999999999999999\n- 2026-05-01 a 99999999999999999\n");
        let got = report("2026-05");
        assert!(matches!(got, Err(SkillError::Failed(_))), "{got:?}");
        seed("Expenses/a.md", "- 2026-05-01 a 99999999999999999\n- 2026-05-01 b 99999999999999999\n");
        let got = report("2026-05");
        assert!(matches!(got, Err(SkillError::Failed(_))), "{got:?}");
        assert!(written_paths().is_empty());
    }
}
