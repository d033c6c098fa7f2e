//! Traits, generics, closures and constants: a small pipeline of text filters.

use std::borrow::Cow;
use std::fmt::{Debug, Display, Write as _};
use std::iter::{self, Peekable};
use std::marker::PhantomData;
use std::ops::{Add, AddAssign, ControlFlow, Deref, RangeInclusive};
use std::str::FromStr;

use kavi_sdk::prelude::*;

trait Filter {
    const NAME: &'static str;
    type Kept: Display;

    fn apply<'a>(&self, line: &'a str) -> Option<Cow<'a, str>>;

    fn boxed(self) -> Box<dyn Fn(&str) -> Option<String>>
    where
        Self: Sized + 'static,
    {
        Box::new(move |line| self.apply(line).map(Cow::into_owned))
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Longer<const N: usize>;

impl<const N: usize> Filter for Longer<N> {
    const NAME: &'static str = "longer";
    type Kept = String;

    fn apply<'a>(&self, line: &'a str) -> Option<Cow<'a, str>> {
        (line.len() > N).then_some(Cow::Borrowed(line))
    }
}

struct Numbered<T>(u32, PhantomData<fn() -> T>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Total(u64);

impl Add for Total {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign<u64> for Total {
    fn add_assign(&mut self, more: u64) {
        *self = *self + Self(more);
    }
}

impl Deref for Total {
    type Target = u64;

    fn deref(&self) -> &u64 {
        &self.0
    }
}

impl FromStr for Total {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<u64>().map(Self)
    }
}

fn pairs<I>(mut items: Peekable<I>) -> impl Iterator<Item = (I::Item, Option<I::Item>)>
where
    I: Iterator<Item: Clone + Debug>,
{
    iter::from_fn(move || items.next().map(|item| (item, items.peek().cloned())))
}

const ALLOWED: RangeInclusive<usize> = 1..=<Longer<3> as Filter>::NAME.len();
static FILTERS: &[&str] = &[<Longer<1>>::NAME, Longer::<2>::NAME];

#[derive(Deserialize)]
struct Input {
    lines: Vec<String>,
}

#[derive(Serialize)]
struct Output {
    text: String,
    total: u64,
}

fn run(Input { lines }: Input) -> Result<Output, SkillError> {
    let filter = Longer::<3>.boxed();
    let numbered: Numbered<String> = Numbered(1, PhantomData);
    let mut total = Total::default();
    let mut text = String::new();
    let kept: Vec<String> = lines.iter().filter_map(|line| filter(line)).collect();
    for (line, next) in pairs(kept.iter().peekable()) {
        let number = numbered.0 + *total as u32;
        writeln!(text, "{number:>3} {line}{}", if next.is_some() { ";" } else { "." })
            .map_err(|error| SkillError::failed(error.to_string()))?;
        total += 1;
    }
    let stopped = lines.iter().try_for_each(|line| match line.parse::<Total>() {
        Ok(number) if !ALLOWED.contains(&(*number as usize)) && *number != 0 => ControlFlow::Break(number),
        _ => ControlFlow::Continue(()),
    });
    let ControlFlow::Continue(()) = stopped else {
        return Err(SkillError::invalid_input(format!("a number out of range for {FILTERS:?}")));
    };
    Ok(Output { text, total: *total })
}

kavi_sdk::export_skill!(run);
