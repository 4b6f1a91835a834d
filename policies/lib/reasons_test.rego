package countersign.tests.reasons

import data.countersign.lib.reasons

test_reason_has_code_text_and_controls if {
	reasons.reason("a", "b", ["c"]) == {"code": "a", "text": "b", "controls": ["c"]}
}

test_few_names_are_all_listed if reasons.enumerated(["a", "b"]) == "a, b"

test_no_names_are_an_empty_list if reasons.enumerated([]) == ""

test_many_names_are_counted if {
	names := [sprintf("n%d", [i]) | some i in numbers.range(1, 23)]
	endswith(reasons.enumerated(names), ", n5 and 18 more")
}

test_five_names_are_not_too_many if {
	names := [sprintf("n%d", [i]) | some i in numbers.range(1, 5)]
	endswith(reasons.enumerated(names), ", n5")
}

test_one_is_singular if reasons.counted(1, "commit") == "1 commit"

test_two_are_plural if reasons.counted(2, "commit") == "2 commits"
