//! Snapshots back from their bytes, and those of other releases refused.

use proptest::prelude::*;
use proptest::{collection, option, sample};

use super::*;
use crate::model::snapshot::SEMANTICS;
use crate::wire::alert::tests::{any_alert, time};

fn metres() -> impl Strategy<Value = Metres> {
    (-1e7..1e7).prop_map(|number| Metres::new(number).unwrap())
}

fn chance() -> impl Strategy<Value = Probability> {
    (0.0..=1.0).prop_map(|number| Probability::new(number).unwrap())
}

fn report() -> impl Strategy<Value = ReportId> {
    ("[a-z]{1,3}", any::<u64>())
        .prop_map(|(boot, seq)| ReportId::parse(&format!("tag-7/{boot}/{seq}")).unwrap())
}

fn sighting() -> impl Strategy<Value = Sighting> {
    (
        any::<(i32, i32, bool)>(),
        metres(),
        sample::select(Source::ALL),
        (time(), time()),
        (report(), any::<Option<u64>>()),
    )
        .prop_map(
            |(
                (lat, lon, accuracy_defaulted),
                accuracy,
                source,
                (taken_at, received_at),
                (report, seq),
            )| {
                let place = Place { lat, lon };
                let fix = Fix {
                    place,
                    accuracy,
                    accuracy_defaulted,
                    source,
                    taken_at,
                    received_at,
                };
                Sighting { fix, report, seq }
            },
        )
}

fn presence() -> impl Strategy<Value = (PresenceKey, Presence)> {
    let key = ("[a-z]{1,5}", sample::select(Bound::ALL)).prop_map(|(zone, bound)| PresenceKey {
        zone: ZoneId::parse(&zone).unwrap(),
        bound,
    });
    let run = (
        sample::select(Side::ALL),
        any::<u16>(),
        chance(),
        time(),
        collection::vec(report(), 0..Run::REPORTS_MAX),
    )
        .prop_map(|(side, fixes, surest, since, reports)| Run {
            side,
            fixes,
            surest,
            since,
            reports,
        });
    let last = (metres(), chance(), metres(), any::<bool>(), time()).prop_map(
        |(distance, probability, accuracy, accuracy_defaulted, at)| Measure {
            distance,
            probability,
            accuracy,
            accuracy_defaulted,
            at,
        },
    );
    let side = sample::select(Side::ALL);
    let told = any::<(bool, bool)>();
    (
        key,
        side,
        sample::select(Grade::ALL),
        time(),
        (run, last, told),
    )
        .prop_map(
            |(key, side, grade, since, (run, last, (entered, covered)))| {
                let presence = Presence {
                    side,
                    grade,
                    since,
                    entered,
                    covered,
                    run,
                    last,
                };
                (key, presence)
            },
        )
}

fn duty() -> impl Strategy<Value = (ObligationId, Duty)> {
    (
        "[a-z]{1,5}",
        time(),
        option::of(time()),
        sample::select(DutyStage::ALL),
    )
        .prop_map(|(id, opens, then, stage)| {
            (
                ObligationId::parse(&id).unwrap(),
                Duty { opens, then, stage },
            )
        })
}

fn wearer() -> impl Strategy<Value = WearerFacts> {
    let times = (
        time(),
        option::of(time()),
        option::of(time()),
        option::of(time()),
        option::of(time()),
        option::of(time()),
        option::of(time()),
    );
    (
        times,
        (option::of(sighting()), option::of(sighting())),
        collection::btree_map(
            presence().prop_map(|entry| entry.0),
            presence().prop_map(|entry| entry.1),
            0..4,
        ),
        collection::vec((any_alert(), any::<u32>()), 0..3),
        (
            collection::vec(duty(), 0..3),
            any::<u64>(),
            any::<(bool, bool)>(),
            option::of(time()),
            (
                collection::vec(device(), 0..3),
                option::of(time()),
                option::of(time()),
                told_late(),
            ),
        ),
    )
        .prop_map(|(times, (last_fix, held), presence, open, rest)| {
            let open = open.into_iter().map(|(alert, repeats)| {
                let key = alert.key();
                (key, Episode { alert, repeats })
            });
            let (duties, late, (pending, dismissed), asked, (devices, strap, case, told_late)) =
                rest;
            WearerFacts {
                id: WearerId::parse("W-17").unwrap(),
                watched_since: times.0,
                dismissed,
                devices: devices.into_iter().collect(),
                contact: times.1,
                newest: times.2,
                last_fix,
                held,
                evidence_until: times.3,
                next_bound: times.4,
                last_bound: times.5,
                settle_at: times.6,
                presence,
                open: open.collect(),
                duties: duties.into_iter().collect(),
                closed: Closed { strap, case },
                told_late: told_late.into_iter().collect(),
                late,
                recall: Recall { pending, asked },
            }
        })
}

fn told_late() -> impl Strategy<Value = Vec<(AlertKey, Timestamp)>> {
    let subject = prop_oneof![
        Just(Subject::Wearer),
        "[a-z]{1,4}".prop_map(|id| Subject::Zone(ZoneId::parse(&id).unwrap())),
        "[a-z]{1,4}".prop_map(|id| Subject::Obligation(ObligationId::parse(&id).unwrap())),
    ];
    let key =
        (sample::select(Rule::ALL), subject).prop_map(|(rule, subject)| AlertKey { rule, subject });
    collection::vec((key, time()), 0..3)
}

fn device() -> impl Strategy<Value = (DeviceId, DeviceFacts)> {
    let run = (
        "[a-z]{1,4}",
        collection::vec(any::<(u64, u64)>(), 0..4),
        time(),
    )
        .prop_map(|(boot, seen, heard)| BootSeen {
            boot: BootId::parse(&boot).unwrap(),
            seen,
            heard,
        });
    let recent = (report(), any::<u64>().prop_map(ContentHash))
        .prop_map(|(report, content)| (report.key, content));
    (
        "tag-[0-9]",
        collection::vec(run, 0..3),
        collection::vec(recent, 0..3),
    )
        .prop_map(|(id, boots, recent)| {
            (DeviceId::parse(&id).unwrap(), DeviceFacts { boots, recent })
        })
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    (any::<u64>(), time(), wearer()).prop_map(|(position, now, wearer)| Snapshot {
        semantics: SEMANTICS,
        position,
        now,
        wearer,
    })
}

proptest! {
    #[test]
    fn every_snapshot_reads_back(snapshot in snapshot()) {
        prop_assert_eq!(decode(&encode(&snapshot)).unwrap(), snapshot);
    }

    #[test]
    fn a_damaged_snapshot_is_an_error(snapshot in snapshot(), at in any::<sample::Index>()) {
        let bytes = encode(&snapshot);
        prop_assert!(decode(&bytes[..at.index(bytes.len())]).is_err());
    }
}

#[test]
fn another_format_is_refused_by_name() {
    let newer = br#"{"format":9,"what":"ever"}"#.to_vec();
    let spaced = [newer.clone(), vec![b' '; 1000]].concat();
    for bytes in [newer, gzip::pack(spaced)] {
        let error = decode(&bytes).unwrap_err();
        assert_eq!(error, SnapshotError::Format { found: 9 });
        assert!(error.to_string().contains("has format 9"), "{error}");
    }
}
