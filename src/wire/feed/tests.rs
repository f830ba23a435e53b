//! Feeds: lines and tracks, what is refused and in which words, and that what is written reads back.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::model::id::{AgencyId, DeviceId};
use crate::wire::report::decode;
use crate::wire::topic::{DEFAULT_ROOT, Topic};

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a feed says, problems as text.
fn read(bytes: &[u8]) -> Vec<Result<FeedItem, String>> {
    FeedReader::new("f", bytes)
        .map(|item| item.map_err(|problem| problem.to_string()))
        .collect()
}

fn message(line: u64, received_at: Option<&str>, topic: &str, payload: &str) -> FeedItem {
    FeedItem {
        line,
        pos: None,
        received_at: received_at.map(|at| Timestamp::parse(at).unwrap()),
        body: FeedBody::Message {
            topic: topic.to_owned(),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
        },
    }
}

#[test]
fn lines_are_messages_or_events() {
    let feed = concat!(
        "\n{\"received_at\":\"2026-11-21T19:00:00Z\",\"topic\":\"em/demo/tag-7/report\",\"payload\":{\"at\" : 0} }\n",
        "  \r\n",
        "{\"pos\":17,\"event\":\"zones\",\"data\":{\"remove\":\"school-7\"},\"later\":[1]}\r\n",
        "{\"topic\":\"t\",\"payload\":\"text\",\"qos\":1}\n",
        "{\"topic\":\"t\",\"payload_base64\":\"AP8=\"}",
    );
    let expected = vec![
        Ok(message(
            2,
            Some("2026-11-21T19:00:00Z"),
            "em/demo/tag-7/report",
            "{\"at\" : 0}",
        )),
        Ok(FeedItem {
            line: 4,
            pos: Some(17),
            received_at: None,
            body: FeedBody::Event {
                agency: None,
                name: "zones".to_owned(),
                data: Bytes::from_static(b"{\"remove\":\"school-7\"}"),
            },
        }),
        Ok(message(5, None, "t", "\"text\"")),
        Ok(FeedItem {
            line: 6,
            pos: None,
            received_at: None,
            body: FeedBody::Message {
                topic: "t".to_owned(),
                payload: Bytes::from_static(&[0, 255]),
            },
        }),
    ];
    assert_eq!(read(feed.as_bytes()), expected);
    assert_eq!(read(&packed(feed.as_bytes())), expected);
    let marked = format!("\u{feff}{feed}");
    assert_eq!(read(&packed(marked.as_bytes())), expected);
    // A reader that gives one byte at a time, as sockets may.
    let slowly = FeedReader::new("f", BufReader::with_capacity(1, feed.as_bytes()));
    assert_eq!(slowly.filter_map(Result::ok).count(), 4);
    assert_eq!(read(b""), []);
    assert_eq!(read(&packed(b" \n")), []);
}

#[test]
fn a_bad_line_is_named_and_the_next_is_read() {
    let good = "{\"topic\":\"t\",\"payload\":{}}";
    for (bad, expected) in [
        (
            "{",
            "not a line of a feed: EOF while parsing an object at column 1",
        ),
        ("[]", "not a line of a feed: "),
        (
            "{}",
            "topic: is missing, and `event` too; expected one of the two",
        ),
        (
            "{\"topic\":\"t\"}",
            "payload: is missing; expected what was published",
        ),
        (
            "{\"topic\":\"t\",\"payload\":{},\"payload_base64\":\"\"}",
            "payload: stands beside `payload_base64`; expected one of the two",
        ),
        (
            "{\"topic\":\"t\",\"payload_base64\":\"?\"}",
            "payload_base64: is not base64",
        ),
        (
            "{\"topic\":\"t\",\"event\":\"e\"}",
            "topic: stands beside `event`; expected one of the two",
        ),
        (
            "{\"event\":\"e\"}",
            "data: is missing; expected what the event says",
        ),
        (
            "{\"received_at\":\"today\"}",
            "received_at: \"today\" is not an instant; expected RFC 3339 such as 2026-11-21T19:00:00Z, in the years 1 to \
             9999",
        ),
        (
            "{\"pos\":-1}",
            "not a line of a feed: invalid value: integer `-1`, expected u64 at column 9",
        ),
        ("\u{7f}", "not a line of a feed: expected value at column 1"),
    ] {
        let items = read(format!("{good}\n{bad}\n{good}").as_bytes());
        assert_eq!(items.len(), 3, "{bad}");
        let problem = items[1].as_ref().unwrap_err();
        assert!(
            problem.starts_with(&format!("f:2: {expected}")),
            "{bad}: {problem}"
        );
        assert_eq!(items[2], Ok(message(3, None, "t", "{}")));
    }
}

#[test]
fn a_stream_that_breaks_ends() {
    let mut cut = packed(&b"{\"topic\":\"t\",\"payload\":{}}\n".repeat(100));
    cut.truncate(cut.len() - 10);
    let items = read(&cut);
    let problem = items.last().unwrap().as_ref().unwrap_err();
    assert!(problem.contains("not readable: "), "{problem}");
    assert!(items[..items.len() - 1].iter().all(Result::is_ok));

    let mut cut = packed(&b"device,time,lat,lon\n".repeat(100));
    cut.truncate(cut.len() - 10);
    let items = read(&cut);
    assert!(
        items
            .last()
            .unwrap()
            .as_ref()
            .unwrap_err()
            .contains("not readable: "),
        "{items:?}"
    );
    assert!(items.len() <= 101);
}

const HEADER: &str = "device,seq,time,recv_time,lat,lon,accuracy_m,altitude_m,speed_mps,heading_deg,hdop,battery_pct,source";

#[test]
fn rows_become_the_messages_of_their_devices() {
    let feed = format!(
        "{HEADER}\nphone-1,3,2015-07-22T15:14:53.881Z,2015-07-22T15:14:54.84Z,37.3887767,-122.0876886,37.5,0,-1,80,0.9,55.5,wifi\n\
         phone-1,,2015-07-22T15:14:53+01:00,,47.484481435,10.975689555,,,,,,,\n\
         phone-1,5,2015-07-22T15:14:53Z,,,,,,,,,0,\n"
    );
    let topic = "em/demo/phone-1/report";
    assert_eq!(
        read(feed.as_bytes()),
        [
            Ok(message(
                1,
                Some("2015-07-22T15:14:54.840Z"),
                topic,
                "{\"seq\":3,\"at\":\"2015-07-22T15:14:53.881Z\",\"fix\":{\"lat\":37.3887767,\"lon\":-122.0876886,\
                 \"accuracy_m\":37.5,\"altitude_m\":0.0,\"speed_mps\":-1.0,\"course_deg\":80.0,\"hdop\":0.9,\
                 \"source\":\"wifi\"},\"battery_pct\":55.5}"
            )),
            Ok(message(
                2,
                None,
                topic,
                "{\"at\":\"2015-07-22T14:14:53.000Z\",\"fix\":{\"lat\":47.484481435,\"lon\":10.975689555}}"
            )),
            Ok(message(
                3,
                None,
                topic,
                "{\"seq\":5,\"at\":\"2015-07-22T15:14:53.000Z\",\"battery_pct\":0.0}"
            )),
        ]
    );
    // Any order of columns, and spaces about them.
    let turned = "lon , lat,time,device\r\n2,1,2015-07-22T15:14:53Z, a \r\n";
    assert_eq!(
        read(turned.as_bytes()),
        [Ok(message(
            1,
            None,
            "em/demo/a/report",
            "{\"at\":\"2015-07-22T15:14:53.000Z\",\"fix\":{\"lat\":1.0,\"lon\":2.0}}"
        ))]
    );
}

#[test]
fn a_bad_row_is_named_and_the_next_is_read() {
    let good = "a,1,2015-07-22T15:14:53Z,,1,2,,,,,,,";
    for (bad, expected) in [
        (
            "a b,1,2015-07-22T15:14:53Z,,1,2,,,,,,,",
            "device: device id \"a b\" has a character that is not allowed; expected 1 to 64 of A-Z a-z 0-9 _ -, and \
             neither `officer` nor `desk`",
        ),
        (
            "a,1,,,1,2,,,,,,,",
            "time: is empty; expected the time of the fix",
        ),
        (
            "a,1,1437578093,,1,2,,,,,,,",
            "time: can't be read; expected RFC 3339 such as 2026-11-21T19:00:00Z",
        ),
        (
            "a,1.5,2015-07-22T15:14:53Z,,1,2,,,,,,,",
            "seq: can't be read; expected a whole number",
        ),
        (
            "a,1,2015-07-22T15:14:53Z,,NaN,2,,,,,,,",
            "lat: can't be read; expected a number, or nothing where it is unknown",
        ),
        (
            "a,1,2015-07-22T15:14:53Z,,,2,,,,,,,",
            "lat: is empty; expected a latitude beside the longitude",
        ),
        (
            "a,1,2015-07-22T15:14:53Z,,1,,,,,,,,",
            "lon: is empty; expected a longitude beside the latitude",
        ),
        (
            "a,1,2015-07-22T15:14:53Z,,1,2,,,,,,,sky",
            "source: can't be read; expected gps, rf, wifi, cell or ble",
        ),
        ("a,1", "has 2 fields; expected 13, as in the header"),
    ] {
        let items = read(format!("{HEADER}\n{good}\n{bad}\n{good}\n").as_bytes());
        assert_eq!(items.len(), 3, "{bad}");
        assert_eq!(items[1], Err(format!("f: row 2: {expected}")));
        assert_eq!(items[2].as_ref().map(|item| item.line), Ok(3));
    }
    let latin = [
        format!("{HEADER}\n").as_bytes(),
        b"\xe4,1,,,,,,,,,,,\n",
        good.as_bytes(),
    ]
    .concat();
    let items = read(&latin);
    assert_eq!(items[0], Err("f: row 1: not UTF-8".to_owned()));
}

#[test]
fn a_file_of_another_kind_is_refused_at_once() {
    let columns = "device,time,lat,lon, and any of \
                   seq,recv_time,accuracy_m,altitude_m,speed_mps,heading_deg,hdop,battery_pct,source";
    for (text, expected) in [
        (
            "<?xml version=\"1.0\"?>\n<gpx/>\n",
            "neither a feed nor a track: no column device; expected lines of JSON, or CSV with ",
        ),
        (
            "device,time,lat,lon,accuracy\n",
            "column \"accuracy\" is not known; expected ",
        ),
    ] {
        assert_eq!(
            read(text.as_bytes()),
            [Err(format!("f:1: {expected}{columns}"))],
            "{text}"
        );
    }
    assert_eq!(
        read(b"device,time,lat,lat,lon\n"),
        [Err(
            "f:1: column \"lat\" stands twice; expected it once".to_owned()
        )]
    );
}

/// Reads a track and decodes what its devices sent: how many rows, and how many reports with a fix.
fn count_track(path: &Path) -> (usize, usize) {
    let file = BufReader::new(std::fs::File::open(path).unwrap());
    let (mut rows, mut fixes) = (0, 0);
    for item in FeedReader::new("track", file) {
        let item = item.unwrap();
        let FeedBody::Message { topic, payload } = item.body else {
            panic!("a track has messages only")
        };
        let Ok(Topic::Report { agency, device }) = Topic::parse(DEFAULT_ROOT, &topic) else {
            panic!("{topic}")
        };
        let content = decode(&agency, &device, &topic, payload);
        assert!(
            content.unreadable.is_empty() && content.reports[0].report.ignored.is_empty(),
            "row {}",
            item.line
        );
        rows += 1;
        fixes += usize::from(content.reports[0].report.fix.is_some());
    }
    (rows, fixes)
}

#[test]
fn real_tracks_are_read_whole() {
    let sample: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "tests/data/wire/gpx_sample.csv.gz",
    ]
    .iter()
    .collect();
    assert_eq!(count_track(&sample), (484, 484));
}

/// More tracks, where they are at hand: they may not be passed on with this repository.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "says where data lies that is not in the repository"
)]
fn fetched_tracks() {
    let Some(folder) = std::env::var_os("BAILIWICK_FETCHED_DATA").map(PathBuf::from) else {
        return;
    };
    for (name, rows) in [
        ("phones.csv.gz", 10_231),
        ("fleet_austin_2015-09-06.csv.gz", 53_569),
        ("fleet_austin_2017-03-21.csv.gz", 45_386),
        ("bus.csv.gz", 2144),
    ] {
        assert_eq!(
            count_track(&folder.join("tracks").join(name)),
            (rows, rows),
            "{name}"
        );
    }
}

fn any_item() -> impl Strategy<Value = FeedItem> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        "[{}\\[\\]\":a0 ,\n]{0,8}".prop_map(String::into_bytes),
        Just(b"{\"at\":0}".to_vec()),
        Just(b"{\"at\":\n0}".to_vec()),
        Just(b"null".to_vec()),
        Just(b" []".to_vec()),
    ];
    let topic = any::<String>();
    let body = prop_oneof![
        (topic, payload).prop_map(|(topic, payload)| FeedBody::Message {
            topic,
            payload: payload.into()
        }),
        (any::<String>(), any::<bool>()).prop_map(|(name, named)| FeedBody::Event {
            agency: named.then(|| "county-7".parse().unwrap()),
            name,
            data: Bytes::from_static(b"{\"a\":[1]}")
        }),
    ];
    (
        body,
        any::<Option<u64>>(),
        prop::option::of(0_i64..4_000_000_000_000),
    )
        .prop_map(|(body, pos, at)| FeedItem {
            line: 1,
            pos,
            received_at: at.and_then(Timestamp::from_millis),
            body,
        })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(item in any_item()) {
        let line = item.to_line();
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(read(line.as_bytes()), vec![Ok(item)], "{}", line);
    }

    /// A number keeps all its digits from the table to the report.
    #[test]
    fn coordinates_keep_every_digit(lat in -90.0..90.0_f64, lon in -180.0..180.0_f64) {
        let feed = format!("device,time,lat,lon\na,2015-07-22T15:14:53Z,{lat},{lon}\n");
        let item = read(feed.as_bytes()).remove(0).unwrap();
        let FeedBody::Message { topic, payload } = item.body else { panic!("a message") };
        let (agency, device) = (AgencyId::parse("demo").unwrap(), DeviceId::parse("a").unwrap());
        let fix = decode(&agency, &device, &topic, payload).reports.remove(0).report.fix.unwrap();
        prop_assert_eq!((fix.lat.to_bits(), fix.lon.to_bits()), (lat.to_bits(), lon.to_bits()));
    }

    #[test]
    fn no_bytes_make_it_panic(
        start in prop::sample::select(vec!["", "{", "device,time,lat,lon\n"]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        pack: bool,
    ) {
        let bytes = [start.as_bytes(), &bytes].concat();
        let items = read(&if pack { packed(&bytes) } else { bytes });
        prop_assert!(items.len() <= 201);
    }
}
