package countersign.tests.commits

import data.countersign.lib.commits
import data.countersign.tests.fixture

but(parts) := object.union(fixture.commit, parts)

test_signed_by_a_known_person_is_attributed if commits.attributed(fixture.commit)

test_claimed_is_attributed if {
	commits.attributed(but({"signature": "none", "person": null, "claims": ["per-b"]}))
}

test_unsigned_is_not if not commits.attributed(but({"signature": "none", "person": null}))

test_signed_by_an_unknown_key_is_not if not commits.attributed(but({"person": null}))

test_unsupported_signature_is_not if not commits.attributed(but({"signature": "unsupported"}))

test_invalid_signature_is_not if not commits.attributed(but({"signature": "invalid"}))

test_co_author_must_be_known_too if {
	not commits.attributed(but({"co_authors": 1}))
	commits.attributed(but({"co_authors": 1, "claims": ["per-b"]}))
}

test_claiming_twice_is_one_person if {
	not commits.attributed(but({"co_authors": 1, "claims": ["per-a"]}))
	not commits.attributed(but({"co_authors": 2, "claims": ["per-b", "per-b"]}))
}

test_unverified_and_invalid_are_listed if {
	document := fixture.committed([
		fixture.commit,
		but({"id": "eeee", "signature": "none", "person": null}),
		but({"id": "ffff", "signature": "invalid", "person": null, "claims": ["per-b"]}),
	])
	commits.unverified == {"eeee"} with input as document
	commits.invalid == {"ffff"} with input as document
}

test_names_are_short if commits.names({fixture.commit.id, "ab"}) == "ab, cccccccccccc"
