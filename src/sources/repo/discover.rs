//! Finds the directories of a repository the way git lays them out, without asking any configuration.

use std::path::{Path, PathBuf};

use super::{
    super::SourceError,
    io::{bytes_path, read_small},
};

/// Most bytes of a `.git` or `commondir` file: one line with a path.
const MAX_LINK: u64 = 64 * 1024;

/// The directories of one repository.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Holds HEAD and index; for a linked worktree `.git/worktrees/NAME`.
    pub(super) git_dir: PathBuf,
    /// Holds objects and refs.
    pub(super) common_dir: PathBuf,
    /// Where the files are; `None` for a bare repository.
    pub(super) work_tree: Option<PathBuf>,
}

/// Finds the repository that `path` is in or is.
pub(super) fn discover(path: &Path) -> Result<Layout, SourceError> {
    let start = path.canonicalize().map_err(|source| SourceError::Path {
        path: path.to_owned(),
        source,
    })?;
    for dir in start.ancestors().filter(|dir| dir.is_dir()) {
        if let Some(layout) = at(dir)? {
            return Ok(layout);
        }
    }
    Err(SourceError::NoRepository {
        path: path.to_owned(),
    })
}

/// Returns the repository whose work tree or git directory is exactly `dir`.
fn at(dir: &Path) -> Result<Option<Layout>, SourceError> {
    let dot_git = dir.join(".git");
    if dot_git.is_file() {
        let git_dir = follow(&dot_git)?;
        return layout(git_dir, Some(dir.to_owned())).map(Some);
    }
    // An empty `.git` directory is nothing, to git as well.
    if dot_git.join("HEAD").symlink_metadata().is_ok() || dot_git.join("objects").is_dir() {
        return layout(dot_git, Some(dir.to_owned())).map(Some);
    }
    let is_git_dir = dir.join("HEAD").symlink_metadata().is_ok()
        && (dir.join("commondir").is_file()
            || (dir.join("objects").is_dir() && dir.join("refs").is_dir()));
    if !is_git_dir {
        return Ok(None);
    }
    let work_tree = match dir.file_name() {
        Some(name) if name == ".git" => dir.parent().map(Path::to_owned),
        _ => linked_work_tree(dir),
    };
    layout(dir.to_owned(), work_tree).map(Some)
}

/// Returns where a `.git` file (`gitdir: PATH`) leads.
fn follow(file: &Path) -> Result<PathBuf, SourceError> {
    let broken = |reason: &str| SourceError::Repository {
        path: file.to_owned(),
        reason: reason.to_owned(),
    };
    let text =
        read_small(file, MAX_LINK).map_err(|error| broken(&format!("cannot read it: {error}")))?;
    let target = text
        .strip_prefix(b"gitdir:")
        .map(|rest| line(rest.trim_ascii_start()))
        .filter(|target| !target.is_empty())
        .ok_or_else(|| broken("a `.git` file must say `gitdir: PATH`"))?;
    let git_dir = file
        .parent()
        .unwrap_or(Path::new("."))
        .join(bytes_path(target));
    git_dir
        .canonicalize()
        .map_err(|error| broken(&format!("its gitdir cannot be reached: {error}")))
}

/// Returns the work tree that belongs to `.git/worktrees/NAME`, from its `gitdir` file. The `.git` file there must lead back:
/// a repository must not pass for another's by naming its files.
fn linked_work_tree(git_dir: &Path) -> Option<PathBuf> {
    let text = read_small(&git_dir.join("gitdir"), MAX_LINK).ok()?;
    let dot_git = git_dir.join(bytes_path(line(&text)));
    let work_tree = dot_git.parent()?;
    let leads_back = dot_git.symlink_metadata().ok()?.is_file()
        && follow(&dot_git).ok()? == git_dir.canonicalize().ok()?;
    (leads_back && work_tree.is_dir()).then(|| work_tree.to_owned())
}

/// Checks that a git directory is one and finds its common directory.
fn layout(git_dir: PathBuf, work_tree: Option<PathBuf>) -> Result<Layout, SourceError> {
    let broken = |reason: String| SourceError::Repository {
        path: git_dir.clone(),
        reason,
    };
    if git_dir.join("HEAD").symlink_metadata().is_err() {
        return Err(broken("HEAD is missing".to_owned()));
    }
    let link = git_dir.join("commondir");
    let common_dir = if link.symlink_metadata().is_ok() {
        let text = read_small(&link, MAX_LINK)
            .map_err(|error| broken(format!("cannot read `commondir`: {error}")))?;
        let common_dir = git_dir
            .join(bytes_path(line(&text)))
            .canonicalize()
            .map_err(|error| broken(format!("its common directory cannot be reached: {error}")))?;
        if !is_worktree_of(&common_dir, &git_dir) {
            let reason = "its `commondir` names a repository that has no such worktree";
            return Err(broken(reason.to_owned()));
        }
        common_dir
    } else {
        git_dir.clone()
    };
    std::fs::read_dir(common_dir.join("objects"))
        .map_err(|error| broken(format!("cannot read `objects`: {error}")))?;
    Ok(Layout {
        git_dir,
        common_dir,
        work_tree,
    })
}

/// Tells whether `git_dir` is where `git worktree` puts those of a repository (gitrepository-layout(5), `worktrees/<id>`).
fn is_worktree_of(common_dir: &Path, git_dir: &Path) -> bool {
    git_dir
        .canonicalize()
        .is_ok_and(|dir| dir.parent() == Some(common_dir.join("worktrees").as_path()))
}

/// Returns the first line without its end.
fn line(text: &[u8]) -> &[u8] {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake(git_dir: &Path) {
        std::fs::create_dir_all(git_dir.join("objects")).unwrap();
        std::fs::create_dir_all(git_dir.join("refs")).unwrap();
        std::fs::write(git_dir.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    }

    #[test]
    fn climbs_from_a_file_deep_inside() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fake(&root.join(".git"));
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/b/f"), "").unwrap();
        let found = discover(&root.join("a/b/f")).unwrap();
        assert_eq!(found.work_tree, Some(root.clone()));
        assert_eq!(found.git_dir, root.join(".git"));
        assert_eq!(discover(&root.join(".git/refs")).unwrap(), found);
    }

    #[test]
    fn follows_git_files_and_common_directories() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fake(&root.join("main/.git"));
        let linked = root.join("main/.git/worktrees/w");
        std::fs::create_dir_all(&linked).unwrap();
        std::fs::write(linked.join("HEAD"), "ref: refs/heads/w\n").unwrap();
        std::fs::write(linked.join("commondir"), "../..\n").unwrap();
        std::fs::create_dir_all(root.join("w")).unwrap();
        std::fs::write(root.join("w/.git"), "gitdir: ../main/.git/worktrees/w\n").unwrap();
        let found = discover(&root.join("w")).unwrap();
        assert_eq!(found.git_dir, linked);
        assert_eq!(found.common_dir, root.join("main/.git"));
        assert_eq!(found.work_tree, Some(root.join("w")));
        std::fs::write(linked.join("gitdir"), root.join("w/.git").to_str().unwrap()).unwrap();
        assert_eq!(discover(&linked).unwrap(), found);
    }

    #[test]
    fn a_git_directory_cannot_name_the_work_tree_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fake(&root.join("own/.git"));
        fake(&root.join("evil.git"));
        let linked = root.join("own/.git/worktrees/w");
        std::fs::create_dir_all(&linked).unwrap();
        std::fs::create_dir_all(root.join("w")).unwrap();
        std::fs::write(linked.join("HEAD"), "ref: refs/heads/w\n").unwrap();
        std::fs::write(linked.join("commondir"), "../..\n").unwrap();
        std::fs::write(root.join("w/.git"), "gitdir: ../own/.git/worktrees/w\n").unwrap();
        for named in ["../own/.git", "../w/.git", "../own/absent"] {
            std::fs::write(root.join("evil.git/gitdir"), named).unwrap();
            let found = discover(&root.join("evil.git")).unwrap();
            assert_eq!(found.work_tree, None, "{named}");
            assert_eq!(found.common_dir, root.join("evil.git"));
        }
        // Nor the objects of another, though it has some of its own.
        std::fs::write(root.join("evil.git/commondir"), "../own/.git\n").unwrap();
        assert!(matches!(
            discover(&root.join("evil.git")),
            Err(SourceError::Repository { .. })
        ));
    }

    #[test]
    fn a_broken_repository_is_loud_and_none_is_another_error() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        assert!(matches!(
            discover(&root.join("absent")),
            Err(SourceError::Path { .. })
        ));
        std::fs::create_dir_all(root.join("x/.git")).unwrap();
        assert!(matches!(
            discover(&root.join("x")),
            Err(SourceError::NoRepository { .. })
        ));
        std::fs::create_dir_all(root.join("x/.git/objects")).unwrap();
        assert!(matches!(
            discover(&root.join("x")),
            Err(SourceError::Repository { .. })
        ));
        std::fs::create_dir_all(root.join("y")).unwrap();
        std::fs::write(root.join("y/.git"), "nonsense").unwrap();
        assert!(matches!(
            discover(&root.join("y")),
            Err(SourceError::Repository { .. })
        ));
    }
}
