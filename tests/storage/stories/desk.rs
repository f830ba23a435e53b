//! The desk's door, and the lists and the stream that people look at.

use std::collections::BTreeSet;

use bailiwick::model::alert::{Alert, RevisionKind, Rule, Severity, Status};
use bailiwick::model::command::HandlingState;
use bailiwick::model::id::AlertId;
use bailiwick::model::time::{Span, Timestamp};
use bailiwick::store::{
    AlertFilter, Decided, ONLY_PARTITION, Session, Settlement, Store, StreamKind, TrackQuery,
};
use bailiwick::wire::alert::QueueItem;

use crate::support::{
    Database, Script, agency, alert, closing, demo, revised, start, tells, wearer,
};

pub(crate) async fn a_decision_needs_the_version_it_was_made_on(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let opening = alert(&demo(), "W-1", "one", script.now);
    script.report(&demo(), "W-1", vec![tells(&opening)]);
    script.commit(store).await;

    let unknown = closing(&demo(), AlertId::derive(&["another"]), 1);
    assert_eq!(store.decide(unknown).await.unwrap(), Decided::Missing);
    let elsewhere = closing(&agency("north"), opening.id, 1);
    assert_eq!(store.decide(elsewhere).await.unwrap(), Decided::Missing);

    let decision = closing(&demo(), opening.id, 1);
    let Decided::Stored(item) = store.decide(decision.clone()).await.unwrap() else {
        panic!("it is stored");
    };
    assert_eq!((item.id, item.kind), (2, StreamKind::Handling));
    let expected = QueueItem {
        alert: opening.clone(),
        handling: decision.handling.clone(),
        opened_at: opening.decided_at,
    };
    assert_eq!(QueueItem::decode(&item.body).unwrap(), expected);

    let again = store.decide(decision.clone()).await.unwrap();
    assert_eq!(again, Decided::Stale(decision.handling.clone()));

    let ended = revised(&opening, RevisionKind::Ended, start());
    script.report(&demo(), "W-1", vec![tells(&ended)]);
    let committed = script.commit(store).await;
    let item = QueueItem::decode(&committed.stream[0].body).unwrap();
    assert_eq!(
        item.handling, decision.handling,
        "a revision leaves the handling alone"
    );

    let history = store.alert(&demo(), opening.id).await.unwrap().unwrap();
    assert_eq!(history.item, item);
    assert_eq!(history.revisions, [opening, ended]);
    assert_eq!(history.entries, [decision.entry]);
    opened.close().await;
}

pub(crate) async fn of_many_decisions_at_once_one_is_stored(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let opening = alert(&demo(), "W-1", "one", script.now);
    script.report(&demo(), "W-1", vec![tells(&opening)]);
    script.commit(store).await;
    script.report(&demo(), "W-1", vec![]);
    let decisions = (0..100).map(|_nth| store.decide(closing(&demo(), opening.id, 1)));
    let (committed, decided) = tokio::join!(
        store.commit(script.take()),
        futures_util::future::join_all(decisions)
    );
    committed.unwrap();
    let stored = |decided: &Decided| matches!(decided, Decided::Stored(_));
    let stale = |decided: &Decided| matches!(decided, Decided::Stale(row) if row.version == 2);
    let decided: Vec<Decided> = decided.into_iter().map(Result::unwrap).collect();
    assert_eq!(decided.iter().filter(|one| stored(one)).count(), 1);
    assert_eq!(decided.iter().filter(|one| stale(one)).count(), 99);
    let history = store.alert(&demo(), opening.id).await.unwrap().unwrap();
    assert_eq!(history.entries.len(), 1);
    opened.close().await;
}

pub(crate) async fn stream_ids_are_dense_in_commit_order_and_resumable(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    assert_eq!(store.stream_bounds(&demo()).await.unwrap(), (0, 0));
    let mut script = Script::begin(store).await;
    let mut seen = Vec::new();
    for round in 0..5 {
        for name in ["a", "b", "c"] {
            let whose = agency(if name == "b" { "north" } else { "demo" });
            let opening = alert(&whose, "W-1", &format!("{name}{round}"), script.now);
            let next = revised(&opening, RevisionKind::Repeated, script.now);
            script.report(&whose, "W-1", vec![tells(&opening), tells(&next)]);
        }
        seen.extend(script.commit(store).await.stream);
        let closed = closing(&demo(), AlertId::derive(&[&format!("a{round}")]), 1);
        let Decided::Stored(item) = store.decide(closed).await.unwrap() else {
            panic!("it is stored");
        };
        seen.push(item);
    }
    for (whose, newest) in [("demo", 25), ("north", 10)] {
        let mine: Vec<_> = seen
            .iter()
            .filter(|item| item.agency == agency(whose))
            .cloned()
            .collect();
        let ids: Vec<u64> = mine.iter().map(|item| item.id).collect();
        assert_eq!(ids, (1..=newest).collect::<Vec<u64>>());
        assert_eq!(
            store.stream_bounds(&agency(whose)).await.unwrap(),
            (1, newest)
        );
        for after in 0..=newest {
            let resumed = store.stream(&agency(whose), after, 100).await.unwrap();
            assert_eq!(resumed, mine[usize::try_from(after).unwrap()..]);
        }
        assert_eq!(
            store.stream(&agency(whose), 3, 2).await.unwrap(),
            mine[3..5]
        );
        assert!(
            store
                .stream(&agency(whose), u64::MAX, 2)
                .await
                .unwrap()
                .is_empty()
        );
    }
    opened.close().await;
}

/// Reads a whole list in pages; `between` happens after each.
async fn pages(
    store: &dyn Store,
    filter: &AlertFilter,
    mut between: impl AsyncFnMut(usize),
) -> Vec<QueueItem> {
    let mut filter = filter.clone();
    let mut all = Vec::new();
    loop {
        let page = store.alerts(&demo(), &filter).await.unwrap();
        let Some(last) = page.last() else {
            return all;
        };
        filter.after = Some((last.opened_at, last.alert.id));
        all.extend(page);
        between(all.len()).await;
    }
}

pub(crate) async fn lists_stay_whole_while_rows_change(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    for number in 0..30 {
        // Four alerts are opened at each instant, so that pages end between equals.
        if number % 4 == 0 {
            script.wait(Span::seconds(1));
        }
        let opening = alert(&demo(), "W-1", &format!("{number}"), script.now);
        script.report(&demo(), "W-1", vec![tells(&opening)]);
    }
    script.commit(store).await;
    let all = AlertFilter {
        limit: 100,
        ..AlertFilter::default()
    };
    let before: Vec<AlertId> = store
        .alerts(&demo(), &all)
        .await
        .unwrap()
        .iter()
        .map(|item| item.alert.id)
        .collect();
    assert_eq!(before.len(), 30);

    let filter = AlertFilter {
        limit: 7,
        ..AlertFilter::default()
    };
    let mut new = 0;
    let listed = pages(store, &filter, async |seen| {
        // What has been seen is closed and what is new is opened: neither moves what is still to come.
        let decided = store
            .decide(closing(&demo(), before[seen - 1], 1))
            .await
            .unwrap();
        assert!(matches!(decided, Decided::Stored(_)));
        new += 1;
        script.wait(Span::seconds(1));
        let opening = alert(&demo(), "W-1", &format!("new {new}"), script.now);
        script.report(&demo(), "W-1", vec![tells(&opening)]);
        script.commit(store).await;
    })
    .await;
    let listed: Vec<AlertId> = listed.iter().map(|item| item.alert.id).collect();
    assert_eq!(listed, before);
    opened.close().await;
}

fn variety(number: u32, script: &mut Script) -> Vec<Alert> {
    let count = |words: usize, of: u32| usize::try_from(of).unwrap() % words;
    let who = format!("W-{}", number % 3);
    let mut opening = alert(&demo(), &who, &format!("{number}"), script.now);
    opening.severity = Severity::ALL[count(Severity::ALL.len(), number)];
    opening.rule = Rule::ALL[count(Rule::ALL.len(), number / 2)];
    let status = Status::ALL[count(Status::ALL.len(), number / 3)];
    script.wait(Span::seconds(i64::from(number % 2)));
    let next = Alert {
        status,
        ..revised(&opening, RevisionKind::Confirmed, script.now)
    };
    vec![opening, next]
}

pub(crate) async fn lists_keep_to_their_filter(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    for number in 0..60 {
        let revisions = variety(number, &mut script);
        script.report(&demo(), "W-1", revisions.iter().map(tells).collect());
    }
    script.commit(store).await;
    let all = AlertFilter {
        limit: 100,
        ..AlertFilter::default()
    };
    for item in store.alerts(&demo(), &all).await.unwrap().iter().step_by(3) {
        store
            .decide(closing(&demo(), item.alert.id, 1))
            .await
            .unwrap();
    }
    let items = store.alerts(&demo(), &all).await.unwrap();
    let mut sorted = items.clone();
    sorted.sort_by_key(|item| (std::cmp::Reverse(item.opened_at), item.alert.id.to_string()));
    assert_eq!(items, sorted, "newest opening first, then by id");

    for filter in filters(items[30].alert.decided_at) {
        let expected: Vec<QueueItem> = items
            .iter()
            .filter(|item| keeps(&filter, item))
            .cloned()
            .collect();
        let small = AlertFilter { limit: 4, ..filter };
        let found = pages(store, &small, async |_seen| {}).await;
        assert_eq!(found, expected, "{small:?}");
    }
    opened.close().await;
}

fn filters(since: Timestamp) -> [AlertFilter; 8] {
    let all = AlertFilter::default();
    let open = vec![HandlingState::New, HandlingState::Claimed];
    [
        AlertFilter {
            handling: open.clone(),
            ..all.clone()
        },
        AlertFilter {
            handling: vec![HandlingState::Closed],
            ..all.clone()
        },
        AlertFilter {
            handling: open,
            severity: vec![Severity::High, Severity::Low],
            ..all.clone()
        },
        AlertFilter {
            status: vec![Status::Open, Status::Unknown],
            ..all.clone()
        },
        AlertFilter {
            rule: Some(Rule::Panic),
            ..all.clone()
        },
        AlertFilter {
            wearer: Some(wearer("W-2")),
            status: vec![Status::Ended],
            ..all.clone()
        },
        AlertFilter {
            since: Some(since),
            ..all.clone()
        },
        AlertFilter {
            wearer: Some(wearer("W-9")),
            ..all
        },
    ]
}

/// What a filter means, slowly and plainly.
fn keeps(filter: &AlertFilter, item: &QueueItem) -> bool {
    fn among<T: PartialEq>(words: &[T], word: &T) -> bool {
        words.is_empty() || words.contains(word)
    }
    let alert = &item.alert;
    among(&filter.handling, &item.handling.state)
        && among(&filter.status, &alert.status)
        && among(&filter.severity, &alert.severity)
        && filter.rule.is_none_or(|rule| rule == alert.rule)
        && filter
            .wearer
            .as_ref()
            .is_none_or(|who| *who == alert.wearer)
        && filter.since.is_none_or(|since| alert.decided_at >= since)
}

pub(crate) async fn sessions_begin_and_end(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let session = |number: u8, hour: i64| Session {
        secret_sha256: [number; 32],
        token: format!("desk-{number}"),
        opened_at: start() + Span::hours(hour),
        expires_at: start() + Span::hours(hour + 8),
    };
    for one in [session(1, 0), session(2, 1)] {
        store.settle(Settlement::Session(one)).await.unwrap();
    }
    assert_eq!(store.session(&[1; 32]).await.unwrap(), Some(session(1, 0)));
    assert_eq!(store.session(&[9; 32]).await.unwrap(), None);
    let end = Settlement::SessionEnd {
        secret_sha256: [2; 32],
    };
    store.settle(end).await.unwrap();
    assert_eq!(store.session(&[2; 32]).await.unwrap(), None);
    store
        .settle(Settlement::Session(session(3, 8)))
        .await
        .unwrap();
    assert_eq!(
        store.session(&[1; 32]).await.unwrap(),
        None,
        "it had ended by then"
    );
    assert_eq!(store.session(&[3; 32]).await.unwrap(), Some(session(3, 8)));
    opened.close().await;
}

pub(crate) async fn agencies_with_the_same_ids_never_mix(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let agencies = [demo(), agency("north")];
    for whose in &agencies {
        let mut opening = alert(whose, "W-1", "one", script.now);
        opening.summary = format!("of {whose}");
        script.report(whose, "W-1", vec![tells(&opening)]);
        script.checkpoint(whose, "W-1");
    }
    script.commit(store).await;
    let id = AlertId::derive(&["one"]);
    store.decide(closing(&demo(), id, 1)).await.unwrap();
    for (whose, state, revisions) in [
        (&agencies[0], HandlingState::Closed, 1),
        (&agencies[1], HandlingState::New, 1),
    ] {
        let history = store.alert(whose, id).await.unwrap().unwrap();
        assert_eq!(history.item.alert.summary, format!("of {whose}"));
        assert_eq!(history.item.handling.state, state);
        assert_eq!(history.revisions.len(), revisions);
        let all = AlertFilter {
            limit: 9,
            ..AlertFilter::default()
        };
        assert_eq!(store.alerts(whose, &all).await.unwrap(), [history.item]);
    }
    for packed in [false, true] {
        if packed {
            let partition = ONLY_PARTITION;
            let blocks = Settlement::Blocks {
                partition,
                until: script.cursor,
            };
            store.settle(blocks).await.unwrap();
        }
        let query = TrackQuery {
            wearer: wearer("W-1"),
            from: start(),
            until: start() + Span::days(1),
            after: 0,
            limit: 9,
        };
        let mut positions = BTreeSet::new();
        for whose in &agencies {
            let track = store.track(whose, &query).await.unwrap();
            assert_eq!(track.len(), 1, "packed: {packed}");
            positions.insert(track[0].position);
        }
        assert_eq!(positions, BTreeSet::from([1, 2]));
    }
    opened.close().await;
}
