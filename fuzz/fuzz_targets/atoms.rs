//! Values inside of fields of a store: what is put in the place of another is found there, and nothing else of the field is lost.
#![no_main]

use keysweep::verify::{atoms, bits};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((length, rest)) = data.split_first() else {
        return;
    };
    let (old, field) = rest.split_at(usize::from(*length).min(rest.len()));
    let _ = bits::estimate(field);
    let held = atoms::holds(field, old);
    let new = b"Made-Up/Value+1 \"quoted\"";
    if let Some(out) = atoms::replace(field, old, new) {
        assert!(held || old.is_empty() || atoms::holds(&out, new));
        assert!(atoms::holds(&out, new), "the new value is not found in {out:?}");
    }
});
