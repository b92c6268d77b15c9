//! The markers of other scanners, read only when the configuration says so. They name no rule and need no reason.

use serde::Deserialize;

/// Another scanner's marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForeignMarker {
    /// `gitleaks:allow`.
    Gitleaks,
    /// `betterleaks:allow`.
    Betterleaks,
    /// `trufflehog:ignore`.
    Trufflehog,
    /// `kingfisher:ignore`.
    Kingfisher,
    /// `pragma: allowlist secret`.
    DetectSecrets,
}

impl ForeignMarker {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Gitleaks,
        Self::Betterleaks,
        Self::Trufflehog,
        Self::Kingfisher,
        Self::DetectSecrets,
    ];

    /// Returns the name used in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gitleaks => "gitleaks",
            Self::Betterleaks => "betterleaks",
            Self::Trufflehog => "trufflehog",
            Self::Kingfisher => "kingfisher",
            Self::DetectSecrets => "detect-secrets",
        }
    }

    /// Returns the text of the marker as its program documents it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Gitleaks => "gitleaks:allow",
            Self::Betterleaks => "betterleaks:allow",
            Self::Trufflehog => "trufflehog:ignore",
            Self::Kingfisher => "kingfisher:ignore",
            Self::DetectSecrets => "pragma: allowlist secret",
        }
    }
}
