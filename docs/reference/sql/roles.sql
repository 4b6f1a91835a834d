-- Roles of a ledger in PostgreSQL, with no more than each needs. Run it as the owner of the schema, after the ledger was
-- made (`countersign init --ledger postgres://OWNER@HOST/DB`):
--
--     psql "postgres://OWNER@HOST/DB" -v schema=countersign -f roles.sql
--
-- Roles belong to the whole server: they are made once, and given their rights in each ledger's schema. It may be run
-- again.
--
-- The owner of the schema can do anything in it. Make the ledger with it, then keep its password away from the servers.

-- Servers that append. They never change or delete an entry, a node of the tree, a blob, a transaction, a checkpoint or an
-- exchange of keys.
select 'create role countersign_writer nologin' where not exists
    (select from pg_roles where rolname = 'countersign_writer') \gexec
grant usage on schema :"schema" to countersign_writer;
grant select, insert on :"schema".entries, :"schema".nodes, :"schema".blobs, :"schema".keys, :"schema".commits,
    :"schema".checkpoints, :"schema".log_keys to countersign_writer;
grant select on :"schema".ledger to countersign_writer;
grant select, update on :"schema".head to countersign_writer;
grant select, insert, update on :"schema".streams to countersign_writer;
-- Deleting a person's key is the erasure of their data.
grant select, insert, update, delete on :"schema".subject_keys to countersign_writer;

-- Disposal (`ledger dispose`): all that a server may, and to delete blobs. Who is to have it is for two people to say each
-- time; give it to a login that is used for nothing else.
select 'create role countersign_disposer nologin' where not exists
    (select from pg_roles where rolname = 'countersign_disposer') \gexec
grant countersign_writer to countersign_disposer;
grant delete on :"schema".blobs to countersign_disposer;

-- Auditors. They read everything but the keys of people, so names stay sealed to them.
select 'create role countersign_auditor nologin' where not exists
    (select from pg_roles where rolname = 'countersign_auditor') \gexec
grant usage on schema :"schema" to countersign_auditor;
grant select on :"schema".ledger, :"schema".head, :"schema".entries, :"schema".nodes, :"schema".blobs, :"schema".streams,
    :"schema".keys, :"schema".commits, :"schema".checkpoints, :"schema".log_keys to countersign_auditor;
