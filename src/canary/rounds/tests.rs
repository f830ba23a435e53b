//! Rounds as they go, and as they go wrong: what is due and what was heard, at times that the test gives.

use super::*;
use crate::model::alert::{Grade, Reason, Rule, Severity, Subject};
use crate::model::id::{AgencyId, WearerId, ZoneId};

const EVERY: Span = Span::seconds(60);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis).unwrap()
}

fn rounds() -> Rounds {
    let boot = BootId::parse("b1").unwrap();
    Rounds::new(EVERY, (DeviceId::parse("canary").unwrap(), boot), at(0))
}

/// A revision of the alert that a report raised.
fn alert(seq: u64, kind: RevisionKind, status: Status) -> Alert {
    let report = ReportId::parse(&format!("canary/b1/{seq}")).unwrap();
    Alert {
        id: AlertId::derive(&[&seq.to_string()]),
        agency: AgencyId::parse("canary").unwrap(),
        wearer: WearerId::parse("canary").unwrap(),
        device: None,
        officer: None,
        rule: Rule::ZoneExclusion,
        subject: Subject::Zone(ZoneId::parse("canary").unwrap()),
        anchor: Anchor::Report(report),
        revision: 1,
        revision_kind: kind,
        severity: Severity::Critical,
        grade: Grade::Provisional,
        status,
        occurred_at: at(0),
        received_at: at(0),
        decided_at: at(0),
        start: at(0),
        end: None,
        repeats: 0,
        summary: String::new(),
        reason: Reason::default(),
        simulated: true,
    }
}

fn opened(seq: u64) -> Alert {
    alert(seq, RevisionKind::Opened, Status::Open)
}

fn ended(seq: u64) -> Alert {
    alert(seq, RevisionKind::Ended, Status::Ended)
}

/// What is published: where, and how many milliseconds from the start.
fn published(acts: &[Act]) -> Vec<(u64, bool, i64)> {
    let [Act::Publish(points)] = acts else {
        panic!("{acts:?} is not one message");
    };
    let told = |point: &Point| (point.seq, point.inside, point.at.since(at(0)).as_millis());
    points.iter().map(told).collect()
}

/// Lets a round succeed that begins at an instant with the report that will raise its alert.
fn succeed(rounds: &mut Rounds, begun: i64, first: u64) {
    assert!(rounds.hear(at(begun + 20), News::Acknowledged).is_empty());
    assert!(
        rounds
            .hear(at(begun + 50), News::Alert(&opened(first)))
            .is_empty(),
        "out only after its time"
    );
    assert_eq!(rounds.next_at(), at(begun + 4000));
    let out = rounds.tick(at(begun + 4000));
    let out = published(&out);
    let expected = [
        (first + 3, false, begun + 2000),
        (first + 4, false, begun + 4000),
    ];
    assert_eq!(out, expected);
    assert!(rounds.hear(at(begun + 4020), News::Acknowledged).is_empty());
    let acts = rounds.hear(at(begun + 4050), News::Alert(&ended(first)));
    assert_eq!(acts, [Act::Close]);
    let acts = rounds.hear(at(begun + 4060), News::Closed);
    let alert_after = Span::millis(50);
    assert_eq!(acts, [Act::Complete { alert_after }]);
}

#[test]
fn a_round_is_in_and_out_and_closed_and_begins_again_in_its_time() {
    let mut rounds = rounds();
    assert!(rounds.tick(at(0)).is_empty(), "there is no connection yet");
    let acts = rounds.hear(at(10), News::Connected);
    let fixes = [
        (1, false, 10 - 8000),
        (2, false, 10 - 6000),
        (3, true, 10 - 4000),
        (4, true, 10 - 2000),
        (5, true, 10),
    ];
    assert_eq!(published(&acts), fixes, "out first: it may be inside");
    assert!(!rounds.has_completed());
    succeed(&mut rounds, 10, 3);
    assert!(rounds.has_completed());
    assert_eq!(rounds.next_at(), at(60_000));
    let acts = rounds.tick(at(60_000));
    let fixes = [(8, true, 56_000), (9, true, 58_000), (10, true, 60_000)];
    assert_eq!(published(&acts), fixes, "known to be outside");
    succeed(&mut rounds, 60_000, 8);
}

#[test]
fn a_round_is_missed_where_it_stuck() {
    let first = opened(3);
    let last = ended(3);
    let way: [(Stage, &[News<'_>]); 7] = [
        (Stage::Connection, &[]),
        (Stage::Acknowledgement, &[News::Connected]),
        (Stage::Alert, &[News::Connected, News::Acknowledged]),
        (
            Stage::End,
            &[News::Connected, News::Acknowledged, News::Alert(&first)],
        ),
        (
            Stage::Closing,
            &[
                News::Connected,
                News::Acknowledged,
                News::Acknowledged,
                News::Alert(&first),
                News::Alert(&last),
            ],
        ),
        // Shown and told, and still not acknowledged to the device: it would send again for ever.
        (
            Stage::Acknowledgement,
            &[
                News::Connected,
                News::Acknowledged,
                News::Alert(&first),
                News::Alert(&last),
                News::Closed,
            ],
        ),
        // The alert of an earlier round is none of this one.
        (
            Stage::Alert,
            &[
                News::Connected,
                News::Acknowledged,
                News::Alert(&last),
                News::Closed,
            ],
        ),
    ];
    for (expected, news) in way {
        let mut rounds = rounds();
        rounds.tick(at(0));
        for news in news {
            let acts = rounds.hear(at(10), *news);
            assert!(
                acts.iter().all(|act| !matches!(act, Act::Complete { .. })),
                "{news:?}"
            );
        }
        let acts = rounds.tick(at(60_000));
        let missed = Act::Missed {
            stage: expected,
            in_a_row: 1,
        };
        assert_eq!(acts.first(), Some(&missed), "{news:?}");
    }
}

#[test]
fn misses_are_counted_in_a_row_and_after_one_it_goes_out_first() {
    let mut rounds = rounds();
    rounds.tick(at(0));
    rounds.hear(at(0), News::Connected);
    succeed(&mut rounds, 0, 3);
    rounds.tick(at(60_000));
    for in_a_row in 1..=3 {
        let now = 60_000 + 60_000 * i64::from(in_a_row);
        let stage = Stage::Acknowledgement;
        assert_eq!(rounds.tick(at(now)), [Act::Missed { stage, in_a_row }]);
        let acts = rounds.hear(at(now), News::Connected);
        let sides: Vec<bool> = published(&acts).iter().map(|point| point.1).collect();
        assert_eq!(sides, [false, false, true, true, true]);
    }
    // In (7 reports were made before), and five for each of the rounds that were missed; the last began at 240 s.
    let first = 7 + 3 + 2 * 5 + 3;
    succeed(&mut rounds, 240_000, first);
    let acts = rounds.tick(at(300_000));
    assert_eq!(published(&acts).len(), 3, "none is missed");
    let acts = rounds.tick(at(360_000));
    assert!(matches!(
        acts.first(),
        Some(Act::Missed { in_a_row: 1, .. })
    ));
}

#[test]
fn a_connection_that_is_lost_waits_for_the_next_and_a_long_sleep_is_one_miss() {
    let mut rounds = rounds();
    rounds.tick(at(0));
    rounds.hear(at(0), News::Connected);
    rounds.hear(at(5), News::Lost);
    let acts = rounds.tick(at(3_600_000));
    let stage = Stage::Acknowledgement;
    let in_a_row = 1;
    assert_eq!(acts, [Act::Missed { stage, in_a_row }]);
    assert_eq!(rounds.next_at(), at(3_660_000));
    let acts = rounds.hear(at(3_600_500), News::Connected);
    assert_eq!(published(&acts).len(), 5);
    assert!(
        rounds.hear(at(3_600_600), News::Connected).is_empty(),
        "one way in for each round"
    );
}

#[test]
fn a_clock_that_is_set_back_does_not_keep_it_still() {
    let mut rounds = rounds();
    rounds.hear(at(0), News::Connected);
    assert_eq!(published(&rounds.tick(at(0))).len(), 5);
    assert!(rounds.tick(at(30_000)).is_empty());
    let acts = rounds.tick(at(-3_600_000));
    assert!(matches!(acts.first(), Some(Act::Missed { .. })), "{acts:?}");
    assert_eq!(rounds.next_at(), at(-3_540_000));
}
