//! Whether the canary's alert still comes, as a pure machine: when it is missed, when that is said, and when again.
//!
//! An alert counts when it is new and its report was received lately: what lay in a queue for an hour proves nothing of now. An
//! outage is said once, again after a while, and its end once; what nobody took is said again soon. Times are arguments.
//! Deliberately absent: where alerts come from, and who is paged.

use crate::model::time::{Span, Timestamp};

/// How soon a page that nobody took is tried again.
const AGAIN: Span = Span::seconds(10);

/// What is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// It has stopped coming.
    Down,
    /// It has not come since that was said.
    StillDown,
    /// It comes again.
    Well,
}

impl Word {
    /// The word as programs read it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::StillDown => "still_down",
            Self::Well => "well",
        }
    }
}

/// What an alert is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    /// New, and of now: its report was received so long ago.
    Good(Span),
    /// Seen before, or older than one that was.
    Known,
    /// New, and too long ago, or so far in the future that a clock is wrong.
    Stale(Span),
}

/// Something to be said, until it is taken.
#[derive(Debug, Clone, Copy)]
struct Pending {
    word: Word,
    /// When it became so.
    since: Timestamp,
    try_at: Timestamp,
}

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Vigil {
    within: Span,
    repeat: Span,
    /// When the last good alert came, or the vigil began.
    good_at: Timestamp,
    /// When the report of the newest alert was received.
    newest: Option<Timestamp>,
    is_down: bool,
    has_seen: bool,
    pending: Option<Pending>,
    /// When an outage is said again.
    repeat_at: Option<Timestamp>,
}

impl Vigil {
    pub(super) fn new(within: Span, repeat: Span, now: Timestamp) -> Self {
        Self {
            within,
            repeat,
            good_at: now,
            newest: None,
            is_down: false,
            has_seen: false,
            pending: None,
            repeat_at: None,
        }
    }

    /// Whether a good alert has come lately.
    pub(super) const fn is_well(&self) -> bool {
        self.has_seen && !self.is_down
    }

    /// Since when none has come.
    pub(super) const fn good_at(&self) -> Timestamp {
        self.good_at
    }

    /// When to look again, whatever comes until then.
    pub(super) fn next_at(&self) -> Timestamp {
        let missed_at = (!self.is_down).then(|| self.good_at + self.within);
        let try_at = self.pending.map(|pending| pending.try_at);
        let times = [missed_at, try_at, self.repeat_at];
        times.into_iter().flatten().min().unwrap_or(Timestamp::MAX)
    }

    /// An alert has come whose report was received at an instant.
    pub(super) fn alert(&mut self, now: Timestamp, received_at: Timestamp) -> Worth {
        if self.newest.is_some_and(|newest| received_at <= newest) {
            return Worth::Known;
        }
        let age = now.since(received_at);
        if age > self.within || Span::ZERO > age + self.within {
            return Worth::Stale(age);
        }
        self.newest = Some(received_at);
        self.good_at = now;
        self.has_seen = true;
        if self.is_down {
            self.is_down = false;
            self.repeat_at = None;
            self.pending = Some(Pending {
                word: Word::Well,
                since: now,
                try_at: now,
            });
        }
        Worth::Good(age)
    }

    /// Time has passed: what is to be said now, and since when it is so.
    pub(super) fn tick(&mut self, now: Timestamp) -> Option<(Word, Timestamp)> {
        // A clock that was set back must not make it wait longer.
        self.good_at = self.good_at.min(now);
        if !self.is_down && now >= self.good_at + self.within {
            self.is_down = true;
            self.pending = Some(Pending {
                word: Word::Down,
                since: now,
                try_at: now,
            });
        }
        if self.repeat_at.is_some_and(|at| now >= at) {
            self.repeat_at = None;
            self.pending = Some(Pending {
                word: Word::StillDown,
                since: now,
                try_at: now,
            });
        }
        let pending = self.pending.filter(|pending| now >= pending.try_at)?;
        Some((pending.word, pending.since))
    }

    /// What was said was taken, or not: then it is said again.
    pub(super) fn said(&mut self, now: Timestamp, taken: bool) {
        if !taken {
            if let Some(pending) = &mut self.pending {
                pending.try_at = now + AGAIN;
            }
            return;
        }
        self.pending = None;
        self.repeat_at = self.is_down.then(|| now + self.repeat);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + second * 1000).unwrap()
    }

    fn vigil() -> Vigil {
        Vigil::new(Span::minutes(3), Span::minutes(30), at(0))
    }

    #[test]
    fn an_outage_is_said_once_and_again_after_a_while_and_its_end_once() {
        let mut vigil = vigil();
        assert!(!vigil.is_well(), "nothing is known yet");
        assert_eq!(vigil.alert(at(60), at(59)), Worth::Good(Span::seconds(1)));
        assert!(vigil.is_well());
        assert_eq!(vigil.next_at(), at(240));
        assert_eq!(vigil.tick(at(239)), None);
        assert_eq!(vigil.tick(at(240)), Some((Word::Down, at(240))));
        vigil.said(at(241), true);
        assert!(!vigil.is_well());
        assert_eq!(vigil.tick(at(300)), None, "once");
        assert_eq!(vigil.next_at(), at(241 + 1800));
        let again = at(241 + 1800);
        assert_eq!(vigil.tick(again), Some((Word::StillDown, again)));
        vigil.said(again, true);
        assert_eq!(vigil.tick(again), None);
        assert!(matches!(vigil.alert(at(4000), at(3999)), Worth::Good(_)));
        assert_eq!(vigil.tick(at(4000)), Some((Word::Well, at(4000))));
        vigil.said(at(4000), true);
        assert_eq!(vigil.tick(at(4001)), None);
        assert_eq!(vigil.next_at(), at(4180));
    }

    #[test]
    fn what_nobody_took_is_said_again_soon() {
        let mut vigil = vigil();
        assert_eq!(vigil.tick(at(180)), Some((Word::Down, at(180))));
        vigil.said(at(181), false);
        assert_eq!(vigil.tick(at(185)), None);
        assert_eq!(vigil.next_at(), at(191));
        assert_eq!(vigil.tick(at(191)), Some((Word::Down, at(180))));
        // It is well before anybody took that it was not: only the newest word counts.
        vigil.said(at(192), false);
        vigil.alert(at(195), at(195));
        assert_eq!(vigil.tick(at(195)), Some((Word::Well, at(195))));
        vigil.said(at(195), true);
        assert_eq!(vigil.next_at(), at(195 + 180));
    }

    #[test]
    fn only_what_is_new_and_of_now_counts() {
        let mut vigil = vigil();
        let stale = vigil.alert(at(1000), at(800));
        assert_eq!(stale, Worth::Stale(Span::seconds(200)));
        let ahead = vigil.alert(at(0), at(181));
        assert_eq!(ahead, Worth::Stale(Span::seconds(-181)));
        assert!(!vigil.is_well());
        assert!(matches!(vigil.alert(at(100), at(100)), Worth::Good(_)));
        assert_eq!(vigil.alert(at(150), at(100)), Worth::Known, "a repeat");
        assert_eq!(vigil.alert(at(150), at(90)), Worth::Known, "overtaken");
        assert_eq!(vigil.next_at(), at(280));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_make_it_wait_longer() {
        let mut vigil = vigil();
        assert_eq!(vigil.tick(at(-3600)), None);
        assert!(vigil.tick(at(-3600 + 180)).is_some());
    }
}
