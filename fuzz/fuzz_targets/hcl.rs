//! HCL.
#![no_main]

mod shared;

libfuzzer_sys::fuzz_target!(|data: &[u8]| shared::run(&["main.tf", "prod.tfvars", "terragrunt.hcl"], data));
