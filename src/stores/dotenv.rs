//! Dotenv files as a store, read only: `NAME=value` lines as `dotenv` libraries and shells read them.
//!
//! A key is a file and a name (`deploy/.env/DB_PASSWORD`) with one field without a name; there is one version, the file as it is.
//! Promises: values are what a program gets that loads the file, but for `$NAME` in them, which stays as it is; a name that is
//! there twice has the last value, and the others are lent too (they leaked all the same); lines that are no setting are counted.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use zeroize::Zeroizing;

use super::{
    Capabilities, Cursor, Fault, Field, Health, KeyEntry, KeyInfo, KeyPath, Page, ReadOutcome,
    SecretStore, StoreError, VersionId, VersionInfo, VersionState,
};
use crate::config::stores::DotenvSettings;

/// Most bytes of one file.
const MAX_BYTES: u64 = 8 << 20;

/// Dotenv files as a store.
pub struct DotenvStore {
    name: String,
    files: Vec<PathBuf>,
    prefixes: Vec<String>,
    /// Each file as it was parsed last; it holds while length and time stay.
    parsed: Mutex<BTreeMap<PathBuf, Parsed>>,
}

/// A file's length and time, and what it held then.
type Parsed = (u64, SystemTime, Arc<Settings>);

/// One file as it is now.
struct Loaded {
    version: VersionId,
    changed: Option<i64>,
    settings: Arc<Settings>,
}

impl DotenvStore {
    /// Opens the store of `[stores.NAME]` with `kind = "dotenv"`. The files are read by the methods.
    ///
    /// # Errors
    /// [`Fault::Setup`] without a file.
    pub fn open(
        name: &str,
        settings: &DotenvSettings,
        prefixes: &[String],
    ) -> Result<Self, StoreError> {
        if settings.files.is_empty() {
            return Err(StoreError::new(
                name,
                Fault::Setup,
                "it names no files",
                format!("set `files = [\".env\"]` in [stores.{name}]"),
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            files: settings.files.clone(),
            prefixes: prefixes.to_vec(),
            parsed: Mutex::default(),
        })
    }

    fn load(&self, file: &Path) -> Result<Loaded, StoreError> {
        let failed = |error: &io::Error| {
            let fault = match error.kind() {
                io::ErrorKind::PermissionDenied => Fault::Denied,
                _ => Fault::Unavailable,
            };
            StoreError::new(
                &self.name,
                fault,
                format!("cannot read {}: {}", file.display(), error.kind()),
                format!(
                    "look at `files` in [stores.{}]: each must be there and readable",
                    self.name
                ),
            )
        };
        let opened = File::open(file).map_err(|error| failed(&error))?;
        let meta = opened.metadata().map_err(|error| failed(&error))?;
        let since = meta
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let stamp = meta.modified().ok().map(|time| (meta.len(), time));
        let loaded = |settings| Loaded {
            // The time and not a hash of the content: a hash of a short value falls to guessing, and names of versions are printed.
            version: VersionId::new(since.map_or_else(
                || "now".to_owned(),
                |since| format!("{}.{:09}", since.as_secs(), since.subsec_nanos()),
            )),
            changed: since.and_then(|since| i64::try_from(since.as_secs()).ok()),
            settings,
        };
        if let Some(settings) = self.parsed(file, stamp) {
            return Ok(loaded(settings));
        }
        let mut bytes = Zeroizing::new(Vec::new());
        opened
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| failed(&error))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(StoreError::new(
                &self.name,
                Fault::Unsupported,
                format!("{} is larger than {} MiB", file.display(), MAX_BYTES >> 20),
                "no program loads a dotenv file of that size: name another one",
            ));
        }
        let settings = Arc::new(Settings::parse(&bytes));
        if let Some((length, time)) = stamp {
            let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
            parsed.insert(file.to_owned(), (length, time, Arc::clone(&settings)));
        }
        Ok(loaded(settings))
    }

    /// Returns what a file held when its length and time were these.
    fn parsed(&self, file: &Path, stamp: Option<(u64, SystemTime)>) -> Option<Arc<Settings>> {
        let parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        let (length, time, settings) = parsed.get(file)?;
        (Some((*length, *time)) == stamp).then(|| Arc::clone(settings))
    }

    /// Splits a key into one of our files and a name.
    fn find<'k>(&self, key: &'k KeyPath) -> Option<(&Path, &'k str)> {
        self.files.iter().find_map(|file| {
            let rest = key.as_str().strip_prefix(&*shown(file))?;
            Some((file.as_path(), rest.strip_prefix('/')?))
        })
    }

    fn no_such_key(&self, key: &KeyPath) -> StoreError {
        StoreError::new(
            &self.name,
            Fault::NotFound,
            format!("there is no {key}, or its file has changed meanwhile"),
            "keys are a file of the store and a name in it: .env/NAME",
        )
    }
}

fn shown(file: &Path) -> String {
    file.to_string_lossy().replace('\\', "/")
}

impl Loaded {
    fn info(&self) -> KeyInfo {
        KeyInfo {
            versions: vec![VersionInfo {
                id: self.version.clone(),
                state: VersionState::Current,
                created: self.changed,
            }],
            changed: self.changed,
            // A file has no earlier values, and nobody knows which there were.
            trimmed: true,
            ..KeyInfo::default()
        }
    }
}

impl SecretStore for DotenvStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn address(&self) -> String {
        let files: Vec<String> = self.files.iter().map(|file| shown(file)).collect();
        format!("dotenv files {}", files.join(", "))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn health(&self) -> Result<Health, StoreError> {
        let mut notes = Vec::new();
        for file in &self.files {
            let loaded = self.load(file)?;
            let odd = match loaded.settings.odd_lines.as_slice() {
                [] => String::new(),
                [first, ..] => format!(
                    ", {} lines are no setting, the first is {first}",
                    loaded.settings.odd_lines.len()
                ),
            };
            let names = loaded.settings.values.len();
            notes.push(format!("{}: {names} names{odd}", shown(file)));
        }
        Ok(Health {
            notes,
            ..Health::default()
        })
    }

    fn list(&self, _after: Option<&Cursor>) -> Result<Page, StoreError> {
        let mut page = Page::default();
        for file in &self.files {
            let loaded = match self.load(file) {
                Ok(loaded) => loaded,
                Err(error) => {
                    page.problems.push((KeyPath::new(shown(file)), error));
                    continue;
                }
            };
            for name in loaded.settings.values.keys() {
                let key = format!("{}/{name}", shown(file));
                let wanted = self.prefixes.is_empty()
                    || self
                        .prefixes
                        .iter()
                        .any(|prefix| key.starts_with(prefix.as_str()));
                if wanted {
                    page.keys.push(KeyEntry {
                        key: KeyPath::new(key),
                        info: Some(loaded.info()),
                    });
                }
            }
        }
        Ok(page)
    }

    fn describe(&self, key: &KeyPath) -> Result<KeyInfo, StoreError> {
        let (file, name) = self.find(key).ok_or_else(|| self.no_such_key(key))?;
        let loaded = self.load(file)?;
        if !loaded.settings.values.contains_key(name) {
            return Err(self.no_such_key(key));
        }
        Ok(loaded.info())
    }

    fn read(
        &self,
        key: &KeyPath,
        version: &VersionId,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<ReadOutcome, StoreError> {
        let (file, name) = self.find(key).ok_or_else(|| self.no_such_key(key))?;
        let loaded = self.load(file)?;
        let values = loaded.settings.values.get(name);
        let values = values.filter(|_| loaded.version == *version);
        let values = values.ok_or_else(|| self.no_such_key(key))?;
        for value in values.iter().rev() {
            sink(Field {
                name: "",
                bytes: value,
            });
        }
        Ok(ReadOutcome::Read)
    }
}

/// What a dotenv file sets.
#[derive(Default)]
struct Settings {
    /// All values of a name, the last one counts.
    values: BTreeMap<String, Vec<Zeroizing<Vec<u8>>>>,
    /// 1-based lines that are no setting, no comment and not empty.
    odd_lines: Vec<usize>,
}

impl Settings {
    fn parse(bytes: &[u8]) -> Self {
        let mut reader = Reader {
            // The byte order mark that some editors write.
            rest: bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
            line: 1,
        };
        let mut settings = Self::default();
        while !reader.rest.is_empty() {
            let line = reader.line;
            match reader.setting() {
                Row::Setting(name, value) => {
                    settings.values.entry(name).or_default().push(value);
                }
                Row::Nothing => {}
                Row::Odd => settings.odd_lines.push(line),
            }
        }
        settings
    }
}

/// What a line is.
enum Row {
    Setting(String, Zeroizing<Vec<u8>>),
    Nothing,
    Odd,
}

struct Reader<'b> {
    rest: &'b [u8],
    line: usize,
}

impl<'b> Reader<'b> {
    /// Takes the next line, or as many as a quoted value has.
    fn setting(&mut self) -> Row {
        self.skip_blanks();
        if matches!(self.rest.first(), None | Some(b'#' | b'\n' | b'\r')) {
            self.take_line();
            return Row::Nothing;
        }
        if let Some(after) = self.rest.strip_prefix(b"export")
            && matches!(after.first(), Some(b' ' | b'\t'))
        {
            self.rest = after;
            self.skip_blanks();
        }
        let name = self.take_while(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        self.skip_blanks();
        let is_setting = !name.is_empty() && self.rest.first() == Some(&b'=');
        let name = String::from_utf8_lossy(name).into_owned();
        if !is_setting {
            let line = self.take_line();
            // `export NAME` alone passes a variable on: it sets nothing.
            return if line.trim_ascii().is_empty() && !name.is_empty() {
                Row::Nothing
            } else {
                Row::Odd
            };
        }
        self.rest = self.rest.get(1..).unwrap_or_default();
        self.skip_blanks();
        let value = match self.rest.first() {
            Some(quote @ (b'"' | b'\'' | b'`')) => self.quoted(*quote),
            _ => None,
        };
        let value = value.unwrap_or_else(|| Zeroizing::new(bare(self.take_line()).to_vec()));
        Row::Setting(name, value)
    }

    /// Takes a quoted value and the rest of its last line; `None` if no quote ends it: then it is no quote.
    fn quoted(&mut self, quote: u8) -> Option<Zeroizing<Vec<u8>>> {
        let inner = self.rest.get(1..)?;
        let mut value = Zeroizing::new(Vec::with_capacity(64.min(inner.len())));
        let mut bytes = inner.iter().copied().enumerate();
        while let Some((at, byte)) = bytes.next() {
            if byte == quote {
                let (taken, after) = inner.split_at(at);
                self.line += taken.iter().filter(|byte| **byte == b'\n').count();
                self.rest = after.get(1..).unwrap_or_default();
                self.take_line();
                return Some(value);
            }
            if byte == b'\\' && quote == b'"' {
                let (_, next) = bytes.next()?;
                match next {
                    b'n' => value.push(b'\n'),
                    b'r' => value.push(b'\r'),
                    b't' => value.push(b'\t'),
                    b'"' | b'\\' | b'$' | b'`' => value.push(next),
                    _ => value.extend([b'\\', next]),
                }
                continue;
            }
            value.push(byte);
        }
        None
    }

    fn skip_blanks(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'b [u8] {
        let end = self.rest.iter().position(|byte| !wanted(*byte));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn take_line(&mut self) -> &'b [u8] {
        let line = self.take_while(|byte| byte != b'\n');
        self.rest = self.rest.get(1..).unwrap_or_default();
        self.line += 1;
        line
    }
}

/// Returns an unquoted value: up to a `#` behind a blank, without blanks around it.
fn bare(line: &[u8]) -> &[u8] {
    let comment = line
        .windows(2)
        .position(|pair| matches!(pair, [b' ' | b'\t', b'#']));
    let line = match comment {
        Some(at) => line.get(..at).unwrap_or_default(),
        None if line.first() == Some(&b'#') => &[],
        None => line,
    };
    line.trim_ascii()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Vec<(String, Vec<String>)> {
        let settings = Settings::parse(text.as_bytes());
        let own = |value: &Zeroizing<Vec<u8>>| String::from_utf8(value.to_vec()).unwrap();
        settings
            .values
            .iter()
            .map(|(name, values)| (name.clone(), values.iter().map(own).collect()))
            .collect()
    }

    fn one(text: &str) -> String {
        let parsed = parse(text);
        assert_eq!(parsed.len(), 1, "{text}");
        parsed.first().unwrap().1.last().unwrap().clone()
    }

    #[test]
    fn reads_what_dotenv_libraries_read() {
        for (text, value) in [
            ("A=plain", "plain"),
            ("  export A = spaced out  ", "spaced out"),
            ("A=", ""),
            ("A= # nothing", ""),
            ("A=one # note", "one"),
            ("A=one#two", "one#two"),
            ("A=a=b==", "a=b=="),
            ("A='single # $x \\n' # note", "single # $x \\n"),
            ("A=\"dou\\\"ble\\n\\$x\\q\"", "dou\"ble\n$x\\q"),
            ("A=`back \"tick'`", "back \"tick'"),
            ("A=\"two\nlines\" # x\r\n# B=1", "two\nlines"),
            ("A=\"unended", "\"unended"),
            ("\u{feff}A=bom\r\n", "bom"),
            ("A=first\nA=second", "second"),
        ] {
            assert_eq!(one(text), value, "{text}");
        }
    }

    #[test]
    fn lines_that_set_nothing_are_told_by_number() {
        let settings = Settings::parse(b"# c\n\nexport PATH\nwhat is this\nA=\"x\ny\"\n=v\n");
        assert_eq!(settings.odd_lines, [4, 7]);
        assert_eq!(settings.values.len(), 1);
    }

    #[test]
    fn a_file_is_parsed_once_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        fs::write(&file, "A=one\n").unwrap();
        let settings = DotenvSettings {
            files: vec![file.clone()],
        };
        let store = DotenvStore::open("here", &settings, &[]).unwrap();
        let first = store.load(&file).unwrap().settings;
        assert!(Arc::ptr_eq(&first, &store.load(&file).unwrap().settings));
        fs::write(&file, "A=three\n").unwrap();
        let values = &store.load(&file).unwrap().settings.values;
        assert_eq!(
            values.get("A").unwrap().last().unwrap().as_slice(),
            b"three"
        );
    }

    proptest! {
        #[test]
        fn a_quoted_value_comes_back(value in "[ -~\n]{0,40}", before in "(# c\n|X=1\n){0,3}") {
            let mut quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            quoted = quoted.replace('\n', if value.len() % 2 == 0 { "\\n" } else { "\n" });
            let text = format!("{before}KEY=\"{quoted}\" # end\nLAST=z\n");
            let parsed: BTreeMap<_, _> = parse(&text).into_iter().collect();
            prop_assert_eq!(parsed.get("KEY").unwrap(), &vec![value]);
            prop_assert_eq!(parsed.get("LAST").unwrap(), &vec!["z".to_owned()]);
        }

        #[test]
        fn no_bytes_upset_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let settings = Settings::parse(&bytes);
            let lines = bytes.split(|byte| *byte == b'\n').count();
            prop_assert!(settings.odd_lines.iter().all(|line| *line <= lines));
        }
    }

    #[test]
    fn a_store_lends_all_values_and_tells_missing_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        fs::write(&file, "A=first\nA=second\nB=b\n").unwrap();
        let settings = DotenvSettings {
            files: vec![file.clone(), folder.path().join("gone")],
        };
        let store = DotenvStore::open("env", &settings, &[]).unwrap();
        let page = store.list(None).unwrap();
        assert_eq!(page.keys.len(), 2);
        assert_eq!(page.problems.len(), 1);
        let key = KeyPath::new(format!("{}/A", shown(&file)));
        let info = store.describe(&key).unwrap();
        assert!(info.trimmed, "what it held before is not known");
        let id = info.current().unwrap().id.clone();
        let mut lent = Vec::new();
        store
            .read(&key, &id, &mut |field| lent.push(field.bytes.to_vec()))
            .unwrap();
        assert_eq!(lent, [b"second".to_vec(), b"first".to_vec()]);
        assert!(store.read(&key, &VersionId::new("0"), &mut |_| ()).is_err());
        assert_eq!(store.health().unwrap_err().fault, Fault::Unavailable);
        let missing = KeyPath::new(format!("{}/C", shown(&file)));
        assert_eq!(store.describe(&missing).unwrap_err().fault, Fault::NotFound);
    }
}
