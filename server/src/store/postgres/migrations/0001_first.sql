-- Times are Unix milliseconds, UTC. Objects without fixed columns are JSON text (jsonb would refuse some valid texts).
-- Ids compare byte by byte, whatever the language of the database.

-- The place in the change feed is taken from this row as the last thing before a commit. The row stays locked until the
-- commit is done, so places become visible in their order and a reader never passes one that comes later.
CREATE TABLE counters (
    only_row   boolean PRIMARY KEY CHECK (only_row),
    change_seq bigint  NOT NULL
) WITH (fillfactor = 10);
INSERT INTO counters (only_row, change_seq) VALUES (true, 0);

CREATE SEQUENCE upload_numbers;

CREATE TABLE uploads (
    n            bigint PRIMARY KEY,
    id           text   COLLATE "C" NOT NULL,
    team         text   COLLATE "C" NOT NULL,
    mode         text   COLLATE "C" NOT NULL CHECK (mode IN ('test', 'live')),
    status       text   COLLATE "C" NOT NULL,
    content      text   NOT NULL,
    scheduled_at bigint,
    timezone     text,
    external_id  text   COLLATE "C",
    version      bigint NOT NULL,
    change_seq   bigint NOT NULL,
    created_at   bigint NOT NULL,
    updated_at   bigint NOT NULL
);
-- One upload, and the list newest first: ids begin with the time.
CREATE UNIQUE INDEX uploads_by_id ON uploads (team, mode, id);
CREATE UNIQUE INDEX uploads_by_change ON uploads (team, mode, change_seq);
CREATE INDEX uploads_by_external_id ON uploads (team, mode, external_id, id) WHERE external_id IS NOT NULL;

-- n is the upload's n * 64 + position: the targets of an upload lie together, in the order asked for,
-- and need no index of their own.
CREATE TABLE targets (
    n            bigint   PRIMARY KEY,
    -- Checked at the commit: a new upload is stored after its targets, when it gets its place in the change feed.
    upload       bigint   NOT NULL REFERENCES uploads (n) DEFERRABLE INITIALLY DEFERRED,
    id           text     COLLATE "C" NOT NULL,
    team         text     COLLATE "C" NOT NULL,
    mode         text     COLLATE "C" NOT NULL,
    account_id   text     COLLATE "C" NOT NULL,
    platform     text     COLLATE "C" NOT NULL,
    board        text     COLLATE "C" NOT NULL,
    phase        smallint NOT NULL CHECK (phase BETWEEN 0 AND 10),
    fence        bigint   NOT NULL,
    due_at       bigint   NOT NULL,
    scheduled_at bigint   NOT NULL,
    send_until   bigint   NOT NULL,
    lease_until  bigint,
    attempts     bigint   NOT NULL,
    setbacks     bigint   NOT NULL,
    content      text     NOT NULL,
    fingerprint  text     COLLATE "C" NOT NULL,
    attempt      text,
    prepared     text,
    remote_id    text     COLLATE "C",
    remote_url   text,
    published_at bigint,
    error        text,
    sentinel_at  bigint,
    -- Whoever may send has a lease that ends, or the target could be lost.
    CHECK (phase NOT IN (2, 3) OR lease_until IS NOT NULL),
    CHECK (phase IN (2, 3, 4) OR lease_until IS NULL),
    CHECK (upload = n >> 6)
);
-- What waits in a lane, by time (scheduled, waiting).
CREATE INDEX targets_queue ON targets (mode, account_id, board, due_at, n) WHERE phase IN (1, 5);
-- At most one target of a lane may send (claimed, armed).
CREATE UNIQUE INDEX targets_sending ON targets (mode, account_id, board) WHERE phase IN (2, 3);
-- Contents that a look could not tell apart: those that wait, and the one that is under way or in doubt.
CREATE INDEX targets_twins_waiting ON targets (mode, account_id, fingerprint, board) WHERE phase IN (1, 5);
CREATE UNIQUE INDEX targets_twins_under_way ON targets (mode, account_id, fingerprint) WHERE phase IN (2, 3, 4);
-- What a person has to judge, for looks that may see its post.
CREATE INDEX targets_in_review ON targets (mode, account_id, fingerprint) WHERE phase = 10;
-- What has waited too long.
CREATE INDEX targets_late ON targets (send_until) WHERE phase IN (1, 5);
CREATE INDEX targets_by_lease ON targets (lease_until) WHERE phase IN (2, 3, 4) AND lease_until IS NOT NULL;
-- Doubts by their next look, second looks for a duplicate by their time.
CREATE INDEX targets_by_look ON targets (due_at) WHERE phase = 4 AND lease_until IS NULL;
CREATE INDEX targets_by_sentinel ON targets (sentinel_at) WHERE phase = 6 AND sentinel_at IS NOT NULL;
-- What waits for a person.
CREATE INDEX targets_review ON targets (team, mode) WHERE phase = 10;
-- A post on a network belongs to one target.
CREATE UNIQUE INDEX targets_by_remote_id ON targets (mode, account_id, remote_id) WHERE remote_id IS NOT NULL;

-- The pace of an account: when something of it can go on. Every change of its targets locks this row first, so that
-- changes of one account come one after the other, and nodes that look for work pass by what is locked.
CREATE TABLE pace (
    mode        text   COLLATE "C" NOT NULL,
    account_id  text   COLLATE "C" NOT NULL,
    platform    text   COLLATE "C" NOT NULL,
    -- Nothing is taken before these: asked for from outside, and found from the write limit.
    held_until  bigint,
    -- Code of what it is held for.
    held_for    text,
    limit_until bigint,
    -- When something of it was taken last: accounts that wait take turns.
    served_at   bigint,
    -- The earliest time at which a lane can go on; null when none waits.
    next_at     bigint,
    PRIMARY KEY (mode, account_id)
) WITH (fillfactor = 50);
CREATE INDEX pace_by_next ON pace (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX pace_by_served ON pace (served_at);

-- A lane is a board of an account (or the account, where a network has no boards): its posts go out one after the other.
-- The row says when the lane can go on, so that finding work costs the same however long the queues are.
CREATE TABLE lanes (
    mode       text    COLLATE "C" NOT NULL,
    account_id text    COLLATE "C" NOT NULL,
    board      text    COLLATE "C" NOT NULL,
    -- The due time of the first that has no twin under way.
    head_due   bigint,
    busy       boolean NOT NULL,
    PRIMARY KEY (mode, account_id, board)
) WITH (fillfactor = 50);
CREATE INDEX lanes_ready ON lanes (mode, account_id, head_due) WHERE NOT busy AND head_due IS NOT NULL;

-- The intent row: stored before a request that publishes leaves. outcome is null while it may be under way.
CREATE TABLE attempts (
    target      bigint NOT NULL REFERENCES targets (n),
    number      bigint NOT NULL,
    team        text   COLLATE "C" NOT NULL,
    mode        text   COLLATE "C" NOT NULL,
    account_id  text   COLLATE "C" NOT NULL,
    target_id   text   COLLATE "C" NOT NULL,
    fence       bigint NOT NULL,
    fingerprint text   NOT NULL,
    deadline    bigint NOT NULL,
    opened_at   bigint NOT NULL,
    outcome     text,
    closed_at   bigint,
    baseline    bytea,
    PRIMARY KEY (target, number)
);
CREATE UNIQUE INDEX attempts_open ON attempts (target) WHERE outcome IS NULL;
-- How much of its write limit an account has used.
CREATE INDEX attempts_by_account ON attempts (mode, account_id, opened_at);
CREATE INDEX attempts_baselines ON attempts (team, mode, target_id, number) WHERE baseline IS NOT NULL;

CREATE TABLE events (
    upload    bigint NOT NULL REFERENCES uploads (n) DEFERRABLE INITIALLY DEFERRED,
    seq       bigint GENERATED ALWAYS AS IDENTITY,
    at        bigint NOT NULL,
    kind      text   NOT NULL,
    target_id text,
    detail    text   NOT NULL,
    data      text   NOT NULL,
    PRIMARY KEY (upload, seq)
);

CREATE TABLE idempotency (
    team       text   COLLATE "C" NOT NULL,
    mode       text   COLLATE "C" NOT NULL,
    key        text   COLLATE "C" NOT NULL,
    body_hash  bytea  NOT NULL,
    answer     text   NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (team, mode, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE accounts (
    team               text    COLLATE "C" NOT NULL,
    mode               text    COLLATE "C" NOT NULL,
    id                 text    COLLATE "C" NOT NULL,
    platform           text    NOT NULL,
    name               text,
    scopes             text    NOT NULL,
    usable             boolean NOT NULL,
    connected_at       bigint  NOT NULL,
    access_sealed      bytea   NOT NULL,
    refresh_sealed     bytea,
    access_expires_at  bigint  NOT NULL,
    refresh_expires_at bigint,
    token_version      bigint  NOT NULL,
    -- End of an engine's right to renew the tokens.
    renewing_until     bigint,
    PRIMARY KEY (team, mode, id)
);

CREATE TABLE connects (
    id           text   COLLATE "C" PRIMARY KEY,
    team         text   COLLATE "C" NOT NULL,
    mode         text   COLLATE "C" NOT NULL,
    platform     text   NOT NULL,
    state_hash   bytea  NOT NULL,
    redirect_uri text   NOT NULL,
    return_url   text,
    created_at   bigint NOT NULL,
    expires_at   bigint NOT NULL,
    status       text   NOT NULL CHECK (status IN ('pending', 'exchanging', 'connected', 'failed')),
    account_id   text,
    error        text
);
CREATE UNIQUE INDEX connects_by_state ON connects (state_hash);
CREATE INDEX connects_by_end ON connects (expires_at);

CREATE TABLE api_keys (
    id         text   COLLATE "C" PRIMARY KEY,
    team       text   COLLATE "C" NOT NULL,
    mode       text   COLLATE "C" NOT NULL,
    name       text,
    hash       bytea  NOT NULL,
    scopes     text   NOT NULL,
    accounts   text,
    created_at bigint NOT NULL,
    expires_at bigint,
    revoked_at bigint
);
CREATE INDEX api_keys_by_team ON api_keys (team, id);

CREATE TABLE data_keys (
    team       text   COLLATE "C" NOT NULL,
    version    bigint NOT NULL,
    wrapped    bytea  NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (team, version)
);

CREATE TABLE media (
    team       text    COLLATE "C" NOT NULL,
    mode       text    COLLATE "C" NOT NULL,
    id         text    COLLATE "C" NOT NULL,
    ready      boolean NOT NULL,
    -- 0 while it is not known.
    length     bigint  NOT NULL,
    received   bigint  NOT NULL,
    key        text    COLLATE "C",
    metadata   text,
    state      text,
    facts      text,
    sha256     text    COLLATE "C",
    -- Under which name the content is kept: that of the first file that brought it.
    blob       text    COLLATE "C",
    created_at bigint  NOT NULL,
    expires_at bigint  NOT NULL,
    PRIMARY KEY (team, mode, id)
);
CREATE UNIQUE INDEX media_by_key ON media (team, mode, key) WHERE key IS NOT NULL;
CREATE INDEX media_by_content ON media (team, mode, sha256) WHERE ready;
CREATE INDEX media_by_blob ON media (blob) WHERE blob IS NOT NULL;
CREATE INDEX media_by_end ON media (expires_at);

-- What an engine notes about the database itself.
CREATE TABLE notes (
    name  text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
);

-- Small tables that change with every post: cleaned early, so that they stay small.
ALTER TABLE counters SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE pace SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE lanes SET (autovacuum_vacuum_scale_factor = 0.05);

-- Which uploads name which files.
CREATE TABLE media_uses (
    team   text COLLATE "C" NOT NULL,
    mode   text COLLATE "C" NOT NULL,
    media  text COLLATE "C" NOT NULL,
    upload text COLLATE "C" NOT NULL,
    PRIMARY KEY (team, mode, media, upload)
);
CREATE INDEX media_uses_by_upload ON media_uses (team, mode, upload);

-- Endpoints of webhooks. Each is a lane: one worker at a time, of all nodes, delivers to it.
CREATE TABLE webhooks (
    n               bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id              text    COLLATE "C" NOT NULL,
    team            text    COLLATE "C" NOT NULL,
    mode            text    COLLATE "C" NOT NULL,
    url             text    NOT NULL,
    description     text,
    events          text,
    secret_sealed   bytea   NOT NULL,
    previous_sealed bytea,
    previous_until  bigint,
    enabled         boolean NOT NULL,
    disabled_reason text,
    failing_since   bigint,
    failures        bigint  NOT NULL,
    paused_until    bigint,
    lease_until     bigint,
    fence           bigint  NOT NULL,
    created_at      bigint  NOT NULL
);
CREATE UNIQUE INDEX webhooks_by_id ON webhooks (team, mode, id);

-- What happened, once for all endpoints. Stored in the transaction of the change it tells of.
CREATE TABLE webhook_messages (
    n       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id      text   COLLATE "C" NOT NULL,
    kind    text   NOT NULL,
    subject text   COLLATE "C" NOT NULL,
    body    text   NOT NULL,
    at      bigint NOT NULL
);
CREATE UNIQUE INDEX webhook_messages_by_id ON webhook_messages (id);

-- A message on its way to an endpoint. state: 0 pending, 1 delivered, 2 failed. due_at is null behind an earlier one of the
-- same subject.
CREATE TABLE webhook_deliveries (
    n          bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         text     COLLATE "C" NOT NULL,
    webhook    bigint   NOT NULL REFERENCES webhooks (n) ON DELETE CASCADE,
    message    bigint   NOT NULL REFERENCES webhook_messages (n),
    subject    text     COLLATE "C" NOT NULL,
    state      smallint NOT NULL CHECK (state BETWEEN 0 AND 2),
    due_at     bigint,
    attempts   bigint   NOT NULL,
    created_at bigint   NOT NULL,
    last_at    bigint,
    status     bigint,
    error      text,
    answer     text
);
CREATE UNIQUE INDEX webhook_deliveries_by_id ON webhook_deliveries (webhook, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, due_at) WHERE state = 0 AND due_at IS NOT NULL;
CREATE INDEX webhook_deliveries_order ON webhook_deliveries (webhook, subject, n) WHERE state = 0;
CREATE INDEX webhook_deliveries_behind ON webhook_deliveries (n) WHERE state = 0 AND due_at IS NULL;
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (created_at) WHERE state <> 0;
CREATE INDEX webhook_deliveries_of ON webhook_deliveries (message);
CREATE INDEX webhook_messages_by_age ON webhook_messages (at);

-- Who did what, in every team. place and hash are given by the sealer, afterwards: rows become visible in any order.
CREATE TABLE audit (
    n          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    team       text   COLLATE "C" NOT NULL,
    mode       text   COLLATE "C" NOT NULL,
    at         bigint NOT NULL,
    actor      text   NOT NULL,
    actor_id   text,
    request_id text,
    action     text   NOT NULL,
    object     text   NOT NULL,
    target     text,
    detail     text   NOT NULL,
    data       text   NOT NULL,
    place      bigint,
    hash       bytea
);
CREATE INDEX audit_of_team ON audit (team, mode, n);
CREATE UNIQUE INDEX audit_by_place ON audit (team, place) WHERE place IS NOT NULL;
CREATE INDEX audit_unsealed ON audit (n) WHERE place IS NULL;

-- Where each team's chain ends.
CREATE TABLE audit_heads (
    team  text   COLLATE "C" PRIMARY KEY,
    place bigint NOT NULL,
    hash  bytea  NOT NULL
);

-- Weekly posting times of accounts. Bit 0 of weekdays is Monday; minute counts from local midnight.
CREATE TABLE slots (
    team       text   COLLATE "C" NOT NULL,
    mode       text   COLLATE "C" NOT NULL,
    id         text   COLLATE "C" NOT NULL,
    account_id text   COLLATE "C" NOT NULL,
    weekdays   bigint NOT NULL CHECK (weekdays BETWEEN 1 AND 127),
    minute     bigint NOT NULL CHECK (minute BETWEEN 0 AND 1439),
    timezone   text   COLLATE "C" NOT NULL,
    enabled    boolean NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (team, mode, id)
);
CREATE UNIQUE INDEX slots_once ON slots (team, mode, account_id, minute, timezone, weekdays);

-- Times that were given by a wall clock: newer rules of the zone move the instant, not what the clock shows. With a slot it is the
-- occurrence that the target takes up.
CREATE TABLE wall_times (
    target     bigint PRIMARY KEY REFERENCES targets (n),
    team       text   COLLATE "C" NOT NULL,
    mode       text   COLLATE "C" NOT NULL,
    account_id text   COLLATE "C" NOT NULL,
    local      text   COLLATE "C" NOT NULL,
    zone       text   COLLATE "C" NOT NULL,
    rules      text   COLLATE "C" NOT NULL,
    at         bigint NOT NULL,
    slot_id    text COLLATE "C",
    -- The date of local.
    day        text   COLLATE "C" NOT NULL
);
-- An occurrence of a slot (its local date) takes one target.
CREATE UNIQUE INDEX wall_times_slots ON wall_times (team, mode, account_id, day, slot_id) WHERE slot_id IS NOT NULL;
CREATE INDEX wall_times_by_time ON wall_times (at);
