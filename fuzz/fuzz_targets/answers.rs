//! JSON of stores, held against serde_json: the same texts are taken, and the same values are read.
#![no_main]

use keysweep::stores::json::Json;
use serde_json::Value;

fn compare(ours: Json<'_>, theirs: &Value) {
    match theirs {
        Value::Null => assert!(ours.is_null()),
        Value::Bool(value) => assert_eq!(ours.boolean(), Some(*value)),
        Value::Number(number) => {
            if let Some(value) = number.as_i64() {
                assert_eq!(ours.integer(), Some(value));
            }
        }
        Value::String(value) => assert_eq!(&*ours.string().expect("a string"), value),
        Value::Array(items) => {
            assert_eq!(ours.items().count(), items.len());
            for (ours, theirs) in ours.items().zip(items) {
                compare(ours, theirs);
            }
        }
        Value::Object(members) => {
            for (name, theirs) in members {
                compare(ours.member(name).expect("a member"), theirs);
            }
        }
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    match (Json::parse(data), serde_json::from_slice::<Value>(data)) {
        (Ok(ours), Ok(theirs)) => {
            compare(ours, &theirs);
            assert!(ours.is_same(ours));
        }
        // serde_json refuses numbers beyond f64 and halves of surrogate pairs; we need neither.
        (Ok(ours), Err(_)) => {
            assert!(ours.text().contains("\\u") || ours.text().contains(|c: char| c.is_ascii_digit()));
        }
        (Err(_), theirs) => assert!(theirs.is_err(), "{theirs:?}"),
    }
});
