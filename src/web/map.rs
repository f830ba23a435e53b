//! The base map: which layers there are, and each of them.
//!
//! Layers are given at the start and are handed out as they are, compressed. Deliberately absent: tiles, and any map that is fetched
//! from elsewhere.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG};
use axum::response::{IntoResponse as _, Response};

use super::House;
use super::auth::MayRead;
use super::error::ApiError;
use super::input::Named;
use super::page::{not_modified, tag_of, unchanged};
use super::settings::Map;
use super::views::{LayerView, MapView, ProblemView};
use super::zones::GEOJSON;
use crate::model::zone::{Shape, Zone};

/// The layers with the tags by which browsers know them again.
#[derive(Debug)]
pub(super) struct Layers {
    layers: Vec<Layer>,
    attribution: String,
}

#[derive(Debug)]
struct Layer {
    name: String,
    kind: String,
    tag: String,
    bytes: Bytes,
}

impl Layers {
    pub(super) fn new(map: Map) -> Self {
        let layers = map.layers.into_iter().map(|layer| Layer {
            tag: tag_of(&layer.geojson_gz),
            name: layer.name,
            kind: layer.kind,
            bytes: layer.geojson_gz,
        });
        Self {
            layers: layers.collect(),
            attribution: map.attribution,
        }
    }
}

/// Which layers there are, and the frame round all zones.
#[utoipa::path(
    get,
    path = "/api/v1/map",
    tag = "map",
    responses(
        (status = 200, description = "The layers, the lowest first; may be none", body = MapView),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn layers(
    State(house): State<Arc<House>>,
    MayRead(caller): MayRead,
) -> Result<Json<MapView>, ApiError> {
    let definitions = house.definitions(caller.agency()).await?;
    let layers = house.layers.layers.iter().map(|layer| LayerView {
        name: layer.name.clone(),
        kind: layer.kind.clone(),
        url: format!("/api/v1/map/{}", layer.name),
    });
    Ok(Json(MapView {
        layers: layers.collect(),
        attribution: house.layers.attribution.clone(),
        bounds: frame(definitions.zones.values().map(AsRef::as_ref)),
    }))
}

/// One layer.
#[utoipa::path(
    get,
    path = "/api/v1/map/{name}",
    tag = "map",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "GeoJSON, always with `Content-Encoding: gzip`", body = Object, content_type = "application/geo+json"),
        (status = 304, description = "As the browser has it"),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn layer(
    State(house): State<Arc<House>>,
    MayRead(_caller): MayRead,
    Named(name): Named,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut layers = house.layers.layers.iter();
    let layer = layers
        .find(|layer| layer.name == name)
        .ok_or_else(|| ApiError::not_found("layer"))?;
    if unchanged(&headers, &layer.tag) {
        return Ok(not_modified(&layer.tag));
    }
    let head = [
        (CONTENT_TYPE, GEOJSON),
        (CONTENT_ENCODING, "gzip"),
        (CACHE_CONTROL, "private, no-cache"),
        (ETAG, layer.tag.as_str()),
    ];
    Ok((head, layer.bytes.clone()).into_response())
}

/// West, south, east and north of all zones, in degrees; circles count as their centres.
fn frame<'a>(zones: impl Iterator<Item = &'a Zone>) -> Option<[f64; 4]> {
    let mut frame: Option<[f64; 4]> = None;
    for zone in zones {
        let places: Vec<_> = match &zone.shape {
            Shape::Polygons(polygons) => polygons.iter().flat_map(|area| &area.outer).collect(),
            Shape::Circle { centre, .. } => vec![centre],
            Shape::Corridor { line, .. } => line.iter().collect(),
        };
        for place in places {
            let (lon, lat) = (place.lon_degrees(), place.lat_degrees());
            let [west, south, east, north] = frame.unwrap_or([lon, lat, lon, lat]);
            frame = Some([west.min(lon), south.min(lat), east.max(lon), north.max(lat)]);
        }
    }
    frame
}
