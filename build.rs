//! Lists the rule files, so that a new one needs no code: each becomes a line of `catalogue.rs` in the output directory.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script is told its directories in the environment"
)]

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=rules");
    let variable = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .ok_or(io::ErrorKind::NotFound)
    };
    let rules = variable("CARGO_MANIFEST_DIR")?.join("rules");
    let mut files = Vec::new();
    for entry in fs::read_dir(&rules)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
    // The order of a directory differs between machines.
    files.sort();
    let mut code = String::from("&[\n");
    for path in &files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let shown = format!("rules/{name}");
        let absolute = path.to_string_lossy();
        code.push_str(&format!("    ({shown:?}, include_str!({absolute:?})),\n"));
    }
    code.push_str("]\n");
    fs::write(variable("OUT_DIR")?.join("catalogue.rs"), code)
}
