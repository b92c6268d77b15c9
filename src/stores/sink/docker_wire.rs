//! What Docker's engine says and is told: lists of secrets, and specifications of services with one reference changed.
//!
//! Promises: a specification goes back as it came, byte for byte, but for the references to one secret: whatever keysweep does not know in
//! it, numbers of any size and environments with values, stays as it is.
//!
//! Source: Docker Engine API, "SecretList", "ServiceUpdate", "SecretCreate".

use crate::stores::{buffer::Buffer, json::Json};

/// The label that names the request which made a secret.
pub(super) const TOKEN: &str = "keysweep.token";

/// One version of a secret: an immutable secret of the engine's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) name: String,
    /// 1 for the name alone, N for `NAME_vN`.
    pub(super) number: u32,
    /// The request that made it, if it was keysweep.
    pub(super) token: Option<String>,
}

/// Returns the number of a version's name; `None` for another secret's.
pub(super) fn number(base: &str, name: &str) -> Option<u32> {
    let rest = name.strip_prefix(base)?;
    if rest.is_empty() {
        return Some(1);
    }
    let digits = rest.strip_prefix("_v")?;
    let is_plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| is_plain)
}

/// Returns the versions of a secret in a list, by their numbers; `None` for what is no list.
pub(super) fn versions(list: Json<'_>, base: &str) -> Option<Vec<Version>> {
    let mut versions = Vec::new();
    list.text().starts_with('[').then_some(())?;
    for secret in list.items() {
        let name = secret.at(&["Spec", "Name"])?.name()?;
        let Some(number) = number(base, &name) else {
            continue;
        };
        versions.push(Version {
            id: secret.member("ID")?.name()?,
            name,
            number,
            token: secret
                .at(&["Spec", "Labels", TOKEN])
                .and_then(|token| token.name()),
        });
    }
    versions.sort_by_key(|version| version.number);
    Some(versions)
}

/// How a service uses a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) id: String,
    /// The index that an update must name.
    pub(super) index: i64,
    /// The names of the secret's versions that it refers to.
    pub(super) names: Vec<String>,
    /// How far its last update is, in the engine's word.
    pub(super) update: Option<String>,
}

const SECRETS: [&str; 4] = ["Spec", "TaskTemplate", "ContainerSpec", "Secrets"];

/// Returns how a service uses a secret; `None` for what is no service.
pub(super) fn usage(service: Json<'_>, base: &str) -> Option<Use> {
    let secrets = service.at(&SECRETS).into_iter().flat_map(Json::items);
    let names = secrets.filter_map(|own| own.member("SecretName")?.name());
    Some(Use {
        id: service.member("ID")?.name()?,
        index: service.at(&["Version", "Index"])?.integer()?,
        names: names.filter(|name| number(base, name).is_some()).collect(),
        update: service
            .at(&["UpdateStatus", "State"])
            .and_then(|state| state.name()),
    })
}

/// Returns a service's specification with all references to a secret's versions put on this one; what stands where (`File`) stays.
pub(super) fn moved(service: Json<'_>, base: &str, to: &Version) -> Option<Buffer> {
    let spec = service.member("Spec")?.text();
    let secrets = service.at(&SECRETS)?;
    // Both are parts of one text, so the distance of their beginnings is the place of one in the other.
    let at = (secrets.text().as_ptr() as usize).checked_sub(spec.as_ptr() as usize)?;
    let mut out = Buffer::with_capacity(spec.len() + 256);
    out.push(spec.get(..at)?.as_bytes());
    out.push(b"[");
    for (n, own) in secrets.items().enumerate() {
        if n > 0 {
            out.push(b",");
        }
        let name = own.member("SecretName").and_then(Json::name);
        if name.is_none_or(|name| number(base, &name).is_none()) {
            out.push(own.text().as_bytes());
            continue;
        }
        out.push(b"{\"File\":");
        out.push(own.member("File")?.text().as_bytes());
        out.push(b",\"SecretID\":");
        out.push_json_string(&to.id);
        out.push(b",\"SecretName\":");
        out.push_json_string(&to.name);
        out.push(b"}");
    }
    out.push(b"]");
    out.push(spec.get(at + secrets.text().len()..)?.as_bytes());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_by_their_names() {
        for (name, expected) in [
            ("db", Some(1)),
            ("db_v2", Some(2)),
            ("db_v41", Some(41)),
            ("db_v02", None),
            ("db_v", None),
            ("db_v2x", None),
            ("db2", None),
            ("other", None),
        ] {
            assert_eq!(number("db", name), expected, "{name}");
        }
    }

    #[test]
    fn a_specification_stays_as_it_is_but_for_the_reference() {
        let text = r#"{"ID":"s1","Version":{"Index":18446744073709551},"Spec":{"Name":"web","Odd":1e2,"TaskTemplate":{"ContainerSpec":{"Env":["A=\u0031"],"Secrets":[ {"File":{"Name":"pw","Mode":292},"SecretID":"o","SecretName":"db_v2"},{"SecretName":"db2","SecretID":"x","File":{}}],"Z":[]}},"Mode":{"Replicated":{"Replicas":2}}}}"#;
        let service = Json::parse(text.as_bytes()).unwrap();
        let to = Version {
            id: "n".into(),
            name: "db_v3".into(),
            number: 3,
            token: None,
        };
        let spec = moved(service, "db", &to).unwrap();
        let expected = r#"{"Name":"web","Odd":1e2,"TaskTemplate":{"ContainerSpec":{"Env":["A=\u0031"],"Secrets":[{"File":{"Name":"pw","Mode":292},"SecretID":"n","SecretName":"db_v3"},{"SecretName":"db2","SecretID":"x","File":{}}],"Z":[]}},"Mode":{"Replicated":{"Replicas":2}}}"#;
        assert_eq!(std::str::from_utf8(spec.bytes()).unwrap(), expected);
        let used = usage(service, "db").unwrap();
        assert_eq!(used.names, ["db_v2"]);
        assert_eq!(used.index, 18_446_744_073_709_551);
    }
}
