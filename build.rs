//! Turns the rule files into a table, so that a new file needs no code and a start of the program no parsing: reading 470 kB of
//! TOML and the syntax trees of 700 patterns took 30 ms, the table takes less than one.
//!
//! Only as strict as it must be: the test suite reads every file again with every check, and compares.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script is told its directories in the environment"
)]
#![expect(
    clippy::use_debug,
    reason = "the Debug form of texts and lists is Rust code"
)]

#[path = "src/rules/anchor.rs"]
mod anchor;
#[expect(dead_code, reason = "the engine searches with it, too")]
#[path = "src/engine/shape.rs"]
mod shape;

/// What `shape` takes of the engine, which as a whole is too much for a build script; a test of the engine compares.
mod anchors {
    pub(crate) const fn is_alnum(byte: u8) -> bool {
        byte.is_ascii_alphanumeric()
    }

    pub(crate) const fn is_token(byte: u8) -> bool {
        is_alnum(byte) || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'/')
    }
}

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/rules/anchor.rs");
    println!("cargo::rerun-if-changed=src/engine/shape.rs");
    println!("cargo::rerun-if-changed=rules");
    let variable = |name| env::var_os(name).map(PathBuf::from).ok_or(name);
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
    let (mut names, mut table, mut facts) = (String::new(), Vec::new(), Facts::default());
    for path in &files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let absolute = path.to_string_lossy();
        writeln!(
            names,
            "    ({:?}, include_str!({absolute:?})),",
            format!("rules/{name}")
        )?;
        pack_file(path, &mut table, &mut facts)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    table.sort();
    if table.is_empty() {
        return Err(format!("{} holds no rules", rules.display()).into());
    }
    let rows: String = table.into_iter().map(|(_, row)| row).collect();
    let out = variable("OUT_DIR")?;
    fs::write(out.join("files.rs"), format!("&[\n{names}]\n"))?;
    fs::write(out.join("table.rs"), format!("&[\n{rows}]\n"))?;
    facts.write(&out)
}

/// Rows of the tables of `src/engine/facts.rs` by pattern.
#[derive(Default)]
struct Facts {
    leads: BTreeMap<String, String>,
    prefixes: BTreeMap<String, String>,
    reaches: BTreeMap<String, String>,
    parts: BTreeMap<String, String>,
}

impl Facts {
    /// Adds what the engine will ask of a rule's patterns. What is not here is read off the pattern at start.
    fn add(&mut self, rule: &Table) -> Result<()> {
        if let Some(pattern) = rule.get("pattern").and_then(Value::as_str) {
            let tree = syntax_tree(pattern)?;
            let lead = shape::Lead::new(&tree);
            let row = format!("{}, {lead:?}", shape::leading_run(&tree));
            self.leads.insert(pattern.to_owned(), row);
            if rule.contains_key("markers") {
                let markers = sorted(rule, "markers");
                let bytes: Vec<Vec<u8>> = markers.iter().map(|m| m.as_bytes().to_vec()).collect();
                let reach = shape::reach_before(&tree, &bytes);
                let row = format!("&{markers:?}, {reach:?}");
                self.reaches.insert(pattern.to_owned(), row);
            } else if !rule.contains_key("context") {
                let prefixes = literals(shape::prefixes(&tree))?;
                self.prefixes.insert(pattern.to_owned(), prefixes);
            }
        }
        if let Some(near) = rule.get("near").and_then(Value::as_table) {
            let pattern = text(near, "pattern")?;
            let tree = syntax_tree(pattern)?;
            let longest = tree.properties().maximum_len();
            let leads = shape::prefixes(&tree).is_some();
            let needed = literals(shape::needed(&tree))?;
            let row = format!("{longest:?}, {needed}, {leads}");
            self.parts.insert(pattern.to_owned(), row);
        }
        Ok(())
    }

    fn write(&self, out: &Path) -> Result<()> {
        for (name, table) in [
            ("leads.rs", &self.leads),
            ("prefixes.rs", &self.prefixes),
            ("reaches.rs", &self.reaches),
            ("parts.rs", &self.parts),
        ] {
            let mut rows: Vec<_> = table.iter().collect();
            // As they are looked up.
            rows.sort_by_key(|(pattern, _)| (pattern.len(), *pattern));
            let row = |(pattern, row)| format!("    ({pattern:?}, {row}),\n");
            let rows: String = rows.into_iter().map(row).collect();
            fs::write(out.join(name), format!("&[\n{rows}]\n"))?;
        }
        Ok(())
    }
}

/// Returns literals as code.
fn literals(found: Option<Vec<Vec<u8>>>) -> Result<String> {
    let Some(found) = found else {
        return Ok("None".to_owned());
    };
    let texts: std::result::Result<Vec<String>, _> =
        found.into_iter().map(String::from_utf8).collect();
    Ok(format!("Some(&{:?})", texts?))
}

/// Appends (id, row) of every rule of a file.
fn pack_file(path: &Path, table: &mut Vec<(String, String)>, facts: &mut Facts) -> Result<()> {
    let file: Table = toml::from_str(&fs::read_to_string(path)?)?;
    let rules = file.get("rules").and_then(Value::as_array);
    for rule in rules.ok_or("no [[rules]]")? {
        let rule = rule.as_table().ok_or("`rules` is no list of tables")?;
        let id = text(rule, "id")?;
        let row = pack(&file, rule).map_err(|error| format!("rule `{id}`: {error}"))?;
        facts
            .add(rule)
            .map_err(|error| format!("rule `{id}`: {error}"))?;
        table.push((id.to_owned(), row));
    }
    Ok(())
}

/// Returns a `Packed` of `src/rules/builtin.rs` as code.
fn pack(file: &Table, rule: &Table) -> Result<String> {
    let pattern = rule.get("pattern").and_then(Value::as_str);
    let tree = pattern.map(syntax_tree).transpose()?;
    let longest = tree.as_ref().map(|hir| hir.properties().maximum_len());
    let max_len = longest
        .map_or(Some(0), |len| len)
        .ok_or("the pattern has no bound")?;
    let shape = shape(rule, tree.as_ref())?;
    let mut row = String::from("    Packed {\n");
    for key in ["id", "description", "source", "remediation"] {
        writeln!(row, "        {key}: {:?},", text(rule, key)?)?;
    }
    writeln!(row, "        family: {:?},", text(file, "family")?)?;
    writeln!(row, "        provider: {:?},", text(file, "name")?)?;
    let cwe = rule.get("cwe").and_then(Value::as_integer).unwrap_or(798);
    writeln!(row, "        cwe: {cwe},")?;
    writeln!(
        row,
        "        severity: Severity::{},",
        variant(text(rule, "severity")?)
    )?;
    writeln!(
        row,
        "        confidence: Confidence::{},",
        variant(text(rule, "confidence")?)
    )?;
    writeln!(
        row,
        "        pattern: {pattern:?},\n        max_len: {max_len},\n        shape: {shape},"
    )?;
    let entropy = match rule.get("entropy") {
        Some(Value::Integer(floor)) => format!("{floor}.0"),
        Some(Value::Float(floor)) => format!("{floor:?}"),
        _ => "0.0".to_owned(),
    };
    writeln!(row, "        entropy: {entropy},")?;
    for (key, kind) in [
        ("check", "Check"),
        ("value", "ValueClass"),
        ("extent", "Extent"),
    ] {
        let name = rule.get(key).and_then(Value::as_str);
        let value = name.map_or("None".to_owned(), |n| {
            format!("Some({kind}::{})", variant(n))
        });
        writeln!(row, "        {key}: {value},")?;
    }
    writeln!(row, "        near: {},", near(rule)?)?;
    for key in ["paths", "tags", "positive", "negative"] {
        writeln!(row, "        {key}: &{:?},", texts(rule, key))?;
    }
    row.push_str("    },\n");
    Ok(row)
}

fn syntax_tree(pattern: &str) -> Result<regex_syntax::hir::Hir> {
    let mut parser = regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build();
    Ok(parser.parse(pattern)?)
}

fn shape(rule: &Table, tree: Option<&regex_syntax::hir::Hir>) -> Result<String> {
    if rule.contains_key("context") {
        return Ok(format!(
            "PackedShape::Context(&{:?})",
            sorted(rule, "context")
        ));
    }
    if rule.contains_key("markers") {
        return Ok(format!(
            "PackedShape::Marker(&{:?})",
            sorted(rule, "markers")
        ));
    }
    let (prefixes, fold) = tree.and_then(anchor::prefixes).ok_or("no shape fits")?;
    let prefixes: std::result::Result<Vec<String>, _> =
        prefixes.into_iter().map(String::from_utf8).collect();
    Ok(format!("PackedShape::Token(&{:?}, {fold})", prefixes?))
}

fn sorted<'t>(rule: &'t Table, key: &str) -> Vec<&'t str> {
    let mut all = texts(rule, key);
    all.sort_unstable();
    all.dedup();
    all
}

fn near(rule: &Table) -> Result<String> {
    let Some(near) = rule.get("near").and_then(Value::as_table) else {
        return Ok("None".to_owned());
    };
    let within = near
        .get("within")
        .and_then(Value::as_integer)
        .ok_or("`near` has no `within`")?;
    let required = near
        .get("required")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    Ok(format!(
        "Some(({:?}, {within}, {required}))",
        text(near, "pattern")?
    ))
}

fn text<'t>(table: &'t Table, key: &str) -> Result<&'t str> {
    let value = table.get(key).and_then(Value::as_str);
    Ok(value.ok_or_else(|| format!("no `{key}`"))?)
}

fn texts<'t>(table: &'t Table, key: &str) -> Vec<&'t str> {
    let list = table.get(key).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Returns the name of a variant: `github-crc32` is `GithubCrc32`.
fn variant(word: &str) -> String {
    let part = |part: &str| {
        let mut chars = part.chars();
        chars
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .chain(chars)
            .collect::<String>()
    };
    word.split('-').map(part).collect()
}
