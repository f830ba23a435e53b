-- The first schema: journal and what followed from it, alerts and their handling, what goes out, what grows.
--
-- Every row names its agency (the journal's where it has one) and everything that positions count in names its
-- partition. Times are milliseconds since 1970 in UTC. Numbers of 64 bits without sign (device sequence numbers,
-- digests) are stored with their bits unchanged, so that they may appear negative here.

PRAGMA application_id = 1113680236; -- "Bail": another program's file is refused

-- One row a partition: who owns it and how far it has come. Every commit changes it first, or fails.
CREATE TABLE partition (
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    cursor INTEGER NOT NULL, -- last stored position
    floor INTEGER NOT NULL, -- a restart replays from here
    packed INTEGER NOT NULL, -- reports up to here are in blocks
    last_now INTEGER
) STRICT;

-- Append-only. The bodies of definitions stand in `definition`. No index on wearers or devices: a leaf at random for
-- each report costs more than all the rest of a commit; blocks serve the reading by wearer.
CREATE TABLE journal (
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    now INTEGER NOT NULL,
    kind TEXT NOT NULL,
    agency TEXT,
    device TEXT,
    wearer TEXT,
    boot TEXT,
    seq INTEGER,
    reported_at INTEGER,
    outcome TEXT,
    body BLOB,
    PRIMARY KEY (partition, position)
) STRICT, WITHOUT ROWID;

-- The few entries that are neither reports nor ticks: of a wearer, of an agency (no wearer), of all (no agency). The
-- planner prefers the primary key, so statements name this index.
CREATE INDEX journal_apart ON journal (partition, agency, wearer, position)
    WHERE kind <> 'report' AND kind <> 'tick';

CREATE TABLE effect (
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    agency TEXT NOT NULL,
    wearer TEXT,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    digest INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (partition, position, ordinal)
) STRICT, WITHOUT ROWID;

-- Zones, rosters and parameters by position; kept for good, because every verdict names a version of them.
CREATE TABLE definition (
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    now INTEGER NOT NULL,
    agency TEXT NOT NULL,
    kind TEXT NOT NULL,
    whole INTEGER NOT NULL, -- 1 where nothing before it counts any more
    body BLOB NOT NULL,
    PRIMARY KEY (partition, position)
) STRICT;

CREATE INDEX definition_agency ON definition (agency, position);
CREATE INDEX definition_whole ON definition (agency, kind, position) WHERE whole = 1;

-- The condition row, with the columns that lists ask for; `body` is Alert, version 1.
CREATE TABLE alert (
    agency TEXT NOT NULL,
    id TEXT NOT NULL,
    wearer TEXT NOT NULL,
    rule TEXT NOT NULL,
    status TEXT NOT NULL,
    severity TEXT NOT NULL,
    revision INTEGER NOT NULL,
    opened_at INTEGER NOT NULL, -- decision of the first revision
    decided_at INTEGER NOT NULL, -- decision of the last
    evidence_from INTEGER NOT NULL, -- nothing it rests on is older
    body TEXT NOT NULL,
    PRIMARY KEY (agency, id)
) STRICT;

CREATE INDEX alert_opened ON alert (agency, opened_at DESC, id);
CREATE INDEX alert_wearer ON alert (agency, wearer, opened_at DESC, id);
CREATE INDEX alert_standing ON alert (agency, wearer) WHERE status <> 'ended';

-- By position and not by number, so that a release that counts otherwise can't stop a commit.
CREATE TABLE alert_revision (
    agency TEXT NOT NULL,
    alert TEXT NOT NULL,
    position INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    kind TEXT NOT NULL,
    officer TEXT,
    body TEXT NOT NULL,
    PRIMARY KEY (agency, alert, position, ordinal),
    FOREIGN KEY (agency, alert) REFERENCES alert (agency, id)
) STRICT;

CREATE TABLE handling (
    agency TEXT NOT NULL,
    alert TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    opened_at INTEGER NOT NULL, -- the alert's, as is the wearer: for the indexes
    wearer TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (agency, alert),
    FOREIGN KEY (agency, alert) REFERENCES alert (agency, id)
) STRICT;

CREATE INDEX handling_unclosed ON handling (agency, opened_at DESC, alert) WHERE state <> 'closed';
CREATE INDEX handling_wearer ON handling (agency, wearer) WHERE state <> 'closed';

CREATE TABLE handling_entry (
    agency TEXT NOT NULL,
    alert TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (agency, alert, version),
    FOREIGN KEY (agency, alert) REFERENCES alert (agency, id)
) STRICT, WITHOUT ROWID;

-- Ids are given from the locked head row, never from a sequence: in commit order, without gaps.
CREATE TABLE stream_head (
    agency TEXT PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE stream (
    agency TEXT NOT NULL,
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (agency, id)
) STRICT;

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice, also where the last rows were removed
    agency TEXT NOT NULL,
    target_kind TEXT NOT NULL, -- officer, desk or device
    target TEXT NOT NULL, -- empty for the desk
    key TEXT NOT NULL,
    payload TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    state TEXT NOT NULL, -- queued, accepted or expired
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL
) STRICT;

CREATE INDEX outbox_queued ON outbox (id) WHERE state = 'queued';
CREATE INDEX outbox_settled ON outbox (created_at) WHERE state <> 'queued';

CREATE TABLE checkpoint (
    agency TEXT NOT NULL,
    wearer TEXT NOT NULL,
    position INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    now INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    newest INTEGER NOT NULL, -- 1 for the newest of its wearer
    kept INTEGER NOT NULL, -- 1 for the first of its hour
    body BLOB NOT NULL,
    PRIMARY KEY (agency, wearer, position)
) STRICT;

CREATE INDEX checkpoint_newest ON checkpoint (partition, agency, wearer) WHERE newest = 1;
CREATE INDEX checkpoint_passing ON checkpoint (agency, wearer) WHERE newest = 0 AND kept = 0;
CREATE INDEX checkpoint_old ON checkpoint (now) WHERE newest = 0;

-- Reports of one wearer and hour, compressed; grows by appending. An empty wearer stands for nobody.
CREATE TABLE block (
    agency TEXT NOT NULL,
    wearer TEXT NOT NULL,
    hour INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    last_position INTEGER NOT NULL,
    last_now INTEGER NOT NULL,
    reports INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (agency, wearer, hour, partition)
) STRICT;

CREATE INDEX block_last ON block (last_now);

-- The newest unreadable messages of each device, and how many there were. An empty device stands for none known.
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    agency TEXT NOT NULL,
    device TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    topic TEXT NOT NULL,
    bytes BLOB NOT NULL,
    length INTEGER NOT NULL,
    problem TEXT NOT NULL
) STRICT;

CREATE INDEX quarantine_device ON quarantine (agency, device, id);

CREATE TABLE quarantine_count (
    agency TEXT NOT NULL,
    device TEXT NOT NULL,
    total INTEGER NOT NULL,
    PRIMARY KEY (agency, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE last_seen (
    agency TEXT NOT NULL,
    device TEXT NOT NULL,
    wearer TEXT,
    contact_at INTEGER NOT NULL,
    reported_at INTEGER NOT NULL,
    lat INTEGER, -- 1e-7 degree, null where no fix is known; so are the five columns after it
    lon INTEGER,
    accuracy_m REAL,
    accuracy_defaulted INTEGER,
    source TEXT,
    taken_at INTEGER,
    received_at INTEGER,
    battery INTEGER,
    charging INTEGER,
    strap TEXT,
    case_state TEXT,
    PRIMARY KEY (agency, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    secret BLOB PRIMARY KEY,
    token TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
