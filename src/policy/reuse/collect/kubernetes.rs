//! Objects of Kubernetes: their environment, their workload, what secrets and annotations hold.

use super::{
    super::{
        super::{environment::Labels, node::Node, values::Store},
        Address,
    },
    Collector, Place,
};

impl Collector<'_, '_, '_> {
    /// An object of Kubernetes.
    pub(super) fn object(&mut self, tree: &Node) {
        let kind = tree.text_at(&["kind"]).unwrap_or_default();
        let name = tree.text_at(&["metadata", "name"]).unwrap_or_default();
        if kind == "List" {
            for item in tree.get("items").map(Node::items).unwrap_or_default() {
                self.object(item);
            }
            return;
        }
        let place = Place {
            declared: self.of_object(tree),
            service: service_of(tree, kind, name),
            ..Place::default()
        };
        if kind == "Secret" {
            self.push(&format!("Secret/{name}"));
            for (part, is_encoded) in [("data", true), ("stringData", false)] {
                let place = Place {
                    is_encoded,
                    is_secret: true,
                    ..place.clone()
                };
                if let Some(node) = tree.get(part) {
                    self.node(node, &place);
                }
            }
        } else {
            let object = if kind.is_empty() {
                "Kustomization".to_owned()
            } else {
                format!("{kind}/{name}")
            };
            self.push(&object);
            self.injected(tree, &place);
            let sealed = tree.at(&["spec", "encryptedData"]);
            if let Some(data) = sealed.filter(|_| kind == "SealedSecret") {
                let place = Place {
                    is_secret: true,
                    ..place
                };
                self.node(data, &place);
            } else {
                self.node(tree, &place);
            }
        }
        self.keys.pop();
    }

    fn of_object(&self, tree: &Node) -> Labels {
        let of = |text: &str| self.context.environments.of_declared(text);
        let texts = [
            &["metadata", "namespace"][..],
            &["namespace"],
            &["nameSuffix"],
            &["namePrefix"],
            &["spec", "destination", "namespace"],
        ];
        let namespaces = texts.iter().filter_map(|path| tree.text_at(path)).map(of);
        let labels = ["labels", "annotations"]
            .iter()
            .filter_map(|part| tree.at(&["metadata", part]));
        let labels = labels.flat_map(Node::entries).filter(|entry| {
            let word = entry.key.rsplit(['/', '.']).next().unwrap_or_default();
            matches!(word, "environment" | "env" | "stage" | "tier-environment")
        });
        let labels = labels.filter_map(|entry| entry.value.text()).map(of);
        Labels::strongest(namespaces.chain(labels))
    }

    /// Paths in annotations of Vault's agent.
    fn injected(&mut self, tree: &Node, place: &Place) {
        let places = [
            &["metadata", "annotations"][..],
            &["spec", "template", "metadata", "annotations"],
        ];
        for entry in places
            .iter()
            .filter_map(|path| tree.at(path))
            .flat_map(Node::entries)
        {
            let is_path = entry
                .key
                .starts_with("vault.hashicorp.com/agent-inject-secret-");
            if let Some(scalar) = entry
                .value
                .scalar()
                .filter(|scalar| is_path && !scalar.text.is_empty())
            {
                let address = Address::plain(Store::Vault, &scalar.text);
                self.push(&entry.key);
                self.reference(address, &scalar.text, &|part| scalar.source(part), place);
                self.keys.pop();
            }
        }
    }
}

/// Returns the workload that an object belongs to.
fn service_of(tree: &Node, kind: &str, name: &str) -> Option<String> {
    let labels = [
        "app.kubernetes.io/name",
        "app",
        "k8s-app",
        "app.kubernetes.io/instance",
    ];
    let labelled = labels
        .iter()
        .find_map(|label| tree.text_at(&["metadata", "labels", label]));
    let is_workload = matches!(
        kind,
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "CronJob" | "Pod" | "ReplicaSet"
    );
    labelled
        .or((is_workload && !name.is_empty()).then_some(name))
        .map(str::to_owned)
}
