//! AWS on loopback, stricter than the emulators: Secrets Manager, SSM Parameter Store, IAM access keys and STS, as their API references say,
//! with signatures that are checked. [`Lies`] makes it as lax as an emulator, one trait at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::servers::{Asked, Fake, Reply};

/// What an emulator does otherwise than AWS.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lies {
    /// Errors have other statuses.
    pub(crate) statuses: bool,
    /// The same token with another value overwrites.
    pub(crate) overwrites: bool,
    /// A batch holds the version that was current before.
    pub(crate) batches: bool,
    /// RotateSecret without a function makes an empty current version.
    pub(crate) rotates_alone: bool,
    /// The token does not become the version's id.
    pub(crate) ignores_token: bool,
    /// Pages of any size.
    pub(crate) unlimited: bool,
    /// A third access key.
    pub(crate) third_key: bool,
    /// Inactive keys are let in.
    pub(crate) inactive_works: bool,
    /// Nulls for what is not there.
    pub(crate) nulls: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) stages: BTreeSet<String>,
    /// SecretString.
    pub(crate) text: Option<String>,
    /// SecretBinary, in base64.
    pub(crate) binary: Option<String>,
    pub(crate) created: i64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    pub(crate) versions: Vec<Version>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) deleted: bool,
    pub(crate) lambda: Option<String>,
    pub(crate) policy: Option<String>,
    /// Looks that the rotation function still takes; `None`: none is under way, or it is stuck.
    pub(crate) looks: Option<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct AccessKey {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) active: bool,
    pub(crate) used: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct User {
    pub(crate) keys: Vec<AccessKey>,
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Parameter {
    pub(crate) kind: &'static str,
    pub(crate) values: Vec<String>,
    /// The number of the first that is kept.
    pub(crate) first: i64,
    pub(crate) written: Vec<Value>,
}

/// Everything that the account holds.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) lies: Lies,
    pub(crate) secrets: BTreeMap<String, Held>,
    pub(crate) parameters: BTreeMap<String, Parameter>,
    pub(crate) users: BTreeMap<String, User>,
    /// Rotation functions never end.
    pub(crate) stuck: bool,
    /// The answer of this operation is lost, once; what it does is done.
    pub(crate) lose: Option<&'static str>,
    /// This operation is throttled so many times.
    pub(crate) throttle: Option<(&'static str, u32)>,
    /// This operation is denied.
    pub(crate) deny: Option<&'static str>,
    /// Somebody else writes this parameter, or moves the current label of this secret, right before us.
    pub(crate) race: Option<String>,
    /// Somebody else moves the current label of this secret right after its versions were listed.
    pub(crate) race_after_look: Option<String>,
    pub(crate) ops: Vec<(String, Value)>,
    made: u32,
    clock: i64,
}

/// An error: type and words.
type Fault = (&'static str, &'static str);

/// The admin's access key: id and secret, made up, put together here so that no scanner takes them for real ones.
pub(crate) fn admin() -> (String, String) {
    (format!("AKIA{}", "MADEUPADMIN12345"), "made-up/".repeat(5))
}

/// A running fake.
pub(crate) struct Aws {
    pub(crate) fake: Fake,
    world: Arc<Mutex<World>>,
}

impl Aws {
    pub(crate) fn start(lies: Lies) -> Self {
        let world = Arc::new(Mutex::new(World {
            lies,
            clock: 1_760_000_000,
            ..World::default()
        }));
        let own = Arc::clone(&world);
        let fake = Fake::start(move |asked| own.lock().expect("not poisoned").answer(asked));
        Self { fake, world }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("not poisoned")
    }

    /// Returns how often an operation was asked for.
    pub(crate) fn count(&self, operation: &str) -> usize {
        let world = self.world();
        let ops = world.ops.iter();
        ops.filter(|(name, _)| name == operation).count()
    }
}

impl World {
    /// Adds a secret with one current version.
    pub(crate) fn secret(&mut self, name: &str, value: &str) -> &mut Held {
        let id = format!("{name:-<32}v1");
        let version = self.version(&id, &["AWSCURRENT"], Some(value));
        let held = Held {
            versions: vec![version],
            ..Held::default()
        };
        self.secrets.insert(name.to_owned(), held);
        self.secrets.get_mut(name).expect("just added")
    }

    pub(crate) fn version(&mut self, id: &str, stages: &[&str], value: Option<&str>) -> Version {
        self.clock += 10;
        Version {
            id: id.to_owned(),
            stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
            text: value.map(str::to_owned),
            binary: None,
            created: self.clock,
        }
    }

    /// Makes a secret's versions as old as this fake's clock.
    pub(crate) fn age(&mut self, name: &str) {
        let held = self.secrets.get_mut(name).expect("it is there");
        for version in &mut held.versions {
            version.created = 1;
        }
    }

    /// Adds a user with one key; returns it.
    pub(crate) fn user(&mut self, name: &str) -> AccessKey {
        let key = self.key();
        let user = self.users.entry(name.to_owned()).or_default();
        user.keys.push(key.clone());
        key
    }

    pub(crate) fn key(&mut self) -> AccessKey {
        self.made += 1;
        AccessKey {
            id: format!("AKIA{:0>16}", self.made),
            secret: format!("made-up-secret-of-key-{:0>18}", self.made),
            active: true,
            used: false,
        }
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        let header = |name: &str| {
            let found = asked.headers.iter().find(|(own, _)| own == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let target = header("x-amz-target").to_owned();
        let is_query = target.is_empty();
        let body: Value = if is_query {
            Value::Object(form(&asked.body))
        } else {
            serde_json::from_str(&asked.body).unwrap_or(Value::Null)
        };
        let operation = match target.rsplit_once('.') {
            Some((_, operation)) => operation.to_owned(),
            None => text(&body, "Action").to_owned(),
        };
        self.ops.push((operation.clone(), body.clone()));
        let result = self
            .signer(asked)
            .and_then(|signer| self.obstacle(&operation).map_or(Ok(signer), Err))
            .and_then(|signer| self.dispatch(&target, &operation, &body, &signer));
        if self.lose.is_some_and(|lost| lost == operation) {
            self.lose = None;
            return Reply::Nothing;
        }
        let found = "ResourceNotFoundException";
        match (result, is_query) {
            (Ok(answer), false) => Reply::Json(200, answer.to_string()),
            (Ok(answer), true) => {
                let inner = answer.as_str().unwrap_or_default();
                Reply::Json(
                    200,
                    format!(
                        "<{operation}Response><{operation}Result>{inner}</{operation}Result></{operation}Response>"
                    ),
                )
            }
            (Err((kind, words)), false) => {
                let status = if self.lies.statuses && kind == found {
                    404
                } else {
                    400
                };
                Reply::Json(
                    status,
                    json!({"__type": kind, "message": words}).to_string(),
                )
            }
            (Err((kind, words)), true) => {
                let status = if kind == "Throttling" { 400 } else { 403 };
                Reply::Json(
                    status,
                    format!(
                        "<ErrorResponse><Error><Type>Sender</Type><Code>{kind}</Code><Message>{words}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
                    ),
                )
            }
        }
    }

    fn obstacle(&mut self, operation: &str) -> Option<Fault> {
        if self.deny.is_some_and(|denied| denied == operation) {
            return Some(("AccessDeniedException", "not authorized"));
        }
        match &mut self.throttle {
            Some((name, left)) if *name == operation && *left > 0 => {
                *left -= 1;
                Some(("ThrottlingException", "Rate exceeded"))
            }
            _ => None,
        }
    }

    /// Checks the signature (Signature Version 4); returns the id of the key.
    fn signer(&self, asked: &Asked) -> Result<String, Fault> {
        let unknown = (
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        );
        let header = |name: &str| {
            let found = asked.headers.iter().find(|(own, _)| own == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let part = |name: &str| {
            let (_, rest) = header("authorization").split_once(name)?;
            rest.split(',').next().map(str::trim)
        };
        let scope = part("Credential=").ok_or(unknown)?;
        let (id, scope) = scope.split_once('/').ok_or(unknown)?;
        let own = admin();
        let secret = if id == own.0 {
            own.1
        } else {
            let mut keys = self.users.values().flat_map(|user| &user.keys);
            let key = keys.find(|key| key.id == id).ok_or(unknown)?;
            if !key.active && !self.lies.inactive_works {
                return Err(unknown);
            }
            key.secret.clone()
        };
        let signed = part("SignedHeaders=").ok_or(unknown)?;
        let lines: String = signed
            .split(';')
            .map(|name| format!("{name}:{}\n", header(name)))
            .collect();
        let canonical = format!(
            "{}\n{}\n\n{lines}\n{signed}\n{}",
            asked.method,
            asked.path,
            sha(&asked.body)
        );
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
            header("x-amz-date"),
            sha(&canonical)
        );
        let mut key = format!("AWS4{secret}").into_bytes();
        for word in scope.split('/') {
            key = mac(&key, word);
        }
        if part("Signature=") == Some(hex(&mac(&key, &to_sign)).as_str()) {
            Ok(id.to_owned())
        } else {
            Err((
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match.",
            ))
        }
    }

    fn dispatch(
        &mut self,
        target: &str,
        operation: &str,
        body: &Value,
        signer: &str,
    ) -> Result<Value, Fault> {
        match target.split('.').next().unwrap_or_default() {
            "secretsmanager" => self.secrets_manager(operation, body),
            "AmazonSSM" => self.parameter_store(operation, body),
            _ => self.query(operation, body, signer),
        }
    }

    fn secrets_manager(&mut self, operation: &str, body: &Value) -> Result<Value, Fault> {
        match operation {
            "ListSecrets" => return self.list_secrets(body),
            "BatchGetSecretValue" => return Ok(self.batch()),
            _ => {}
        }
        let id = text(body, "SecretId").to_owned();
        if !self.secrets.contains_key(&id) {
            return Err((
                "ResourceNotFoundException",
                "Secrets Manager can't find the specified secret.",
            ));
        }
        match operation {
            "DescribeSecret" => Ok(self.describe(&id)),
            "ListSecretVersionIds" => {
                let listed = self.list_versions(&id, body);
                if self.race_after_look.take_if(|race| *race == id).is_some() {
                    make_current(self.secrets.get_mut(&id).expect("it is there"), OTHER_HAND);
                }
                listed
            }
            "GetSecretValue" => self.get_value(&id, body),
            "GetResourcePolicy" => {
                let policy = &self.secrets[&id].policy;
                Ok(policy.as_ref().map_or_else(
                    || json!({"Name": id}),
                    |policy| json!({"Name": id, "ResourcePolicy": policy}),
                ))
            }
            "PutSecretValue" => self.put_value(&id, body),
            "UpdateSecretVersionStage" => self.move_stage(&id, body),
            "RotateSecret" => self.rotate(&id, body),
            "TagResource" => {
                let held = self.secrets.get_mut(&id).expect("it is there");
                for tag in body["Tags"].as_array().into_iter().flatten() {
                    held.tags
                        .insert(text(tag, "Key").to_owned(), text(tag, "Value").to_owned());
                }
                Ok(json!({}))
            }
            _ => Err(("UnknownOperationException", "")),
        }
    }

    fn list_secrets(&self, body: &Value) -> Result<Value, Fault> {
        let most = self.page(body, 100)?;
        let filters = body["Filters"].as_array();
        let filter = filters.and_then(|filters| filters.first());
        let fits = |name: &str| {
            filter.is_none_or(|filter| {
                let values = filter["Values"].as_array();
                values.is_some_and(|all| {
                    all.iter()
                        .any(|value| name.starts_with(value.as_str().unwrap_or("?")))
                })
            })
        };
        let deleted = body["IncludePlannedDeletion"] == json!(true);
        let after = text(body, "NextToken");
        let mut names = self.secrets.iter().filter(|(name, held)| {
            name.as_str() > after && fits(name) && (deleted || !held.deleted)
        });
        let page: Vec<_> = names
            .by_ref()
            .take(most)
            .map(|(name, _)| name.clone())
            .collect();
        let entries: Vec<_> = page
            .iter()
            .map(|name| self.entry(name, "SecretVersionsToStages"))
            .collect();
        let mut answer = json!({ "SecretList": entries });
        if names.next().is_some() {
            answer["NextToken"] = json!(page.last());
        }
        Ok(answer)
    }

    fn page(&self, body: &Value, most: usize) -> Result<usize, Fault> {
        let wanted = body["MaxResults"]
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(most);
        if wanted > most && !self.lies.unlimited {
            return Err(("InvalidParameterException", "MaxResults is too large"));
        }
        Ok(wanted)
    }

    fn entry(&self, name: &str, stages: &str) -> Value {
        let held = &self.secrets[name];
        let mut entry = json!({"Name": name, "ARN": format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}-a1b2c3")});
        let labelled: Map<String, Value> = held
            .versions
            .iter()
            .filter(|version| !version.stages.is_empty())
            .map(|version| (version.id.clone(), json!(version.stages)))
            .collect();
        if !labelled.is_empty() {
            entry[stages] = Value::Object(labelled);
        } else if self.lies.nulls {
            entry[stages] = Value::Null;
        }
        if !held.tags.is_empty() {
            entry["Tags"] = held
                .tags
                .iter()
                .map(|(key, value)| json!({"Key": key, "Value": value}))
                .collect();
        }
        if held.deleted {
            entry["DeletedDate"] = json!(self.clock);
        }
        if let Some(lambda) = &held.lambda {
            entry["RotationEnabled"] = json!(true);
            entry["RotationLambdaARN"] = json!(lambda);
        } else if self.lies.nulls {
            entry["RotationEnabled"] = Value::Null;
            entry["RotationLambdaARN"] = Value::Null;
            entry["Tags"] = Value::Null;
            entry["DeletedDate"] = Value::Null;
        }
        entry
    }

    fn describe(&mut self, id: &str) -> Value {
        self.advance(id);
        self.entry(id, "VersionIdsToStages")
    }

    /// The rotation function goes on a little whenever somebody looks.
    fn advance(&mut self, id: &str) {
        let stuck = self.stuck;
        let held = self.secrets.get_mut(id).expect("it is there");
        let Some(looks) = held.looks.filter(|_| !stuck) else {
            return;
        };
        held.looks = looks.checked_sub(1);
        let pending = held
            .versions
            .iter()
            .position(|version| version.stages.contains("AWSPENDING"));
        let Some(at) = pending else { return };
        if looks == 2 {
            held.versions[at].text = Some(r#"{"password":"made-up-rotated"}"#.to_owned());
        } else if looks == 0 {
            // As the sample function does: AWSPENDING stays on the new version.
            let to = held.versions[at].id.clone();
            make_current(held, &to);
        }
    }

    fn list_versions(&self, id: &str, body: &Value) -> Result<Value, Fault> {
        let most = self.page(body, 100)?;
        let held = &self.secrets[id];
        let deprecated = body["IncludeDeprecated"] == json!(true);
        let start: usize = text(body, "NextToken").parse().unwrap_or(0);
        let all: Vec<_> = held
            .versions
            .iter()
            .filter(|version| deprecated || !version.stages.is_empty())
            .map(|version| json!({"VersionId": version.id, "VersionStages": version.stages, "CreatedDate": version.created}))
            .collect();
        let page: Vec<_> = all.iter().skip(start).take(most).collect();
        let mut answer = json!({"Name": id, "Versions": page});
        if start + most < all.len() {
            answer["NextToken"] = json!((start + most).to_string());
        }
        Ok(answer)
    }

    fn get_value(&self, id: &str, body: &Value) -> Result<Value, Fault> {
        let held = &self.secrets[id];
        if held.deleted {
            return Err((
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.",
            ));
        }
        let wanted = text(body, "VersionId");
        let stage = match text(body, "VersionStage") {
            "" if wanted.is_empty() => "AWSCURRENT",
            stage => stage,
        };
        let found = held.versions.iter().find(|version| {
            (wanted.is_empty() || version.id == wanted)
                && (stage.is_empty() || version.stages.contains(stage))
        });
        let version = found.filter(|version| version.text.is_some() || version.binary.is_some());
        let version = version.ok_or((
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value.",
        ))?;
        let mut answer =
            json!({"Name": id, "VersionId": version.id, "VersionStages": version.stages});
        if let Some(text) = &version.text {
            answer["SecretString"] = json!(text);
        }
        if let Some(binary) = &version.binary {
            answer["SecretBinary"] = json!(binary);
        }
        Ok(answer)
    }

    fn batch(&self) -> Value {
        let stage = if self.lies.batches {
            "AWSPREVIOUS"
        } else {
            "AWSCURRENT"
        };
        let values: Vec<_> = self
            .secrets
            .iter()
            .flat_map(|(name, held)| held.versions.iter().map(move |version| (name, version)))
            .filter(|(_, version)| version.stages.contains(stage))
            .map(|(name, version)| json!({"Name": name, "VersionId": version.id, "SecretString": version.text}))
            .collect();
        json!({ "SecretValues": values })
    }

    fn put_value(&mut self, id: &str, body: &Value) -> Result<Value, Fault> {
        let token = text(body, "ClientRequestToken").to_owned();
        if !(32..=64).contains(&token.len()) {
            return Err(("InvalidParameterException", "ClientRequestToken"));
        }
        let (new, binary) = (body["SecretString"].as_str(), body["SecretBinary"].as_str());
        if new.is_some() == binary.is_some() {
            return Err((
                "InvalidParameterException",
                "one of SecretString and SecretBinary",
            ));
        }
        let token = if self.lies.ignores_token {
            format!("{:0>32}", self.clock)
        } else {
            token
        };
        let mut fresh = self.version(&token, &[], new);
        fresh.binary = binary.map(str::to_owned);
        let overwrites = self.lies.overwrites;
        let held = self.secrets.get_mut(id).expect("it is there");
        match held.versions.iter_mut().find(|version| version.id == token) {
            Some(there) if there.text.is_none() && there.binary.is_none() || overwrites => {
                (there.text, there.binary) = (fresh.text, fresh.binary);
            }
            Some(there) if there.text == fresh.text && there.binary == fresh.binary => {}
            Some(_) => {
                return Err((
                    "ResourceExistsException",
                    "You can't use ClientRequestToken for another value.",
                ));
            }
            None => held.versions.push(fresh),
        }
        let stages: Vec<_> = body["VersionStages"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        for stage in &stages {
            for version in &mut held.versions {
                version.stages.remove(stage);
            }
            let own = held.versions.iter_mut().find(|version| version.id == token);
            own.expect("it is there").stages.insert(stage.clone());
        }
        Ok(json!({"Name": id, "VersionId": token, "VersionStages": stages}))
    }

    fn move_stage(&mut self, id: &str, body: &Value) -> Result<Value, Fault> {
        let (stage, from, to) = (
            text(body, "VersionStage"),
            text(body, "RemoveFromVersionId"),
            text(body, "MoveToVersionId"),
        );
        let raced = self.race.take_if(|race| race == id);
        let held = self.secrets.get_mut(id).expect("it is there");
        if raced.is_some() {
            make_current(held, OTHER_HAND);
        }
        let holder = held
            .versions
            .iter()
            .find(|version| version.stages.contains(stage))
            .map(|version| version.id.clone());
        if holder.as_deref().unwrap_or_default() != from {
            return Err((
                "InvalidParameterException",
                "The parameter RemoveFromVersionId is not the holder of the staging label.",
            ));
        }
        if !to.is_empty() && !held.versions.iter().any(|version| version.id == to) {
            return Err(("ResourceNotFoundException", "no such version"));
        }
        if stage == "AWSCURRENT" {
            if to.is_empty() {
                return Err(("InvalidParameterException", "AWSCURRENT must be somewhere"));
            }
            make_current(held, to);
            return Ok(json!({"Name": id}));
        }
        for version in &mut held.versions {
            version.stages.remove(stage);
            if version.id == to {
                version.stages.insert(stage.to_owned());
            }
        }
        Ok(json!({"Name": id}))
    }

    fn rotate(&mut self, id: &str, body: &Value) -> Result<Value, Fault> {
        let token = text(body, "ClientRequestToken").to_owned();
        let version = self.version(&token, &["AWSPENDING"], None);
        let alone = self.lies.rotates_alone;
        let held = self.secrets.get_mut(id).expect("it is there");
        if held.versions.iter().any(|version| version.id == token) {
            return Ok(json!({"Name": id, "VersionId": token}));
        }
        if held.lambda.is_none() {
            if !alone {
                return Err((
                    "InvalidRequestException",
                    "No Lambda rotation function ARN is associated with this secret.",
                ));
            }
            held.versions.push(version);
            make_current(held, &token);
            return Ok(json!({"Name": id, "VersionId": token}));
        }
        let busy = held.versions.iter().any(|version| {
            version.stages.contains("AWSPENDING") && !version.stages.contains("AWSCURRENT")
        });
        if busy {
            return Err((
                "InvalidRequestException",
                "A previous rotation isn't complete.",
            ));
        }
        for version in &mut held.versions {
            version.stages.remove("AWSPENDING");
        }
        held.versions.push(version);
        held.looks = Some(3);
        Ok(json!({"Name": id, "VersionId": token}))
    }

    fn parameter_store(&mut self, operation: &str, body: &Value) -> Result<Value, Fault> {
        let missing = ("ParameterNotFound", "");
        match operation {
            "DescribeParameters" => {
                let most = self.page(body, 50)?;
                let after = text(body, "NextToken");
                let mut names = self.parameters.keys().filter(|name| name.as_str() > after);
                let page: Vec<_> = names
                    .by_ref()
                    .take(most)
                    .map(|name| json!({"Name": name, "Type": self.parameters[name].kind}))
                    .collect();
                let mut answer = json!({ "Parameters": page });
                if names.next().is_some() {
                    answer["NextToken"] =
                        page.last().map_or(Value::Null, |last| last["Name"].clone());
                }
                Ok(answer)
            }
            "GetParameterHistory" => self.history(body),
            "PutParameter" => self.put_parameter(body),
            "ListTagsForResource" => Ok(json!({"TagList": []})),
            "AddTagsToResource" if self.parameters.contains_key(text(body, "ResourceId")) => {
                Ok(json!({}))
            }
            _ => Err(missing),
        }
    }

    fn history(&self, body: &Value) -> Result<Value, Fault> {
        let most = self.page(body, 50)?;
        let name = text(body, "Name");
        let parameter = self.parameters.get(name).ok_or(("ParameterNotFound", ""))?;
        let start: usize = text(body, "NextToken").parse().unwrap_or(0);
        let plain = parameter.kind != "SecureString" || body["WithDecryption"] == json!(true);
        let versions = parameter
            .values
            .iter()
            .zip(parameter.first..)
            .skip(start)
            .take(most);
        let page: Vec<_> = versions
            .map(|(value, number)| {
                let shown = if plain { value.clone() } else { format!("AQICAHh{}", hex(value.as_bytes())) };
                json!({"Name": name, "Type": parameter.kind, "KeyId": "alias/parameter_store_key", "Version": number, "Value": shown,
                    "LastModifiedDate": 1_760_000_000 + number, "Tier": "Advanced", "AllowedPattern": "^made-up"})
            })
            .collect();
        let mut answer = json!({ "Parameters": page });
        if start + most < parameter.values.len() {
            answer["NextToken"] = json!((start + most).to_string());
        }
        Ok(answer)
    }

    fn put_parameter(&mut self, body: &Value) -> Result<Value, Fault> {
        let name = text(body, "Name");
        let raced = self.race.take_if(|race| race == name);
        let parameter = self
            .parameters
            .get_mut(name)
            .ok_or(("ParameterNotFound", ""))?;
        if body["Overwrite"] != json!(true) {
            return Err(("ParameterAlreadyExists", ""));
        }
        if !text(body, "Value").starts_with("made-up") {
            return Err(("ParameterPatternMismatchException", ""));
        }
        if raced.is_some() {
            parameter.values.push("made-up-of-somebody-else".to_owned());
        }
        parameter.values.push(text(body, "Value").to_owned());
        parameter.written.push(body.clone());
        let newest = parameter.first + i64::try_from(parameter.values.len()).expect("few") - 1;
        Ok(json!({"Version": newest, "Tier": "Advanced"}))
    }

    fn query(&mut self, operation: &str, body: &Value, signer: &str) -> Result<Value, Fault> {
        let missing = ("NoSuchEntity", "");
        let id = text(body, "AccessKeyId").to_owned();
        match operation {
            "GetCallerIdentity" => {
                let own = format!(
                    "<Arn>arn:aws:iam::123456789012:user/{signer}</Arn><UserId>{signer}</UserId><Account>123456789012</Account>"
                );
                return Ok(json!(own));
            }
            "GetAccessKeyLastUsed" => return self.last_used(&id).map(Value::String),
            _ => {}
        }
        let fresh = self.key();
        let third = self.lies.third_key;
        let user = self.users.get_mut(text(body, "UserName")).ok_or(missing)?;
        match operation {
            "ListAccessKeys" => {
                let keys: String = user.keys.iter().map(|key| {
                    let status = if key.active { "Active" } else { "Inactive" };
                    format!("<member><AccessKeyId>{}</AccessKeyId><Status>{status}</Status></member>", key.id)
                }).collect();
                Ok(json!(format!(
                    "<AccessKeyMetadata>{keys}</AccessKeyMetadata><IsTruncated>false</IsTruncated>"
                )))
            }
            "CreateAccessKey" if user.keys.len() >= 2 && !third => Err((
                "LimitExceeded",
                "Cannot exceed quota for AccessKeysPerUser: 2",
            )),
            "CreateAccessKey" => {
                user.keys.push(fresh.clone());
                Ok(json!(format!(
                    "<AccessKey><UserName>u</UserName><AccessKeyId>{}</AccessKeyId><Status>Active</Status><SecretAccessKey>{}</SecretAccessKey></AccessKey>",
                    fresh.id, fresh.secret
                )))
            }
            "UpdateAccessKey" => {
                let key = user
                    .keys
                    .iter_mut()
                    .find(|key| key.id == id)
                    .ok_or(missing)?;
                key.active = text(body, "Status") == "Active";
                Ok(json!(""))
            }
            "DeleteAccessKey" => {
                let at = user
                    .keys
                    .iter()
                    .position(|key| key.id == id)
                    .ok_or(missing)?;
                user.keys.remove(at);
                Ok(json!(""))
            }
            _ => user.tagged(operation, body),
        }
    }

    fn last_used(&self, id: &str) -> Result<String, Fault> {
        let mut all = self
            .users
            .iter()
            .flat_map(|(name, user)| user.keys.iter().map(move |key| (name, key)));
        let (name, key) = all
            .find(|(_, key)| key.id == id)
            .ok_or(("NoSuchEntity", ""))?;
        let date = if key.used {
            "<LastUsedDate>2026-01-01T00:00:00Z</LastUsedDate>"
        } else {
            ""
        };
        Ok(format!(
            "<UserName>{name}</UserName><AccessKeyLastUsed>{date}<ServiceName>N/A</ServiceName><Region>N/A</Region></AccessKeyLastUsed>"
        ))
    }
}

impl User {
    fn tagged(&mut self, operation: &str, body: &Value) -> Result<Value, Fault> {
        match operation {
            "ListUserTags" => {
                let tags: String = self
                    .tags
                    .iter()
                    .map(|(key, value)| {
                        format!("<member><Key>{key}</Key><Value>{value}</Value></member>")
                    })
                    .collect();
                Ok(json!(format!(
                    "<Tags>{tags}</Tags><IsTruncated>false</IsTruncated>"
                )))
            }
            "TagUser" => {
                self.tags.insert(
                    text(body, "Tags.member.1.Key").to_owned(),
                    text(body, "Tags.member.1.Value").to_owned(),
                );
                Ok(json!(""))
            }
            "UntagUser" => {
                self.tags.remove(text(body, "TagKeys.member.1"));
                Ok(json!(""))
            }
            _ => Err(("InvalidAction", "")),
        }
    }
}

/// Moves AWSCURRENT, and AWSPREVIOUS after it.
/// The version that somebody else makes current when [`World::race`] says so.
pub(crate) const OTHER_HAND: &str = "00000000-1111-1111-1111-000000000000";

fn make_current(held: &mut Held, to: &str) {
    let from = held
        .versions
        .iter()
        .find(|version| version.stages.contains("AWSCURRENT"))
        .map(|version| version.id.clone());
    for version in &mut held.versions {
        version.stages.remove("AWSCURRENT");
        version.stages.remove("AWSPREVIOUS");
        if Some(&version.id) == from.as_ref() {
            version.stages.insert("AWSPREVIOUS".to_owned());
        }
        if version.id == to {
            version.stages.insert("AWSCURRENT".to_owned());
        }
    }
}

fn text<'b>(body: &'b Value, name: &str) -> &'b str {
    body[name].as_str().unwrap_or_default()
}

fn form(body: &str) -> Map<String, Value> {
    let decode = |text: &str| {
        let mut out = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'+' => out.push(b' '),
                b'%' => {
                    let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                    out.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
                }
                _ => out.push(byte),
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    };
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (decode(name), json!(decode(value))))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
