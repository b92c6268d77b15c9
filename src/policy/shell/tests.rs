use super::*;
use crate::policy::names;

/// Names of secrets in the tests: as if a job had bound them.
fn secret(name: &str) -> bool {
    names::is_secret(name) || matches!(name, "T" | "P" | "K")
}

/// What a script does, one word a use: `print(T)`, `derived(T:base64)`, ...
fn told(text: &str) -> String {
    told_of(&Script::new(text))
}

fn told_of(script: &Script<'_>) -> String {
    let uses = analyse(script, &secret);
    for one in &uses {
        assert!(script.text.get(one.span.clone()).is_some(), "{one:?}");
        assert!(
            script.text.get(one.command_span.clone()).is_some(),
            "{one:?}"
        );
    }
    uses.iter().map(shown).collect::<Vec<_>>().join(" ")
}

fn shown(one: &Use) -> String {
    let names = one.names.join(",");
    match &one.sink {
        Sink::Print => format!("print({names})"),
        Sink::Derived => format!("derived({names}:{})", one.derived.unwrap_or_default()),
        Sink::Dump => format!("dump({})", one.command),
        Sink::Trace => format!("trace({names})"),
        Sink::TracedCall => format!("traced-call({})", one.command),
        Sink::Argument(argument) => {
            let flag = argument.flag.as_deref().unwrap_or_default();
            format!("argument({}|{flag}|{names})", one.command)
        }
        Sink::Url => format!("url({}|{names})", one.command),
        Sink::BuildArg { name } => format!("build-arg({name})"),
        Sink::File(file) => {
            let mode = if file.private { "!" } else { "" };
            format!("file({}{mode}|{names})", file.path)
        }
        Sink::CommandFile(file) => format!("{file:?}({names})"),
        Sink::Unmasked(unmasked) => {
            let to = match &unmasked.to {
                Sink::CommandFile(file) => format!("{file:?}"),
                other => format!("{other:?}"),
            };
            format!(
                "unmasked({}|{}|{to})",
                unmasked.source,
                unmasked.variable.as_deref().unwrap_or_default()
            )
        }
        Sink::Inline { quoting } => format!("inline({quoting:?}|{names})"),
        Sink::Literal { name, .. } => format!("literal({name})"),
    }
}

fn check(table: &[(&str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .map(|(text, want)| (text, want, told(text)))
        .filter(|(_, want, told)| *want != told)
        .map(|(text, want, told)| format!("{text}\n   want {want}\n   told {told}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn prints_are_told() {
    check(&[
        (r#"echo "$TOKEN""#, "print(TOKEN)"),
        ("echo $T", "print(T)"),
        (
            r#"echo "logs in with $USER ${PASSWORD}""#,
            "print(PASSWORD)",
        ),
        (r#"printf '%s\n' "${T:-none}""#, "print(T)"),
        (r#"echo "$T" >&2"#, "print(T)"),
        (r#">&2 echo "$T""#, "print(T)"),
        (r#"echo "$T" > /dev/stderr"#, "print(T)"),
        (r#"echo "$T" | cat"#, "print(T)"),
        (r#"echo "$T" | tee /dev/null"#, "print(T)"),
        ("cat <<EOF\npassword: $T\nEOF", "print(T)"),
        (r#"cat <<< "$T""#, "print(T)"),
        (r#"x="token=$T"; echo "$x""#, "print(x,T)"),
        (r#"export A=$T; echo $A"#, "print(A,T)"),
        (r#"a=$(echo "$T"); echo "$a""#, "print(a,T)"),
        (r#"if true; then echo "$T"; fi"#, "print(T)"),
        (r#"for x in $T; do echo $x; done"#, "print(x,T)"),
        (r#"f() { echo "$T"; }; f"#, "print(T)"),
        (
            r#"main() { f; }; f() { echo "$T"; }; main "$@""#,
            "print(T)",
        ),
        ("printenv TOKEN", "print(TOKEN)"),
        ("test -n \"$T\" && echo \"$T\" || exit 1", "print(T)"),
        ("sudo echo $T", "print(T)"),
        ("bash -c 'echo $TOKEN'", "print(TOKEN)"),
        ("echo \"$T\" | xargs echo", "print(T)"),
        ("{ echo a; echo \"$T\"; } | sort", "print(T)"),
        ("read -r x <<< \"$T\"; echo \"$x\"", "print(x,T)"),
        ("a=(x \"$T\")\necho \"${a[@]}\"", "print(a,T)"),
        ("echo \\\r\n  \"$T\"\r\n", "print(T)"),
        (
            "if [ -z \"$X\" ]; then\r\n  echo \"$T\"\r\nfi\r\n",
            "print(T)",
        ),
        ("printf -v x %s \"$T\"; echo $x", "print(x,T)"),
        ("env FOO=1 echo $T", "print(T)"),
    ]);
}

#[test]
fn what_shows_no_value_is_not_told() {
    check(&[
        (r#"test -n "${TOKEN:-}""#, ""),
        (r#"[ -n "$T" ] && [[ -z $T ]]"#, ""),
        (r#"echo "length ${#T}""#, ""),
        (r#"echo "${T:+set} ${T+x}""#, ""),
        (r#": "${T:?missing}""#, ""),
        (r#"echo "$T" | docker login --password-stdin -u x"#, ""),
        (r#"docker login --password-stdin <<< "$T""#, ""),
        (r#"PGPASSWORD="$T" psql -c 'select 1'"#, ""),
        (r#"curl -K - <<< "header = \"X: $T\"""#, ""),
        (r#"curl --config <(echo "user = a:$T") https://x"#, ""),
        (
            r#"curl -d @- https://x <<EOF
{"t": "$T"}
EOF"#,
            "",
        ),
        (r#"echo "$T" > /dev/null"#, ""),
        (r#"echo "$T" | gh auth login --with-token"#, ""),
        (r#"case "$T" in a) echo b ;; esac"#, ""),
        (r#"T=; echo "$T""#, ""),
        (r#"unset T; echo "$T""#, ""),
        (r#"echo "Enter password:"; read -rs PASSWORD"#, ""),
        (r#"echo "usage: x --token TOKEN""#, ""),
        (r#"echo 'set $TOKEN first'"#, ""),
        (r#"echo "\$TOKEN""#, ""),
        ("# echo $TOKEN", ""),
        ("cat <<'EOF'\n$TOKEN\nEOF", ""),
        (r#"f() { echo "$T"; }; x=$(f)"#, ""),
        (r#"log "$T"; log() { :; }"#, ""),
        (
            r#"if [ "$(echo "$T" | wc -c)" -gt 3 ]; then echo ok; fi"#,
            "",
        ),
        (r#"echo "$T" | sha256sum"#, ""),
        (r#"echo "$T" | grep -q '^x'"#, ""),
        (r#"export TOKEN; local T; readonly P"#, ""),
        (r#"env -i PATH=$PATH T="$T" ./x"#, ""),
        (r#"echo "::add-mask::$T""#, ""),
        (r#"printf '::add-mask::%s\n' "$T""#, ""),
        ("(( x = 1 )); let y=2; echo $((x + 1))", ""),
        ("echo ${!T}", ""),
        ("exec 3<> x; echo $X", ""),
        ("ssh host <<EOF\nlogin $T\nEOF", ""),
    ]);
}

#[test]
fn dumps_are_told_but_not_their_harmless_forms() {
    check(&[
        ("env", "dump(env)"),
        ("printenv | sort", "dump(printenv)"),
        ("env | grep -v FOO", "dump(env)"),
        ("set", "dump(set)"),
        ("export -p", "dump(export)"),
        ("declare -x", "dump(declare)"),
        ("docker inspect web", "dump(docker inspect)"),
        ("kubectl get secret app -o yaml", "dump(kubectl get secret)"),
        ("cat /proc/self/environ", "dump(cat /proc/self/environ)"),
        ("env > .env", "file(.env|)"),
        ("env | base64", "dump(env)"),
        ("echo \"$(env)\"", "dump(env)"),
        ("printenv | cut -d= -f1 | sort", ""),
        ("env | grep -o '^[^=]*'", ""),
        ("env | awk -F= '{print $1}'", ""),
        ("env | sed 's/=.*//'", ""),
        ("env | grep -i proxy", ""),
        ("env | grep -q X", ""),
        ("env > /dev/null", ""),
        ("env FOO=1 make", ""),
        ("env -i make", ""),
        ("env -u X make", ""),
        ("set -euo pipefail", ""),
        ("set -- a b", ""),
        ("printenv HOME", ""),
        ("export FOO=1", ""),
        ("/usr/bin/env bash x.sh", ""),
        ("docker inspect -f '{{.State}}' web", ""),
        ("docker network inspect x", ""),
        ("kubectl get secret app", ""),
        ("kubectl get secret app -o name", ""),
        ("kubectl get secret app -o yaml | kubectl apply -f -", ""),
        ("x=$(env)", ""),
    ]);
}

#[test]
fn code_of_other_programs_and_files_that_are_read_again() {
    check(&[
        (
            "python3 -c 'import os; print(os.environ[\"T\"])'",
            "print(T)",
        ),
        (
            "python -c \"import os; print(os.environ['T'])\"",
            "print(T)",
        ),
        ("node -p 'process.env.T'", "print(T)"),
        ("node -e 'console.log(process.env.T)'", "print(T)"),
        ("node -p process.env", ""),
        ("node -p 'process.env'", "dump(node -e)"),
        ("ruby -e 'puts ENV[\"T\"]'", "print(T)"),
        (
            "python3 -c 'import os; print(os.environ)'",
            "dump(python -c)",
        ),
        ("X=$(python3 -c 'import os; print(os.environ[\"T\"])')", ""),
        (
            "python3 -c 'import os; print(os.environ[\"T\"])' > /dev/null",
            "",
        ),
        ("python3 -c 'import os; print(os.environ[\"HOME\"])'", ""),
        ("node -p 'process.env.T ? 1 : 0'", ""),
        ("declare -p T", "print(T)"),
        ("declare -p HOME", ""),
        ("export -p", "dump(export)"),
        ("echo \"$T\" > key\ncat key", "file(key|T) print(T)"),
        (
            "umask 077\necho \"$T\" > key\ncat key | sort",
            "file(key!|T) print(T)",
        ),
        ("echo \"$T\" > key\nrm key\ncat key", "file(key|T)"),
        ("echo \"$T\" > key\nmake > key\ncat key", "file(key|T)"),
        ("echo \"$T\" > key\ncat other key > both", "file(key|T)"),
        (
            "echo \"$T\" > key\ncat key | docker login --password-stdin",
            "file(key|T)",
        ),
    ]);
}

#[test]
fn traces_are_told_where_a_secret_expands() {
    check(&[
        ("set -x\ntest -n \"$T\"", "trace(T)"),
        ("set -ex\nA=\"$T\" true", "trace(T)"),
        ("set -o xtrace\n[ -n \"$T\" ]", "trace(T)"),
        (
            "set -euxo pipefail\n[[ -n $T ]]; [[ $T = $P ]]",
            "trace(T) trace(P)",
        ),
        ("set -x\nset +x\n[ -n \"$T\" ]", ""),
        (
            "set -x\n{ set +x; } 2>/dev/null\n[ -n \"$T\" ]\nset -x\nmake",
            "",
        ),
        ("(set -x; make)\n[ -n \"$T\" ]", ""),
        ("[ -n \"$DEBUG\" ] && set -x\n[ -n \"$T\" ]", ""),
        ("if [ \"$TRACE\" ]; then set -x; fi\n[ -n \"$T\" ]", ""),
        ("set -x\necho \"${T:+set}\"", ""),
        ("set -x\ndocker login --password-stdin <<< \"$T\"", ""),
        ("exec 9>log; BASH_XTRACEFD=9; set -x\n[ -n \"$T\" ]", ""),
        ("bash -x ./deploy.sh", "traced-call(bash -x)"),
        ("sh -ex deploy.sh", "traced-call(sh -x)"),
        ("bash -e deploy.sh", ""),
    ]);
    let mut script = Script::new("[ -n \"$T\" ]");
    script.trace = true;
    assert_eq!(told_of(&script), "trace(T)");
}

#[test]
fn derived_forms_are_told() {
    check(&[
        (r#"echo -n "$T" | base64"#, "derived(T:base64)"),
        (r#"base64 <<< "$T""#, "derived(T:base64)"),
        (r#"echo "$T" | rev | tee log >/dev/null"#, "file(log|T)"),
        (r#"echo "${T:0:4}""#, "derived(T:an expansion)"),
        (r#"echo "${T%%.*}""#, "derived(T:an expansion)"),
        (r#"echo "$T" | sed 's/./& /g'"#, "derived(T:sed)"),
        (
            r#"x=$(echo "$T" | cut -c1-3); echo "$x""#,
            "derived(x,T:cut)",
        ),
        (r#"echo "$T" | jq -r .password"#, "derived(T:jq)"),
        (
            r#"x=$(echo "$T" | jq -r .p); echo "::add-mask::$x"; echo "x=$x" >> $GITHUB_OUTPUT"#,
            "Output(x,T)",
        ),
        (r#"echo "$T" | base64 -d > key.json"#, "file(key.json|T)"),
        (r#"echo "$T" | tr -d '\n'"#, "print(T)"),
    ]);
}

#[test]
fn arguments_are_told_with_their_option() {
    check(ARGUMENTS);
}

const ARGUMENTS: &[(&str, &str)] = &[
    (
        r#"mysql -p"$DB_PASSWORD""#,
        "argument(mysql|-p|DB_PASSWORD)",
    ),
    (
        r#"docker login -u x -p "$P" reg"#,
        "argument(docker login|-p|P)",
    ),
    (
        r#"docker login -u x --password=$P"#,
        "argument(docker login|--password|P)",
    ),
    (
        r#"curl -H "Authorization: Bearer $T" https://x"#,
        "argument(curl|-H|T)",
    ),
    (r#"curl -u "a:$T" https://x"#, "argument(curl|-u|T)"),
    (r#"sshpass -p "$P" ssh h"#, "argument(sshpass|-p|P)"),
    (
        r#"helm upgrade x . --set db.password=$P"#,
        "argument(helm upgrade|--set|P)",
    ),
    (
        r#"kubectl create secret generic x --from-literal=p=$P"#,
        "argument(kubectl create secret|--from-literal|P)",
    ),
    (
        r#"sudo mysql --password="$P""#,
        "argument(mysql|--password|P)",
    ),
    (r#"timeout 5 ./deploy "$T""#, "argument(deploy||T)"),
    (
        r#"x=(--token "$T"); ./deploy "${x[@]}""#,
        "argument(deploy||x,T)",
    ),
    (r#"redis-cli -a $P ping"#, "argument(redis-cli|-a|P)"),
    (
        r#"aws configure set aws_secret_access_key $AWS_SECRET_ACCESS_KEY"#,
        "argument(aws configure set||AWS_SECRET_ACCESS_KEY)",
    ),
    (
        r#"echo "$T" | xargs -I{} curl -H {} x"#,
        "argument(curl||T)",
    ),
    (r#"x=$(curl -H "X: $T" https://x)"#, "argument(curl|-H|T)"),
    (
        r#"[ "$(curl -H "X: $T" https://x)" = ok ]"#,
        "argument(curl|-H|T)",
    ),
    (
        r#"jq -n --arg p "$P" '{p:$p}' | curl -d @- x"#,
        "argument(jq||P)",
    ),
    (
        r#"git -c http.extraheader="Authorization: basic $T" clone x"#,
        "",
    ),
    (r#"docker run -e TOKEN img"#, ""),
    (r#"docker login -u x -p "$(cat f)""#, ""),
    (r#"$CMD --token "$T""#, "argument(|--token|T)"),
];

#[test]
fn addresses_and_build_arguments_are_told() {
    check(&[
        (
            r#"git clone https://x:${TOKEN}@host/r"#,
            "url(git clone|TOKEN)",
        ),
        (
            r#"git clone "https://$T@github.com/o/r""#,
            "url(git clone|T)",
        ),
        (
            r#"git config --global url."https://x:$T@host/".insteadOf https://host/"#,
            "url(git config|T)",
        ),
        (r#"pip install git+https://$T@host/x"#, "url(pip install|T)"),
        (r#"psql "postgres://u:$P@h/db""#, "argument(psql||P)"),
        (r#"curl "https://x/?t=$T""#, "argument(curl||T)"),
        (
            r#"docker build --build-arg NPM_TOKEN="$NPM_TOKEN" ."#,
            "build-arg(NPM_TOKEN)",
        ),
        (r#"docker build --build-arg=X=$T ."#, "build-arg(X)"),
        (
            r#"docker build --build-arg NPM_TOKEN ."#,
            "build-arg(NPM_TOKEN)",
        ),
        (r#"docker buildx bake --set app.args.X=$T"#, "build-arg(X)"),
        (r#"docker build --build-arg VERSION=$V ."#, ""),
        (r#"docker build --secret id=x,env=NPM_TOKEN ."#, ""),
    ]);
}

#[test]
fn files_and_command_files_are_told() {
    check(&[
        (r#"echo "$K" > key"#, "file(key|K)"),
        ("umask 077\necho \"$K\" > key", "file(key!|K)"),
        ("echo \"$K\" > key\nchmod 600 key", "file(key!|K)"),
        (r#"echo "T=$T" >> "$HOME/.env""#, "file($HOME/.env|T)"),
        ("cat > f <<EOF\npw=$T\nEOF", "file(f|T)"),
        ("cat <<EOF > f\npw=$T\nEOF", "file(f|T)"),
        (
            "cat <<EOF | sudo tee f > /dev/null\npw=$T\nEOF",
            "file(f|T)",
        ),
        (r#"echo "token=$T" >> "$GITHUB_OUTPUT""#, "Output(T)"),
        (r#"echo "token=$T" >> ${GITHUB_ENV}"#, "Environment(T)"),
        (
            r#"{ echo a; echo "t=$T"; } >> "$GITHUB_OUTPUT""#,
            "Output(T)",
        ),
        (
            r#"echo "t=$T" | tee -a $GITHUB_STEP_SUMMARY > /dev/null"#,
            "Summary(T)",
        ),
        (r#"echo "::set-output name=x::$T""#, "Output(T)"),
        (
            r###"echo "##vso[task.setvariable variable=dbPassword]$T""###,
            "Variable { name: \"dbPassword\", secret: false }(T)",
        ),
        (
            r###"echo "##vso[task.setvariable variable=dbPassword;issecret=true]$T""###,
            "Variable { name: \"dbPassword\", secret: true }(T)",
        ),
        (
            r###"echo "##vso[task.setvariable variable=dbPassword]$(./make)""###,
            "Variable { name: \"dbPassword\", secret: false }(dbPassword)",
        ),
        (
            r###"echo "##vso[task.setvariable variable=version]$V""###,
            "",
        ),
        (r#"sed "s/X/$T/" a > b"#, "argument(sed||T) file(b|T)"),
    ]);
}

#[test]
fn minted_credentials_need_masking() {
    check(&[
        (
            r#"T1=$(vault kv get -field=pw s/db); echo "PW=$T1" >> $GITHUB_ENV"#,
            "unmasked(vault kv get|T1|Environment)",
        ),
        (
            r#"T1=$(vault kv get -field=pw s/db); echo "::add-mask::$T1"; echo "PW=$T1" >> $GITHUB_ENV"#,
            "",
        ),
        (
            r#"t1=$(aws ssm get-parameter --name x --with-decryption --query Parameter.Value --output text); echo "$t1""#,
            "unmasked(aws ssm get-parameter|t1|Print)",
        ),
        (r#"t1=$(aws ssm get-parameter --name x); echo "$t1""#, ""),
        (
            r#"t1=$(aws secretsmanager get-secret-value --query ARN --output text); echo "$t1""#,
            "",
        ),
        (
            "gcloud auth print-access-token | docker login --password-stdin -u x",
            "",
        ),
        (
            "docker login -u x -p \"$(gcloud auth print-access-token)\"",
            "argument(docker login|-p|gcloud auth print-access-token)",
        ),
        (
            "az account get-access-token --query accessToken -o tsv",
            "unmasked(az account get-access-token||Print)",
        ),
        (r#"x=$(openssl rand -hex 16); echo "$x""#, ""),
        (
            r#"DB_PASSWORD=$(openssl rand -hex 16); echo "$DB_PASSWORD""#,
            "unmasked(openssl rand|DB_PASSWORD|Print)",
        ),
        (
            "kubectl get secret x -o jsonpath='{.data.p}' | base64 -d",
            "unmasked(kubectl get secret||Derived)",
        ),
        ("sops -d x.yaml > y.yaml", "file(y.yaml|sops)"),
        ("./x --nonce $(uuidgen)", ""),
    ]);
}

#[test]
fn literals_of_secret_names_are_told() {
    check(&[
        ("export API_TOKEN=hunter2-Zq81", "literal(API_TOKEN)"),
        ("DB_PASSWORD='hunter2-Zq81' ./x", "literal(DB_PASSWORD)"),
        ("export API_TOKEN=changeme", ""),
        ("API_TOKEN=\"$1\"", ""),
        ("API_TOKEN=$(cat f)", ""),
        ("PASSWORD_FILE=/run/x", ""),
    ]);
}

#[test]
fn placeholders_are_inline_and_flow() {
    let text =
        "# {{s}}\n./x --key '{{s}}' \"{{s}}\"\necho {{v}} {{s}}\ncat <<EOF > f\n{{s}}\nEOF\n";
    let placeholders: Vec<Placeholder> = text
        .match_indices("{{")
        .map(|(at, _)| Placeholder {
            span: at..at + 5,
            name: text[at + 2..at + 3].to_owned(),
            secret: &text[at + 2..at + 3] == "s",
        })
        .collect();
    let script = Script {
        text,
        trace: false,
        placeholders: &placeholders,
    };
    assert_eq!(
        told_of(&script),
        "argument(x|--key|s) inline(Single|s) argument(x||s) inline(Double|s) print(s) inline(Bare|s) \
         file(f|s) inline(Heredoc|s)"
    );
}

#[test]
fn docker_login_can_read_stdin() {
    for (text, want) in [
        (
            "docker login -u x -p \"$P\" reg",
            "echo \"$P\" | docker login -u x --password-stdin reg",
        ),
        (
            "a && sudo docker login -u x --password=${P}",
            "a && echo \"${P}\" | sudo docker login -u x --password-stdin",
        ),
        (
            "docker login -u x -p$P",
            "echo \"$P\" | docker login -u x --password-stdin",
        ),
        ("docker login -p \"$P\" reg", ""),
        ("docker login -u x -p \"a$P\" reg", ""),
        ("cat f | docker login -u x -p \"$P\"", ""),
    ] {
        let uses = analyse(&Script::new(text), &secret);
        let edits = uses.iter().find_map(|one| match &one.sink {
            Sink::Argument(argument) => Some(argument.stdin_edits.clone()),
            _ => None,
        });
        let mut edits = edits.expect(text);
        edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
        let mut fixed = text.to_owned();
        for (span, by) in &edits {
            fixed.replace_range(span.clone(), by);
        }
        assert_eq!(fixed, if want.is_empty() { text } else { want });
        if !want.is_empty() {
            assert_eq!(told(&fixed), "", "{fixed}");
        }
    }
}

#[test]
fn broken_scripts_are_used_where_they_are_fine() {
    check(&[
        ("echo \"$T\"\nif [ a; then\n", "print(T)"),
        (
            "echo \"$T\"\nkxxxxx ((( }\necho \"$P\"",
            "print(T) print(P)",
        ),
        ("echo \"$T", "print(T)"),
    ]);
}

#[test]
fn options_for_secrets_by_name() {
    let told = |words: &[&str]| {
        let all = secret_arguments(words);
        all.iter()
            .map(|one| format!("{}:{}", one.flag, &words[one.word][one.value.clone()]))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(told(&["app", "--password", "x"]), "--password:x");
    assert_eq!(told(&["app", "--db-password=$(P)"]), "--db-password:$(P)");
    assert_eq!(
        told(&["redis-server", "--requirepass", "${P}"]),
        "--requirepass:${P}"
    );
    assert_eq!(told(&["redis-cli", "-a", "$P", "ping"]), "-a:$P");
    assert_eq!(told(&["mysqladmin", "-uroot", "-proot", "ping"]), "-p:root");
    assert_eq!(
        told(&["/opt/mssql-tools/bin/sqlcmd", "-P", "$$SA_PASSWORD"]),
        "-P:$$SA_PASSWORD"
    );
    assert_eq!(told(&["curl", "-u", "a:b", "http://x"]), "-u:b");
    assert_eq!(told(&["--token=abc"]), "--token:abc");
    assert_eq!(
        told(&["app", "--token-file", "x", "--token-ttl=5", "-p", "8080"]),
        ""
    );
    assert_eq!(told(&["app", "--password", "--verbose"]), "");
}

#[test]
fn powershell_by_tokens() {
    for (text, want) in [
        ("Write-Host \"pw $env:TOKEN\"", "print(TOKEN)"),
        ("$env:TOKEN", "print(TOKEN)"),
        ("Get-ChildItem Env:", "dump(get-childitem)"),
        ("gci env:* | sort name", "dump(gci)"),
        (
            "docker login -u x -p $env:TOKEN",
            "argument(docker login|-p|TOKEN)",
        ),
        ("$t = $env:TOKEN\r\nWrite-Output $t", "print(t)"),
        ("\"t=$env:TOKEN\" >> $env:GITHUB_OUTPUT", "Output(TOKEN)"),
        ("if ($env:TOKEN) { Write-Host 'set' }", ""),
        ("Write-Host \"len $($env:TOKEN.Length)\"", ""),
        ("Write-Host '$env:TOKEN'", ""),
        ("$env:TOKEN | docker login -u x --password-stdin", ""),
        ("# Write-Host $env:TOKEN", ""),
        ("Write-Host \"::add-mask::$env:TOKEN\"", ""),
        (
            "Invoke-RestMethod -Headers @{ A = $env:TOKEN } -Uri https://x",
            "",
        ),
    ] {
        let uses = analyse_powershell(&Script::new(text), &secret);
        assert_eq!(
            uses.iter().map(shown).collect::<Vec<_>>().join(" "),
            want,
            "{text}"
        );
    }
}

#[test]
fn characters_beyond_the_tables_of_c_crash_nothing() {
    for c in ['\u{10fffd}', '\u{f0000}', '\u{1f600}', '\u{ffff}', 'é'] {
        for start in [
            "${",
            "{",
            "$",
            "<<",
            "cat <<E\n$",
            "a[",
            "[[ $T =~ ",
            "${T/",
        ] {
            told(&format!("echo $T {start}{c}\n{c}{start}{c}"));
        }
    }
}

proptest::proptest! {
    #[test]
    fn never_panics_and_spans_lie_in_the_text(parts in proptest::collection::vec(0..PARTS.len(), 0..24), noise in "\\PC{0,12}") {
        let mut text: String = parts.iter().map(|at| PARTS[*at]).collect();
        let at = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.insert_str(at, &noise);
        let placeholders: Vec<Placeholder> = text
            .match_indices("{{s}}")
            .map(|(at, _)| Placeholder { span: at..at + 5, name: "s".to_owned(), secret: true })
            .collect();
        let script = Script { text: &text, trace: false, placeholders: &placeholders };
        told_of(&script);
        for one in analyse_powershell(&script, &secret) {
            assert!(text.get(one.span.clone()).is_some(), "{one:?}");
        }
    }
}

/// Pieces of scripts that properties are tried on.
const PARTS: [&str; 40] = [
    "echo ",
    "\"$T\"",
    "$TOKEN",
    "${T:0:3}",
    " | ",
    " && ",
    "\n",
    "\r\n",
    "\\\n",
    "$(",
    ")",
    "`",
    "'",
    "\"",
    "<<EOF\n",
    "EOF\n",
    "<<< ",
    "> f",
    ">> \"$GITHUB_ENV\"",
    "2>&1",
    "if ",
    "then ",
    "fi",
    "f() { ",
    "}",
    "{{s}}",
    "set -x;",
    "env",
    "for x in ",
    "; do ",
    "done",
    "case $T in ",
    "a) ",
    ";;",
    "esac",
    "export X=",
    "vault kv get",
    "é",
    "docker login -u a -p ",
    "##vso[task.setvariable variable=",
];

#[test]
fn secrets_that_are_pasted_into_commands() {
    check(&[
        ("mysql -uroot -pVx7kQ2mR9tLp -e x", "literal(mysql -p)"),
        (
            "mysqldump -u root \\\n  -p'Vx7kQ2mR9tLp' shop",
            "literal(mysql -p)",
        ),
        ("mysql -uroot -proot", ""),
        ("mysql -uroot -p\"$PW\"x", "argument(mysql|-p|PW)"),
        ("# mysql -uroot -pVx7kQ2mR9tLp", ""),
        (
            "curl -H 'Authorization: Bearer Vx7kQ2mR9tLp4w' x",
            "literal(Authorization)",
        ),
        (
            "curl -H \"PRIVATE-TOKEN: Vx7kQ2mR9tLp4w\" x",
            "literal(Authorization)",
        ),
        ("curl -H 'Authorization: Bearer your-token-123' x", ""),
        ("curl -H 'Content-Type: application/vnd.api+json1' x", ""),
        (
            "echo \"DEPLOY_TOKEN=Vx7kQ2mR9tLp\" >> $GITHUB_ENV",
            "literal(DEPLOY_TOKEN)",
        ),
        (
            "echo DEPLOY_TOKEN=Vx7kQ2mR9tLp >> .env",
            "literal(DEPLOY_TOKEN)",
        ),
        ("echo \"IMAGE_TAG=Vx7kQ2mR9tLp\" >> $GITHUB_ENV", ""),
        (
            ": \"${ADMIN_SECRET:=Vx7kQ2mR9tLp}\"",
            "literal(ADMIN_SECRET)",
        ),
        (
            "DB_PASSWORD=${DB_PASSWORD:-Vx7kQ2mR9tLp}",
            "literal(DB_PASSWORD)",
        ),
        ("DB_PASSWORD=${DB_PASSWORD:-postgres}", ""),
        ("mysql -pVx7kQ2mR9tLp", "literal(mysql -p)"),
        ("X_PASSPHRASE=${X_PASSPHRASE:-preview-passphrase-123}", ""),
        ("A=${TOKEN_FILE:-Vx7kQ2mR9tLp}", ""),
        (
            "cat > .env <<EOF\nDB_PASSWORD=Vx7kQ2mR9tLp\nDB_NAME=Vx7kQ2mR9tLp\nEOF\n",
            "literal(DB_PASSWORD)",
        ),
        (
            "cat <<'EOF' > app/.env.local\nDB_PASSWORD=\"Vx7kQ2mR9tLp\"\nEOF\nDB_PASSWORD=x\n",
            "literal(DB_PASSWORD)",
        ),
        (
            "aws configure set aws_secret_access_key Vx7kQ2mR9tLp4wZs",
            "literal(aws_secret_access_key)",
        ),
        (
            "npm config set //r.example.com/:_authToken Vx7kQ2mR9tLp4wZs",
            "literal(_authToken)",
        ),
        ("echo root:Vx7kQ2mR9tLp | chpasswd", "literal(chpasswd)"),
        ("echo 'root:root' | chpasswd", ""),
    ]);
}
