-- The first schema: journal and what followed from it, alerts and their handling, what goes out, what grows.
--
-- Every row names its agency (the journal's where it has one) and everything that positions count in names its
-- partition. Times are milliseconds since 1970 in UTC. Numbers of 64 bits without sign (device sequence numbers,
-- digests) are stored with their bits unchanged, so that they may appear negative here. Every whole number has 64 bits
-- and flags are 0 and 1, so that rows read the same from both databases; texts are ordered by their bytes.

-- One row a partition: who owns it and how far it has come. Every commit changes it first, or fails.
CREATE TABLE partition (
    id BIGINT PRIMARY KEY,
    owner TEXT COLLATE "C" NOT NULL,
    epoch BIGINT NOT NULL,
    cursor BIGINT NOT NULL, -- last stored position
    floor BIGINT NOT NULL, -- a restart replays from here
    packed BIGINT NOT NULL, -- reports up to here are in blocks
    last_now BIGINT,
    lease_until TIMESTAMPTZ NOT NULL DEFAULT 'epoch' -- by this server's clock; nobody else takes it before
) WITH (fillfactor = 10); -- changed by every commit, in its place

-- Append-only. The bodies of definitions stand in `definition`. No index on wearers or devices: a leaf at random for
-- each report costs more than all the rest of a commit; blocks serve the reading by wearer.
CREATE TABLE journal (
    partition BIGINT NOT NULL,
    position BIGINT NOT NULL,
    now BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    agency TEXT COLLATE "C",
    device TEXT COLLATE "C",
    wearer TEXT COLLATE "C",
    boot TEXT COLLATE "C",
    seq BIGINT,
    reported_at BIGINT,
    outcome TEXT COLLATE "C",
    body BYTEA,
    PRIMARY KEY (partition, position)
);

-- The few entries that are neither reports nor ticks: of a wearer, of an agency (no wearer), of all (no agency).
CREATE INDEX journal_apart ON journal (partition, agency, wearer, position)
    WHERE kind <> 'report' AND kind <> 'tick';

CREATE TABLE effect (
    partition BIGINT NOT NULL,
    position BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    agency TEXT COLLATE "C" NOT NULL,
    wearer TEXT COLLATE "C",
    kind TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    digest BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (partition, position, ordinal)
);

-- Zones, rosters and parameters by position; kept for good, because every verdict names a version of them.
CREATE TABLE definition (
    partition BIGINT NOT NULL,
    position BIGINT NOT NULL,
    now BIGINT NOT NULL,
    agency TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    whole BIGINT NOT NULL, -- 1 where nothing before it counts any more
    body BYTEA NOT NULL,
    PRIMARY KEY (partition, position)
);

CREATE INDEX definition_agency ON definition (agency, position);
CREATE INDEX definition_whole ON definition (agency, kind, position) WHERE whole = 1;

-- The condition row, with the columns that lists ask for; `body` is Alert, version 1.
CREATE TABLE alert (
    agency TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    wearer TEXT COLLATE "C" NOT NULL,
    rule TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    severity TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    opened_at BIGINT NOT NULL, -- decision of the first revision
    decided_at BIGINT NOT NULL, -- decision of the last
    evidence_from BIGINT NOT NULL, -- nothing it rests on is older
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (agency, id)
);

CREATE INDEX alert_opened ON alert (agency, opened_at DESC, id);
CREATE INDEX alert_wearer ON alert (agency, wearer, opened_at DESC, id);
CREATE INDEX alert_standing ON alert (agency, wearer) WHERE status <> 'ended';

-- By position and not by number, so that a release that counts otherwise can't stop a commit.
CREATE TABLE alert_revision (
    agency TEXT COLLATE "C" NOT NULL,
    alert TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    officer TEXT COLLATE "C",
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (agency, alert, position, ordinal),
    FOREIGN KEY (agency, alert) REFERENCES alert (agency, id)
);

CREATE TABLE handling (
    agency TEXT COLLATE "C" NOT NULL,
    alert TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    opened_at BIGINT NOT NULL, -- the alert's, as is the wearer: for the indexes
    wearer TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (agency, alert),
    FOREIGN KEY (agency, alert) REFERENCES alert (agency, id)
);

CREATE INDEX handling_unclosed ON handling (agency, opened_at DESC, alert) WHERE state <> 'closed';
CREATE INDEX handling_wearer ON handling (agency, wearer) WHERE state <> 'closed';

CREATE TABLE handling_entry (
    agency TEXT COLLATE "C" NOT NULL,
    alert TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (agency, alert, version),
    FOREIGN KEY (agency, alert) REFERENCES alert (agency, id)
);

-- Ids are given from the locked head row, never from a sequence: in commit order, without gaps.
CREATE TABLE stream_head (
    agency TEXT COLLATE "C" PRIMARY KEY,
    last BIGINT NOT NULL
);

CREATE TABLE stream (
    agency TEXT COLLATE "C" NOT NULL,
    id BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (agency, id)
);

CREATE TABLE outbox (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, -- gaps and late commits do no harm
    agency TEXT COLLATE "C" NOT NULL,
    target_kind TEXT COLLATE "C" NOT NULL, -- officer, desk or device
    target TEXT COLLATE "C" NOT NULL, -- empty for the desk
    key TEXT COLLATE "C" NOT NULL,
    payload TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL, -- queued, accepted or expired
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL
);

CREATE INDEX outbox_queued ON outbox (id) WHERE state = 'queued';
CREATE INDEX outbox_settled ON outbox (created_at) WHERE state <> 'queued';

CREATE TABLE checkpoint (
    agency TEXT COLLATE "C" NOT NULL,
    wearer TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    partition BIGINT NOT NULL,
    now BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    newest BIGINT NOT NULL, -- 1 for the newest of its wearer
    kept BIGINT NOT NULL, -- 1 for the first of its hour
    body BYTEA NOT NULL,
    PRIMARY KEY (agency, wearer, position)
);

CREATE INDEX checkpoint_newest ON checkpoint (partition, agency, wearer) WHERE newest = 1;
CREATE INDEX checkpoint_passing ON checkpoint (agency, wearer) WHERE newest = 0 AND kept = 0;
CREATE INDEX checkpoint_old ON checkpoint (now) WHERE newest = 0;

-- Reports of one wearer and hour, compressed; grows by appending. An empty wearer stands for nobody.
CREATE TABLE block (
    agency TEXT COLLATE "C" NOT NULL,
    wearer TEXT COLLATE "C" NOT NULL,
    hour BIGINT NOT NULL,
    partition BIGINT NOT NULL,
    last_position BIGINT NOT NULL,
    last_now BIGINT NOT NULL,
    reports BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (agency, wearer, hour, partition)
);

-- They are compressed already.
ALTER TABLE block ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE INDEX block_last ON block (last_now);

-- The newest unreadable messages of each device, and how many there were. An empty device stands for none known.
CREATE TABLE quarantine (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    agency TEXT COLLATE "C" NOT NULL,
    device TEXT COLLATE "C" NOT NULL,
    received_at BIGINT NOT NULL,
    topic TEXT COLLATE "C" NOT NULL,
    bytes BYTEA NOT NULL,
    length BIGINT NOT NULL,
    problem TEXT COLLATE "C" NOT NULL
);

CREATE INDEX quarantine_device ON quarantine (agency, device, id);

CREATE TABLE quarantine_count (
    agency TEXT COLLATE "C" NOT NULL,
    device TEXT COLLATE "C" NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (agency, device)
);

CREATE TABLE last_seen (
    agency TEXT COLLATE "C" NOT NULL,
    device TEXT COLLATE "C" NOT NULL,
    wearer TEXT COLLATE "C",
    contact_at BIGINT NOT NULL,
    reported_at BIGINT NOT NULL,
    lat BIGINT, -- 1e-7 degree, null where no fix is known; so are the five columns after it
    lon BIGINT,
    accuracy_m DOUBLE PRECISION,
    accuracy_defaulted BIGINT,
    source TEXT COLLATE "C",
    taken_at BIGINT,
    received_at BIGINT,
    battery BIGINT,
    charging BIGINT,
    strap TEXT COLLATE "C",
    case_state TEXT COLLATE "C",
    PRIMARY KEY (agency, device)
);

CREATE TABLE session (
    secret BYTEA PRIMARY KEY,
    token TEXT COLLATE "C" NOT NULL,
    opened_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
