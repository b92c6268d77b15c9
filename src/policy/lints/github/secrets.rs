//! Which secrets an expression yields, and which variables of a step hold one.
//!
//! An expression yields a secret if its value is or holds it: `secrets.A || 'x'`, `format('{0}', secrets.A)`. A test does not
//! (`secrets.A != ''`), nor the left side of `&&`.

use std::{cell::Cell, ops::Range};

use super::super::super::{
    names::{self, Secretness},
    node::Scalar,
};
use super::{
    evaluate::{self, Event},
    expression::{self, Expr, Kind, Part},
    model::{Binding, Job, Step, Workflow},
};

/// What is reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Secret {
    /// `secrets.NAME`, the name in capitals.
    Stored(String),
    /// `github.token`, `secrets.GITHUB_TOKEN`: it ends with the job.
    JobToken,
    /// The output of a step that makes a credential that ends soon: step and output.
    Minted(String, String),
    /// An input of an action whose name is that of a secret.
    Input(String),
    /// `secrets[…]` with a computed name.
    Computed,
    /// All of them: `toJSON(secrets)`.
    All,
}

impl Secret {
    /// Returns how people call it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Stored(name) => format!("secrets.{name}"),
            Self::JobToken => "GITHUB_TOKEN".to_owned(),
            Self::Minted(step, output) => format!("steps.{step}.outputs.{output}"),
            Self::Input(name) => format!("inputs.{name}"),
            Self::Computed => "a computed secret".to_owned(),
            Self::All => "all secrets".to_owned(),
        }
    }

    /// Tells whether it ends with the job or soon after.
    pub(super) const fn is_short_lived(&self) -> bool {
        matches!(self, Self::JobToken | Self::Minted(..))
    }

    /// Tells whether its name says that it is no credential: people keep names of users and hosts beside their passwords.
    pub(super) fn is_harmless(&self) -> bool {
        matches!(self, Self::Stored(name) | Self::Input(name) if is_harmless(name))
    }
}

/// Last words of names that are no credentials.
const LAST: [&str; 53] = [
    "vault",
    "user",
    "username",
    "login",
    "email",
    "mail",
    "id",
    "ids",
    "host",
    "hostname",
    "port",
    "region",
    "zone",
    "name",
    "number",
    "org",
    "organization",
    "organisation",
    "account",
    "project",
    "repo",
    "repository",
    "bucket",
    "registry",
    "domain",
    "domains",
    "role",
    "arn",
    "subscription",
    "tenant",
    "url",
    "uri",
    "endpoint",
    "server",
    "ip",
    "address",
    "path",
    "dir",
    "directory",
    "version",
    "namespace",
    "cluster",
    "team",
    "channel",
    "environment",
    "hosts",
    "public",
    "image",
    "images",
    "tag",
    "stack",
    "nameprefix",
    "prefix",
];

/// Tells whether the name of a stored secret is that of something that is no credential.
pub(super) fn is_harmless(name: &str) -> bool {
    let words = names::words(name);
    let is_made_up = |word: &String| matches!(word.as_str(), "dummy" | "fake" | "mock" | "example");
    if words.iter().any(is_made_up) {
        return true;
    }
    if names::secretness(name) != Secretness::No {
        return false;
    }
    let last = words
        .iter()
        .rfind(|word| !word.chars().all(|c| c.is_ascii_digit()));
    let is_hook = words
        .iter()
        .any(|word| matches!(word.as_str(), "webhook" | "hook" | "dsn"));
    !is_hook
        && last.is_some_and(|last| {
            LAST.contains(&last.as_str())
                || last.ends_with("username")
                || last.ends_with("hostname")
        })
}

/// One place where an expression yields a secret.
#[derive(Clone, Debug)]
pub(super) struct Yield {
    /// What it yields.
    pub(super) secret: Secret,
    /// Where it is named, in the text.
    pub(super) at: Range<usize>,
    /// Whether only a part of it comes out (`fromJSON`), which nothing masks.
    pub(super) is_derived: bool,
}

/// What is known around an expression.
pub(super) struct Reader<'w, 'd> {
    workflow: &'w Workflow<'d>,
    job: &'w Job<'d>,
    step: Option<&'w Step<'d>>,
    /// The event that decides conditions inside expressions.
    event: Option<Event<'w>>,
    /// How many variables may still be followed for the text at hand.
    budget: Cell<usize>,
}

/// Most variables that are followed from one text: they may name each other many times over.
const MAX_FOLLOWED: usize = 8;

/// Most bytes of a variable's value that are read where it is followed: a value may be named by every line of the file.
const MAX_VALUE: usize = 4096;

impl<'w, 'd> Reader<'w, 'd> {
    /// For the expressions of a step, or of the job itself.
    pub(super) fn new(
        workflow: &'w Workflow<'d>,
        job: &'w Job<'d>,
        step: Option<&'w Step<'d>>,
    ) -> Self {
        Self {
            workflow,
            job,
            step,
            event: None,
            budget: Cell::new(0),
        }
    }

    /// For runs of one event.
    pub(super) fn under(mut self, event: Event<'w>) -> Self {
        self.event = Some(event);
        self
    }

    /// Returns the variable of this name.
    pub(super) fn variable(&self, name: &str) -> Option<&'w Binding<'d>> {
        let own = self.step.and_then(|step| step.env.get(name));
        own.or_else(|| self.job.env.get(name))
            .or_else(|| self.workflow.env.get(name))
    }

    /// Returns the first secret of some variables that is worth the name.
    pub(super) fn first_of(&self, variables: &[Binding<'d>]) -> Option<Secret> {
        variables.iter().find_map(|one| {
            let yields = self.text(one.value).into_iter();
            yields
                .map(|one| one.secret)
                .find(|secret| !secret.is_harmless())
        })
    }

    /// Returns what the expressions in a text yield, in its order.
    pub(super) fn text(&self, scalar: &Scalar) -> Vec<Yield> {
        self.budget.set(MAX_FOLLOWED);
        self.text_below(&scalar.text, 0)
    }

    fn text_below(&self, text: &str, depth: usize) -> Vec<Yield> {
        let mut out = Vec::new();
        for piece in expression::pieces(text) {
            if let Some(expr) = &piece.expr {
                self.walk(expr, false, depth, &mut out);
            }
        }
        out
    }

    /// Returns what one expression yields.
    pub(super) fn expression(&self, expr: &Expr) -> Vec<Yield> {
        self.budget.set(MAX_FOLLOWED);
        let mut out = Vec::new();
        self.walk(expr, false, 0, &mut out);
        out
    }

    /// Returns the first secret that a variable holds.
    pub(super) fn held(&self, name: &str) -> Option<Secret> {
        let binding = self.variable(name)?;
        self.text(binding.value)
            .into_iter()
            .map(|one| one.secret)
            .next()
    }

    fn walk(&self, expr: &Expr, is_derived: bool, depth: usize, out: &mut Vec<Yield>) {
        let mut push = |secret, is_derived| {
            out.push(Yield {
                secret,
                at: expr.span.clone(),
                is_derived,
            });
        };
        match &expr.kind {
            Kind::Context(name) if name == "secrets" => push(Secret::All, is_derived),
            Kind::Access(base, parts) => {
                if let Some(secret) = self.named(expr, base, parts) {
                    push(secret, is_derived);
                } else if let (Kind::Context(context), [Part::Name(name), ..]) =
                    (&base.kind, parts.as_slice())
                {
                    if context == "env" && depth < 2 {
                        self.variable_below(name, expr, is_derived, depth, out);
                    }
                } else {
                    self.walk(base, is_derived, depth, out);
                }
            }
            Kind::Call(name, arguments) => match name.as_str() {
                "contains" | "startswith" | "endswith" | "hashfiles" | "always" | "success"
                | "failure" | "cancelled" => {}
                _ => {
                    let derived = is_derived || name == "fromjson";
                    for argument in arguments {
                        self.walk(argument, derived, depth, out);
                    }
                }
            },
            Kind::All(items) => {
                let is_false = |item: &Expr| {
                    self.event.and_then(|event| evaluate::holds(item, event)) == Some(false)
                };
                if !items.iter().any(is_false)
                    && let Some(last) = items.last()
                {
                    self.walk(last, is_derived, depth, out);
                }
            }
            Kind::Any(items) => {
                for item in items {
                    self.walk(item, is_derived, depth, out);
                }
            }
            _ => {}
        }
    }

    /// A variable that holds what another one holds.
    fn variable_below(
        &self,
        name: &str,
        expr: &Expr,
        is_derived: bool,
        depth: usize,
        out: &mut Vec<Yield>,
    ) {
        let budget = self.budget.get();
        let Some(binding) = self.variable(name).filter(|_| budget > 0) else {
            return;
        };
        self.budget.set(budget - 1);
        for one in self.text_below(head(&binding.value.text), depth + 1) {
            out.push(Yield {
                secret: one.secret,
                at: expr.span.clone(),
                is_derived: is_derived || one.is_derived,
            });
        }
    }

    /// Returns the secret that a path names.
    fn named(&self, expr: &Expr, base: &Expr, parts: &[Part]) -> Option<Secret> {
        let Kind::Context(context) = &base.kind else {
            return None;
        };
        match (context.as_str(), parts) {
            ("secrets", [Part::Name(name), ..]) => {
                Some(if name.eq_ignore_ascii_case("GITHUB_TOKEN") {
                    Secret::JobToken
                } else {
                    Secret::Stored(name.to_ascii_uppercase())
                })
            }
            ("secrets", [Part::Computed(_), ..]) => Some(Secret::Computed),
            ("secrets", [Part::Star, ..]) => Some(Secret::All),
            ("github", _) if expr.path().as_deref() == Some("github.token") => {
                Some(Secret::JobToken)
            }
            ("steps", [Part::Name(step), Part::Name(outputs), Part::Name(output)])
                if outputs.eq_ignore_ascii_case("outputs") =>
            {
                let action = self.job.action_of(step)?;
                mints(action, output).then(|| Secret::Minted(step.clone(), output.clone()))
            }
            ("inputs", [Part::Name(name)]) if self.workflow.is_action && names::is_secret(name) => {
                Some(Secret::Input(name.clone()))
            }
            _ => None,
        }
    }
}

/// Returns the part of a value that is read.
fn head(text: &str) -> &str {
    let mut end = text.len().min(MAX_VALUE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Actions whose outputs are credentials, and which.
const MINTS: [(&str, &[&str]); 8] = [
    ("actions/create-github-app-token", &["token"]),
    ("tibdex/github-app-token", &["token"]),
    ("peter-murray/workflow-application-token-action", &["token"]),
    ("hashicorp/vault-action", &[]),
    ("1password/load-secrets-action", &[]),
    ("google-github-actions/auth", &["access_token", "id_token"]),
    ("google-github-actions/get-secretmanager-secrets", &[]),
    (
        "aws-actions/configure-aws-credentials",
        &["aws-secret-access-key", "aws-session-token"],
    ),
];

fn mints(action: &str, output: &str) -> bool {
    MINTS
        .iter()
        .any(|(name, outputs)| *name == action && (outputs.is_empty() || outputs.contains(&output)))
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::super::{
            kind::FileKind,
            lint::{Document, Syntax},
            readers::yaml,
        },
        *,
    };

    fn reached(expr: &str, event: Option<Event<'_>>) -> Vec<String> {
        let text = format!(
            "env:\n  UP: ${{{{ secrets.UP }}}}\njobs:\n  a:\n    steps:\n      - id: app\n        uses: actions/create-github-app-token@v2\n      - env:\n          X: \"{expr}\"\n          Y: ${{{{ env.UP }}}}\n"
        );
        let document = Document {
            path: "x",
            kind: FileKind::GithubWorkflow,
            text: &text,
            syntax: Syntax::Tree(yaml::read(&text).unwrap()),
        };
        let workflow = Workflow::of(&document).unwrap();
        let job = &workflow.jobs[0];
        let mut reader = Reader::new(&workflow, job, Some(&job.steps[1]));
        reader.event = event;
        let binding = reader.variable("X").unwrap();
        let all = reader.text(binding.value);
        all.iter()
            .map(|one| {
                format!(
                    "{}{}",
                    one.secret.shown(),
                    if one.is_derived { " in part" } else { "" }
                )
            })
            .collect()
    }

    #[test]
    fn what_expressions_yield() {
        for (text, secrets) in [
            ("${{ secrets.a_b }}", vec!["secrets.A_B"]),
            (
                "${{secrets['A']}}-${{ SECRETS.B }}",
                vec!["secrets.A", "secrets.B"],
            ),
            ("${{ secrets.GITHUB_TOKEN }}", vec!["GITHUB_TOKEN"]),
            ("${{ github.token }}", vec!["GITHUB_TOKEN"]),
            (
                "${{ secrets.A || github.token }}",
                vec!["secrets.A", "GITHUB_TOKEN"],
            ),
            ("${{ secrets.A != '' }}", vec![]),
            ("${{ secrets.A && 'yes' || 'no' }}", vec![]),
            ("${{ !secrets.A }}", vec![]),
            (
                "${{ x && secrets.A || secrets.B }}",
                vec!["secrets.A", "secrets.B"],
            ),
            ("${{ format('x{0}', secrets.A) }}", vec!["secrets.A"]),
            ("${{ contains(secrets.A, 'x') }}", vec![]),
            ("${{ fromJSON(secrets.A).key }}", vec!["secrets.A in part"]),
            ("${{ toJSON(secrets) }}", vec!["all secrets"]),
            ("${{ secrets[matrix.x] }}", vec!["a computed secret"]),
            ("${{ env.UP }}", vec!["secrets.UP"]),
            (
                "${{ steps.app.outputs.token }}",
                vec!["steps.app.outputs.token"],
            ),
            ("${{ steps.app.outputs.slug }}", vec![]),
            ("${{ inputs.token }}", vec![]),
            ("plain secrets.A", vec![]),
        ] {
            assert_eq!(reached(text, None), secrets, "{text}");
        }
        let text = "${{ github.event_name == 'push' && secrets.A || secrets.B }}";
        assert_eq!(reached(text, Some(Event::PullRequest)), ["secrets.B"]);
    }

    #[test]
    fn variables_of_themselves_end() {
        assert!(reached("${{ env.X }}", None).is_empty());
    }

    #[test]
    fn names_that_are_no_credentials() {
        for name in [
            "DOCKER_USERNAME",
            "REGISTRY_IMAGE",
            "SHOP_STACK",
            "DOCKERHUB_USER",
            "AWS_ACCOUNT_ID",
            "AWS_REGION",
            "GH_APP_ID",
            "SSH_HOST",
            "DUMMY_ENCRYPTION_KEY",
            "KEY_VAULT",
        ] {
            assert!(is_harmless(name), "{name}");
        }
        for name in [
            "DOCKER_TOKEN",
            "KUBECONFIG",
            "DATABASE_URL",
            "SLACK_WEBHOOK_URL",
            "AZURE_CREDS",
            "X",
        ] {
            assert!(!is_harmless(name), "{name}");
        }
    }
}
