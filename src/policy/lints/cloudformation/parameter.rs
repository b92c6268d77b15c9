//! `cfn-secret-parameter-exposed`: a secret parameter that is shown, has a default, or comes out again.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    super::{
        super::{
            Edit, Fix, FixClass, Persona,
            fault::Fault,
            lint::{Context, Document, Lint, LintMeta},
            node::{Entry, Node},
            values::{self, Value},
        },
        literal,
    },
    references, section, templates,
};
use crate::model::{Confidence, Severity};

/// See the head of this file.
pub(super) struct Parameter;

const META: LintMeta = LintMeta {
    id: "cfn-secret-parameter-exposed",
    title: "A secret parameter is shown, has a default, or is put into outputs, metadata or user data",
    tool: "CloudFormation",
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management cheat sheet, section 5 (detection in code)",
        "AWS, CloudFormation user guide: Parameters, NoEcho",
        "AWS, CloudFormation user guide: Security best practices, do not embed credentials",
    ],
    cwe: 200,
    fix: FixClass::Safe,
    why: "Without `NoEcho` everybody who may describe the stack reads the value. A default is in the repository. Outputs, metadata and user data show the value even with `NoEcho`.",
    help: "Use a dynamic reference (`{{resolve:secretsmanager:...}}`) where the value is needed and drop the parameter. Otherwise set `NoEcho: true`, give no default, and let machines fetch the secret themselves.",
    bad: &[
        &[(
            "template.yaml",
            "AWSTemplateFormatVersion: '2010-09-09'\nOutputs:\n  Key:\n    Value: !GetAtt AccessKey.SecretAccessKey\n",
        )],
        &[(
            "stack.json",
            "{\"AWSTemplateFormatVersion\": \"2010-09-09\", \"Outputs\": {\"Key\": {\"Value\": {\"Fn::GetAtt\": [\"AccessKey\", \"SecretAccessKey\"]}}}}",
        )],
        &[(
            "template.yaml",
            "AWSTemplateFormatVersion: '2010-09-09'\nParameters:\n  DbPassword:\n    Type: String\nResources: {}\n",
        )],
        &[(
            "template.yaml",
            "AWSTemplateFormatVersion: '2010-09-09'\nParameters:\n  DbPassword:\n    Type: String\n    NoEcho: true\n    Default: hunter2-Zq81\n",
        )],
        &[(
            "stack.json",
            "{\"AWSTemplateFormatVersion\": \"2010-09-09\", \"Parameters\": {\"DbPassword\": {\"Type\": \"String\"}}}",
        )],
        &[(
            "template.yaml",
            "AWSTemplateFormatVersion: '2010-09-09'\nParameters:\n  DbPassword: {Type: String, NoEcho: true}\nOutputs:\n  Url:\n    Value: !Sub 'postgres://app:${DbPassword}@db/app'\n",
        )],
        &[(
            "template.yaml",
            "AWSTemplateFormatVersion: '2010-09-09'\nParameters:\n  DbPassword: {Type: String, NoEcho: true}\nResources:\n  Web:\n    Type: AWS::EC2::Instance\n    Properties:\n      UserData:\n        Fn::Base64: !Sub |\n          #!/bin/bash\n          /opt/app --password ${DbPassword}\n",
        )],
    ],
    good: &[
        &[(
            "template.yaml",
            "AWSTemplateFormatVersion: '2010-09-09'\nOutputs:\n  Key:\n    Value: !Ref AccessKey\n  Endpoint:\n    Value: !GetAtt Db.Endpoint.Address\n",
        )],
        &[(
            "template.yaml",
            "AWSTemplateFormatVersion: '2010-09-09'\nParameters:\n  DbPassword:\n    Type: String\n    NoEcho: true\nResources:\n  Db:\n    Type: AWS::RDS::DBInstance\n    Properties:\n      MasterUserPassword: !Ref DbPassword\n",
        )],
        // Addresses of secrets, and switches.
        &[(
            "template.yaml",
            "AWSTemplateFormatVersion: '2010-09-09'\nParameters:\n  DbPasswordArn:\n    Type: String\n  DbPasswordFromStore:\n    Type: AWS::SSM::Parameter::Value<String>\n    Default: /prod/db\n  RotateToken:\n    Type: String\n    AllowedValues: ['true', 'false']\n    Default: 'true'\n  KmsKey:\n    Type: String\nOutputs:\n  Secret:\n    Value: !Ref DbPasswordArn\n",
        )],
        &[(
            "template.yaml",
            "AWSTemplateFormatVersion: '2010-09-09'\nParameters:\n  DbPassword:\n    Type: String\n    NoEcho: 'true'\n    Default: '{{resolve:secretsmanager:prod/db:SecretString:password}}'\n",
        )],
    ],
};

impl Lint for Parameter {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        for template in templates(document) {
            let mut secret: BTreeSet<&str> = BTreeSet::new();
            for entry in section(template, "Parameters") {
                if is_secret(entry) {
                    secret.insert(&entry.key);
                    if let Some(fault) = parameter(entry, document) {
                        context.tell(fault);
                    }
                }
            }
            shown(template, &secret, document, context);
        }
    }
}

/// Tells whether a parameter takes a secret.
fn is_secret(entry: &Entry) -> bool {
    let is_text = entry
        .value
        .text_at(&["Type"])
        .is_none_or(|kind| kind == "String");
    let choices = entry
        .value
        .get("AllowedValues")
        .map_or(&[][..], Node::items);
    let is_switch = !choices.is_empty()
        && choices.iter().all(|choice| {
            choice
                .text()
                .is_some_and(|text| matches!(values::classify(text), Value::Plain | Value::Empty))
        });
    let description = entry.value.text_at(&["Description"]).unwrap_or_default();
    let description = description.to_ascii_lowercase();
    let is_about = [
        "arn ", "arn of", "name of", "path of", "path to", "id of", "whether",
    ]
    .iter()
    .any(|words| description.contains(words));
    let is_bare = matches!(entry.key.as_str(), "Secret" | "Secrets" | "Credentials");
    is_text && !is_switch && !is_about && !is_bare && literal::is_secret(&entry.key)
}

fn parameter(entry: &Entry, document: &Document<'_>) -> Option<Fault> {
    let name = &entry.key;
    let echo = entry.value.entry("NoEcho");
    let is_shown = !echo.is_some_and(|it| {
        it.value
            .text()
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
    });
    let subject = format!("Parameters.{name}");
    let default = entry
        .value
        .get("Default")
        .and_then(Node::scalar)
        .and_then(|default| {
            let severity = literal::judge_in(document.path, name, &default.text, Severity::High)?;
            Some((default.source(0..default.text.len()), severity))
        });
    let medium = literal::eased(META.severity, document.path);
    let fault = match default {
        Some((span, severity)) if !is_shown || severity >= medium => {
            let message = format!("the parameter `{name}` has a literal secret as its default");
            Fault::new(&META, span.clone(), subject, message)
                .severity(severity)
                .secret(span)
        }
        _ if is_shown => {
            let message = format!("the parameter `{name}` is shown: it lacks `NoEcho: true`");
            Fault::new(&META, entry.key_span.clone(), subject, message).severity(medium)
        }
        _ => return None,
    };
    if !is_shown {
        return Some(fault);
    }
    let edit = match echo {
        Some(echo) if echo.value.scalar().is_some() => {
            let is_quoted = document
                .text
                .get(echo.value.span.start..)
                .unwrap_or_default();
            let is_quoted = is_quoted.starts_with(['"', '\'']);
            let text = if is_quoted { "\"true\"" } else { "true" };
            Some(Edit::replace(echo.value.span.clone(), text))
        }
        Some(_) => None,
        None => insertion(&entry.value, document.text),
    };
    let Some(edit) = edit else {
        return Some(fault);
    };
    Some(fault.fix(Fix {
        class: FixClass::Safe,
        title: "hide the parameter with NoEcho".to_owned(),
        edits: vec![edit],
    }))
}

/// Adds `NoEcho` as the first entry of a parameter, as its file is written.
fn insertion(parameter: &Node, text: &str) -> Option<Edit> {
    if parameter.alias.is_some() {
        return None;
    }
    let first = parameter.entries().first()?.key_span.start;
    let is_flow = text.get(parameter.span.start..)?.starts_with('{');
    let added = if text.get(first..)?.starts_with('"') {
        "\"NoEcho\": true, ".to_owned()
    } else if is_flow {
        "NoEcho: true, ".to_owned()
    } else {
        let line = literal::before(text, first).filter(|line| line.trim().is_empty())?;
        format!("NoEcho: true{}{line}", literal::newline(text, first))
    };
    Some(Edit::replace(first..first, added))
}

/// Attributes of resources that are secrets.
const ATTRIBUTES: [&str; 2] = [".SecretAccessKey", ".ClientSecret"];

/// Tells where a secret comes out again.
fn shown(
    template: &Node,
    secret: &BTreeSet<&str>,
    document: &Document<'_>,
    context: &mut Context<'_>,
) {
    let mut tell = |node: &Node, place: &str, subject: &str| {
        let mut found: BTreeMap<String, Range<usize>> = BTreeMap::new();
        references(node, &mut |name, span| {
            let is_attribute = ATTRIBUTES.iter().any(|attribute| name.ends_with(attribute));
            if is_attribute || secret.contains(name) {
                found.entry(name.to_owned()).or_insert(span);
            }
        });
        for (name, span) in found {
            let message = format!("the secret `{name}` can be read in {place}");
            let fault = Fault::new(&META, span, format!("{subject}.{name}"), message);
            context.tell(fault.severity(literal::eased(META.severity, document.path)));
        }
    };
    for output in section(template, "Outputs") {
        if let Some(value) = output.value.get("Value") {
            tell(
                value,
                "the outputs",
                &format!("Outputs.{}", literal::clip(&output.key)),
            );
        }
    }
    if let Some(metadata) = template.get("Metadata") {
        tell(metadata, "the metadata", "Metadata");
    }
    for resource in section(template, "Resources") {
        if let Some(metadata) = resource.value.get("Metadata") {
            let subject = format!("Resources.{}.Metadata", literal::clip(&resource.key));
            tell(metadata, "the metadata", &subject);
        }
        for path in [
            &["Properties", "UserData"][..],
            &["Properties", "LaunchTemplateData", "UserData"],
        ] {
            if let Some(data) = resource.value.at(path) {
                let subject = format!("Resources.{}.UserData", literal::clip(&resource.key));
                tell(data, "user data", &subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{BlobPath, DigestKey},
        policy::{environment::Environments, read, wants},
    };

    fn faults(path: &str, text: &str) -> Vec<Fault> {
        let path = BlobPath::from(path);
        let key = DigestKey::new([7; 32]);
        let kind = wants(&path).unwrap();
        let reading = read(&path, kind, text.as_bytes(), &key, &Environments::default());
        assert_eq!(reading.note, None, "{text}");
        let faults = reading.faults.into_iter();
        faults.filter(|fault| fault.lint.id == META.id).collect()
    }

    #[test]
    fn the_fix_hides_the_parameter_in_every_form() {
        for (path, text) in [
            (
                "a.yaml",
                "AWSTemplateFormatVersion: '2010-09-09'\nParameters:\n  DbPassword: # note\n    Type: String\n    MinLength: 8\n",
            ),
            (
                "a.yaml",
                "AWSTemplateFormatVersion: '2010-09-09'\r\nParameters:\r\n  DbPassword:\r\n    Type: String\r\n",
            ),
            (
                "a.yaml",
                "AWSTemplateFormatVersion: '2010-09-09'\nParameters:\n  DbPassword: {Type: String}\n",
            ),
            (
                "a.yaml",
                "AWSTemplateFormatVersion: '2010-09-09'\nParameters:\n  DbPassword:\n    Type: String\n    NoEcho: false\n",
            ),
            (
                "a.json",
                "{\"AWSTemplateFormatVersion\": \"2010-09-09\", \"Parameters\": {\"DbPassword\": {\n  \"Type\": \"String\"}}}",
            ),
            (
                "a.json",
                "{\"AWSTemplateFormatVersion\": \"2010-09-09\", \"Parameters\": {\"DbPassword\": {\"NoEcho\": \"false\"}}}",
            ),
        ] {
            let found = faults(path, text);
            assert_eq!(found.len(), 1, "{text}");
            let fix = found[0].fix.clone().unwrap();
            let mut fixed = text.to_owned();
            for edit in fix.edits.iter().rev() {
                fixed.replace_range(edit.span.clone(), &edit.text);
            }
            assert_ne!(fixed, text);
            assert!(faults(path, &fixed).is_empty(), "{fixed}");
        }
    }
}
