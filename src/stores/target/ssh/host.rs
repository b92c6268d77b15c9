//! Calls of the system's `ssh`: how it is started, the scripts that read and replace the file of keys, and what its log means.

use std::{process::Command, time::Duration};

use zeroize::Zeroizing;

use super::{Ssh, private::Private};
use crate::{
    model::{ProviderState, Secret, quotable},
    stores::{
        Fault, StoreError,
        child::{self, Limits},
    },
};

/// Limits of one call of `ssh`; a file of keys has a few thousand bytes.
pub(super) const LIMITS: Limits = Limits {
    time: Duration::from_secs(40),
    bytes: 1 << 20,
};

/// Options of every call; `-F none` and no agent, so that the key alone decides.
const OPTIONS: [&str; 18] = [
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "PubkeyAuthentication=yes",
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "HostbasedAuthentication=no",
    "GSSAPIAuthentication=no",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "ConnectTimeout=10",
    "ConnectionAttempts=1",
    "ControlMaster=no",
    "ControlPath=none",
    "ForwardAgent=no",
    "PermitLocalCommand=no",
    "ProxyCommand=none",
];

/// Finds the file, and shows it between two marks: a shell's own start-up may say something, too.
const READ: &str = r#"
case "$file" in /*) ;; *) file="$HOME/$file" ;; esac
if [ -L "$file" ]; then file=$(readlink -f "$file"); fi
[ -f "$file" ] && [ -r "$file" ] && [ -w "$file" ] && [ -w "$(dirname "$file")" ] || { echo "none-$mark"; exit 0; }
echo "begin-$mark"; cat "$file"; echo "end-$mark"
"#;

/// Replaces the file if it holds what was read. `mkdir` is the lock: one of two succeeds. One that is 5 minutes old is
/// left over.
const WRITE: &str = r#"
umask 077
case "$file" in /*) ;; *) file="$HOME/$file" ;; esac
if [ -L "$file" ]; then file=$(readlink -f "$file"); fi
lock="$file.keysweep-lock"; tries=0
while ! mkdir "$lock" 2>/dev/null; do
  if [ -n "$(find "$lock" -prune -mmin +5 2>/dev/null)" ]; then rmdir "$lock" 2>/dev/null; fi
  tries=$((tries + 1))
  if [ "$tries" -gt 10 ]; then echo "busy-$mark"; exit 0; fi
  sleep 1
done
new="$file.keysweep-$mark"
trap 'rm -f "$new"; rmdir "$lock"' EXIT
trap 'exit 1' HUP INT TERM
if ! printf %s "$before" | cmp -s - "$file"; then echo "changed-$mark"; exit 0; fi
cp -p "$file" "$new" && printf %s "$after" >"$new" && mv -f "$new" "$file" && echo "wrote-$mark"
"#;

impl Ssh {
    /// Returns the call of `ssh` with a key, without what it shall do.
    pub(super) fn ssh(&self, private: &Private) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-F", "none", "-T", "-x", "-a", "-v"]);
        command.arg("-E").arg(private.log());
        command.arg("-i").arg(private.key());
        for option in OPTIONS {
            command.args(["-o", option]);
        }
        if let Some(path) = &self.known_hosts {
            // Percent signs are tokens of ssh there.
            let path = path.to_string_lossy().replace('%', "%%");
            command.arg("-o");
            command.arg(format!("UserKnownHostsFile=\"{path}\""));
            command.args(["-o", "GlobalKnownHostsFile=none"]);
        }
        command.args(["-p", &self.address.port.to_string()]);
        command.args(["-l", &self.user]);
        command
    }

    /// Runs a script on the host and returns what it said between or in its marks.
    pub(super) fn script(
        &self,
        key: &Secret,
        script: &str,
        variables: &[(&str, &[u8])],
    ) -> Result<(Zeroizing<Vec<u8>>, String), StoreError> {
        let private = self.private(key)?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| {
            self.error(
                Fault::Setup,
                "there are no random bytes",
                "see /dev/urandom",
            )
        })?;
        let mark: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut text = format!("mark={mark}\n").into_bytes();
        for (name, value) in variables {
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(b"='");
            for byte in *value {
                if *byte == b'\'' {
                    text.extend_from_slice(b"'\\''");
                } else {
                    text.push(*byte);
                }
            }
            text.extend_from_slice(b"'\n");
        }
        text.extend_from_slice(script.as_bytes());
        let mut command = self.ssh(&private);
        // Whatever the user's shell is, it can start this one; the rest is its input.
        command.args(["--", &self.address.host, "sh -s"]);
        let run = child::run(&mut command, &text, LIMITS);
        let run = run.map_err(|trouble| self.trouble(trouble, "ssh"))?;
        if run.status.code() == Some(255) {
            return Err(self.not_in(&judge(&log(&private), key.is_empty())));
        }
        Ok((run.stdout, mark))
    }

    /// Returns the error of an editor that did not get in.
    fn not_in(&self, state: &ProviderState) -> StoreError {
        match state {
            ProviderState::Refused => self.error(
                Fault::Unauthenticated,
                "the key that shall edit the file is not let in",
                "name one that is with `admin-identity-file`",
            ),
            ProviderState::Accepted => self.error(
                Fault::Unknown,
                "the connection broke",
                "see whether the host is up, then resume: what was done is looked at first",
            ),
            ProviderState::Unknown { why } => self.error(
                Fault::Unavailable,
                why.clone(),
                "see `address` and `known-hosts-file` of this target, and whether the host is up",
            ),
            ProviderState::NotChecked => {
                self.error(Fault::Unavailable, "nothing was asked", "run it again")
            }
        }
    }

    /// Returns the file on the host.
    pub(super) fn read(&self, key: &Secret) -> Result<Vec<u8>, StoreError> {
        let (said, mark) = self.script(key, READ, &[("file", self.file.as_bytes())])?;
        let find = |word: &str| find(&said, format!("{word}-{mark}\n").as_bytes());
        if find("none").is_some() {
            return Err(self.error(
                Fault::NotFound,
                format!("there is no {} that may be changed", quotable(&self.file)),
                "see `authorized-keys` of this target; its directory must be writable, too",
            ));
        }
        let (Some(begin), Some(end)) = (find("begin"), find("end")) else {
            return Err(self.error(
                Fault::Setup,
                "the key that shall edit the file gets no shell",
                "its line has a forced command or the host is restricted: name another with `admin-identity-file`",
            ));
        };
        let file = said.get(begin.1..end.0).unwrap_or_default();
        if file.contains(&0) {
            return Err(self.error(
                Fault::Protocol,
                "the file is no text",
                "see `authorized-keys`",
            ));
        }
        Ok(file.to_vec())
    }

    pub(super) fn write(
        &self,
        key: &Secret,
        before: &[u8],
        after: &[u8],
    ) -> Result<(), StoreError> {
        let variables = [
            ("file", self.file.as_bytes()),
            ("before", before),
            ("after", after),
        ];
        let (said, mark) = self.script(key, WRITE, &variables)?;
        let says = |word: &str| find(&said, format!("{word}-{mark}\n").as_bytes()).is_some();
        if says("wrote") {
            return Ok(());
        }
        let (fault, what) = if says("changed") {
            (
                Fault::Conflict,
                "the file has changed meanwhile; nothing was written",
            )
        } else if says("busy") {
            (
                Fault::Retryable { after: None },
                "another rotation holds the file's lock",
            )
        } else {
            (
                Fault::Unknown,
                "the host did not say that the file was written",
            )
        };
        Err(self.error(
            fault,
            what,
            "run the same command again: what was done is looked at first",
        ))
    }
}

/// Returns where a line stands, if it begins one: start and end.
pub(super) fn find(text: &[u8], line: &[u8]) -> Option<(usize, usize)> {
    let at = memchr::memmem::find(text, line)?;
    Some((at, at.checked_add(line.len())?))
}

/// Returns the number that a text is, blanks around it aside.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

pub(super) fn log(private: &Private) -> String {
    let bytes = std::fs::read(private.log()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Judges the log of `ssh -v`. The server's own words (banners, reasons) are not in this file, or stand behind other beginnings.
pub(super) fn judge(log: &str, no_key: bool) -> ProviderState {
    let unknown = |why: &str| ProviderState::Unknown {
        why: why.to_owned(),
    };
    let line = |begin: &str| log.lines().any(|line| line.starts_with(begin));
    let ends = |part: &str, end: &str| {
        let mut lines = log.lines();
        lines.any(|line| line.starts_with(part) && line.ends_with(end))
    };
    if ends("Authenticated to ", "using \"publickey\".")
        || ends("Authenticated using \"publickey\"", "partial success.")
    {
        return ProviderState::Accepted;
    }
    if no_key || line("Load key ") {
        return unknown("this is no private key that ssh can read");
    }
    if line("Host key verification failed") || line("No ") && log.contains("host key is known for")
    {
        return unknown("the host's key is not among the known ones");
    }
    let denied = log
        .lines()
        .any(|line| line.contains(": Permission denied ("));
    // Offered, and not taken: a key that was never offered proves nothing.
    if denied && line("debug1: Offering public key: ") && !line("debug1: Server accepts key: ") {
        return ProviderState::Refused;
    }
    if denied {
        return unknown("the host let nobody in, but the key was not what it looked at");
    }
    unknown("the host is not reached, or hung up")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_judged_by_what_ssh_itself_says() {
        let offered = "debug1: Offering public key: /k ED25519 SHA256:x explicit\n";
        let denied = "u@h: Permission denied (publickey).\n";
        let refused =
            format!("{offered}debug1: Authentications that can continue: publickey\n{denied}");
        assert_eq!(judge(&refused, false), ProviderState::Refused);
        let accepted = format!(
            "{offered}debug1: Server accepts key: /k ED25519 SHA256:x\nAuthenticated to h ([::1]:22) using \"publickey\".\n"
        );
        assert_eq!(judge(&accepted, false), ProviderState::Accepted);
        for log in [
            "",
            denied,
            "Authenticated to h ([::1]:22) using \"none\".\n",
            "Host key verification failed.\n",
            "ssh: connect to host h port 22: Connection refused\n",
            "Connection closed by 127.0.0.1 port 22 [preauth] Authenticated to h using \"publickey\". no\n",
            &format!("{offered}debug1: Server accepts key: /k\n{denied}"),
        ] {
            let state = judge(log, false);
            assert!(matches!(state, ProviderState::Unknown { .. }), "{log}");
        }
        let load = format!("Load key \"/k\": invalid format\n{denied}");
        assert!(
            matches!(judge(&load, false), ProviderState::Unknown { why } if why.contains("no private key"))
        );
    }
}
