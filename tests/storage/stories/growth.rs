//! What grows: blocks are the log, and what is removed is needed by nobody.

use bailiwick::model::alert::{Alert, RevisionKind};
use bailiwick::model::event::{Event, History};
use bailiwick::model::fix::{Fix, Source};
use bailiwick::model::place::Place;
use bailiwick::model::report::{Case, Strap};
use bailiwick::model::time::{Span, Timestamp};
use bailiwick::model::units::{Metres, Percent};
use bailiwick::store::{
    HistoryQuery, LastSeen, ONLY_PARTITION, Retention, Settled, Settlement, Store, TrackPoint,
    TrackQuery,
};

use crate::support::{
    Database, Script, agency, alert, closing, demo, device, revised, start, tells, wearer,
};

const WEARERS: [&str; 3] = ["W-1", "W-2", "W-3"];

/// A number that looks drawn and is always the same.
fn drawn(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31) >> 16
}

/// Reports of three wearers over a day, at uneven times.
async fn a_day(store: &dyn Store, script: &mut Script, reports: u64) {
    for number in 0..reports {
        let pause = Span::millis((drawn(number) % 60_000).cast_signed());
        let who = WEARERS[usize::try_from(drawn(number + 7) % 3).unwrap()];
        script.wait(pause).report(&demo(), who, vec![]);
        if number % 50 == 49 {
            script.commit(store).await;
        }
    }
    script.commit(store).await;
}

fn query(about: &str) -> TrackQuery {
    TrackQuery {
        wearer: wearer(about),
        from: Timestamp::MIN,
        until: Timestamp::MAX,
        after: 0,
        limit: 10_000,
    }
}

async fn tracks(store: &dyn Store) -> Vec<Vec<TrackPoint>> {
    let mut tracks = Vec::new();
    for who in WEARERS {
        let whole = store.track(&demo(), &query(who)).await.unwrap();
        let mut paged: Vec<TrackPoint> = Vec::new();
        loop {
            let after = paged.last().map_or(0, |point| point.position);
            let page = TrackQuery {
                after,
                limit: 13,
                ..query(who)
            };
            let page = store.track(&demo(), &page).await.unwrap();
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, whole, "in pages and at once");
        let between = TrackQuery {
            from: start() + Span::hours(2),
            until: start() + Span::hours(3),
            ..query(who)
        };
        let part = store.track(&demo(), &between).await.unwrap();
        let expected = whole
            .iter()
            .filter(|point| between.from <= point.received_at && point.received_at < between.until);
        assert_eq!(part, expected.cloned().collect::<Vec<_>>());
        tracks.push(whole);
    }
    tracks
}

async fn histories(store: &dyn Store, until_position: u64) -> Vec<History> {
    let mut histories = Vec::new();
    for who in WEARERS {
        let asked = HistoryQuery {
            wearer: wearer(who),
            from: start() + Span::hours(4),
            until_position,
            digest: 1,
        };
        histories.push(store.history(&demo(), &asked).await.unwrap());
    }
    histories
}

async fn pack(store: &dyn Store, until: u64) -> Settled {
    let partition = ONLY_PARTITION;
    store
        .settle(Settlement::Blocks { partition, until })
        .await
        .unwrap()
}

pub(crate) async fn blocks_are_the_log(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    assert_eq!(
        pack(store, 10).await,
        Settled::default(),
        "nothing is there"
    );
    a_day(store, &mut script, 600).await;
    let (before, asked) = (tracks(store).await, histories(store, 590).await);
    assert_eq!(before.iter().map(Vec::len).sum::<usize>(), 600);
    let mut packed = 0;
    for until in [1, 2, 200, 200, 431, 9_999, 9_999] {
        packed += pack(store, until).await.written;
        assert_eq!(tracks(store).await, before, "packed until {until}");
        assert_eq!(histories(store, 590).await, asked, "packed until {until}");
    }
    assert_eq!(packed, 600);
    script.batch.floor = Some(script.cursor);
    script.commit(store).await;
    let removed = store
        .settle(Settlement::Retention(retention(script.now, start())))
        .await;
    assert_eq!(removed.unwrap().removed, 0, "all is within the horizon");
    let log_only = Retention {
        blocks_before: start(),
        ..retention(script.now, script.now)
    };
    let removed = store
        .settle(Settlement::Retention(log_only))
        .await
        .unwrap()
        .removed;
    assert_eq!(removed, 599, "the last is not older than now");
    assert_eq!(tracks(store).await, before, "from blocks alone");
    assert_eq!(histories(store, 590).await, asked);
    a_day(store, &mut script, 100).await;
    let (before, asked) = (tracks(store).await, histories(store, 650).await);
    pack(store, 650).await;
    assert_eq!(tracks(store).await, before);
    assert_eq!(histories(store, 650).await, asked);
    assert_eq!(before.iter().map(Vec::len).sum::<usize>(), 700);
    opened.close().await;
}

fn retention(before: Timestamp, horizon: Timestamp) -> Retention {
    Retention {
        partition: ONLY_PARTITION,
        horizon,
        log_before: before,
        blocks_before: before,
        stream_items: 3,
    }
}

/// Positions that are still to be had of each wearer.
async fn left(store: &dyn Store) -> Vec<usize> {
    let mut left = Vec::new();
    for who in WEARERS {
        left.push(store.track(&demo(), &query(who)).await.unwrap().len());
    }
    left
}

/// Reports of four days. W-1 has an alert that is never closed, W-2 one that ends and is closed, W-3 no checkpoint.
async fn four_days(store: &dyn Store, script: &mut Script) -> (Alert, Alert) {
    let (first, second) = (
        alert(&demo(), "W-1", "one", start() + Span::days(2)),
        alert(&demo(), "W-2", "two", start() + Span::days(2)),
    );
    for hour in 0..96 {
        script.wait(Span::hours(1));
        for who in WEARERS {
            script.report(&demo(), who, vec![]);
        }
        if hour == 80 {
            script.checkpoint(&demo(), "W-1");
            script.checkpoint(&demo(), "W-2");
        }
    }
    let ended = revised(&second, RevisionKind::Ended, script.now);
    script.enter(
        Event::Tick,
        vec![tells(&first), tells(&second), tells(&ended)],
    );
    script.enter(Event::Tick, vec![]);
    script.commit(store).await;
    store.decide(closing(&demo(), second.id, 1)).await.unwrap();
    assert_eq!(store.stream_bounds(&demo()).await.unwrap(), (1, 4));
    (first, second)
}

pub(crate) async fn retention_leaves_what_is_needed(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let (first, second) = four_days(store, &mut script).await;
    let now = script.now + Span::days(30);
    let retain = async |retention| {
        let settlement = Settlement::Retention(retention);
        store.settle(settlement).await.unwrap().removed
    };
    assert_eq!(
        retain(retention(now, now)).await,
        1,
        "one item of the stream"
    );
    assert_eq!(store.stream_bounds(&demo()).await.unwrap(), (2, 4));
    assert_eq!(left(store).await, [96, 96, 96], "nothing was packed");
    pack(store, script.cursor).await;
    retain(Retention {
        log_before: start(),
        ..retention(now, now)
    })
    .await;
    // Of W-1 from a day before the alert on, of W-2 what follows its checkpoint, of W-3 all: nothing else has it.
    assert_eq!(left(store).await, [73, 15, 96]);
    let rows = store.journal(ONLY_PARTITION, 0, 1_000).await.unwrap();
    assert_eq!(
        rows.len(),
        290,
        "a restart begins at the floor, which is at 0"
    );

    script.batch.floor = Some(script.cursor - 1);
    script.commit(store).await;
    retain(retention(now, start() + Span::hours(50))).await;
    let rows = store.journal(ONLY_PARTITION, 0, 1_000).await.unwrap();
    assert!(
        rows.iter()
            .all(|row| row.stamped.now >= start() + Span::hours(50))
    );
    assert_eq!(rows.len(), 290 - 3 * 49);
    retain(retention(now, now)).await;
    let rows = store.journal(ONLY_PARTITION, 0, 1_000).await.unwrap();
    assert_eq!(rows.len(), 1, "what follows the floor");
    assert_eq!(left(store).await, [73, 15, 96]);
    for id in [first.id, second.id] {
        let history = store.alert(&demo(), id).await.unwrap().unwrap();
        assert!(!history.revisions.is_empty(), "alerts stay for good");
    }
    opened.close().await;
}

pub(crate) async fn checkpoints_thin_out_to_one_an_hour(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let mut taken = Vec::new();
    for _tenth in 0..30 {
        script.report(&demo(), "W-1", vec![]);
        taken.push((script.now, script.checkpoint(&demo(), "W-1")));
        script.commit(store).await;
        script.wait(Span::minutes(6));
    }
    for (now, _) in &taken {
        let asked = HistoryQuery {
            wearer: wearer("W-1"),
            from: *now,
            until_position: script.cursor,
            digest: 0,
        };
        let history = store.history(&demo(), &asked).await.unwrap();
        let hour = now.as_millis().div_euclid(3_600_000);
        let mut earlier = taken.iter().filter(|(at, _)| at <= now);
        let last = taken.last().unwrap().0 == *now;
        let expected = earlier.find(|(at, _)| {
            last && at == now || !last && at.as_millis().div_euclid(3_600_000) == hour
        });
        assert_eq!(
            history.checkpoint.map(|snapshot| snapshot.position),
            expected.map(|(_, position)| *position),
            "the first of the hour of {now}, or the newest of all"
        );
    }
    opened.close().await;
}

pub(crate) async fn sightings_are_the_newest_and_come_in_pages(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let bare = |tag: &str| LastSeen {
        agency: demo(),
        device: device(tag),
        wearer: None,
        contact_at: start(),
        reported_at: start(),
        fix: None,
        battery: None,
        charging: None,
        strap: None,
        case: None,
    };
    let whole = LastSeen {
        wearer: Some(wearer("W-1")),
        contact_at: start() + Span::seconds(1),
        fix: Some(Fix {
            place: Place {
                lat: -534_000_000,
                lon: 1_799_999_999,
            },
            accuracy: Metres::new(6.2).unwrap(),
            accuracy_defaulted: true,
            source: Source::Wifi,
            taken_at: start(),
            received_at: start() + Span::millis(1),
        }),
        battery: Percent::new(81),
        charging: Some(false),
        strap: Some(Strap::Cut),
        case: Some(Case::Open),
        ..bare("tag-2")
    };
    let elsewhere = LastSeen {
        agency: agency("north"),
        ..bare("tag-1")
    };
    let all = vec![
        bare("tag-3"),
        bare("tag-2"),
        bare("tag-1"),
        elsewhere.clone(),
    ];
    store.settle(Settlement::Sightings(all)).await.unwrap();
    let again = Settlement::Sightings(vec![whole.clone()]);
    assert_eq!(store.settle(again).await.unwrap().written, 1);
    let first = device("tag-1");
    let seen = async |whose, after, limit| store.last_seen(&whose, after, limit).await.unwrap();
    assert_eq!(
        seen(demo(), None, 9).await,
        [bare("tag-1"), whole.clone(), bare("tag-3")]
    );
    assert_eq!(seen(demo(), Some(&first), 1).await, [whole]);
    assert_eq!(seen(agency("north"), None, 9).await, [elsewhere]);

    opened.close().await;
}
