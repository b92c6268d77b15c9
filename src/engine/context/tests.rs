use proptest::prelude::*;

use super::*;

/// Parses the assignment whose value starts with `value`; returns name, value and operator.
fn parse<'a>(text: &'a str, value: &str) -> Option<(String, &'a str, Operator)> {
    let start = text.rfind(value).expect("the value is in the text");
    let lowest = Cell::new(start);
    let found = assignment(text.as_bytes(), start, &lowest)?;
    let Extent::Known(span) = found.value(text.as_bytes(), start) else {
        return None;
    };
    Some((
        String::from_utf8_lossy(found.name).into_owned(),
        &text[span],
        found.operator,
    ))
}

#[track_caller]
fn is(text: &str, name: &str, value: &str, operator: Operator) {
    assert_eq!(
        parse(text, value),
        Some((name.to_owned(), value, operator)),
        "{text}"
    );
}

#[track_caller]
fn is_none(text: &str, value: &str) {
    assert_eq!(parse(text, value), None, "{text}");
}

use Operator::{Arrow, Assign, Call, Colon, Comma, Compare, Flag, Other, Space, Tag};

#[test]
fn shell_and_ini() {
    is("DB_PASS=hunter2-x\n", "DB_PASS", "hunter2-x", Assign);
    is("export NAME='my value'", "NAME", "my value", Assign);
    is("NAME = value ; comment", "NAME", "value", Assign);
    is("a.b.name=value", "a.b.name", "value", Assign);
    is("NAME ?= value", "NAME", "value", Assign);
    is("${NAME:-value}", "NAME", "value", Other);
    is("setenv NAME value", "NAME", "value", Space);
    is("ENV NAME value", "NAME", "value", Space);
    is("ARG NAME=value", "NAME", "value", Assign);
}

#[test]
fn yaml_json_and_toml() {
    is("name: value", "name", "value", Colon);
    is("  name: \"value\"", "name", "value", Colon);
    is("\"name\": \"value\",", "name", "value", Colon);
    is("{\"name\":\"value\"}", "name", "value", Colon);
    is("'name': 'value'", "name", "value", Colon);
    is("name = \"value\"", "name", "value", Assign);
    is("\"name\":\n    \"value\"", "name", "value", Colon);
    is("name: |\n  value\n", "name", "value", Colon);
    is("names: [\"value\"]", "names", "value", Colon);
}

#[test]
fn escaped_json_in_a_string() {
    is(r#"x = "{\"name\":\"value\"}""#, "name", "value", Colon);
    is(
        r#"x = "{\\\"name\\\": \\\"value\\\"}""#,
        "name",
        "value",
        Colon,
    );
    is("&quot;name&quot;:&quot;value&quot;", "name", "value", Colon);
    is(r#""A=1\nNAME=value\nB=2""#, "NAME", "value", Assign);
}

#[test]
fn declarations_in_code() {
    is("const name = `value`;", "name", "value", Assign);
    is("name := \"value\"", "name", "value", Assign);
    is("const name: Type = \"value\";", "name", "value", Assign);
    is(
        "const NAME: &'static str = \"value\";",
        "NAME",
        "value",
        Assign,
    );
    is(
        "let name: Option<String> = Some(\"value\")",
        "name",
        "value",
        Assign,
    );
    is("name string = \"value\"", "name", "value", Assign);
    is("private String name = \"value\";", "name", "value", Assign);
    is("char name[] = \"value\";", "name", "value", Assign);
    is("char name[32] = {\"value\"};", "name", "value", Assign);
    is("name = b'value'", "name", "value", Assign);
    is("name = r#\"value\"#", "name", "value", Assign);
    is("string name = @\"value\";", "name", "value", Assign);
    is("name = \"\"\"value\"\"\"", "name", "value", Assign);
    is("name = (\n    \"value\"\n)", "name", "value", Assign);
    is("name?: string = 'value'", "name", "value", Assign);
    is("std::string name{\"value\"};", "name", "value", Other);
    is("#define NAME \"value\"", "NAME", "value", Space);
}

#[test]
fn arrows_and_members() {
    is("'name' => 'value'", "name", "value", Arrow);
    is(":name => \"value\"", "name", "value", Arrow);
    is("map[\"name\"] = \"value\"", "name", "value", Assign);
    is("$config['a']['name'] = 'value';", "name", "value", Assign);
    is("obj.name = 'value'", "obj.name", "value", Assign);
    is("$this->name = \"value\";", "name", "value", Assign);
    is("Foo::NAME = \"value\"", "NAME", "value", Assign);
}

#[test]
fn markup() {
    is("<name>value</name>", "name", "value", Tag);
    is("<name> value </name>", "name", "value", Tag);
    is(
        "<add key=\"name\" value=\"value-x\"/>",
        "name",
        "value-x",
        Assign,
    );
    is(
        "<x name=\"NAME\" value=\"secret-x\" />",
        "NAME",
        "secret-x",
        Assign,
    );
    is("<entry key=\"name\">value</entry>", "name", "value", Tag);
    is(
        "<key>name</key>\n  <string>value</string>",
        "name",
        "value",
        Tag,
    );
    is("| NAME | value |", "NAME", "value", Other);
}

#[test]
fn arguments() {
    is("f(\"NAME\", \"value\")", "NAME", "value", Comma);
    is("x = os.getenv(\"NAME\", \"value\")", "NAME", "value", Comma);
    is("set(NAME, 'value')", "NAME", "value", Comma);
    is("cmd --name value", "name", "value", Flag);
    is("cmd --name=value", "name", "value", Assign);
    is("cmd --name \"value\"", "name", "value", Flag);
    is("sshpass -p value ssh host", "password", "value", Flag);
    is_none("mkdir -p value", "value");
    is(
        "builder.withPassword(\"value\")",
        "builder.withPassword",
        "value",
        Other,
    );
    is(
        "secret = SecretString::new(\"value\")",
        "secret",
        "value",
        Assign,
    );
    is("client = new Client(\"value\")", "client", "value", Assign);
    is_none("x = getSecret(\"value\")", "value");
}

#[test]
fn fallbacks_and_comparisons() {
    is("name ?? \"value\"", "name", "value", Other);
    is(
        "process.env.NAME || \"value\"",
        "process.env.NAME",
        "value",
        Other,
    );
    is("os.environ.get('NAME') or 'value'", "NAME", "value", Other);
    is("name == \"value\"", "name", "value", Compare);
    is("if (name !== 'value')", "name", "value", Compare);
}

#[test]
fn headers_and_netrc() {
    is("-H \"X-Api-Key: value\"", "X-Api-Key", "value", Colon);
    is(
        "-H 'Authorization: Bearer value'",
        "Authorization",
        "value",
        Colon,
    );
    is(
        "\"Authorization\": \"Bearer value\"",
        "Authorization",
        "value",
        Colon,
    );
    is(
        "Authorization: token value\n",
        "Authorization",
        "value",
        Colon,
    );
    is(
        "machine x login y password value",
        "password",
        "value",
        Space,
    );
    is(
        "CREATE USER x IDENTIFIED BY 'value'",
        "password",
        "value",
        Space,
    );
    is(
        "ALTER ROLE x WITH PASSWORD 'value'",
        "PASSWORD",
        "value",
        Space,
    );
    is("**API key:** value", "API key", "value", Colon);
    is("# API key: value", "API key", "value", Colon);
    is("https://x.y/?name=value&z=1", "name", "value", Assign);
}

#[test]
fn names_in_the_pair_before() {
    is("- name: NAME\n  value: secret-x", "NAME", "secret-x", Colon);
    is(
        "- name: \"NAME\"\n  value: 'secret-x'",
        "NAME",
        "secret-x",
        Colon,
    );
    is(
        "{\"key\": \"NAME\", \"value\": \"secret-x\"}",
        "NAME",
        "secret-x",
        Colon,
    );
    is(
        "name = NAME\ntype = string\ndefault = \"secret-x\"",
        "NAME",
        "secret-x",
        Assign,
    );
}

#[test]
fn values_end_where_they_should() {
    is("p = \"a\\\"b; c\"", "p", "a\\\"b; c", Assign);
    is("p = \"ends-in\\\\\"; q = \"x\"", "p", "ends-in\\\\", Assign);
    is(
        "password: p@ss:w(0)rd!\n",
        "password",
        "p@ss:w(0)rd!",
        Colon,
    );
    is("f(password=value)", "password", "value", Assign);
    is("{name: value}", "name", "value", Colon);
    is("a=value,", "a", "value", Assign);
}

#[test]
fn what_is_no_assignment_has_no_name() {
    is_none("return value", "value");
    is_none("a::value", "value");
    is_none("ptr->value", "value");
    is_none("a <= value", "value");
    is_none("f(name, value)", "value");
    is_none("{\"value\": 1}", "value");
    is_none("the value", "value");
    is_none("name = \"value\n", "value");
    is_none("value", "value");
}

#[test]
fn finds_the_start_of_a_value_around_a_run() {
    let text = b"secret = \"ab8Q~abcdefghijklmnop\"";
    assert_eq!(start_of_value(text, 15), Some(10));
    assert_eq!(start_of_value(b"${X:-abcdefghijklmnop}", 4), Some(5));
    assert_eq!(start_of_value(b"x=abcdefghijklmnop", 2), None);
}

/// The starts after `word` at which there is an assignment.
fn after(text: &str, word: &str) -> Vec<String> {
    let end = text.find(word).expect("in the text") + word.len();
    let mut values = Vec::new();
    after_word(text.as_bytes(), end, |start| {
        if let Some(found) = assignment(text.as_bytes(), start, &Cell::new(start))
            && let Extent::Known(value) = found.value(text.as_bytes(), start)
        {
            let value = text[value].to_owned();
            if !values.contains(&value) {
                values.push(value);
            }
        }
    });
    values
}

#[test]
fn finds_values_after_a_word() {
    assert_eq!(after("db_password: \"a b!\"", "pass"), ["a b!"]);
    assert_eq!(after("{\"password\":\"a!\"}", "pass"), ["a!"]);
    assert_eq!(after("const password: Type = 'x y';", "pass"), ["x y"]);
    assert_eq!(after("$x['password'] = 'a!';", "pass"), ["a!"]);
    assert_eq!(after("name: DB_PASSWORD\n  value: a!b", "PASS"), ["a!b"]);
    assert_eq!(after("<password>a!b</password>", "pass"), ["a!b"]);
    assert_eq!(after("os.getenv('PASSWORD', 'a!')", "PASS"), ["a!"]);
    assert_eq!(after("password = (\n  'a!')", "pass"), ["a!"]);
    assert_eq!(after("password a!b", "pass"), ["a!b"]);
    assert_eq!(after("&quot;password&quot;:&quot;a!&quot;", "pass"), ["a!"]);
    assert_eq!(
        after("int pass(int n) { return n; }", "pass"),
        Vec::<String>::new()
    );
}

proptest! {
    #[test]
    fn never_panics_and_stays_in_bounds(
        text in proptest::collection::vec(prop_oneof![
            prop::sample::select(b" \n\t\"'`=:>,|?()[]{}<;&\\-+*!#abNk_.$".to_vec()),
            any::<u8>(),
        ], 0..200),
        start in 0_usize..220,
    ) {
        if let Some(found) = assignment(&text, start, &Cell::new(start)) {
            prop_assert!(!found.name.is_empty());
            if let Extent::Known(value) = found.value(&text, start) {
                prop_assert!(value.start == start && value.end <= text.len() && !value.is_empty());
            }
        }
        after_word(&text, start, |_| ());
        start_of_value(&text, start);
    }
}

#[test]
fn what_is_called_value_or_default_has_the_name_of_its_block() {
    is(
        "variable \"name\" { default = \"v4lue\" }",
        "name",
        "v4lue",
        Assign,
    );
    is(
        "variable \"name\" {\n  type        = string\n  description = \"What it is for.\"\n  default = \"v4lue\"\n}",
        "name",
        "v4lue",
        Assign,
    );
    is(
        "{\"name\": {\"type\": \"string\", \"default\": \"v4lue\"}}",
        "name",
        "v4lue",
        Colon,
    );
    is("const name = { value: 'v4lue' };", "name", "v4lue", Colon);
    is(
        "Name:\n  Type: AWS::SSM::Parameter::Value<String>\n  NoEcho: true\n  Default: v4lue\n",
        "Name",
        "v4lue",
        Colon,
    );
    is(
        "- name: some_name\n  value: v4lue\n",
        "some_name",
        "v4lue",
        Colon,
    );
    is(
        "{\"Name\":\"SOME_NAME\",\"Value\":\"v4lue\"}",
        "SOME_NAME",
        "v4lue",
        Colon,
    );
    is(
        "{\"key\": \"some name\", \"type\": \"x\", \"value\": \"v4lue\"}",
        "some name",
        "v4lue",
        Colon,
    );
    // A neighbour's block, a block without a label, a mapping of the same depth.
    is(
        "a = { x = 1 }\ndefault = \"v4lue\"",
        "default",
        "v4lue",
        Assign,
    );
    is("if (x) {\n  value = \"v4lue\"", "value", "v4lue", Assign);
    is("name:\nvalue: v4lue\n", "value", "v4lue", Colon);
}

#[test]
fn passwords_that_the_syntax_names() {
    is(
        "$x = ConvertTo-SecureString \"v4lue\" -AsPlainText",
        "password",
        "v4lue",
        Other,
    );
    is(
        "(ConvertTo-SecureString -AsPlainText -String 'v4lue')",
        "password",
        "v4lue",
        Other,
    );
    is(
        ".withCredentials(\"user\", \"v4lue\")",
        "password",
        "v4lue",
        Call,
    );
    is(
        "req.SetBasicAuth(user, \"v4lue\")",
        "password",
        "v4lue",
        Call,
    );
    is(
        "DriverManager.getConnection(\"jdbc:x://h/d?a=b\",\n  \"user\", \"v4lue\")",
        "password",
        "v4lue",
        Call,
    );
    is(
        "new mysqli('host', 'user', 'v4lue', 'db')",
        "password",
        "v4lue",
        Call,
    );
    is("f(\"user\", \"v4lue\")", "user", "v4lue", Comma);
    is("getConnection(\"user\", \"v4lue\")", "user", "v4lue", Comma);
}

#[test]
fn elements_of_a_list_have_its_name() {
    is(
        "\"tokens\": [\"one\", \"two\", \"v4lue\"]",
        "tokens",
        "v4lue",
        Comma,
    );
    is(
        "TOKENS = [\n  'one',\n  'v4lue',\n]",
        "TOKENS",
        "v4lue",
        Comma,
    );
    is("f([\"name\", \"v4lue\"])", "name", "v4lue", Comma);
    is("f(\"name\", \"v4lue\")", "name", "v4lue", Comma);
}

#[test]
fn sql_names_no_password_but_says_where_it_is() {
    is(
        "create user x identified by v4lue container=all;",
        "password",
        "v4lue",
        Space,
    );
    is(
        "ALTER ROLE x IDENTIFIED BY 'v4lue'",
        "password",
        "v4lue",
        Space,
    );
    is_none("a user that is identified by v4lue", "v4lue");
    is_none("those identified by \"v4lue\" commands", "v4lue");
}
