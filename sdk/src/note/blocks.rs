//! From the text of a note to its blocks, with the parser of CommonMark.

use std::ops::Range;

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};

use super::comments::{BLANK, blanked};
use super::{Block, BlockKind, Heading, Link, Note, Task, links, tags};

/// What Obsidian has beside CommonMark.
pub(super) const OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS)
    .union(Options::ENABLE_MATH)
    .union(Options::ENABLE_WIKILINKS);

/// Whether any line can be a heading, or the line below one. May be wrong only by saying yes.
pub(super) fn may_have_headings(body: &str) -> bool {
    body.lines().any(|line| {
        let rest = line.trim_start_matches(|c: char| c.is_ascii_digit() || " \t>*+-.)".contains(c));
        rest.starts_with(['#', '=', '\r']) || (rest.is_empty() && line.contains('-'))
    })
}

/// Reads the text behind the front matter.
pub(super) fn read(text: &str, note: &mut Note) {
    let body = note.body;
    let clean = blanked(&text[body..]);
    let mut walker = Walker::new(&clean, body, note);
    let mut events = Parser::new_ext(&clean, OPTIONS).into_offset_iter();
    let mut end = 0;
    while let Some((event, range)) = events.next() {
        // What is in an element starts before the element ends.
        if matches!(event, Event::Start(_)) && range.start >= end {
            end = range.end;
            walker.note.elements.push(body + range.start..body + range.end);
        }
        if let Event::Start(Tag::Link { id, .. } | Tag::Image { id, .. }) = &event {
            walker.definition = events.reference_definitions().get(id).map(|definition| definition.span.clone());
        }
        walker.step(event, range);
    }
    walker.close();
}

/// A block that is not complete yet.
#[derive(Default)]
struct Open {
    lines: Vec<Range<usize>>,
    /// Whether the next piece starts a line.
    breaks: bool,
    level: u8,
    task: Option<(char, usize)>,
    is_item: bool,
    is_cell: bool,
}

struct Walker<'n, 't> {
    /// The text behind the front matter, without comments.
    text: &'t str,
    /// Where it starts in the file.
    body: usize,
    note: &'n mut Note,
    open: Option<Open>,
    /// How deep it is in code and HTML, which have no text.
    silent: usize,
    /// How deep it is in a `[[link]]`, whose text is no text of the note.
    wiki: usize,
    /// How many items of lists it is in.
    items: usize,
    /// Text in which tags are looked for, when it is complete.
    run: Option<(Range<usize>, bool)>,
    /// A quote has just begun: its first words may name a callout.
    quote: bool,
    /// Where the target of a link is defined, if that is elsewhere.
    definition: Option<Range<usize>>,
}

impl<'n, 't> Walker<'n, 't> {
    fn new(text: &'t str, body: usize, note: &'n mut Note) -> Self {
        Self { text, body, note, open: None, silent: 0, wiki: 0, items: 0, run: None, quote: false, definition: None }
    }

    fn step(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(&tag, range),
            Event::End(tag) => self.end(tag, range),
            Event::Text(_) if self.silent == 0 => {
                let starts = self.extend(range.clone());
                self.add_text(range, starts);
            }
            Event::Code(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
                if self.silent == 0 =>
            {
                self.quote = false;
                self.extend(range);
            }
            Event::SoftBreak | Event::HardBreak => {
                self.end_run();
                if let Some(open) = &mut self.open {
                    open.breaks = true;
                }
            }
            Event::TaskListMarker(_) => {
                let state = self.text[range.start + 1..].chars().next().unwrap_or(' ');
                let start = range.start;
                self.open_block().task = Some((state, start));
            }
            Event::Rule => self.close(),
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>, range: Range<usize>) {
        // A callout is named by the first words of a quote, and by nothing that comes in another block.
        self.quote &= matches!(tag, Tag::Paragraph);
        match tag {
            Tag::Emphasis | Tag::Strong | Tag::Strikethrough => {
                self.extend(range.start..range.start);
            }
            Tag::Link { link_type, dest_url, .. } | Tag::Image { link_type, dest_url, .. } => {
                let embed = matches!(tag, Tag::Image { .. });
                let wiki = matches!(link_type, LinkType::WikiLink { .. });
                self.extend(range.start..range.start);
                self.end_run();
                self.wiki += usize::from(wiki || self.wiki > 0);
                if self.silent == 0 {
                    self.add_link(dest_url, *link_type, embed, range);
                }
            }
            Tag::CodeBlock(_) | Tag::HtmlBlock | Tag::MetadataBlock(_) => {
                self.close();
                self.silent += 1;
            }
            Tag::Heading { level, .. } => {
                self.close();
                self.open_block().level = *level as u8;
            }
            Tag::Paragraph => {
                // The mark of a task comes before the paragraph that it belongs to, or inside of it.
                if self.open.as_ref().is_none_or(|open| open.task.is_none() || !open.lines.is_empty()) {
                    self.close();
                }
                self.open_block();
            }
            Tag::BlockQuote(_) => {
                self.close();
                self.quote = true;
            }
            Tag::Item => {
                self.close();
                self.items += 1;
            }
            Tag::TableCell => {
                self.close();
                self.open_block().is_cell = true;
            }
            _ => self.close(),
        }
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) {
        self.quote &= !matches!(tag, TagEnd::BlockQuote(_));
        match tag {
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => {
                self.extend(range.end..range.end);
            }
            TagEnd::Link | TagEnd::Image => {
                self.extend(range.end..range.end);
                self.end_run();
                self.wiki = self.wiki.saturating_sub(1);
            }
            TagEnd::CodeBlock | TagEnd::HtmlBlock | TagEnd::MetadataBlock(_) => {
                self.silent = self.silent.saturating_sub(1);
            }
            TagEnd::Heading(_) => {
                if let Some(open) = &self.open
                    && let Some(heading) = self.heading(open, &range)
                {
                    self.note.headings.push(heading);
                }
                self.close();
            }
            TagEnd::Item => {
                self.close();
                self.items = self.items.saturating_sub(1);
            }
            _ => self.close(),
        }
    }

    fn open_block(&mut self) -> &mut Open {
        let is_item = self.items > 0;
        self.open.get_or_insert_with(|| Open { is_item, ..Open::default() })
    }

    /// Adds a piece to the open block, and says whether a line starts with it.
    fn extend(&mut self, piece: Range<usize>) -> bool {
        if self.silent > 0 {
            return false;
        }
        let open = self.open_block();
        let starts = open.breaks || open.lines.is_empty();
        open.breaks = false;
        match open.lines.last_mut().filter(|_| !starts) {
            Some(line) => line.end = line.end.max(piece.end),
            None => open.lines.push(piece),
        }
        starts
    }

    fn add_text(&mut self, range: Range<usize>, starts: bool) {
        if self.wiki > 0 {
            return;
        }
        if std::mem::take(&mut self.quote) && starts {
            self.skip_callout(range.start);
        }
        match &mut self.run {
            Some((run, _)) if run.end == range.start => run.end = range.end,
            _ => {
                self.end_run();
                self.run = Some((range, starts));
            }
        }
    }

    /// `[!note]` at the start of a quote says how it is drawn, and is no text.
    fn skip_callout(&mut self, start: usize) {
        let line = self.text[start..].lines().next().unwrap_or_default();
        let Some(end) = line.strip_prefix("[!").and_then(|name| name.find(']')) else { return };
        let after = end + 3 + usize::from(line[end + 3..].starts_with(['-', '+']));
        if let Some(line) = self.open.as_mut().and_then(|open| open.lines.last_mut()) {
            line.start = start + after;
            line.end = line.end.max(line.start);
        }
    }

    fn end_run(&mut self) {
        if let Some((run, starts)) = self.run.take() {
            let from = self.note.tags.len();
            tags::in_text(self.text, run, starts, &mut self.note.tags);
            for range in self.note.tags[from..].iter_mut().filter_map(|tag| tag.range.as_mut()) {
                *range = range.start + self.body..range.end + self.body;
            }
        }
    }

    /// Where the target of a link is written.
    fn place(&self, kind: LinkType, range: &Range<usize>) -> Option<Range<usize>> {
        match kind {
            LinkType::WikiLink { .. } => links::wiki_place(self.text, range.clone()),
            LinkType::Inline => links::inline_place(self.text, range.clone()),
            LinkType::Reference | LinkType::Collapsed | LinkType::Shortcut => {
                links::definition_place(self.text, self.definition.clone()?)
            }
            _ => None,
        }
    }

    fn add_link(&mut self, dest: &str, kind: LinkType, embed: bool, range: Range<usize>) {
        let (target, heading) = match dest.split_once('#') {
            Some((target, heading)) => (target, Some(heading.to_owned())),
            None => (dest, None),
        };
        let wiki = matches!(kind, LinkType::WikiLink { .. });
        // In a table the bar has a backslash before it, which is of the table.
        let plain =
            |text: &str| if wiki { text.trim().trim_end_matches('\\').trim_end() } else { text.trim() }.to_owned();
        let (target, heading) = (plain(target), heading.map(|heading| plain(&heading)));
        let shift = |range: Range<usize>| range.start + self.body..range.end + self.body;
        let place = self.place(kind, &range).map(shift);
        let range = shift(range);
        self.note.links.push(Link { target, heading, wiki, embed, range, place });
    }

    fn heading(&self, open: &Open, range: &Range<usize>) -> Option<Heading> {
        let lines = self.lines(open);
        let text = lines.join(" ");
        let whole = &self.text[range.clone()];
        let end = range.start + whole.trim_end().len();
        let range = self.body + range.start..self.body + end;
        (!text.is_empty()).then_some(Heading { level: open.level, text, range })
    }

    /// The lines of a block without comments and white space around them.
    fn lines(&self, open: &Open) -> Vec<String> {
        let line = |range: &Range<usize>| {
            let text: String = self.text[range.clone()].chars().filter(|c| *c != BLANK).collect();
            // A span of code over several lines keeps their ends.
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        open.lines.iter().map(line).filter(|line| !line.is_empty()).collect()
    }

    /// Ends the block that is open.
    fn close(&mut self) {
        self.end_run();
        let Some(open) = self.open.take() else { return };
        let mut lines = self.lines(&open);
        let (Some(first), Some(last)) = (open.lines.first(), open.lines.last()) else { return };
        let (start, end) = (first.start, last.end);
        let task = open.task.or_else(|| other_task(&mut lines, &open, start));
        if let Some((state, at)) = task {
            let range = self.body + at..self.body + end.max(at);
            self.note.tasks.push(Task { state, text: lines.join(" "), range });
        }
        if lines.is_empty() {
            return;
        }
        let kind = match open {
            Open { level: 1.., .. } => BlockKind::Heading,
            Open { is_cell: true, .. } => BlockKind::Cell,
            Open { is_item: true, .. } => BlockKind::Item,
            _ => BlockKind::Paragraph,
        };
        self.note.blocks.push(Block { kind, lines, range: self.body + start..self.body + end });
    }
}

/// A task in a state that only Obsidian knows, as `[/]` and `[-]`: taken off the first line.
fn other_task(lines: &mut [String], open: &Open, start: usize) -> Option<(char, usize)> {
    let first = lines.first_mut().filter(|_| open.is_item)?;
    let mut letters = first.strip_prefix('[')?.chars();
    let state = letters.next()?;
    let rest = letters.as_str().strip_prefix("] ")?;
    *first = rest.trim_start().to_owned();
    Some((state, start))
}
