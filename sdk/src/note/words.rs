//! From text to words, in any script.
//!
//! A word is a run of letters, digits and accents, compared without case. Scripts that are written without spaces
//! have no such runs: there every letter counts by itself, and so does every two that follow each other. An emoji is a
//! word of its own. Composed and decomposed accents are the same, and places are bytes of the text as it is.

use super::letters::{composed, is_composed, is_emoji, is_joiner, is_letter};

/// What a word is known by: a hash of its folded letters.
pub type Id = u64;

/// How a word stands in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A word between spaces, or an emoji.
    Word,
    /// One letter of a script without spaces.
    Letter,
    /// Two of them, side by side.
    Pair,
}

/// One word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// What it is.
    pub id: Id,
    /// How it stands there.
    pub kind: Kind,
    /// Its first byte.
    pub start: usize,
    /// The byte after it.
    pub end: usize,
}

const SEED: Id = 0xcbf2_9ce4_8422_2325;
const FACTOR: Id = 0x0000_0100_0000_01b3;

/// What a byte of ASCII is within a word: itself in lower case; 0 for what separates words, and for all other bytes.
const ASCII: [u8; 256] = ascii();

const fn ascii() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            table[byte as usize] = byte.to_ascii_lowercase();
        }
        byte += 1;
    }
    table
}

fn mix(id: Id, code: u32) -> Id {
    (id ^ Id::from(code)).wrapping_mul(FACTOR)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Gap,
    Spaced,
    /// Part of a word that must be composed before it is compared.
    Mark,
    /// Part of a word that has no sound.
    Joiner,
    Unspaced,
    Emoji,
}

fn class_of(letter: char) -> Class {
    match u32::from(letter) {
        // Thai and Lao, Myanmar, Khmer.
        0x0E01..=0x0EDF | 0x1000..=0x109F | 0x1780..=0x17DD
        // Kana and Bopomofo, Han, Hangul.
        | 0x3041..=0x3096 | 0x309D..=0x312F | 0x31A0..=0x31FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF
        | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFF66..=0xFF9D | 0x2_0000..=0x3_FFFF => Class::Unspaced,
        // Letters that are parts of Hangul, and the marks of Kana: composed, they are another letter.
        0x1100..=0x11FF | 0x3099..=0x309A => Class::Unspaced,
        _ if is_joiner(letter) => Class::Joiner,
        _ if is_emoji(letter) => Class::Emoji,
        _ if letter.is_alphanumeric() && is_composed(letter) => Class::Spaced,
        _ if is_letter(letter) => Class::Mark,
        _ => Class::Gap,
    }
}

/// A letter as it is compared: as in upper case and back, which makes `ß` and `SS` one, and all forms of sigma.
fn folded(letter: char) -> impl Iterator<Item = u32> {
    letter.to_uppercase().flat_map(char::to_lowercase).map(u32::from)
}

/// Letters that are looked up: Latin, Greek, Cyrillic and Armenian ones.
const KNOWN: u32 = 0x0590;

/// Finds words. It has the alphabets ready that letters are looked up in.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Of each letter below [`KNOWN`] its class, and what it is folded to; 0 where that is more than one letter.
    known: Vec<(Class, u32)>,
}

impl Reader {
    /// Makes the alphabets ready.
    pub fn new() -> Self {
        let entry = |code: u32| {
            let letter = char::from_u32(code).unwrap_or_default();
            let mut folds = folded(letter);
            let first = folds.next().unwrap_or_default();
            (class_of(letter), if folds.next().is_none() { first } else { 0 })
        };
        Self { known: (0..KNOWN).map(entry).collect() }
    }

    fn class_of(&self, letter: char) -> Class {
        self.known.get(letter as usize).map_or_else(|| class_of(letter), |(class, _)| *class)
    }

    fn mix_letter(&self, id: Id, letter: char) -> Id {
        match self.known.get(letter as usize) {
            Some((_, code)) if *code != 0 => mix(id, *code),
            _ => folded(letter).fold(id, mix),
        }
    }

    /// What a piece of text is known by: composed, without case and joiners.
    fn mix_piece(&self, id: Id, piece: &str) -> Id {
        let mut letters = piece.chars();
        // Most letters of Han, Kana and Hangul come alone and are composed.
        if let (Some(letter @ '\u{0E01}'..='\u{D7A3}'), None) = (letters.next(), letters.next())
            && !matches!(letter, '\u{0F00}'..='\u{0FFF}' | '\u{1100}'..='\u{11FF}')
        {
            return self.mix_letter(id, letter);
        }
        let plain: String = piece.chars().filter(|c| !is_joiner(*c)).collect();
        composed(&plain).chars().fold(id, |id, letter| self.mix_letter(id, letter))
    }

    /// Calls `found` with every word of `text`, in the order in which they end.
    pub fn each(&self, text: &str, mut found: impl FnMut(Word)) {
        let bytes = text.as_bytes();
        let mut at = 0;
        let mut word = Open::default();
        // The unspaced letter just before: its id and start.
        let mut before: Option<(Id, usize)> = None;
        while let Some(byte) = bytes.get(at) {
            let code = ASCII[usize::from(*byte)];
            if code != 0 {
                word.id = mix(word.id, u32::from(code));
                at += 1;
                continue;
            }
            let letter = if byte.is_ascii() { ' ' } else { letter_at(text, at) };
            let class = if byte.is_ascii() { Class::Gap } else { self.class_of(letter) };
            let end = at + letter.len_utf8();
            match class {
                Class::Spaced => word.id = self.mix_letter(word.id, letter),
                Class::Mark if at > word.start || letter.is_alphanumeric() => word.is_marked = true,
                Class::Joiner if at > word.start => {}
                _ => {
                    if self.close(&word, text, at, &mut found) {
                        before = None;
                    }
                    let last = before.take();
                    let mut end = end;
                    match class {
                        Class::Emoji => {
                            found(Word { id: self.mix_letter(SEED, letter), kind: Kind::Word, start: at, end });
                        }
                        Class::Unspaced => {
                            end = cluster_end(text, end);
                            before = Some((self.mix_piece(SEED, &text[at..end]), at));
                            self.unspaced(&text[at..end], at, last, &mut found);
                        }
                        _ => {}
                    }
                    word = Open { start: end, ..Open::default() };
                    at = end;
                    continue;
                }
            }
            at = end;
        }
        self.close(&word, text, at, &mut found);
    }

    /// Ends a word between spaces; says whether there was one.
    fn close(&self, word: &Open, text: &str, end: usize, found: &mut impl FnMut(Word)) -> bool {
        let start = word.start;
        if end > start {
            let id = if word.is_marked { self.mix_piece(SEED, &text[start..end]) } else { word.id };
            found(Word { id, kind: Kind::Word, start, end });
        }
        end > start
    }

    /// One letter of a script without spaces, and the pair that it is with the one before.
    fn unspaced(&self, letter: &str, at: usize, last: Option<(Id, usize)>, found: &mut impl FnMut(Word)) {
        let end = at + letter.len();
        found(Word { id: self.mix_piece(SEED, letter), kind: Kind::Letter, start: at, end });
        if let Some((id, start)) = last {
            found(Word { id: self.mix_piece(id, letter), kind: Kind::Pair, start, end });
        }
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

/// The word that is open.
struct Open {
    id: Id,
    start: usize,
    /// Whether it must be composed before it is compared.
    is_marked: bool,
}

impl Default for Open {
    fn default() -> Self {
        Self { id: SEED, start: 0, is_marked: false }
    }
}

/// Where a letter ends together with the marks of Kana and the parts of Hangul that follow it.
fn cluster_end(text: &str, end: usize) -> usize {
    let rest = &text[end..];
    let joins = |c: char| matches!(u32::from(c), 0x1160..=0x11FF | 0x3099..=0x309A);
    end + rest.find(|c| !joins(c)).unwrap_or(rest.len())
}

/// The letter that starts at a byte; a gap where none does.
fn letter_at(text: &str, at: usize) -> char {
    text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(' ')
}
