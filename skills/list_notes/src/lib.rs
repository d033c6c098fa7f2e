//! Lists what a vault has: notes, tags, properties, links and tasks.

use kavi_sdk::note::{self, Note};
use kavi_sdk::prelude::*;
use kavi_sdk::vault::LeftOut;

mod filter;
mod links;
#[cfg(test)]
mod tests;

use filter::Filter;

/// Things that were not read and are named.
const MAX_UNREAD: usize = 20;

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    what: What,
    #[serde(flatten)]
    filter: Filter,
    /// The note whose links are listed.
    path: Option<String>,
    /// Only tasks that are done, or only those that are not.
    done: Option<bool>,
    #[serde(default = "fifty")]
    limit: usize,
    #[serde(default)]
    offset: usize,
}

fn fifty() -> usize {
    50
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
enum What {
    #[default]
    Notes,
    /// Each tag, and how many notes have it.
    Tags,
    /// Each name of a property, and how many notes have it.
    Properties,
    /// The links that lead to a note.
    Backlinks,
    /// The links that lead to no file.
    Unresolved,
    Tasks,
}

#[derive(Serialize)]
struct Output {
    total: usize,
    items: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<usize>,
    /// How many links, folders and notes could not be read.
    skipped: usize,
    /// The first of them, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<LeftOut>,
}

/// One line of a list: what it has depends on what is listed.
#[derive(Serialize, Default, Debug, PartialEq)]
struct Item {
    /// The note, or where a link or task is.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// A tag, a property, the target of a link, or the words of a task.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// How many notes have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<bool>,
    /// Where it is, in bytes of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<usize>,
}

fn run(input: Input) -> Result<Output, SkillError> {
    input.filter.check()?;
    let folder = input.filter.folder.as_str();
    let about_links = matches!(input.what, What::Backlinks | What::Unresolved);
    // A link may lead to any file, wherever it is.
    let files = if about_links {
        links::Files::new(input.path.as_deref(), input.what)?
    } else {
        links::Files::default()
    };
    let walk = vault::walk(folder)?;
    let mut unread = walk.left_out;
    let mut list = List::default();
    for path in walk.files.iter().filter(|path| note::is_note(path)) {
        match note::read(path) {
            Ok(text) => {
                let note = Note::parse(&text);
                if input.filter.accepts(path, &note) {
                    list.add(path, &note, &input, &files);
                }
            }
            Err(error) => unread.push(LeftOut::new(path.as_str(), &error)),
        }
    }
    let items = list.into_items();
    let total = items.len();
    let page = items.into_iter().skip(input.offset).take(input.limit);
    let items: Vec<Item> = page.collect();
    let next = input.offset.saturating_add(items.len());
    let skipped = unread.len();
    unread.truncate(MAX_UNREAD);
    Ok(Output {
        total,
        next_offset: (next < total).then_some(next),
        items,
        skipped,
        unread,
    })
}

/// What was found so far.
#[derive(Default)]
struct List {
    items: Vec<Item>,
    /// Names that are counted, by how they are compared: how they are written first, and how many notes have them.
    counts: std::collections::BTreeMap<String, (String, usize)>,
}

impl List {
    fn add(&mut self, path: &str, note: &Note, input: &Input, files: &links::Files) {
        match input.what {
            What::Notes => self.items.push(Item {
                path: Some(path.to_owned()),
                tags: names(note.tags.iter().map(|tag| tag.name.as_str())),
                date: filter::date_of(note),
                ..Item::default()
            }),
            What::Tags => self.count(names(note.tags.iter().map(|tag| tag.name.as_str()))),
            What::Properties => {
                let keys = note.front.properties.iter();
                self.count(names(keys.map(|property| property.key.as_str())));
            }
            What::Backlinks | What::Unresolved => self.items.extend(files.links(path, note)),
            What::Tasks => {
                let tasks = note.tasks.iter();
                let wanted =
                    tasks.filter(|task| input.done.is_none_or(|done| done == task.is_done()));
                self.items.extend(wanted.map(|task| Item {
                    path: Some(path.to_owned()),
                    name: Some(task.text.clone()),
                    done: Some(task.is_done()),
                    start: Some(task.range.start),
                    end: Some(task.range.end),
                    ..Item::default()
                }));
            }
        }
    }

    fn count(&mut self, names: Vec<String>) {
        for name in names {
            let key = note::letters::folded(&name);
            self.counts.entry(key).or_insert((name, 0)).1 += 1;
        }
    }

    /// Names by how many notes have them, everything else in the order of paths.
    fn into_items(self) -> Vec<Item> {
        let mut counts: Vec<(String, usize)> = self.counts.into_values().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let counted = counts.into_iter().map(|(name, count)| Item {
            name: Some(name),
            count: Some(count),
            ..Item::default()
        });
        self.items.into_iter().chain(counted).collect()
    }
}

/// Names without those that differ only in case, in their order.
fn names<'n>(all: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut known = std::collections::BTreeSet::new();
    all.filter(|name| known.insert(note::letters::folded(name)))
        .map(str::to_owned)
        .collect()
}

kavi_sdk::export_skill!(run);
