//! Documents that must say what the code says: the import table, the code map, the wire's keys, and links.
//!
//! Deliberately absent: whether what they say is well said.

use std::collections::{BTreeMap, BTreeSet};

use super::{Crates, LAWS, code, files, none, product, read, root, short};

/// Modules that put everything together and have no law of their own.
const FREE: &[&str] = &["app", "cli", "config", "lib", "main"];

fn architecture() -> String {
    read(&root().join("docs/ARCHITECTURE.md"))
}

/// Words between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_import_table_of_the_architecture_is_the_law() {
    let text = architecture();
    let (_, section) = text
        .split_once("## Who may name whom")
        .expect("a section of that name");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let written: BTreeMap<&str, (Vec<&str>, &str, Vec<&str>)> = rows
        .map(|row| {
            let mut cells = row.split('|').skip(1).map(str::trim);
            let mut cell = || cells.next().unwrap_or_default();
            let (module, may_name, crates) = (cell().trim_matches('`'), cell(), cell());
            let word = crates.split(' ').next().unwrap_or_default();
            (module, (quoted(may_name), word, quoted(crates)))
        })
        .collect();
    let held = LAWS.iter().map(|law| {
        let (word, crates) = match law.crates {
            Crates::Only(list) => ("only", list),
            Crates::NoneOf(list) => ("not", list),
        };
        (law.module, (law.may_name.to_vec(), word, crates.to_vec()))
    });
    assert_eq!(written, held.collect());
}

#[test]
fn every_module_has_its_law_and_its_place_on_the_map() {
    let map = architecture();
    let modules: BTreeSet<String> = files("src", ".rs")
        .iter()
        .filter_map(|path| {
            let name = short(path);
            let module = name.strip_prefix("src/")?.split(['/', '.']).next()?;
            Some(module.to_owned())
        })
        .filter(|module| module != "lib")
        .collect();
    let mut found = Vec::new();
    for module in modules {
        if !map.contains(&format!("**`{module}`**")) && !map.contains(&format!("`{module}`")) {
            found.push(format!("{module} is not on the map"));
        }
        if !LAWS.iter().any(|law| law.module == module) && !FREE.contains(&module.as_str()) {
            found.push(format!("{module} has no law in tests/tidy.rs"));
        }
    }
    none("modules", &found);
}

/// Every key that a reader of ours asks for, and every field of a shape that is read or written, is in the contract.
///
/// This stands instead of a digest of the code: a digest changes with every comment and says nothing of the contract.
#[test]
fn every_key_that_is_read_stands_in_the_wire_contract() {
    let readers = [
        ".take(",
        ".demand(",
        ".object(",
        ".read(",
        ".need(",
        ".table(",
        ".tables(",
        ".metres(",
        ".instant(",
        ".word(",
        ".id(",
        ".text(",
        ".number(",
    ];
    let contract = read(&root().join("docs/WIRE.md"));
    let known: BTreeSet<&str> = contract
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .collect();
    let mut found = Vec::new();
    for folder in [
        "report",
        "own_tracks",
        "traccar",
        "feed",
        "zone_file",
        "roster_file",
        "track_csv",
    ] {
        let mut sources = files(&format!("src/wire/{folder}"), ".rs");
        sources.extend(files("src/wire", &format!("{folder}.rs")));
        assert!(!sources.is_empty(), "src/wire/{folder} has moved");
        for path in sources {
            let text = read(&path);
            let joined: String = code(product(&text)).map(str::trim).collect();
            for reader in readers {
                let keys = joined
                    .split(reader)
                    .skip(1)
                    .filter_map(|rest| rest.strip_prefix('"')?.split('"').next());
                found.extend(
                    keys.filter(|key| !known.contains(key))
                        .map(|key| format!("{} reads {key}", short(&path))),
                );
            }
        }
    }
    none("keys that docs/WIRE.md does not know", &found);
}

/// Links between documents lead somewhere.
#[test]
fn documents_link_to_files_that_exist() {
    let mut documents = files("docs", ".md");
    documents.extend(
        [
            "README.md",
            "CONTRIBUTING.md",
            "CHANGELOG.md",
            "SECURITY.md",
            "simulators/README.md",
            "zones/README.md",
            "grafana/README.md",
        ]
        .map(|name| root().join(name)),
    );
    let mut found = Vec::new();
    for path in documents.iter().filter(|path| path.exists()) {
        let text = read(path);
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#', ' ']).next())
        {
            let outside =
                target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            if !outside
                && !path
                    .parent()
                    .is_some_and(|folder| folder.join(target).exists())
            {
                found.push(format!("{} links to {target}", short(path)));
            }
        }
    }
    none("links that lead nowhere", &found);
}
