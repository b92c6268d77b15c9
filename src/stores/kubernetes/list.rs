//! Which secrets there are.
//!
//! Promises: metadata alone is asked for; each secret comes once, also if a listing takes so long that the server has forgotten where it was
//! (410): names are in the order of the server's own keys, so what was told before is passed over; a namespace that is denied is a problem of
//! the page and stops nothing.
//!
//! Source: "Kubernetes API Concepts: Retrieving large results sets in chunks" and "410 Gone responses".

use std::collections::BTreeSet;

use super::{
    super::{Cursor, Fault, KeyEntry, KeyPath, Page, StoreError, http::encode, json::Json},
    meta::{self, Labels},
    wire::{Answer, Call, Wire},
};

/// Secrets asked for at once; fewer if so many do not fit into an answer, for the notes of `kubectl apply` hold all values again.
const PAGE: [u16; 3] = [250, 10, 1];

/// How often a listing is begun anew before it is given up.
const MOST_ANEW: u8 = 5;

/// Where a listing looks. Matched without `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// In all namespaces at once.
    Cluster,
    /// In one.
    Namespace(String),
}

impl Root {
    fn path(&self) -> String {
        match self {
            Self::Cluster => "/api/v1/secrets".to_owned(),
            Self::Namespace(name) => format!("/api/v1/namespaces/{}/secrets", segment(name)),
        }
    }

    fn place(&self) -> KeyPath {
        KeyPath::new(match self {
            Self::Cluster => "*",
            Self::Namespace(name) => name,
        })
    }
}

/// Encodes one part of a path.
pub(super) fn segment(name: &str) -> String {
    encode(name).replace('/', "%2F")
}

/// Returns where to look by the settings alone.
pub(super) fn roots(namespaces: &[String], prefixes: &[String]) -> Vec<Root> {
    let of_prefixes: BTreeSet<&str> = prefixes
        .iter()
        .map(|prefix| prefix.split('/').next().unwrap_or_default())
        .collect();
    let named: BTreeSet<&str> = namespaces.iter().map(String::as_str).collect();
    let wanted: BTreeSet<&str> = match (named.is_empty(), of_prefixes.is_empty()) {
        (true, true) => return vec![Root::Cluster],
        (true, false) => of_prefixes,
        (false, true) => named,
        (false, false) => named.intersection(&of_prefixes).copied().collect(),
    };
    let named = wanted.into_iter().filter(|name| !name.is_empty());
    named.map(|name| Root::Namespace(name.to_owned())).collect()
}

/// Tells whether a key is below one of the prefixes, which end at a `/`; or there are none.
pub(super) fn wants(prefixes: &[String], key: &str) -> bool {
    prefixes.is_empty()
        || prefixes.iter().any(|prefix| {
            let rest = key.strip_prefix(prefix.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

/// Where a listing goes on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The number of the root.
    pub(super) root: usize,
    /// What the server gave for the next page; empty at the beginning of a root.
    token: String,
    /// How often this root was begun anew.
    anew: u8,
    /// The last key of this root that was told.
    last: String,
}

impl Position {
    /// Reads a cursor.
    pub(super) fn of(wire: &Wire, after: Option<&Cursor>) -> Result<Self, StoreError> {
        let Some(cursor) = after else {
            return Ok(Self::default());
        };
        let mut parts = cursor.0.splitn(4, '\n');
        let root = parts.next().and_then(|root| root.parse().ok());
        let anew = parts.next().and_then(|anew| anew.parse().ok());
        match (root, anew, parts.next(), parts.next()) {
            (Some(root), Some(anew), Some(token), Some(last)) => Ok(Self {
                root,
                token: token.to_owned(),
                anew,
                last: last.to_owned(),
            }),
            _ => Err(wire.error(
                Fault::Protocol,
                "list: this cursor is of another store",
                "begin the listing anew",
            )),
        }
    }

    fn cursor(&self) -> Cursor {
        Cursor(format!(
            "{}\n{}\n{}\n{}",
            self.root, self.anew, self.token, self.last
        ))
    }
}

/// One listing's wishes.
pub(super) struct Listing<'l> {
    pub(super) wire: &'l Wire,
    pub(super) roots: &'l [Root],
    pub(super) prefixes: &'l [String],
    pub(super) namespace: &'l dyn Fn(&str) -> Namespace,
}

/// What is known of a namespace.
#[derive(Clone, Debug, Default)]
pub(super) struct Namespace {
    pub(super) labels: Labels,
    /// Whether the server says that there is none of this name.
    pub(super) is_missing: bool,
}

impl Listing<'_> {
    /// Returns the next page.
    pub(super) fn page(&self, position: Position) -> Result<Page, StoreError> {
        let mut page = Page::default();
        let Some(root) = self.roots.get(position.root) else {
            return Ok(page);
        };
        let next = match self.chunk(root, &position, &mut page) {
            Ok(next) => next,
            Err(error) if error.fault.stops() => return Err(error),
            Err(error) => {
                page.problems.push((root.place(), error));
                None
            }
        };
        if let Root::Namespace(name) = root
            && page.keys.is_empty()
            && page.problems.is_empty()
            && position.token.is_empty()
            && (self.namespace)(name).is_missing
        {
            // A list of the secrets of no namespace is empty, and no error.
            page.problems.push((root.place(), self.no_namespace(name)));
        }
        let next = next.or_else(|| {
            let root = position.root + 1;
            (root < self.roots.len()).then(|| Position {
                root,
                ..Position::default()
            })
        });
        page.next = next.map(|next| next.cursor());
        Ok(page)
    }

    fn no_namespace(&self, name: &str) -> StoreError {
        self.wire.error(
            Fault::NotFound,
            format!("list the secrets of {name}: there is no such namespace"),
            "`kubectl get namespaces` lists them; correct `namespaces` or `prefixes` of the store",
        )
    }

    fn chunk(
        &self,
        root: &Root,
        position: &Position,
        page: &mut Page,
    ) -> Result<Option<Position>, StoreError> {
        let what = format!("list the secrets of {}", root.place());
        let answer = self.ask(root, &position.token, &what)?;
        if answer.status == 410 {
            // The server has forgotten the snapshot. It offers a way on behind the last key, in today's state; else all is listed anew.
            let json = self.wire.json(&answer, &what)?;
            let token = json.at(&["metadata", "continue"]).and_then(Json::name);
            let token = token.filter(|token| *token != position.token);
            if position.token.is_empty() {
                return Err(self.wire.garbled(&what));
            }
            if position.anew >= MOST_ANEW {
                return Err(self.wire.error(
                    Fault::Retryable { after: None },
                    format!("{what}: the server forgets the listing faster than it can be read"),
                    "name `namespaces` or `prefixes` for the store, or try again when the cluster is less busy",
                ));
            }
            return Ok(Some(Position {
                root: position.root,
                token: token.unwrap_or_default(),
                anew: position.anew + 1,
                last: position.last.clone(),
            }));
        }
        if answer.status != 200 {
            return Err(self.wire.garbled(&what));
        }
        let json = self.wire.json(&answer, &what)?;
        let mut last = String::new();
        let items = json
            .member("items")
            .ok_or_else(|| self.wire.garbled(&what))?;
        for item in items.items() {
            let key = self.take(item, &position.last, page, &what)?;
            if key <= last {
                // Without the order nobody could tell what was told before.
                return Err(self.wire.garbled(&what));
            }
            last = key;
        }
        let token = json.at(&["metadata", "continue"]).and_then(Json::name);
        Ok(token
            .filter(|token| !token.is_empty())
            .map(|token| Position {
                root: position.root,
                token,
                anew: position.anew,
                last: last.max(position.last.clone()),
            }))
    }

    /// Asks for one page, for less at once if it is too large.
    fn ask(&self, root: &Root, token: &str, what: &str) -> Result<Answer, StoreError> {
        let mut outcome = Err(self.wire.garbled(what));
        for limit in PAGE {
            let mut path = format!("{}?limit={limit}", root.path());
            if !token.is_empty() {
                path.push_str(&format!("&continue={}", segment(token)));
            }
            outcome = self.wire.call(&Call::metadata(&path, what));
            match &outcome {
                Err(error) if error.fault == Fault::Protocol => {}
                _ => break,
            }
        }
        outcome
    }

    /// Puts an item on the page if it is wanted and new; returns its key.
    fn take(
        &self,
        item: Json<'_>,
        told: &str,
        page: &mut Page,
        what: &str,
    ) -> Result<String, StoreError> {
        let garbled = || self.wire.garbled(what);
        let metadata = item.member("metadata").ok_or_else(garbled)?;
        let name = metadata.member("name").and_then(Json::name);
        let namespace = metadata.member("namespace").and_then(Json::name);
        let (Some(name), Some(namespace)) = (name, namespace) else {
            return Err(garbled());
        };
        let key = format!("{namespace}/{name}");
        if key.as_str() > told && wants(self.prefixes, &key) {
            let namespace = (self.namespace)(&namespace);
            let info = meta::info(metadata, &namespace.labels).ok_or_else(garbled)?;
            page.keys.push(KeyEntry {
                key: KeyPath::new(key.clone()),
                info: Some(info),
            });
        }
        Ok(key)
    }
}

/// Finds the namespaces one by one, for those who may not list secrets of all at once.
pub(super) fn namespaces(wire: &Wire) -> Result<Vec<(String, Labels)>, StoreError> {
    let what = "list the namespaces";
    let mut found = Vec::new();
    let mut token = String::new();
    loop {
        let path = format!("/api/v1/namespaces?limit=500&continue={}", segment(&token));
        let answer = wire.call(&Call::metadata(&path, what))?;
        if answer.status == 410 && !token.is_empty() {
            found.clear();
            token.clear();
            continue;
        }
        if answer.status != 200 {
            return Err(wire.garbled(what));
        }
        let json = wire.json(&answer, what)?;
        for item in json.member("items").into_iter().flat_map(Json::items) {
            let metadata = item.member("metadata").ok_or_else(|| wire.garbled(what))?;
            let name = metadata.member("name").and_then(Json::name);
            found.push((
                name.ok_or_else(|| wire.garbled(what))?,
                Labels::of(metadata),
            ));
        }
        let next = json.at(&["metadata", "continue"]).and_then(Json::name);
        match next.filter(|next| !next.is_empty()) {
            Some(next) => token = next,
            None => return Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(namespaces: &[&str], prefixes: &[&str]) -> Vec<String> {
        let own = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let roots = roots(&own(namespaces), &own(prefixes));
        roots.iter().map(|root| root.place().to_string()).collect()
    }

    #[test]
    fn no_more_is_asked_for_than_the_settings_want() {
        assert_eq!(names(&[], &[]), ["*"]);
        assert_eq!(names(&["b", "a", "b"], &[]), ["a", "b"]);
        assert_eq!(names(&[], &["prod/app", "prod/db", "qa"]), ["prod", "qa"]);
        assert_eq!(names(&["qa", "dev"], &["prod/", "qa/"]), ["qa"]);
        assert!(names(&["dev"], &["prod/"]).is_empty());
    }

    #[test]
    fn prefixes_end_at_a_slash() {
        let prefixes = ["prod".to_owned(), "qa/db/".to_owned()];
        assert!(wants(&prefixes, "prod/x") && wants(&prefixes, "qa/db"));
        assert!(!wants(&prefixes, "prod-a/x") && !wants(&prefixes, "qa/db2"));
        assert!(wants(&[], "anything/x"));
    }
}
