//! Which kind of analysis a tool makes, by the name under which its reports are recorded.

/// Tools and their kind. A name counts where it is the whole of a tool's id, or its first word.
const TOOLS: &[(&str, &[&str])] = &[
    (
        "sast",
        &[
            "bandit",
            "bearer",
            "brakeman",
            "checkmarx",
            "clang-tidy",
            "clippy",
            "codeql",
            "coverity",
            "cppcheck",
            "devskim",
            "eslint",
            "fortify",
            "gosec",
            "infer",
            "klocwork",
            "mobsfscan",
            "njsscan",
            "opengrep",
            "phpstan",
            "pmd",
            "psalm",
            "pylint",
            "roslyn",
            "ruff",
            "security-code-scan",
            "semgrep",
            "snyk-code",
            "snykcode",
            "sonarqube",
            "sonarlint",
            "spotbugs",
            "find-sec-bugs",
            "staticcheck",
            "veracode",
        ],
    ),
    (
        "sca",
        &[
            "anchore",
            "black-duck",
            "cargo-audit",
            "cargo-deny",
            "clair",
            "dependabot",
            "dependency-check",
            "docker-scout",
            "govulncheck",
            "grype",
            "mend",
            "npm-audit",
            "osv-scanner",
            "owasp-dependency-check",
            "pip-audit",
            "retire-js",
            "safety",
            "snyk",
            "snyk-open-source",
            "trivy",
            "whitesource",
        ],
    ),
    (
        "dast",
        &[
            "acunetix",
            "arachni",
            "burp",
            "burp-suite",
            "invicti",
            "nikto",
            "nuclei",
            "owasp-zap",
            "stackhawk",
            "wapiti",
            "zap",
        ],
    ),
    (
        "iac",
        &[
            "cfn-lint",
            "cfn-nag",
            "checkov",
            "conftest",
            "kics",
            "kube-linter",
            "kube-score",
            "kubesec",
            "polaris",
            "snyk-iac",
            "terrascan",
            "tflint",
            "tfsec",
            "trivy-config",
        ],
    ),
    (
        "secrets",
        &[
            "betterleaks",
            "detect-secrets",
            "github-secret-scanning",
            "gitleaks",
            "kingfisher",
            "noseyparker",
            "trufflehog",
        ],
    ),
];

/// `sast`, `sca`, `dast`, `iac`, `secrets`, or `other`.
pub(super) fn class(tool: &str) -> &'static str {
    let of = |name: &str| TOOLS.iter().find(|(_, names)| names.contains(&name)).map(|(class, _)| *class);
    if let Some(class) = of(tool) {
        return class;
    }
    // `semgrep-oss` is Semgrep; the longest beginning that is known counts.
    let ends = tool.rmatch_indices('-').map(|(at, _)| at);
    ends.filter_map(|at| of(tool.get(..at)?)).next().unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::class;

    #[test]
    fn tools_are_known_by_their_name_or_its_beginning() {
        for (tool, wanted) in [
            ("semgrep", "sast"),
            ("semgrep-oss", "sast"),
            ("snyk", "sca"),
            ("snyk-code", "sast"),
            ("trivy-config", "iac"),
            ("trivy-image", "sca"),
            ("owasp-zap", "dast"),
            ("gitleaks", "secrets"),
            ("semgrepish", "other"),
            ("unnamed", "other"),
        ] {
            assert_eq!(class(tool), wanted, "{tool}");
        }
    }
}
