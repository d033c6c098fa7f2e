//! One guest on both implementations, as two lists of operations and their answers.

use std::{collections::BTreeMap, error::Error};

use kavi::model::limits::Limits;

use crate::{folders::Folders, stock::Stock, wall::Wall};

/// How a run ended, and what it printed.
pub struct Seen {
    pub end: String,
    pub stdout: String,
    pub stderr: String,
}

/// What an operation gave on the stock implementation and behind the wall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    pub stock: String,
    pub kavi: String,
}

/// Every operation that was tried.
pub type Operations = BTreeMap<String, Answers>;

/// One guest program, on both.
pub struct Pair {
    stock: Stock,
    wall: Wall,
}

impl Pair {
    pub fn new(component: &[u8]) -> Result<Self, Box<dyn Error>> {
        Ok(Self { stock: Stock::new(component)?, wall: Wall::new(component)? })
    }

    /// Runs the program on both, in folders that are alike, and notes every line of its report. What it left in the
    /// folders and how it ended are operations as well.
    pub fn compare(&self, run: &Run<'_>, operations: &mut Operations) -> Result<(), Box<dyn Error>> {
        let (of_stock, of_kavi) = (Folders::new()?, Folders::new()?);
        let before = of_stock.contents()?;
        let stock = self.stock.run(run.arguments, &of_stock)?;
        let kavi = self.wall.run(run.arguments, &of_kavi, run.limits)?;
        let left = [changes(&before, &of_stock.contents()?), changes(&before, &of_kavi.contents()?)];
        let name = run.name;
        let mut note = |operation: String, stock: String, kavi: String| match operations
            .insert(operation.clone(), Answers { stock, kavi })
        {
            None => Ok(()),
            Some(_) => Err(format!("`{operation}` is reported twice")),
        };
        note(format!("{name}: end"), stock.end, kavi.end)?;
        note(format!("{name}: stderr"), shown(&stock.stderr), shown(&kavi.stderr))?;
        note(format!("{name}: folders afterwards"), shown(&left[0]), shown(&left[1]))?;
        match run.report {
            Report::Whole => note(format!("{name}: stdout"), shown(&stock.stdout), shown(&kavi.stdout))?,
            Report::Lines => {
                let (mut stock, mut kavi) = (lines(&stock.stdout)?, lines(&kavi.stdout)?);
                let missing = || "not reported".to_owned();
                while let Some((operation, answer)) = stock.pop_first() {
                    let other = kavi.remove(&operation).unwrap_or_else(missing);
                    note(operation, answer, other)?;
                }
                for (operation, answer) in kavi {
                    note(operation, missing(), answer)?;
                }
            }
        }
        Ok(())
    }
}

/// How a run's output is compared.
pub enum Report {
    /// Line by line: every line is `operation = answer`.
    Lines,
    /// As one answer.
    Whole,
}

/// One run of a program.
pub struct Run<'a> {
    pub name: &'a str,
    pub arguments: &'a [&'a str],
    pub limits: &'a Limits,
    pub report: Report,
}

fn lines(stdout: &str) -> Result<BTreeMap<String, String>, String> {
    let mut answers = BTreeMap::new();
    for line in stdout.lines() {
        let (operation, answer) =
            line.split_once(" = ").ok_or_else(|| format!("`{line}` is not a line of a report"))?;
        if answers.insert(operation.to_owned(), answer.to_owned()).is_some() {
            return Err(format!("`{operation}` is reported twice"));
        }
    }
    Ok(answers)
}

/// The lines that one listing of the folders has and the other has not.
fn changes(before: &str, after: &str) -> String {
    let gone = before.lines().filter(|line| !after.lines().any(|other| other == *line)).map(|line| format!("-{line}"));
    let new = after.lines().filter(|line| !before.lines().any(|other| other == *line)).map(|line| format!("+{line}"));
    gone.chain(new).collect::<Vec<_>>().join(" ")
}

/// A longer text as one line that is not too long.
fn shown(text: &str) -> String {
    const LONGEST: usize = 1_000;
    let escaped = text.trim_end().escape_debug().to_string();
    if escaped.is_empty() {
        "nothing".to_owned()
    } else if escaped.len() <= LONGEST {
        escaped
    } else {
        format!("{} characters", text.len())
    }
}
