//! A GeoJSON feature's members → a zone.
//!
//! Each property is checked by itself, so that all that is wrong with a feature is said at once. Absent and null are the
//! same. Deliberately absent: properties that are not ours; they are not looked at.

use std::fmt;

use serde_json::Value;

use super::{Options, geometry};
use crate::model::id::{InvalidId, SetId, TimetableId, WearerId, ZoneId};
use crate::model::time::Timestamp;
use crate::model::units::Metres;
use crate::model::zone::{Shape, Zone, ZoneKind, ZoneVersion};

/// Longest name in characters: more does not fit into a notification.
const NAME_LENGTH_MAX: usize = 200;

/// Takes what is wrong: with which part, and what was expected.
type Tell<'a> = &'a mut dyn FnMut(&dyn fmt::Display, &dyn fmt::Display);

/// Why a feature has no id.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoId {
    /// Nothing that could be one.
    #[error(
        "is missing; expected a text of A-Z a-z 0-9 _ - as property `id` or as the feature's own `id`"
    )]
    Missing,
    /// Not an id.
    #[error(transparent)]
    Invalid(#[from] InvalidId),
}

/// A feature's id: the property, or else the feature's own; whole numbers count as text.
pub(super) fn id(feature: &Value) -> Result<ZoneId, NoId> {
    let property = feature
        .get("properties")
        .and_then(|properties| properties.get("id"));
    let given = [property, feature.get("id")].into_iter().flatten();
    let text = given.into_iter().find_map(|value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    });
    Ok(ZoneId::parse(&text.ok_or(NoId::Missing)?)?)
}

/// The zone that a feature describes, as far as it can be read; its version is still empty.
pub(super) fn zone(
    feature: &Value,
    id: Result<ZoneId, NoId>,
    options: Options,
    tell: Tell<'_>,
) -> Option<Zone> {
    if feature.get("type").and_then(Value::as_str) != Some("Feature") {
        tell(&"type", &"is not \"Feature\"; expected a GeoJSON feature");
        return None;
    }
    let empty = Value::Object(serde_json::Map::new());
    let properties = match feature.get("properties") {
        None | Some(Value::Null) => &empty,
        Some(object @ Value::Object(_)) => object,
        Some(_) => {
            tell(
                &"properties",
                &"is not an object; expected the zone's properties",
            );
            return None;
        }
    };
    let id = id.map_err(|error| tell(&"id", &error)).ok();
    let mut fields = Fields { properties, tell };
    let kind = match options.as_kind {
        Some(kind) => Some(kind),
        None => fields.word("kind", ZoneKind::Neutral, ZoneKind::parse, ZoneKind::ALL),
    };
    let name = fields.text("name").filter(|name| !name.is_empty());
    if let Some(problem) = name.and_then(name_problem) {
        (fields.tell)(&"name", &problem);
    }
    let buffer = fields.metres("buffer_m");
    let set = fields.id("set", SetId::parse);
    let wearer = fields.id("wearer", WearerId::parse);
    let timetable = fields.id("timetable", TimetableId::parse);
    let (valid_from, valid_to) = (fields.instant("valid_from"), fields.instant("valid_to"));
    if let (Some(from), Some(to)) = (valid_from, valid_to)
        && to <= from
    {
        (fields.tell)(
            &"valid_to",
            &"is not after `valid_from`; expected a later instant",
        );
    }
    let shape = shape(feature.get("geometry"), &mut fields);
    let id = id?;
    Some(Zone {
        name: name.map_or_else(|| id.to_string(), str::to_owned),
        id,
        kind: kind?,
        shape: shape?,
        buffer,
        set,
        wearer,
        timetable,
        valid_from,
        valid_to,
        version: ZoneVersion("".into()),
    })
}

/// What is wrong with a name. It stands in sentences that are printed on terminals and sent as messages.
fn name_problem(name: &str) -> Option<String> {
    if name.chars().count() > NAME_LENGTH_MAX {
        Some(format!("is longer than {NAME_LENGTH_MAX} characters"))
    } else if name.chars().any(char::is_control) {
        Some("has a control character; expected printable text".to_owned())
    } else {
        None
    }
}

fn shape(geometry: Option<&Value>, fields: &mut Fields<'_, '_>) -> Option<Shape> {
    let radius = fields.metres("radius_m");
    let width = fields.metres("width_m");
    let Some(geometry @ Value::Object(_)) = geometry else {
        (fields.tell)(
            &"geometry",
            &"is missing; expected Polygon, MultiPolygon, Point or LineString",
        );
        return None;
    };
    let kind = geometry
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    for (property, owner) in [("radius_m", "Point"), ("width_m", "LineString")] {
        if fields.get(property).is_some() && kind != owner {
            (fields.tell)(
                &property,
                &format_args!("belongs to a {owner}; expected a geometry of that type"),
            );
        }
    }
    let Some(coordinates) = geometry.get("coordinates") else {
        (fields.tell)(
            &"geometry",
            &"has no coordinates; expected Polygon, MultiPolygon, Point or LineString",
        );
        return None;
    };
    let read = match kind {
        "Polygon" => geometry::polygon(coordinates),
        "MultiPolygon" => geometry::multi_polygon(coordinates),
        "Point" => geometry::circle(coordinates, fields.demand("radius_m", radius, "a Point")?),
        "LineString" => geometry::corridor(
            coordinates,
            fields.demand("width_m", width, "a LineString")?,
        ),
        _ => {
            (fields.tell)(
                &"geometry",
                &"is of another type; expected Polygon, MultiPolygon, Point or LineString",
            );
            return None;
        }
    };
    match read {
        Ok(shape) => Some(shape),
        Err(problems) => {
            for (part, message) in problems {
                (fields.tell)(&part, &message);
            }
            None
        }
    }
}

struct Fields<'a, 't> {
    properties: &'a Value,
    tell: Tell<'t>,
}

impl<'a> Fields<'a, '_> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.properties.get(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &'static str) -> Option<&'a str> {
        let value = self.get(name)?;
        let text = value.as_str();
        if text.is_none() {
            (self.tell)(&name, &"is not a text; expected a JSON string");
        }
        text
    }

    fn id<T>(&mut self, name: &'static str, parse: fn(&str) -> Result<T, InvalidId>) -> Option<T> {
        parse(self.text(name)?)
            .map_err(|error| (self.tell)(&name, &error))
            .ok()
    }

    fn word<T: Copy + fmt::Display>(
        &mut self,
        name: &'static str,
        absent: T,
        parse: fn(&str) -> Option<T>,
        all: &[T],
    ) -> Option<T> {
        let Some(value) = self.get(name) else {
            return Some(absent);
        };
        let word = value.as_str().and_then(parse);
        if word.is_none() {
            let words: Vec<String> = all.iter().map(T::to_string).collect();
            (self.tell)(&name, &format_args!("is none of {}", words.join(", ")));
        }
        word
    }

    fn metres(&mut self, name: &'static str) -> Option<Metres> {
        let value = self.get(name)?;
        let metres = value
            .as_f64()
            .and_then(Metres::new)
            .filter(|metres| *metres > Metres::ZERO);
        if metres.is_none() {
            (self.tell)(
                &name,
                &"is not a length; expected a number of metres above 0",
            );
        }
        metres
    }

    /// A length without which a geometry says nothing; told only where it is absent, not where it is wrong.
    fn demand(
        &mut self,
        name: &'static str,
        length: Option<Metres>,
        owner: &str,
    ) -> Option<Metres> {
        if self.get(name).is_none() {
            (self.tell)(
                &name,
                &format_args!(
                    "is missing; expected metres above 0, because the geometry is {owner}"
                ),
            );
        }
        length
    }

    fn instant(&mut self, name: &'static str) -> Option<Timestamp> {
        let text = self.text(name)?;
        Timestamp::parse(text)
            .map_err(|error| (self.tell)(&name, &error))
            .ok()
    }
}
