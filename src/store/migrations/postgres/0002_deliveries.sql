-- Who is told of an alert, over which channels, how often it was tried, and who comes next when nobody acknowledges.
--
-- A row of the outbox is one notification to one receiver over one channel. `next_at` is when it may be taken: for one
-- that is `sending`, when its lease has run out. What was queued before this release goes on as it was.

ALTER TABLE outbox ADD COLUMN channel TEXT COLLATE "C" NOT NULL DEFAULT 'mqtt';
ALTER TABLE outbox ADD COLUMN alert TEXT COLLATE "C"; -- null for what is about no alert
ALTER TABLE outbox ADD COLUMN revision BIGINT;
ALTER TABLE outbox ADD COLUMN priority BIGINT NOT NULL DEFAULT 0; -- higher goes first
ALTER TABLE outbox ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN owner TEXT COLLATE "C"; -- who has leased it; null for nobody
ALTER TABLE outbox ADD COLUMN routed BIGINT NOT NULL DEFAULT 1; -- 0 until the other channels have their rows
ALTER TABLE outbox ADD COLUMN settled_at BIGINT; -- when it came to its last state

-- A day, as that release had it.
UPDATE outbox SET expires_at = created_at + 86400000;
UPDATE outbox SET alert = substr(key, 1, strpos(key, '/') - 1) WHERE target_kind <> 'device' AND strpos(key, '/') > 0;
UPDATE outbox SET settled_at = created_at WHERE state <> 'queued';

DROP INDEX outbox_queued;
DROP INDEX outbox_settled;
CREATE INDEX outbox_open ON outbox (channel, next_at) WHERE state IN ('queued', 'sending');
CREATE INDEX outbox_settled ON outbox (created_at) WHERE state NOT IN ('queued', 'sending');
CREATE INDEX outbox_unrouted ON outbox (id) WHERE routed = 0;
CREATE INDEX outbox_alert ON outbox (agency, alert, id) WHERE alert IS NOT NULL;
CREATE INDEX outbox_dead ON outbox (settled_at) WHERE state = 'dead';
-- What the engine commits is numbered by it; all other rows have a key of their own, so that queuing twice is once.
CREATE UNIQUE INDEX outbox_key ON outbox (agency, key) WHERE channel <> 'mqtt';

CREATE TABLE outbox_attempt (
    outbox BIGINT NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
    number BIGINT NOT NULL, -- from 1
    at BIGINT NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (outbox, number)
);

-- The officers who have been told of an alert, for good: they get its revisions, whoever is responsible by then.
CREATE TABLE alert_told (
    agency TEXT COLLATE "C" NOT NULL,
    alert TEXT COLLATE "C" NOT NULL,
    officer TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (agency, alert, officer),
    FOREIGN KEY (agency, alert) REFERENCES alert (agency, id)
);

INSERT INTO alert_told (agency, alert, officer)
    SELECT DISTINCT agency, alert, officer FROM alert_revision WHERE officer IS NOT NULL AND kind <> 'repeated';

-- Who comes next, pinned when the alert was opened; gone once somebody has acknowledged, or its last step is done.
CREATE TABLE ladder (
    agency TEXT COLLATE "C" NOT NULL,
    alert TEXT COLLATE "C" NOT NULL,
    step BIGINT NOT NULL, -- the step to come, from 0
    due_at BIGINT NOT NULL,
    plan TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (agency, alert),
    FOREIGN KEY (agency, alert) REFERENCES alert (agency, id)
);

CREATE INDEX ladder_due ON ladder (due_at);
