//! docs/policy.md is what the program says of its lints.

use std::{fs, path::Path};

/// Write the page anew with `KEYSWEEP_WRITE_DOCS=1 cargo test --test it policy_page`.
#[test]
fn the_page_of_policy_is_what_the_program_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy.md");
    let made = keysweep::policy::page::page();
    if std::env::var_os("KEYSWEEP_WRITE_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == made,
        "docs/policy.md is not what the program says: write it anew with KEYSWEEP_WRITE_DOCS=1"
    );
}
