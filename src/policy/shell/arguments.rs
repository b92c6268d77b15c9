//! Secrets as arguments of programs: addresses, build arguments, options.

use std::ops::Range;

use super::{
    Argument, Origin, Sink, Use,
    flow::Flow,
    run::{Arg, Call},
    sinks::{sole_variable, unquoted},
    taint::{Piece, Stream, merged},
};
use crate::policy::names;

/// Programs that build images.
const BUILDERS: [&str; 9] = [
    "docker",
    "podman",
    "buildah",
    "nerdctl",
    "img",
    "executor",
    "docker-compose",
    "buildctl",
    "kaniko",
];

impl Flow<'_> {
    /// Tells which arguments hold secrets.
    pub(super) fn arguments(
        &mut self,
        call: &Call<'_, '_>,
        literals: &[Option<&str>],
        stdin: &Stream,
    ) {
        for (at, arg) in call.arguments.iter().enumerate() {
            let before = at
                .checked_sub(1)
                .and_then(|at| literals.get(at))
                .copied()
                .flatten();
            self.bare_build_arg(call, arg, before);
            let pieces: Vec<&Piece> = arg
                .pieces
                .iter()
                .filter(|piece| piece.dump.is_none() && piece.call.is_none() && !is_random(piece))
                .collect();
            let Some(first) = pieces.first() else {
                continue;
            };
            let mut piece = (*first).clone();
            piece.taint = merged(&arg.pieces);
            let sink = self.argument(call, arg, before, &piece, stdin);
            if let Some(sink) = sink {
                self.emit(&piece, sink);
            }
        }
        if call.from_stdin && call.name != "cat" {
            for piece in stdin.iter().filter(|piece| piece.dump.is_none()) {
                let mut piece = piece.clone();
                piece.command = call.title.to_owned();
                self.emit(&piece, Sink::Argument(Argument::of(call.title, None)));
            }
        }
    }

    fn argument(
        &self,
        call: &Call<'_, '_>,
        arg: &Arg<'_>,
        before: Option<&str>,
        piece: &Piece,
        stdin: &Stream,
    ) -> Option<Sink> {
        let is_builder = BUILDERS.contains(&call.name);
        let is_set = before == Some("--set") && arg.head.contains(".args.");
        let is_build_arg = before == Some("--build-arg")
            || arg.head.starts_with("--build-arg=")
            || arg.head.contains("build-arg:")
            || is_set;
        if is_builder && is_build_arg {
            let name = arg
                .head
                .trim_start_matches("--build-arg=")
                .split('=')
                .next();
            let name = name.unwrap_or_default().rsplit(['.', ':']).next();
            return Some(Sink::BuildArg {
                name: name.unwrap_or_default().to_owned(),
            });
        }
        if self.is_user_part(&arg.word.span, &piece.at) {
            return Some(Sink::Url);
        }
        // This is how checkout actions pass a token.
        let is_header = call.name == "git"
            && before == Some("-c")
            && arg.head.to_ascii_lowercase().contains("extraheader");
        if is_header {
            return None;
        }
        let flag = flag(arg, before);
        if names_another(call, arg, before, flag.as_deref()) {
            return None;
        }
        let mut argument = Argument::of(call.title, flag);
        argument.stdin_edits = self.by_stdin(call, arg, before, stdin).unwrap_or_default();
        Some(Sink::Argument(argument))
    }

    /// `--build-arg TOKEN` takes the value from the environment.
    fn bare_build_arg(&mut self, call: &Call<'_, '_>, arg: &Arg<'_>, before: Option<&str>) {
        let name = match (&arg.literal, before) {
            (Some(name), Some("--build-arg")) => name.as_str(),
            (Some(word), _) => word.strip_prefix("--build-arg=").unwrap_or_default(),
            _ => return,
        };
        if !BUILDERS.contains(&call.name) || name.is_empty() || name.contains('=') {
            return;
        }
        if let Some(taint) = self.taint(name) {
            self.uses.push(Use {
                sink: Sink::BuildArg {
                    name: name.to_owned(),
                },
                span: arg.word.span.clone(),
                command_span: call.command.span.clone(),
                command: call.title.to_owned(),
                names: taint.names,
                origin: taint.origin,
                derived: None,
            });
        }
    }

    /// Tells whether an expansion stands between `://` of a web or git address and its `@`.
    fn is_user_part(&self, word: &Range<usize>, at: &Range<usize>) -> bool {
        let before = self.raw(&(word.start..at.start));
        let Some(scheme) = before.rfind("://") else {
            return false;
        };
        let inside = before.get(scheme + 3..).unwrap_or_default();
        let name = before.get(..scheme).unwrap_or_default();
        let name = name
            .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '+')
            .next()
            .unwrap_or_default();
        let after = self.raw(&(at.end..word.end));
        let end = after.find(['/', '?', ' ', '#']).unwrap_or(after.len());
        let is_web = ["http", "https", "git", "ftp", "ftps", "svn"].contains(&name)
            || name.starts_with("git+");
        is_web && !inside.contains('/') && after.get(..end).is_some_and(|after| after.contains('@'))
    }

    /// Edits that make `docker login … -p "$P"` read the password from stdin.
    fn by_stdin(
        &self,
        call: &Call<'_, '_>,
        arg: &Arg<'_>,
        before: Option<&str>,
        stdin: &Stream,
    ) -> Option<Vec<(Range<usize>, String)>> {
        let logs_in = [
            "docker login",
            "podman login",
            "nerdctl login",
            "buildah login",
            "helm registry login",
        ];
        let has_user = call
            .arguments
            .iter()
            .any(|arg| arg.head.starts_with("-u") || arg.head.starts_with("--username"));
        let has_stdin = self.piped
            || !stdin.is_empty()
            || call.from_stdin
            || call
                .command
                .redirects
                .iter()
                .any(|one| one.descriptor.is_none_or(|one| one == 0) && one.reads());
        if !logs_in.contains(&call.title) || !has_user || has_stdin {
            return None;
        }
        let raw = self.raw(&arg.word.span);
        let (start, value) = match before {
            Some("-p" | "--password") => {
                let at = call
                    .arguments
                    .iter()
                    .position(|one| std::ptr::eq(one, arg))?;
                let flag = call.arguments.get(at.checked_sub(1)?)?;
                (flag.word.span.start, raw)
            }
            _ => {
                let value = raw
                    .strip_prefix("--password=")
                    .or_else(|| raw.strip_prefix("-p"))?;
                (arg.word.span.start, value)
            }
        };
        let variable = sole_variable(arg.word, value)?;
        let at = call.command.span.start;
        Some(vec![
            (at..at, format!("echo {variable} | ")),
            (start..arg.word.span.end, "--password-stdin".to_owned()),
        ])
    }
}

/// Random text that nothing calls a secret.
fn is_random(piece: &Piece) -> bool {
    let mint = piece.taint.mint.as_ref();
    piece.taint.origin == Origin::Minted
        && mint.is_some_and(|mint| mint.source.generates && mint.variable.is_none())
}

/// Tells whether the word names a file, or an object that holds a secret: `--password-file "$X"`, `@"$X"`, `kubectl get secret $X`.
fn names_another(
    call: &Call<'_, '_>,
    arg: &Arg<'_>,
    before: Option<&str>,
    flag: Option<&str>,
) -> bool {
    const LASTS: [&str; 12] = [
        "file",
        "files",
        "path",
        "dir",
        "directory",
        "id",
        "ids",
        "name",
        "names",
        "arn",
        "namespace",
        "version",
    ];
    // These take paths of files.
    const OF_FILES: [&str; 14] = [
        "cat", "chmod", "chown", "cp", "mv", "rm", "ls", "stat", "install", "ssh-add", "tr",
        "dos2unix", "shred", "file",
    ];
    let is_identity = before == Some("-i") && matches!(call.name, "ssh" | "scp" | "sftp" | "rsync");
    let is_decoded = matches!(call.name, "base64" | "gpg" | "source");
    if OF_FILES.contains(&call.name)
        || is_identity
        || is_decoded && flag.is_none_or(|flag| !flag.starts_with("--pass"))
    {
        return true;
    }
    let words = names::words(flag.unwrap_or_default());
    let is_object = [
        "get secret",
        "get secrets",
        "describe secret",
        "delete secret",
        "secret rm",
        "secret inspect",
    ]
    .iter()
    .any(|what| call.title.ends_with(what));
    words.len() > 1
        && words
            .last()
            .is_some_and(|last| LASTS.contains(&last.as_str()))
        || arg.head.ends_with('@') && !arg.head.contains("://")
        || arg.head.starts_with("file://")
        || is_object && !arg.head.contains('=') && flag.is_none()
}

/// Options that take no value: what stands behind them is none of theirs.
const SWITCHES: [&str; 22] = [
    "--rm",
    "-it",
    "-ti",
    "-i",
    "-t",
    "-s",
    "-S",
    "-k",
    "-q",
    "-x",
    "-sS",
    "-L",
    "-y",
    "--",
    "--silent",
    "--fail",
    "-sf",
    "-fsSL",
    "--verbose",
    "--quiet",
    "--force",
    "--yes",
];

/// Returns the option that a word is the value of.
fn flag(arg: &Arg<'_>, before: Option<&str>) -> Option<String> {
    let head = unquoted(&arg.head);
    if head.starts_with('-') {
        let name = head.split('=').next().unwrap_or_default();
        let is_long = name.starts_with("--") || head.contains('=');
        let name = name
            .get(..if is_long { name.len() } else { 2 })
            .unwrap_or(name);
        let end = name
            .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'))
            .unwrap_or(name.len());
        return name.get(..end).map(str::to_owned);
    }
    before
        .filter(|before| before.starts_with('-') && !before.contains('=') && before.len() < 40)
        .filter(|before| !SWITCHES.contains(before))
        .map(str::to_owned)
}
