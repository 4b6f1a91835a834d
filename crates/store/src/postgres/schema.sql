-- The tables of one ledger. `@` is the schema; `countersign` fills it in. Only this is used of SQL here: tables, primary
-- keys, checks, bigint, int, bytea and text, which PostgreSQL 15, CockroachDB and YugabyteDB document alike.
--
-- Evidence is what `entries` and `blobs` hold. All else follows from it, or is signed, or is sealed by the log key.

-- What the ledger is. One row; that it is there means that the ledger is there.
create table if not exists @.ledger (
    one    int primary key check (one = 1),
    format int not null,
    origin text not null,
    vkey   text not null,
    salt   text not null
);

-- The sequencer: one row, locked by whoever appends.
create table if not exists @.head (
    one        int primary key check (one = 1),
    size       bigint not null,   -- entries that are appended
    root       bytea not null,    -- of the tree over them
    epoch      bigint not null,   -- how many transactions have appended
    last_time  bigint not null,   -- of the last entry, in milliseconds since 1970 (UTC)
    seal       bytea not null,    -- HMAC over the columns above, by a key derived from the log key
    checkpoint text not null      -- the signed note that was published last
);

-- The log.
create table if not exists @.entries (
    idx  bigint primary key,
    leaf bytea not null,          -- canonical JSON
    hash bytea not null           -- RFC 6962 leaf hash
);

-- The tree above the leaves: node `idx` of level L covers the entries from idx * 256^L on, 256^L of them.
create table if not exists @.nodes (
    level int not null,
    idx   bigint not null,
    hash  bytea not null,
    primary key (level, idx)
);

-- Payloads and attachments, in parts of 512 KiB.
create table if not exists @.blobs (
    sha256 bytea not null,
    part   int not null,
    bytes  bytea not null,
    primary key (sha256, part)
);

-- How many entries each stream has. Follows from the entries.
create table if not exists @.streams (
    stream  text primary key,
    version bigint not null
);

-- Where the batch with an idempotency key begins. Follows from the entries.
create table if not exists @.keys (
    key text primary key,
    idx bigint not null unique
);

-- One row for each transaction that appended: by it a server whose connection broke sees whether its transaction stands.
create table if not exists @.commits (
    epoch bigint primary key,
    id    bytea not null,         -- random, the transaction's own
    size  bigint not null,        -- after it
    root  bytea not null
);

-- Every checkpoint that was published.
create table if not exists @.checkpoints (
    size bigint primary key,
    note text not null
);

-- Keys that seal people's data. Deleting one is the erasure of that person's data.
create table if not exists @.subject_keys (
    person text primary key,
    key    text not null
);

-- Exchanges of the log's keys, by the entry that says so. Follows from the entries; the first key stands in `ledger`.
create table if not exists @.log_keys (
    idx    bigint primary key,
    note   text,                  -- a rotation: the note that the old and the new key signed
    second text                   -- a second key: its verifier key, empty when it is retired
);
