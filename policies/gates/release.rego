# METADATA
# title: Release
# description: |
#   Everybody who worked on the change is known, what is suppressed was granted by somebody else, people and policy lead
#   back to a signed root; then two people approve, one on technical and one on regulatory grounds. That `pre-commit`
#   and `build` opened is seen to by the engine.
# custom:
#   controls:
#     - change-is-attributed
#     - change-is-documented
#     - dual-approval
#     - policy-in-effect
#     - scan-is-complete
#     - segregation-of-duties
#     - suppressions-granted
#     - trust-is-rooted
package countersign.gates.release

import data.countersign.lib.commits
import data.countersign.lib.facts
import data.countersign.lib.findings
import data.countersign.lib.reasons

controls contains "change-is-attributed"

controls contains "change-is-documented"

controls contains "dual-approval"

controls contains "policy-in-effect"

controls contains "scan-is-complete"

controls contains "segregation-of-duties"

controls contains "suppressions-granted"

controls contains "trust-is-rooted"

requires contains "technical"

requires contains "regulatory"

checks contains "facts" if facts.sound

checks contains "authors" if is_array(facts.sound.change.commits)

checks contains "suppressions" if is_array(facts.sound.scan.findings)

checks contains "trust" if is_object(facts.sound.trust)

error contains reason if some reason in facts.errors

# METADATA
# title: A commit whose signature does not verify
# custom:
#   controls: [change-is-attributed]
deny contains reasons.reason("invalid-signature", text, ["change-is-attributed"]) if {
	n := count(commits.invalid)
	n > 0
	text := sprintf(
		"%s with a signature that does not verify: %s. Sign again with an enrolled key; a claim does not help here",
		[reasons.counted(n, "commit"), commits.names(commits.invalid)],
	)
}

# METADATA
# title: A commit of which not everybody who worked on it is known
# custom:
#   controls: [change-is-attributed, segregation-of-duties]
wait contains reasons.reason("unverified-author", text, ["change-is-attributed", "segregation-of-duties"]) if {
	n := count(commits.unverified)
	n > 0
	text := sprintf(
		"%s with an author or co-author whom nobody vouches for: %s. Each of them claims their own with `countersign claim`",
		[reasons.counted(n, "commit"), commits.names(commits.unverified)],
	)
}

# METADATA
# title: Part of the history is not here
# custom:
#   controls: [change-is-attributed]
error contains reasons.reason("history-incomplete", text, ["change-is-attributed"]) if {
	facts.sound.change.complete == false
	text := sprintf("the commits of this change are not all here%s", [remedy(facts.sound.change.shallow)])
}

# A change from one commit to another has commits; none at all means that nobody looked.
error contains reasons.reason("history-incomplete", text, ["change-is-attributed"]) if {
	facts.sound.change.complete == true
	count(facts.sound.change.commits) == 0
	facts.sound.change.base != facts.sound.change.commit
	text := "the change has no commits, although its base is another commit: collect the facts again with `countersign run`"
}

remedy(true) := ": the clone is shallow; fetch the rest with `git fetch --unshallow`"

remedy(false) := ": fetch the missing ones and run `countersign run` again"

# METADATA
# title: A suppression that nobody granted
# custom:
#   controls: [suppressions-granted]
wait contains reasons.reason("suppression-requested", text, ["suppressions-granted"]) if {
	n := count(findings.requested)
	n > 0
	names := sort([sprintf("%s (%s)", [findings.short(f), findings.place(f)]) | some f in findings.requested])
	text := sprintf(
		"%s to be suppressed: %s. Somebody who did not write the change decides with `countersign suppression grant`",
		[asked(n), reasons.enumerated(names)],
	)
}

asked(1) := "1 finding is asked"

asked(n) := sprintf("%d findings are asked", [n]) if n != 1

# METADATA
# title: Nobody to trust
# custom:
#   controls: [trust-is-rooted]
wait contains reasons.reason("no-trust-root", text, ["trust-is-rooted"]) if {
	facts.sound.trust.established == false
	text := "there is no signed root that people and keys lead back to: an administrator runs `countersign init`"
}

# METADATA
# title: An unknown recorder
# custom:
#   controls: [trust-is-rooted]
wait contains reasons.reason("recorder-not-enrolled", text, ["trust-is-rooted"]) if {
	facts.sound.trust.recorder_enrolled == false
	text := "the installation that collected these facts is not enrolled: an administrator enrols it with `countersign init`"
}

# METADATA
# title: A policy that is not in effect
# custom:
#   controls: [policy-in-effect]
wait contains reasons.reason("policy-not-activated", text, ["policy-in-effect"]) if {
	facts.sound.trust.bundle_activated == false
	text := concat(" ", [
		"this policy bundle is not in effect: `countersign init` activates the shipped one,",
		"any other a security or compliance officer who did not write it",
	])
}

# METADATA
# title: An unknown repository
# custom:
#   controls: [change-is-attributed]
wait contains reasons.reason("unidentified-repository", text, ["change-is-attributed"]) if {
	facts.sound.repository.identity == null
	text := concat(" ", [
		"the repository has no identity that an approval could name:",
		"give it a remote, then run `countersign run` again",
	])
}

# METADATA
# title: No ticket
# custom:
#   controls: [change-is-documented]
note contains reasons.reason("no-ticket", "no ticket is named for this change", ["change-is-documented"]) if {
	facts.sound.change.ticket == null
}

# METADATA
# title: No reason
# custom:
#   controls: [change-is-documented]
note contains reasons.reason("no-reason", "no reason is given for this change", ["change-is-documented"]) if {
	facts.sound.change.reason == null
}

# METADATA
# title: The pipeline itself changes
# custom:
#   controls: [segregation-of-duties]
note contains reasons.reason("pipeline-changed", text, ["segregation-of-duties"]) if {
	facts.sound.change.pipeline.changed == true
	text := "the change alters the definition of its own pipeline: look at those files first"
}
