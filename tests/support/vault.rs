//! A vault as somebody could have it: made from a seed, the same bytes each time.
//!
//! Folders, links, tags, front matter that is right and front matter that is not, scripts without spaces, emoji, line ends of
//! Windows, files that are huge, empty or no UTF-8, files that are no notes, hidden ones, and links that lead out of it.
//! What a reader must find in it is noted while it is made.

#![allow(dead_code, reason = "each program that includes this uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// A word that stands in some notes and nowhere else.
pub const NEEDLE: &str = "quillfeather";
/// Two letters that stand side by side in some notes and nowhere else.
pub const WIDE_NEEDLE: &str = "鯨雲";
/// What lies outside of the vault, and must never show up.
pub const SECRET: &str = "canary-behind-the-link";

/// What is in a vault.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The notes that can be read, and how large they are.
    pub notes: BTreeMap<String, usize>,
    /// The notes of each tag, in lower case, without those of nested ones.
    pub tags: BTreeMap<String, BTreeSet<String>>,
    /// The notes with [`NEEDLE`].
    pub needles: BTreeSet<String>,
    /// The notes with [`WIDE_NEEDLE`].
    pub wide_needles: BTreeSet<String>,
    /// How many links there are.
    pub links: usize,
}

impl Facts {
    /// The notes of a tag and of those below it.
    pub fn tagged(&self, tag: &str) -> BTreeSet<String> {
        let below = format!("{tag}/");
        let fitting = self.tags.iter().filter(|(name, _)| *name == tag || name.starts_with(&below));
        fitting.flat_map(|(_, paths)| paths.clone()).collect()
    }
}

const FOLDERS: [&str; 14] = [
    "",
    "Projects",
    "Projects/Kavi",
    "Projects/Kavi/Meetings",
    "Projects/Garden",
    "Areas/Health",
    "Areas/Money",
    "Areas/Reading/2024",
    "Areas/Reading/2025",
    "Resources/Recipes",
    "Resources/日本語",
    "Archive/2023/Q4",
    "Archive/Café ☕",
    "Journal",
];
const TAGS: [&str; 12] = [
    "project",
    "project/kavi",
    "project/kavi/core",
    "Project/Garden",
    "health",
    "reading/2025",
    "idea",
    "todo",
    "日記",
    "café",
    "y2026",
    "people/ana-maria_1",
];
const WIDE: &str = "日本語中文東京都大学生活時間仕事会議記録今年去年旅行計画研究開発設計試験結果問題解決方法";
const EMOJI: [&str; 6] = ["🎉", "🚀", "✅", "👩‍💻", "☕", "🇨🇿"];

/// Chance, and words out of it.
struct SeededRng {
    rng: ChaCha20Rng,
    words: Vec<String>,
}

impl SeededRng {
    fn new(seed: u64) -> Self {
        let mut seeded_rng = Self { rng: ChaCha20Rng::seed_from_u64(seed), words: Vec::new() };
        let starts =
            ["b", "br", "c", "d", "f", "g", "gr", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "v", "ž", "ö"];
        let ends = ["a", "an", "e", "el", "en", "i", "ing", "o", "or", "u", "ur", "y"];
        for _ in 0..3_000 {
            let parts = 1 + seeded_rng.below(3);
            let word = (0..parts).map(|_| format!("{}{}", seeded_rng.one(&starts), seeded_rng.one(&ends))).collect();
            seeded_rng.words.push(word);
        }
        seeded_rng
    }

    fn below(&mut self, end: usize) -> usize {
        (self.rng.next_u64() % end as u64) as usize
    }

    /// Whether something happens that happens so many times in a hundred.
    fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    fn one<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A word: few are frequent, most are rare.
    fn word(&mut self) -> String {
        let end = 1 + self.below(self.words.len());
        let at = self.below(end);
        self.words[at].clone()
    }

    fn sentence(&mut self) -> String {
        if self.percent(6) {
            let letters: Vec<char> = WIDE.chars().collect();
            let count = 8 + self.below(25);
            return (0..count).map(|_| self.one(&letters)).collect::<String>() + "。";
        }
        let count = 4 + self.below(16);
        let mut words: Vec<String> = (0..count).map(|_| self.word()).collect();
        if self.percent(10) {
            words.push(format!("[[{}|{}]]", self.word(), self.word()));
        }
        if self.percent(6) {
            words.push(format!("https://example.org/{}#{}", self.word(), self.word()));
        }
        if self.percent(5) {
            words.push(self.one(&EMOJI).to_owned());
        }
        let text = words.join(" ");
        let first = text.chars().next().into_iter().flat_map(char::to_uppercase).collect::<String>();
        first + &text[text.chars().next().map_or(0, char::len_utf8)..] + "."
    }

    fn paragraphs(&mut self, bytes: usize) -> String {
        let mut text = String::new();
        while text.len() < bytes {
            match self.below(12) {
                0 => text.push_str(&format!("\n## {}\n\n", self.word())),
                1 => text.push_str(&format!("- {}\n- [ ] {}\n", self.sentence(), self.sentence())),
                2 => text.push_str("\n```\n# no heading, #no-tag\nlet x = 1;\n```\n\n"),
                3 => text.push_str("> `#no-tag` [x](#no-tag) a#no-tag ##no-tag #2026\n\n"),
                _ => {
                    let count = 1 + self.below(5);
                    (0..count).for_each(|_| text = format!("{text}{} ", self.sentence()));
                    text.push_str("\n\n");
                }
            }
        }
        text
    }
}

/// One note while it is made.
struct Note {
    path: String,
    text: String,
    tags: Vec<&'static str>,
}

impl Note {
    fn new(seeded_rng: &mut SeededRng, number: usize) -> Self {
        let folder = seeded_rng.one(&FOLDERS);
        let slash = if folder.is_empty() { "" } else { "/" };
        let name = match seeded_rng.below(10) {
            0 => format!("2026-{:02}-{:02} {number}", 1 + number % 12, 1 + number % 28),
            1 => format!("会議 {number}"),
            _ => format!("{} {} {number}", seeded_rng.word(), seeded_rng.word()),
        };
        Self { path: format!("{folder}{slash}{name}.md"), text: String::new(), tags: Vec::new() }
    }

    fn front_matter(&mut self, seeded_rng: &mut SeededRng) {
        let (one, two) = (seeded_rng.one(&TAGS), seeded_rng.one(&TAGS));
        let title = seeded_rng.word();
        match seeded_rng.below(20) {
            // Broken: never closed. What it says of tags is text, and text has no such tags.
            0 => return self.text.push_str(&format!("---\ntitle: {title}\ntags: [{one}]\n\n")),
            // Broken: no YAML. What can be read of it counts.
            1 => self.text.push_str(&format!("---\ntitle: \"{title}\ntags: [{one}, {two}\n\tx\n---\n")),
            2..6 => self.text.push_str(&format!("---\ntags:\n  - {one}\n  - \"{two}\"\ntitle: {title}\n---\n")),
            6..10 => self.text.push_str(&format!("---\ntags: {one}, {two}\naliases: [{title}]\n---\n\n")),
            10..12 => self.text.push_str(&format!("---\ntag: '#{one}'\nTags: {two}\n...\n")),
            12..14 => return self.text.push_str("---\ncreated: 2026-01-02\ntags:\n---\n"),
            _ => self.text.push_str(&format!("---\ntitle: {title}\ntags: [{one}, '{two}'] # both\n---\n\n")),
        }
        self.tags.extend([one, two]);
    }

    fn body(&mut self, seeded_rng: &mut SeededRng, bytes: usize) {
        let heading = seeded_rng.word();
        self.text.push_str(&format!("# {heading}\n\n{}", seeded_rng.paragraphs(bytes)));
        for _ in 0..seeded_rng.below(3) {
            let tag = seeded_rng.one(&TAGS);
            self.text.push_str(&format!("Something about it #{tag}, and on.\n"));
            self.tags.push(tag);
        }
    }
}

/// Makes a vault of so many notes in an empty folder, and what its links lead to beside it.
pub fn generate(vault: &Path, outside: &Path, seed: u64, notes: usize) -> Facts {
    let mut seeded_rng = SeededRng::new(seed);
    let mut facts = Facts::default();
    for number in 0..notes {
        let mut note = Note::new(&mut seeded_rng, number);
        // A few at fixed places, so that every vault has each kind.
        let bytes = match number {
            10 | 500 => (2 << 20) + seeded_rng.below(1 << 20),
            _ => 300 + seeded_rng.below(60).pow(2) + seeded_rng.below(800),
        };
        let is_empty = number % 97 == 5;
        if !is_empty {
            if seeded_rng.percent(60) {
                note.front_matter(&mut seeded_rng);
            }
            note.body(&mut seeded_rng, bytes);
            if number % 61 == 3 {
                note.text.push_str(&format!("\nHere is the {NEEDLE} again.\n"));
                facts.needles.insert(note.path.clone());
            }
            if number % 83 == 4 {
                note.text.push_str(&format!("\n空に{WIDE_NEEDLE}が浮かぶ。\n"));
                facts.wide_needles.insert(note.path.clone());
            }
        }
        let bytes = bytes_of(&note.text, &mut seeded_rng, number);
        for tag in &note.tags {
            facts.tags.entry(tag.to_lowercase()).or_default().insert(note.path.clone());
        }
        put(vault, &note.path, &bytes);
        facts.notes.insert(note.path, bytes.len());
    }
    besides(vault, outside, &mut facts);
    facts
}

/// The text as it lies on the disk.
fn bytes_of(text: &str, seeded_rng: &mut SeededRng, number: usize) -> Vec<u8> {
    let mut bytes = match number % 10 {
        7 => text.replace('\n', "\r\n").into_bytes(),
        _ => text.as_bytes().to_vec(),
    };
    if number % 31 == 9 {
        bytes.splice(0..0, *b"\xEF\xBB\xBF");
    }
    if number % 101 == 8 {
        for _ in 0..20 {
            bytes.extend([0xFF, b' ', 0xE6, 0x97, b' ', seeded_rng.below(256) as u8, b'\n']);
        }
    }
    bytes
}

/// What lies in a vault besides notes.
fn besides(vault: &Path, outside: &Path, facts: &mut Facts) {
    for (path, text) in [
        (".obsidian/app.json", "{}"),
        (".trash/gone.md", "#todo quillfeather"),
        ("Projects/.hidden.md", "#todo quillfeather"),
        ("Projects/board.canvas", "{\"nodes\": [\"#todo quillfeather\"]}"),
        ("Resources/data.csv", "quillfeather,#todo\n"),
        ("Resources/picture.png", "\u{89}PNG quillfeather"),
    ] {
        put(vault, path, text.as_bytes());
    }
    fs::create_dir_all(vault.join("Areas/Empty folder")).expect("a folder");
    put(outside, "secret.md", format!("# {SECRET}\n\n#todo {NEEDLE} {SECRET}\n").as_bytes());
    for (target, link) in [
        (outside.to_owned(), "Projects/outside"),
        (outside.join("secret.md"), "Journal/secret.md"),
        ("../Journal".into(), "Projects/inside"),
        ("nowhere.md".into(), "dangling.md"),
    ] {
        let link = vault.join(link);
        fs::create_dir_all(link.parent().expect("a folder")).expect("a folder");
        symlink(target, link).expect("a link");
        facts.links += 1;
    }
}

fn put(vault: &Path, path: &str, bytes: &[u8]) {
    let place = vault.join(path);
    fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
    fs::write(place, bytes).expect("a file");
}
