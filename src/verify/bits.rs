//! How hard a value is to guess, roughly: verify answers "is this value in the store", and must not answer guesses.

/// Values that stand for nothing or are everybody's: they match by themselves never, whatever their length.
const EVERYBODYS: [&str; 24] = [
    "admin",
    "administrator",
    "changeit",
    "changeme",
    "default",
    "disabled",
    "enabled",
    "example",
    "false",
    "guest",
    "letmein",
    "localhost",
    "mysql",
    "none",
    "null",
    "password",
    "postgres",
    "production",
    "redis",
    "root",
    "secret",
    "staging",
    "test",
    "true",
];

/// Shortest part of a value that matches alone, bytes (STORES 4.18).
pub(super) const SHORTEST: usize = 8;

/// Returns the estimated strength in bits: the length times what a character of it tells, which is the lesser of what its
/// alphabet allows and what its own distribution shows; repeats and runs (`aaaa`, `1234`) count as one character.
#[must_use]
pub fn estimate(value: &[u8]) -> u32 {
    let lower = value.to_ascii_lowercase();
    let bare: Vec<u8> = lower
        .iter()
        .copied()
        .filter(u8::is_ascii_alphanumeric)
        .collect();
    let letters = bare.iter().take_while(|b| !b.is_ascii_digit()).count();
    let word = std::str::from_utf8(bare.get(..letters).unwrap_or_default()).unwrap_or_default();
    let known = EVERYBODYS.contains(&word);
    let mut told = 0_u32;
    let mut counts = [0_u32; 256];
    let mut last: Option<(u8, i16)> = None;
    for byte in value {
        let step = last.map(|(before, _)| i16::from(*byte) - i16::from(before));
        let goes_on =
            matches!((step, last), (Some(step @ -1..=1), Some((_, before))) if before == step);
        last = Some((*byte, step.unwrap_or(i16::MAX)));
        if goes_on {
            continue;
        }
        told += 1;
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    if known {
        told = told.saturating_sub(u32::try_from(word.len()).unwrap_or(0));
    }
    let each = alphabet_bits(value).min(shannon(&counts) + 1.5);
    // A finding has some hundred bytes: far below what a float holds exactly.
    (f64::from(told) * each).round().clamp(0.0, 65_535.0) as u32
}

/// Returns bits a character by the classes of characters that are used.
fn alphabet_bits(value: &[u8]) -> f64 {
    let has = |test: fn(&u8) -> bool| value.iter().any(test);
    let is_hex = value.iter().all(u8::is_ascii_hexdigit);
    let mut size = 0;
    if has(u8::is_ascii_digit) {
        size += 10;
    }
    if has(u8::is_ascii_lowercase) {
        size += if is_hex { 6 } else { 26 };
    }
    if has(u8::is_ascii_uppercase) {
        size += if is_hex { 6 } else { 26 };
    }
    if has(|b| b.is_ascii() && !b.is_ascii_alphanumeric()) {
        size += 12;
    }
    if has(|b| !b.is_ascii()) {
        size += 64;
    }
    f64::from(size.max(1)).log2()
}

/// Returns Shannon's entropy of a distribution, bits a character.
fn shannon(counts: &[u32; 256]) -> f64 {
    let total: u32 = counts.iter().sum();
    let shares = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / f64::from(total.max(1)));
    shares.map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_are_weak_and_generated_values_are_not() {
        for weak in [
            "password",
            "Password123",
            "changeme",
            "hunter2",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "123456789012",
            "postgres",
            "admin2024",
            "abcdefghijkl",
        ] {
            assert!(
                estimate(weak.as_bytes()) < 60,
                "{weak}: {}",
                estimate(weak.as_bytes())
            );
        }
        for strong in [
            "Leaked-Passw0rd-1",
            "kT9#vLm2qPzX",
            "3f9a1c07be5d24886f10",
            "correct-horse-battery-staple",
        ] {
            assert!(
                estimate(strong.as_bytes()) >= 60,
                "{strong}: {}",
                estimate(strong.as_bytes())
            );
        }
        assert_eq!(estimate(b""), 0);
    }
}
