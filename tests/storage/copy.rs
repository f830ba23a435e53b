//! A whole database goes to the other kind and comes back equal; what can't be copied is said in one sentence.
//!
//! Deliberately absent: the words of the command (see `tests/cli`).

use std::collections::BTreeMap;

use bailiwick::model::alert::RevisionKind;
use bailiwick::model::event::Event;
use bailiwick::model::fix::{Fix, Source};
use bailiwick::model::place::Place;
use bailiwick::model::roster::Roster;
use bailiwick::model::time::Span;
use bailiwick::model::units::{Metres, Percent};
use bailiwick::store::{
    self, Copied, LastSeen, ONLY_PARTITION, Quarantined, Session, Settlement, Store, StoreError,
};

use crate::support::{
    Database, Script, agency, alert, closing, demo, device, open, revised, start, tells, wearer,
};

/// Something in every kind of row, with what is hardest to carry over: absent values, numbers beyond 2^63, bytes that are no
/// text, texts whose order depends on who sorts them.
async fn fill(store: &dyn Store) {
    let mut script = Script::begin(store).await;
    for whose in [demo(), agency("Zulu"), agency("alpha"), agency("_1")] {
        let roster = std::sync::Arc::new(Roster::default());
        script.enter(
            Event::Roster {
                agency: whose.clone(),
                roster,
            },
            vec![],
        );
        for number in 0..40 {
            let name = format!("{whose} {number}");
            let opening = alert(&whose, "W-1", &name, script.now);
            let ended = revised(&opening, RevisionKind::Ended, script.now);
            script.wait(Span::minutes(7));
            script.report(&whose, "W-1", vec![tells(&opening)]);
            script.report(&whose, "w-2", vec![tells(&ended)]);
            script.checkpoint(&whose, "W-1");
        }
        script.batch.quarantined = vec![Quarantined {
            agency: whose.clone(),
            device: None,
            received_at: start(),
            topic: "em/ü/€".to_owned(),
            bytes: vec![0, 159, 146, 150, 0].into(),
            length: 5,
            problem: "it is \"odd\"".to_owned(),
        }];
        script.commit(store).await;
        let closed = alert(&whose, "W-1", &format!("{whose} 3"), start()).id;
        store.decide(closing(&whose, closed, 1)).await.unwrap();
    }
    for settlement in [
        Settlement::Sightings(vec![seen()]),
        Settlement::Blocks {
            partition: ONLY_PARTITION,
            until: 200,
        },
        Settlement::Session(Session {
            secret_sha256: [0xfe; 32],
            token: "desk-1".to_owned(),
            opened_at: start(),
            expires_at: start() + Span::hours(1),
        }),
    ] {
        store.settle(settlement).await.unwrap();
    }
}

fn seen() -> LastSeen {
    LastSeen {
        agency: demo(),
        device: device("tag-1"),
        wearer: Some(wearer("W-1")),
        contact_at: start(),
        reported_at: start(),
        fix: Some(Fix {
            place: Place {
                lat: -1,
                lon: 1_799_999_999,
            },
            accuracy: Metres::new(0.1).unwrap(),
            accuracy_defaulted: true,
            source: Source::Gps,
            taken_at: start(),
            received_at: start(),
        }),
        battery: Percent::new(81),
        charging: Some(false),
        strap: None,
        case: None,
    }
}

async fn copied(from: &Database, to: &Database) -> Vec<Copied> {
    let mut told = BTreeMap::new();
    let (from, to) = (from.url(), to.url());
    let copied = store::copy(&from, &to, |table, rows| {
        told.insert(table, rows);
    });
    let copied = copied.await.unwrap();
    for table in &copied {
        let last = told.get(table.table).copied().unwrap_or_default();
        assert_eq!(last, table.rows, "{}", table.table);
    }
    copied
}

#[tokio::test]
async fn a_database_goes_to_the_other_kind_and_comes_back_equal() {
    let (file, server) = (Database::sqlite(), Database::postgres());
    let (back, other) = (Database::sqlite(), Database::postgres());
    let opened = file.open().await;
    fill(&*opened.store).await;
    opened.close().await;

    let there = copied(&file, &server).await;
    for (table, rows) in [("journal", 324), ("alert", 160), ("quarantine", 4)] {
        let found = there.iter().find(|copied| copied.table == table);
        assert_eq!(found.map(|copied| copied.rows), Some(rows), "{table}");
    }
    assert_eq!(copied(&server, &back).await, there);
    assert_eq!(copied(&back, &other).await, there);

    // Both go on from there, and say the same.
    let mut said = Vec::new();
    for database in [&file, &server] {
        let opened = database.open().await;
        let mut script = Script::begin(&*opened.store).await;
        let opening = alert(&demo(), "W-1", "another", script.now);
        script.report(&demo(), "W-1", vec![tells(&opening)]);
        let committed = script.commit(&*opened.store).await;
        let journal = opened.store.journal(ONLY_PARTITION, 0, 1_000).await;
        let alerts = opened.store.deliveries(&demo(), opening.id).await.unwrap();
        let ids: Vec<u64> = alerts.iter().map(|delivery| delivery.row.id).collect();
        said.push(format!("{committed:?} {:?} {ids:?}", journal.unwrap()));
        opened.close().await;
    }
    assert_eq!(said[0], said[1]);
}

async fn refused(from: &str, to: &str) -> String {
    let refused = store::copy(from, to, |_table, _rows| {}).await.unwrap_err();
    assert!(matches!(refused, StoreError::Open { .. }), "{refused:?}");
    refused.to_string()
}

#[tokio::test]
async fn what_can_not_be_copied_says_why() {
    let (file, server) = (Database::sqlite(), Database::postgres());
    let said = refused(&file.url(), &server.url()).await;
    assert!(
        said.ends_with("there is no such file; name one that exists"),
        "{said}"
    );
    let opened = file.open().await;
    let said = refused(&file.url(), &server.url()).await;
    assert!(said.contains("it is open already"), "{said}");
    opened.close().await;
    let said = refused(&file.url(), &server.url()).await;
    assert!(said.ends_with("there is nothing in it"), "{said}");

    let opened = open(&server.url()).await.unwrap();
    fill(&*opened.store).await;
    let term = Span::minutes(5);
    let held = opened.store.hold(ONLY_PARTITION, "test", term).await;
    held.unwrap();
    let said = refused(&server.url(), &file.url()).await;
    assert!(
        said.ends_with("engine test is at work on it; stop that first"),
        "{said}"
    );
    opened.store.give_up(ONLY_PARTITION, "test").await.unwrap();
    opened.close().await;
    copied(&server, &file).await;
    let said = refused(&file.url(), &server.url()).await;
    assert!(
        said.ends_with("it is not empty; name a new database"),
        "{said}"
    );
}
