//! `cfn-plaintext-secret`: a literal in what a stack is made of.

use std::collections::BTreeSet;

use super::{
    super::{
        super::{
            FileKind, FixClass, Persona,
            fault::Fault,
            lint::{Context, Document, Lint, LintMeta},
            names,
            node::{Entry, Node},
        },
        literal::{self, Literal, Names},
    },
    section, templates,
};
use crate::model::{Confidence, Severity};

/// See the head of this file.
pub(super) struct Plaintext;

const META: LintMeta = LintMeta {
    id: "cfn-plaintext-secret",
    title: "A stack template holds a literal secret",
    tool: "CloudFormation, SAM, CDK and ARM",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management cheat sheet, section 5 (detection in code)",
        "OWASP Non-Human Identities Top 10 2025, NHI2 Secret Leakage",
        "AWS, CloudFormation user guide: Use dynamic references to specify template values",
        "Microsoft, Azure Resource Manager: Secure parameters in templates",
    ],
    cwe: 798,
    fix: FixClass::None,
    why: "The value is in the repository, and in the template that everybody who may describe the stack can fetch.",
    help: "Use a dynamic reference (`{{resolve:secretsmanager:...}}`) or let the service keep the password (`ManageMasterUserPassword: true`). In ARM and Bicep take it from Key Vault by a secure parameter. Rotate what was committed.",
    bad: &[
        &[(
            "template.yaml",
            "Resources:\n  Db:\n    Type: AWS::RDS::DBInstance\n    Properties:\n      MasterUsername: app\n      MasterUserPassword: hunter2-Zq81\n",
        )],
        &[(
            "template.yaml",
            "Transform: AWS::Serverless-2016-10-31\nResources:\n  Fn:\n    Type: AWS::Serverless::Function\n    Properties:\n      Environment:\n        Variables:\n          DB_PASSWORD: hunter2-Zq81\n",
        )],
        &[(
            "cdk.out/app.template.json",
            "{\"Resources\": {\"B\": {\"Type\": \"AWS::CodeBuild::Project\", \"Properties\": {\"Environment\": {\"EnvironmentVariables\": [{\"Name\": \"API_TOKEN\", \"Type\": \"PLAINTEXT\", \"Value\": \"hunter2-Zq81\"}]}}}}}",
        )],
        &[(
            "template.yaml",
            "Resources:\n  S:\n    Type: AWS::SecretsManager::Secret\n    Properties:\n      SecretString: '{\"username\": \"app\", \"password\": \"hunter2-Zq81\"}'\n",
        )],
        &[(
            "azuredeploy.json",
            "{\"$schema\": \"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#\", \"resources\": [{\"type\": \"Microsoft.Sql/servers\", \"properties\": {\"administratorLogin\": \"app\", \"administratorLoginPassword\": \"hunter2-Zq81\"}}]}",
        )],
        &[(
            "azuredeploy.json",
            "{\"$schema\": \"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#\", \"parameters\": {\"adminPassword\": {\"type\": \"string\"}}}",
        )],
        &[(
            "prod.parameters.json",
            "{\"$schema\": \"https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#\", \"parameters\": {\"adminPassword\": {\"value\": \"hunter2-Zq81\"}}}",
        )],
    ],
    good: &[
        &[(
            "template.yaml",
            "Resources:\n  Db:\n    Type: AWS::RDS::DBInstance\n    Properties:\n      MasterUsername: app\n      MasterUserPassword: '{{resolve:secretsmanager:prod/db:SecretString:password}}'\n  Fn:\n    Type: AWS::Lambda::Function\n    Properties:\n      Environment:\n        Variables:\n          DB_PASSWORD_ARN: !Ref Secret\n          DB_PASSWORD: !Sub '{{resolve:secretsmanager:${Secret}}}'\n",
        )],
        // The store makes the secret itself.
        &[(
            "template.yaml",
            "Resources:\n  S:\n    Type: AWS::SecretsManager::Secret\n    Properties:\n      Name: prod/db\n      GenerateSecretString:\n        SecretStringTemplate: '{\"username\": \"app\"}'\n        GenerateStringKey: password\n        PasswordLength: 32\n        ExcludeCharacters: '\"@/'\n",
        )],
        &[(
            "template.yaml",
            "Resources:\n  B:\n    Type: AWS::CodeBuild::Project\n    Properties:\n      Environment:\n        EnvironmentVariables:\n          - {Name: API_TOKEN, Type: SECRETS_MANAGER, Value: 'prod/Api1:token'}\n  Pool:\n    Type: AWS::Cognito::UserPool\n    Properties:\n      Policies:\n        PasswordPolicy: {MinimumLength: 12, RequireNumbers: true}\n",
        )],
        &[(
            "azuredeploy.json",
            "{\"$schema\": \"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#\", \"parameters\": {\"solutionUniqueToken\": {\"type\": \"string\"}, \"adminPassword\": {\"type\": \"securestring\"}}, \"resources\": [{\"type\": \"Microsoft.Sql/servers\", \"properties\": {\"administratorLoginPassword\": \"[parameters('adminPassword')]\"}}]}",
        )],
        &[(
            "prod.parameters.json",
            "{\"$schema\": \"https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#\", \"parameters\": {\"adminPassword\": {\"reference\": {\"keyVault\": {\"id\": \"/subscriptions/x/v\"}, \"secretName\": \"db\"}}}}",
        )],
    ],
};

impl Lint for Plaintext {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        literal::parted(context, |context| all(document, context));
    }
}

fn all(document: &Document<'_>, context: &mut Context<'_>) {
    for template in templates(document) {
        for entry in section(template, "Resources") {
            let addresses = addresses(&entry.value);
            let names = Names {
                name: "",
                owner: None,
                path: Names::root(&entry.key).path,
            };
            for part in ["Properties", "Metadata"] {
                let Some(node) = entry.value.get(part) else {
                    continue;
                };
                literal::each(&names.below(part), node, None, &mut |it| {
                    if !addresses.contains(&it.span.start) {
                        tell(&it, document, context);
                    }
                });
            }
        }
        for part in ["Globals", "Mappings"] {
            for entry in section(template, part) {
                literal::each(&Names::root(&entry.key), &entry.value, None, &mut |it| {
                    tell(&it, document, context);
                });
            }
        }
    }
    if document.kind == FileKind::Arm {
        for tree in document.trees() {
            arm(tree, document, context);
        }
    }
}

fn tell(it: &Literal, document: &Document<'_>, context: &mut Context<'_>) {
    let Some(severity) = it.judge(document.path, META.severity) else {
        return;
    };
    let message = format!("`{}` is a literal secret", it.path);
    let fault = Fault::new(&META, it.span.clone(), it.path.clone(), message);
    context.tell(fault.severity(severity).secret(it.span.clone()));
}

/// Returns where values of CodeBuild's environment begin that are the address of the secret: their type says so.
fn addresses(resource: &Node) -> BTreeSet<usize> {
    let variables = resource.at(&["Properties", "Environment", "EnvironmentVariables"]);
    let variables = variables.map_or(&[][..], Node::items).iter();
    let addresses = variables.filter(|variable| {
        let kind = variable.text_at(&["Type"]);
        matches!(kind, Some("SECRETS_MANAGER" | "PARAMETER_STORE"))
    });
    let values = addresses.filter_map(|variable| variable.get("Value")?.scalar());
    values
        .map(|value| value.source(0..value.text.len()).start)
        .collect()
}

/// Templates and parameter files of Azure.
fn arm(tree: &Node, document: &Document<'_>, context: &mut Context<'_>) {
    for entry in section(tree, "parameters") {
        arm_parameter(entry, document, context);
    }
    for part in ["variables", "resources"] {
        if let Some(node) = tree.get(part) {
            literal::each(&Names::root(part), node, None, &mut |it| {
                tell(&it, document, context)
            });
        }
    }
}

fn arm_parameter(entry: &Entry, document: &Document<'_>, context: &mut Context<'_>) {
    let value = entry
        .value
        .entry("value")
        .or_else(|| entry.value.entry("defaultValue"));
    let before = context.faults.len();
    if let Some(value) = value {
        let names = Names::root(&entry.key);
        literal::each(&names, &value.value, None, &mut |it| {
            tell(&it, document, context)
        });
    }
    let is_text = |kind: &str| kind.eq_ignore_ascii_case("string");
    let Some(kind) = entry
        .value
        .get("type")
        .filter(|kind| kind.text().is_some_and(is_text))
    else {
        return;
    };
    // Tokens that only make names unique, and the address of a telemetry endpoint.
    let is_public = ["unique", "creation", "resource", "insights"]
        .iter()
        .any(|word| names::words(&entry.key).iter().any(|it| it == word));
    let is_choice = entry.value.get("allowedValues").is_some();
    let is_told = context.faults.len() > before || is_choice || is_public;
    if !is_told && literal::is_secret(&entry.key) {
        let message = format!(
            "the parameter `{}` is shown in deployments: its type is not `securestring`",
            entry.key
        );
        let subject = format!("parameters.{}", entry.key);
        let fault = Fault::new(&META, kind.span.clone(), subject, message);
        let severity = literal::eased(Severity::Medium, document.path);
        context.tell(fault.severity(severity).confidence(Confidence::Medium));
    }
}
