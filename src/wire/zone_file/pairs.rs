//! Which edges may meet: all pairs whose boxes do, found through a tree of boxes.
//!
//! A packed tree over runs of edges, joined with itself, so that the outline of a country takes milliseconds. The order
//! of pairs follows from the edges alone. Deliberately absent: what happens where they meet.

use std::ops::ControlFlow;

use super::outline::{Point, Segment};

/// Edges of one ring that follow one another and share a box at the bottom of the tree.
pub(super) const RUN_LENGTH: usize = 8;

/// Boxes that share a box on the next level.
const BRANCHES: usize = 4;

/// A box around edges: its lowest and highest coordinates.
#[derive(Clone, Copy)]
struct Frame {
    low: Point,
    high: Point,
}

impl Frame {
    fn of(segment: &Segment) -> Self {
        let (a, b) = (segment.a, segment.b);
        Self {
            low: (a.0.min(b.0), a.1.min(b.1)),
            high: (a.0.max(b.0), a.1.max(b.1)),
        }
    }

    fn join(frames: impl Iterator<Item = Self>) -> Option<Self> {
        frames.reduce(|a, b| Self {
            low: (a.low.0.min(b.low.0), a.low.1.min(b.low.1)),
            high: (a.high.0.max(b.high.0), a.high.1.max(b.high.1)),
        })
    }

    fn meets(&self, other: &Self) -> bool {
        self.low.0 <= other.high.0
            && other.low.0 <= self.high.0
            && self.low.1 <= other.high.1
            && other.low.1 <= self.high.1
    }

    /// Place of the middle on a curve that keeps near things near: the bits of both coordinates in turn.
    fn curve_key(&self) -> u64 {
        let spread = |low: i64, high: i64| {
            // Sums of two coordinates, of which each has at most 34 bits, brought into 32.
            let shifted = (low + high + (1 << 35)) >> 4;
            let mut bits = u64::try_from(shifted).unwrap_or(0) & 0xffff_ffff;
            for (shift, mask) in [
                (16, 0x0000_ffff_0000_ffff),
                (8, 0x00ff_00ff_00ff_00ff),
                (4, 0x0f0f_0f0f_0f0f_0f0f),
                (2, 0x3333_3333_3333_3333),
                (1, 0x5555_5555_5555_5555),
            ] {
                bits = (bits | bits << shift) & mask;
            }
            bits
        };
        spread(self.low.0, self.high.0) | spread(self.low.1, self.high.1) << 1
    }
}

/// What a walk through the pairs comes upon.
pub(super) enum Step {
    /// So many boxes were compared.
    Boxes(usize),
    /// Two edges whose boxes meet.
    Edges(Segment, Segment),
}

/// Edges in a tree of boxes.
pub(super) struct Pairs {
    runs: Vec<Vec<Segment>>,
    /// Boxes of the runs, then of groups of them, up to a single one.
    levels: Vec<Vec<Frame>>,
}

impl Pairs {
    /// A tree over runs of edges, each of at most [`RUN_LENGTH`].
    pub(super) fn new(runs: Vec<Vec<Segment>>) -> Self {
        let boxed = runs
            .into_iter()
            .filter_map(|run| Some((Frame::join(run.iter().map(Frame::of))?, run)));
        let mut boxed: Vec<(Frame, Vec<Segment>)> = boxed.collect();
        boxed.sort_by_key(|(frame, _)| frame.curve_key());
        let (mut frames, runs): (Vec<Frame>, _) = boxed.into_iter().unzip();
        let mut levels = Vec::new();
        while frames.len() > 1 {
            let above = frames
                .chunks(BRANCHES)
                .filter_map(|group| Frame::join(group.iter().copied()));
            let above = above.collect();
            levels.push(std::mem::replace(&mut frames, above));
        }
        levels.push(frames);
        Self { runs, levels }
    }

    /// Walks through all pairs of different edges whose boxes meet, each once.
    pub(super) fn walk(&self, see: &mut impl FnMut(Step) -> ControlFlow<()>) -> ControlFlow<()> {
        self.walk_groups(self.levels.len() - 1, (0, 0), see)
    }

    fn walk_groups(
        &self,
        level: usize,
        (a, b): (usize, usize),
        see: &mut impl FnMut(Step) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        see(Step::Boxes(1))?;
        let frame = |index: usize| self.levels.get(level).and_then(|frames| frames.get(index));
        let (Some(first), Some(second)) = (frame(a), frame(b)) else {
            return ControlFlow::Continue(());
        };
        if !first.meets(second) {
            return ControlFlow::Continue(());
        }
        let Some(below) = level.checked_sub(1) else {
            return self.walk_runs((a, b), see);
        };
        for i in a * BRANCHES..(a + 1) * BRANCHES {
            let from = if a == b { i } else { b * BRANCHES };
            for j in from..(b + 1) * BRANCHES {
                self.walk_groups(below, (i, j), see)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn walk_runs(
        &self,
        (a, b): (usize, usize),
        see: &mut impl FnMut(Step) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (Some(first), Some(second)) = (self.runs.get(a), self.runs.get(b)) else {
            return ControlFlow::Continue(());
        };
        see(Step::Boxes(first.len() * second.len()))?;
        for (index, s) in first.iter().enumerate() {
            let frame = Frame::of(s);
            let from = if a == b { index + 1 } else { 0 };
            for t in second.iter().skip(from) {
                if frame.meets(&Frame::of(t)) {
                    see(Step::Edges(*s, *t))?;
                }
            }
        }
        ControlFlow::Continue(())
    }
}
