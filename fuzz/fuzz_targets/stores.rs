//! Files that are stores: SOPS (YAML and JSON) and dotenv. They are the user's, and come with a repository that others write to.
#![no_main]

use std::{ffi::OsString, fs, path::PathBuf, sync::OnceLock};

use keysweep::{
    config::stores::{DotenvSettings, LocalSettings},
    stores::{SecretStore, Surroundings, dotenv::DotenvStore, local},
};

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

fn folder() -> &'static PathBuf {
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("keysweep-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        local::generate_identity(&folder.join("age.txt")).expect("an identity");
        folder
    })
}

fn walk(store: &dyn SecretStore) {
    let Ok(page) = store.list(None) else {
        return;
    };
    for key in page.keys.iter().take(50).map(|entry| &entry.key) {
        let Ok(info) = store.describe(key) else {
            continue;
        };
        for version in &info.versions {
            let _ = store.read(key, &version.id, &mut |_| {});
        }
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let folder = folder();
    for name in ["s.yaml", "s.json", ".env"] {
        fs::write(folder.join(name), data).expect("written");
    }
    let nothing = |_: &str| -> Option<OsString> { None };
    let surroundings = Surroundings {
        variable: &nothing,
        home: None,
        history: &|_| Ok(Vec::new()),
    };
    for name in ["s.yaml", "s.json"] {
        let settings = LocalSettings {
            file: folder.join(name),
            identity: Some(folder.join("age.txt")),
            no_history: true,
            ..LocalSettings::default()
        };
        if let Ok(store) = local::LocalStore::open("own", &settings, &[], &surroundings) {
            walk(&store);
        }
    }
    let settings = DotenvSettings {
        files: vec![folder.join(".env")],
    };
    if let Ok(store) = DotenvStore::open("env", &settings, &[]) {
        walk(&store);
    }
});
