//! GitHub Actions: workflows and composite actions.
//!
//! `model` holds what is read of a file, `expression` and `evaluate` its expressions, `secrets` which of them yield secrets; the lints stand
//! in files of their own.

use std::collections::HashMap;

use super::super::{fault::Fault, lint::Lint};

mod bind;
mod build;
mod cached;
mod evaluate;
mod exposure;
mod expression;
mod inline;
mod javascript;
mod kept;
mod lasting;
mod literal;
mod machine;
mod mend;
mod model;
mod passed;
mod pasted;
mod paths;
mod printed;
mod purpose;
mod reach;
mod readings;
mod scripts;
mod secrets;
mod sharing;
mod unpinned;
mod uses;
mod when;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[
    &scripts::Scripts,
    &inline::Inline,
    &lasting::Lasting,
    &reach::Reach,
    &sharing::Sharing,
    &exposure::Exposure,
    &literal::Literal,
    &unpinned::Unpinned,
];

/// As the metadata of all lints here names it.
const TOOL: &str = "GitHub Actions";

/// OWASP's risk of pipelines that is about credentials.
const CICD_6: &str =
    "OWASP Top 10 CI/CD Security Risks: CICD-SEC-6 Insufficient Credential Hygiene";

/// GitHub's page on secrets in workflows.
const SECURE_USE: &str = "GitHub Docs: Secure use reference";

/// The principle that rules on the reach of secrets come from.
const LEAST: &str = "OWASP Secrets Management Cheat Sheet: least privilege";

/// Numbers faults of one lint that have the same subject: the second gets `#2`.
fn part(faults: &mut [Fault]) {
    let mut seen: HashMap<(&str, String), usize> = HashMap::new();
    for fault in faults {
        let count = seen
            .entry((fault.lint.id, fault.subject.clone()))
            .or_default();
        *count += 1;
        if *count > 1 {
            fault.subject = format!("{} #{count}", fault.subject);
        }
    }
}

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::super::lint::LintMeta, *};

    const LINES: [&str; 30] = [
        "on: [push, pull_request]\n",
        "on: workflow_call\n",
        "env: {A: '${{ secrets.A }}', PASSWORD: Vx7kQ2mR9tLp}\n",
        "jobs:\n  a:\n",
        "    if: github.ref == 'x' && (always() || !y)\n",
        "    runs-on: [self-hosted, é]\n",
        "    environment: production\n",
        "    secrets: inherit\n",
        "    uses: ./.github/workflows/x.yml\n",
        "    services: {db: {env: {PASSWORD: é}}}\n",
        "    outputs: {a: '${{ secrets.A }}'}\n",
        "    steps:\n",
        "      - uses: a/b@v1\n",
        "      - uses: actions/upload-artifact@v3\n",
        "      - uses: actions/github-script@v7\n",
        "      - uses: docker://a\n",
        "      - uses: actions/cache@v4\n",
        "        with: {path: '~/.aws,é*', script: 'console.log(process.env.A)', args: '${{ secrets.A }}'}\n",
        "        with:\n          path: |\n            é\n            !.\n",
        "        with: {build-args: \"A=${{ secrets.A }}\\né=${{ github.token }}\"}\n",
        "      - run: echo $A | base64 > é && env\r\n",
        "      - run: |\r\n          é=$A; echo \"${{ secrets.A }}\"\r\n\r\n          docker login -p $A\r\n",
        "      - run: >-\n          curl -u $A\n\n          ${{ toJSON(secrets) }} é\n",
        "      - run: \"echo \\u00e9 ${{ secrets.A }} \\\n          $A\"\n",
        "      - run: 'echo ''${{ secrets.A || github.token }}'' $A'\n",
        "        env: {B: '${{ env.A }}', C: \"${{ fromJSON(secrets.C).x }}\"}\n",
        "        env:\n          D: ${{ secrets['D'] }} é\n",
        "        shell: bash -x {0}\n",
        "        shell: pwsh\n",
        "        run: x=$(vault kv get a); echo \"x=$x\" >> $GITHUB_ENV\n",
    ];

    proptest! {
        #[test]
        fn never_panics_and_spans_lie_within(picks in prop::collection::vec(0..LINES.len(), 0..14)) {
            let lines: Vec<&str> = picks.iter().filter_map(|pick| LINES.get(*pick).copied()).collect();
            let text = format!("on: push\njobs:\n  j:\n    steps:\n{}", lines.concat());
            testing::all(&text);
        }
    }

    #[test]
    fn faults_of_one_subject_are_numbered() {
        let text = "on: push\njobs:\n  a:\n    steps:\n      - env: {K: '${{ secrets.K }}'}\n        run: |\n          echo $K\n          echo $K\n";
        let meta: &LintMeta = &printed::ECHO;
        let subjects: Vec<_> = testing::workflow(meta, text)
            .into_iter()
            .map(|fault| fault.subject)
            .collect();
        assert_eq!(subjects, ["a/run: echo K", "a/run: echo K #2"]);
    }
}
