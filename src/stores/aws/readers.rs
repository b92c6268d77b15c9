//! Who may read a secret, as far as its own resource policy says.
//!
//! Promises: what a policy may mean is counted, not what it surely means: too many readers are named rather than too few.

use std::collections::BTreeSet;

use super::{
    super::{KeyPath, StoreError, http::Effect},
    SecretsManager,
};
use crate::model::Readers;

/// Most principals that are shown.
const SAMPLE: usize = 10;

impl SecretsManager {
    pub(super) fn policy_readers(&self, key: &KeyPath) -> Result<Readers, StoreError> {
        let what = format!("ask who may read {key}");
        let call = self.client.get_resource_policy().secret_id(key.as_str());
        let answer = self
            .session
            .run(call.send())
            .map_err(|error| self.session.fault(&error, &what, Effect::Read))?;
        let principals = match answer.resource_policy.filter(|policy| !policy.is_empty()) {
            Some(policy) => principals(&policy).ok_or_else(|| self.session.garbled(&what))?,
            None => BTreeSet::new(),
        };
        Ok(Readers {
            known: principals.len() as u64,
            sample: principals.into_iter().take(SAMPLE).collect(),
            // Policies of users and roles allow reading, too, and are not seen from here.
            complete: false,
        })
    }
}

/// Returns the principals that a resource policy lets read; `None` if it is no policy.
fn principals(policy: &str) -> Option<BTreeSet<String>> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let mut all = BTreeSet::new();
    for statement in several(policy.get("Statement")?) {
        let allows = statement.get("Effect").and_then(|effect| effect.as_str()) == Some("Allow");
        if !allows || !lets_read(statement) {
            continue;
        }
        if statement.get("NotPrincipal").is_some() {
            all.insert("everybody but a few (NotPrincipal)".to_owned());
        }
        match statement.get("Principal") {
            Some(serde_json::Value::Object(kinds)) => {
                let names = kinds.values().flat_map(several);
                all.extend(names.filter_map(|name| name.as_str()).map(str::to_owned));
            }
            Some(serde_json::Value::String(name)) => {
                all.insert(name.clone());
            }
            _ => {}
        }
    }
    Some(all)
}

fn lets_read(statement: &serde_json::Value) -> bool {
    let covers = |action: &serde_json::Value| {
        action.as_str().is_some_and(|action| {
            let action = action.to_ascii_lowercase();
            let target = "secretsmanager:getsecretvalue";
            match action.split_once('*') {
                // One star at the end is what people write; anything more is taken for a yes.
                Some((start, _)) => target.starts_with(start),
                None => action == target || action == "secretsmanager:batchgetsecretvalue",
            }
        })
    };
    match (statement.get("Action"), statement.get("NotAction")) {
        (Some(actions), _) => several(actions).any(covers),
        (None, Some(others)) => !several(others).any(covers),
        (None, None) => false,
    }
}

/// Returns the members of a list, or the one thing that stands for it.
fn several(value: &serde_json::Value) -> Box<dyn Iterator<Item = &serde_json::Value> + '_> {
    match value {
        serde_json::Value::Array(all) => Box::new(all.iter()),
        one => Box::new(std::iter::once(one)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_who_a_policy_lets_read() {
        let policy = r#"{"Statement":[
          {"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::1:role/a","arn:aws:iam::1:role/b"]},"Action":"secretsmanager:GetSecretValue"},
          {"Effect":"Allow","Principal":{"Service":"x.amazonaws.com"},"Action":["secretsmanager:Get*"]},
          {"Effect":"Allow","Principal":"*","Action":"secretsmanager:DescribeSecret"},
          {"Effect":"Deny","Principal":"*","Action":"secretsmanager:*"}]}"#;
        let found = principals(policy).expect("a policy");
        let expected = [
            "arn:aws:iam::1:role/a",
            "arn:aws:iam::1:role/b",
            "x.amazonaws.com",
        ];
        assert_eq!(found, expected.map(str::to_owned).into());
        let one = r#"{"Statement":{"Effect":"Allow","Principal":"*","NotAction":"iam:*"}}"#;
        assert_eq!(principals(one).expect("a policy"), ["*".to_owned()].into());
        assert!(principals("x").is_none());
    }
}
