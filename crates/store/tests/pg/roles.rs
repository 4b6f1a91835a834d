//! The roles of docs/reference/sql/roles.sql, as `psql` makes them.

use std::sync::Arc;

use countersign_evidence::seal::SubjectKey;
use countersign_model::{Diagnostic as _, PersonId};
use countersign_store::postgres::{Address, Options, Postgres};
use countersign_store::subjects::SubjectKeys as _;
use countersign_store::verify::{LogTrust, verify_source};
use countersign_store::{Engine as _, Ledger, Source as _};

use crate::cluster::{Cluster, shared};
use crate::support::{Seen, batch, keyed, keyring, new_ledger, now, signer};

const ROLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/sql/roles.sql");

fn as_user(cluster: &Cluster, user: &str, schema: &str, holds_key: bool) -> Postgres {
    let url = cluster.url(schema).replace("tester@", &format!("{user}@"));
    Postgres::open(Address::parse(&url, None).unwrap(), Options::default(), keyring(holds_key)).unwrap()
}

/// What the database says to a statement of this user; `None` when it does it.
fn refused(cluster: &Cluster, user: &str, sql: &str) -> Option<String> {
    let at = format!("host=127.0.0.1 port={} user={user} dbname=postgres", cluster.port);
    let mut client = postgres::Client::connect(&at, postgres::NoTls).unwrap();
    let error = client.batch_execute(sql).err()?;
    Some(error.as_db_error().unwrap().code().code().to_owned())
}

#[test]
fn roles_can_do_what_they_are_for_and_no_more() {
    let Some(cluster) = shared() else { return };
    drop(new_ledger(cluster, "roles"));
    drop(new_ledger(cluster, "roles_2"));
    let stranger = "create role stranger login";
    cluster.sql(stranger);
    for schema in ["roles", "roles_2", "roles"] {
        // A second ledger in the same cluster, and the same one again, are no error.
        cluster.run("psql", &["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", &format!("schema={schema}"), "-f", ROLES]);
    }
    cluster.sql(
        "create role server login in role countersign_writer; create role auditor login in role countersign_auditor",
    );

    let server = as_user(cluster, "server", "roles", true);
    for n in 0..3 {
        server.append(keyed(&format!("by the writer {n}"), 2), now(n)).unwrap();
    }
    server.publish().unwrap();
    let person = PersonId::from_text("per-00112233445566778899");
    server.put(&person, &SubjectKey::generate().unwrap()).unwrap();
    assert!(server.get(&person).unwrap().is_some());
    server.destroy(&person).unwrap();
    assert_eq!(Seen::of(&server).count("by the writer 2 1"), 1);
    for table in ["entries", "nodes", "blobs", "keys", "commits", "checkpoints", "log_keys", "ledger"] {
        for sql in [
            format!("delete from roles.{table}"),
            format!("truncate roles.{table}"),
            format!("drop table roles.{table}"),
        ] {
            assert_eq!(refused(cluster, "server", &sql).as_deref(), Some("42501"), "{sql}");
        }
    }
    for sql in [
        "update roles.entries set leaf = leaf",
        "update roles.entries set idx = idx + 1",
        "update roles.nodes set hash = hash",
        "update roles.blobs set bytes = bytes",
        "update roles.keys set idx = idx",
        "update roles.commits set size = size",
        "update roles.checkpoints set note = note",
        "update roles.log_keys set note = note",
        "update roles.ledger set vkey = vkey",
        "insert into roles.ledger select * from roles.ledger",
        "delete from roles.head",
        "insert into roles.head select * from roles.head",
        "create table roles.mine (one int)",
        "alter table roles.entries add column mine int",
    ] {
        assert_eq!(refused(cluster, "server", sql).as_deref(), Some("42501"), "{sql}");
    }

    // Removing payloads takes a role of its own; a server's says no, blob by blob, and nothing is lost.
    let remove = |user: &str| {
        let engine = Arc::new(as_user(cluster, user, "roles", true));
        let mut ledger = Ledger::with_engine(engine as _).unwrap();
        ledger.remove_payloads(&[1].into(), &[1].into()).unwrap()
    };
    let refused_by = remove("server");
    assert_eq!((refused_by.removed, refused_by.refused.len()), (0, 1));
    assert!(refused_by.refused[0].1.contains("may not remove payloads"), "{:?}", refused_by.refused);
    cluster.sql("create role disposer login in role countersign_disposer");
    assert_eq!(remove("disposer").removed, 1);
    assert_eq!(refused(cluster, "disposer", "delete from roles.entries").as_deref(), Some("42501"));
    server.append(batch("by the writer 0", 1), now(4)).unwrap();
    server.publish().unwrap();

    let auditor = as_user(cluster, "auditor", "roles", false);
    let trust = LogTrust { vkeys: vec![signer().verifier().clone()], ..LogTrust::default() };
    let report = verify_source(&*auditor.snapshot().unwrap().unwrap(), &trust, &mut |_, _, _| Vec::new()).unwrap();
    assert!(report.problems.is_empty() && report.size == 8, "{:?}", report.problems);
    for sql in [
        "select * from roles.subject_keys",
        "insert into roles.entries select * from roles.entries",
        "update roles.head set size = size",
        "insert into roles.blobs (sha256, part, bytes) values ('', 0, '')",
        "delete from roles.blobs",
    ] {
        assert_eq!(refused(cluster, "auditor", sql).as_deref(), Some("42501"), "{sql}");
    }
    // Who holds the log key and has the auditor's role only is told that it is the role.
    let held = as_user(cluster, "auditor", "roles", true);
    let error = held.append(keyed("by the auditor", 1), now(9)).unwrap_err();
    assert_eq!(error.code(), "CS-PG-008", "{error}");
    // Who has no role sees nothing.
    assert_eq!(refused(cluster, "stranger", "select * from roles.entries").as_deref(), Some("42501"));
    assert_eq!(refused(cluster, "stranger", "select * from roles.ledger").as_deref(), Some("42501"));
    // To the auditor the ledger is one without keys of people.
    server.put(&person, &SubjectKey::generate().unwrap()).unwrap();
    assert!(server.reads_subject_keys() && !auditor.reads_subject_keys() && !auditor.are_kept());
    assert!(auditor.get(&person).unwrap().is_none());
    assert_eq!(auditor.read(&format!("subjects/{person}.key"), 100).unwrap(), None);
    assert_eq!(auditor.list("subjects").unwrap(), Some(Vec::new()));
    assert_eq!(auditor.put(&person, &SubjectKey::generate().unwrap()).unwrap_err().code(), "CS-PG-008");
}
