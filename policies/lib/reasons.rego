# METADATA
# title: Reasons
# description: What a gate says about a change, in the one shape that the engine reads.
package countersign.lib.reasons

# The most things that one reason lists by name; the rest is counted.
listed := 5

# METADATA
# description: |
#   A reason: a short stable code, one sentence that says what is the matter and what to do,
#   and the ids of the controls that it touches.
reason(code, text, controls) := {"code": code, "text": text, "controls": controls}

# METADATA
# description: The first names of a sorted list, and how many more there are.
enumerated(names) := concat(", ", names) if count(names) <= listed

enumerated(names) := sprintf("%s and %d more", [concat(", ", array.slice(names, 0, listed)), count(names) - listed]) if {
	count(names) > listed
}

# METADATA
# description: "`1 commit`, `2 commits`."
counted(1, noun) := sprintf("1 %s", [noun])

counted(n, noun) := sprintf("%d %ss", [n, noun]) if n != 1
