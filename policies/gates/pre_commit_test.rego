package countersign.tests.pre_commit

import data.countersign.gates["pre-commit"] as gate
import data.countersign.tests.fixture

but(parts) := fixture.found([object.union(fixture.finding, parts)])

test_good_change_has_nothing_against_it if {
	count(gate.deny | gate.error | gate.note) == 0 with input as fixture.good
	gate.checks == {"facts", "findings", "coverage"} with input as fixture.good
}

test_no_facts_are_an_error_and_no_check if {
	fixture.codes(gate.error) == {"facts-incomplete"} with input as {}
	count(gate.checks) == 0 with input as {}
}

test_finding_is_denied if {
	document := but({"severity": "medium"})
	gate.deny == {{
		"code": "finding",
		"text": "secrets/example at app/main.py:3 (severity medium, confidence medium): correct it, or ask for a suppression and say why",
		"controls": ["secrets-out-of-source"],
	}} with input as document
	count(gate.note) == 0 with input as document
}

test_lesser_finding_is_noted if {
	every parts in [{"severity": "low"}, {"severity": "info"}, {"confidence": "low"}] {
		count(gate.deny) == 0 with input as but(parts)
		fixture.codes(gate.note) == {"finding"} with input as but(parts)
	}
}

test_finding_elsewhere_is_left_to_the_build if {
	document := but({"path": "app/other.py"})
	count(gate.deny | gate.note) == 0 with input as document
}

test_finding_anywhere_counts_without_a_base if {
	document := object.union(but({"path": "app/other.py"}), {"change": {"base": null}})
	fixture.codes(gate.deny) == {"finding"} with input as document
}

test_finding_of_another_stage_is_left_to_it if {
	count(gate.deny | gate.note) == 0 with input as but({"stages": ["build"]})
}

test_suppressed_finding_is_left_to_the_release if {
	count(gate.deny | gate.note) == 0 with input as but({"state": "suppression-requested"})
	count(gate.deny | gate.note) == 0 with input as but({"state": "suppression-granted"})
}

test_gap_in_the_change_is_an_error if {
	document := fixture.changed("scan", {"gaps": [object.union(fixture.gap, {"path": "app/main.py"})]})
	fixture.codes(gate.error) == {"scan-incomplete"} with input as document
}

test_gap_elsewhere_is_left_to_the_build if {
	count(gate.error) == 0 with input as fixture.changed("scan", {"gaps": [fixture.gap]})
}

test_scan_without_rules_is_an_error if {
	fixture.codes(gate.error) == {"no-rules"} with input as fixture.changed("scan", {"rules": 0})
}
