//! From where a value was met to a verdict: the two axes crossed (STORES 6.2).

use crate::model::{ProviderState, StoreState, Urgency};

/// Returns how soon somebody must act.
#[must_use]
pub fn urgency(store: &StoreState, provider: &ProviderState) -> Urgency {
    match (store, provider) {
        (_, ProviderState::Accepted) => Urgency::Now,
        // The store hands out what its system refuses: an application is broken, or the target is the wrong one.
        (StoreState::Current | StoreState::Pending, ProviderState::Refused) => Urgency::Soon,
        (_, ProviderState::Refused) => Urgency::Remediated,
        (StoreState::Current, _) => Urgency::Now,
        (StoreState::Pending | StoreState::Previous { .. } | StoreState::WriteOnly, _) => {
            Urgency::Soon
        }
        // Unmanaged: whether it opens something nobody here knows.
        (StoreState::NotFound { complete: true, .. }, _) => Urgency::Soon,
        (
            StoreState::Disabled
            | StoreState::SoftDeleted
            | StoreState::Destroyed
            | StoreState::IdentityOnly
            | StoreState::NotFound {
                complete: false, ..
            }
            | StoreState::NotCompared { .. },
            _,
        ) => Urgency::Later,
    }
}

/// Returns a number that is the smaller the more a state says of a value, to choose among several places.
pub(super) fn rank(state: &StoreState) -> (u8, u32) {
    match state {
        StoreState::Current => (0, 0),
        StoreState::Pending => (1, 0),
        StoreState::Previous { behind, .. } => (2, *behind),
        StoreState::Disabled => (3, 0),
        StoreState::SoftDeleted => (4, 0),
        StoreState::Destroyed => (5, 0),
        StoreState::IdentityOnly => (6, 0),
        StoreState::WriteOnly => (7, 0),
        StoreState::NotFound { .. } => (8, 0),
        StoreState::NotCompared { .. } => (9, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_both_axes() {
        let previous = StoreState::Previous {
            behind: 1,
            since: None,
        };
        let unknown = ProviderState::Unknown {
            why: "throttled".to_owned(),
        };
        for (store, provider, expected) in [
            (
                &StoreState::Current,
                &ProviderState::NotChecked,
                Urgency::Now,
            ),
            (&StoreState::Current, &ProviderState::Refused, Urgency::Soon),
            (&previous, &ProviderState::Accepted, Urgency::Now),
            (&previous, &ProviderState::Refused, Urgency::Remediated),
            (&previous, &unknown, Urgency::Soon),
            (
                &StoreState::Destroyed,
                &ProviderState::Accepted,
                Urgency::Now,
            ),
            (
                &StoreState::NotFound {
                    complete: true,
                    unread: false,
                },
                &ProviderState::NotChecked,
                Urgency::Soon,
            ),
            (
                &StoreState::NotFound {
                    complete: false,
                    unread: false,
                },
                &ProviderState::NotChecked,
                Urgency::Later,
            ),
            (
                &StoreState::NotFound {
                    complete: false,
                    unread: false,
                },
                &ProviderState::Accepted,
                Urgency::Now,
            ),
        ] {
            assert_eq!(urgency(store, provider), expected, "{store:?} {provider:?}");
        }
    }
}
