//! The table of faults and the tests that make them happen name each other.
//!
//! Deliberately absent: whether a test proves what it names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{files, none, read, root};

/// Ids such as `F019` in a text, standing alone.
fn ids(text: &str) -> BTreeSet<String> {
    text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_')
        .filter(|word| {
            word.strip_prefix('F').is_some_and(|number| {
                number.len() == 3 && number.bytes().all(|it| it.is_ascii_digit())
            })
        })
        .map(str::to_owned)
        .collect()
}

/// Fault, and the tests that its row names.
type Rows = BTreeMap<String, BTreeSet<String>>;

fn rows(text: &str) -> Rows {
    let mut rows = Rows::new();
    for line in text.lines().filter(|line| line.starts_with("| F")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, id, _, _, tests, _] = cells[..] else {
            panic!("a row of docs/FAULTS.md has four cells: {line}");
        };
        let named = tests.split('`').skip(1).step_by(2).map(str::to_owned);
        let before = rows.insert(id.to_owned(), named.collect());
        assert!(before.is_none(), "{id} stands twice");
        // A fault that nothing proves says so.
        assert!(!tests.is_empty() || line.contains("*Not yet*"), "{line}");
    }
    rows
}

/// What is wrong between the table and what the tests name.
fn differences(rows: &Rows, named: &Rows) -> Vec<String> {
    let mut found = Vec::new();
    for (id, tests) in rows {
        let empty = BTreeSet::new();
        let naming = named.get(id).unwrap_or(&empty);
        let silent = tests.difference(naming);
        found.extend(silent.map(|test| format!("{test} does not name {id}")));
        let unlisted = naming.difference(tests);
        found.extend(unlisted.map(|test| format!("{test} names {id} and is not in its row")));
    }
    let unknown = named.keys().filter(|id| !rows.contains_key(*id));
    found.extend(unknown.map(|id| format!("{id} has no row, and {:?} name it", named[id])));
    found
}

#[test]
fn the_table_of_faults_and_the_tests_name_each_other() {
    let rows = rows(&read(&root().join("docs/FAULTS.md")));
    assert!(rows.len() > 40, "the table has moved");
    let mut named = Rows::new();
    // What can't be made to happen from outside is tested where it stands.
    let inside = files("src/pipeline", ".rs");
    for path in files("tests", ".rs").into_iter().chain(inside) {
        let test = path.strip_prefix(root()).unwrap_or(Path::new("")).display();
        let test = test.to_string();
        if test.starts_with("tests/tidy") {
            continue;
        }
        for id in ids(&read(&path)) {
            named.entry(id).or_default().insert(test.clone());
        }
    }
    none("faults", &differences(&rows, &named));
}

#[test]
fn a_difference_is_found() {
    let table = |tests: &str| rows(&format!("| F001 | a | b | {tests} |"));
    let of = |id: &str, test: &str| Rows::from([(id.to_owned(), [test.to_owned()].into())]);
    assert_eq!(
        ids("/// F001, xF002 F0031 F004_a Fault F005: F12"),
        ["F001", "F005"].map(str::to_owned).into()
    );
    assert_eq!(
        differences(&table("`a.rs`"), &of("F001", "a.rs")),
        Vec::<String>::new()
    );
    for (rows, named) in [
        (table("`a.rs`"), Rows::new()),
        (table("`a.rs`"), of("F001", "b.rs")),
        (table("`a.rs`"), of("F002", "a.rs")),
    ] {
        assert!(!differences(&rows, &named).is_empty(), "{rows:?} {named:?}");
    }
}
