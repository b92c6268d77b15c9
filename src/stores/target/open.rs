//! From the settings of `[[targets]]` to a target that answers, and what all targets do alike: addresses, files that hold an
//! admin's secret.
//!
//! Promises: opening sends nothing; a secret's file that others may read is refused; its bytes are wiped.

use std::{
    fs::File,
    io::Read as _,
    net::IpAddr,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{Target, redis};
use crate::{
    config::stores::{TargetEntry, TargetKind},
    model::Secret,
    stores::{Fault, StoreError, Surroundings, credential},
};

/// Opens the target that a `[[targets]]` entry describes. No request is sent.
///
/// # Errors
/// [`Fault::Setup`] for settings that cannot work and files that cannot be read, [`Fault::Unsupported`] for kinds that this build
/// leaves out and for `none`, which has no target.
pub fn open(
    entry: &TargetEntry,
    surroundings: &Surroundings<'_>,
) -> Result<Box<dyn Target>, StoreError> {
    match &entry.kind {
        #[cfg(feature = "postgres")]
        TargetKind::Postgres(settings) => Ok(Box::new(super::postgres::Postgres::open(
            entry,
            settings,
            surroundings,
        )?)),
        #[cfg(not(feature = "postgres"))]
        TargetKind::Postgres(_) => Err(left_out(entry, "postgres")),
        TargetKind::Redis(settings) => Ok(Box::new(redis::Redis::open(settings, surroundings)?)),
        #[cfg(all(unix, feature = "ssh"))]
        TargetKind::Ssh(settings) => Ok(Box::new(super::ssh::Ssh::open(settings, surroundings)?)),
        #[cfg(not(all(unix, feature = "ssh")))]
        TargetKind::Ssh(_) => Err(left_out(entry, "ssh")),
        #[cfg(feature = "aws")]
        TargetKind::AwsIam(settings) => Ok(Box::new(super::aws_iam::AwsIam::open(
            entry,
            settings,
            surroundings,
        )?)),
        #[cfg(not(feature = "aws"))]
        TargetKind::AwsIam(_) => Err(left_out(entry, "aws")),
        #[cfg(unix)]
        TargetKind::Command(settings) => {
            let label = format!("target {}", entry.key);
            let target = super::command::CommandTarget::open(&label, settings, surroundings)?;
            Ok(Box::new(target))
        }
        #[cfg(not(unix))]
        TargetKind::Command(_) => Err(left_out(entry, "command")),
        TargetKind::Webhook(settings) => {
            let target = super::webhook::Webhook::open(entry, settings, surroundings)?;
            Ok(Box::new(target))
        }
        TargetKind::None => Err(StoreError::unsupported(
            &entry.store,
            "reach a target of kind `none`: the store alone holds this value",
        )),
    }
}

/// Returns the error of a kind that this build leaves out.
#[cfg_attr(
    all(unix, feature = "aws", feature = "postgres", feature = "ssh"),
    expect(dead_code, reason = "this build leaves nothing out")
)]
fn left_out(entry: &TargetEntry, feature: &str) -> StoreError {
    StoreError::new(
        &entry.store,
        Fault::Unsupported,
        format!("this build has no `{feature}` targets"),
        format!("install keysweep with them: cargo install keysweep --features {feature}"),
    )
}

/// The most bytes that a file of a secret may have: keys and tokens have a few thousand.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Returns what a file holds, without one newline at its end.
///
/// # Errors
/// [`Fault::Setup`] if it is no file, empty, too long, or (on Unix) may be read by everybody.
pub(in crate::stores) fn secret_file(
    target: &str,
    path: &Path,
    surroundings: &Surroundings<'_>,
) -> Result<Secret, StoreError> {
    let path = at_home(path, surroundings);
    let shown = crate::model::quotable(&path.to_string_lossy());
    let wrong = |what: &str, help: &str| {
        StoreError::new(
            target,
            Fault::Setup,
            format!("the file {shown} {what}"),
            help,
        )
    };
    let unreadable = |_| {
        wrong(
            "cannot be read",
            "write the secret into it, readable for you alone (chmod 600)",
        )
    };
    let file = File::open(&path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > MAX_SECRET_BYTES {
        return Err(wrong(
            "is no file of a secret",
            "name a file that holds the secret alone",
        ));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if metadata.permissions().mode() & 0o007 != 0 {
            return Err(wrong(
                "may be read by every user of this machine",
                "chmod 600 it, and change the secret if others work here",
            ));
        }
    }
    // All at once: a buffer that grows leaves copies behind.
    let room = usize::try_from(metadata.len()).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room.saturating_add(1)));
    file.take(metadata.len())
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if text.is_empty() {
        return Err(wrong("is empty", "write the secret into it"));
    }
    Ok(Secret::new(text))
}

/// Returns the path with the user's home put for `~`.
pub(super) fn at_home(path: &Path, surroundings: &Surroundings<'_>) -> PathBuf {
    credential::at_home(path, surroundings.home.as_deref())
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// A name or an IP address, without brackets.
    pub(super) host: String,
    /// The port.
    pub(super) port: u16,
}

impl Address {
    /// Reads `host`, `host:port` or `[v6]:port`.
    ///
    /// # Errors
    /// [`Fault::Setup`] for anything else.
    pub(super) fn parse(target: &str, text: &str, port: u16) -> Result<Self, StoreError> {
        let wrong = || {
            StoreError::new(
                target,
                Fault::Setup,
                "`address` is none",
                "write `address = \"host:port\"`, without a scheme, a user or a password",
            )
        };
        let (host, after) = if let Some(inner) = text.strip_prefix('[') {
            inner.split_once(']').ok_or_else(wrong)?
        } else if text.parse::<IpAddr>().is_ok() {
            (text, "")
        } else {
            text.find(':').map_or((text, ""), |at| text.split_at(at))
        };
        let port = match after.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port > 0),
            None => after.is_empty().then_some(port),
        };
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        // A host that begins with a hyphen would be an option of ssh.
        if host.is_empty() || host.starts_with('-') || !host.chars().all(known) {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            port: port.ok_or_else(wrong)?,
        })
    }

    /// Tells whether nobody but this machine can listen in.
    pub(super) fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self
                .host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> Surroundings<'static> {
        Surroundings {
            variable: &|_| None,
            home: None,
            history: &|_| Ok(Vec::new()),
        }
    }

    #[test]
    fn addresses_have_a_host_and_a_port_and_nothing_else() {
        for (text, host, port) in [
            ("db.example", "db.example", 5432),
            ("db.example:1", "db.example", 1),
            ("127.0.0.1:6", "127.0.0.1", 6),
            ("::1", "::1", 5432),
            ("[::1]:7", "::1", 7),
        ] {
            let address = Address::parse("t", text, 5432).unwrap();
            assert_eq!(
                (address.host.as_str(), address.port),
                (host, port),
                "{text}"
            );
        }
        for text in [
            "", ":1", "a:b", "a:0", "a:1:2", "[::1", "u@h:1", "-oProxy", "h/x", "a:70000",
        ] {
            assert!(Address::parse("t", text, 5432).is_err(), "{text}");
        }
        assert!(Address::parse("t", "127.9.9.9", 1).unwrap().is_loopback());
        assert!(!Address::parse("t", "128.0.0.1", 1).unwrap().is_loopback());
    }

    #[test]
    #[cfg(unix)]
    fn a_secret_that_everybody_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        std::fs::write(&path, "made-up\r\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = secret_file("t", &path, &nowhere()).unwrap_err();
        assert_eq!(error.fault, Fault::Setup);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let secret = secret_file("t", &path, &nowhere()).unwrap();
        assert_eq!(secret.expose(), b"made-up");
        std::fs::write(&path, "\n").unwrap();
        assert!(secret_file("t", &path, &nowhere()).is_err());
    }
}
