//! What the API answers to what is sent to it, type by type, as [`super::wire`] does for what is read.

use countersign_model::{Digest, Timestamp};
use serde_json::{Map, Value, json};

use super::wire::{Wire, bare, described, wire};
use crate::app::Trouble;

wire! {
    /// What the server holds of a repository.
    RepositoryHeld {
        /// The repository's identity.
        repository: String,
        /// Whether it has the commit that was asked for, with everything before it.
        holds: bool,
        /// The newest commits that it has so, at most 200.
        commits: Vec<String>,
        /// Whose identity tokens are believed.
        issuers: Vec<IssuerLine>,
    }

    /// An issuer of identity tokens that is believed.
    IssuerLine {
        /// Its address.
        issuer: String,
        /// The audience that a token for this ledger names.
        audience: String,
    }

    /// A commit that was sent to be judged.
    Submission {
        /// Names it: hex digits.
        submission: String,
        /// working, done or failed.
        state: String,
        /// The run that came of it.
        run: Option<String>,
        /// Why nothing came of it; it may be sent again under the same key.
        problem: Option<Problem>,
    }

    /// What somebody signs to approve.
    ToSign {
        /// The run.
        run: String,
        /// For which slot.
        slot: String,
        /// Who, by id.
        person: String,
        /// Digest of the decision: what `If-Match` names when the approval is handed in.
        decision: Digest,
        /// The namespace of the signature (SSHSIG).
        namespace: String,
        /// The canonical statement in base64: exactly what is signed.
        statement: String,
    }

    /// What somebody signs to issue a grant.
    GrantToSign {
        /// The run.
        run: String,
        /// Where to.
        environment: String,
        /// Who, by id.
        person: String,
        /// Digest of the decision: what `If-Match` names when the grant is handed in.
        decision: Digest,
        /// The namespace of the signature (SSHSIG).
        namespace: String,
        /// The canonical statement in base64: exactly what is signed.
        statement: String,
    }

    /// What somebody signs to say something. Nothing is appended by that.
    ActToSign {
        /// Who, by id.
        person: String,
        /// Their name, or their id where it was erased.
        name: String,
        /// The ledger it is said to.
        origin: String,
        /// How it stands what it is about: what `If-Match` names when it is handed in; null where nothing stands yet.
        condition: Option<Digest>,
        /// What it is about, as the command line prints it where the ledger is; null where the statement says it all.
        about: Value,
        /// What is signed, each by itself; nothing, where it is so already.
        acts: Vec<StatementToSign>,
        /// Where it is so already, what the command line prints then with `--format json` where the ledger is; null else.
        already: Value,
    }

    /// One statement that is to be signed.
    StatementToSign {
        /// The namespace of the signature (SSHSIG).
        namespace: String,
        /// The canonical statement in base64: exactly what is signed.
        statement: String,
        /// SHA-256 of the statement.
        digest: Digest,
        /// What was sealed for it, which it names by its digest: it is handed in with the act. Null where nothing was.
        sealed: Option<SealedText>,
    }

    /// A text, an account, an OpenPGP key or a name, sealed with the key of whom it belongs to. What is given out here opens it as that key does.
    SealedText {
        /// The sealed bytes in base64: the statement names their SHA-256.
        bytes: String,
        /// What opens exactly these, in base64 (HChaCha20 of the key and of the first 16 bytes of the nonce).
        opener: String,
    }

    /// What somebody said, in the log.
    ActRecorded {
        /// Who, by id.
        person: String,
        /// Log index.
        index: u64,
        /// What the command line prints of it with `--format json` where the ledger is.
        result: Value,
    }

    /// A grant as tools carry it.
    GrantToken {
        /// The grant.
        grant: String,
        /// Its token, a JSON Web Token.
        token: String,
    }

    /// Grants, newest first.
    GrantList {
        /// A part of them.
        items: Vec<GrantWhole>,
        /// How many there are in all parts.
        count: u64,
        /// `before` of the next part; null: this was the last.
        next: Option<u64>,
    }

    /// A grant and what became of it.
    GrantWhole {
        /// The grant.
        grant: String,
        /// issued, expired, revoked, started, succeeded or failed.
        state: String,
        /// Who issued it, by id.
        by: String,
        /// When.
        issued: Timestamp,
        /// Until when; one use.
        expires: Timestamp,
        /// Log indices of the approvals that it rests on.
        approvals: Vec<u64>,
        /// The commit that was deployed there before.
        replaces: Option<String>,
        /// Where it was signed.
        device: GrantDevice,
        /// What its token says.
        claims: Claims,
        /// Log index of its redemption.
        redeemed: Option<u64>,
        /// Who redeemed it over the network: a person by id, or a job's workload.
        redeemed_by: Option<String>,
        /// Who took it back.
        revoked: Option<GrantRevoked>,
    }

    /// A machine and a key on it.
    GrantDevice {
        /// The key's fingerprint.
        key: String,
        /// What the machine calls itself.
        host: String,
    }

    /// That a grant was taken back.
    GrantRevoked {
        /// By whom, by id.
        by: String,
        /// When.
        time: Timestamp,
        /// Why.
        reason: String,
        /// Log index.
        index: u64,
    }

    /// What a grant's token says (RFC 7519).
    Claims {
        /// The ledger's origin.
        iss: String,
        /// The repository.
        sub: String,
        /// The environment, as the one that the token is meant for.
        aud: String,
        /// The grant.
        jti: String,
        /// When it was issued, in seconds since the Unix epoch.
        iat: u64,
        /// From when it holds.
        nbf: u64,
        /// From when on it does not hold any more.
        exp: u64,
        /// The run.
        run: String,
        /// The commit.
        commit: String,
        /// Its tree.
        tree: String,
        /// The artifacts.
        artifacts: Vec<GrantArtifact>,
        /// The environment.
        environment: String,
        /// The decision that it rests on.
        decision: Digest,
        /// Log index of the signed act.
        index: u64,
        /// Judged by the machine that ran it, and not by a server.
        self_judged: bool,
        /// The emergency under which it goes past the gates.
        break_glass: Option<String>,
    }

    /// An artifact that may be deployed.
    GrantArtifact {
        /// Its name.
        name: String,
        /// SHA-256 of its bytes.
        digest: Digest,
    }

    /// A grant that is used from here on.
    Redeemed {
        /// Log index of its redemption.
        redeemed: u64,
        /// What it says.
        claims: Claims,
        /// Its token, for whoever hands out credentials.
        token: Option<String>,
    }

    /// A token of a grant whose one use could begin.
    GrantVerified {
        /// Thumbprint of the key that signed it (RFC 7638).
        kid: String,
        /// What it says.
        claims: Claims,
    }

    /// That a deployment ended.
    EndRecorded {
        /// The grant.
        grant: String,
        /// Whether it succeeded.
        success: bool,
        /// Log index.
        index: u64,
    }

    /// A file that was attached to a run, or an artifact that was named.
    Attached {
        /// The run.
        run: String,
        /// Log index.
        index: u64,
        /// Whether it was there before.
        known: bool,
        /// What it is.
        kind: String,
        /// SHA-256 of what is kept: where a report showed values, it is kept without them.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// In how many places values, names or addresses were taken out.
        hidden: u64,
        /// The reports of other tools in it.
        reports: Vec<AttachedReport>,
    }

    /// A report of another tool.
    AttachedReport {
        /// The tool.
        tool: String,
        /// How many findings it has.
        findings: u64,
        /// Whether it was made for the run's commit, and so counts.
        counts: bool,
        /// Why it is not whole.
        incomplete: Vec<String>,
    }

    /// What went wrong (RFC 9457).
    Problem {
        /// A name of the kind of problem: `urn:countersign:error:CODE`.
        r#type: String,
        /// One sentence.
        title: String,
        /// The answer's status.
        status: u64,
        /// What `countersign explain` knows.
        code: String,
        /// What to do next.
        help: String,
    }
}

impl Problem {
    /// What went wrong, as it is sent.
    pub(crate) fn of(trouble: &Trouble) -> Self {
        Self {
            r#type: format!("urn:countersign:error:{}", trouble.code),
            title: trouble.text.clone(),
            status: trouble.status.as_u16().into(),
            code: trouble.code.to_owned(),
            help: trouble.help.clone(),
        }
    }
}
