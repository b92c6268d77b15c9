//! XML.
#![no_main]

mod shared;

libfuzzer_sys::fuzz_target!(|data: &[u8]| shared::run(&["web.config", "settings.xml"], data));
