//! Files that others have written: stores files, plans, approvals, indexes, journals.
#![no_main]

use std::{fs, path::PathBuf, sync::OnceLock};

use keysweep::{
    config::stores::StoresFile,
    rotate::{self, Approval, Plan},
    verify::index::Index,
};

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

fn folder() -> &'static PathBuf {
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("keysweep-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        folder
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = StoresFile::parse("stores.toml", text);
    }
    if let Ok(plan) = Plan::read_unchecked(data) {
        let again = Plan::read_unchecked(plan.to_text().as_bytes()).expect("what was written is read");
        assert_eq!(plan, again);
        assert!(plan.steps().len() >= plan.actions.len());
    }
    if let Ok(approval) = Approval::read(data) {
        let _ = approval.check("0", "nobody", &Default::default());
        Approval::read(approval.to_text().as_bytes()).expect("what was written is read");
    }
    if let Ok(index) = Index::read("index", data, [7; 32], 0, 0) {
        let _ = index.find(data);
    }
    fs::write(folder().join("j-0.jsonl"), data).expect("written");
    let _ = rotate::status(folder(), None);
});
