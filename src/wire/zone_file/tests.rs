//! Zone files: what is read, what is refused and in which words, and that what is written reads back.

mod laws;
mod real;

use serde_json::json;

use super::*;
use crate::model::id::{SetId, TimetableId, WearerId};
use crate::model::place::Place;
use crate::model::time::Timestamp;
use crate::model::units::Metres;
use crate::model::zone::{Polygon, Shape, ZoneVersion};

fn collection(features: &[Value]) -> String {
    json!({ "type": "FeatureCollection", "features": features }).to_string()
}

fn feature(properties: &Value, kind: &str, coordinates: &Value) -> Value {
    json!({
        "type": "Feature",
        "properties": properties,
        "geometry": { "type": kind, "coordinates": coordinates },
    })
}

/// A feature with an id and this geometry.
fn shaped(kind: &str, coordinates: &Value) -> Value {
    feature(&json!({ "id": "z", "radius_m": null }), kind, coordinates)
}

fn read_text(text: &str) -> ZoneFile {
    read("f", text.as_bytes(), Options::default())
}

/// The one zone of a feature that is in order.
#[track_caller]
fn zone(feature: &Value) -> Zone {
    let file = read_text(&collection(std::slice::from_ref(feature)));
    assert_eq!(file.problems, [], "{feature}");
    let [zone] = file.zones.try_into().expect("one zone");
    zone
}

/// What is said of a feature that is not, without the words that are always the same.
#[track_caller]
fn check_refused(feature: &Value, expected: &[&str]) {
    let file = read_text(&collection(std::slice::from_ref(feature)));
    assert_eq!(file.zones, [], "{feature}");
    let texts: Vec<String> = file.problems.iter().map(FileProblem::to_string).collect();
    let short: Vec<&str> = texts
        .iter()
        .map(|text| {
            text.strip_prefix("f: feature 1")
                .expect("names file and feature")
        })
        .collect();
    assert_eq!(short, expected, "{feature}");
}

fn square() -> Value {
    json!([[
        [9.0, 47.0],
        [9.1, 47.0],
        [9.1, 47.1],
        [9.0, 47.1],
        [9.0, 47.0]
    ]])
}

fn places(places: &[(i32, i32)]) -> Vec<Place> {
    places
        .iter()
        .map(|(lon, lat)| Place {
            lat: *lat,
            lon: *lon,
        })
        .collect()
}

#[test]
fn every_property_is_read() {
    let given = feature(
        &json!({
            "id": "home-17", "name": "Home of W-17", "kind": "inclusion", "set": "homes", "wearer": "W-17",
            "buffer_m": 20.5, "timetable": "nights", "valid_from": "2026-01-01T00:00:00Z",
            "valid_to": "2027-01-01T01:00:00+01:00", "fill": "#ff0000", "area": { "ha": 3 },
        }),
        "Polygon",
        &square(),
    );
    let mut expected = Zone {
        id: ZoneId::parse("home-17").unwrap(),
        name: "Home of W-17".to_owned(),
        kind: ZoneKind::Inclusion,
        shape: Shape::Polygons(vec![Polygon {
            outer: places(&[
                (90_000_000, 470_000_000),
                (91_000_000, 470_000_000),
                (91_000_000, 471_000_000),
                (90_000_000, 471_000_000),
            ]),
            holes: vec![],
        }]),
        buffer: Metres::new(20.5),
        set: Some(SetId::parse("homes").unwrap()),
        wearer: Some(WearerId::parse("W-17").unwrap()),
        timetable: Some(TimetableId::parse("nights").unwrap()),
        valid_from: Some(Timestamp::parse("2026-01-01T00:00:00Z").unwrap()),
        valid_to: Some(Timestamp::parse("2027-01-01T00:00:00Z").unwrap()),
        version: ZoneVersion("".into()),
    };
    expected.version = zone_version(&expected);
    assert_eq!(zone(&given), expected);
}

#[test]
fn what_is_absent_has_a_meaning() {
    let bare = zone(&feature(&json!({ "id": 17 }), "Polygon", &square()));
    assert_eq!(
        (bare.id.as_str(), bare.name.as_str(), bare.kind),
        ("17", "17", ZoneKind::Neutral)
    );
    let mut foreign = feature(
        &json!({ "id": null, "name": "", "kind": "county" }),
        "Polygon",
        &square(),
    );
    foreign["id"] = json!("county-1");
    let options = Options {
        as_kind: Some(ZoneKind::Exclusion),
    };
    let file = read("f", collection(&[foreign]).as_bytes(), options);
    let zone = &file.zones[0];
    assert_eq!(
        (zone.id.as_str(), zone.name.as_str(), zone.kind),
        ("county-1", "county-1", ZoneKind::Exclusion)
    );
}

#[test]
fn circles_and_corridors() {
    let circle = zone(&feature(
        &json!({ "id": "c", "radius_m": 100 }),
        "Point",
        &json!([9.52, 47.14, 450.0]),
    ));
    let centre = Place {
        lat: 471_400_000,
        lon: 95_200_000,
    };
    assert_eq!(
        circle.shape,
        Shape::Circle {
            centre,
            radius: Metres::whole(100)
        }
    );
    let corridor = zone(&feature(
        &json!({ "id": "c", "width_m": 30.5 }),
        "LineString",
        &json!([[179.9, 0.0], [179.9, 0.0], [-179.9, 0.1]]),
    ));
    let line = places(&[(-1_801_000_000, 0), (-1_799_000_000, 1_000_000)]);
    assert_eq!(
        corridor.shape,
        Shape::Corridor {
            line,
            width: Metres::new(30.5).unwrap()
        }
    );
}

#[test]
fn problems_of_properties_are_listed_together() {
    let wrong = feature(
        &json!({
            "id": "a b", "name": 7, "kind": "forbidden", "set": "desk", "wearer": 17, "buffer_m": "20", "timetable": "",
            "valid_from": "2026", "radius_m": 10,
        }),
        "Polygon",
        &json!("none"),
    );
    check_refused(
        &wrong,
        &[
            ": id: zone id \"a b\" has a character that is not allowed; expected 1 to 64 of A-Z a-z 0-9 _ -, and neither \
             `officer` nor `desk`",
            ": kind: is none of exclusion, inclusion, restriction, neutral",
            ": name: is not a text; expected a JSON string",
            ": buffer_m: is not a length; expected a number of metres above 0",
            ": set: set id \"desk\" is a reserved word; expected 1 to 64 of A-Z a-z 0-9 _ -, and neither `officer` nor \
             `desk`",
            ": wearer: is not a text; expected a JSON string",
            ": timetable: timetable id \"\" is empty; expected 1 to 64 of A-Z a-z 0-9 _ -, and neither `officer` nor \
             `desk`",
            ": valid_from: \"2026\" is not an instant; expected RFC 3339 such as 2026-11-21T19:00:00Z, in the years 1 to \
             9999",
            ": radius_m: belongs to a Point; expected a geometry of that type",
            ": geometry: has no coordinates; expected an array of rings",
        ],
    );
}

#[test]
fn problems_of_features_say_what_is_expected() {
    let with = |properties: Value| feature(&properties, "Polygon", &square());
    for (given, expected) in [
        (
            with(json!({})),
            ": id: is missing; expected a text of A-Z a-z 0-9 _ - as property `id` or as the feature's own `id`",
        ),
        (
            with(
                json!({ "id": "z", "valid_from": "2026-02-01T00:00:00Z", "valid_to": "2026-02-01T00:00:00Z" }),
            ),
            " (z): valid_to: is not after `valid_from`; expected a later instant",
        ),
        (
            with(json!({ "id": "z", "name": "n".repeat(201) })),
            " (z): name: is longer than 200 characters",
        ),
        (
            with(json!({ "id": "z", "name": "School\u{1b}[2J" })),
            " (z): name: has a control character; expected printable text",
        ),
        (
            with(json!({ "id": "z", "buffer_m": 0.0004 })),
            " (z): buffer_m: is not a length; expected a number of metres above 0",
        ),
        (
            shaped("Point", &json!([0, 0])),
            " (z): radius_m: is missing; expected metres above 0, because the geometry is a Point",
        ),
        (
            shaped("LineString", &json!([[0, 0], [1, 1]])),
            " (z): width_m: is missing; expected metres above 0, because the geometry is a LineString",
        ),
        (
            shaped("GeometryCollection", &json!([])),
            " (z): geometry: is of another type; expected Polygon, MultiPolygon, Point or LineString",
        ),
        (
            json!({ "type": "Feature", "properties": { "id": "z" }, "geometry": null }),
            " (z): geometry: is missing; expected Polygon, MultiPolygon, Point or LineString",
        ),
        (
            json!({ "type": "Feature", "properties": { "id": "z" }, "geometry": { "type": "Polygon" } }),
            " (z): geometry: has no coordinates; expected Polygon, MultiPolygon, Point or LineString",
        ),
        (
            json!({ "type": "Feature", "id": "z", "properties": 7 }),
            " (z): properties: is not an object; expected the zone's properties",
        ),
        (
            json!({ "type": "Polygon" }),
            ": type: is not \"Feature\"; expected a GeoJSON feature",
        ),
        (
            json!(7),
            ": type: is not \"Feature\"; expected a GeoJSON feature",
        ),
    ] {
        check_refused(&given, &[expected]);
    }
}

/// The first thing said of a geometry, without the words that are always the same.
#[track_caller]
fn check_geometry(kind: &str, coordinates: &Value, expected: &str) {
    let file = read_text(&collection(&[shaped(kind, coordinates)]));
    let text = file.problems.first().map(FileProblem::to_string);
    let text = text
        .as_deref()
        .and_then(|text| text.strip_prefix("f: feature 1 (z): geometry"));
    assert_eq!(text, Some(expected), "{coordinates}");
    assert_eq!(file.zones, []);
}

#[test]
fn problems_of_positions_and_rings() {
    for (kind, coordinates, expected) in [
        (
            "Polygon",
            json!([]),
            ": has no coordinates; expected an array of rings",
        ),
        (
            "MultiPolygon",
            json!([]),
            ": has no coordinates; expected an array of polygons",
        ),
        (
            "Polygon",
            json!([7]),
            ", outer ring: is not an array; expected positions [longitude, latitude]",
        ),
        (
            "Polygon",
            json!([[[0, 0], [0, 1], [1, 1]]]),
            ", outer ring: has 3 positions; expected at least 4, the last like the first",
        ),
        (
            "Polygon",
            json!([[[0, 0], [0, 1], [1, 1], [1, 0]]]),
            ", outer ring: is not closed; expected the last position to repeat the first",
        ),
        (
            "Polygon",
            json!([[[0, 0], [0, 1], ["1", 1], [0, 0]]]),
            ", outer ring, position 3: is not a position; expected [longitude, latitude] in degrees",
        ),
        (
            "Polygon",
            json!([[[47.0, 181.0], [0, 1], [1, 1], [0, 0]]]),
            ", outer ring, position 1: is not on the earth; expected [longitude, latitude], longitude within ±180 and \
             latitude within ±90",
        ),
        (
            "Polygon",
            json!([[[0, 0], [0, 1], [0.000_000_01, 1], [0, 0]]]),
            ", outer ring: has fewer than 3 different positions; expected an area",
        ),
    ] {
        check_geometry(kind, &coordinates, expected);
    }
}

#[test]
fn problems_of_areas() {
    for (kind, coordinates, expected) in [
        (
            "Polygon",
            json!([[[0, 0], [1, 1], [2, 2], [0, 0]]]),
            ", outer ring: encloses no area",
        ),
        (
            "Polygon",
            json!([[[0, 0], [0, 0], [1, 1], [1, 1], [1, 0], [0, 1], [0, 0]]]),
            ", outer ring, position 1: the edge from here crosses the edge from position 5",
        ),
        (
            // Before rounding this notch does not reach the edge below.
            "Polygon",
            json!([[
                [0, 0],
                [1, 0.000_000_04],
                [1, 1],
                [0.5, 0.000_000_04],
                [0, 1],
                [0, 0]
            ]]),
            ", outer ring, position 1: the edge from here touches the edge from position 3; expected a ring \
             that never meets itself",
        ),
    ] {
        check_geometry(kind, &coordinates, expected);
    }
}

#[test]
fn problems_of_longitude_and_of_several_rings() {
    for (kind, coordinates, expected) in [
        (
            "Polygon",
            json!([[[170, -10], [-90, -10], [0, -10], [90, -10], [170, -10]]]),
            ", outer ring: goes round a pole; expected a ring that comes back without a turn of longitude",
        ),
        (
            "Polygon",
            json!([[[-100, 0], [0, 0], [80, 0], [80, 1], [-100, 1], [-100, 0]]]),
            ", outer ring, position 5: is exactly 180° of longitude from the position before; expected one in between, to \
             tell the way round",
        ),
        (
            "Polygon",
            json!([[
                [100, 0],
                [170, 0],
                [-100, 0],
                [-100, 1],
                [170, 1],
                [100, 1],
                [100, 0]
            ]]),
            ", outer ring: crosses the antimeridian and reaches more than 34.7° beyond it; expected parts cut at the \
             antimeridian",
        ),
        (
            "Polygon",
            json!([
                [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]],
                [[5, 5], [6, 5], [6, 6], [5, 5]]
            ]),
            ", hole 1: lies outside of the outer ring",
        ),
        (
            "MultiPolygon",
            json!([
                [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]],
                [[[1, 1], [2, 1], [2, 2], [1, 1]]],
            ]),
            ", polygon 2, outer ring: lies within polygon 1, outer ring; expected polygons that do not overlap",
        ),
        (
            "MultiPolygon",
            json!([
                [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]],
                [[[4, 1], [5, 1], [5, 2], [4, 2], [4, 1]]],
            ]),
            ", polygon 1, outer ring, position 2: the edge from here runs along the edge from position 4 of polygon 2, \
             outer ring",
        ),
    ] {
        check_geometry(kind, &coordinates, expected);
    }
}

#[test]
fn problems_of_files() {
    let same = feature(&json!({ "id": "z" }), "Polygon", &square());
    let twice = collection(&[same.clone(), same]);
    for (text, expected) in [
        (
            "",
            "f:1: column id is missing; expected GeoJSON, or CSV with the header id,name,kind,lon,lat,radius_m",
        ),
        (
            r#"{"type":"Feature"}"#,
            "f: `type` is not \"FeatureCollection\"; expected a GeoJSON feature collection",
        ),
        (
            r#"{"type":"FeatureCollection"}"#,
            "f: has no `features`; expected an array of features",
        ),
        (
            r#"{"type":"FeatureCollection","features":[{]}"#,
            "f: not a GeoJSON feature collection: key must be a string at line 1 column 42",
        ),
        (
            "[]",
            "f: not a GeoJSON feature collection: invalid type: sequence, expected an object at line 1 column 0",
        ),
        (
            r#"{"type":"FeatureCollection","crs":{"properties":{"name":"urn:ogc:def:crs:EPSG::2056"}},"features":[]}"#,
            "f: `crs` names another reference system; expected WGS84 in longitude and latitude (RFC 7946)",
        ),
        (
            twice.as_str(),
            "f: feature 2 (z): id: is the id of feature 1 (z) already; expected ids that differ",
        ),
    ] {
        let file = read_text(text);
        assert_eq!(
            file.problems.first().map(FileProblem::to_string).as_deref(),
            Some(expected),
            "{text}"
        );
    }
    let latin = read("f", b"{\"type\":\"\xe4\"}", Options::default());
    assert_eq!(
        latin.problems[0].to_string(),
        "f: not UTF-8 from byte 9 on; expected text"
    );
    let cut = read("f", &[0x1f, 0x8b, 8, 0], Options::default());
    assert!(
        cut.problems[0]
            .to_string()
            .starts_with("f: not readable as gzip: "),
        "{:?}",
        cut.problems
    );
    for start in [
        "{\"features\":[",
        "{\"type\":[",
        "{\"type\":\"FeatureCollection\",\"features\":[{\"geometry\":",
    ] {
        let deep = format!("{start}{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(
            !read_text(&format!("{deep}}}]}}")).problems.is_empty(),
            "{start}"
        );
    }
    let old = r#"{"type":"FeatureCollection","crs":{"properties":{"name":"urn:ogc:def:crs:OGC:1.3:CRS84"}},"features":[]}"#;
    assert_eq!(read_text(old), ZoneFile::default());
}

#[test]
fn circles_from_a_table() {
    let table = "\u{feff}lat, lon ,id,radius_m,kind\n47.14,9.52,spot-1,100,exclusion\n47.1,9.5,\"spot-2\",2.5,\n";
    let file = read_text(table);
    assert_eq!(file.problems, []);
    let kinds: Vec<ZoneKind> = file.zones.iter().map(|zone| zone.kind).collect();
    assert_eq!(kinds, [ZoneKind::Exclusion, ZoneKind::Neutral]);
    let centre = Place {
        lat: 471_000_000,
        lon: 95_000_000,
    };
    assert_eq!(
        file.zones[1].shape,
        Shape::Circle {
            centre,
            radius: Metres::new(2.5).unwrap()
        }
    );

    for (text, expected) in [
        (
            "id,lon,lat,radius_m,wearer\n",
            "f:1: column \"wearer\" is not known; expected id,name,kind,lon,lat,radius_m, or GeoJSON for more",
        ),
        (
            "id,lon,lat,radius_m\na,1,2\n",
            "f: row 1: has 3 fields; expected 4, as in the header",
        ),
        (
            "id,lon,lat,radius_m\na,1,2,10 m\n",
            "f: row 1 (a): radius_m: is not a length; expected a number of metres above 0",
        ),
        (
            "id,lon,lat,radius_m\na,1,,10\n",
            "f: row 1 (a): geometry: is not a position; expected [longitude, latitude] in degrees",
        ),
        (
            "id,lon,lat,radius_m\na,1,NaN,10\n",
            "f: row 1 (a): geometry: is not a position; expected [longitude, latitude] in degrees",
        ),
        (
            "id,lon,lat,radius_m\na,1,2,\n",
            "f: row 1 (a): radius_m: is missing; expected metres above 0, because the geometry is a Point",
        ),
    ] {
        let file = read_text(text);
        assert_eq!(
            file.problems.first().map(FileProblem::to_string).as_deref(),
            Some(expected),
            "{text}"
        );
        assert_eq!(file.zones, []);
    }
}

#[test]
fn rings_over_the_antimeridian_have_one_frame_wherever_they_begin() {
    let ring = [[170.0, 10.0], [-170.0, 10.0], [-170.0, 20.0], [170.0, 20.0]];
    for start in 0..4 {
        let mut turned = ring.to_vec();
        turned.rotate_left(start);
        turned.push(turned[0]);
        let zone = zone(&shaped(
            "Polygon",
            &json!([turned, [[-179, 12], [-178, 12], [-178, 13], [-179, 12]]]),
        ));
        let Shape::Polygons(polygons) = &zone.shape else {
            panic!("a polygon")
        };
        let lons: std::collections::BTreeSet<i32> =
            polygons[0].outer.iter().map(|place| place.lon).collect();
        assert_eq!(lons, [-1_900_000_000, -1_700_000_000].into());
        assert_eq!(polygons[0].holes[0][0].lon, -1_790_000_000);
    }
}

#[test]
fn the_version_follows_from_every_part() {
    let given = json!({ "id": "z", "kind": "exclusion" });
    let first = zone(&feature(&given, "Polygon", &square()));
    assert_eq!(first.version.to_string(), "4c2d7770c6f8");
    for (key, value) in [
        ("id", json!("y")),
        ("name", json!("Z")),
        ("kind", json!("restriction")),
        ("set", json!("s")),
        ("wearer", json!("w")),
        ("buffer_m", json!(1)),
        ("timetable", json!("t")),
        ("valid_from", json!("2026-01-01T00:00:00Z")),
        ("valid_to", json!("2026-01-01T00:00:00Z")),
    ] {
        let mut other = given.clone();
        other[key] = value;
        assert_ne!(
            zone(&feature(&other, "Polygon", &square())).version,
            first.version,
            "{key}"
        );
    }
}
