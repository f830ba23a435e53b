//! The tables of phones and Traccar servers: where they publish, which phones are known, and their keys.
//!
//! Deliberately absent: logins (see `[[endpoint.login]]`), and the topics of our own devices.

use std::collections::BTreeSet;
use std::path::Path;

use super::Settings;
use super::entries::{name, path};
use super::reading;
use crate::model::id::{AgencyId, DeviceId};
use crate::wire::document::{Node, Table};
use crate::wire::own_tracks::{KEY_BYTES, Key};
use crate::wire::routes::{OWN_TRACKS_ROOT, Phone, Routes, TRACCAR_ROOT};
use crate::wire::topic::check_root;

/// Reads both tables.
pub(super) fn all(document: &mut Table<'_>, folder: &Path, settings: &mut Settings) {
    let routes = Routes::new(&settings.endpoint.root);
    let mut own_tracks = OWN_TRACKS_ROOT.to_owned();
    let (mut by_name, mut phones) = (false, Vec::new());
    if let Some(mut table) = document.table("owntracks") {
        own_tracks = table.read("topic", root).unwrap_or(own_tracks);
        by_name = table.read("by_name", Node::flag).unwrap_or_default();
        phones = listed(&mut table, folder);
        table.finish();
    }
    let mut traccar = TRACCAR_ROOT.to_owned();
    if let Some(mut table) = document.table("traccar") {
        traccar = table.read("topic", root).unwrap_or(traccar);
        if traccar == own_tracks || traccar == settings.endpoint.root {
            table.problem(
                "topic",
                "is that of others too; expected first levels of its own",
            );
        }
        table.finish();
    }
    // Both were checked where they were read.
    if let Ok(mut routes) = routes.under(&own_tracks, &traccar) {
        routes.take_by_name(by_name);
        for phone in phones {
            routes.list(phone);
        }
        settings.endpoint.routes = routes.clone();
        settings.routes = routes;
    }
}

fn listed(own_tracks: &mut Table<'_>, folder: &Path) -> Vec<Phone> {
    let mut phones = Vec::new();
    let mut known = BTreeSet::new();
    for mut table in own_tracks.tables("phone") {
        let user = name(&mut table, "user", "USER of its topic");
        let called = name(&mut table, "name", "DEVICE of its topic");
        let agency = table.need("agency", "an agency", |node| node.id(AgencyId::parse));
        let device = table.need("device", "the device that it is", |node| {
            node.id(DeviceId::parse)
        });
        let key = table.read("key_file", |node| key(&path(node, folder)?));
        if let (Some(user), Some(called)) = (&user, &called) {
            table.name(format!("owntracks.phone {user}/{called}"));
            if !known.insert((user.clone(), called.clone())) {
                table.problem(
                    "name",
                    "is another phone's of this user already; expected one entry for each",
                );
            }
        }
        table.finish();
        if let (Some(user), Some(name), Some(agency), Some(device)) = (user, called, agency, device)
        {
            phones.push(Phone {
                user,
                name,
                agency,
                device,
                key,
            });
        }
    }
    phones
}

/// The key that a file holds: its first line, as it was typed into the phone.
fn key(path: &Path) -> Result<Key, String> {
    let text = reading::some_text(path).map_err(|error| error.to_string())?;
    let passphrase = text.lines().next().unwrap_or_default();
    Key::of_passphrase(passphrase).ok_or_else(|| {
        let bytes = passphrase.len();
        format!(
            "{} has {bytes} bytes in its first line; expected a passphrase of 1 to {KEY_BYTES}",
            path.display()
        )
    })
}

fn root(node: &Node) -> Result<String, String> {
    let text = node.text()?;
    check_root(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}
