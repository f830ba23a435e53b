//! What grows: blocks are the log, and what is removed is needed by nobody.

use bailiwick::model::alert::RevisionKind;
use bailiwick::model::command::Actor;
use bailiwick::model::event::{CheckIn, Event, History};
use bailiwick::model::fix::{Fix, Source};
use bailiwick::model::id::{AlertId, ObligationId};
use bailiwick::model::place::Place;
use bailiwick::model::report::{Case, Strap};
use bailiwick::model::time::{Span, Timestamp, Window};
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

/// Their alert stands though its handling is closed; has ended and is closed; they have no checkpoint; their alert has
/// ended and is not closed.
const GUARDED: [&str; 4] = ["W-1", "W-2", "W-3", "W-4"];

/// How many reports are still to be had of each.
async fn left(store: &dyn Store) -> Vec<usize> {
    let mut left = Vec::new();
    for who in GUARDED {
        left.push(store.track(&demo(), &query(who)).await.unwrap().len());
    }
    left
}

fn checkin(about: &str) -> Event {
    Event::CheckIn {
        agency: demo(),
        checkin: CheckIn {
            wearer: wearer(about),
            obligation: ObligationId::parse("weekly").unwrap(),
            at: start(),
            actor: Actor("operator-2".to_owned()),
        },
    }
}

/// Reports of four days, an hour apart, with alerts from the third day on; answers the ids of the alerts.
async fn four_days(store: &dyn Store, script: &mut Script) -> Vec<AlertId> {
    let blind = Window {
        from: start(),
        until: start(),
    };
    script.enter(Event::Resumed { blind }, vec![]);
    for hour in 1..=96 {
        script.wait(Span::hours(1));
        for who in GUARDED {
            script.report(&demo(), who, vec![]);
        }
        if [1, 90].contains(&hour) {
            script.enter(checkin("W-2"), vec![]);
            script.enter(checkin("W-3"), vec![]);
        }
        if hour == 81 {
            for who in ["W-1", "W-2", "W-4"] {
                script.checkpoint(&demo(), who);
            }
        }
    }
    let alerts = ["W-1", "W-2", "W-4"].map(|who| {
        let begun = start() + Span::days(2);
        alert(&demo(), who, who, begun)
    });
    let ended = [1, 2].map(|index| revised(&alerts[index], RevisionKind::Ended, script.now));
    let effects = alerts.iter().chain(&ended).map(tells).collect();
    script.enter(Event::Tick, effects);
    script.enter(Event::Tick, vec![]);
    script.commit(store).await;
    for index in [0, 1] {
        let decision = closing(&demo(), alerts[index].id, 1);
        store.decide(decision).await.unwrap();
    }
    alerts.iter().map(|alert| alert.id).collect()
}

/// Rows of the journal, of them check-ins.
async fn rows(store: &dyn Store) -> (usize, usize) {
    let rows = store.journal(ONLY_PARTITION, 0, 1_000).await.unwrap();
    let checkins = rows
        .iter()
        .filter(|row| matches!(row.stamped.event, Event::CheckIn { .. }));
    (rows.len(), checkins.count())
}

pub(crate) async fn retention_leaves_what_is_needed(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let alerts = four_days(store, &mut script).await;
    assert_eq!(store.stream_bounds(&demo()).await.unwrap(), (1, 7));
    let now = script.now + Span::days(30);
    let retain = async |retention| {
        let settlement = Settlement::Retention(retention);
        store.settle(settlement).await.unwrap().removed
    };
    let removed = retain(retention(now, now)).await;
    assert_eq!(removed, 4, "items of the stream and nothing else");
    assert_eq!(store.stream_bounds(&demo()).await.unwrap(), (5, 7));
    assert_eq!(left(store).await, [96; 4], "nothing was packed");
    pack(store, script.cursor).await;
    let blocks_only = Retention {
        log_before: start(),
        ..retention(now, now)
    };
    retain(blocks_only).await;
    // What alerts rest on reaches back to a day before them. Without a checkpoint nothing else has what blocks have.
    assert_eq!(left(store).await, [73, 15, 96, 73]);
    let all = 1 + 4 * 96 + 4 + 2;
    assert_eq!(rows(store).await, (all, 4), "a restart begins at 0");

    script.batch.floor = Some(script.cursor - 1);
    script.commit(store).await;
    retain(retention(now, start() + Span::hours(50))).await;
    // The check-in that a checkpoint includes goes, the other may be asked for.
    assert_eq!(rows(store).await, (all - 4 * 49 - 1, 3));
    retain(retention(now, now)).await;
    assert_eq!(
        rows(store).await,
        (5, 3),
        "with a resumption, and what follows the floor"
    );
    assert_eq!(left(store).await, [73, 15, 96, 73]);
    for id in alerts {
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
