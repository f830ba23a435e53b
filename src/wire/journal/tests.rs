//! Every kind of entry back from its body, and bodies that are none.

use super::*;
use crate::model::parameters::Parameters;
use crate::model::snapshot::{SEMANTICS, Snapshot, WearerFacts};
use crate::model::time::Span;

fn demo() -> AgencyId {
    AgencyId::parse("demo").unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[track_caller]
fn check(event: &Event, kind: Kind, whole: bool) {
    let written = encode(event);
    assert_eq!((written.kind, written.whole), (kind, whole));
    assert_eq!(Kind::parse(kind.name()), Some(kind));
    let read = decode(kind, written.agency.as_ref(), &written.body).unwrap();
    assert_eq!(read, Entered::Event(event.clone()));
    if written.agency.is_some() {
        assert!(
            decode(kind, None, &written.body).is_err(),
            "it must belong to somebody"
        );
    }
}

fn zones() -> Vec<Arc<Zone>> {
    let text = r#"{"type":"FeatureCollection","features":[
        {"type":"Feature","properties":{"id":"school-3","name":"Läden \"A\"","kind":"exclusion","radius_m":100.5,"buffer_m":30},
         "geometry":{"type":"Point","coordinates":[9.52,47.14]}},
        {"type":"Feature","properties":{"id":"home","kind":"inclusion","timetable":"nights","wearer":"W-17",
         "valid_from":"2026-01-01T00:00:00Z"},"geometry":{"type":"Polygon","coordinates":[
         [[9,47],[9.5,47],[9.5,47.5],[9,47.5],[9,47]],[[9.1,47.1],[9.1,47.2],[9.2,47.2],[9.1,47.1]]]}},
        {"type":"Feature","properties":{"id":"way","set":"ways","width_m":12},
         "geometry":{"type":"LineString","coordinates":[[179.9,1],[-179.9,1.00000005]]}}]}"#;
    let file = zone_file::read("zones", text.as_bytes(), zone_file::Options::default());
    assert_eq!(file.problems, []);
    file.zones.into_iter().map(Arc::new).collect()
}

#[test]
fn changes_of_zones_read_back() {
    let agency = demo;
    let zones = zones();
    for (change, whole) in [
        (ZoneChange::Replace(zones.clone()), true),
        (ZoneChange::Replace(Vec::new()), true),
        (ZoneChange::Put(Arc::clone(&zones[1])), false),
        (ZoneChange::Remove(zones[0].id.clone()), false),
    ] {
        let agency = agency();
        check(&Event::Zones { agency, change }, Kind::Zones, whole);
    }
}

#[test]
fn rosters_and_parameters_read_back() {
    let text = r#"
        officer = [{ id = "ofc-1", name = "A. Mayer", contact = { email = "a@example.org" } }]
        wearer = [{ id = "W-17", name = "B", risk = "high", officer = "ofc-1", timezone = "Europe/Vaduz" }]
        activation = [{ device = "tag-7", wearer = "W-17", from = "2026-01-01T00:00:00Z" }]
        condition = [{ id = "c", wearer = "W-17", kind = "curfew", zone = "home", timetable = "nights" }]
        timetable = [{ id = "nights", timezone = "Europe/Vaduz", windows = [{ days = ["mon"], from = "19:00", to = "07:00" }],
            exceptions = [{ date = "2026-12-24", windows = [] }] }]
        obligation = [{ id = "weekly", wearer = "W-17", kind = "checkin", rrule = "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9",
            window = "2h", reminder = "30m", grace = "1h" }]"#;
    let roster = Arc::new(roster_file::read_toml("roster.toml", text).unwrap());
    let agency = demo();
    check(&Event::Roster { agency, roster }, Kind::Roster, true);
    let mut naive = Parameters::naive();
    naive.speed_limit_mps = 70.1 + 0.2;
    naive.settle = Span::millis(1);
    for parameters in [Parameters::default(), naive] {
        let parameters = Arc::new(parameters_file::versioned(parameters));
        let agency = demo();
        check(
            &Event::Parameters { agency, parameters },
            Kind::Parameters,
            true,
        );
    }
}

#[test]
fn the_small_ones_read_back() {
    let checkin = CheckIn {
        wearer: WearerId::parse("W-17").unwrap(),
        obligation: ObligationId::parse("weekly").unwrap(),
        at: at("2026-11-21T19:00:00Z"),
        actor: Actor("operator \"2\"".to_owned()),
    };
    let agency = demo();
    check(&Event::CheckIn { agency, checkin }, Kind::CheckIn, false);
    let blind = Window {
        from: at("2026-11-21T19:00:00Z"),
        until: at("2026-11-21T19:10:00Z"),
    };
    check(&Event::Resumed { blind }, Kind::Resumed, false);
    check(&Event::Tick, Kind::Tick, false);
}

#[test]
fn a_history_is_kept_by_name() {
    let now = at("2026-11-21T19:00:00Z");
    let snapshot = Snapshot {
        semantics: SEMANTICS,
        position: 40,
        now,
        wearer: WearerFacts::new(WearerId::parse("W-17").unwrap(), now),
    };
    for (checkpoint, text) in [(Some(snapshot), "40"), (None, "null")] {
        let name = HistoryName {
            wearer: WearerId::parse("W-17").unwrap(),
            from: now,
            until_position: 77,
            checkpoint: checkpoint.as_ref().map(|snapshot| snapshot.position),
            digest: u64::MAX,
        };
        let history = Box::new(History {
            wearer: name.wearer.clone(),
            from: now,
            until_position: 77,
            checkpoint,
            definitions: vec![Event::Tick],
            events: Vec::new(),
            digest: u64::MAX,
        });
        let agency = demo();
        let written = encode(&Event::History { agency, history });
        let expected = format!(
            r#"{{"wearer":"W-17","from":"2026-11-21T19:00:00.000Z","until_position":77,"checkpoint":{text},"digest":"ffffffffffffffff"}}"#
        );
        assert_eq!(String::from_utf8(written.body.clone()).unwrap(), expected);
        assert_eq!(written.wearer, Some(name.wearer.clone()));
        let read = decode(Kind::History, Some(&demo()), &written.body).unwrap();
        assert_eq!(read, Entered::History(name));
    }
}

#[test]
fn a_report_reads_back_from_its_bytes_alone() {
    let device = DeviceId::parse("tag-7").unwrap();
    let raw = r#"{ "at":"2026-11-21T19:00:00Z","fix":{"lat":53.4,"lon":-2.25},"battery_pct":"full","own":[1e999] }"#;
    let received = report::decode(&demo(), &device, "", raw.into())
        .reports
        .remove(0);
    let read = decode_report(&demo(), &device, received.raw).unwrap();
    assert_eq!(read, received.report);
    for (raw, problem) in [
        ("[]", "report can't be read: it is none"),
        (
            r#"[{"at":1},{"at":2}]"#,
            "report can't be read: it is several",
        ),
        (
            "",
            "report can't be read: the payload is empty; expected a report or an array of reports",
        ),
    ] {
        let error = decode_report(&demo(), &device, raw.into()).unwrap_err();
        assert_eq!(error.to_string(), problem);
    }
}

#[test]
fn what_is_no_body_is_refused() {
    for (kind, body) in [
        (
            Kind::Zones,
            r#"{"put":{"type":"FeatureCollection","features":[]}}"#,
        ),
        (Kind::Zones, r#"{"move":"home"}"#),
        (Kind::Zones, r#"{"replace":{"type":"FeatureCollection"}}"#),
        (Kind::Roster, "null"),
        (
            Kind::Roster,
            r#"{"wearer":[{"id":"W-17","officer":"nobody"}]}"#,
        ),
        (Kind::Parameters, "speed = 1"),
        (Kind::CheckIn, "{}"),
        (Kind::Report, "{}"),
        (Kind::Resumed, "\u{1f}\u{8b}"),
    ] {
        assert!(
            decode(kind, Some(&demo()), body.as_bytes()).is_err(),
            "{kind:?} {body}"
        );
    }
    assert!(decode(Kind::Tick, None, &[0xff]).is_err());
    assert_eq!(Kind::parse("tock"), None);
}
