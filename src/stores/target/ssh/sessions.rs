//! Sessions of a login user on a host: listed and ended by what sshd calls its own processes.
//!
//! Promises: only processes that call themselves sshd's sessions of this user, and that belong to the same sshd as the one that we came in
//! by; never our own. sshd does not tell which key opened a session, so that all of the user's are ended.

use crate::{
    model::Secret,
    stores::{Fault, StoreError},
};

use super::{
    Ssh,
    host::{find, number},
};

/// Ends the sessions: SIGTERM, five seconds, SIGKILL. The titles are those of OpenSSH (`sshd: user@pts/0`, `sshd: user@notty`, `sshd: user`
/// without a session; from 9.8 on `sshd-session:`). Under a service manager that starts one sshd a connection there is no listener; then
/// those without one belong together.
const END: &str = r#"
export user own="$$"
list() {
  ps -A -o pid= -o ppid= -o args= 2>/dev/null | awk '
    function is_ssh(p) { return title[p] ~ /^([^ ]*\/)?sshd(-session|-auth)?(:| |$)/ }
    function top(p) { while (parent[p] in title && parent[p] > 1 && is_ssh(parent[p])) p = parent[p]; return p }
    function listens(p) { return index(title[p], "[listener]") > 0 }
    { pid = $1; parent[pid] = $2; $1 = ""; $2 = ""; sub(/^ +/, ""); title[pid] = $0 }
    END {
      user = ENVIRON["user"]
      for (p = ENVIRON["own"]; p in title && p > 1; p = parent[p]) {
        mine[p] = 1
        if (ours == "" && is_ssh(p)) ours = top(p)
      }
      if (ours == "") { print "none"; exit }
      for (p in title) {
        name = title[p]
        if (p in mine || sub(/^sshd(-session)?: /, "", name) == 0) continue
        if (name != user && index(name, user "@") != 1) continue
        its = top(p)
        if (its == ours || (!listens(ours) && !listens(its))) print p
      }
    }'
}
pids=$(list) || pids=none
case "$pids" in *none*) echo "none-$mark"; exit 0 ;; esac
count=0
for pid in $pids; do kill "$pid" 2>/dev/null; count=$((count + 1)); done
tries=0
while [ "$tries" -lt 5 ] && [ -n "$(list)" ]; do sleep 1; tries=$((tries + 1)); done
for pid in $pids; do
  for left in $(list); do [ "$pid" = "$left" ] && kill -9 "$pid" 2>/dev/null; done
done
left=0
for pid in $pids; do
  for other in $(list); do [ "$pid" = "$other" ] && left=$((left + 1)); done
done
echo "left-$mark"; echo "$left"; echo "ended-$mark"; echo "$count"; echo "end-$mark"
"#;

impl Ssh {
    /// Ends all sessions of the login user but our own; returns how many there were.
    pub(super) fn end_all(&self, key: &Secret) -> Result<u64, StoreError> {
        let (said, mark) = self.script(key, END, &[("user", self.user.as_bytes())])?;
        let says = |word: &str| find(&said, format!("{word}-{mark}\n").as_bytes());
        if says("none").is_some() {
            return Err(self.error(
                Fault::Unsupported,
                "the host does not tell its sessions: `ps` and `awk` are needed there",
                "end them by hand and take `end-sessions` off this target",
            ));
        }
        let between = |from: &str, to: &str| {
            let (from, to) = (says(from)?, says(to)?);
            number(said.get(from.1..to.0)?)
        };
        match (between("left", "ended"), between("ended", "end")) {
            (Some(0), Some(ended)) => Ok(ended),
            (Some(left), _) => Err(self.error(
                Fault::Unknown,
                format!("{left} of the user's sessions could not be ended"),
                "end them by hand on the host, then resume",
            )),
            (None, _) => Err(self.error(
                Fault::Setup,
                "the key that shall end sessions gets no shell",
                "its line has a forced command or the host is restricted: name another with `admin-identity-file`, or take `end-sessions` off",
            )),
        }
    }
}
