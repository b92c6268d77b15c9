//! Programs of others, run with a limit on time and output: `ssh`, and the user's own.
//!
//! Promises: values go in through standard input alone; what comes out is in buffers that are wiped; a program that is too slow or says too
//! much is ended with all that it started in its process group; what it says on standard error is never shown, as it may hold a value.
//!
//! One thread: the pipes do not block, and one `poll` waits for all of them. A grandchild that has left the group and
//! holds a pipe open is not waited for.

use std::{
    io::{ErrorKind, Read, Write},
    os::{fd::AsFd, unix::process::CommandExt as _},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    process::{Pid, Signal, kill_process_group},
};
use zeroize::Zeroizing;

use super::buffer::Buffer;

/// How long pipes may stay open after the program's end.
const AFTER_END: Duration = Duration::from_millis(500);
/// How long one wait lasts, so that an end without output is seen soon.
const STEP_NANOS: i64 = 20_000_000;
/// The first room of what comes out.
const ROOM: usize = 64 * 1024;

/// Limits of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// From start to end.
    pub(super) time: Duration,
    /// Most bytes of standard output; more ends the program.
    pub(super) bytes: usize,
}

/// What a program did.
#[derive(Debug)]
pub(super) struct Run {
    /// Its standard output.
    pub(super) stdout: Zeroizing<Vec<u8>>,
    /// Whether it wrote to standard error.
    pub(super) complained: bool,
    /// How it ended.
    pub(super) status: ExitStatus,
}

/// Why a run has no result. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no such program, or it may not be run.
    Start,
    /// It was ended: too slow.
    Slow,
    /// It was ended: too much output.
    Long,
    /// The system failed between it and us.
    System,
}

/// Runs a program to its end.
pub(super) fn run(command: &mut Command, input: &[u8], limits: Limits) -> Result<Run, Trouble> {
    let child = command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|_| Trouble::Start)?;
    let mut group = Group(child);
    let done = talk(&mut group.0, input, limits);
    // Whatever it left behind in its group ends with it.
    drop(group);
    done
}

/// Ends the group when dropped.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let id = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        if let Some(id) = id {
            // An empty group is an error that means nothing.
            let _ = kill_process_group(id, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

fn talk(child: &mut Child, input: &[u8], limits: Limits) -> Result<Run, Trouble> {
    let until = Instant::now() + limits.time;
    let mut stdin = child.stdin.take();
    let mut stdout = child.stdout.take();
    let mut stderr = child.stderr.take();
    for pipe in [
        stdin.as_ref().map(AsFd::as_fd),
        stdout.as_ref().map(AsFd::as_fd),
        stderr.as_ref().map(AsFd::as_fd),
    ]
    .into_iter()
    .flatten()
    {
        let flags = fcntl_getfl(pipe).map_err(|_| Trouble::System)?;
        fcntl_setfl(pipe, flags | OFlags::NONBLOCK).map_err(|_| Trouble::System)?;
    }
    let mut rest = input;
    let mut out = Buffer::with_capacity(ROOM);
    let mut complained = false;
    let mut end: Option<(ExitStatus, Instant)> = None;
    loop {
        if rest.is_empty() || !write_some(stdin.as_mut(), &mut rest) {
            stdin = None;
        }
        if !read_some(stdout.as_mut(), |part| out.push(part)) {
            stdout = None;
        }
        if !read_some(stderr.as_mut(), |_| complained = true) {
            stderr = None;
        }
        if out.bytes().len() > limits.bytes {
            return Err(Trouble::Long);
        }
        if end.is_none() {
            let status = child.try_wait().map_err(|_| Trouble::System)?;
            end = status.map(|status| (status, Instant::now()));
        }
        if let Some((status, at)) = end
            && (stdout.is_none() && stderr.is_none() || at.elapsed() > AFTER_END)
        {
            return Ok(Run {
                stdout: out.into_bytes(),
                complained,
                status,
            });
        }
        if Instant::now() > until {
            return Err(Trouble::Slow);
        }
        wait(stdin.as_ref(), stdout.as_ref(), stderr.as_ref());
    }
}

/// Waits until a pipe is ready or a moment is over.
fn wait(stdin: Option<&impl AsFd>, stdout: Option<&impl AsFd>, stderr: Option<&impl AsFd>) {
    let mut pipes: Vec<PollFd<'_>> = Vec::new();
    pipes.extend(stdin.map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
    pipes.extend(stdout.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    pipes.extend(stderr.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    let step = Timespec {
        tv_sec: 0,
        tv_nsec: STEP_NANOS,
    };
    // Interrupted or not, the next round looks at each pipe.
    let _ = poll(&mut pipes, Some(&step));
}

/// Writes what fits; `false` if nobody reads any more.
fn write_some(pipe: Option<&mut impl Write>, rest: &mut &[u8]) -> bool {
    let Some(pipe) = pipe else {
        return false;
    };
    loop {
        match pipe.write(rest) {
            Ok(0) => return false,
            Ok(n) => *rest = rest.get(n..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
        if rest.is_empty() {
            return false;
        }
    }
}

/// Reads what is there; `false` at the end.
fn read_some(pipe: Option<&mut impl Read>, mut sink: impl FnMut(&[u8])) -> bool {
    let Some(pipe) = pipe else {
        return false;
    };
    let mut part = Zeroizing::new([0; 16 * 1024]);
    // Bounded, so that a program that never stops does not keep us from looking at the limits.
    for _ in 0..64 {
        match pipe.read(part.as_mut()) {
            Ok(0) => return false,
            Ok(n) => sink(part.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        time: Duration::from_secs(10),
        bytes: 1 << 20,
    };

    fn sh(script: &str, input: &[u8], limits: Limits) -> Result<Run, Trouble> {
        run(Command::new("sh").args(["-c", script]), input, limits)
    }

    #[test]
    fn much_goes_in_and_out_at_once() {
        let input = b"0123456789abcdef".repeat(40_000);
        let run = sh("cat; echo no >&2; exit 3", &input, LIMITS).unwrap();
        assert_eq!(*run.stdout, input);
        assert!(run.complained);
        assert_eq!(run.status.code(), Some(3));
    }

    #[test]
    fn who_does_not_read_its_input_does_no_harm() {
        let input = vec![b'x'; 1 << 20];
        let run = sh("exec 0<&-; echo ok", &input, LIMITS).unwrap();
        assert_eq!(run.stdout.as_slice(), b"ok\n");
        assert!(!run.complained);
    }

    #[test]
    fn the_slow_and_the_talkative_are_ended_with_their_children() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("mark");
        let script = format!("(sleep 1; touch {}) & sleep 60", mark.display());
        let short = Limits {
            time: Duration::from_millis(200),
            ..LIMITS
        };
        let began = Instant::now();
        assert_eq!(sh(&script, b"", short).unwrap_err(), Trouble::Slow);
        assert!(began.elapsed() < Duration::from_secs(5));
        assert_eq!(sh("yes", b"", LIMITS).unwrap_err(), Trouble::Long);
        std::thread::sleep(Duration::from_millis(1200));
        assert!(!mark.exists(), "the grandchild was ended, too");
    }

    #[test]
    fn a_grandchild_that_holds_a_pipe_is_not_waited_for() {
        let began = Instant::now();
        let run = sh("setsid sleep 5 & echo ok", b"", LIMITS).unwrap();
        assert_eq!(run.stdout.as_slice(), b"ok\n");
        assert!(began.elapsed() < Duration::from_secs(3));
        let none = super::run(&mut Command::new("/no/such/program"), b"", LIMITS);
        assert_eq!(none.unwrap_err(), Trouble::Start);
    }
}
