//! The least policy that keysweep's token needs.

use std::fmt::Write as _;

use super::super::http::encode;
use crate::config::stores::VaultSettings;

/// Returns a policy in HCL for the mounts of the settings: reading for verify, and writing too with `for_rotate`. Where the settings name no
/// mounts it has every mount one level deep, and says that naming them makes it smaller.
#[must_use]
pub fn policy(settings: &VaultSettings, for_rotate: bool) -> String {
    let purpose = if for_rotate {
        "verify and rotate"
    } else {
        "verify"
    };
    let mut text = format!("# The least that keysweep needs to {purpose}.\n");
    let mut path = |path: &str, capabilities: &[&str], why: &str| {
        let list: Vec<_> = capabilities
            .iter()
            .map(|name| format!("\"{name}\""))
            .collect();
        let _ = write!(
            text,
            "\n# {why}\npath \"{path}\" {{\n  capabilities = [{}]\n}}\n",
            list.join(", ")
        );
    };
    path(
        "auth/token/lookup-self",
        &["read"],
        "Who we are, and until when.",
    );
    path("auth/token/renew-self", &["update"], "Long runs.");
    path(
        "auth/token/revoke-self",
        &["update"],
        "Clean up after a login.",
    );
    path(
        "sys/capabilities-self",
        &["update"],
        "Which rights are missing.",
    );
    let every = ["+".to_owned()];
    let mounts: &[String] = if settings.mounts.is_empty() {
        &every
    } else {
        &settings.mounts
    };
    for mount in mounts {
        let mount = mount.trim_matches('/');
        path(
            &format!("{mount}/metadata/*"),
            if for_rotate {
                &["read", "list", "patch"]
            } else {
                &["read", "list"]
            },
            if mount == "+" {
                "Keys and their versions. Set `mounts` in stores.toml to name mounts here. On OpenBao \"scan\" beside \"list\" saves requests."
            } else {
                "Keys and their versions. On OpenBao \"scan\" beside \"list\" saves requests."
            },
        );
        path(
            &format!("{mount}/data/*"),
            if for_rotate {
                &["read", "update"]
            } else {
                &["read"]
            },
            "Values. Narrow the path to the keys that you want compared or rotated.",
        );
        if for_rotate {
            for (endpoint, why) in [
                ("delete", "Switch an old version off."),
                ("undelete", "Switch it on again."),
                ("destroy", "Destroy it when it is proven dead."),
            ] {
                path(&format!("{mount}/{endpoint}/*"), &["update"], why);
            }
        }
    }
    if let Some(mount) = &settings.database {
        let mount = mount.trim_matches('/');
        path(&format!("{mount}/static-roles"), &["list"], "Static roles.");
        path(
            &format!("{mount}/static-roles/*"),
            &["read"],
            "When each was rotated.",
        );
        path(
            &format!("{mount}/static-creds/*"),
            &["read"],
            "Their passwords.",
        );
        if for_rotate {
            path(
                &format!("{mount}/rotate-role/*"),
                &["update"],
                "Their rotation.",
            );
            path(&format!("{mount}/config"), &["list"], "Connections.");
            path(
                &format!("{mount}/config/*"),
                &["read"],
                "Whether a connection exists.",
            );
            path(
                &format!("{mount}/rotate-root/*"),
                &["update"],
                "Rotation of their root credentials.",
            );
        }
    }
    if let Some(device) = &settings.audit_device {
        path(
            &format!("sys/audit-hash/{}", encode(device)),
            &["update"],
            "Look values up in the audit log; for this alone nothing else of this policy is needed.",
        );
    }
    path(
        "sys/policies/acl",
        &["list"],
        "Who may read a key. Without it readers are reported as incomplete.",
    );
    path("sys/policies/acl/*", &["read"], "The same.");
    text.push_str(
        "\n# A mount of KV version 1 has neither `data/` nor `metadata/`: there \"read\" and \"list\" on MOUNT/* are what verify needs, and\n\
         # rotate cannot write to it.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verify_gets_no_right_to_write() {
        let settings = VaultSettings {
            mounts: vec!["secret/".to_owned()],
            database: Some("database".to_owned()),
            audit_device: Some("main".to_owned()),
            ..VaultSettings::default()
        };
        let text = policy(&settings, false);
        assert!(text.contains("path \"secret/data/*\" {\n  capabilities = [\"read\"]"));
        assert!(text.contains("path \"sys/audit-hash/main\""));
        for right in ["\"create\"", "\"patch\"", "rotate-role", "destroy/"] {
            assert!(!text.contains(right), "{right}");
        }
        let text = policy(&settings, true);
        assert!(text.contains("path \"database/rotate-role/*\""));
        assert!(text.contains("[\"read\", \"update\"]"));
    }
}
