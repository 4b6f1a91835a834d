# METADATA
# title: Pre-commit
# description: |
#   Looks at what the change touches, before it leaves the developer's hands: no open finding of medium severity and
#   medium confidence or more in a changed file.
# custom:
#   controls: [secrets-out-of-source, scan-is-complete]
package countersign.gates["pre-commit"]

import data.countersign.lib.facts
import data.countersign.lib.findings
import data.countersign.lib.reasons

controls contains "secrets-out-of-source"

controls contains "scan-is-complete"

checks contains "facts" if facts.sound

checks contains "findings" if is_array(facts.sound.scan.findings)

checks contains "coverage" if is_array(facts.sound.scan.gaps)

error contains reason if some reason in facts.errors

# METADATA
# title: An open finding in the change
# custom:
#   controls: [secrets-out-of-source]
deny contains reasons.reason("finding", text, finding.controls) if {
	some finding in findings.open
	blocks(finding)
	text := sprintf("%s: correct it, or ask for a suppression and say why", [findings.label(finding)])
}

# METADATA
# title: A lesser finding in the change
note contains reasons.reason("finding", text, finding.controls) if {
	some finding in findings.open
	concerns(finding)
	not blocks(finding)
	text := sprintf("%s: does not block here", [findings.label(finding)])
}

concerns(finding) if {
	"commit" in finding.stages
	findings.in_change(finding.path)
}

blocks(finding) if {
	concerns(finding)
	findings.at_least(finding, "medium", "medium")
}

# METADATA
# title: Something in the change could not be looked at
# custom:
#   controls: [scan-is-complete]
error contains reasons.reason("scan-incomplete", text, ["scan-is-complete"]) if {
	some gap in facts.sound.scan.gaps
	findings.in_change(gap.path)
	text := sprintf("%s could not be looked at (%s): %s", [gap.path, gap.kind, gap.detail])
}

# METADATA
# title: Nothing looked
# custom:
#   controls: [scan-is-complete]
error contains reasons.reason("no-rules", text, ["scan-is-complete"]) if {
	facts.sound.scan.rules == 0
	text := "the scan had no rules, so it found nothing and says nothing: run `countersign scan` with the shipped rules"
}
