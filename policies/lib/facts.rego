# METADATA
# title: Facts
# description: |
#   Are the facts there, and are they what they should be? A rule over a field that is missing or mistyped does not
#   fire, and silence would look like a pass. So every gate has these problems among its errors, and looks at the
#   facts through `sound` alone.
# custom:
#   controls: [scan-is-complete]
package countersign.lib.facts

import data.countersign.lib.reasons

# What every change's facts hold: path and kind.
fields := {
	"version": "count",
	"repository/identity": "text or null",
	"change/commit": "text",
	"change/tree": "text",
	"change/base": "text or null",
	"change/environment": "text",
	"change/shallow": "boolean",
	"change/complete": "boolean",
	"change/commits": "list",
	"change/files": "list",
	"change/pipeline/digest": "digest",
	"change/pipeline/files": "count",
	"change/pipeline/changed": "boolean",
	"change/ticket": "text or null",
	"change/reason": "text or null",
	"trust/established": "boolean",
	"trust/recorder_enrolled": "boolean",
	"trust/bundle_activated": "boolean",
	"scan/rules": "count",
	"scan/rules_digest": "digest",
	"scan/files": "count",
	"scan/binary": "count",
	"scan/links": "count",
	"scan/bytes": "count",
	"scan/gaps": "list",
	"scan/findings": "list",
	"scan/stale/declarations": "count",
	"scan/stale/baseline": "count",
	"scan/required_reports": "texts",
	"reports": "list",
	"artifacts": "list",
	"evidence": "list",
}

# What every element of a list holds.
elements := {
	"change/commits": {
		"id": "text",
		"author": "text",
		"signature": "signature",
		"person": "text or null",
		"claims": "texts",
		"co_authors": "count",
		"merge": "boolean",
	},
	"change/files": {"path": "text", "status": "status"},
	"scan/gaps": {"path": "text", "kind": "text", "detail": "string"},
	"scan/findings": {
		"rule": "text",
		"severity": "severity",
		"confidence": "confidence",
		"path": "text",
		"line": "count",
		"fingerprint": "digest",
		"controls": "texts",
		"state": "state",
		"stages": "texts",
		"cwe": "texts",
		"tools": "texts",
	},
	"reports": {
		"tool": "text",
		"version": "text or null",
		"digest": "digest",
		"revision": "text or null",
		"current": "boolean",
		"complete": "boolean",
		"findings": "count",
	},
	"artifacts": {"name": "text", "digest": "digest"},
	"evidence": {"kind": "text", "digest": "digest", "name": "text"},
}

# The kinds that are one of a few words.
words := {
	"signature": {"valid", "invalid", "none", "unsupported"},
	"status": {"A", "M", "D", "T"},
	"severity": {"info", "low", "medium", "high", "critical"},
	"confidence": {"low", "medium", "high", "certain"},
	"state": {"open", "suppression-requested", "suppression-granted"},
}

# The JSON types that a kind may have.
types := {
	"boolean": {"boolean"},
	"confidence": {"string"},
	"count": {"number"},
	"digest": {"string"},
	"list": {"array"},
	"severity": {"string"},
	"signature": {"string"},
	"state": {"string"},
	"status": {"string"},
	"string": {"string"},
	"text": {"string"},
	"text or null": {"string", "null"},
	"texts": {"array"},
}

# The value at a path, or the empty set, which no JSON value is equal to. It is never undefined: an undefined argument
# inside a `not` is read differently by different engines.
value_at(document, path) := object.get(document, split(path, "/"), set()) if is_object(document)

value_at(document, _) := set() if not is_object(document)

# What is to be looked at, by the start of its path: objects, and the kinds of their fields. The facts themselves are one
# object with a long name for every field. Rules go through kinds first and objects last, for there may be very many.
groups := object.union({"": {"kinds": fields, "objects": [whole]}}, parts)

whole := {path: value_at(input, path) | some path, _ in fields}

parts := {prefix: {"kinds": kinds, "objects": objects} |
	some list, kinds in elements
	found := value_at(input, list)
	is_array(found)
	prefix := sprintf("%s/*/", [list])
	objects := [element | some element in found; is_object(element)]
}

at(prefix, field, kind) := {"path": concat("", [prefix, field]), "kind": kind}

# METADATA
# description: Every path whose value is missing or of another kind; `*` stands for any element of a list.
problems contains at(prefix, field, kind) if {
	some prefix, group in groups
	some field, kind in group.kinds
	allowed := types[kind]
	some thing in group.objects
	not type_name(object.get(thing, field, set())) in allowed
}

problems contains at(prefix, field, kind) if {
	some prefix, group in groups
	some field, kind in group.kinds
	allowed := words[kind]
	some thing in group.objects
	not object.get(thing, field, set()) in allowed
}

problems contains at(prefix, field, kind) if {
	some prefix, group in groups
	some field, kind in group.kinds
	kind in {"text", "text or null"}
	some thing in group.objects
	thing[field] == ""
}

problems contains at(prefix, field, kind) if {
	some prefix, group in groups
	some field, kind in group.kinds
	kind == "digest"
	some thing in group.objects
	value := thing[field]
	is_string(value)
	not regex.match(`^sha256:[0-9a-f]{64}$`, value)
}

problems contains at(prefix, field, kind) if {
	some prefix, group in groups
	some field, kind in group.kinds
	kind == "count"
	some thing in group.objects
	value := thing[field]
	is_number(value)
	not whole_and_not_negative(value)
}

problems contains at(prefix, field, kind) if {
	some prefix, group in groups
	some field, kind in group.kinds
	kind == "texts"
	some thing in group.objects
	is_array(thing[field])
	some text in thing[field]
	not is_text(text)
}

problems contains at(list, "/*", "object") if {
	some list, _ in elements
	found := value_at(input, list)
	is_array(found)
	some element in found
	not is_object(element)
}

whole_and_not_negative(value) if {
	value >= 0
	value == floor(value)
}

is_text(value) if {
	is_string(value)
	value != ""
}

# METADATA
# description: The facts, when nothing is the matter with any of them; undefined otherwise.
sound := input if count(problems) == 0

# METADATA
# description: The problems as reasons; every gate has them among its errors.
errors contains reasons.reason("facts-incomplete", text, ["scan-is-complete"]) if {
	some problem in problems
	text := sprintf(
		"the fact `%s` is missing or is not of the kind %s: collect the facts again with `countersign run`",
		[problem.path, problem.kind],
	)
}
