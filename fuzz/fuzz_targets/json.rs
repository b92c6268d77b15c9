//! JSON with comments.
#![no_main]

mod shared;

libfuzzer_sys::fuzz_target!(|data: &[u8]| shared::run(&["appsettings.json", "a.tfvars.json", "vercel.json"], data));
