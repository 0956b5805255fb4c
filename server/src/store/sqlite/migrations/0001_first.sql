-- Times are Unix milliseconds, UTC. Objects without fixed columns are JSON text.

-- Two counters that only go up, written once per transaction by the writer.
CREATE TABLE counters (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    change_seq INTEGER NOT NULL,
    event_seq  INTEGER NOT NULL
) STRICT;
INSERT INTO counters (only_row, change_seq, event_seq) VALUES (1, 0, 0);

CREATE TABLE uploads (
    n            INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL,
    team         TEXT    NOT NULL,
    mode         TEXT    NOT NULL CHECK (mode IN ('test', 'live')),
    status       TEXT    NOT NULL,
    content      TEXT    NOT NULL,
    scheduled_at INTEGER,
    timezone     TEXT,
    external_id  TEXT,
    version      INTEGER NOT NULL,
    change_seq   INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;
-- One upload, and the list newest first: ids begin with the time.
CREATE UNIQUE INDEX uploads_by_id ON uploads (team, mode, id);
CREATE UNIQUE INDEX uploads_by_change ON uploads (team, mode, change_seq);
CREATE INDEX uploads_by_external_id ON uploads (team, mode, external_id, id) WHERE external_id IS NOT NULL;

-- n is the upload's n * 64 + position: the targets of an upload lie together, in the order asked for,
-- and need no index of their own.
CREATE TABLE targets (
    n            INTEGER PRIMARY KEY,
    upload       INTEGER NOT NULL REFERENCES uploads (n),
    id           TEXT    NOT NULL,
    team         TEXT    NOT NULL,
    mode         TEXT    NOT NULL,
    account_id   TEXT    NOT NULL,
    platform     TEXT    NOT NULL,
    board        TEXT    NOT NULL,
    phase        INTEGER NOT NULL CHECK (phase BETWEEN 0 AND 10),
    fence        INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    scheduled_at INTEGER NOT NULL,
    send_until   INTEGER NOT NULL,
    lease_until  INTEGER,
    attempts     INTEGER NOT NULL,
    setbacks     INTEGER NOT NULL,
    content      TEXT    NOT NULL,
    fingerprint  TEXT    NOT NULL,
    attempt      TEXT,
    prepared     TEXT,
    remote_id    TEXT,
    remote_url   TEXT,
    published_at INTEGER,
    error        TEXT,
    sentinel_at  INTEGER,
    -- Whoever works on a target has a lease that ends, or the target could be lost: always while it is claimed or armed (2, 3),
    -- during a look while it is in doubt (4).
    CHECK (CASE WHEN phase IN (2, 3) THEN lease_until IS NOT NULL WHEN phase = 4 THEN 1 ELSE lease_until IS NULL END),
    CHECK (upload = n >> 6)
) STRICT;
-- What waits in a lane, by time (scheduled, waiting).
CREATE INDEX targets_queue ON targets (mode, account_id, board, due_at) WHERE phase IN (1, 5);
-- At most one target of a lane is under way (claimed, armed).
CREATE UNIQUE INDEX targets_under_way ON targets (mode, account_id, board) WHERE phase IN (2, 3);
-- Of those that a look could not tell apart at most one is under way or in doubt (claimed, armed, reconciling).
CREATE UNIQUE INDEX targets_alone ON targets (mode, account_id, fingerprint) WHERE phase IN (2, 3, 4);
-- What a person has to judge, for looks that may see its post.
CREATE INDEX targets_in_review ON targets (mode, account_id, fingerprint) WHERE phase = 10;
-- What has waited too long.
CREATE INDEX targets_late ON targets (send_until) WHERE phase IN (1, 5);
CREATE INDEX targets_by_lease ON targets (lease_until) WHERE lease_until IS NOT NULL;
-- What is to be looked for next.
CREATE INDEX targets_looks ON targets (due_at) WHERE phase = 4 AND lease_until IS NULL;
CREATE INDEX targets_sentinels ON targets (sentinel_at) WHERE phase = 6 AND sentinel_at IS NOT NULL;
-- What waits for a person.
CREATE INDEX targets_review ON targets (team, mode) WHERE phase = 10;
-- A post on a network belongs to one target.
CREATE UNIQUE INDEX targets_by_remote_id ON targets (mode, account_id, remote_id) WHERE remote_id IS NOT NULL;

-- A lane is a board of an account (or the account, where a network has no boards): its posts go out one after the other.
-- The row says when the lane can go on, so that finding work costs the same however long the queues are.
CREATE TABLE lanes (
    mode       TEXT    NOT NULL,
    account_id TEXT    NOT NULL,
    board      TEXT    NOT NULL,
    head_due   INTEGER,
    busy       INTEGER NOT NULL CHECK (busy IN (0, 1)),
    PRIMARY KEY (mode, account_id, board)
) STRICT, WITHOUT ROWID;
CREATE INDEX lanes_ready ON lanes (mode, account_id, head_due) WHERE busy = 0 AND head_due IS NOT NULL;

-- Accounts take turns, whatever they have in their lanes. turn_at is null when no lane can go on, else the latest of: the first
-- head_due of a free lane, open_at (it is held until then), room_at (its write limit is used up until then), served_at
-- (its last turn).
CREATE TABLE turns (
    mode       TEXT    NOT NULL,
    account_id TEXT    NOT NULL,
    open_at    INTEGER NOT NULL,
    -- Code of what it is held for.
    held_for   TEXT,
    room_at    INTEGER NOT NULL,
    served_at  INTEGER NOT NULL,
    turn_at    INTEGER,
    PRIMARY KEY (mode, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX turns_next ON turns (turn_at) WHERE turn_at IS NOT NULL;
CREATE INDEX turns_by_served ON turns (served_at);

-- The intent row: stored before a request that publishes leaves. outcome is null while it may be under way.
CREATE TABLE attempts (
    target      INTEGER NOT NULL REFERENCES targets (n),
    number      INTEGER NOT NULL,
    mode        TEXT    NOT NULL,
    account_id  TEXT    NOT NULL,
    fence       INTEGER NOT NULL,
    fingerprint TEXT    NOT NULL,
    deadline    INTEGER NOT NULL,
    opened_at   INTEGER NOT NULL,
    outcome     TEXT,
    closed_at   INTEGER,
    PRIMARY KEY (target, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX attempts_open ON attempts (target) WHERE outcome IS NULL;
-- How many an account made of late, for its write limit.
CREATE INDEX attempts_of_account ON attempts (mode, account_id, opened_at);

-- What existed before an attempt: hashed ids, 8 bytes each. Kept until the target has ended.
CREATE TABLE baselines (
    n         INTEGER PRIMARY KEY,
    team      TEXT    NOT NULL,
    mode      TEXT    NOT NULL,
    target_id TEXT    NOT NULL,
    number    INTEGER NOT NULL,
    ids       BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX baselines_by_target ON baselines (team, mode, target_id, number);

CREATE TABLE events (
    upload    INTEGER NOT NULL REFERENCES uploads (n),
    seq       INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    target_id TEXT,
    detail    TEXT    NOT NULL,
    data      TEXT    NOT NULL,
    PRIMARY KEY (upload, seq)
) STRICT, WITHOUT ROWID;

-- n follows the time of creation: forgetting starts at the lowest.
CREATE TABLE idempotency (
    n          INTEGER PRIMARY KEY,
    team       TEXT    NOT NULL,
    mode       TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    body_hash  BLOB    NOT NULL,
    answer     TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX idempotency_by_key ON idempotency (team, mode, key);

CREATE TABLE accounts (
    team               TEXT    NOT NULL,
    mode               TEXT    NOT NULL,
    id                 TEXT    NOT NULL,
    platform           TEXT    NOT NULL,
    name               TEXT,
    scopes             TEXT    NOT NULL,
    usable             INTEGER NOT NULL CHECK (usable IN (0, 1)),
    connected_at       INTEGER NOT NULL,
    access_sealed      BLOB    NOT NULL,
    refresh_sealed     BLOB,
    access_expires_at  INTEGER NOT NULL,
    refresh_expires_at INTEGER,
    token_version      INTEGER NOT NULL,
    -- End of an engine's right to renew the tokens.
    renewing_until     INTEGER,
    PRIMARY KEY (team, mode, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE connects (
    id           TEXT    PRIMARY KEY,
    team         TEXT    NOT NULL,
    mode         TEXT    NOT NULL,
    platform     TEXT    NOT NULL,
    state_hash   BLOB    NOT NULL,
    redirect_uri TEXT    NOT NULL,
    return_url   TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    status       TEXT    NOT NULL CHECK (status IN ('pending', 'exchanging', 'connected', 'failed')),
    account_id   TEXT,
    error        TEXT
) STRICT;
CREATE UNIQUE INDEX connects_by_state ON connects (state_hash);

CREATE TABLE api_keys (
    id         TEXT    PRIMARY KEY,
    team       TEXT    NOT NULL,
    mode       TEXT    NOT NULL,
    name       TEXT,
    hash       BLOB    NOT NULL,
    scopes     TEXT    NOT NULL,
    accounts   TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX api_keys_by_team ON api_keys (team, id);

CREATE TABLE data_keys (
    team       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    wrapped    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (team, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE media (
    team       TEXT    NOT NULL,
    mode       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    ready      INTEGER NOT NULL CHECK (ready IN (0, 1)),
    -- 0 while it is not known.
    length     INTEGER NOT NULL,
    received   INTEGER NOT NULL,
    key        TEXT,
    metadata   TEXT,
    state      TEXT,
    facts      TEXT,
    sha256     TEXT,
    -- Under which name the content is kept: that of the first file that brought it.
    blob       TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (team, mode, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX media_by_key ON media (team, mode, key) WHERE key IS NOT NULL;
CREATE INDEX media_by_content ON media (team, mode, sha256) WHERE ready = 1;
CREATE INDEX media_by_blob ON media (blob) WHERE blob IS NOT NULL;
CREATE INDEX media_by_end ON media (expires_at);

-- What an engine notes about the database itself.
CREATE TABLE notes (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Which uploads name which files.
CREATE TABLE media_uses (
    team   TEXT NOT NULL,
    mode   TEXT NOT NULL,
    media  TEXT NOT NULL,
    upload TEXT NOT NULL,
    PRIMARY KEY (team, mode, media, upload)
) STRICT, WITHOUT ROWID;
CREATE INDEX media_uses_by_upload ON media_uses (team, mode, upload);

-- Endpoints of webhooks. Each is a lane: one worker at a time delivers to it.
CREATE TABLE webhooks (
    n               INTEGER PRIMARY KEY,
    id              TEXT    NOT NULL,
    team            TEXT    NOT NULL,
    mode            TEXT    NOT NULL CHECK (mode IN ('test', 'live')),
    url             TEXT    NOT NULL,
    description     TEXT,
    events          TEXT,
    secret_sealed   BLOB    NOT NULL,
    previous_sealed BLOB,
    previous_until  INTEGER,
    enabled         INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    disabled_reason TEXT,
    failing_since   INTEGER,
    failures        INTEGER NOT NULL,
    paused_until    INTEGER,
    lease_until     INTEGER,
    fence           INTEGER NOT NULL,
    created_at      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX webhooks_by_id ON webhooks (team, mode, id);

-- What happened, once for all endpoints. Stored in the transaction of the change it tells of.
CREATE TABLE webhook_messages (
    n       INTEGER PRIMARY KEY,
    id      TEXT    NOT NULL,
    kind    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    body    TEXT    NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX webhook_messages_by_id ON webhook_messages (id);

-- A message on its way to an endpoint. state: 0 pending, 1 delivered, 2 failed. due_at is null behind an earlier one of the
-- same subject.
CREATE TABLE webhook_deliveries (
    n          INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL,
    webhook    INTEGER NOT NULL REFERENCES webhooks (n),
    message    INTEGER NOT NULL REFERENCES webhook_messages (n),
    subject    TEXT    NOT NULL,
    state      INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2),
    due_at     INTEGER,
    attempts   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_at    INTEGER,
    status     INTEGER,
    error      TEXT,
    answer     TEXT
) STRICT;
CREATE UNIQUE INDEX webhook_deliveries_by_id ON webhook_deliveries (webhook, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, due_at) WHERE state = 0 AND due_at IS NOT NULL;
CREATE INDEX webhook_deliveries_order ON webhook_deliveries (webhook, subject, n) WHERE state = 0;
CREATE INDEX webhook_deliveries_behind ON webhook_deliveries (n) WHERE state = 0 AND due_at IS NULL;
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (created_at) WHERE state <> 0;
CREATE INDEX webhook_deliveries_of ON webhook_deliveries (message);
CREATE INDEX webhook_messages_by_age ON webhook_messages (at);

-- Who did what, in every team. place and hash are given by the sealer, afterwards.
CREATE TABLE audit (
    n          INTEGER PRIMARY KEY AUTOINCREMENT,
    team       TEXT    NOT NULL,
    mode       TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    actor      TEXT    NOT NULL,
    actor_id   TEXT,
    request_id TEXT,
    action     TEXT    NOT NULL,
    object     TEXT    NOT NULL,
    target     TEXT,
    detail     TEXT    NOT NULL,
    data       TEXT    NOT NULL,
    place      INTEGER,
    hash       BLOB
) STRICT;
CREATE INDEX audit_of_team ON audit (team, mode, n);
CREATE UNIQUE INDEX audit_by_place ON audit (team, place) WHERE place IS NOT NULL;

-- Where each team's chain ends, and up to which row all are sealed.
CREATE TABLE audit_heads (
    team  TEXT    PRIMARY KEY,
    place INTEGER NOT NULL,
    hash  BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_sealed (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    n        INTEGER NOT NULL
) STRICT;
INSERT INTO audit_sealed (only_row, n) VALUES (1, 0);

-- Weekly posting times of accounts. Bit 0 of weekdays is Monday; minute counts from local midnight.
CREATE TABLE slots (
    team       TEXT    NOT NULL,
    mode       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    account_id TEXT    NOT NULL,
    weekdays   INTEGER NOT NULL CHECK (weekdays BETWEEN 1 AND 127),
    minute     INTEGER NOT NULL CHECK (minute BETWEEN 0 AND 1439),
    timezone   TEXT    NOT NULL,
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (team, mode, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX slots_once ON slots (team, mode, account_id, minute, timezone, weekdays);

-- Times that were given by a wall clock: newer rules of the zone move the instant, not what the clock shows. With a slot it is the
-- occurrence that the target takes up.
CREATE TABLE wall_times (
    target     INTEGER PRIMARY KEY REFERENCES targets (n),
    team       TEXT    NOT NULL,
    mode       TEXT    NOT NULL,
    account_id TEXT    NOT NULL,
    local      TEXT    NOT NULL,
    zone       TEXT    NOT NULL,
    rules      TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    slot_id    TEXT,
    -- The date of local.
    day        TEXT    NOT NULL
) STRICT;
-- An occurrence of a slot (its local date) takes one target.
CREATE UNIQUE INDEX wall_times_slots ON wall_times (team, mode, account_id, day, slot_id) WHERE slot_id IS NOT NULL;
CREATE INDEX wall_times_by_time ON wall_times (at);
