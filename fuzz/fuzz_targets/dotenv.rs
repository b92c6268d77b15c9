//! dotenv, properties, ini, ignore files, key files.
#![no_main]

mod shared;

libfuzzer_sys::fuzz_target!(|data: &[u8]| shared::run(&[".env.production", "application.properties", "a.ini", ".npmrc", ".gitignore", ".dockerignore", "a.pem"], data));
