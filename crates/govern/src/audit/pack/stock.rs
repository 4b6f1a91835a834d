//! What people need who check a pack without this program: keys, signed statements and proofs in the forms of other tools,
//! and a page that says what to type.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::machine::MachinePublicKey;
use countersign_model::audit::PackTimestamp;
use countersign_model::event::EvidencePack;
use serde_json::Value;

use super::{Put, View};
use crate::Error;

/// The proof that each entry of a deployment is in the log, and each person's statement with its signature.
pub(super) fn proofs(view: View<'_>, document: &Value, put: &mut dyn Put) -> Result<(), Error> {
    let entries: Vec<u64> = document["entries"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    of_entries(view, &entries, put)
}

/// The same for some entries.
pub(super) fn of_entries(view: View<'_>, entries: &[u64], put: &mut dyn Put) -> Result<(), Error> {
    let ledger = view.ledger;
    for index in entries.iter().copied() {
        let name = format!("proofs/{index}.tlog-proof");
        if put.has(&name) {
            continue;
        }
        put.add(&name, ledger.receipt(index)?.to_text().as_bytes())?;
        put.add(&format!("proofs/{index}.entry"), &ledger.entry_bytes(index)?)?;
        let Some((_, entry)) = ledger.entries(index..index + 1)?.pop() else { continue };
        if entry.payload.media != act::MEDIA_TYPE {
            continue;
        }
        let Ok(payload) = ledger.payload(&entry.payload) else { continue };
        let signed = SignedAct::from_slice(&payload)?;
        // Who signed with a certificate is told by its authority: the fold of the log knows, `allowed_signers` does not.
        let Some(signer) = view.state.holder(&signed.claimed_key()?.fingerprint())? else { continue };
        put.add(&format!("acts/{index}.statement"), &signed.statement()?)?;
        put.add(&format!("acts/{index}.sig"), signed.signature().as_bytes())?;
        put.add(&format!("acts/{index}.namespace"), format!("{}\n", signed.namespace()).as_bytes())?;
        put.add(&format!("acts/{index}.signer"), format!("{signer}\n").as_bytes())?;
    }
    Ok(())
}

/// The keys of everybody who signs: as `ssh-keygen`, `openssl` and Go's `note` read them.
pub(super) fn keys(view: View<'_>, put: &mut dyn Put) -> Result<(), Error> {
    let state = view.state;
    let mut lines = String::new();
    for person in state.people()? {
        let keys: BTreeSet<String> =
            state.keys_of(&person.id)?.into_iter().filter_map(|k| k.public.map(|p| p.to_openssh())).collect();
        for key in keys {
            let _ = writeln!(lines, "{} {key}", person.id);
        }
    }
    put.add("trust/allowed_signers", lines.as_bytes())?;
    put.add("trust/log.vkey", format!("{}\n", state.vkey()).as_bytes())?;
    let recorder: MachinePublicKey = state.recorder().parse()?;
    put.add("trust/recorder.pem", recorder.to_pem().as_bytes())?;
    Ok(())
}

/// `VERIFY.md`.
pub(super) fn instructions(view: View<'_>, manifest: &EvidencePack) -> String {
    let recorder = view.state.recorder().parse::<MachinePublicKey>().map(|key| key.id()).unwrap_or_default();
    format!(
        r#"# Checking this pack

It was made from the log `{origin}` at {size} entries, root `{root}`.

With the program that made it: `countersign verify PACK --trust FILE`, where FILE is what the firm gave you another way
(`countersign trust export`). Everything below needs that program for nothing. You need the pack, unpacked (`unzip PACK`), and
from somebody whom you trust, not from this pack: the log's verifier key

    {vkey}

and the fingerprints of people's keys. If the key that you were given is another one, stop here.

## 1. Every file is the one that was packed

    sha256sum --quiet --check SHA256SUMS

## 2. The recorder signed the list of files

The manifest is a DSSE envelope, signed with Ed25519 by the recorder with the id `{recorder}`, whose public key is
`trust/recorder.pem`.

    sed 's/.*"payload":"\([^"]*\)".*/\1/' manifest.dsse.json | base64 -d >manifest.json
    sed 's/.*"sig":"\([^"]*\)".*/\1/' manifest.dsse.json | base64 -d >manifest.sig
    (printf 'DSSEv1 28 application/vnd.in-toto+json %s ' "$(wc -c <manifest.json | tr -d ' ')"; cat manifest.json) >manifest.signed
    openssl pkeyutl -verify -pubin -inkey trust/recorder.pem -rawin -in manifest.signed -sigfile manifest.sig

`manifest.json` names SHA256SUMS by digest: it must hold what this prints.

    sha256sum SHA256SUMS

The recorder's key stands in entry 0 of the log: in the payload that the entry names.

    sed 's/.*"payload":{{[^}}]*"sha256":"sha256:\(..\)\([0-9a-f]*\)".*/evidence\/blobs\/sha256\/\1\/\2/' proofs/0.entry

## 3. The log is the one that its key signed, and every entry is in it

`evidence/ledger` is a C2SP tlog-tiles log with all {size} entries. Any such client reads it; with Go's
`golang.org/x/mod/sumdb`: open `evidence/ledger/checkpoint` by `note.Open` with the verifier key, compute the root from
`evidence/ledger/tile` with `tlog.TileHashReader`, and compare. Each `proofs/N.tlog-proof` (C2SP tlog-proof) proves by itself
that `proofs/N.entry` is entry N: its lines after `index` are the hashes for `tlog.CheckRecord`.

An entry names its payload by SHA-256: `evidence/blobs/sha256/ab/cdef…`. Check one:

    sha256sum evidence/blobs/sha256/*/* | awk '{{ name = $2; gsub(/.*sha256\//, "", name); sub("/", "", name); if (name != $1) print "WRONG: " $2 }}'

So nothing can be added to the log, taken out or changed without another root. Entries whose payloads were not chosen for this
pack are in it all the same: `tables/entries.csv` says `left-out`.

## 4. People signed what they are said to have signed

    for s in acts/*.statement; do
        n=${{s%.statement}}
        ssh-keygen -Y verify -f trust/allowed_signers -I "$(cat "$n.signer")" -n "$(cat "$n.namespace")" -s "$n.sig" <"$s" || echo "WRONG: $s"
    done

Acts that were signed with an OpenSSH certificate are not among them; `countersign verify` checks those.
`trust/allowed_signers` was made from the log. Compare the fingerprints (`ssh-keygen -lf trust/allowed_signers`) with those that
people tell you themselves. A statement and its signature are the ones in the payload of entry N, in base64:

    base64 -w0 acts/N.statement

## 5. Samples

`sample.py SEED COUNT N` says which members of a population a seed chooses. The population is in the log before the seed is.
{stamp}"#,
        origin = manifest.origin,
        size = manifest.size,
        root = manifest.root,
        vkey = view.state.vkey(),
        recorder = recorder,
        stamp = manifest.timestamp.as_ref().map(stamp).unwrap_or_default(),
    )
}

/// How a timestamp is checked.
fn stamp(stamp: &PackTimestamp) -> String {
    format!(
        r#"
## 6. The log was this one at {time}

`proofs/checkpoint.tsr` is what a time-stamping authority (RFC 3161) answered about `evidence/ledger/checkpoint`, which signs the
root of the whole log. Get the authority's root certificate where it publishes it, as `tsa-ca.pem`.

    openssl ts -reply -in proofs/checkpoint.tsr -text
    openssl ts -verify -data evidence/ledger/checkpoint -in proofs/checkpoint.tsr -CAfile tsa-ca.pem
"#,
        time = stamp.time
    )
}
