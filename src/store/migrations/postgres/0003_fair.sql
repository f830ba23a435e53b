-- Whom a ladder waits for, what can't be read, and letters that are sent again.
--
-- A ladder of an earlier release names nobody: any officer's dead letter hurries it, as it did then.

ALTER TABLE ladder ADD COLUMN waits_for TEXT COLLATE "C"; -- the officer who was told last; null where that is not known
ALTER TABLE ladder ADD COLUMN damaged BIGINT NOT NULL DEFAULT 0; -- 1 where it can't be read and nobody climbs it

DROP INDEX ladder_due;
CREATE INDEX ladder_due ON ladder (due_at) WHERE damaged = 0;
CREATE INDEX ladder_damaged ON ladder (agency, alert) WHERE damaged = 1;

ALTER TABLE outbox ADD COLUMN tried_before BIGINT NOT NULL DEFAULT 0; -- attempts before somebody sent it again
ALTER TABLE outbox ADD COLUMN since BIGINT; -- from when its attempts are counted; null for when it was made

ALTER TABLE outbox_attempt ADD COLUMN actor TEXT COLLATE "C"; -- who sent it again; null for the service

CREATE INDEX outbox_sending ON outbox (channel) WHERE state = 'sending';
CREATE INDEX outbox_receiver ON outbox (channel, agency, target_kind, target, id) WHERE state IN ('queued', 'sending');
