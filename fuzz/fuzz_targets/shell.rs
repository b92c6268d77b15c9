//! Shell scripts, Makefiles, Jenkinsfiles.
#![no_main]

mod shared;

libfuzzer_sys::fuzz_target!(|data: &[u8]| shared::run(&["a.sh", "Makefile", "Jenkinsfile"], data));
