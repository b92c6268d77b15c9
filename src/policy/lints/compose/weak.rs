//! Passwords that anybody would try: words, and what a service, a user or a database is called. `weak-default-password` tells those.

use crate::policy::{
    names,
    values::{self, Strength, Value},
};

/// Words that such passwords are made of.
const WORDS: [&str; 120] = [
    "password",
    "passwd",
    "passw0rd",
    "pass",
    "pwd",
    "pw",
    "secret",
    "secrets",
    "token",
    "key",
    "apikey",
    "credential",
    "admin",
    "administrator",
    "root",
    "user",
    "username",
    "guest",
    "test",
    "tests",
    "testing",
    "tester",
    "dev",
    "devel",
    "develop",
    "development",
    "local",
    "localhost",
    "demo",
    "example",
    "sample",
    "default",
    "some",
    "my",
    "your",
    "the",
    "a",
    "is",
    "this",
    "very",
    "super",
    "top",
    "strong",
    "not",
    "so",
    "insecure",
    "unsafe",
    "safe",
    "secure",
    "random",
    "change",
    "changed",
    "me",
    "it",
    "in",
    "for",
    "to",
    "be",
    "only",
    "db",
    "database",
    "sql",
    "mysql",
    "mariadb",
    "maria",
    "postgres",
    "postgresql",
    "pg",
    "mongo",
    "mongodb",
    "redis",
    "rabbit",
    "rabbitmq",
    "minio",
    "elastic",
    "grafana",
    "keycloak",
    "wordpress",
    "wp",
    "nextcloud",
    "django",
    "app",
    "service",
    "web",
    "strong",
    "login",
    "choose",
    "own",
    "here",
    "please",
    "value",
    "string",
    "optional",
    "api",
    "duper",
    "server",
    "adjust",
    "use",
    "good",
    "long",
    "new",
    "with",
    "and",
    "of",
    "or",
    "must",
    "enter",
    "put",
    "set",
    "no",
    "one",
    "auth",
    "access",
    "base",
    "jwt",
    "session",
    "site",
    "panel",
    "data",
    "security",
];

/// Tells whether a value is weak, taken alone or beside what stands around it: names of services, users, databases.
pub(super) fn is_weak<'w>(value: &str, around: impl Iterator<Item = &'w str>) -> bool {
    if matches!(values::classify(value), Value::Literal(Strength::Weak)) {
        return true;
    }
    let lower = value.to_ascii_lowercase();
    if lower.len() > 48 || !lower.is_ascii() {
        return false;
    }
    let mut words: Vec<String> = WORDS.iter().map(|word| (*word).to_owned()).collect();
    for name in around.take(24).filter(|name| name.len() <= 64) {
        let parts = names::words(name)
            .into_iter()
            .filter(|part| part.len() >= 2);
        words.extend(parts);
        words.push(name.to_ascii_lowercase());
    }
    is_made_of(&lower, &words)
}

/// Tells whether a text is a row of words, with signs and short numbers between them.
fn is_made_of(text: &str, words: &[String]) -> bool {
    let bytes = text.as_bytes();
    let mut reached = vec![false; bytes.len() + 1];
    let mut has_word = false;
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for at in 0..bytes.len() {
        if !reached.get(at).copied().unwrap_or_default() {
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        let signs = rest
            .bytes()
            .take_while(|byte| !byte.is_ascii_alphanumeric())
            .count();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let known = words
            .iter()
            .filter(|word| !word.is_empty() && rest.starts_with(word.as_str()))
            .map(|word| word.len());
        let known: Vec<usize> = known.collect();
        has_word |= !known.is_empty();
        let steps = known
            .into_iter()
            .chain([signs, if digits <= 4 { digits } else { 0 }]);
        for step in steps.filter(|step| *step > 0) {
            if let Some(end) = reached.get_mut(at + step) {
                *end = true;
            }
        }
    }
    has_word && reached.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_names_are_weak() {
        let around = || ["shop_db", "airflow", "POSTGRES_PASSWORD"].into_iter();
        for value in [
            "password",
            "somewordpress",
            "mysecretpassword123",
            "shop-db-pass",
            "airflow",
            "Postgres!2024",
            "superSecret_airflow",
            "MyStrongLoginPassword",
            "ChooseYourOwnPasswordHere1234",
            "ThisIsAVerySecretString",
        ] {
            assert!(is_weak(value, around()), "{value}");
        }
        for value in [
            "hunter2-Zq81",
            "Vx7kQ2mR9tLp",
            "correct-horse-battery",
            "passwort-Zq81xk",
        ] {
            assert!(!is_weak(value, around()), "{value}");
        }
    }
}
