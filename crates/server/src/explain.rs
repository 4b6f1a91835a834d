//! The long text behind every code of this room.

use countersign_model::{Exit, Explanation};

const fn explained(code: &'static str, exit: Exit, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code, title, text, exit }
}

/// One explanation for every code of [`crate::Error`].
pub const EXPLANATIONS: &[Explanation] = &[
    explained(
        "CS-SERVER-001",
        Exit::Backend,
        "an address cannot be listened on",
        "Another program listens there already, the address is not one of this machine, or the port is below 1024 and needs \
         a privilege.\n\n\
         Nothing is served. Name another address with `--listen`.",
    ),
    explained(
        "CS-SERVER-002",
        Exit::Internal,
        "a server cannot start",
        "The operating system gave no thread or no way to hear of signals. Usually a limit on processes or open files is \
         too low.",
    ),
    explained(
        "CS-SERVER-003",
        Exit::Backend,
        "a file of a server or witness cannot be read or written",
        "A server reads its certificate, its key and the secret of its client at a provider from files. A witness keeps its keys and what it vouched for in a directory. A file of it could not be read or written: \
         another owner, a full disk, a directory that was moved.\n\n\
         A witness that cannot write does not cosign: it answers 500 and remembers what it remembered before.",
    ),
    explained(
        "CS-SERVER-004",
        Exit::Usage,
        "where a server is reached is no origin",
        "An origin is what people type before the first slash: `https://countersign.bank.example`. Links, cookies and the names in \
         signed sign-ins are made from it, so it must be exactly that, without a path.",
    ),
    explained(
        "CS-SERVER-005",
        Exit::Usage,
        "people would reach a server without encryption",
        "Whoever can listen to the network between a browser and a server without TLS can take over the visit. Over plain HTTP \
         pages are served on this machine alone (127.0.0.1, ::1, localhost).\n\n\
         Put a proxy with TLS in front of it, let it listen on an address that only the proxy reaches, and name what people type \
         with `--origin https://HOST`. The log alone can be served in the clear with `--log-only`: it is public.",
    ),
    explained(
        "CS-SERVER-006",
        Exit::Usage,
        "others can read a file that holds a secret",
        "A file with a private key or a client's secret is read where its owner alone can read it. One that belongs to another user may \
         also be read by its group, as certificates for several services are; nobody else may ever read it.\n\n\
         Whoever could read it had it: where that were people who must not, make a new secret.",
    ),
    explained(
        "CS-SERVER-007",
        Exit::Usage,
        "a proxy is named by no address",
        "What a proxy says of where requests come from is believed of the addresses and networks that `--trusted-proxy` names, and of nobody \
         else: anybody can write `X-Forwarded-For`.",
    ),
    explained(
        "CS-SERVER-010",
        Exit::Usage,
        "a directory holds no witness",
        "`countersign witness init DIR --name NAME` makes a witness: its keys and an empty memory.",
    ),
    explained(
        "CS-SERVER-011",
        Exit::Usage,
        "a directory is occupied",
        "A new witness starts in a directory of its own, so that no keys or memory of another one are mixed with it.",
    ),
    explained(
        "CS-SERVER-012",
        Exit::Backend,
        "a witness is served already",
        "A witness checks and remembers in one step. Two processes with one key and two memories could vouch for two \
         histories, so a lock lets only one serve a directory.",
    ),
    explained(
        "CS-SERVER-013",
        Exit::Usage,
        "a key that cosigns was given for a log's key",
        "A witness believes a checkpoint when the log's own key signed it: Ed25519 (type 0x01) or ML-DSA-44 (type 0x06). The key \
         that was given is of type 0x04, which only cosigns.",
    ),
    explained(
        "CS-SERVER-014",
        Exit::Unverified,
        "what a witness remembers does not verify",
        "The newest checkpoint of a log that a witness cosigned is kept as it was signed. The file does not carry the witness's \
         own signature any more, or is of another log: it was altered, or a disk failed.\n\n\
         The witness cosigns nothing of that log until the file is restored. Do not delete it: a witness that forgot can be \
         shown another history.",
    ),
    explained(
        "CS-SERVER-020",
        Exit::Internal,
        "a request's work ended before its time",
        "A fault of ours. Nothing was half done: what is appended to the log is appended whole or not at all.",
    ),
    explained(
        "CS-SERVER-021",
        Exit::Backend,
        "a ledger has more readers than it can answer",
        "Requests work on the ledger a few at a time. This one waited five seconds for its turn and did not get it.\n\n\
    A disk or a database that is slow shows here first.",
    ),
    explained(
        "CS-SERVER-022",
        Exit::Nothing,
        "there is no such thing on this server",
        "The address names a run, an entry or something else that the ledger does not hold, or not any more.",
    ),
    explained(
        "CS-SERVER-023",
        Exit::Usage,
        "a request cannot be understood",
        "A filter in the address has a value that it cannot have, or a body is not of the type that is expected.",
    ),
    explained(
        "CS-SERVER-024",
        Exit::Forbidden,
        "your roles do not open a page",
        "Every page names the roles that may look at it, and the ledger says which roles you hold at this moment.\n\n\
    `countersign role list` shows them.",
    ),
    explained(
        "CS-SERVER-025",
        Exit::Forbidden,
        "a request did not come from a page of this server",
        "Forms carry a secret of the visit, and browsers say where a request comes from. One that lacks either is refused, so that \
    no page elsewhere can act in your name (CSRF).",
    ),
    explained(
        "CS-SERVER-026",
        Exit::Forbidden,
        "a sign-in was refused",
        "The link was used before or is too old, the challenge was answered before, the signature does not verify, the key belongs \
    to nobody enrolled or counts no longer.\n\n\
    The refusal is recorded in the ledger.",
    ),
    explained(
        "CS-SERVER-027",
        Exit::Forbidden,
        "too many sign-ins were refused",
        "After ten refusals in a minute nobody is signed in as that person for the rest of it.",
    ),
    explained(
        "CS-SERVER-028",
        Exit::Usage,
        "a server is not known under a name",
        "The request was for another host than the server's origin. It is refused, so that a name that somebody else controls and \
    points here cannot be used to speak to it from a browser (DNS rebinding).\n\n\
    Behind a proxy, start it with `--origin` and the name that people type.",
    ),
    explained(
        "CS-SERVER-040",
        Exit::Denied,
        "what was signed was not shown here",
        "A page shows exactly what is signed and keeps it for ten minutes; the answer of a passkey is taken for that statement alone, in the \
         same visit, and once. This one is for none that is kept: it was answered before, is too old, or was shown on another page or in \
         another visit. A passkey that is made is kept so as well, between what the browser is asked and what it answers.\n\n\
         Nothing was appended but the refusal.",
    ),
    explained(
        "CS-SERVER-041",
        Exit::Forbidden,
        "no passkey signs here",
        "A passkey signs in pages of the origin that it was enrolled for, and no other. The one that was named is not yours, does not \
         count any more, or was enrolled for another origin than this server's.\n\n\
         The page `/passkeys` shows yours and makes one; `countersign person key list` shows those of everybody.",
    ),
    explained(
        "CS-SERVER-060",
        Exit::Forbidden,
        "a provider's answer belongs to no sign-in of the browser",
        "Who signs in at a provider is sent there from the page `/sign-in`, and what comes back counts in that browser alone, within ten \
         minutes, once. Otherwise somebody could sign others in as themselves with a link, or use an answer that they found.\n\n\
         A sign-in that was begun in two windows counts in the one that was begun last; a server that was started again knows of \
         none. Begin again at `/sign-in`.",
    ),
    explained(
        "CS-SERVER-061",
        Exit::Forbidden,
        "an account at a provider is nobody's",
        "The provider says who somebody is, and the ledger says whether that is somebody enrolled: an administrator links accounts to \
         people by signature. Nobody is enrolled by signing in.\n\n\
         The page shows what the provider calls the account. `countersign person account add NAME --issuer URL --subject TEXT` links \
         it, `countersign person account list` shows whose accounts are linked.",
    ),
    explained(
        "CS-SERVER-062",
        Exit::Backend,
        "a client asks too often",
        "A client may make some requests a second (`serve --rate`, 100 where nothing is said) and four times as many at once. Whoever is \
         signed in, or whose token counted a moment ago, is one client wherever they are; everybody else is the address that they come \
         from. Behind a proxy that is not named with `--trusted-proxy` all strangers are one.\n\n\
         `Retry-After` says how many seconds to wait. Nothing was done.",
    ),
    explained(
        "CS-SERVER-050",
        Exit::Forbidden,
        "the API wants a token",
        "Programs show a token in the header `Authorization`, as `Bearer cst_…`. A browser's cookie opens pages and nothing of the API.",
    ),
    explained(
        "CS-SERVER-051",
        Exit::Forbidden,
        "the token does not count",
        "A token counts until its time is over or somebody revokes it, and as long as the key that signed it counts and its person is there. \
               Each refusal is an entry of the log; of those alike in one minute the first is one, and the rest together.",
    ),
    explained(
        "CS-SERVER-052",
        Exit::Forbidden,
        "the token does not open this",
        "A token opens the scopes that it was made for. People and audits need `audit`, everything else `read`.",
    ),
    explained(
        "CS-SERVER-053",
        Exit::Backend,
        "not computed yet",
        "The assessment is computed beside the requests. Right after the start there is none; the header `Retry-After` says when to come again.",
    ),
    explained(
        "CS-SERVER-054",
        Exit::Usage,
        "the API only reads",
        "Nothing is changed by the API: acts are signed by people, on the command line. The header `Allow` names the methods.",
    ),
    explained(
        "CS-SERVER-055",
        Exit::Usage,
        "the query is not as the document says",
        "Each parameter stands in a query once, with a name that the resource has and a value that its schema takes. What would be ignored is refused, \
         so that a filter that was mistyped does not pass for one that found everything.",
    ),
    explained(
        "CS-SERVER-070",
        Exit::Backend,
        "one evidence pack is made at a time",
        "A pack of a large period takes a while and much of a disk, so a server makes one after the other. What is being made goes on, \
         whoever looks.\n\n\
         Come again when it is there, or make one on the command line: `countersign audit pack`.",
    ),
    explained(
        "CS-SERVER-008",
        Exit::Usage,
        "a certificate or a key that cannot be used",
        "`serve --tls-cert` takes a chain of certificates as PEM, the server's own first, and `--tls-key` the key that goes with it, which nobody else can read.\n\n\
         At the start the server ends with this. Later, when renewed files cannot be used, it says so and goes on with the last that could be.",
    ),
    explained(
        "CS-SERVER-080",
        Exit::Usage,
        "what was sent ended before its time",
        "The connection ended before all of it was there. Nothing was kept.",
    ),
    explained(
        "CS-SERVER-081",
        Exit::Usage,
        "more was sent than is taken",
        "Objects of git are taken up to 2 GiB at once, files up to the largest that a ledger keeps, a signed act up to 256 KiB. Nothing was kept.",
    ),
    explained(
        "CS-SERVER-082",
        Exit::Backend,
        "what was sent cannot be kept",
        "What pipelines send is written to the server's data directory before it is judged. The disk is full, or the directory cannot be written.\n\nNothing was judged; the same can be sent again under the same key.",
    ),
    explained(
        "CS-SERVER-083",
        Exit::Usage,
        "a request without a key",
        "A commit is sent with a key of the sender's choice in `Idempotency-Key`, so that it can be repeated when its answer is lost: what is sent under one key is done once.",
    ),
    explained(
        "CS-SERVER-084",
        Exit::Nothing,
        "a server that takes no commits",
        "Commits are taken where the pages are served, by a server whose machine can record them.",
    ),
    explained(
        "CS-SERVER-085",
        Exit::Backend,
        "too many commits wait",
        "A server judges a few commits at once, for a scan takes what the machine has, and lets a bounded number wait.",
    ),
    explained(
        "CS-SERVER-086",
        Exit::Usage,
        "something signed without a condition",
        "Whoever hands in an approval, or something else that they signed, says in `If-Match` what they looked at: a decision, or how a waiver, a grant or an emergency stood. So nobody signs what changed between looking and signing without knowing, and a program cannot hand in whatever is there.",
    ),
    explained(
        "CS-SERVER-087",
        Exit::Denied,
        "another decision than the one looked at",
        "The run was decided anew since: something in it changed. What was signed is not appended.",
    ),
    explained(
        "CS-SERVER-088",
        Exit::Usage,
        "another type than is taken",
        "What a request brings is named in `Content-Type`, as the document says. A form of a web page cannot send that type.",
    ),
    explained("CS-SERVER-089", Exit::Usage, "sent by another method", "What changes something is sent by POST."),
    explained(
        "CS-SERVER-110",
        Exit::Usage,
        "not as the document says",
        "What a request brings as JSON has exactly the fields that the OpenAPI document names, each once and of its type; or it contradicts \
         itself, as a success with an exit code that is not 0.",
    ),
    explained(
        "CS-SERVER-111",
        Exit::Forbidden,
        "nothing for jobs",
        "A job that shows the identity token of its CI system and nothing else is nobody: it may ask what `run`, `record`, `gate check` and `deploy` ask, \
         about its own repository. What people sign, and what belongs to the whole firm, is asked with a token of somebody's.",
    ),
    explained(
        "CS-SERVER-112",
        Exit::Forbidden,
        "a grant by its id",
        "Every job of a repository can prove that it is one, and ids of grants stand in lists. So a job shows the grant's token, which a release \
         manager handed to the job that is to deploy.",
    ),
    explained(
        "CS-SERVER-113",
        Exit::Denied,
        "it does not stand as it did",
        "What is handed in signed names how it stood what its signer looked at: a waiver that was asked for, a grant that was issued, an emergency that was \
         open. Somebody was faster, or its time was over.",
    ),
    explained(
        "CS-SERVER-114",
        Exit::Backend,
        "what controls were applied to is being read",
        "To say what controls were applied to in a window, every decision in it is read, beside the requests. The header `Retry-After` says when to come again; \
         what was read is kept, and its page shows it when it is there.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io;

    use countersign_model::Diagnostic as _;

    use super::*;
    use crate::Error;
    use crate::app::Trouble;

    #[test]
    fn every_error_is_explained_once_with_its_exit_code() {
        let io = || io::Error::other("x");
        let errors = [
            Error::BadOrigin { origin: "x".into() },
            Error::InTheClear { origin: "x".into() },
            Error::Tls { path: "x".into(), what: String::new() },
            Error::BadNetwork { what: "x".into() },
            Error::Listen { address: "x".into(), source: io() },
            Error::Start(io()),
            Error::File { what: "read", path: "x".into(), source: io() },
            Error::Exposed { path: "x".into() },
            Error::NoWitness { dir: "x".into() },
            Error::Occupied { dir: "x".into() },
            Error::Busy { dir: "x".into() },
            Error::NotALog { name: "x".into() },
            Error::Memory { path: "x".into(), what: "x".into() },
        ];
        // What a request is told has a status in place of an exit code.
        let troubles = [
            Trouble::internal("x"),
            Trouble::busy(),
            Trouble::not_found("run"),
            Trouble::bad_request("x"),
            Trouble::no_role("x"),
            Trouble::forged(),
            Trouble::refused("x"),
            Trouble::locked_out(),
            Trouble::wrong_host(),
            Trouble::not_prepared(),
            Trouble::no_passkey(),
            Trouble::not_begun(""),
            Trouble::no_account("", ""),
            Trouble::too_fast(),
            Trouble::no_token(),
            Trouble::bad_token(""),
            Trouble::no_scope(""),
            Trouble::not_yet(),
            Trouble::pack_being_made(),
            Trouble::cut_off(),
            Trouble::too_much(1),
            Trouble::no_room(""),
            Trouble::no_key(),
            Trouble::nothing_taken(),
            Trouble::many_submissions(),
            Trouble::no_condition(),
            Trouble::other_decision(""),
            Trouble::other_state(""),
            Trouble::population_being_read(),
            Trouble::wrong_media(""),
            Trouble::bad_body(""),
            Trouble::not_of_jobs(),
            Trouble::not_by_id(),
            Trouble::posted_only(),
            Trouble::no_method(),
            Trouble::bad_query("", ""),
        ];
        let codes: BTreeSet<_> = errors.iter().map(|e| e.code()).chain(troubles.iter().map(|t| t.code)).collect();
        assert_eq!(codes, EXPLANATIONS.iter().map(|e| e.code).collect());
        assert_eq!(codes.len(), errors.len() + troubles.len());
        assert_eq!(codes.len(), EXPLANATIONS.len());
        for error in errors {
            let explanation = EXPLANATIONS.iter().find(|e| e.code == error.code()).unwrap();
            assert_eq!(explanation.exit, error.exit(), "{}", error.code());
            assert!(!error.to_string().ends_with('.') && !error.help().is_empty());
        }
    }
}
