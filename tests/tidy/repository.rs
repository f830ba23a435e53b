//! What the repository itself must be: headers on the page's files, vendored files as they came, scripts that run, no
//! addresses of where packages come from.
//!
//! Deliberately absent: what is in git; a file that lies in the folder counts.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{files, none, read, root, short};

/// All files below a folder, vendored ones too.
fn all_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(all_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Scripts and programs of the page open with what they are, as Rust files do.
#[test]
fn the_files_of_the_page_open_with_what_they_are() {
    let headers = [
        (".js", &["/**", "//"][..]),
        (".mjs", &["/**", "//"]),
        (".css", &["/*"]),
        (".html", &["<!doctype html>\n<!--", "<!--"]),
    ];
    let mut found = Vec::new();
    for (ending, openings) in headers {
        for folder in ["console", "tests/console"] {
            let without = files(folder, ending).into_iter().filter(|path| {
                !openings
                    .iter()
                    .any(|opening| read(path).starts_with(opening))
            });
            found.extend(without.map(|path| short(&path)));
        }
    }
    none("files without a header", &found);
}

#[test]
fn scripts_say_what_they_are_and_can_be_run() {
    let mut scripts = files("scripts", "");
    scripts.push(root().join(".ci/run"));
    assert!(scripts.len() > 3, "the scripts have moved");
    let mut found = Vec::new();
    for path in scripts {
        let text = read(&path);
        let mut lines = text.lines();
        let starts = lines
            .next()
            .is_some_and(|line| line.starts_with("#!/usr/bin/env "));
        let says = lines
            .next()
            .is_some_and(|line| line.starts_with(['#', '"']));
        let mode = fs::metadata(&path).map_or(0, |data| data.permissions().mode());
        if !starts || !says || mode & 0o111 != 0o111 {
            found.push(short(&path));
        }
    }
    none(
        "scripts without interpreter, header or permission to run",
        &found,
    );
}

/// Every vendored file has its checksum beside it, and is what it was.
#[test]
fn vendored_files_are_as_they_came() {
    let mut found = Vec::new();
    for library in fs::read_dir(root().join("console/vendor"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let folder = library.path();
        if !folder.is_dir() {
            continue;
        }
        let sums = read(&folder.join("SHA256SUMS"));
        let mut sums: BTreeMap<&str, &str> = sums
            .lines()
            .filter_map(|line| line.split_once("  ").map(|(sum, name)| (name, sum)))
            .collect();
        for path in all_below(&folder) {
            let name = path
                .strip_prefix(&folder)
                .unwrap_or(&path)
                .to_string_lossy();
            if name == "SHA256SUMS" {
                continue;
            }
            let bytes = fs::read(&path).unwrap_or_default();
            let digest = hex::encode(Sha256::digest(&bytes));
            if sums.remove(&*name) != Some(digest.as_str()) {
                found.push(format!("{} is not what SHA256SUMS says", short(&path)));
            }
        }
        found.extend(
            sums.keys()
                .map(|name| format!("{} lacks {name}", short(&folder))),
        );
    }
    none("vendored files", &found);
}

/// Where packages come from is for each machine's own configuration to say.
#[test]
fn nothing_names_the_address_of_a_package_registry() {
    let addresses = [
        concat!("crates", ".io"),
        concat!("npm", "js."),
        concat!("pypi", ".org"),
        concat!("python", "hosted"),
        concat!("deb.", "debian"),
        concat!("proxy.", "golang"),
    ];
    let mut found = Vec::new();
    for path in files(".", "") {
        // Cargo writes the lock itself, and names its index in it.
        if path.ends_with("Cargo.lock") {
            continue;
        }
        // What is not text names nothing.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        found.extend(
            addresses
                .iter()
                .filter(|address| text.contains(**address))
                .map(|address| format!("{}: {address}", short(&path))),
        );
    }
    none("addresses of package registries", &found);
}
