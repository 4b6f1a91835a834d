package countersign.tests.reports

import data.countersign.lib.reports
import data.countersign.tests.fixture

delivered(parts, required) := object.union(fixture.changed("scan", {"required_reports": required}), {"reports": parts})

of(parts) := object.union(fixture.report, parts)

test_nothing_is_missing_where_nothing_is_required if count(reports.missing) == 0 with input as delivered([], [])

test_required_and_not_there_is_missing if {
	reports.missing == {"codeql"} with input as delivered([fixture.report], ["codeql", "semgrep"])
}

test_a_tool_whose_name_only_begins_alike_is_another if {
	reports.missing == {"sem"} with input as delivered([fixture.report], ["sem"])
}

test_a_firm_may_require_for_everybody if {
	reports.missing == {"trivy"} with input as delivered([], []) with reports.always as {"trivy"}
}

test_report_for_another_commit_is_outdated if {
	found := reports.outdated with input as delivered([of({"current": false})], [])
	count(found) == 1
}

test_a_newer_one_takes_its_place if {
	count(reports.outdated) == 0 with input as delivered([of({"current": false}), fixture.report], [])
}

test_report_that_does_not_say_all_is_incomplete if {
	found := reports.incomplete with input as delivered([of({"complete": false})], [])
	count(found) == 1
}

test_a_whole_one_takes_its_place if {
	count(reports.incomplete) == 0 with input as delivered([of({"complete": false}), fixture.report], [])
}

test_outdated_is_not_incomplete_as_well if {
	count(reports.incomplete) == 0 with input as delivered([of({"current": false, "complete": false})], [])
}
