//! HCL: values of variables, defaults, attributes of resources, maps with one key an environment, addresses that data sources read.

use super::{
    super::{
        super::{
            environment::{self, Evidence, Labels},
            node::Scalar,
            readers::hcl::{Attribute, Block, Body, Expr, ExprKind, Item},
            values::Store,
        },
        Address,
    },
    Collector, Place,
};

/// Data sources and the attribute that says what they read.
const SOURCES: [(&str, &str, Store); 10] = [
    ("aws_ssm_parameter", "name", Store::AwsSsm),
    (
        "aws_secretsmanager_secret",
        "name",
        Store::AwsSecretsManager,
    ),
    (
        "aws_secretsmanager_secret_version",
        "secret_id",
        Store::AwsSecretsManager,
    ),
    ("vault_generic_secret", "path", Store::Vault),
    ("vault_kv_secret", "path", Store::Vault),
    ("vault_kv_secret_v2", "name", Store::Vault),
    (
        "google_secret_manager_secret_version",
        "secret",
        Store::GcpSecretManager,
    ),
    ("azurerm_key_vault_secret", "name", Store::AzureKeyVault),
    ("onepassword_item", "title", Store::OnePassword),
    ("doppler_secrets", "config", Store::Other),
];

impl Collector<'_, '_, '_> {
    /// A file, or what stands between braces.
    pub(super) fn body(&mut self, body: &Body) {
        for attribute in &body.attributes {
            self.attribute(attribute);
        }
        for block in &body.blocks {
            self.block(block);
        }
    }

    fn block(&mut self, block: &Block) {
        // A variable's default is the value of its name, as in files of values.
        if let ("variable", [name], Some(default)) = (
            block.kind.as_str(),
            block.labels.as_slice(),
            block.body.get("default"),
        ) {
            self.push(name);
            self.expression(&default.value, &Place::default());
            self.keys.pop();
            return;
        }
        if block.kind == "data" {
            self.source(block);
        }
        self.push(&block.address());
        self.body(&block.body);
        self.keys.pop();
    }

    /// What a data source reads from a store.
    fn source(&mut self, block: &Block) {
        let found = SOURCES.iter().find(|(kind, ..)| *kind == block.label(0));
        let Some((_, name, store)) = found else {
            return;
        };
        let Some(scalar) = block
            .body
            .get(name)
            .and_then(|attribute| attribute.value.text())
        else {
            return;
        };
        let place = Place::default();
        self.push(&block.address());
        let address = Address::plain(*store, &scalar.text);
        self.reference(address, &scalar.text, &|part| scalar.source(part), &place);
        self.keys.pop();
    }

    fn attribute(&mut self, attribute: &Attribute) {
        self.push(&attribute.key);
        self.expression(&attribute.value, &Place::default());
        self.keys.pop();
    }

    fn expression(&mut self, expression: &Expr, place: &Place) {
        match &expression.kind {
            ExprKind::Text(scalar) => self.text(scalar, place),
            ExprKind::Template(_) => {
                // An interpolation ends in what cannot be compared, but the key is set.
                if let Some(scalar) = expression.filled(&mut |_| "${x}".to_owned()) {
                    self.text(&scalar, place);
                }
            }
            ExprKind::Object(items) => self.object_of(items, place),
            ExprKind::List(elements) => {
                self.push("[]");
                for element in elements {
                    self.expression(element, place);
                }
                self.keys.pop();
            }
            ExprKind::Conditional(three) => self.conditional(three, place),
            ExprKind::Call(_, arguments) => {
                for argument in arguments {
                    self.expression(argument, place);
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, scalar: &Scalar, place: &Place) {
        self.value(&scalar.text, &|part| scalar.source(part), place, false);
    }

    fn object_of(&mut self, items: &[Item], place: &Place) {
        let keys = || items.iter().filter_map(|item| item.key.as_deref());
        let stages = self.stages(keys());
        for item in items {
            let key = item.key.as_deref().unwrap_or("[]");
            let mut inner = place.clone();
            if stages && let Some(environment) = environment::of_word(key) {
                inner.declared = Labels::new([environment], Evidence::Document);
            }
            self.push(key);
            self.expression(&item.value, &inner);
            self.keys.pop();
        }
    }

    /// `terraform.workspace == "prod" ? a : b`: the first arm is for the environment, the second for the others.
    fn conditional(&mut self, three: &[Expr; 3], place: &Place) {
        let [condition, yes, no] = three;
        let mut inner = place.clone();
        if let ExprKind::Operation(sides) = &condition.kind
            && self
                .document
                .text
                .get(condition.span.clone())
                .is_some_and(|text| text.contains("=="))
        {
            let is_workspace = |side: &Expr| matches!(&side.kind, ExprKind::Reference(names) if names.iter().any(|name| matches!(name.as_str(), "workspace" | "environment" | "env" | "stage")));
            let named = sides
                .iter()
                .find_map(Expr::text)
                .filter(|_| sides.iter().any(is_workspace));
            if let Some(environment) = named.and_then(|scalar| environment::of_word(&scalar.text)) {
                inner.declared = Labels::new([environment], Evidence::Document);
            }
        }
        self.expression(yes, &inner);
        self.expression(no, place);
    }
}
