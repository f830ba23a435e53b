//! The same events give the same bytes in every build: one digest that debug and release must both come to.
//!
//! Over random journals from a fixed seed; the golden stories hold their very text in every build anyway. `BLESS=1` writes
//! the digest down anew, after a change that is meant to change what is decided or told. Deliberately absent: what the
//! bytes say.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use bailiwick::model::id::ContentHash;
use bailiwick::wire::effect;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::journals::journal;
use crate::run;

/// Journals that are run.
const JOURNALS: u32 = 200;

/// Digest of the effects of the journals, one after the other.
fn of_journals() -> ContentHash {
    let mut runner = TestRunner::new_with_rng(
        ProptestConfig::default(),
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let mut lines = String::new();
    for _ in 0..JOURNALS {
        let journal = journal().new_tree(&mut runner).unwrap().current();
        for (position, effects) in run(&journal) {
            for told in effects {
                writeln!(lines, "{position} {}", effect::encode(&told)).unwrap();
            }
        }
    }
    ContentHash::of(lines.as_bytes())
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the switch that rewrites what is expected"
)]
fn every_build_gives_the_same_bytes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/laws/digest.txt");
    let found = format!("{} effects of {JOURNALS} journals\n", of_journals());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(
        found, expected,
        "BLESS=1 writes it down, where the change is meant"
    );
}
