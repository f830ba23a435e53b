//! The configuration with every setting, its default and what it means: what `config print` writes.
//!
//! Values come from [`Settings::default`], so that what is printed is what holds. A line that begins with `#` and no space
//! is an example. Deliberately absent: secrets.

use std::time::Duration;

use super::{MapFiles, RetentionSettings, Settings, WebSettings};
use super::{broker, canary};
use crate::desk::escalation::Waits;
use crate::ingest::{self, Limits};
use crate::model::time::Span;
use crate::notify::settings::Ladder;
use crate::pipeline::CheckpointLimits;
use crate::telemetry::{LogFormat, LogSettings};
use crate::wire::duration;
use crate::wire::routes::{OWN_TRACKS_ROOT, TRACCAR_ROOT};

const INTRODUCTION: &str = "\
# The configuration of Bailiwick: every setting, its default, and what it means.
#
# What stands here is what holds when it is left out. A line that begins with `#` and no space is an example: take the `#`
# away and change it. Unknown keys are refused. `bailiwick config check` lists all that is wrong.
#
# Files are looked for beside this one. Lengths of time: 90s, 30m, 72h, 7d. The rules' parameters have a file of their own
# (`bailiwick config print --rules`).
#
# Addresses and secrets may come from the environment, which goes before this file:
# BAILIWICK_DATABASE_URL, BAILIWICK_ENDPOINT_LISTEN, BAILIWICK_BROKER_URL, BAILIWICK_WEB_LISTEN, BAILIWICK_LOG.
";

const LOGINS: &str = "
# Who may connect. `role` is one of:
#   device    publishes the reports of `device`; reads its receipts and commands
#   officer   reads the alerts of `officer`
#   desk      reads the alerts of the whole agency
#   service   is what it is given: `publish = true` (reports of any device of its agency), `subscribe` (topic filters)
# The secret stands in a file of its own, or as its SHA-256 (`secret_sha256`). Let a machine make it (`openssl rand -hex 32`):
# a digest withstands guessing only when there is nothing to guess. Or the login is proved by a certificate that leads to
# `client_ca`: `certificate` is the common name of its subject.
#
# Logins, tokens and TLS files are put in force while the service runs: within ten seconds of a change to this file, or on SIGHUP.
# Whose login went or changed is sent away at once.
#[[endpoint.login]]
#username = \"tag-7\"
#secret_file = \"secrets/tag-7\"
#agency = \"demo\"
#role = \"device\"
#device = \"tag-7\"
#
#[[endpoint.login]]
#username = \"gateway\"
#secret_sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"
#agency = \"demo\"
#role = \"service\"
#publish = true
#subscribe = [\"em/demo/+/receipt\"]
#
#[[endpoint.login]]
#username = \"tag-8\"
#certificate = \"tag-8\"
#agency = \"demo\"
#role = \"device\"
#device = \"tag-8\"
#
#[[endpoint.login]]
#username = \"officer-4\"
#secret_file = \"secrets/officer-4\"
#agency = \"demo\"
#role = \"officer\"
#officer = \"O-4\"
";

const TOKENS: &str = "
# Who may use the page and HTTP. `name` stands beside every decision. `scope`: read (look), act (handle alerts, enter
# check-ins), admin (change zones, roster and rules); each includes those before it.
#[[token]]
#name = \"desk-1\"
#secret_file = \"secrets/desk-1\"
#agency = \"demo\"
#scope = \"act\"
#
#[[token]]
#name = \"import\"
#sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"
#agency = \"demo\"
#scope = \"admin\"
";

const RECEIVERS: &str = "\
# Where the page is, as officers reach it: messages link to it. With a secret, an officer acknowledges through the link without
# a login, once and for that alert only.
#page = \"https://desk.example.org\"
#link_secret_file = \"secrets/links\"

# Officers are told on their phones first and by mail when that fails, as far as the roster has their contact, or in the `order`
# that it says. `detail`: least (code, severity, rule, time) or full (the alert's sentence as well). `trusted`: a file of roots, else
# those of the operating system.
#
# A push service that speaks ntfy's protocol; an officer's contact `push` is the topic.
#[notify.push]
#server = \"https://push.example.org\"
#token_file = \"secrets/push\"
#detail = \"least\"
#
# A mail server; an officer's contact `email` is the address. `security`: tls (port 465), starttls (587), or none on this computer
# only.
#[notify.email]
#host = \"mail.example.org\"
#port = 587
#security = \"starttls\"
#from = \"Bailiwick <alerts@example.org>\"
#username = \"alerts\"
#password_file = \"secrets/mail\"
#detail = \"least\"
#
# A program that is told of all alerts of an agency, signed as the Standard Webhooks specification says. Two secrets while one is
# exchanged for another.
#[[notify.webhook]]
#name = \"court\"
#agency = \"demo\"
#url = \"https://court.example.org/alerts\"
#secret_files = [\"secrets/court\"]
#detail = \"least\"
";

const AGENCIES: &str = "
# Read into an empty database, and only then; later changes go over HTTP (`bailiwick zones import`, `roster import`).
#[[agency]]
#id = \"demo\"
#zones = [\"zones/schools.geojson\", \"zones/homes.geojson.gz\"]
#roster = \"roster.toml\"
#rules = \"rules.toml\"
";

/// Writes the configuration with all defaults and their comments.
pub fn print() -> String {
    // Taken apart without a rest, so that a new setting can't be forgotten here.
    let Settings {
        database,
        lease,
        endpoint,
        routes: _,
        endpoint_enabled,
        broker: _,
        canary: _,
        web,
        notify,
        log,
        retention,
        checkpoints,
        agencies: _,
    } = Settings::default();
    let database = format!(
        "
[database]
# sqlite:PATH, from the folder in which the service is started; created where there is none. Or postgres://USER@HOST/DATABASE
# (on this computer postgres:///DATABASE?host=/run/postgresql); the database must exist. Either is brought up to date where it is
# older.
url = {:?}
# The same in a file of its own, where the URL holds a password; it goes before `url`.
#url_file = \"secrets/database\"
# Of several services on one PostgreSQL one is at work and the others stand by. When it has said nothing for so long, another
# takes over. Shorter is sooner, and takes a slow database for a dead service.
lease = \"{}\"
",
        database.as_str(),
        duration::text(lease)
    );
    [
        INTRODUCTION,
        &database,
        &of_endpoint(&endpoint, endpoint_enabled),
        LOGINS,
        &of_inputs(),
        &broker::printed(text),
        &canary::printed(),
        &of_web(&web),
        &of_notify(&notify),
        &of_retention(retention),
        &of_checkpoints(checkpoints),
        &of_log(&log),
        AGENCIES,
    ]
    .concat()
}

fn of_endpoint(endpoint: &ingest::Settings, enabled: bool) -> String {
    let ingest::Settings {
        address,
        root,
        routes: _,
        anonymous: _,
        tls: _,
        logins: _,
        limits,
    } = endpoint;
    let limits = of_limits(limits);
    format!(
        "
[endpoint]
# Whether it stands; false where all devices report to a broker (below).
enabled = {enabled}
# Where devices connect with MQTT 3.1.1 or 5. 127.0.0.1 is this computer only; 0.0.0.0 is everywhere.
listen = \"{address}\"
# First levels of all topics: ROOT/AGENCY/DEVICE/report.
root = {root:?}

# With it, all who connect speak TLS (1.2 or 1.3). Files are PEM. `client_ca`: the roots of devices' certificates, where a login
# is proved by one. After a renewal tell the service to read them again: SIGHUP.
#[endpoint.tls]
#certificate = \"tls/endpoint.pem\"
#key = \"tls/endpoint.key\"
#client_ca = \"tls/devices-ca.pem\"

{limits}"
    )
}

fn of_inputs() -> String {
    format!(
        "
# Phones with the OwnTracks app publish on TOPIC/USER/DEVICE. A login of role `device` is such a phone: USER is its username,
# DEVICE its device. Others are listed here. The same logins post over HTTP (POST /api/v1/owntracks).
[owntracks]
topic = {OWN_TRACKS_ROOT:?}
# Takes phones from a broker that are not listed: USER is the agency, DEVICE the device. Only where the broker lets nobody publish
# for another.
by_name = false

# `user` and `name` are USER and DEVICE of the topic. `key_file` holds the passphrase of a phone that encrypts what it says.
#[[owntracks.phone]]
#user = \"anna\"
#name = \"pixel\"
#agency = \"demo\"
#device = \"phone-17\"
#key_file = \"secrets/phone-17\"

# A Traccar server forwards positions to TOPIC/AGENCY/positions, with a login of role `service` that may publish; or over HTTP
# (POST /api/v1/traccar). The device is its identifier there (`uniqueId`).
[traccar]
topic = {TRACCAR_ROOT:?}
"
    )
}

fn of_limits(limits: &Limits) -> String {
    let Limits {
        connections,
        connections_per_address,
        unacknowledged,
        device_pace,
        gateway_pace,
        idle,
        accept,
        outgoing_queue,
        ..
    } = limits;
    format!(
        "\
# Who goes beyond a limit slows down or loses its own connection, never another's. The rest of them are fixed
# (docs/WIRE.md).
[endpoint.limits]
# Connections in all; each costs about 10 kB and a file descriptor.
connections = {connections}
# Connections from one address; a mobile carrier puts thousands of devices behind one.
connections_per_address = {connections_per_address}
# Messages of a connection that may wait for their commit.
unacknowledged = {unacknowledged}
# Reports a second of a device in the long run, and at once after a time without network.
device_per_second = {}
device_burst = {}
# The same for a connection that speaks for many devices.
gateway_per_second = {}
gateway_burst = {}
# Longest time without a byte from those who ask for no shorter keep-alive.
idle = \"{}\"
# Longest time in which an officer or a desk acknowledges an alert before it counts as not taken.
accept = \"{}\"
# Messages that may wait for one subscriber.
outgoing_queue = {outgoing_queue}
",
        device_pace.per_second,
        device_pace.burst,
        gateway_pace.per_second,
        gateway_pace.burst,
        text(*idle),
        text(*accept),
    )
}

fn of_web(web: &WebSettings) -> String {
    let WebSettings {
        address,
        tls: _,
        secure_cookie,
        tokens: _,
        map: MapFiles {
            layers: _,
            attribution,
        },
    } = web;
    format!(
        "
[web]
# Where the page and HTTP are.
listen = \"{address}\"
# Whether a session's cookie goes over TLS (and to this computer) only. False only where the page is opened over plain HTTP from
# another computer.
secure_cookie = {secure_cookie}

# With it, the page speaks HTTPS itself. Without it, put a proxy in front that does.
#[web.tls]
#certificate = \"tls/page.pem\"
#key = \"tls/page.key\"
{TOKENS}
[map]
# What the map is drawn from, lowest first: files of GeoJSON, plain or gzip, such as \"map/areas.geojson.gz\". A layer is called
# as its file is, up to the first dot.
layers = []
# Who made the data; shown on the map.
attribution = {attribution:?}
"
    )
}

fn of_notify(notify: &crate::notify::settings::Settings) -> String {
    let crate::notify::settings::Settings {
        webhooks: _,
        email: _,
        push: _,
        links: _,
        ladder,
    } = notify;
    let Ladder {
        critical,
        high,
        medium,
        simulated,
    } = ladder.unwrap_or_default();
    let waits = |waits: Waits| {
        let (second, desk) = (duration::text(waits.second), duration::text(waits.desk));
        format!("second = \"{second}\"\ndesk = \"{desk}\"")
    };
    format!(
        "
[notify]
{RECEIVERS}
# Who comes next when nobody acknowledges (docs/NOTIFICATIONS.md). `second` is from the opening until the officer's second is told,
# `desk` from then until every screen of the desk shows it. An alert of low severity calls nobody.
[notify.ladder]
enabled = {enabled}
# Whether alerts about simulated people climb as well: for drills.
simulated = {simulated}

[notify.ladder.critical]
{critical}

[notify.ladder.high]
{high}

[notify.ladder.medium]
{medium}
",
        enabled = ladder.is_some(),
        critical = waits(critical),
        high = waits(high),
        medium = waits(medium),
    )
}

fn of_retention(retention: RetentionSettings) -> String {
    let RetentionSettings {
        log,
        blocks,
        stream_items,
    } = retention;
    let (log, blocks) = (duration::text(log), duration::text(blocks));
    format!(
        "
# What is kept for how long: never shorter than the rules' correction horizon, nor than the evidence of an alert that is open or
# not closed. Alerts and what people did about them are kept for good.
[retention]
# Reports as they were received, and what was concluded from each.
log = \"{log}\"
# The same reports packed: tracks, and the history for judging again.
blocks = \"{blocks}\"
# Items of each agency's stream, for pages and programs that were away.
stream_items = {stream_items}
"
    )
}

fn of_checkpoints(limits: CheckpointLimits) -> String {
    let CheckpointLimits { age, entries } = limits;
    let age = duration::text(age);
    format!(
        "
# A restart replays the log since everybody's last checkpoint. One is taken of whoever has been without for so long, or for so many
# reports of everybody.
[checkpoints]
age = \"{age}\"
entries = {entries}
"
    )
}

fn of_log(log: &LogSettings) -> String {
    let LogSettings { format, level } = log;
    let format = match format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    format!(
        "
[log]
# error, warn, info, debug, trace, or directives such as info,bailiwick::ingest=debug. Written to standard error.
level = {level:?}
# text for people, json for programs.
format = \"{format}\"
"
    )
}

fn text(duration: Duration) -> String {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    duration::text(Span::millis(millis))
}
