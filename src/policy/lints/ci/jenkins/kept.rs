//! What a Jenkinsfile archives and stashes.

use super::super::{
    files::{self, Keep},
    script::Out,
};
use super::File;

impl File<'_> {
    /// What is archived and stashed.
    pub(super) fn keep(&self, out: &mut Out<'_>) {
        let mut stage = "pipeline";
        for at in 0..self.tokens.len() {
            let name = self.name(at);
            if name == "stage" {
                stage = self
                    .text(at + 1)
                    .or_else(|| self.text(at + 2))
                    .map_or(stage, |(title, _)| title);
            }
            let keep = match name {
                "archiveArtifacts" | "archive" => Keep::Artifact,
                "stash" => Keep::Stash,
                _ => continue,
            };
            for argument in self.arguments(at) {
                let is_keyed = self.is_sign(argument - 1, b':');
                let is_path = match keep {
                    Keep::Stash => is_keyed && self.name(argument - 2) == "includes",
                    _ => !is_keyed || matches!(self.name(argument - 2), "artifacts" | "includes"),
                };
                let Some((text, span)) = self.text(argument).filter(|_| is_path) else {
                    continue;
                };
                let mut start = span.start;
                for part in text.split(',') {
                    let from = start + (part.len() - part.trim_start().len());
                    start += part.len() + 1;
                    files::kept(
                        out,
                        stage,
                        part.trim(),
                        from..from + part.trim().len(),
                        keep,
                        &self.written,
                    );
                }
            }
        }
    }
}
