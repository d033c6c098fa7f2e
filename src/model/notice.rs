//! What a person who is not looking is told about.
//!
//! Guarantees: a notice is a kind and an id of Kavi's own. Deliberately never: has a word of a skill or an agent in it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::commit::Commit;
use super::time::Timestamp;

/// How long before its expiry a held change is told about again.
const BEFORE_EXPIRY: Duration = Duration::from_hours(1);

/// Why a person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoticeKind {
    /// A change is held.
    Held,
    /// A proposal passed verification.
    Ready,
    /// A held change expires within an hour.
    Expiring,
    /// The workspace was stopped, or a skill failed in one way many times within an hour.
    Incident,
}

impl NoticeKind {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Held, Self::Ready, Self::Expiring, Self::Incident];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Ready => "ready",
            Self::Expiring => "expiring",
            Self::Incident => "incident",
        }
    }
}

/// One thing that a person is told about once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Notice {
    /// Why.
    pub kind: NoticeKind,
    /// The id of what it is about.
    pub id: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.id)
    }
}

/// The notices about held changes. Without a time that can be believed, nothing expires.
pub fn of_held(held: &[Commit], now: Option<Timestamp>) -> BTreeSet<Notice> {
    let notice = |kind, commit: &Commit| Notice { kind, id: commit.id.to_string() };
    let soon = now.map(|now| now.after(BEFORE_EXPIRY));
    let expires = |commit: &&Commit| commit.expires_at.is_some_and(|at| soon.is_some_and(|soon| at <= soon));
    let expiring = held.iter().filter(expires).map(|commit| notice(NoticeKind::Expiring, commit));
    held.iter().map(|commit| notice(NoticeKind::Held, commit)).chain(expiring).collect()
}

/// How many notices of each kind were not told before.
pub fn untold(all: &BTreeSet<Notice>, told: &BTreeSet<String>) -> Vec<(NoticeKind, usize)> {
    let new = |kind| all.iter().filter(|notice| notice.kind == kind && !told.contains(&notice.to_string())).count();
    NoticeKind::ALL.into_iter().map(|kind| (kind, new(kind))).filter(|(_, count)| *count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_told_once() {
        let notice = |kind, id: &str| Notice { kind, id: id.to_owned() };
        let all: BTreeSet<Notice> = [
            notice(NoticeKind::Held, "a"),
            notice(NoticeKind::Held, "b"),
            notice(NoticeKind::Expiring, "a"),
            notice(NoticeKind::Ready, "c"),
        ]
        .into();
        let told = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<BTreeSet<_>>();
        let first = [(NoticeKind::Held, 2), (NoticeKind::Ready, 1), (NoticeKind::Expiring, 1)];
        assert_eq!(untold(&all, &told(&[])), first);
        assert_eq!(untold(&all, &told(&["held a", "ready c"])), [(NoticeKind::Held, 1), (NoticeKind::Expiring, 1)]);
        assert_eq!(untold(&all, &told(&["held a", "held b", "expiring a", "ready c"])), []);
    }
}
