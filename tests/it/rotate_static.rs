//! Static roles of OpenBao's database engine on PostgreSQL: the store makes the new password by itself, and has no older one.

use serde_json::{Value, json};

use crate::{
    rotate_bed::{Bed, sql},
    servers::Bao,
};

/// Mounts the engine.
pub(crate) fn mount(bed: &Bed) {
    let engine = json!({"type": "database"});
    bed.bao.root("POST", "sys/mounts/database", &engine);
}

/// The role by which OpenBao changes the password of a case.
fn manager(name: &str) -> String {
    format!("manager_of_{name}")
}

/// Makes a role, and has OpenBao keep its password; returns the first that it made.
pub(crate) fn make(bed: &Bed, name: &str) -> String {
    let manager = manager(name);
    sql(
        bed.port(),
        &format!(
            "create role {name} login password 'made-up-first';
             create role {manager} login superuser password 'made-up-manager'"
        ),
    );
    let url = format!(
        "postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{}/postgres?sslmode=disable",
        bed.port()
    );
    // Connections that stay open would be as many as there are cases.
    let config = json!({
        "plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "username": manager, "password": "made-up-manager",
        "connection_url": url, "password_authentication": "scram-sha-256", "max_open_connections": 2, "max_idle_connections": -1
    });
    let path = format!("database/config/{name}");
    bed.bao.root("POST", &path, &config);
    let role = json!({"db_name": name, "username": name, "rotation_period": "24h"});
    let path = format!("database/static-roles/{name}");
    bed.bao.root("POST", &path, &role);
    current(bed, name).1
}

/// Returns user and password that readers get.
pub(crate) fn current(bed: &Bed, name: &str) -> (String, String) {
    let data = creds(bed, name);
    let text = |field: &str| data[field].as_str().unwrap().to_owned();
    (text("username"), text("password"))
}

/// Returns what the store calls the version of now.
pub(crate) fn version(bed: &Bed, name: &str) -> String {
    let data = creds(bed, name);
    data["last_vault_rotation"].as_str().unwrap().to_owned()
}

fn creds(bed: &Bed, name: &str) -> Value {
    let path = format!("database/static-creds/{name}");
    let (status, answer) = bed.bao.ask("GET", &path, Bao::ROOT, &Value::Null);
    assert_eq!(status, 200, "{answer}");
    answer["data"].clone()
}

/// What a rotation of the role needs.
pub(crate) fn policy(name: &str) -> String {
    format!(
        "path \"database/static-creds/{name}\" {{ capabilities = [\"read\"] }}\n\
         path \"database/static-roles/{name}\" {{ capabilities = [\"read\"] }}\n\
         path \"database/rotate-role/{name}\" {{ capabilities = [\"update\"] }}\n"
    )
}

/// Takes from OpenBao's own role what it needs to change the password, or gives it back: in between the server answers a request to
/// rotate with 500, tries again by itself, and nobody knows what it did.
pub(crate) fn let_it_work(port: u16, name: &str, can: bool) {
    let superuser = if can { "superuser" } else { "nosuperuser" };
    sql(port, &format!("alter role {} {superuser}", manager(name)));
}
