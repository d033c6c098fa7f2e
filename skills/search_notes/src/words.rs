//! From text to words, in any script.
//!
//! A word is a run of letters, digits and accents, compared without case. Scripts that are written without spaces
//! have no such runs: there every letter counts by itself, and so does every two that follow each other. An emoji is a
//! word of its own.

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
    Unspaced,
    Emoji,
}

fn class_of(letter: char) -> Class {
    match u32::from(letter) {
        // Accents that follow their letter.
        0x0300..=0x036F => Class::Spaced,
        // Thai and Lao, Myanmar, Khmer.
        0x0E01..=0x0EDF | 0x1000..=0x109F | 0x1780..=0x17DD
        // Kana and Bopomofo, Han, Hangul.
        | 0x3041..=0x312F | 0x31A0..=0x31FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF | 0xFF66..=0xFF9D | 0x2_0000..=0x3_FFFF => Class::Unspaced,
        0x2600..=0x27BF | 0x1_F000..=0x1_FAFF => Class::Emoji,
        _ if letter.is_alphanumeric() => Class::Spaced,
        _ => Class::Gap,
    }
}

/// A letter as it is compared: as in upper case and back, which makes `ß` and `SS` one, and all forms of sigma.
fn folded(letter: char) -> impl Iterator<Item = u32> {
    letter
        .to_uppercase()
        .flat_map(char::to_lowercase)
        .map(u32::from)
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
            (
                class_of(letter),
                if folds.next().is_none() { first } else { 0 },
            )
        };
        Self {
            known: (0..KNOWN).map(entry).collect(),
        }
    }

    fn class_of(&self, letter: char) -> Class {
        self.known
            .get(letter as usize)
            .map_or_else(|| class_of(letter), |(class, _)| *class)
    }

    fn mix_letter(&self, id: Id, letter: char) -> Id {
        match self.known.get(letter as usize) {
            Some((_, code)) if *code != 0 => mix(id, *code),
            _ => folded(letter).fold(id, mix),
        }
    }

    /// Calls `found` with every word of `text`, in the order in which they end.
    pub fn each(&self, text: &str, mut found: impl FnMut(Word)) {
        let bytes = text.as_bytes();
        let mut at = 0;
        // The word that is open: its id and start.
        let (mut id, mut start) = (SEED, 0);
        // The unspaced letter just before: its id and start.
        let mut before: Option<(Id, usize)> = None;
        while let Some(byte) = bytes.get(at) {
            let code = ASCII[usize::from(*byte)];
            if code != 0 {
                id = mix(id, u32::from(code));
                at += 1;
                continue;
            }
            let letter = if byte.is_ascii() {
                ' '
            } else {
                letter_at(text, at)
            };
            let class = if byte.is_ascii() {
                Class::Gap
            } else {
                self.class_of(letter)
            };
            let end = at + letter.len_utf8();
            if class == Class::Spaced {
                id = self.mix_letter(id, letter);
                at = end;
                continue;
            }
            if at > start {
                found(Word {
                    id,
                    kind: Kind::Word,
                    start,
                    end: at,
                });
                before = None;
            }
            (id, start) = (SEED, end);
            let last = before.take();
            if class == Class::Unspaced || class == Class::Emoji {
                let id = self.mix_letter(SEED, letter);
                let kind = if class == Class::Emoji {
                    Kind::Word
                } else {
                    Kind::Letter
                };
                found(Word {
                    id,
                    kind,
                    start: at,
                    end,
                });
                if let Some((id, start)) = last.filter(|_| kind == Kind::Letter) {
                    found(Word {
                        id: self.mix_letter(id, letter),
                        kind: Kind::Pair,
                        start,
                        end,
                    });
                }
                before = (kind == Kind::Letter).then_some((id, at));
            }
            at = end;
        }
        if at > start {
            found(Word {
                id,
                kind: Kind::Word,
                start,
                end: at,
            });
        }
    }
}

/// The letter that starts at a byte; a gap where none does.
fn letter_at(text: &str, at: usize) -> char {
    text.get(at..)
        .and_then(|rest| rest.chars().next())
        .unwrap_or(' ')
}
