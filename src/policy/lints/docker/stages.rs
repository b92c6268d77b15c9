//! Which stages of a Dockerfile the image is made of.
//!
//! Promises: where it cannot be told (variables, wildcards, paths that lead upwards) a file reaches the image; linear in the file for each
//! copy.

use std::ops::Range;

use crate::policy::readers::dockerfile::{Copy, Dockerfile, What};

/// The stages of a file with what they take of earlier ones.
pub(super) struct Stages<'f> {
    file: &'f Dockerfile,
    /// What stages take of others, in the order of the file.
    taken: Vec<Taken<'f>>,
    text: &'f str,
}

/// What one stage takes of another.
struct Taken<'f> {
    by: usize,
    of: usize,
    /// The sources of a `COPY --from`; `None` for `FROM`, which takes all.
    sources: Option<Vec<&'f str>>,
}

impl<'f> Stages<'f> {
    pub(super) fn new(file: &'f Dockerfile, text: &'f str) -> Self {
        let mut taken = Vec::new();
        for (by, stage) in file.stages.iter().enumerate() {
            let of = |name: &str| before(file, by, name);
            // An image is none of the file's own if its name is not.
            let base = file.stages.iter().take(by);
            let base = base
                .enumerate()
                .rfind(|(_, one)| one.name.as_deref() == Some(&stage.image.to_ascii_lowercase()));
            taken.extend(base.map(|(of, _)| Taken {
                by,
                of,
                sources: None,
            }));
            for instruction in &stage.instructions {
                match &instruction.what {
                    What::Copy(copy) => {
                        let from = copy.from().map(of).unwrap_or_default();
                        taken.extend(from.into_iter().map(|of| Taken {
                            by,
                            of,
                            sources: Some(texts(copy)),
                        }));
                    }
                    What::Run(run) => {
                        // What is mounted may be copied by the command, whatever it is.
                        let mounts = run.flags.iter().filter(|flag| flag.name == "mount");
                        let from = mounts.filter_map(|flag| flag.attribute("from"));
                        taken.extend(from.flat_map(of).map(|of| Taken {
                            by,
                            of,
                            sources: None,
                        }));
                    }
                    _ => {}
                }
            }
        }
        Self { file, taken, text }
    }

    /// Returns `None` if what a copy puts into a stage is in the image that the whole file makes, its last stage; else which paths below the
    /// place of the copy later stages take.
    pub(super) fn kept_from_image(
        &self,
        keyword: &Range<usize>,
        copy: &Copy,
    ) -> Option<Vec<String>> {
        let count = self.file.stages.len();
        let stage = self.file.stages.iter().position(|stage| {
            let mut all = stage.instructions.iter();
            all.any(|one| one.keyword == *keyword && !one.deferred)
        });
        let stage = stage?;
        let path = self.target(stage, keyword, copy);
        let mut below = Vec::new();
        // By stage: whether it has the file where it was copied to, and whether somewhere else.
        let mut has = vec![(false, false); count];
        if let Some(first) = has.get_mut(stage) {
            *first = (true, path.is_none());
        }
        for one in &self.taken {
            let (here, moved) = has.get(one.of).copied().unwrap_or_default();
            let Some(own) = has.get_mut(one.by) else {
                continue;
            };
            match &one.sources {
                None => *own = (own.0 || here, own.1 || moved),
                Some(sources) => {
                    let path = path.as_deref().unwrap_or_default();
                    let is_taken = moved || here && sources.iter().any(|one| holds(one, path));
                    own.1 |= is_taken;
                    let inner = sources.iter().filter(|_| here).map(|one| clean(one));
                    below.extend(inner.filter_map(|one| {
                        let rest = one.strip_prefix(path)?.strip_prefix('/')?;
                        Some(rest.to_owned())
                    }));
                }
            }
        }
        let (here, moved) = has.last()?;
        (!here && !moved).then_some(below)
    }

    /// Returns the folder or file that a copy makes, if that can be told.
    fn target(&self, stage: usize, keyword: &Range<usize>, copy: &Copy) -> Option<String> {
        let mut folder: Option<String> = None;
        let target = copy.target.as_str();
        if !is_known(target) {
            return None;
        }
        if target.starts_with('/') {
            return Some(clean(target));
        }
        for one in &self.file.stages.get(stage)?.instructions {
            if one.keyword.start >= keyword.start {
                break;
            }
            let word = self.text.get(one.keyword.clone()).unwrap_or_default();
            if word.eq_ignore_ascii_case("workdir") {
                let path = self.text.get(one.keyword.end..one.span.end)?.trim();
                let path = path.trim_matches(['"', '\'']);
                folder = match (folder, path) {
                    _ if !is_known(path) || path.contains(['\n', '\\']) => return None,
                    (_, path) if path.starts_with('/') => Some(clean(path)),
                    (Some(folder), path) => Some(clean(&format!("{folder}/{path}"))),
                    (None, _) => return None,
                };
            }
        }
        let folder = folder?;
        Some(clean(&format!("{folder}/{target}")))
    }
}

/// Returns the stages that a name or number means: the last of the name before this one, or all if it is filled in.
fn before(file: &Dockerfile, stage: usize, name: &str) -> Vec<usize> {
    if name.contains('$') {
        return (0..stage).collect();
    }
    let name = name.to_ascii_lowercase();
    let mut earlier = file.stages.iter().take(stage);
    let named = earlier.rposition(|one| one.name.as_ref() == Some(&name));
    let numbered = || name.parse().ok().filter(|number| *number < stage);
    named.or_else(numbered).into_iter().collect()
}

fn texts(copy: &Copy) -> Vec<&str> {
    let sources = copy.sources.iter();
    sources.map(|source| source.text.as_str()).collect()
}

/// Tells whether a path is one that is written out, and leads nowhere upwards.
fn is_known(path: &str) -> bool {
    !path.contains(['$', '*', '?', '[']) && !path.split('/').any(|part| part == "..")
}

/// Returns a path without empty parts, `.` and the last `/`.
fn clean(path: &str) -> String {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.fold(String::new(), |all, part| all + "/" + part)
}

/// Tells whether a source holds all that was copied to a path.
fn holds(source: &str, path: &str) -> bool {
    if !is_known(source) {
        return true;
    }
    let source = clean(source);
    path == source || path.starts_with(&format!("{source}/")) || source.is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::tests::crossed;

    #[test]
    fn a_file_of_a_build_stage_is_none_of_the_image() {
        let env = (".env.production", "DB_PASSWORD=hunter2-Zq81\n");
        for (rest, want) in [
            ("COPY --from=build /app/dist /www\n", "medium"),
            (
                "COPY --from=0 --chown=a /app/dist /app/c.js /www/\n",
                "medium",
            ),
            ("COPY --from=build /app /www\n", "high"),
            ("COPY --from=build /app/ .\n", "high"),
            ("COPY --from=build / /\n", "high"),
            ("COPY --from=build /app/* /www\n", "high"),
            ("COPY --from=build $OUT /www\n", "high"),
            ("COPY --from=$S /app /www\n", "high"),
            ("COPY --from=build /app/.env.production /www\n", "high"),
            ("COPY . .\n", "high"),
            (
                "RUN --mount=type=bind,from=build,target=/b cp -r /b/app /\n",
                "high",
            ),
            (
                "COPY --from=build /app /m\nFROM c\nCOPY --from=1 /m/dist /w\n",
                "high",
            ),
            (
                "COPY --from=build /app/dist /m\nFROM c\nCOPY --from=1 /m /w\n",
                "medium",
            ),
            ("FROM build\nRUN x\n", "high"),
            (
                "FROM build AS c\nFROM d\nCOPY --from=c /app/dist /w\n",
                "medium",
            ),
        ] {
            let text = format!("FROM a AS build\nWORKDIR /app\nCOPY . .\nFROM b\n{rest}");
            let told = crossed(&[("Dockerfile", &text), env]);
            assert_eq!(
                told.first().map(|one| one.split(' ').next()),
                Some(Some(want)),
                "{text}"
            );
        }
        // Where the folder is not known, nothing is.
        let text = "FROM a AS build\nCOPY . .\nFROM b\nCOPY --from=build /app/dist /www\n";
        assert!(crossed(&[("Dockerfile", text), env])[0].starts_with("high"));
        let text = "FROM a AS build\nCOPY .env.production /app/\nFROM b\nCOPY --from=build /app/dist /www\n";
        assert_eq!(
            crossed(&[("Dockerfile", text), env]),
            ["medium COPY .env.production "]
        );
    }
}
