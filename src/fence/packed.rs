//! A tree of boxes that is built at once and answers fast: sixteen boxes to a node, side by side.
//!
//! A node is looked at without a branch for each box, and is a third of the size of an ordinary tree's; that is what makes
//! it quick (see `benches/zone_lookup.rs`). Boxes can be taken out, not put in. Deliberately absent: what is in the boxes.

use crate::fence::bounds::{FlatBox, above, below};

/// Boxes in a node.
const FAN: usize = 16;

/// Sixteen boxes, never smaller than what they are round.
#[derive(Debug, Clone)]
struct Node {
    west: [f32; FAN],
    south: [f32; FAN],
    east: [f32; FAN],
    north: [f32; FAN],
}

/// A box with half the digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rough {
    west: f32,
    south: f32,
    east: f32,
    north: f32,
}

impl From<FlatBox> for Rough {
    fn from(flat: FlatBox) -> Self {
        Self {
            west: below(flat.west),
            south: below(flat.south),
            east: above(flat.east),
            north: above(flat.north),
        }
    }
}

impl Rough {
    /// Touches nothing.
    const NOTHING: Self = Self {
        west: f32::INFINITY,
        south: f32::INFINITY,
        east: f32::NEG_INFINITY,
        north: f32::NEG_INFINITY,
    };

    fn with(self, other: Self) -> Self {
        Self {
            west: self.west.min(other.west),
            south: self.south.min(other.south),
            east: self.east.max(other.east),
            north: self.north.max(other.north),
        }
    }
}

impl Node {
    fn of(boxes: &[Rough]) -> Self {
        let each = |side: fn(&Rough) -> f32| {
            let mut sides = [side(&Rough::NOTHING); FAN];
            for (side_of, rough) in sides.iter_mut().zip(boxes) {
                *side_of = side(rough);
            }
            sides
        };
        Self {
            west: each(|rough| rough.west),
            south: each(|rough| rough.south),
            east: each(|rough| rough.east),
            north: each(|rough| rough.north),
        }
    }

    /// A bit for each box that touches another.
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "a branch for each comparison costs more than all of them"
    )]
    fn touching(&self, other: &Rough) -> u32 {
        let lons = self.west.iter().zip(&self.east);
        let lats = self.south.iter().zip(&self.north);
        let mut touching = 0;
        for (((west, east), (south, north)), n) in lons.zip(lats).zip(0u32..) {
            let touches = (*west <= other.east)
                & (*east >= other.west)
                & (*south <= other.north)
                & (*north >= other.south);
            touching |= u32::from(touches) << n;
        }
        touching
    }

    fn forget(&mut self, n: usize) {
        if let (Some(west), Some(east)) = (self.west.get_mut(n), self.east.get_mut(n)) {
            (*west, *east) = (f32::INFINITY, f32::NEG_INFINITY);
        }
    }
}

/// The tree: leaves are known by their number.
#[derive(Debug, Default)]
pub(super) struct Packed {
    /// From the leaves up; the last level is one node.
    levels: Vec<Vec<Node>>,
}

impl Packed {
    /// A tree of boxes, and the order in which their leaves are numbered.
    pub(super) fn of(boxes: &[Rough]) -> (Self, Vec<usize>) {
        let order = tiled(boxes);
        let mut level: Vec<Rough> = order
            .iter()
            .filter_map(|n| boxes.get(*n).copied())
            .collect();
        let mut levels = Vec::new();
        while !level.is_empty() {
            levels.push(level.chunks(FAN).map(Node::of).collect::<Vec<Node>>());
            if level.len() <= FAN {
                break;
            }
            level = level
                .chunks(FAN)
                .map(|boxes| boxes.iter().copied().fold(Rough::NOTHING, Rough::with))
                .collect();
        }
        (Self { levels }, order)
    }

    /// Calls `take` with the number of each leaf that touches a box.
    pub(super) fn touching(&self, other: &Rough, mut take: impl FnMut(usize)) {
        if let Some(top) = self.levels.len().checked_sub(1) {
            self.descend((top, 0), other, &mut take);
        }
    }

    fn descend(
        &self,
        (level, number): (usize, usize),
        other: &Rough,
        take: &mut impl FnMut(usize),
    ) {
        let Some(node) = self.levels.get(level).and_then(|nodes| nodes.get(number)) else {
            return;
        };
        let mut touching = node.touching(other);
        while let Some(child) = next(&mut touching) {
            let child = number * FAN + child;
            match level.checked_sub(1) {
                None => take(child),
                Some(below) => self.descend((below, child), other, take),
            }
        }
    }

    /// Takes a leaf out.
    pub(super) fn forget(&mut self, leaf: usize) {
        let nodes = self.levels.first_mut();
        if let Some(node) = nodes.and_then(|nodes| nodes.get_mut(leaf / FAN)) {
            node.forget(leaf % FAN);
        }
    }
}

/// Takes the lowest bit out and gives its number.
fn next(bits: &mut u32) -> Option<usize> {
    let lowest = bits.trailing_zeros();
    *bits &= bits.checked_sub(1)?;
    usize::try_from(lowest).ok()
}

/// The numbers of the boxes, neighbours close together: columns from west to east, each from south to north (sort, tile,
/// recursive; Leutenegger, Lopez and Edgington 1997).
fn tiled(boxes: &[Rough]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    let by = |side: fn(&Rough) -> f32| {
        move |a: &usize, b: &usize| {
            let of = |n: &usize| boxes.get(*n).map_or(0.0, side);
            of(a).total_cmp(&of(b)).then(a.cmp(b))
        }
    };
    let nodes = boxes.len().div_ceil(FAN);
    let column = nodes.isqrt().max(1) * FAN;
    order.sort_unstable_by(by(|rough| rough.west + rough.east));
    for column in order.chunks_mut(column) {
        column.sort_unstable_by(by(|rough| rough.south + rough.north));
    }
    order
}
