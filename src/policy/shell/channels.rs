//! How programs take a secret without an argument, from their own manuals.

/// Ways to take a secret without an argument, by program (with subcommand) and option; the first that fits counts.
const CHANNELS: [(&str, &[&str], &str); 67] = [
    (
        "docker run",
        &["-e", "--env"],
        "give `-e NAME` without a value: it is taken from the environment",
    ),
    (
        "docker exec",
        &["-e", "--env"],
        "give `-e NAME` without a value: it is taken from the environment",
    ),
    (
        "podman run",
        &["-e", "--env"],
        "give `-e NAME` without a value: it is taken from the environment",
    ),
    (
        "docker service create",
        &[],
        "use `docker secret create NAME -` and `--secret`",
    ),
    (
        "docker secret create",
        &[],
        "pipe it to `docker secret create NAME -`",
    ),
    (
        "docker compose run",
        &["-e"],
        "give `-e NAME` without a value: it is taken from the environment",
    ),
    (
        "docker login",
        &[],
        "pipe it to `docker login --password-stdin`",
    ),
    (
        "podman login",
        &[],
        "pipe it to `podman login --password-stdin`",
    ),
    (
        "nerdctl login",
        &[],
        "pipe it to `nerdctl login --password-stdin`",
    ),
    (
        "buildah login",
        &[],
        "pipe it to `buildah login --password-stdin`",
    ),
    ("skopeo", &[], "use `skopeo login --password-stdin`"),
    ("oras", &[], "use `oras login --password-stdin`"),
    ("crane", &[], "use `crane auth login --password-stdin`"),
    (
        "helm registry login",
        &[],
        "pipe it to `helm registry login --password-stdin`",
    ),
    (
        "helm repo add",
        &[],
        "pipe it to `helm repo add --password-stdin`",
    ),
    (
        "helm",
        &["--set", "--set-string"],
        "pass it by `--values -` or `--set-file`",
    ),
    (
        "curl",
        &["-H", "--header", "--proxy-header"],
        "pass the header by `--header @file` or `--config -`",
    ),
    (
        "curl",
        &[
            "-d",
            "--data",
            "--data-raw",
            "--data-binary",
            "--data-urlencode",
            "--json",
        ],
        "pass the body by `--data @-`",
    ),
    (
        "curl",
        &["-F", "--form"],
        "pass the field by `--form 'name=<-'`",
    ),
    (
        "curl",
        &["-u", "--user"],
        "use `--netrc-file` or `--config -`",
    ),
    ("curl", &[], "pass it by `--config -`"),
    ("wget", &[], "use `--config` or `~/.netrc`"),
    ("mysql", &[], "use `--defaults-extra-file`"),
    ("mysqldump", &[], "use `--defaults-extra-file`"),
    ("mysqladmin", &[], "use `--defaults-extra-file`"),
    ("mariadb", &[], "use `--defaults-extra-file`"),
    ("mariadb-dump", &[], "use `--defaults-extra-file`"),
    (
        "psql",
        &[],
        "set `PGPASSWORD` in its environment, or use `~/.pgpass`",
    ),
    (
        "pg_dump",
        &[],
        "set `PGPASSWORD` in its environment, or use `~/.pgpass`",
    ),
    (
        "pg_restore",
        &[],
        "set `PGPASSWORD` in its environment, or use `~/.pgpass`",
    ),
    ("redis-cli", &[], "set `REDISCLI_AUTH` in its environment"),
    (
        "sshpass",
        &[],
        "use `sshpass -e` with `SSHPASS` in its environment, or an SSH key",
    ),
    ("mongosh", &[], "let it read the password from stdin"),
    ("mongodump", &[], "use its `--config` file"),
    ("az", &[], "log in with OIDC, or pass the value by `@file`"),
    (
        "gcloud",
        &[],
        "pass it by a file: `--data-file=-`, `--cred-file`",
    ),
    (
        "aws configure set",
        &[],
        "set `AWS_SECRET_ACCESS_KEY` in its environment, or use OIDC",
    ),
    ("aws", &[], "pass it by `file:///dev/stdin`"),
    (
        "npm config set",
        &[],
        "write `${NPM_TOKEN}` as it stands into .npmrc: npm expands it",
    ),
    (
        "npm",
        &[],
        "write `${NPM_TOKEN}` as it stands into .npmrc: npm expands it",
    ),
    (
        "yarn config set",
        &[],
        "set it as `YARN_NPM_AUTH_TOKEN` in its environment",
    ),
    (
        "pnpm config set",
        &[],
        "write `${NPM_TOKEN}` as it stands into .npmrc: pnpm expands it",
    ),
    ("twine", &[], "set `TWINE_PASSWORD` in its environment"),
    (
        "poetry",
        &[],
        "set `POETRY_PYPI_TOKEN_PYPI` in its environment",
    ),
    (
        "cargo",
        &[],
        "set `CARGO_REGISTRY_TOKEN` in its environment",
    ),
    (
        "pip",
        &[],
        "set `PIP_INDEX_URL` in its environment, or use `~/.netrc`",
    ),
    (
        "kubectl create secret",
        &[],
        "pass it by `--from-env-file=/dev/stdin` or `--from-file=NAME=/dev/stdin`",
    ),
    (
        "oc create secret",
        &[],
        "pass it by `--from-env-file=/dev/stdin` or `--from-file=NAME=/dev/stdin`",
    ),
    ("kubectl", &[], "use a kubeconfig file"),
    ("oc", &[], "use a kubeconfig file"),
    (
        "gh secret set",
        &[],
        "pipe it to `gh secret set NAME`: without `--body` it reads stdin",
    ),
    (
        "gh auth login",
        &[],
        "pipe it to `gh auth login --with-token`",
    ),
    ("gh", &[], "set `GH_TOKEN` in its environment"),
    (
        "vault operator",
        &[],
        "let it ask for the key, or unseal by a key management service",
    ),
    ("vault login", &[], "pipe it to `vault login -`"),
    (
        "vault",
        &[],
        "give `NAME=-` and pipe it in, or `NAME=@file`",
    ),
    ("git", &[], "use a credential helper or `GIT_ASKPASS`"),
    (
        "terraform",
        &["-var"],
        "set `TF_VAR_name` in its environment",
    ),
    ("openssl", &[], "use `-passin env:NAME` or `-pass stdin`"),
    ("gpg", &[], "use `--passphrase-fd 0`"),
    ("jq", &[], "read it in the program as `env.NAME`"),
    ("keytool", &[], "use `-storepass:env NAME`"),
    ("jarsigner", &[], "use `-storepass:env NAME`"),
    ("htpasswd", &[], "pipe it to `htpasswd -i`"),
    ("ldapsearch", &[], "use `-y file`"),
    ("ansible-playbook", &[], "pass it by `--extra-vars @file`"),
    ("sonar-scanner", &[], "set `SONAR_TOKEN` in its environment"),
];

/// Returns how a program takes a secret otherwise. `title` as [`title`] makes it.
pub(super) fn channel(title: &str, flag: Option<&str>) -> Option<&'static str> {
    let is_of = |name: &str| {
        title
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    CHANNELS
        .iter()
        .find(|(name, flags, _)| {
            is_of(name) && (flags.is_empty() || flag.is_some_and(|flag| flags.contains(&flag)))
        })
        .map(|(_, _, how)| *how)
}
