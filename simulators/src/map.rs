//! The map files: packed GeoJSON in, plain features out.
//!
//! Only what the world needs of them: name, kind, driving rules, outline. Deliberately absent: what a kind means (see
//! `streets` and `city`).

use std::io::Read as _;

use serde::Deserialize;

use crate::geometry::Place;

/// A line of the road map.
#[derive(Debug, Clone)]
pub(crate) struct Road {
    /// Name, may be empty.
    pub(crate) name: String,
    /// OpenStreetMap's `highway`.
    pub(crate) kind: String,
    /// OpenStreetMap's `oneway`.
    pub(crate) oneway: Option<String>,
    /// Speed limit in km/h.
    pub(crate) maxspeed_kmh: Option<f64>,
    /// Its places in order.
    pub(crate) line: Vec<Place>,
}

/// A named place: a point, or the outer ring of an area, not closed.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// Name, may be empty.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: String,
    /// One place, or the places of its ring.
    pub(crate) ring: Vec<Place>,
}

#[derive(Deserialize)]
struct Collection {
    features: Vec<Feature>,
}

#[derive(Deserialize)]
struct Feature {
    properties: Properties,
    geometry: Geometry,
}

#[derive(Deserialize)]
struct Properties {
    name: String,
    kind: String,
    oneway: Option<String>,
    maxspeed: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "coordinates")]
enum Geometry {
    Point([f64; 2]),
    LineString(Vec<[f64; 2]>),
    Polygon(Vec<Vec<[f64; 2]>>),
    MultiPolygon(Vec<Vec<Vec<[f64; 2]>>>),
}

impl Geometry {
    /// The line, the outer ring (the first, where there are several) without its repeated end, or the one place.
    fn places(self) -> Vec<Place> {
        let ring = |mut rings: Vec<Vec<[f64; 2]>>| {
            let mut outer = if rings.is_empty() {
                Vec::new()
            } else {
                rings.swap_remove(0)
            };
            outer.pop();
            outer
        };
        let pairs = match self {
            Self::Point(pair) => vec![pair],
            Self::LineString(line) => line,
            Self::Polygon(rings) => ring(rings),
            Self::MultiPolygon(mut parts) => {
                if parts.is_empty() {
                    Vec::new()
                } else {
                    ring(parts.swap_remove(0))
                }
            }
        };
        pairs
            .into_iter()
            .map(|[lon, lat]| Place { lon, lat })
            .collect()
    }
}

/// The roads of a packed file.
pub(crate) fn roads(packed: &[u8]) -> Vec<Road> {
    features(packed)
        .into_iter()
        .map(|feature| Road {
            name: feature.properties.name,
            kind: feature.properties.kind,
            oneway: feature.properties.oneway,
            maxspeed_kmh: feature
                .properties
                .maxspeed
                .and_then(|text| text.parse().ok()),
            line: feature.geometry.places(),
        })
        .collect()
}

/// The points and areas of a packed file.
pub(crate) fn sites(packed: &[u8]) -> Vec<Site> {
    features(packed)
        .into_iter()
        .map(|feature| Site {
            name: feature.properties.name,
            kind: feature.properties.kind,
            ring: feature.geometry.places(),
        })
        .collect()
}

fn features(packed: &[u8]) -> Vec<Feature> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_string(&mut text)
        .expect("the map is part of the program and its tests read it");
    let collection: Collection =
        serde_json::from_str(&text).expect("the map is part of the program and its tests read it");
    collection.features
}
