//! Acts of people. Each must be signed by a key of the person it names, who must hold the role it needs.

use std::collections::BTreeSet;

use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::sshsig::PublicKey;
use countersign_model::event::{
    ApprovalSigned, CommitsClaimed, GrantIssued, PersonEnrolled, PolicyActivated, Predicate, RoleGranted,
    SuppressionGranted, TrustRootEstablished,
};
use countersign_model::{Digest, Entry, EventKind, PersonId, Role};

use super::fold::{Trusted, attachment, open_statement, require};
use super::state::{
    ActiveBundle, Anomaly, ApprovalRow, GrantRow, GrantState, Person, State, SuppressionRow, TrustRoot,
};
use crate::subjects::{self, Vault};

impl State {
    pub(super) fn believe_act(
        &mut self,
        index: u64,
        entry: &Entry,
        leaf: Digest,
        payload: &[u8],
        vault: Vault<'_>,
        trusted: &Trusted<'_>,
    ) -> Result<(), String> {
        let signed: SignedAct = SignedAct::from_slice(payload).map_err(|e| e.to_string())?;
        match entry.kind {
            EventKind::TrustRootEstablished => self.on_trust_root(index, entry, leaf, &signed, vault, trusted),
            EventKind::PersonEnrolled => {
                let p: PersonEnrolled = self.open(&signed, act::ENROLMENT, |p: &PersonEnrolled| &p.by)?;
                self.same_ledger(&p.origin)?;
                self.needs(&p.by, &[Role::Administrator])?;
                self.enrol(index, entry, p.person, &p.key, p.profile, vault)
            }
            EventKind::RoleGranted => {
                let p: RoleGranted = self.open(&signed, act::ROLE, |p: &RoleGranted| &p.by)?;
                self.same_ledger(&p.origin)?;
                self.needs(&p.by, &[Role::Administrator])?;
                let person = self.people.get_mut(&p.person).ok_or("nobody with that id is enrolled")?;
                person.roles.insert(p.role);
                Ok(())
            }
            EventKind::PolicyActivated => {
                let p: PolicyActivated = self.open(&signed, act::POLICY, |p: &PolicyActivated| &p.by)?;
                self.same_ledger(&p.origin)?;
                // The first bundle is activated together with the root of trust; every later one by an officer.
                if self.bundle.is_some() {
                    self.needs(&p.by, &[Role::SecurityOfficer, Role::ComplianceOfficer])?;
                } else {
                    self.needs(&p.by, &[Role::Administrator, Role::SecurityOfficer, Role::ComplianceOfficer])?;
                }
                let blob = attachment(entry, 0)?;
                self.bundle = Some(ActiveBundle { index, digest: p.bundle, blob, by: p.by });
                Ok(())
            }
            EventKind::CommitsClaimed => {
                let p: CommitsClaimed = self.open(&signed, act::CLAIM, |p: &CommitsClaimed| &p.by)?;
                self.same_ledger(&p.origin)?;
                for commit in p.commits {
                    self.claims.entry((p.repository.clone(), commit)).or_default().insert(p.by.clone());
                }
                Ok(())
            }
            EventKind::SuppressionGranted => {
                let p: SuppressionGranted = self.open(&signed, act::SUPPRESSION, |p: &SuppressionGranted| &p.by)?;
                self.same_ledger(&p.origin)?;
                self.needs(&p.by, &[Role::SecurityOfficer, Role::ComplianceOfficer])?;
                for fingerprint in p.fingerprints {
                    let row = SuppressionRow { index, by: p.by.clone(), expires: p.expires };
                    self.suppressions.insert((p.repository.clone(), fingerprint), row);
                }
                Ok(())
            }
            EventKind::ApprovalSigned => {
                let p: ApprovalSigned = self.open(&signed, act::APPROVAL, |p: &ApprovalSigned| &p.person)?;
                self.on_approval(index, p)
            }
            EventKind::GrantIssued => {
                let p: GrantIssued = self.open(&signed, act::GRANT, |p: &GrantIssued| &p.by)?;
                self.same_ledger(&p.origin)?;
                self.needs(&p.by, &[Role::ReleaseManager])?;
                let run = self.runs.get(&p.run).ok_or("it speaks of a run that was never started")?;
                require(run.commit == p.commit && run.tree == p.tree, "the grant is for another commit than its run")?;
                require(!self.grants.contains_key(&p.grant), "a grant of that id was issued before")?;
                self.grants.insert(p.grant.clone(), GrantRow { index, grant: p, state: GrantState::Issued });
                Ok(())
            }
            other => Err(format!("{} is no act of a person", other.as_str())),
        }
    }

    /// Opens an act that names its signer in the statement: a key of that person must have signed it.
    fn open<P: Predicate>(
        &self,
        signed: &SignedAct,
        namespace: &str,
        signer: impl Fn(&P) -> &PersonId,
    ) -> Result<P, String> {
        let predicate: P = open_statement(&signed.statement().map_err(|e| e.to_string())?)?;
        let id = signer(&predicate);
        let person = self.people.get(id).ok_or_else(|| format!("{id} is not enrolled"))?;
        let verified = person.keys.iter().any(|key| signed.open(namespace, key).is_ok());
        require(verified, &format!("no key of {id} signed it as `{namespace}`"))?;
        Ok(predicate)
    }

    fn same_ledger(&self, origin: &str) -> Result<(), String> {
        require(origin == self.origin, "it was signed for another ledger")
    }

    fn needs(&self, person: &PersonId, roles: &[Role]) -> Result<(), String> {
        let names: Vec<_> = roles.iter().map(|r| r.as_str()).collect();
        require(roles.iter().any(|r| self.has_role(person, *r)), &format!("{person} is no {}", names.join(" or ")))
    }

    fn on_trust_root(
        &mut self,
        index: u64,
        entry: &Entry,
        leaf: Digest,
        signed: &SignedAct,
        vault: Vault<'_>,
        trusted: &Trusted<'_>,
    ) -> Result<(), String> {
        let p: TrustRootEstablished = open_statement(&signed.statement().map_err(|e| e.to_string())?)?;
        require(self.trust.is_none(), "trust is rooted once")?;
        let key = PublicKey::parse(&p.key).map_err(|e| e.to_string())?;
        signed.open(act::TRUST_ROOT, &key).map_err(|e| e.to_string())?;
        self.same_ledger(&p.origin)?;
        require(p.vkey == self.vkey, "it vouches for another log key")?;
        // A root that signs itself proves nothing: the pin outside the repository does.
        let pinned = trusted.pin.and_then(|pin| pin.trust_root.as_ref());
        if let Some(pinned) = pinned {
            require(pinned.index == index && pinned.entry == leaf, "it is not the root that this machine has pinned")?;
        }
        let administrator = p.administrator.clone();
        self.enrol(index, entry, p.administrator, &p.key, p.profile, vault)?;
        if let Some(person) = self.people.get_mut(&administrator) {
            person.roles.insert(Role::Administrator);
        }
        self.trust = Some(TrustRoot { index, entry: leaf, administrator, recorder: p.recorder });
        Ok(())
    }

    fn enrol(
        &mut self,
        index: u64,
        entry: &Entry,
        id: PersonId,
        key: &str,
        profile: Digest,
        vault: Vault<'_>,
    ) -> Result<(), String> {
        let key = PublicKey::parse(key).map_err(|e| e.to_string())?;
        require(!self.people.contains_key(&id), "that person is enrolled already")?;
        require(self.person_by_key(&key).is_none(), "that key belongs to somebody else")?;
        let blob = attachment(entry, 0)?;
        require(blob.sha256 == profile, "the profile is not the one the statement names")?;
        // Without its key the profile is a tombstone: the person stays, with all they signed; the name is gone.
        let (name, lost) = match subjects::open_profile(vault.keys, vault.source, &id, &blob) {
            Ok(Some(profile)) => (Some(profile.name), None),
            Ok(None) => (None, Some("it is missing, and no entry says that it was destroyed".to_owned())),
            Err(crate::Error::Corrupt { what, .. }) => (None, Some(what)),
            Err(e) => (None, Some(e.to_string())),
        };
        if let Some(what) = lost {
            self.anomalies.push(Anomaly { index, file: Some(format!("subjects/{id}.key")), what });
        }
        self.keys.insert(key.fingerprint(), id.clone());
        self.people.insert(id.clone(), Person { id, name, keys: vec![key], roles: BTreeSet::new(), index });
        Ok(())
    }

    fn on_approval(&mut self, index: u64, p: ApprovalSigned) -> Result<(), String> {
        self.same_ledger(&p.origin)?;
        self.needs(&p.person, &[p.slot.role()])?;
        let key_is_theirs = self
            .people
            .get(&p.person)
            .is_some_and(|person| person.keys.iter().any(|k| k.fingerprint() == p.device.key));
        require(key_is_theirs, "the device's key is not a key of the person")?;
        let bundle_of =
            |d: &super::state::DecisionRow| d.document.get("bundle").and_then(|b| b.as_str()).map(str::to_owned);
        let run = self.run_mut(&p.run)?;
        require(run.commit == p.commit && run.tree == p.tree, "it approves another commit than its run's")?;
        require(run.identity.as_deref() == Some(p.repository.as_str()), "it approves another repository")?;
        let decision = run.decisions.iter().find(|d| d.digest == p.decision).ok_or("it binds a decision never made")?;
        require(
            bundle_of(decision) == Some(p.bundle.to_string()),
            "it binds another policy bundle than its decision's",
        )?;
        let repeated =
            run.approvals.iter().any(|a| a.decision == p.decision && a.slot == p.slot && a.person == p.person);
        require(!repeated, "that person gave this approval before")?;
        run.approvals.push(ApprovalRow {
            index,
            decision: p.decision,
            slot: p.slot,
            person: p.person,
            device: p.device,
            strength: p.strength,
            time: p.time,
        });
        Ok(())
    }
}
