//! Names of commits as people type them: full and short ids, references by git's rules, `~N`, `^N`, `^{...}`, `@{N}`.

use super::{Absent, Head, Kind, Repository, object};
use crate::{
    model::{BlobPath, ObjectId},
    sources::SourceError,
};

/// Where a short name is looked for, in git's order (gitrevisions(7), "refname").
const PREFIXES: [&str; 5] = ["", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"];

/// Largest commit or tag read to follow a name.
const MAX_OBJECT: u64 = 64 << 20;

/// Returns the commit that a revision names.
pub(super) fn resolve(repository: &Repository, revision: &str) -> Result<ObjectId, SourceError> {
    commit_of(repository, revision).map_err(|reason| SourceError::Revision {
        revision: BlobPath::from(revision).to_string(),
        reason,
    })
}

fn commit_of(repository: &Repository, revision: &str) -> Result<ObjectId, String> {
    let end = revision
        .char_indices()
        .find(|(at, c)| {
            matches!(c, '~' | '^') || revision.get(*at..).is_some_and(|r| r.starts_with("@{"))
        })
        .map_or(revision.len(), |(at, _)| at);
    let (name, mut steps) = revision.split_at(end);
    let mut id = if let Some(rest) = steps.strip_prefix("@{") {
        let (number, rest) = rest.split_once('}').ok_or("`@{` is not closed")?;
        steps = rest;
        logged(repository, name, number)?
    } else {
        named(repository, name)?
    };
    id = peel(repository, id)?;
    while let Some(step) = steps.chars().next() {
        let rest = steps.get(1..).unwrap_or_default();
        if let Some(rest) = rest.strip_prefix('{').filter(|_| step == '^') {
            let (kind, rest) = rest.split_once('}').ok_or("`^{` is not closed")?;
            if !matches!(kind, "" | "commit") {
                return Err("only a commit can be named here".to_owned());
            }
            steps = rest;
            continue;
        }
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = rest.split_at(digits);
        let number: u32 = match number {
            "" => 1,
            number => number.parse().map_err(|_| "the number is too large")?,
        };
        id = match step {
            '~' => ancestor(repository, id, number)?,
            '^' if number == 0 => id,
            '^' => parent(repository, id, number)?,
            _ => return Err("it is malformed".to_owned()),
        };
        steps = rest;
    }
    Ok(id)
}

fn named(repository: &Repository, name: &str) -> Result<ObjectId, String> {
    if matches!(name, "" | "@" | "HEAD") {
        return match repository.head() {
            Head::Commit(id) => Ok(id),
            Head::Unborn => Err("there is no commit yet".to_owned()),
            Head::Broken(reason) => Err(reason),
        };
    }
    if let Some(id) = object::parse_hex(name.as_bytes()) {
        return Ok(id);
    }
    let references = &repository.refs().references;
    let target = |full: &str| {
        let at = references.binary_search_by(|r| r.name.as_slice().cmp(full.as_bytes()));
        references.get(at.ok()?)
    };
    for full in PREFIXES
        .map(|prefix| format!("{prefix}{name}"))
        .into_iter()
        .chain([format!("refs/remotes/{name}/HEAD")])
    {
        match target(&full) {
            Some(reference) => {
                return match reference.target {
                    Some(id) => Ok(id),
                    None => symbolic(repository, &full),
                };
            }
            None => continue,
        }
    }
    abbreviated(repository, name)
}

/// Follows a symbolic reference.
fn symbolic(repository: &Repository, full: &str) -> Result<ObjectId, String> {
    let mut name = full.to_owned();
    for _ in 0..8 {
        let path = repository.common_dir().join(&name);
        let text = super::io::read_small(&path, 1 << 16).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let Some(next) = text.trim().strip_prefix("ref:") else {
            break;
        };
        name = next.trim().to_owned();
        let references = &repository.refs().references;
        let at = references.binary_search_by(|r| r.name.as_slice().cmp(name.as_bytes()));
        if let Some(id) = at.ok().and_then(|at| references.get(at)?.target) {
            return Ok(id);
        }
    }
    Err("the symbolic reference leads nowhere".to_owned())
}

/// Finds the one object whose name starts so.
fn abbreviated(repository: &Repository, hex: &str) -> Result<ObjectId, String> {
    let unknown = || "no such reference or commit here".to_owned();
    if hex.len() < 4 || hex.len() > 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(unknown());
    }
    let hex = hex.to_ascii_lowercase();
    let mut commits: Vec<ObjectId> = repository
        .store()
        .starting_with(&hex)
        .into_iter()
        .filter(|id| peel(repository, *id).is_ok())
        .collect();
    commits.dedup();
    match commits.as_slice() {
        [id] => Ok(*id),
        [] => Err(unknown()),
        _ => Err("the short name fits several objects".to_owned()),
    }
}

/// Reads entry `number` of a reflog, counted from the newest.
fn logged(repository: &Repository, name: &str, number: &str) -> Result<ObjectId, String> {
    let number: usize = number
        .parse()
        .map_err(|_| "only `@{NUMBER}` is understood")?;
    let own = repository.own_prefix();
    let name = match name {
        "" => repository
            .branch()
            .unwrap_or_else(|| [&own, &b"HEAD"[..]].concat()),
        "HEAD" | "@" => [&own, &b"HEAD"[..]].concat(),
        name => name.as_bytes().to_vec(),
    };
    let logs = &repository.refs().reflogs;
    let log = PREFIXES
        .iter()
        .find_map(|prefix| {
            let full = [prefix.as_bytes(), &name].concat();
            logs.iter().find(|log| log.name == full)
        })
        .ok_or("it has no reflog")?;
    log.text
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .rev()
        .nth(number)
        .and_then(|line| line.split(|b| *b == b' ').nth(1))
        .and_then(object::parse_hex)
        .ok_or_else(|| "its reflog is shorter".to_owned())
}

/// Follows tags to a commit.
fn peel(repository: &Repository, mut id: ObjectId) -> Result<ObjectId, String> {
    for _ in 0..64 {
        let (kind, bytes) = repository.find(&id, MAX_OBJECT).map_err(words)?;
        match kind {
            Kind::Commit => return Ok(id),
            Kind::Tag => {
                id = object::Tag::parse(&bytes)
                    .ok_or("the tag is malformed")?
                    .target
            }
            Kind::Tree | Kind::Blob => return Err(format!("it is a {kind}, not a commit")),
        }
    }
    Err("the tag is nested too deeply".to_owned())
}

fn ancestor(repository: &Repository, mut id: ObjectId, steps: u32) -> Result<ObjectId, String> {
    for _ in 0..steps {
        id = parent(repository, id, 1)?;
    }
    Ok(id)
}

fn parent(repository: &Repository, id: ObjectId, number: u32) -> Result<ObjectId, String> {
    let (_, bytes) = repository.find(&id, MAX_OBJECT).map_err(words)?;
    let commit = object::Commit::parse(&bytes).ok_or("the commit is malformed")?;
    let index = usize::try_from(number)
        .unwrap_or(usize::MAX)
        .saturating_sub(1);
    let parent = commit.parents.get(index).copied();
    parent.ok_or_else(|| "the commit has no such parent".to_owned())
}

fn words(absent: Absent) -> String {
    match absent {
        Absent::Missing => "the object is not in this clone".to_owned(),
        Absent::TooLarge(size) => format!("the object has {size} bytes"),
        Absent::Damaged(what) => format!("the object cannot be read: {what}"),
    }
}
