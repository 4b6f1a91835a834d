package countersign.tests.release

import data.countersign.gates.release as gate
import data.countersign.tests.fixture

unsigned := object.union(fixture.commit, {"signature": "none", "person": null})

test_good_change_has_nothing_against_it if {
	count(((gate.deny | gate.error) | gate.wait) | gate.note) == 0 with input as fixture.good
	gate.checks == {"facts", "authors", "suppressions", "trust"} with input as fixture.good
}

test_two_approvals_are_always_required if {
	gate.requires == {"technical", "regulatory"} with input as fixture.good
	gate.requires == {"technical", "regulatory"} with input as {}
}

test_no_facts_are_an_error_and_no_check if {
	fixture.codes(gate.error) == {"facts-incomplete"} with input as {}
	count(gate.checks) == 0 with input as {}
}

test_unverified_author_waits_once if {
	document := fixture.committed([unsigned, object.union(unsigned, {"id": "eeee"}), fixture.commit])
	fixture.codes(gate.wait) == {"unverified-author"} with input as document
	count(gate.wait) == 1 with input as document
	some reason in gate.wait with input as document
	startswith(reason.text, "2 commits with an author or co-author whom nobody vouches for: cccccccccccc, eeee.")
}

test_claimed_commit_does_not_wait if {
	count(gate.wait) == 0 with input as fixture.committed([object.union(unsigned, {"claims": ["per-b"]})])
}

test_unknown_co_author_waits if {
	document := fixture.committed([object.union(fixture.commit, {"co_authors": 1})])
	fixture.codes(gate.wait) == {"unverified-author"} with input as document
}

test_invalid_signature_is_denied_even_when_claimed if {
	commit := object.union(fixture.commit, {"signature": "invalid", "person": null, "claims": ["per-b"]})
	fixture.codes(gate.deny) == {"invalid-signature"} with input as fixture.committed([commit])
	count(gate.wait) == 0 with input as fixture.committed([commit])
}

test_incomplete_history_is_an_error if {
	every shallow in [true, false] {
		document := fixture.changed("change", {"complete": false, "shallow": shallow})
		fixture.codes(gate.error) == {"history-incomplete"} with input as document
	}
}

test_shallow_clone_with_all_commits_is_no_error if {
	count(gate.error) == 0 with input as fixture.changed("change", {"shallow": true})
}

test_change_without_commits_is_an_error if {
	fixture.codes(gate.error) == {"history-incomplete"} with input as fixture.committed([])
}

test_same_commit_again_needs_no_commits if {
	again := fixture.changed("change", {"commits": [], "base": fixture.good.change.commit})
	count(gate.error) == 0 with input as again
}

test_requested_suppression_waits if {
	requested := object.union(fixture.finding, {"state": "suppression-requested"})
	{reason.text | some reason in gate.wait} == {concat(" ", [
		"1 finding is asked to be suppressed: 555555555555 (secrets/example at app/main.py:3).",
		"Somebody who did not write the change decides with `countersign suppression grant`",
	])} with input as fixture.found([requested])
}

test_granted_suppression_does_not_wait if {
	granted := object.union(fixture.finding, {"state": "suppression-granted"})
	count(gate.wait) == 0 with input as fixture.found([granted])
}

test_no_trust_waits if {
	fixture.codes(gate.wait) == {"no-trust-root"} with input as fixture.changed("trust", {"established": false})
}

test_unknown_recorder_waits if {
	document := fixture.changed("trust", {"recorder_enrolled": false})
	fixture.codes(gate.wait) == {"recorder-not-enrolled"} with input as document
}

test_inactive_policy_waits if {
	document := fixture.changed("trust", {"bundle_activated": false})
	fixture.codes(gate.wait) == {"policy-not-activated"} with input as document
}

test_unidentified_repository_waits if {
	document := fixture.changed("repository", {"identity": null})
	fixture.codes(gate.wait) == {"unidentified-repository"} with input as document
}

test_undocumented_change_is_noted if {
	document := fixture.changed("change", {"ticket": null, "reason": null})
	fixture.codes(gate.note) == {"no-ticket", "no-reason"} with input as document
}

test_changed_pipeline_is_noted if {
	document := fixture.changed("change", {"pipeline": {"changed": true}})
	fixture.codes(gate.note) == {"pipeline-changed"} with input as document
}
