//! Reads a markdown table into JSON.

use std::collections::{BTreeMap, BTreeSet};

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    /// A markdown table: header, separator, rows.
    table: String,
}

#[derive(Debug, Serialize)]
struct Output {
    columns: Vec<String>,
    rows: Vec<BTreeMap<String, String>>,
}

/// Splits one line at its unescaped pipes.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let mut cells = Vec::new();
    let mut cell = String::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'|') => {
                cell.push('|');
                chars.next();
            }
            '|' => {
                cells.push(cell.trim().to_owned());
                cell.clear();
            }
            _ => cell.push(c),
        }
    }
    if !cell.trim().is_empty() {
        cells.push(cell.trim().to_owned());
    }
    cells
}

fn is_separator(cell: &str) -> bool {
    let dashes = cell.trim_start_matches(':').trim_end_matches(':');
    !dashes.is_empty() && dashes.chars().all(|c| c == '-')
}

fn run(input: Input) -> Result<Output, SkillError> {
    let mut lines = input.table.lines().filter(|line| !line.trim().is_empty());
    let header = lines
        .next()
        .ok_or_else(|| SkillError::invalid_input("`table` is empty"))?;
    let columns = cells(header);
    if columns.is_empty() || columns.iter().any(String::is_empty) {
        return Err(SkillError::invalid_input("a column has no name"));
    }
    let distinct: BTreeSet<&String> = columns.iter().collect();
    if distinct.len() != columns.len() {
        return Err(SkillError::invalid_input("two columns have the same name"));
    }
    let separator = lines.next().map(cells).unwrap_or_default();
    if separator.len() != columns.len() || !separator.iter().all(|cell| is_separator(cell)) {
        return Err(SkillError::invalid_input(
            "the second line is not a separator like `|---|---|`",
        ));
    }
    let mut rows = Vec::new();
    for (index, line) in lines.enumerate() {
        let cells = cells(line);
        if cells.len() > columns.len() {
            return Err(SkillError::invalid_input(format!(
                "row {} has {} cells for {} columns",
                index + 1,
                cells.len(),
                columns.len()
            )));
        }
        let filled = cells.into_iter().chain(std::iter::repeat(String::new()));
        rows.push(columns.iter().cloned().zip(filled).collect());
    }
    Ok(Output { columns, rows })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn read(table: &str) -> Result<Value, SkillError> {
        call(run, json!({ "table": table }))
    }

    #[test]
    fn reads_a_table() {
        let table = "| name | age |\n|:-----|----:|\n| Ada | 36 |\n| Alan | 41 |\n";
        assert_eq!(
            read(table),
            Ok(json!({
                "columns": ["name", "age"],
                "rows": [{ "name": "Ada", "age": "36" }, { "name": "Alan", "age": "41" }],
            }))
        );
    }

    #[test]
    fn outer_pipes_are_optional_and_cells_may_be_missing() {
        assert_eq!(
            read("a | b\n--- | ---\n1\n"),
            Ok(json!({ "columns": ["a", "b"], "rows": [{ "a": "1", "b": "" }] }))
        );
    }

    #[test]
    fn escaped_pipes_belong_to_the_cell() {
        let output = read("| a |\n|---|\n| x \\| y \\z |\n").unwrap();
        assert_eq!(output["rows"][0]["a"], json!("x | y \\z"));
    }

    #[test]
    fn refuses_what_is_no_table() {
        for table in [
            "",
            "   \n",
            "| a |",
            "| a | b |\n| 1 | 2 |",
            "| a | b |\n|---|",
            "| a | a |\n|---|---|",
            "| a |  |\n|---|---|",
            "| a |\n| : |",
            "| a |\n|---|\n| 1 | 2 |",
        ] {
            let got = read(table);
            assert!(
                matches!(got, Err(SkillError::InvalidInput(_))),
                "{table:?}: {got:?}"
            );
        }
    }

    #[test]
    fn a_table_without_rows_has_columns() {
        assert_eq!(
            read("| a |\n|---|"),
            Ok(json!({ "columns": ["a"], "rows": [] }))
        );
    }
}
