//! Program text.
#![no_main]

mod shared;

libfuzzer_sys::fuzz_target!(|data: &[u8]| shared::run(&["a.py", "a.js", "a.ts", "a.tsx", "a.go"], data));
