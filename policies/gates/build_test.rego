package countersign.tests.build

import data.countersign.gates.build as gate
import data.countersign.tests.fixture

but(parts) := fixture.found([object.union(fixture.finding, parts)])

test_good_change_has_nothing_against_it if {
	count(gate.deny | gate.error | gate.note) == 0 with input as fixture.good
	gate.checks == {"facts", "findings", "coverage", "reports"} with input as fixture.good
}

test_no_facts_are_an_error_and_no_check if {
	fixture.codes(gate.error) == {"facts-incomplete"} with input as {}
	count(gate.checks) == 0 with input as {}
}

test_finding_is_denied_wherever_it_is if {
	every path in ["app/main.py", "app/other.py"] {
		fixture.codes(gate.deny) == {"finding"} with input as but({"path": path})
		count(gate.note) == 0 with input as but({"path": path})
	}
}

test_lesser_finding_is_noted if {
	every parts in [{"severity": "medium"}, {"confidence": "low"}, {"stages": ["commit"]}] {
		count(gate.deny) == 0 with input as but(parts)
		fixture.codes(gate.note) == {"finding"} with input as but(parts)
	}
}

test_suppressions_stay_visible if {
	every state in ["suppression-requested", "suppression-granted"] {
		count(gate.deny) == 0 with input as but({"state": state})
		fixture.codes(gate.note) == {state} with input as but({"state": state})
	}
}

test_gap_is_an_error if {
	document := fixture.changed("scan", {"gaps": [fixture.gap]})
	gate.error == {{
		"code": "scan-incomplete",
		"text": "vendor/lib could not be looked at (submodule): its commit is not here",
		"controls": ["scan-is-complete"],
	}} with input as document
}

test_each_gap_is_an_error if {
	other := object.union(fixture.gap, {"path": "vendor/other"})
	count(gate.error) == 2 with input as fixture.changed("scan", {"gaps": [fixture.gap, other]})
}

test_scan_without_rules_is_an_error if {
	fixture.codes(gate.error) == {"no-rules"} with input as fixture.changed("scan", {"rules": 0})
}

test_empty_tree_is_noted if {
	fixture.codes(gate.note) == {"nothing-scanned"} with input as fixture.changed("scan", {"files": 0})
}

test_stale_suppressions_are_noted if {
	stale := fixture.changed("scan", {"stale": {"declarations": 1, "baseline": 2}})
	{reason.text | some reason in gate.note} == {
		"3 declared suppressions or baseline entries match no finding any more: take them out",
	} with input as stale
	fixture.codes(gate.note) == {"stale-suppression"} with input as fixture.changed("scan", {"stale": {"baseline": 1}})
}

reported(parts, required) := object.union(
	fixture.changed("scan", {"required_reports": required}),
	{"reports": [object.union(fixture.report, parts)]},
)

test_missing_report_is_denied if {
	fixture.codes(gate.deny) == {"report-missing"} with input as reported({}, ["codeql"])
}

test_report_for_another_commit_is_denied if {
	document := reported({"current": false, "revision": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}, ["semgrep"])
	fixture.codes(gate.deny) == {"report-outdated"} with input as document
}

test_half_a_report_is_an_error if {
	fixture.codes(gate.error) == {"report-incomplete"} with input as reported({"complete": false}, [])
}

test_finding_of_another_tool_is_denied_alike if {
	fixture.codes(gate.deny) == {"finding"} with input as but({"rule": "semgrep/sqli", "tools": ["semgrep"], "stages": ["build"]})
}
