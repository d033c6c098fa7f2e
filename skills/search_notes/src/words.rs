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

/// What a byte of ASCII is within a word: itself in lower case, or 0 for what separates words.
const ASCII: [u8; 128] = ascii();

const fn ascii() -> [u8; 128] {
    let mut table = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = (byte as u8).to_ascii_lowercase();
        }
        byte += 1;
    }
    table
}

fn mix(id: Id, byte: u8) -> Id {
    (id ^ Id::from(byte)).wrapping_mul(FACTOR)
}

/// Adds a letter, folded: as in upper case and back, which makes `ß` and `SS` one, and all forms of sigma.
fn mix_letter(mut id: Id, letter: char) -> Id {
    for upper in letter.to_uppercase() {
        for lower in upper.to_lowercase() {
            let mut bytes = [0; 4];
            for byte in lower.encode_utf8(&mut bytes).bytes() {
                id = mix(id, byte);
            }
        }
    }
    id
}

#[derive(Clone, Copy, PartialEq, Eq)]
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

/// Calls `found` with every word of `text`, in the order in which they end.
pub fn each(text: &str, mut found: impl FnMut(Word)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    // The word that is open: its id and start.
    let mut open: Option<(Id, usize)> = None;
    // The unspaced letter just before: its id and start.
    let mut before: Option<(Id, usize)> = None;
    while let Some(byte) = bytes.get(at) {
        if let Some(&folded) = ASCII.get(usize::from(*byte)) {
            if folded != 0 {
                let (id, start) = open.unwrap_or((SEED, at));
                open = Some((mix(id, folded), start));
            } else if let Some((id, start)) = open.take() {
                found(Word {
                    id,
                    kind: Kind::Word,
                    start,
                    end: at,
                });
            }
            before = None;
            at += 1;
            continue;
        }
        let Some(letter) = text.get(at..).and_then(|rest| rest.chars().next()) else {
            break;
        };
        let class = class_of(letter);
        let end = at + letter.len_utf8();
        if class == Class::Spaced {
            let (id, start) = open.unwrap_or((SEED, at));
            open = Some((mix_letter(id, letter), start));
        } else if let Some((id, start)) = open.take() {
            found(Word {
                id,
                kind: Kind::Word,
                start,
                end: at,
            });
        }
        let last = before.take();
        if class == Class::Unspaced {
            let id = mix_letter(SEED, letter);
            found(Word {
                id,
                kind: Kind::Letter,
                start: at,
                end,
            });
            if let Some((id, start)) = last {
                found(Word {
                    id: mix_letter(id, letter),
                    kind: Kind::Pair,
                    start,
                    end,
                });
            }
            before = Some((id, at));
        } else if class == Class::Emoji {
            found(Word {
                id: mix_letter(SEED, letter),
                kind: Kind::Word,
                start: at,
                end,
            });
        }
        at = end;
    }
    if let Some((id, start)) = open {
        found(Word {
            id,
            kind: Kind::Word,
            start,
            end: at,
        });
    }
}
