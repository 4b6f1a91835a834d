# METADATA
# title: Build
# description: |
#   Looks at the whole tree: no open finding of high severity and medium confidence or more anywhere, whichever tool saw
#   it, nothing that could not be looked at, and every report that is required.
# custom:
#   controls: [secrets-out-of-source, scan-is-complete, suppressions-granted, reports-delivered, weaknesses-corrected]
package countersign.gates.build

import data.countersign.lib.facts
import data.countersign.lib.findings
import data.countersign.lib.reasons
import data.countersign.lib.reports

controls contains "secrets-out-of-source"

controls contains "scan-is-complete"

controls contains "suppressions-granted"

controls contains "reports-delivered"

controls contains "weaknesses-corrected"

checks contains "facts" if facts.sound

checks contains "findings" if is_array(facts.sound.scan.findings)

checks contains "coverage" if is_array(facts.sound.scan.gaps)

checks contains "reports" if is_array(facts.sound.reports)

error contains reason if some reason in facts.errors

# METADATA
# title: An open finding in the tree
# custom:
#   controls: [secrets-out-of-source]
deny contains reasons.reason("finding", text, finding.controls) if {
	some finding in findings.open
	blocks(finding)
	text := sprintf("%s: correct it, or ask for a suppression and say why", [findings.label(finding)])
}

# METADATA
# title: Any other open finding
note contains reasons.reason("finding", text, finding.controls) if {
	some finding in findings.open
	not blocks(finding)
	text := sprintf("%s: does not block here", [findings.label(finding)])
}

blocks(finding) if {
	"build" in finding.stages
	findings.at_least(finding, "high", "medium")
}

# METADATA
# title: Something could not be looked at
# custom:
#   controls: [scan-is-complete]
error contains reasons.reason("scan-incomplete", text, ["scan-is-complete"]) if {
	some gap in facts.sound.scan.gaps
	text := sprintf("%s could not be looked at (%s): %s", [gap.path, gap.kind, gap.detail])
}

# METADATA
# title: A report that is required and was not delivered
# custom:
#   controls: [reports-delivered]
deny contains reasons.reason("report-missing", text, ["reports-delivered"]) if {
	some tool in reports.missing
	text := sprintf("no report of %s was delivered: record one with `countersign record FILE`", [tool])
}

# METADATA
# title: A report for another commit
# custom:
#   controls: [reports-delivered]
deny contains reasons.reason("report-outdated", text, ["reports-delivered"]) if {
	some report in reports.outdated
	text := sprintf(
		"the report of %s was made for commit %s: let it look at this one, and record that report",
		[report.tool, substring(report.revision, 0, 12)],
	)
}

# METADATA
# title: A report that does not say all
# custom:
#   controls: [reports-delivered]
error contains reasons.reason("report-incomplete", text, ["reports-delivered"]) if {
	some report in reports.incomplete
	text := sprintf("the report of %s says of itself that it is not whole: correct the cause, and record another", [report.tool])
}

# METADATA
# title: Nothing looked
# custom:
#   controls: [scan-is-complete]
error contains reasons.reason("no-rules", text, ["scan-is-complete"]) if {
	facts.sound.scan.rules == 0
	text := "the scan had no rules, so it found nothing and says nothing: run `countersign scan` with the shipped rules"
}

# METADATA
# title: There was nothing to look at
note contains reasons.reason("nothing-scanned", "the tree holds no file that could be scanned", ["scan-is-complete"]) if {
	facts.sound.scan.files == 0
}

# METADATA
# title: A finding that the change asks to leave standing
note contains reasons.reason("suppression-requested", text, ["suppressions-granted"]) if {
	some finding in findings.requested
	text := sprintf("%s: a suppression is asked for, and `release` waits until it is granted", [findings.label(finding)])
}

# METADATA
# title: A finding that stands by signature
note contains reasons.reason("suppression-granted", text, ["suppressions-granted"]) if {
	some finding in findings.granted
	text := sprintf("%s: suppressed, as granted", [findings.label(finding)])
}

# METADATA
# title: A suppression that suppresses nothing
note contains reasons.reason("stale-suppression", text, ["suppressions-granted"]) if {
	stale := facts.sound.scan.stale.declarations + facts.sound.scan.stale.baseline
	stale > 0
	text := sprintf("%s no finding any more: take them out", [matching(stale)])
}

matching(1) := "1 declared suppression or baseline entry matches"

matching(n) := sprintf("%d declared suppressions or baseline entries match", [n]) if n != 1
