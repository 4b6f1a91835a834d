use super::*;

fn rewritten(modules: &[&str]) -> Vec<String> {
    let named: Vec<(String, &str)> = modules.iter().enumerate().map(|(i, m)| (format!("m{i}.rego"), *m)).collect();
    let mut sources = Sources::read(named.iter().map(|(p, t)| (p.as_str(), *t))).unwrap();
    named.iter().map(|(p, t)| sources.rewrite(p, t).unwrap().text).collect()
}

#[test]
fn ordinary_text_stays_as_it_is() {
    let text = "package a.b\n\nimport rego.v1\nimport future.keywords.in\nimport data.c as d\n\n# if.x $\"\n\
        p contains x if {\n\tsome x in input.y[_].z\n\tnot x.in_use\n\tevery k in d { k != `if.` }\n\
        \tcount(x) > 1 with input as {\"a\": 1}\n}\n\ndefault q := false\n";
    assert_eq!(rewritten(&[text]), [text]);
}

#[test]
fn keywords_in_references_get_brackets() {
    assert_eq!(
        rewritten(&[
            "package a.if.b\nimport data.x.in.y\nimport data.with as w\np := input.not[\"x\"].default.z(data.as)"
        ]),
        ["package a[\"if\"].b\nimport data.x[\"in\"].y\nimport data[\"with\"] as w\n\
          p := input[\"not\"][\"x\"][\"default\"].z(data[\"as\"])"]
    );
}

#[test]
fn rules_named_by_keywords_get_a_name_of_ours_everywhere() {
    let out = rewritten(&[
        "package a.b\nif.x := 1\ny.if := 2\nz if if.x == data.a.b.if.x",
        "package c\np := data.a.b.if.x + data.other.if.x",
        "package d\nimport data.a.if\nq := if.r",
    ]);
    assert_eq!(out[0], "package a.b\n__if.x := 1\ny[\"if\"] := 2\nz if __if.x == data.a.b.__if.x");
    assert_eq!(out[1], "package c\np := data.a.b.__if.x + data.other[\"if\"].x");
    assert_eq!(out[2], "package d\nimport data.a[\"if\"] as __if\nq := __if.r");
}

#[test]
fn templates_become_calls_and_no_line_moves() {
    let out = rewritten(&["package a\np := $\"x \\{ {y} {$\"{z.if}\"}\\n\"\nq := $`a\\{\n\"{b}\n`\nr := 1"]);
    assert_eq!(
        out[0],
        "package a\np := internal.template_string([\"x { \", {__t0 | __t0 := y}, \" \", \
         {__t1 | __t1 := internal.template_string([{__t2 | __t2 := z[\"if\"]}])}, \"\\n\"])\n\
         q := internal.template_string([\"a{\\n\\\"\"\n, {__t3 | __t3 := b}, \"\\n\"\n])\nr := 1"
    );
}

#[test]
fn templates_that_are_members_are_made_in_the_body() {
    let out = rewritten(&["package a\np contains $\"{x}\"\n\nq contains {\"m\": $\"{x}\"} if {\n\tsome x in y\n}\n\n\
                           r contains $\"{x}\" if y with input as {}\n\ns contains z if contains($\"{x}\", z)\n"]);
    let t = |n: u32| format!("internal.template_string([{{__t{n} | __t{n} := x}}])");
    assert_eq!(
        out[0],
        format!(
            "package a\np contains __h0 if {{ __h0 := {} }}\n\n\
             q contains __h2 if {{ __h2 := {{\"m\": {}}}; \n\tsome x in y\n}}\n\n\
             r contains __h4 if {{ __h4 := {}; y with input as {{}} }}\n\ns contains z if contains({}, z)\n",
            t(1),
            t(3),
            t(5),
            t(6)
        )
    );
}

proptest::proptest! {
    #[test]
    fn any_text_keeps_its_lines(text in "[a-z.$\"`{}()\\\\# \n]{0,60}") {
        if let Ok(mut sources) = Sources::read([("a.rego", text.as_str())]) {
            let out = sources.rewrite("a.rego", &text).unwrap();
            proptest::prop_assert_eq!(out.text.matches('\n').count(), text.matches('\n').count());
        }
    }
}
