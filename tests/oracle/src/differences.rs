//! The table of differences, and its check.
//!
//! A line that begins with `# ` gives the reason for the rows below it. A row is `operation | stock | kavi`. A stock
//! answer of `*` is not compared: it depends on the machine or the moment. An operation that ends with `*` stands for
//! all that begin alike and differ; their answer behind the wall is the same, and at least one of them must differ.

use std::collections::BTreeMap;

use crate::run::{Answers, Operations};

const ANY: &str = "*";

/// One row of the table.
struct Row<'a> {
    stock: &'a str,
    kavi: &'a str,
    used: bool,
}

impl Row<'_> {
    fn explains(&self, answers: &Answers) -> bool {
        (self.stock == ANY || self.stock == answers.stock) && self.kavi == answers.kavi
    }
}

/// Every difference, as a row of the table.
pub fn rows(operations: &Operations) -> String {
    let differing = operations.iter().filter(|(_, answers)| answers.stock != answers.kavi);
    differing.map(|(operation, answers)| row(operation, answers)).collect()
}

fn row(operation: &str, answers: &Answers) -> String {
    format!("{operation} | {} | {}\n", answers.stock, answers.kavi)
}

/// What the table does not explain, and what it explains in vain.
pub fn check(operations: &Operations, table: &str) -> Result<Vec<String>, String> {
    let mut rows = parse(table)?;
    let mut wrong = Vec::new();
    for (operation, answers) in operations {
        let exact = rows.get_mut(operation.as_str());
        if answers.stock == answers.kavi {
            if exact.is_some_and(|row| !(row.stock == ANY && row.explains(answers))) {
                wrong.push(format!("no longer differs: {operation}, both answer {}", answers.kavi));
            }
            continue;
        }
        let found = match rows.contains_key(operation.as_str()) {
            true => rows.get_mut(operation.as_str()),
            false => rows.iter_mut().find(|(name, _)| is_family(name, operation)).map(|(_, row)| row),
        };
        match found {
            Some(row) if row.explains(answers) => row.used = true,
            _ => wrong.push(format!("differs without a reason: {}", row(operation, answers).trim_end())),
        }
    }
    for (name, row) in rows {
        // A stock answer that is not compared may happen to be the same, and an equal one is reported above.
        let tried = |answers: &Answers| row.stock == ANY || answers.stock == answers.kavi;
        if !row.used && !operations.get(name).is_some_and(tried) {
            wrong.push(format!("explains nothing: {name}"));
        }
    }
    Ok(wrong)
}

fn is_family(name: &str, operation: &str) -> bool {
    name.strip_suffix(ANY).is_some_and(|start| operation.starts_with(start))
}

fn parse(table: &str) -> Result<BTreeMap<&str, Row<'_>>, String> {
    let (mut rows, mut reason) = (BTreeMap::new(), None);
    for line in table.lines().filter(|line| !line.is_empty()) {
        if let Some(text) = line.strip_prefix("# ") {
            reason = Some(text);
            continue;
        }
        let mut parts = line.split(" | ");
        let (Some(name), Some(stock), Some(kavi), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(format!("`{line}` is not a row: operation | stock | kavi"));
        };
        if reason.is_none() {
            return Err(format!("`{line}` has no reason above it"));
        }
        if rows.insert(name, Row { stock, kavi, used: false }).is_some() {
            return Err(format!("`{name}` has two rows"));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(stock: &str, kavi: &str, table: &str) -> Vec<String> {
        let answers = Answers { stock: stock.to_owned(), kavi: kavi.to_owned() };
        check(&Operations::from([("open x".to_owned(), answers)]), table).unwrap_or_else(|error| vec![error])
    }

    #[test]
    fn every_difference_needs_a_row_and_every_row_a_difference() {
        assert_eq!(checked("ok", "ok", ""), [""; 0]);
        assert_eq!(checked("ok", "denied", ""), ["differs without a reason: open x | ok | denied"]);
        assert_eq!(checked("ok", "denied", "# Why.\nopen x | ok | denied"), [""; 0]);
        assert_eq!(checked("ok", "denied", "# Why.\nopen * | * | denied"), [""; 0]);
        assert_eq!(checked("ok", "ok", "# Why.\nopen x | ok | denied"), ["no longer differs: open x, both answer ok"]);
        assert_eq!(checked("ok", "ok", "# Why.\nopen * | * | denied"), ["explains nothing: open *"]);
        assert_eq!(checked("ok", "ok", "# Why.\nopen y | ok | denied"), ["explains nothing: open y"]);
        assert_eq!(checked("ok", "ok", "# Why.\nopen x | * | ok"), [""; 0]);
        assert_eq!(checked("ok", "ok", "open x | ok | denied"), ["`open x | ok | denied` has no reason above it"]);
        let other = checked("ok", "lost", "# Why.\nopen x | ok | denied");
        assert_eq!(other, ["differs without a reason: open x | ok | lost", "explains nothing: open x"]);
    }
}
