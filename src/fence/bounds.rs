//! The box round a zone: the first and cheapest answer to "is it near?".
//!
//! Kept as middle and half width in longitude, so that one test serves every zone, over the antimeridian too. Boxes are
//! never too small, sometimes too large. Deliberately absent: anything exact.

use crate::fence::metric::{HALF_TURN, Spot, TURN, Window, shorter_way};

/// A box in latitude and longitude, in units. The numbers are whole or halves, so sums of them are exact.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    south: f64,
    north: f64,
    /// Longitude of the middle, within half a turn.
    middle: f64,
    /// Half of the width, at most half a turn.
    half_width: f64,
}

/// What half the digits can be off by, with the rounding of a difference: the numbers are whole up to 4e9 units.
const SLACK: f32 = 1024.0;

/// The same box in half the memory, some metres larger: what is looked at for every fix should lie close together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Narrow {
    /// Latitude of the middle.
    lat: f32,
    /// Half of the height.
    half_height: f32,
    /// Longitude of the middle.
    lon: f32,
    /// Half of the width.
    half_width: f32,
}

/// A window round a place, to be asked of many narrow boxes.
#[derive(Debug, Clone, Copy)]
pub(super) struct NarrowWindow {
    lat: f32,
    lon: f32,
    window_lat: f32,
    window_lon: f32,
}

impl NarrowWindow {
    pub(super) fn around(spot: Spot, window: Window) -> Self {
        Self {
            lat: narrow(spot.lat),
            lon: narrow(spot.lon),
            window_lat: above(window.lat),
            window_lon: above(window.lon),
        }
    }
}

/// The nearest number of half the size that is not greater.
pub(super) fn below(number: f64) -> f32 {
    let near = narrow(number);
    if f64::from(near) > number {
        near.next_down()
    } else {
        near
    }
}

/// The nearest number of half the size that is not less.
pub(super) fn above(number: f64) -> f32 {
    -below(-number)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "the nearest such number is what is wanted"
)]
fn narrow(number: f64) -> f32 {
    number as f32
}

impl From<Bounds> for Narrow {
    fn from(bounds: Bounds) -> Self {
        // Of the box of nothing both halves are far below zero.
        let nothing = bounds.south > bounds.north;
        let middle = f64::midpoint(bounds.south, bounds.north);
        Self {
            lat: if nothing { 0.0 } else { narrow(middle) },
            half_height: above((bounds.north - bounds.south) / 2.0) + SLACK,
            lon: narrow(bounds.middle),
            half_width: above(bounds.half_width) + SLACK,
        }
    }
}

impl Narrow {
    /// Whether the box lies wholly outside a window.
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "a branch for each comparison costs more than all of them"
    )]
    pub(super) fn beyond(&self, around: &NarrowWindow) -> bool {
        let rise = (around.lat - self.lat).abs();
        let turn = (around.lon - self.lon).abs();
        // The other way round the Earth may be the shorter one.
        let turn = turn.min((narrow(TURN) - turn).abs());
        (rise - self.half_height > around.window_lat) | (turn - self.half_width > around.window_lon)
    }
}

/// A box that does not cross the antimeridian.
#[derive(Debug, Clone, Copy)]
pub(super) struct FlatBox {
    pub(super) west: f64,
    pub(super) south: f64,
    pub(super) east: f64,
    pub(super) north: f64,
}

impl Bounds {
    /// The box of nothing: beyond every window but that of the whole Earth.
    pub(super) const NOWHERE: Self = Self {
        south: f64::INFINITY,
        north: f64::NEG_INFINITY,
        middle: 0.0,
        half_width: 0.0,
    };

    /// Whether there is anything in it.
    pub(super) fn is_somewhere(&self) -> bool {
        self.south <= self.north
    }

    /// The box of an unwrapped frame: longitudes may be beyond the antimeridian.
    pub(super) fn of_frame(frame: FlatBox) -> Self {
        Self {
            south: frame.south,
            north: frame.north,
            middle: shorter_way(f64::midpoint(frame.west, frame.east)),
            half_width: ((frame.east - frame.west) / 2.0).min(HALF_TURN),
        }
    }

    /// The box of a window round a place.
    pub(super) fn around(spot: Spot, window: Window) -> Self {
        Self {
            south: spot.lat - window.lat,
            north: spot.lat + window.lat,
            middle: spot.lon,
            half_width: window.lon,
        }
    }

    /// The box of everything within some metres of this box.
    pub(super) fn grown(self, metres: f64) -> Self {
        let window = Window::around(self.north.abs().max(self.south.abs()), metres);
        Self {
            south: self.south - window.lat,
            north: self.north + window.lat,
            middle: self.middle,
            half_width: (self.half_width + window.lon).min(HALF_TURN),
        }
    }

    /// Whether the box lies wholly outside a window round a place.
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "a branch for each comparison costs more than all of them"
    )]
    pub(super) fn beyond(&self, spot: Spot, window: Window) -> bool {
        // All three at once: which of them tells is a matter of chance, and a wrong guess costs more than they do.
        (self.south - spot.lat > window.lat)
            | (spot.lat - self.north > window.lat)
            | (shorter_way(spot.lon - self.middle).abs() - self.half_width > window.lon)
    }

    /// The box in pieces between 180° west and 180° east; a box that touches the antimeridian shows on both sides.
    pub(super) fn flat(&self) -> impl Iterator<Item = FlatBox> + use<> {
        let Self {
            south,
            north,
            middle,
            half_width,
        } = *self;
        [0.0, -TURN, TURN].into_iter().filter_map(move |turn| {
            let west = (middle - half_width + turn).max(-HALF_TURN);
            let east = (middle + half_width + turn).min(HALF_TURN);
            (west <= east && south <= north).then_some(FlatBox {
                west,
                south,
                east,
                north,
            })
        })
    }
}
