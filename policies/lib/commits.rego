# METADATA
# title: Commits
# description: Who stands behind the commits of a change. Author strings are never identity.
package countersign.lib.commits

import data.countersign.lib.facts
import data.countersign.lib.reasons

# METADATA
# description: |
#   The people known to have worked on a commit: whose key signed it, and who claimed it by signature.
known(commit) := signers(commit) | {person | some person in commit.claims}

signers(commit) := {commit.person | commit.signature == "valid"; commit.person != null}

# METADATA
# description: |
#   Whether everybody who worked on a commit is known: its author and each co-author. One name too few means that
#   somebody unknown might approve their own work, so unknown counts as conflicted.
attributed(commit) if count(known(commit)) > commit.co_authors

unverified contains commit.id if {
	some commit in facts.sound.change.commits
	not attributed(commit)
}

invalid contains commit.id if {
	some commit in facts.sound.change.commits
	commit.signature == "invalid"
}

# METADATA
# description: Commit ids for people, twelve digits each.
names(ids) := reasons.enumerated([substring(id, 0, 12) | some id in ids])
