package countersign.tests.findings

import data.countersign.lib.findings
import data.countersign.tests.fixture

of(severity, confidence) := object.union(fixture.finding, {"severity": severity, "confidence": confidence})

test_equal_is_at_least if findings.at_least(of("medium", "medium"), "medium", "medium")

test_more_is_at_least if findings.at_least(of("critical", "certain"), "high", "medium")

test_less_severe_is_less if not findings.at_least(of("low", "certain"), "medium", "medium")

test_less_sure_is_less if not findings.at_least(of("critical", "low"), "medium", "medium")

test_changed_file_is_in_the_change if findings.in_change("app/main.py") with input as fixture.good

test_file_in_a_changed_archive_is_in_the_change if findings.in_change("app/main.py!/inner.txt") with input as fixture.good

test_other_file_is_not_in_the_change if not other_file_in_change

other_file_in_change if findings.in_change("app/other.py") with input as fixture.good

test_deleted_file_is_not_in_the_change if not deleted_file_in_change

deleted_file_in_change if findings.in_change("app/old.py") with input as fixture.good

test_everything_is_in_a_change_without_base if {
	findings.in_change("app/other.py") with input as fixture.changed("change", {"base": null})
}

three := fixture.found([
	fixture.finding,
	object.union(fixture.finding, {"state": "suppression-requested", "line": 4}),
	object.union(fixture.finding, {"state": "suppression-granted", "line": 5}),
])

test_findings_are_told_apart_by_state if {
	{f.line | some f in findings.open} == {3} with input as three
	{f.line | some f in findings.requested} == {4} with input as three
	{f.line | some f in findings.granted} == {5} with input as three
}

test_label_names_rule_and_place if {
	findings.label(fixture.finding) == "secrets/example at app/main.py:3 (severity high, confidence medium)"
}

test_short_is_twelve_digits if findings.short(fixture.finding) == "555555555555"

test_label_names_other_tools if {
	label := findings.label(object.union(fixture.finding, {"tools": ["countersign", "gitleaks"]}))
	label == "secrets/example at app/main.py:3 (severity high, confidence medium, seen by countersign, gitleaks)"
}
