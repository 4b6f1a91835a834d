package countersign.tests.facts

import data.countersign.lib.facts
import data.countersign.tests.fixture

paths(document) := {problem.path |
	some problem in facts.problems with input as document
}

test_good_facts_have_no_problem if paths(fixture.good) == set()

test_good_elements_have_no_problem if {
	document := object.union(fixture.found([fixture.finding]), {"scan": {"gaps": [fixture.gap]}})
	paths(document) == set()
}

test_nothing_at_all_lacks_every_field if count(paths({})) == count(facts.fields)

test_facts_that_are_no_object_are_nothing_at_all if {
	count(facts.problems) == count(facts.fields) with input as []
}

test_missing_field_is_named if {
	paths(json.remove(fixture.good, ["scan/rules"])) == {"scan/rules"}
}

test_missing_section_lacks_all_its_fields if {
	paths(json.remove(fixture.good, ["trust"])) == {"trust/established", "trust/recorder_enrolled", "trust/bundle_activated"}
}

test_section_that_is_no_object_lacks_all_its_fields if {
	every section in ["x", 1, null, [], [{"established": true}]] {
		document := object.union(json.remove(fixture.good, ["trust"]), {"trust": section})
		paths(document) == {"trust/established", "trust/recorder_enrolled", "trust/bundle_activated"}
	}
}

test_text_is_no_boolean if {
	paths(fixture.changed("trust", {"established": "true"})) == {"trust/established"}
}

test_count_is_whole_and_not_negative if {
	every n in [-1, 0.5, "1", null] {
		paths(fixture.changed("scan", {"rules": n})) == {"scan/rules"}
	}
}

test_null_stands_only_where_it_may if {
	paths(fixture.changed("change", {"base": null, "ticket": null})) == set()
	paths(fixture.changed("change", {"commit": null})) == {"change/commit"}
}

test_empty_text_is_no_text if paths(fixture.changed("repository", {"identity": ""})) == {"repository/identity"}

test_digest_has_its_form if {
	paths(fixture.changed("scan", {"rules_digest": "sha256:55"})) == {"scan/rules_digest"}
}

test_list_is_a_list if paths(fixture.found({})) == {"scan/findings"}

test_element_is_an_object if paths(fixture.found([fixture.finding, "x"])) == {"scan/findings/*"}

test_element_has_its_fields if {
	paths(fixture.found([json.remove(fixture.finding, ["state"])])) == {"scan/findings/*/state"}
}

test_unknown_words_are_problems if {
	paths(fixture.found([object.union(fixture.finding, {"severity": "hihg"})])) == {"scan/findings/*/severity"}
	paths(fixture.found([object.union(fixture.finding, {"confidence": "sure"})])) == {"scan/findings/*/confidence"}
	paths(fixture.found([object.union(fixture.finding, {"state": "closed"})])) == {"scan/findings/*/state"}
	paths(fixture.committed([object.union(fixture.commit, {"signature": "good"})])) == {"change/commits/*/signature"}
	paths(fixture.changed("change", {"files": [{"path": "a", "status": "?"}]})) == {"change/files/*/status"}
}

test_texts_are_all_text if {
	paths(fixture.committed([object.union(fixture.commit, {"claims": ["per-b", 1]})])) == {"change/commits/*/claims"}
}

test_problems_become_errors if {
	errors := facts.errors with input as json.remove(fixture.good, ["scan/rules"])
	fixture.codes(errors) == {"facts-incomplete"}
	some error in errors
	contains(error.text, "`scan/rules`")
}

test_no_problem_is_no_error if count(facts.errors) == 0 with input as fixture.good

test_good_facts_are_sound if {
	good := fixture.good
	facts.sound == good with input as good
}

test_others_are_not_to_be_looked_at if not facts.sound with input as json.remove(fixture.good, ["scan/rules"])
