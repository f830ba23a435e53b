//! The table of the broker: where it is, as whom we come, and the limits that may be changed.
//!
//! Read from a file's table, and printed with its defaults and their meaning. The password stands in a file of its own.
//! Deliberately absent: what must hold between the parts (see [`super::Settings`]).

use std::path::Path;

use super::entries::{count, duration_of, name, path, put, span};
use super::reading;
use crate::ingest::broker::{Address, Credentials, DEFAULT_CLIENT_ID, Limits, Settings};
use crate::model::time::Span;
use crate::tls::Identity;
use crate::wire::document::Table;
use crate::wire::topic::DEFAULT_ROOT;

/// Longest password in a file; a longer file is another file.
const PASSWORD_LENGTH_MAX: usize = 1024;

/// Reads the table; none where it has no address.
pub(super) fn read(mut table: Table<'_>, folder: &Path) -> Option<Settings> {
    let expected = "the broker's address, such as mqtt://localhost:1883";
    let address = table.need("url", expected, |node| Address::parse(node.text()?));
    let client_id = table.read("client_id", |node| match node.text()? {
        id if Settings::is_client_id(id) => Ok(id.to_owned()),
        _ => Err("is no client id; expected 1 to 64 letters, digits, - or _".to_owned()),
    });
    let root = table.read("root", |node| node.text().map(str::to_owned));
    let credentials = credentials(&mut table, folder);
    let ca = table.read("ca", |node| path(node, folder));
    let identity = identity(&mut table, folder);
    let mut settings = address.map(Settings::new);
    let mut given = Limits::default();
    if let Some(table) = table.table("limits") {
        limits(table, &mut given);
    }
    if let Some(settings) = &mut settings {
        put(client_id, &mut settings.client_id);
        put(root, &mut settings.root);
        settings.credentials = credentials;
        settings.ca = ca;
        settings.identity = identity;
        settings.limits = given;
    }
    table.finish();
    settings
}

fn credentials(table: &mut Table<'_>, folder: &Path) -> Option<Credentials> {
    if !table.has("username") && !table.has("password_file") {
        return None;
    }
    let username = name(table, "username", "the name that password_file belongs to");
    let password = table.need("password_file", "the password of username", |node| {
        password(&path(node, folder)?)
    });
    Some(Credentials {
        username: username?,
        password: password?,
    })
}

/// What a file holds, without its last line's end.
fn password(path: &Path) -> Result<String, String> {
    let text = reading::text(path).map_err(|error| error.to_string())?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() || password.len() > PASSWORD_LENGTH_MAX {
        return Err(format!(
            "{} holds {} bytes; expected a password of 1 to {PASSWORD_LENGTH_MAX}",
            path.display(),
            password.len()
        ));
    }
    Ok(password.to_owned())
}

fn identity(table: &mut Table<'_>, folder: &Path) -> Option<Identity> {
    if !table.has("certificate") && !table.has("key") {
        return None;
    }
    let certificate = table.need("certificate", "the certificate of key", |node| {
        path(node, folder)
    });
    let key = table.need("key", "the private key of certificate", |node| {
        path(node, folder)
    });
    Some(Identity {
        certificate: certificate?,
        key: key?,
    })
}

fn limits(mut table: Table<'_>, limits: &mut Limits) {
    let keep_alive = Span::seconds(1)..=Span::minutes(10);
    let patience = Span::seconds(1)..=Span::days(1);
    put(
        span(&mut table, "keep_alive", &keep_alive).map(duration_of),
        &mut limits.keep_alive,
    );
    put(
        span(&mut table, "withheld", &patience).map(duration_of),
        &mut limits.withheld,
    );
    put(
        span(&mut table, "accept", &patience).map(duration_of),
        &mut limits.accept,
    );
    let window = count(&mut table, "outgoing_window", &(1..=10_000));
    put(
        window.and_then(|count| u16::try_from(count).ok()),
        &mut limits.outgoing_window,
    );
    table.finish();
}

/// The table as it is printed.
pub(super) fn printed(text: impl Fn(std::time::Duration) -> String) -> String {
    let Limits {
        keep_alive,
        withheld,
        accept,
        outgoing_window,
        ..
    } = Limits::default();
    format!(
        "
# A broker from which reports are taken, beside the endpoint or in its place (`enabled = false` above): any that speaks MQTT
# 3.1.1. A report is acknowledged to it when it is stored. What it promises is tried at each start and told in the log;
# docs/BROKERS.md says how to set one up.
#[broker]
# mqtt:// or mqtts:// (encrypted, and the broker's certificate is verified).
#url = \"mqtts://broker.example:8883\"
# The broker keeps what comes while we are away under this id. It stays the same, and nobody else has it. Beside it, ID-out sends
# and ID-check tries.
#client_id = {DEFAULT_CLIENT_ID:?}
# First levels of all topics: ROOT/AGENCY/DEVICE/report.
#root = {DEFAULT_ROOT:?}
#username = \"bailiwick\"
#password_file = \"secrets/broker\"
# PEM: whom to trust in place of those whom the operating system trusts; our certificate and its key, where the broker asks.
#ca = \"tls/broker-ca.pem\"
#certificate = \"tls/bailiwick.pem\"
#key = \"tls/bailiwick.key\"
#[broker.limits]
# How often the broker is asked whether it is there; silent for one and a half times as long, it is left and called again.
#keep_alive = \"{}\"
# Longest time in which nothing that it gave is stored, before the connection is made anew.
#withheld = \"{}\"
# Longest time in which it takes a message of ours.
#accept = \"{}\"
# Messages of ours that wait for its acknowledgement at once; brokers limit it too.
#outgoing_window = {outgoing_window}
",
        text(keep_alive),
        text(withheld),
        text(accept),
    )
}
