//! YAML: workflows, pipelines, compose files, manifests, charts.
#![no_main]

mod shared;

libfuzzer_sys::fuzz_target!(|data: &[u8]| shared::run(&[".github/workflows/a.yml", ".gitlab-ci.yml", ".circleci/config.yml", "azure-pipelines.yml", "bitbucket-pipelines.yml", "compose.yml", "k8s/a.yaml", "chart/values.yaml", "chart/templates/a.yaml", "kustomization.yaml", "Pulumi.dev.yaml", "group_vars/all.yml", "serverless.yml"], data));
