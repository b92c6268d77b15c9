//! What a scan notes of how far its verdicts read, so that a later version of the text is looked at no more than it must be.
//!
//! Promises: a verdict that reads no more than [`LEFT`] bytes before its trigger and [`RIGHT`] after costs nothing; one that reads more
//! leaves a [`Site`]; where notes cannot tell all, they say so.

use std::ops::Range;

use super::decode;

/// Most bytes that a verdict reads before its trigger without leaving a site.
pub(super) const LEFT: usize = 96;

/// Most bytes that a verdict reads from its trigger on without leaving a site.
pub(super) const RIGHT: usize = 80;

/// Most sites and findings of a trace; a text with more is scanned whole each time.
pub(super) const MAX_SITES: usize = 4096;

/// A search for encoded text that read so far beyond its window may have met the longest piece of such text.
const FAR: usize = decode::PIECE / 2;

/// Something that was looked at further than usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    /// The trigger.
    pub(super) at: usize,
    /// All that may have been read, cut off at the ends of the text.
    pub(super) read: Range<usize>,
}

impl Site {
    /// Sites are sorted by this.
    pub(super) const fn key(&self) -> (usize, usize, usize) {
        (self.at, self.read.start, self.read.end)
    }
}

/// What a worker notes while it scans for a trace.
#[derive(Default)]
pub(super) struct Probe {
    /// Whether notes are wanted.
    on: bool,
    /// Whether only changes are looked at: then a trigger in the window counts, wherever its match begins.
    loose: bool,
    sites: Vec<Site>,
    /// All that searches for encoded text read.
    pub(super) reached: Range<usize>,
    /// Bytes that were read for encoded text, and decoded.
    pub(super) spent: usize,
    gave_up: bool,
}

impl Probe {
    /// Begins the notes of a text, or of changes in one.
    pub(super) fn begin(&mut self, loose: bool) {
        self.on = true;
        self.loose = loose;
        self.sites.clear();
        self.reached = Range {
            start: usize::MAX,
            end: 0,
        };
        self.spent = 0;
        self.gave_up = false;
    }

    /// Ends the notes; returns the sites, and whether they do not tell all.
    pub(super) fn end(&mut self) -> (Vec<Site>, bool) {
        self.on = false;
        self.loose = false;
        (std::mem::take(&mut self.sites), self.gave_up)
    }

    /// Tells whether only changes are looked at.
    pub(super) const fn is_loose(&self) -> bool {
        self.loose
    }

    /// Notes that the verdict on what `at` triggered read `read`, or may have.
    pub(super) fn read(&mut self, at: usize, read: Range<usize>, len: usize) {
        let usual = at.saturating_sub(LEFT)..at.saturating_add(RIGHT);
        if self.on && (read.start < usual.start || read.end > usual.end) {
            if self.sites.len() > 2 * MAX_SITES {
                self.gave_up = true;
                return;
            }
            self.sites.push(Site {
                at,
                read: read.start.min(usual.start)..read.end.max(usual.end).min(len),
            });
        }
    }

    /// Notes how far around the window a search for encoded text read.
    pub(super) fn reached(&mut self, window: &Range<usize>, read: Range<usize>) {
        if self.on {
            self.spent += read.len();
            // How long stretches are cut to pieces is not told by the bytes around a place in them.
            self.gave_up |= read.start + FAR <= window.start || window.end + FAR <= read.end;
            self.reached.start = self.reached.start.min(read.start);
            self.reached.end = self.reached.end.max(read.end);
        }
    }

    /// Notes that the verdict on all of the window read so much, or may have.
    pub(super) fn looked(&mut self, read: &Range<usize>) {
        if self.on {
            self.reached.start = self.reached.start.min(read.start);
            self.reached.end = self.reached.end.max(read.end);
        }
    }

    /// Notes that so many bytes were decoded.
    pub(super) const fn decoded(&mut self, count: usize) {
        if self.on {
            self.spent += count;
        }
    }

    /// Notes something that sites do not tell: the whole text has to be scanned.
    pub(super) const fn give_up(&mut self) {
        self.gave_up |= self.on;
    }

    /// Stops the notes for a text inside the text; [`Probe::resume`] with what this returns goes on.
    pub(super) const fn pause(&mut self) -> (bool, bool) {
        let state = (self.on, self.loose);
        (self.on, self.loose) = (false, false);
        state
    }

    /// Goes on after [`Probe::pause`].
    pub(super) const fn resume(&mut self, state: (bool, bool)) {
        (self.on, self.loose) = state;
    }
}
