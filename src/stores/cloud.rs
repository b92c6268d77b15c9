//! What the stores of Google and Azure share: the runtime of their SDKs, and secrets that are one whole value.
//!
//! Promises: a store's own runtime does the work of its SDK and no other's; whoever calls a store just waits. Values stand in buffers that
//! are wiped; what an SDK keeps of them is freed with it (the program's allocator wipes what is freed).

use std::{collections::BTreeMap, future::Future, time::Duration};

use zeroize::Zeroizing;

use super::{Fault, StoreError, buffer::Buffer, json::Json};
use crate::model::Secret;

/// Most time of one call with all its tries.
pub(super) const WHOLE: Duration = Duration::from_secs(30);
/// Most tries of a read.
pub(super) const TRIES: u32 = 5;
/// The first pause between tries; each further one is about twice as long.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
pub(super) const LAST_PAUSE: Duration = Duration::from_secs(8);

/// A runtime of two threads: callers that wait at the same time do not wait for each other.
#[derive(Debug)]
pub(super) struct Runtime(tokio::runtime::Runtime);

impl Runtime {
    /// Starts one.
    ///
    /// # Errors
    /// [`Fault::Setup`] if the system gives no threads.
    pub(super) fn start(store: &str) -> Result<Self, StoreError> {
        // The SDKs look for the provider of the process. Another one that is there already does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("keysweep-store")
            .enable_all()
            .build();
        runtime.map(Self).map_err(|error| {
            StoreError::new(
                store,
                Fault::Setup,
                format!("no threads for requests: {}", error.kind()),
                "raise the limit of processes (ulimit -u)",
            )
        })
    }

    /// Waits for what an SDK does.
    pub(super) fn wait<F: Future>(&self, work: F) -> F::Output {
        self.0.block_on(work)
    }
}

/// Returns the whole value that a change makes of the old one: the value under the empty name, or the old JSON object with new members.
///
/// # Errors
/// [`Fault::Setup`] if fields are named and the old value has none, or a new value is no text.
pub(super) fn changed(
    store: &str,
    what: &str,
    old: &[u8],
    fields: &BTreeMap<String, Secret>,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let setup = |why: &str, help: &str| {
        StoreError::new(store, Fault::Setup, format!("{what}: {why}"), help)
    };
    if let Some(whole) = fields.get("") {
        if fields.len() > 1 {
            return Err(setup(
                "the whole value and fields of it are to be changed at once",
                "name either no field or fields only in the key's [[targets]]",
            ));
        }
        // Written into the store that the value is for.
        return Ok(Zeroizing::new(whole.expose().to_vec()));
    }
    let json = Json::parse(old)
        .ok()
        .filter(|json| json.text().starts_with('{'));
    let Some(json) = json else {
        return Err(setup(
            "a field is named, and the key's value is no JSON object",
            "leave `field` out of the key's [[targets]]: the value is one whole",
        ));
    };
    let mut data = Buffer::with_capacity(old.len() + 256);
    let mut separator: &[u8] = b"{";
    for (name, value) in json.members() {
        if !fields.contains_key(&*name) {
            member(&mut data, &mut separator, &name);
            data.push(value.text().as_bytes());
        }
    }
    for (name, value) in fields {
        let text = std::str::from_utf8(value.expose()).map_err(|_| {
            setup(
                "the new value of a field is no text, and JSON holds text",
                "encode it, for example as base64",
            )
        })?;
        member(&mut data, &mut separator, name);
        data.push_json_string(text);
    }
    data.push(b"}");
    Ok(data.into_bytes())
}

fn member(data: &mut Buffer, separator: &mut &[u8], name: &str) {
    data.push(separator);
    data.push_json_string(name);
    data.push(b":");
    *separator = b",";
}

/// Lends a whole value: a JSON object by its members (strings as their bytes, everything else as its text), so that they can be changed one
/// by one; anything else under the empty name.
pub(super) fn lend(value: &[u8], sink: &mut dyn FnMut(super::Field<'_>)) {
    let object = Json::parse(value)
        .ok()
        .filter(|json| json.members().next().is_some());
    let Some(object) = object else {
        sink(super::Field {
            name: "",
            bytes: value,
        });
        return;
    };
    for (name, value) in object.members() {
        let text = value.string();
        sink(super::Field {
            name: &name,
            bytes: text
                .as_deref()
                .map_or(value.text().as_bytes(), str::as_bytes),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(value.as_bytes())));
        pairs.collect()
    }

    #[test]
    fn a_whole_value_is_replaced_and_members_keep_their_neighbours() {
        let whole = changed("s", "w", b"made-up-old", &fields(&[("", "made-up-new")]));
        assert_eq!(whole.unwrap().as_slice(), b"made-up-new");
        let old = br#"{"user": "app", "password": "made-up-old", "port": 5}"#;
        let new = changed("s", "w", old, &fields(&[("password", "made-up \"new\"")])).unwrap();
        let json = Json::parse(&new).unwrap();
        assert_eq!(json.member("user").unwrap().name().unwrap(), "app");
        assert_eq!(json.member("port").unwrap().integer(), Some(5));
        let password = json.member("password").unwrap().string().unwrap();
        assert_eq!(&*password, "made-up \"new\"");
    }

    #[test]
    fn fields_of_a_value_that_has_none_are_refused() {
        for old in [&b"made-up-old"[..], b"[1]", b"{"] {
            let error = changed("s", "w", old, &fields(&[("password", "x")])).unwrap_err();
            assert_eq!(error.fault, Fault::Setup);
            assert!(!format!("{error:?}").contains("made-up"));
        }
        assert!(changed("s", "w", b"{}", &fields(&[("", "x"), ("a", "y")])).is_err());
    }

    #[test]
    fn objects_are_lent_by_members_and_all_else_whole() {
        for (value, expected) in [
            (&b"plain"[..], vec![("", "plain")]),
            (b"{}", vec![("", "{}")]),
            (b"\"text\"", vec![("", "\"text\"")]),
            (
                br#"{"a":"x\ny","b":[1]}"#,
                vec![("a", "x\ny"), ("b", "[1]")],
            ),
        ] {
            let mut seen = Vec::new();
            lend(value, &mut |field| {
                let text = String::from_utf8_lossy(field.bytes).into_owned();
                seen.push((field.name.to_owned(), text));
            });
            let seen: Vec<_> = seen.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn callers_that_wait_at_once_do_not_wait_for_each_other() {
        let runtime = Runtime::start("s").unwrap();
        let start = std::time::Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    runtime.wait(async { tokio::time::sleep(Duration::from_millis(300)).await });
                });
            }
        });
        assert!(start.elapsed() < Duration::from_millis(1500));
    }
}
