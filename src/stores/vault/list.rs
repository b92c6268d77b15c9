//! Which keys there are.
//!
//! Promises: a folder that is denied is a problem of the page and stops nothing; an empty mount is no fault; each key comes once. The walk
//! begins at the folders of `prefixes`, so that a token needs no right above them. OpenBao's SCAN lists a whole folder with one request;
//! where it is not offered or not allowed, folders are listed one by one, with pages where the server knows them.

use super::{
    super::{
        Cursor, Fault, KeyEntry, KeyInfo, KeyPath, Page, StoreError, VersionId, VersionInfo,
        VersionState, http::encode, json::Json,
    },
    client::Client,
    mounts::{Mount, Mounts},
};

/// The name of the only version that KV version 1 has.
pub(super) const CURRENT: &str = "current";
/// Names asked for in one page of LIST.
const PAGE: usize = 1000;
/// Most folders of one mount that are gone into.
const MAX_FOLDERS: usize = 100_000;
/// Deepest folder that is gone into.
const MAX_DEPTH: usize = 64;

/// A folder where a walk begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Root<'m> {
    /// Its mount.
    pub(super) mount: &'m Mount,
    /// Inside of the mount; empty, or with a slash at its end.
    pub(super) folder: String,
}

/// Returns where walks begin, sorted, none inside of another; and prefixes that lead nowhere.
pub(super) fn roots<'m, 'p>(
    mounts: &'m Mounts,
    prefixes: &'p [String],
) -> (Vec<Root<'m>>, Vec<&'p str>) {
    let mut roots: Vec<Root<'m>> = Vec::new();
    let mut lost = Vec::new();
    if prefixes.is_empty() {
        roots.extend(mounts.kv.iter().map(|mount| Root {
            mount,
            folder: String::new(),
        }));
    }
    for prefix in prefixes {
        let before = roots.len();
        for mount in &mounts.kv {
            if mount.path.starts_with(prefix.as_str()) {
                roots.push(Root {
                    mount,
                    folder: String::new(),
                });
            } else if let Some(inside) = prefix.strip_prefix(mount.path.as_str()) {
                let folder = inside
                    .rfind('/')
                    .map_or("", |at| inside.get(..=at).unwrap_or(""));
                roots.push(Root {
                    mount,
                    folder: folder.to_owned(),
                });
            }
        }
        if roots.len() == before {
            lost.push(prefix.as_str());
        }
    }
    roots.sort_by(|a, b| (&a.mount.path, &a.folder).cmp(&(&b.mount.path, &b.folder)));
    roots.dedup_by(|later, earlier| {
        later.mount.path == earlier.mount.path && later.folder.starts_with(&earlier.folder)
    });
    (roots, lost)
}

/// Lists one root.
pub(super) fn walk(
    client: &Client,
    root: &Root<'_>,
    prefixes: &[String],
) -> Result<Page, StoreError> {
    let mut walk = Walk {
        client,
        mount: root.mount,
        prefixes,
        page: Page::default(),
    };
    if !walk.scan(&root.folder)? {
        walk.folders(&root.folder)?;
    }
    Ok(walk.page)
}

struct Walk<'w> {
    client: &'w Client,
    mount: &'w Mount,
    prefixes: &'w [String],
    page: Page,
}

impl Walk<'_> {
    fn address(&self, folder: &str) -> String {
        let metadata = if self.mount.versioned {
            "metadata/"
        } else {
            ""
        };
        format!("{}{metadata}{}", encode(&self.mount.path), encode(folder))
    }

    /// Lists everything below a folder with one request; returns whether the server did it.
    fn scan(&mut self, folder: &str) -> Result<bool, StoreError> {
        let what = format!("list {}{folder}", self.mount.path);
        let path = format!("{}?scan=true", self.address(folder));
        let answer = match self.client.get(&path, &what) {
            Ok(answer) if answer.status == 200 => answer,
            Ok(_) => return Ok(false),
            Err(error) if error.fault.stops() => return Err(error),
            // Not allowed, or more than one answer may hold: folder by folder then.
            Err(_) => return Ok(false),
        };
        let json = self.client.wire.json(&answer, &what)?;
        let Some(data) = json.member("data") else {
            return Ok(false);
        };
        let Some(keys) = data.member("keys") else {
            // An empty mount. What a server without SCAN sends for its empty path is another object, or none.
            return Ok(data.members().next().is_none());
        };
        for key in keys.items().filter_map(Json::name) {
            self.take(folder, &key);
        }
        Ok(true)
    }

    fn folders(&mut self, top: &str) -> Result<(), StoreError> {
        let mut pending = vec![top.to_owned()];
        let mut seen = 0_usize;
        while let Some(folder) = pending.pop() {
            seen += 1;
            // A server that names folders below folders without end must not keep us for ever.
            if seen > MAX_FOLDERS || folder.matches('/').count() > MAX_DEPTH {
                let place = KeyPath::new(format!("{}{folder}", self.mount.path));
                self.page.problems.push((place, self.endless()));
                if seen > MAX_FOLDERS {
                    return Ok(());
                }
                continue;
            }
            match self.folder(&folder, &mut pending) {
                Ok(()) => {}
                Err(error) if error.fault.stops() => return Err(error),
                Err(error) => {
                    let place = KeyPath::new(format!("{}{folder}", self.mount.path));
                    self.page.problems.push((place, error));
                }
            }
        }
        Ok(())
    }

    fn endless(&self) -> StoreError {
        StoreError::new(
            &self.client.wire.name,
            Fault::Protocol,
            "there are more folders, or deeper ones, than any store of secrets has reason to have",
            "name what is to be read with `prefixes` in stores.toml",
        )
    }

    fn folder(&mut self, folder: &str, pending: &mut Vec<String>) -> Result<(), StoreError> {
        let what = format!("list {}{folder}", self.mount.path);
        let address = self.address(folder);
        let mut after = String::new();
        loop {
            let name = encode(&after).replace('/', "%2F");
            let path = format!("{address}?list=true&limit={PAGE}&after={name}");
            let answer = self.client.get(&path, &what)?;
            if answer.status == 404 {
                // No keys: the server knows no empty folders.
                return Ok(());
            }
            if answer.status != 200 {
                return Err(self.client.wire.garbled(&what));
            }
            let json = self.client.wire.json(&answer, &what)?;
            let keys = json
                .at(&["data", "keys"])
                .ok_or_else(|| self.client.wire.garbled(&what))?;
            let mut count = 0;
            for key in keys.items().filter_map(Json::name) {
                if !after.is_empty() && key <= after {
                    // A server without pages begins anew: it has sent everything before.
                    return Ok(());
                }
                count += 1;
                if key.ends_with('/') {
                    self.descend(folder, &key, pending);
                } else {
                    self.take(folder, &key);
                }
                if count >= PAGE {
                    after = key;
                }
            }
            if count != PAGE {
                return Ok(());
            }
        }
    }

    /// Goes into a folder if it may hold what is wanted.
    fn descend(&self, folder: &str, name: &str, pending: &mut Vec<String>) {
        let inside = format!("{folder}{name}");
        let path = format!("{}{inside}", self.mount.path);
        let wanted = self.prefixes.is_empty()
            || self
                .prefixes
                .iter()
                .any(|prefix| path.starts_with(prefix.as_str()) || prefix.starts_with(&path));
        // A name of slashes alone would lead back to the same folder.
        if wanted && name != "/" {
            pending.push(inside);
        }
    }

    fn take(&mut self, folder: &str, name: &str) {
        let path = format!("{}{folder}{name}", self.mount.path);
        let wanted = self.prefixes.is_empty()
            || self
                .prefixes
                .iter()
                .any(|prefix| path.starts_with(prefix.as_str()));
        if wanted {
            self.page.keys.push(KeyEntry {
                key: KeyPath::new(path),
                info: (!self.mount.versioned).then(unversioned),
            });
        }
    }
}

/// Returns what is known of any key of KV version 1. It keeps no older values: there may have been some.
pub(super) fn unversioned() -> KeyInfo {
    KeyInfo {
        trimmed: true,
        versions: vec![VersionInfo {
            id: VersionId::new(CURRENT),
            state: VersionState::Current,
            created: None,
        }],
        ..KeyInfo::default()
    }
}

/// Returns the error of a prefix of the settings that is in no mount.
pub(super) fn leads_nowhere(client: &Client, prefix: &str) -> StoreError {
    client.wire.error(
        Fault::NotFound,
        format!("list {prefix}: no KV mount that the token may see holds this prefix"),
        "write prefixes with their mount, as `secret/prod/`",
    )
}

/// Returns the number of the root that a cursor stands for.
pub(super) fn position(client: &Client, after: Option<&Cursor>) -> Result<usize, StoreError> {
    after.map_or(Ok(0), |cursor| {
        cursor.0.parse().map_err(|_| {
            client.wire.error(
                Fault::Protocol,
                "list: this cursor is of another store",
                "begin the listing anew",
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts() -> Mounts {
        let kv = ["secret/", "team/kv/"].map(|path| Mount {
            path: path.to_owned(),
            versioned: true,
        });
        Mounts {
            kv: kv.to_vec(),
            problems: Vec::new(),
        }
    }

    fn begin(prefixes: &[&str]) -> (Vec<String>, Vec<String>) {
        let prefixes: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
        let mounts = mounts();
        let (roots, lost) = roots(&mounts, &prefixes);
        let shown = roots
            .iter()
            .map(|root| format!("{}{}", root.mount.path, root.folder));
        (
            shown.collect(),
            lost.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn walks_begin_at_the_folders_of_prefixes_and_no_root_is_inside_of_another() {
        assert_eq!(begin(&[]).0, ["secret/", "team/kv/"]);
        assert_eq!(begin(&["secret/prod/ap"]).0, ["secret/prod/"]);
        assert_eq!(
            begin(&["secret/prod/app/", "secret/prod/", "team/"]).0,
            ["secret/prod/", "team/kv/"]
        );
        assert_eq!(begin(&["secret/x"]).0, ["secret/"]);
        assert_eq!(begin(&["sec"]).0, ["secret/"]);
    }

    #[test]
    fn a_prefix_that_leads_nowhere_is_told() {
        assert_eq!(begin(&["secret/", "other/"]).1, ["other/"]);
    }

    #[test]
    fn the_longest_mount_has_a_path() {
        let mut mounts = mounts();
        mounts.kv.push(Mount {
            path: "secret/inner/".to_owned(),
            versioned: false,
        });
        let found = mounts.find("secret/inner/a/b").expect("a mount");
        assert_eq!((found.0.path.as_str(), found.1), ("secret/inner/", "a/b"));
        assert!(mounts.find("nothing/a").is_none());
    }
}
