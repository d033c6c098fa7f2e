//! The check of what decides, around a read of it.
//!
//! Guarantees: what is read and what is checked are of one moment, so no edit in between is believed. A head that another process
//! writes meanwhile is not taken for one that leads the ledger.

use rusqlite::Connection;

use super::super::{Ledger, LedgerError};
use super::state;
use crate::history::anchor::{AnchorError, HistoryAnchor};
use crate::history::note::NoteKey;
use crate::history::rules::DecisionRules;
use crate::model::name::SkillName;

/// An anchor whose head was read before.
#[derive(Debug)]
struct HeadBefore<'a> {
    anchor: &'a dyn HistoryAnchor,
    head: Result<Option<String>, AnchorError>,
    witnessed: Result<Option<String>, AnchorError>,
}

impl<'a> HeadBefore<'a> {
    fn read(anchor: &'a dyn HistoryAnchor) -> Self {
        Self { anchor, head: anchor.head(), witnessed: anchor.witnessed() }
    }
}

impl HistoryAnchor for HeadBefore<'_> {
    fn key(&self) -> Result<NoteKey, AnchorError> {
        self.anchor.key()
    }

    fn sign(&self, text: &str) -> Result<[u8; 64], AnchorError> {
        self.anchor.sign(text)
    }

    fn head(&self) -> Result<Option<String>, AnchorError> {
        self.head.clone()
    }

    fn advance(&self, note: &str) -> Result<(), AnchorError> {
        self.anchor.advance(note)
    }

    fn witnessed(&self) -> Result<Option<String>, AnchorError> {
        self.witnessed.clone()
    }

    fn rules(&self) -> &DecisionRules {
        self.anchor.rules()
    }
}

impl Ledger {
    /// Checks that the switch and, if one is named, a skill are what the newest decision of the history committed to. Checks
    /// also that the history is the one that the anchor knows.
    ///
    /// # Errors
    /// [`LedgerError::Tampered`] with the event and the field, or [`LedgerError::Anchor`].
    pub fn check_trust(&self, skill: Option<&SkillName>) -> Result<(), LedgerError> {
        self.read_checked(skill, |_| Ok(()))
    }

    /// The same for every skill.
    ///
    /// # Errors
    /// As [`Ledger::check_trust`].
    pub fn check_all_trust(&self) -> Result<(), LedgerError> {
        self.at_one_moment(|conn, anchor| state::check_all(conn, anchor))
    }

    /// Reads something, and checks the same moment as [`Ledger::check_trust`] does.
    pub(in super::super) fn read_checked<T>(
        &self,
        skill: Option<&SkillName>,
        read: impl FnOnce(&Connection) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        self.at_one_moment(|conn, anchor| {
            let value = read(conn)?;
            state::check(conn, anchor, skill)?;
            Ok(value)
        })
    }

    pub(in super::super) fn at_one_moment<T>(
        &self,
        look: impl FnOnce(&Connection, Option<&dyn HistoryAnchor>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let conn = self.reader()?;
        // Before the first read, which begins the moment: a decision of another process after it moves the head past
        // everything that can be seen from here.
        let before = self.anchor.as_deref().map(HeadBefore::read);
        let moment = if conn.is_autocommit() { Some(conn.unchecked_transaction()?) } else { None };
        let seen = look(conn, before.as_ref().map(|before| before as &dyn HistoryAnchor));
        drop(moment);
        seen
    }
}
