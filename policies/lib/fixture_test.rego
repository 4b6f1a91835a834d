# A change in perfect order, and the pieces that tests put into it. No gate has anything to say about `good`.
package countersign.tests.fixture

digest := "sha256:5555555555555555555555555555555555555555555555555555555555555555"

good := {
	"version": 1,
	"repository": {"identity": "git:host/acme/app"},
	"change": {
		"commit": "cccccccccccccccccccccccccccccccccccccccc",
		"tree": "dddddddddddddddddddddddddddddddddddddddd",
		"base": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
		"environment": "production",
		"shallow": false,
		"complete": true,
		"commits": [commit],
		"files": [{"path": "app/main.py", "status": "M"}, {"path": "app/old.py", "status": "D"}],
		"pipeline": {"digest": digest, "files": 1, "changed": false},
		"ticket": "CHG-1",
		"reason": "smaller fees",
	},
	"trust": {"established": true, "recorder_enrolled": true, "bundle_activated": true},
	"scan": {
		"rules": 45,
		"rules_digest": digest,
		"files": 10,
		"binary": 1,
		"links": 0,
		"bytes": 1234,
		"gaps": [],
		"findings": [],
		"stale": {"declarations": 0, "baseline": 0},
		"required_reports": [],
	},
	"reports": [report],
	"artifacts": [{"name": "app.tar", "digest": digest}],
	"evidence": [{"kind": "sarif", "digest": digest, "name": "x.sarif"}],
}

commit := {
	"id": "cccccccccccccccccccccccccccccccccccccccc",
	"author": "author-0123456789abcdef",
	"signature": "valid",
	"person": "per-a",
	"claims": [],
	"co_authors": 0,
	"merge": false,
}

finding := {
	"rule": "secrets/example",
	"severity": "high",
	"confidence": "medium",
	"path": "app/main.py",
	"line": 3,
	"fingerprint": digest,
	"controls": ["secrets-out-of-source"],
	"state": "open",
	"stages": ["commit", "build"],
	"cwe": ["CWE-798"],
	"tools": ["countersign"],
}

report := {
	"tool": "semgrep-oss",
	"version": "1.99.0",
	"digest": digest,
	"revision": null,
	"current": true,
	"complete": true,
	"findings": 0,
}

gap := {"path": "vendor/lib", "kind": "submodule", "detail": "its commit is not here"}

# METADATA
# description: The good facts with parts of one section replaced.
changed(section, parts) := object.union(good, {section: parts})

found(findings) := changed("scan", {"findings": findings})

committed(commits) := changed("change", {"commits": commits})

# METADATA
# description: The codes of reasons.
codes(reasons) := {reason.code | some reason in reasons}
