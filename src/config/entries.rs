//! The tables of a configuration file, key by key.
//!
//! Starts from the defaults and sets what the file has. A key that cannot stand is a problem with its line, and reading
//! goes on. Deliberately absent: defaults, and what must hold between the parts (see [`super::Settings`]).

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::broker;
use super::inputs;
use super::{
    AgencyFiles, DatabaseUrl, RetentionSettings, Scope, SecretSha256, Settings, Token, WebSettings,
};
use crate::ingest::{Limits, Login, Proof, Role, SecretDigest, Service};
use crate::model::id::{AgencyId, DeviceId, OfficerId};
use crate::model::time::Span;
use crate::pipeline::CheckpointLimits;
use crate::telemetry::{self, LogFormat, LogSettings};
use crate::tls::{Identity, Listening};
use crate::wire::document::{Node, Table, quoted};
use crate::wire::duration;
use crate::wire::problem::{FileProblem, Problems};
use crate::wire::topic::TopicFilter;

/// Reads a file's text: the settings as far as they can be read, and all that is wrong.
pub(super) fn read(file: &str, folder: &Path, text: &str) -> (Settings, Vec<FileProblem>) {
    let problems = Problems::new(file);
    let mut settings = Settings::default();
    let document = Node::from_toml(text, &problems);
    if let Some(table) = document
        .as_ref()
        .and_then(|node| Table::of_document(node, &problems))
    {
        all(table, folder, &mut settings);
    }
    let mut problems = problems.into_list();
    problems.sort_by_key(|problem| problem.line);
    (settings, problems)
}

/// An address to listen on.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let expected = "is not an address and port; expected one such as 127.0.0.1:8080 or [::]:8080";
    text.parse()
        .map_err(|_error| format!("{} {expected}", quoted(text)))
}

/// A log level or directives.
pub(super) fn level(text: &str) -> Result<String, String> {
    let settings = LogSettings {
        level: text.to_owned(),
        ..LogSettings::default()
    };
    match telemetry::subscriber(&settings, io::sink, false) {
        Ok(_) => Ok(settings.level),
        Err(error) => Err(error.to_string()),
    }
}

/// All tables, in the order in which they are printed.
fn all(mut table: Table<'_>, folder: &Path, settings: &mut Settings) {
    if let Some(mut table) = table.table("database") {
        let url = |node: &Node| Ok(DatabaseUrl::new(node.text()?));
        put(table.read("url", url), &mut settings.database);
        // Whoever names a file means it, whatever else is left standing.
        let file = |node: &Node| DatabaseUrl::from_file(&path(node, folder)?);
        put(table.read("url_file", file), &mut settings.database);
        let term = Span::seconds(2)..=Span::minutes(5);
        put(span(&mut table, "lease", &term), &mut settings.lease);
        table.finish();
    }
    if let Some(table) = table.table("endpoint") {
        endpoint(table, folder, settings);
    }
    inputs::all(&mut table, folder, settings);
    if let Some(table) = table.table("broker") {
        settings.broker = broker::read(table, folder);
    }
    if let Some(table) = table.table("canary") {
        settings.canary = super::canary::read(table, folder);
    }
    if let Some(mut table) = table.table("web") {
        let web = &mut settings.web;
        put(table.read("listen", node_address), &mut web.address);
        put(
            table.read("secure_cookie", Node::flag),
            &mut web.secure_cookie,
        );
        web.tls = table
            .table("tls")
            .and_then(|table| tls(table, folder, Clients::ShowNone));
        table.finish();
    }
    tokens(&mut table, folder, &mut settings.web);
    if let Some(mut table) = table.table("map") {
        let map = &mut settings.web.map;
        put(
            table.read("layers", |node| paths(node, folder)),
            &mut map.layers,
        );
        let attribution = |node: &Node| node.text().map(str::to_owned);
        put(table.read("attribution", attribution), &mut map.attribution);
        table.finish();
    }
    if let Some(table) = table.table("notify") {
        super::notify::read(table, folder, &mut settings.notify);
    }
    if let Some(table) = table.table("retention") {
        retention(table, &mut settings.retention);
    }
    if let Some(table) = table.table("checkpoints") {
        checkpoints(table, &mut settings.checkpoints);
    }
    if let Some(mut table) = table.table("log") {
        let log = &mut settings.log;
        put(
            table.read("level", |node| level(node.text()?)),
            &mut log.level,
        );
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        put(
            table.read("format", |node| word(node, &formats)),
            &mut log.format,
        );
        table.finish();
    }
    settings.agencies = agencies(&mut table, folder);
    table.finish();
}

fn endpoint(mut table: Table<'_>, folder: &Path, settings: &mut Settings) {
    put(
        table.read("enabled", Node::flag),
        &mut settings.endpoint_enabled,
    );
    let endpoint = &mut settings.endpoint;
    put(table.read("listen", node_address), &mut endpoint.address);
    let root = |node: &Node| node.text().map(str::to_owned);
    put(table.read("root", root), &mut endpoint.root);
    endpoint.tls = table
        .table("tls")
        .and_then(|table| tls(table, folder, Clients::MayShowCertificates));
    if let Some(table) = table.table("limits") {
        limits(table, &mut endpoint.limits);
    }
    let mut names = BTreeSet::new();
    for mut table in table.tables("login") {
        let login = login(&mut table, folder);
        if let Some(login) = login {
            if !names.insert(login.username.clone()) {
                table.problem(
                    "username",
                    "is another login's already; expected names that differ",
                );
            }
            endpoint.logins.push(login);
        }
        table.finish();
    }
    table.finish();
}

fn limits(mut table: Table<'_>, limits: &mut Limits) {
    let sockets = 1..=1_000_000;
    let pace = 1..=10_000_000;
    let queue = 1..=1_000_000;
    let patience = Span::seconds(1)..=Span::days(1);
    put(
        count(&mut table, "connections", &sockets),
        &mut limits.connections,
    );
    put(
        count(&mut table, "connections_per_address", &sockets),
        &mut limits.connections_per_address,
    );
    let device = &mut limits.device_pace;
    put(
        count(&mut table, "device_per_second", &pace),
        &mut device.per_second,
    );
    put(count(&mut table, "device_burst", &pace), &mut device.burst);
    let gateway = &mut limits.gateway_pace;
    put(
        count(&mut table, "gateway_per_second", &pace),
        &mut gateway.per_second,
    );
    put(
        count(&mut table, "gateway_burst", &pace),
        &mut gateway.burst,
    );
    let waiting = count(&mut table, "unacknowledged", &queue);
    put(
        waiting.and_then(|count| usize::try_from(count).ok()),
        &mut limits.unacknowledged,
    );
    let queued = count(&mut table, "outgoing_queue", &queue);
    put(
        queued.and_then(|count| usize::try_from(count).ok()),
        &mut limits.outgoing_queue,
    );
    put(
        span(&mut table, "idle", &patience).map(duration_of),
        &mut limits.idle,
    );
    put(
        span(&mut table, "accept", &patience).map(duration_of),
        &mut limits.accept,
    );
    table.finish();
}

fn login(table: &mut Table<'_>, folder: &Path) -> Option<Login> {
    let username = name(table, "username", "a name of its own");
    if let Some(username) = &username {
        table.name(format!("endpoint.login {username}"));
    }
    let proof = proof(table, folder);
    let agency = table.need("agency", "an agency", |node| node.id(AgencyId::parse));
    let roles = [
        ("device", Kind::Device),
        ("officer", Kind::Officer),
        ("desk", Kind::Desk),
        ("service", Kind::Service),
    ];
    let expected = "device, officer, desk or service";
    let kind = table.need("role", expected, |node| word(node, &roles));
    let role = kind.and_then(|kind| role(table, kind));
    Some(Login {
        username: username?,
        proof: proof?,
        agency: agency?,
        role: role?,
    })
}

/// Whether clients of a listener may show certificates.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clients {
    MayShowCertificates,
    ShowNone,
}

/// Certificate and key of a listener, and whose certificates it takes.
fn tls(mut table: Table<'_>, folder: &Path, clients: Clients) -> Option<Listening> {
    let file = |node: &Node| path(node, folder);
    let certificate = table.need("certificate", "a PEM file", file);
    let key = table.need("key", "a PEM file", file);
    let client_roots = match clients {
        Clients::MayShowCertificates => table.read("client_ca", file),
        Clients::ShowNone => None,
    };
    table.finish();
    Some(Listening {
        identity: Identity {
            certificate: certificate?,
            key: key?,
        },
        client_roots,
    })
}

/// How a login shows who it is: by a certificate, or by a secret.
fn proof(table: &mut Table<'_>, folder: &Path) -> Option<Proof> {
    if !table.has("certificate") {
        let secret = secret(table, "secret_sha256", folder)?;
        return Some(Proof::Secret(SecretDigest::new(secret.bytes())));
    }
    for key in ["secret_sha256", "secret_file"] {
        if table.has(key) {
            table.problem(key, "stands beside certificate; expected one of the two");
            table.read(key, Node::text);
        }
    }
    name(
        table,
        "certificate",
        "the common name of a certificate's subject",
    )
    .map(Proof::Certificate)
}

/// Which keys a login has besides those of every login.
#[derive(Clone, Copy)]
enum Kind {
    Device,
    Officer,
    Desk,
    Service,
}

fn role(table: &mut Table<'_>, kind: Kind) -> Option<Role> {
    Some(match kind {
        Kind::Device => {
            Role::Device(table.need("device", "its device", |node| node.id(DeviceId::parse))?)
        }
        Kind::Officer => {
            Role::Officer(table.need("officer", "its officer", |node| node.id(OfficerId::parse))?)
        }
        Kind::Desk => Role::Desk,
        Kind::Service => {
            let filter = |node: &Node| -> Result<TopicFilter, String> {
                TopicFilter::parse(node.text()?).map_err(|error| error.to_string())
            };
            let filters = |node: &Node| node.list()?.iter().map(filter).collect();
            Role::Service(Service {
                publish: table.read("publish", Node::flag).unwrap_or_default(),
                subscribe: table.read("subscribe", filters).unwrap_or_default(),
            })
        }
    })
}

fn tokens(document: &mut Table<'_>, folder: &Path, web: &mut WebSettings) {
    let scopes = [
        ("read", Scope::Read),
        ("act", Scope::Act),
        ("admin", Scope::Admin),
    ];
    let (mut names, mut secrets) = (BTreeSet::new(), BTreeSet::new());
    for mut table in document.tables("token") {
        let name = name(
            &mut table,
            "name",
            "the name that stands beside every decision",
        );
        if let Some(name) = &name {
            table.name(format!("token {name}"));
        }
        let secret = secret(&mut table, "sha256", folder);
        let agency = table.need("agency", "an agency", |node| node.id(AgencyId::parse));
        let scope = table.need("scope", "read, act or admin", |node| word(node, &scopes));
        if let Some(name) = &name
            && !names.insert(name.clone())
        {
            table.problem(
                "name",
                "is another token's already; expected names that differ",
            );
        }
        if let Some(secret) = secret
            && !secrets.insert(secret)
        {
            table.problem("sha256", "is another token's secret; expected one for each");
        }
        if let (Some(name), Some(secret), Some(agency), Some(scope)) = (name, secret, agency, scope)
        {
            web.tokens.push(Token {
                name,
                secret,
                agency,
                scope,
            });
        }
        table.finish();
    }
}

fn retention(mut table: Table<'_>, retention: &mut RetentionSettings) {
    let age = Span::hours(1)..=duration::LONGEST;
    put(span(&mut table, "log", &age), &mut retention.log);
    put(span(&mut table, "blocks", &age), &mut retention.blocks);
    let items = 1_000..=100_000_000;
    put(
        count(&mut table, "stream_items", &items),
        &mut retention.stream_items,
    );
    if retention.blocks < retention.log {
        let log = duration::text(retention.log);
        let message = format!("is shorter than the log's {log}; expected the same or more");
        table.problem("blocks", message);
    }
    table.finish();
}

fn checkpoints(mut table: Table<'_>, limits: &mut CheckpointLimits) {
    let age = Span::seconds(1)..=Span::hours(1);
    put(span(&mut table, "age", &age), &mut limits.age);
    let entries = 100..=100_000_000;
    put(count(&mut table, "entries", &entries), &mut limits.entries);
    table.finish();
}

fn agencies(document: &mut Table<'_>, folder: &Path) -> Vec<AgencyFiles> {
    let mut agencies: Vec<AgencyFiles> = Vec::new();
    for mut table in document.tables("agency") {
        let id = table.need("id", "an agency", |node| node.id(AgencyId::parse));
        if let Some(id) = &id {
            table.name(format!("agency {id}"));
            if agencies.iter().any(|other| other.agency == *id) {
                table.problem(
                    "id",
                    "is another entry's already; expected one entry for each",
                );
            }
        }
        let zones = table.read("zones", |node| paths(node, folder));
        let roster = table.read("roster", |node| path(node, folder));
        let rules = table.read("rules", |node| path(node, folder));
        agencies.extend(id.map(|agency| AgencyFiles {
            agency,
            zones: zones.unwrap_or_default(),
            roster,
            rules,
        }));
        table.finish();
    }
    agencies
}

/// A secret's digest: as it stands, or of what a file holds.
fn secret(table: &mut Table<'_>, key: &'static str, folder: &Path) -> Option<SecretSha256> {
    let file = "secret_file";
    match (table.has(key), table.has(file)) {
        (true, true) => {
            let message = format!("stands beside {key}; expected one of the two");
            table.problem(file, message);
            // Known all the same.
            table.read(key, Node::text);
            table.read(file, Node::text);
            None
        }
        (true, false) => {
            let digest = table.read(key, |node| SecretSha256::from_hex(node.text()?));
            table.read(file, Node::text);
            digest
        }
        (false, _) => {
            table.read(key, Node::text);
            table.need(file, &format!("it or {key}"), |node| {
                SecretSha256::from_file(&path(node, folder)?)
            })
        }
    }
}

/// A text that is not empty.
pub(super) fn name(table: &mut Table<'_>, key: &'static str, expected: &str) -> Option<String> {
    table.need(key, expected, |node| match node.text()? {
        "" => Err(format!("is empty; expected {expected}")),
        name => Ok(name.to_owned()),
    })
}

/// A file, looked for beside the configuration.
pub(super) fn path(node: &Node, folder: &Path) -> Result<PathBuf, String> {
    match node.text()? {
        "" => Err("is empty; expected a file".to_owned()),
        path => Ok(folder.join(path)),
    }
}

fn paths(node: &Node, folder: &Path) -> Result<Vec<PathBuf>, String> {
    node.list()?.iter().map(|node| path(node, folder)).collect()
}

fn node_address(node: &Node) -> Result<SocketAddr, String> {
    address(node.text()?)
}

/// One of a few words.
pub(super) fn word<T: Copy>(node: &Node, words: &[(&str, T)]) -> Result<T, String> {
    let text = node.text()?;
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("{} is none of {}", quoted(text), words.join(", "))
    })
}

/// A number within a range.
pub(super) fn count(
    table: &mut Table<'_>,
    key: &'static str,
    range: &RangeInclusive<u32>,
) -> Option<u32> {
    table.read(key, |node| {
        let whole = node.whole()?;
        let fits = u32::try_from(whole)
            .ok()
            .filter(|count| range.contains(count));
        fits.ok_or_else(|| {
            let (from, to) = (range.start(), range.end());
            format!("is {whole}; expected a whole number from {from} to {to}")
        })
    })
}

/// Yes or no.
pub(super) fn flag(table: &mut Table<'_>, key: &'static str) -> Option<bool> {
    table.read(key, Node::flag)
}

/// A length of time within a range.
pub(super) fn span(
    table: &mut Table<'_>,
    key: &'static str,
    range: &RangeInclusive<Span>,
) -> Option<Span> {
    table.read(key, |node| {
        let span = node.span()?;
        if range.contains(&span) {
            return Ok(span);
        }
        let [span, from, to] = [span, *range.start(), *range.end()].map(duration::text);
        Err(format!("is {span}; expected {from} to {to}"))
    })
}

pub(super) fn duration_of(span: Span) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or_default())
}

/// Takes over what was read.
pub(super) fn put<T>(read: Option<T>, value: &mut T) {
    if let Some(read) = read {
        *value = read;
    }
}
