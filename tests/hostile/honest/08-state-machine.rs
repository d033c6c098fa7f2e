//! A tokeniser and evaluator: recursion, labelled loops, let-else, match guards.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque, hash_map::Entry};
use std::error::Error;
use std::fmt;
use std::mem;
use std::rc::Rc;

use kavi_sdk::prelude::*;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Name(Rc<str>),
    Sign(char),
}

#[derive(Debug)]
enum EvalError {
    Unexpected { token: Token, at: usize },
    Unknown(Rc<str>),
    Empty,
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected { token, at } => write!(f, "unexpected {token:?} at {at}"),
            Self::Unknown(name) => write!(f, "unknown name `{name}`"),
            Self::Empty => f.write_str("nothing to evaluate"),
        }
    }
}

impl Error for EvalError {}

impl From<EvalError> for SkillError {
    fn from(error: EvalError) -> Self {
        SkillError::invalid_input(error.to_string())
    }
}

fn tokens(text: &str) -> VecDeque<Token> {
    let mut out = VecDeque::new();
    let mut word = String::new();
    'chars: for c in text.chars().chain([' ']) {
        if c.is_alphanumeric() || c == '.' || c == '_' {
            word.push(c);
            continue 'chars;
        }
        match mem::take(&mut word) {
            w if w.is_empty() => {}
            w => out.push_back(w.parse().map_or_else(|_| Token::Name(w.as_str().into()), Token::Number)),
        }
        if !c.is_whitespace() {
            out.push_back(Token::Sign(c));
        }
    }
    out
}

struct Evaluator<'a> {
    names: &'a HashMap<String, f64>,
    tokens: VecDeque<Token>,
    at: usize,
}

impl Evaluator<'_> {
    fn next(&mut self) -> Option<Token> {
        self.at += 1;
        self.tokens.pop_front()
    }

    fn sum(&mut self) -> Result<f64, EvalError> {
        let mut value = self.product()?;
        while let Some(Token::Sign(sign @ ('+' | '-'))) = self.tokens.front().cloned() {
            self.next();
            let right = self.product()?;
            value = if sign == '+' { value + right } else { value - right };
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<f64, EvalError> {
        let mut value = self.atom()?;
        loop {
            let Some(Token::Sign('*' | '/')) = self.tokens.front() else { break Ok(value) };
            let divide = matches!(self.next(), Some(Token::Sign('/')));
            let right = self.atom()?;
            value = if divide { value / right } else { value * right };
        }
    }

    fn atom(&mut self) -> Result<f64, EvalError> {
        match self.next().ok_or(EvalError::Empty)? {
            Token::Number(n) => Ok(n),
            Token::Name(name) => self.names.get(&*name).copied().ok_or(EvalError::Unknown(name)),
            Token::Sign('-') => self.atom().map(|n| -n),
            Token::Sign('(') => {
                let value = self.sum()?;
                match self.next() {
                    Some(Token::Sign(')')) => Ok(value),
                    Some(token) => Err(EvalError::Unexpected { token, at: self.at }),
                    None => Err(EvalError::Empty),
                }
            }
            token => Err(EvalError::Unexpected { token, at: self.at }),
        }
    }
}

#[derive(Deserialize)]
struct Input {
    lines: Vec<String>,
}

#[derive(Serialize)]
struct Output {
    values: Vec<(String, f64)>,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let mut names: HashMap<String, f64> = HashMap::from([("pi".to_owned(), std::f64::consts::PI)]);
    for line in &input.lines {
        let (name, text) = line.split_once('=').unwrap_or(("it", line));
        let mut evaluator = Evaluator { names: &names, tokens: tokens(text), at: 0 };
        let value = evaluator.sum()?;
        match names.entry(name.trim().to_owned()) {
            Entry::Occupied(mut entry) if *entry.get() != value => drop(entry.insert(value)),
            Entry::Occupied(_) => {}
            Entry::Vacant(entry) => _ = entry.insert(value),
        }
    }
    let mut values: Vec<_> = names.into_iter().collect();
    values.sort_by(|(a, x), (b, y)| match x.partial_cmp(y) {
        None | Some(Ordering::Equal) => a.cmp(b),
        Some(order) => order,
    });
    Ok(Output { values })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(text: &str) -> Result<f64, EvalError> {
        Evaluator { names: &HashMap::new(), tokens: tokens(text), at: 0 }.sum()
    }

    #[test]
    fn follows_the_usual_order() -> Result<(), EvalError> {
        assert_eq!(eval("1 + 2 * 3")?, 7.0);
        assert_eq!(eval("-(1 + 2) * 3")?, -9.0);
        assert_ne!(eval("8 / 2 / 2")?, 8.0);
        Ok(())
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(matches!(eval("(1"), Err(EvalError::Empty)));
        let Err(EvalError::Unknown(name)) = eval("x") else { panic!("`x` is unknown") };
        assert_eq!(&*name, "x");
    }
}
