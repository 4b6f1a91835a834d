# METADATA
# title: Reports
# description: Which reports of other tools a change needs, and which of them are there.
package countersign.lib.reports

import data.countersign.lib.facts

# METADATA
# description: |
#   Tools whose reports every change needs, whatever its repository says. The shipped bundle names none; a firm's own
#   bundle does. A repository adds to it with `scan.required_reports`, and takes nothing away.
always := set()

required contains tool if some tool in always

required contains tool if some tool in facts.sound.scan.required_reports

# METADATA
# description: Whether a report is of this tool; `semgrep` stands for `semgrep-oss` and `semgrep-pro` too.
is_of(report, tool) if report.tool == tool

is_of(report, tool) if startswith(report.tool, sprintf("%s-", [tool]))

# METADATA
# description: Required tools of which there is no report at all.
missing contains tool if {
	some tool in required
	count([report | some report in facts.sound.reports; is_of(report, tool)]) == 0
}

# METADATA
# description: Reports for another commit, from tools that have delivered none for this one.
outdated contains report if {
	some report in facts.sound.reports
	report.current == false
	count([other | some other in facts.sound.reports; other.tool == report.tool; other.current]) == 0
}

# METADATA
# description: Reports for this commit that do not say all, from tools that have delivered none that does.
incomplete contains report if {
	some report in facts.sound.reports
	report.current
	report.complete == false
	count([other | some other in facts.sound.reports; other.tool == report.tool; other.current; other.complete]) == 0
}
