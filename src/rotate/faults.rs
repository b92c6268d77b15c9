//! Places where a test may stop a rotation, as a crash would.
//!
//! Promises: [`NoFaults`] does nothing; no place can be reached from the environment or the command line.

use std::fmt;

use super::state::{Effect, State};

/// A place in a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Before the record that an effect is meant.
    BeforeIntent(Effect),
    /// The intent is on the disk, nothing was done.
    AfterIntent(Effect),
    /// It was done, and no record says so.
    AfterEffect(Effect),
    /// A step is over but for its record.
    BeforeState(State),
    /// The record of a step is on the disk.
    AfterState(State),
    /// Before the sealed values of a rotation that has ended go.
    BeforeForget,
    /// The journal without them lies beside the one with them.
    WithinForget,
    /// It has taken its place.
    AfterForget,
}

impl Point {
    /// Returns all places of all kinds of rotations, 60 and more.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let effects = Effect::ALL.into_iter().flat_map(|effect| {
            [
                Self::BeforeIntent(effect),
                Self::AfterIntent(effect),
                Self::AfterEffect(effect),
            ]
        });
        let states = State::ALL
            .into_iter()
            .flat_map(|state| [Self::BeforeState(state), Self::AfterState(state)]);
        let forget = [Self::BeforeForget, Self::WithinForget, Self::AfterForget];
        effects.chain(states).chain(forget).collect()
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeforeIntent(effect) => write!(f, "before-intent:{}", effect.name()),
            Self::AfterIntent(effect) => write!(f, "after-intent:{}", effect.name()),
            Self::AfterEffect(effect) => write!(f, "after-effect:{}", effect.name()),
            Self::BeforeState(state) => write!(f, "before-state:{}", state.as_str()),
            Self::AfterState(state) => write!(f, "after-state:{}", state.as_str()),
            Self::BeforeForget => f.write_str("before-forget"),
            Self::WithinForget => f.write_str("within-forget"),
            Self::AfterForget => f.write_str("after-forget"),
        }
    }
}

/// The order to stop at once, with nothing written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash;

/// Is asked at each place. A test may end its process instead of returning.
pub trait Faults {
    /// Lets the rotation go on, or stops it.
    ///
    /// # Errors
    /// [`Crash`], to stop.
    fn at(&self, point: Point) -> Result<(), Crash>;
}

/// Never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn at(&self, _: Point) -> Result<(), Crash> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_place_has_a_name_of_its_own() {
        let points = Point::all();
        let names: BTreeSet<String> = points.iter().map(Point::to_string).collect();
        assert_eq!(names.len(), points.len());
        assert!(points.len() >= 30);
    }
}
