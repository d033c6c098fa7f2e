//! Summarises a numeric column of a CSV text.

mod csv;
mod statistics;

use kavi_sdk::prelude::*;
use statistics::Summary;

#[derive(Deserialize)]
struct Input {
    csv: String,
    column: String,
    #[serde(default)]
    separator: Separator,
}

#[derive(Clone, Copy, Default, Deserialize)]
enum Separator {
    #[default]
    #[serde(rename = ",")]
    Comma,
    #[serde(rename = ";")]
    Semicolon,
    #[serde(rename = "\t")]
    Tab,
}

impl From<Separator> for char {
    fn from(separator: Separator) -> Self {
        match separator {
            Separator::Comma => ',',
            Separator::Semicolon => ';',
            Separator::Tab => '\t',
        }
    }
}

#[derive(Serialize)]
struct Output {
    count: usize,
    skipped: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<Summary>,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let records = csv::parse(&input.csv, input.separator.into())?;
    let (header, rows) = records
        .split_first()
        .ok_or_else(|| SkillError::invalid_input("`csv` is empty"))?;
    let column = header
        .iter()
        .position(|name| name.trim() == input.column)
        .ok_or_else(|| SkillError::invalid_input(format!("no column `{}`", input.column)))?;
    let mut values = Vec::new();
    let mut skipped = 0;
    for (index, row) in rows.iter().enumerate() {
        let cell = row.get(column).map_or("", |cell| cell.trim());
        if cell.is_empty() {
            skipped += 1;
            continue;
        }
        let value: f64 = cell
            .parse()
            .ok()
            .filter(|value: &f64| value.is_finite())
            .ok_or_else(|| {
                SkillError::invalid_input(format!("row {}: `{cell}` is no number", index + 1))
            })?;
        values.push(value);
    }
    Ok(Output {
        count: values.len(),
        skipped,
        summary: Summary::of(values)?,
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn summarise(csv: &str, column: &str) -> Result<Value, SkillError> {
        call(run, json!({ "csv": csv, "column": column }))
    }

    #[test]
    fn summarises_a_column() {
        assert_eq!(
            summarise("name,n\na,2\nb,4\nc,4\nd,4\ne,5\nf,5\ng,7\nh,9\n", "n"),
            Ok(json!({
                "count": 8,
                "skipped": 0,
                "summary": { "min": 2.0, "max": 9.0, "mean": 5.0, "median": 4.5, "deviation": 2.0 },
            }))
        );
    }

    #[test]
    fn the_median_of_an_odd_count_is_the_middle_one() {
        let output = summarise("n\n10\n-1\n3.5\n", "n").unwrap();
        assert_eq!(output["summary"]["median"], 3.5);
        assert_eq!(output["summary"]["min"], -1.0);
        assert_eq!(output["summary"]["max"], 10.0);
    }

    #[test]
    fn reads_quoted_cells_and_other_separators() {
        let csv = "\"a;b\";\"n \"\"x\"\"\"\r\n\"line\nbreak\";1\r\nz;3\r\n";
        let output = call(
            run,
            json!({ "csv": csv, "column": "n \"x\"", "separator": ";" }),
        )
        .unwrap();
        assert_eq!(output["summary"]["mean"], 2.0);
        let tabs = json!({ "csv": "a\tb\n1\t2", "column": "b", "separator": "\t" });
        assert_eq!(call(run, tabs).unwrap()["summary"]["mean"], 2.0);
    }

    #[test]
    fn skips_empty_and_missing_cells() {
        assert_eq!(
            summarise("a,b\n1,\n2\n3, \n", "b"),
            Ok(json!({ "count": 0, "skipped": 3 }))
        );
    }

    #[test]
    fn refuses_what_cannot_be_summarised() {
        for (csv, column) in [
            ("", "n"),
            ("a\n1\n", "n"),
            ("n\nx\n", "n"),
            ("n\ninf\n", "n"),
            ("n\nNaN\n", "n"),
            ("n\n\"1\n", "n"),
        ] {
            let got = summarise(csv, column);
            assert!(
                matches!(got, Err(SkillError::InvalidInput(_))),
                "{csv:?}: {got:?}"
            );
        }
    }

    #[test]
    fn refuses_sums_that_are_not_finite() {
        let got = summarise("n\n1e308\n1e308\n", "n");
        assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
    }
}
