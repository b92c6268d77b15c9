//! CI/CD variables of GitLab as sinks, on a strict fake: it takes what GitLab's documentation ("Project-level CI/CD variables API") says is
//! taken, keeps what is not said, and answers 409 where several variables of one key are meant.

use std::sync::{Arc, Mutex};

use keysweep::{
    model::Secret,
    stores::{
        Fault,
        sink::{Arrival, Sink},
    },
};
use serde_json::{Value, json};

use super::{
    servers::{Asked, Fake, Reply},
    sinks_github::{TOKEN, open_sink},
};

const CANARY: &str = "made-up-canary-value";
const AT: &str = "/api/v4/projects/acme%2Fapp/variables/DB";

type Variables = Arc<Mutex<Vec<Value>>>;

fn variable(scope: &str, more: &Value) -> Value {
    let mut variable = json!({
        "key": "DB", "value": "made-up-old", "variable_type": "env_var", "protected": false, "masked": false,
        "hidden": false, "raw": false, "environment_scope": scope, "description": null,
    });
    let members = variable.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    variable
}

/// What GitLab tells of a variable: a hidden one has no value.
fn told(variable: &Value) -> String {
    let mut told = variable.clone();
    if told["hidden"] == true {
        told["value"] = Value::Null;
    }
    told.to_string()
}

fn change(variable: &mut Value, body: &str) -> Reply {
    let bad = |what: &str| Reply::Json(400, json!({"message": what}).to_string());
    let Ok(Value::Object(body)) = serde_json::from_str::<Value>(body) else {
        return bad("no object");
    };
    let mut new = variable.clone();
    for (name, value) in body {
        if !["value", "variable_type", "protected", "masked", "raw"].contains(&name.as_str()) {
            return bad("a member that there is none of");
        }
        if name == "masked" && variable["hidden"] == true {
            return bad("the masking of a hidden variable cannot be changed");
        }
        new[name.as_str()] = value;
    }
    let value = new["value"].as_str().unwrap_or_default();
    if new["masked"] == true && (value.len() < 8 || value.contains(char::is_whitespace)) {
        return bad("value is invalid");
    }
    *variable = new;
    Reply::Json(200, told(variable))
}

fn answer(variables: &mut [Value], asked: &Asked, scopes: &str) -> Reply {
    let token = asked
        .headers
        .iter()
        .find(|(name, _)| name == "private-token");
    if token.is_none_or(|(_, token)| token != TOKEN) {
        return Reply::Json(401, "{}".into());
    }
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    if path == "/api/v4/personal_access_tokens/self" {
        return Reply::Json(200, json!({"id": 1, "scopes": [scopes]}).to_string());
    }
    if path != AT {
        return Reply::Json(404, "{}".into());
    }
    let scope = query.strip_prefix("filter%5Benvironment_scope%5D=");
    let scope = scope.map(|scope| scope.replace("%2A", "*").replace("%2F", "/"));
    let mut meant = variables.iter_mut().filter(|own| {
        scope
            .as_deref()
            .is_none_or(|s| own["environment_scope"] == s)
    });
    let (Some(variable), None) = (meant.next(), meant.next()) else {
        let status = if scope.is_some() { 404 } else { 409 };
        return Reply::Json(status, "{}".into());
    };
    match asked.method.as_str() {
        "GET" => Reply::Json(200, told(variable)),
        "PUT" => change(variable, &asked.body),
        _ => Reply::Json(405, "{}".into()),
    }
}

fn serve(variables: &Variables, scopes: &'static str) -> Fake {
    let variables = Arc::clone(variables);
    Fake::start(move |asked| answer(&mut variables.lock().unwrap(), asked, scopes))
}

fn gitlab(fake: &Fake, lines: &str) -> Box<dyn Sink> {
    let address = &fake.address;
    open_sink(&format!(
        "kind = \"gitlab\"\naddress = \"{address}\"\nproject = \"acme/app\"\nvariable = \"DB\"\ntoken-variable = \"MADE_UP_TOKEN\"\n{lines}"
    ))
    .expect("it opens")
}

fn value() -> Secret {
    Secret::new(CANARY.as_bytes())
}

#[test]
fn only_the_variable_of_the_scope_changes_and_stays_as_it_is_otherwise() {
    let more = json!({"protected": true, "masked": true, "raw": true, "variable_type": "file"});
    let variables: Variables = Arc::new(Mutex::new(vec![
        variable("*", &json!({})),
        variable("review/*", &more),
    ]));
    let fake = serve(&variables, "api");
    let sink = gitlab(&fake, "environment-scope = \"review/*\"");
    assert!(sink.address().ends_with("/projects/acme/app/DB (review/*)"));
    sink.describe().expect("it is there");
    assert_eq!(sink.confirm(&value(), "t"), Ok(Arrival::Missing));
    sink.put(&value(), "t").expect("replaced");
    assert_eq!(sink.confirm(&value(), "t"), Ok(Arrival::There));
    let mut expected = variable("review/*", &more);
    expected["value"] = json!(CANARY);
    let now = variables.lock().unwrap().clone();
    assert_eq!(now, [variable("*", &json!({})), expected]);
}

#[test]
fn a_hidden_variable_is_replaced_unseen() {
    let hidden = json!({"hidden": true, "masked": true});
    let variables: Variables = Arc::new(Mutex::new(vec![variable("*", &hidden)]));
    let fake = serve(&variables, "api");
    let sink = gitlab(&fake, "");
    sink.describe().expect("it is there");
    sink.put(&value(), "t").expect("replaced");
    assert_eq!(sink.confirm(&value(), "t"), Ok(Arrival::Untold));
    let now = variables.lock().unwrap()[0].clone();
    assert_eq!(
        (&now["value"], &now["hidden"]),
        (&json!(CANARY), &json!(true))
    );
    assert_eq!(now["masked"], true);
}

#[test]
fn what_would_fail_is_found_before() {
    let variables: Variables = Arc::new(Mutex::new(vec![variable("prod", &json!({}))]));
    let fake = serve(&variables, "api");
    let error = gitlab(&fake, "").describe().expect_err("another scope");
    assert_eq!(error.fault, Fault::NotFound);
    let fake = serve(&variables, "read_api");
    let sink = gitlab(&fake, "environment-scope = \"prod\"");
    let error = sink.describe().expect_err("a token that reads");
    assert_eq!(error.fault, Fault::Denied, "{error}");
    // A server that knows no filter answers with another variable.
    let other = told(&variable("dev", &json!({})));
    let fake = Fake::start(move |_| Reply::Json(200, other.clone()));
    let sink = gitlab(&fake, "environment-scope = \"prod\"");
    assert_eq!(sink.describe().expect_err("dev").fault, Fault::NotFound);
    assert_eq!(
        sink.put(&value(), "t").expect_err("dev").fault,
        Fault::NotFound
    );
    assert!(fake.asked().iter().all(|asked| asked.method == "GET"));
}

#[test]
fn a_value_that_gitlab_does_not_take_is_rejected_and_not_quoted() {
    let masked = json!({"masked": true});
    let variables: Variables = Arc::new(Mutex::new(vec![variable("*", &masked)]));
    let fake = serve(&variables, "api");
    let sink = gitlab(&fake, "");
    let spaced = Secret::new(b"made up canary value");
    let error = sink.put(&spaced, "t").expect_err("it has spaces");
    assert_eq!(error.fault, Fault::Rejected);
    assert!(!format!("{error:?}").contains("canary"));
    let error = sink
        .put(&Secret::new(&[0xff, 0xfe]), "t")
        .expect_err("no text");
    assert_eq!(error.fault, Fault::Rejected);
    assert_eq!(variables.lock().unwrap()[0]["value"], "made-up-old");
    let variables = Arc::clone(&variables);
    let fake = Fake::start(move |asked| match asked.method.as_str() {
        "PUT" => Reply::Nothing,
        _ => answer(&mut variables.lock().unwrap(), asked, "api"),
    });
    let error = gitlab(&fake, "").put(&value(), "t").expect_err("no answer");
    assert_eq!(error.fault, Fault::Unknown);
}

#[test]
fn a_groups_variable_has_its_own_address() {
    let own = told(&variable("*", &json!({})));
    let fake = Fake::start(move |asked| {
        assert!(
            asked
                .path
                .starts_with("/api/v4/groups/acme%2Fops/variables/DB?")
                || asked.path.ends_with("/self")
        );
        Reply::Json(200, own.clone())
    });
    let address = &fake.address;
    let sink = open_sink(&format!(
        "kind = \"gitlab\"\naddress = \"{address}\"\ngroup = \"acme/ops\"\nvariable = \"DB\"\ntoken-variable = \"MADE_UP_TOKEN\""
    ));
    let sink = sink.expect("it opens");
    assert!(sink.address().contains("/groups/acme/ops/DB"));
    assert_eq!(
        sink.confirm(&Secret::new(b"made-up-old"), "t"),
        Ok(Arrival::There)
    );
}
