# METADATA
# title: Findings
# description: Which findings count, how much, and how they are named.
package countersign.lib.findings

import data.countersign.lib.facts

severities := {"info": 0, "low": 1, "medium": 2, "high": 3, "critical": 4}

confidences := {"low": 0, "medium": 1, "high": 2, "certain": 3}

# METADATA
# description: Whether a finding is at least so severe and at least so sure.
at_least(finding, severity, confidence) if {
	severities[finding.severity] >= severities[severity]
	confidences[finding.confidence] >= confidences[confidence]
}

# METADATA
# description: |
#   Whether a path belongs to the change. Without a base everything does; a deleted file has nothing left to find. What is
#   in an archive changes with it.
in_change(_) if facts.sound.change.base == null

in_change(path) if changed[split(path, "!/")[0]]

changed contains file.path if {
	some file in facts.sound.change.files
	file.status != "D"
}

# METADATA
# description: Findings that count.
open contains finding if {
	some finding in facts.sound.scan.findings
	finding.state == "open"
}

# METADATA
# description: Findings that the judged change asks not to count. Asking is not getting.
requested contains finding if {
	some finding in facts.sound.scan.findings
	finding.state == "suppression-requested"
}

# METADATA
# description: Findings that somebody else let stand, by signature. They stay visible.
granted contains finding if {
	some finding in facts.sound.scan.findings
	finding.state == "suppression-granted"
}

# METADATA
# description: "`secrets/x at app/a.py:3`"
place(finding) := sprintf("%s at %s:%d", [finding.rule, finding.path, finding.line])

# METADATA
# description: "`secrets/x at app/a.py:3 (severity high, confidence medium)`, and who saw it, where others did"
label(finding) := sprintf("%s (severity %s, confidence %s)", [place(finding), finding.severity, finding.confidence]) if {
	{tool | some tool in finding.tools} == {"countersign"}
}

label(finding) := sprintf(
	"%s (severity %s, confidence %s, seen by %s)",
	[place(finding), finding.severity, finding.confidence, concat(", ", sort(finding.tools))],
) if {
	{tool | some tool in finding.tools} != {"countersign"}
}

# METADATA
# description: The first twelve hex digits of the fingerprint, as `countersign suppression grant` takes them.
short(finding) := substring(trim_prefix(finding.fingerprint, "sha256:"), 0, 12)
