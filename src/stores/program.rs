//! A program of the user's that answers one JSON request a run (docs/stores-command.md is the protocol).
//!
//! Promises: values go in and come out in base64, over pipes alone, through buffers that are wiped; the program is named absolutely or
//! found on the path, and runs in `/`, so that no file of a scanned tree is taken for it or read by it; it is ended
//! when it is slow or says too much; its standard error is never shown; nothing is asked twice.

use std::{path::Path, process::Command, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    Fault, StoreError, Surroundings,
    buffer::Buffer,
    child::{self, Limits, Run, Trouble},
    credential::at_home,
    http::Effect,
    json::Json,
};
use crate::config::stores::CommandSettings;

/// Most bytes of an answer.
const MAX_ANSWER: usize = 4 << 20;
/// Seconds for a run, where the settings say nothing.
const TIMEOUT_S: u16 = 30;

/// A program and its limits.
pub(super) struct Program {
    /// The store's, target's or sink's name.
    pub(super) name: String,
    words: Vec<String>,
    limits: Limits,
}

/// A member of a request.
pub(super) enum Part<'p> {
    /// A text that is no value.
    Text(&'p str),
    /// Values by name: `[{"name", "value", "encoding"}]`.
    Fields(&'p mut dyn Iterator<Item = (&'p str, &'p [u8])>),
    /// A user and a secret: `{"user", "value", "encoding"}`.
    Login(Option<&'p str>, &'p [u8]),
    /// A value alone: `{"value", "encoding"}`.
    Value(&'p [u8]),
}

impl Program {
    /// Takes the settings; runs nothing.
    pub(super) fn new(
        name: &str,
        settings: &CommandSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let wrong = |what: &str, help: &str| Err(StoreError::new(name, Fault::Setup, what, help));
        let mut words = settings.program.clone();
        let Some(first) = words.first_mut().filter(|first| !first.is_empty()) else {
            return wrong(
                "`program` is empty",
                "write `program = [\"/path/to/it\", \"argument\"]`",
            );
        };
        let path = at_home(Path::new(&*first), surroundings.home.as_deref());
        if !path.is_absolute() && first.contains(std::path::MAIN_SEPARATOR) {
            return wrong(
                "`program` is relative: it could be a file of the tree that is scanned",
                "write the whole path, or the name alone of a program on the path",
            );
        }
        *first = path.to_string_lossy().into_owned();
        let seconds = settings.timeout_s.unwrap_or(TIMEOUT_S);
        if !(1..=600).contains(&seconds) {
            return wrong("`timeout-s` is out of range", "write 1 to 600 seconds");
        }
        Ok(Self {
            name: name.to_owned(),
            words,
            limits: Limits {
                time: Duration::from_secs(seconds.into()),
                bytes: MAX_ANSWER,
            },
        })
    }

    /// Returns the program's name, for people.
    pub(super) fn shown(&self) -> String {
        let first = self.words.first().map(String::as_str);
        format!(
            "program {}",
            crate::model::quotable(first.unwrap_or_default())
        )
    }

    /// Runs the program with a request and gives `take` the answer's `ok`. `role` is `store`, `target` or `sink`.
    pub(super) fn ask<T>(
        &self,
        (role, op): (&str, &str),
        effect: Effect,
        parts: &mut [(&str, Part<'_>)],
        take: impl FnOnce(Json<'_>) -> Option<T>,
    ) -> Result<T, StoreError> {
        let request = request(role, op, parts);
        let Some((first, arguments)) = self.words.split_first() else {
            return Err(self.error(op, Fault::Setup, "`program` is empty", false));
        };
        let mut command = Command::new(first);
        command.args(arguments).current_dir("/");
        let run = child::run(&mut command, request.bytes(), self.limits);
        let run = run.map_err(|trouble| self.trouble(op, effect, trouble))?;
        if !run.status.success() {
            let what = "the program ended with another status than 0";
            return Err(self.error(op, lost(effect), what, run.complained));
        }
        self.answer(op, effect, &run, take)
    }

    fn answer<T>(
        &self,
        op: &str,
        effect: Effect,
        run: &Run,
        take: impl FnOnce(Json<'_>) -> Option<T>,
    ) -> Result<T, StoreError> {
        let foreign = |what| {
            let fault = match effect {
                Effect::Read => Fault::Protocol,
                // It may have been done all the same.
                Effect::Write => Fault::Unknown,
            };
            self.error(op, fault, what, run.complained)
        };
        let answer = Json::parse(&run.stdout)
            .map_err(|_| foreign("the program's answer is not one JSON text"))?;
        match (answer.member("ok"), answer.member("error")) {
            (Some(ok), None) => take(ok).ok_or_else(|| {
                foreign("the program's answer lacks something, or has a wrong kind")
            }),
            (None, Some(error)) => {
                let after = answer.member("after_s").and_then(Json::integer);
                let after = after.and_then(|s| u64::try_from(s).ok());
                let name = error.name().unwrap_or_default();
                let fault = fault(&name, after)
                    .ok_or_else(|| foreign("the program's error is none of the known"))?;
                let is_quota = name == QUOTA;
                let what = if is_quota {
                    "its quota of requests is used up".to_owned()
                } else {
                    fault.to_string()
                };
                let error = self.error(op, fault, &what, run.complained);
                Err(error.of_quota(is_quota))
            }
            _ => Err(foreign(
                "the program's answer has neither `ok` nor `error`, or both",
            )),
        }
    }

    fn trouble(&self, op: &str, effect: Effect, trouble: Trouble) -> StoreError {
        match trouble {
            Trouble::Start => self.error(op, Fault::Setup, "the program cannot be run", false),
            Trouble::Slow => self.error(
                op,
                lost(effect),
                "the program was ended: it took longer than `timeout-s`",
                false,
            ),
            Trouble::Long => self.error(
                op,
                lost(effect),
                "the program was ended: it answered with more than 4 MiB",
                false,
            ),
            Trouble::System => {
                self.error(op, lost(effect), "the pipes to the program broke", false)
            }
        }
    }

    fn error(&self, op: &str, fault: Fault, what: &str, complained: bool) -> StoreError {
        let help = if complained {
            "the program said something on standard error: run it yourself to see it (docs/stores-command.md shows how)"
        } else {
            "run the program yourself to see what it does (docs/stores-command.md shows how)"
        };
        StoreError::new(&self.name, fault, format!("{op}: {what}"), help)
    }
}

/// Returns what a run without an answer means.
fn lost(effect: Effect) -> Fault {
    match effect {
        Effect::Read => Fault::Unavailable,
        Effect::Write => Fault::Unknown,
    }
}

/// The error of a program whose store takes no more requests for now.
const QUOTA: &str = "quota";

/// Returns the fault of this name.
fn fault(name: &str, after_s: Option<u64>) -> Option<Fault> {
    Some(match name {
        "denied" => Fault::Denied,
        "unauthenticated" => Fault::Unauthenticated,
        "not-found" => Fault::NotFound,
        "retry" | QUOTA => Fault::Retryable {
            after: after_s.map(Duration::from_secs),
        },
        "conflict" => Fault::Conflict,
        "unsupported" => Fault::Unsupported,
        "unavailable" => Fault::Unavailable,
        "unknown" => Fault::Unknown,
        "setup" => Fault::Setup,
        _ => return None,
    })
}

fn request(role: &str, op: &str, parts: &mut [(&str, Part<'_>)]) -> Buffer {
    let mut out = Buffer::with_capacity(4096);
    out.push(b"{\"keysweep\":1,\"for\":");
    out.push_json_string(role);
    out.push(b",\"op\":");
    out.push_json_string(op);
    for (name, part) in parts {
        out.push(b",");
        out.push_json_string(name);
        out.push(b":");
        match part {
            Part::Text(text) => out.push_json_string(text),
            Part::Fields(fields) => {
                out.push(b"[");
                for (at, (name, value)) in fields.enumerate() {
                    out.push(if at == 0 {
                        b"{\"name\":"
                    } else {
                        b",{\"name\":"
                    });
                    out.push_json_string(name);
                    push_value(&mut out, value);
                }
                out.push(b"]");
            }
            Part::Login(user, value) => {
                out.push(b"{\"user\":");
                match user {
                    Some(user) => out.push_json_string(user),
                    None => out.push(b"null"),
                }
                push_value(&mut out, value);
            }
            Part::Value(value) => {
                out.push(b"{");
                push_encoded(&mut out, value);
            }
        }
    }
    out.push(b"}\n");
    out
}

/// Appends the rest of an object that has a value.
fn push_value(out: &mut Buffer, value: &[u8]) {
    out.push(b",");
    push_encoded(out, value);
}

fn push_encoded(out: &mut Buffer, value: &[u8]) {
    out.push(b"\"encoding\":\"base64\",\"value\":\"");
    let room = value.len().div_ceil(3).saturating_mul(4);
    let mut text = Zeroizing::new(vec![0; room]);
    // It has exactly the room that it needs.
    let written = STANDARD.encode_slice(value, &mut text).unwrap_or_default();
    out.push(text.get(..written).unwrap_or_default());
    out.push(b"\"}");
}

/// Returns the value that an object of an answer has: `encoding` must say how it is written.
pub(super) fn value(object: Json<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let text = object.member("value")?.string()?;
    match &*object.member("encoding")?.string()? {
        "utf-8" => Some(Zeroizing::new(text.as_bytes().to_vec())),
        "base64" => {
            // `decode_slice` wants room for a whole last group.
            let mut bytes = Zeroizing::new(vec![0; text.len().div_ceil(4).saturating_mul(3)]);
            let length = STANDARD.decode_slice(text.as_bytes(), &mut bytes).ok()?;
            bytes.truncate(length);
            Some(bytes)
        }
        _ => None,
    }
}
