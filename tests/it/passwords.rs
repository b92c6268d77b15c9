//! How many made-up passwords and tokens are found, and which values that are none stay silent.
//!
//! Random values of several alphabets and lengths are put under the names and into the syntaxes in which people keep them.
//! `KEYSWEEP_DETECTION_DETAILS` names a folder that gets `passwords.txt`, a line for each kind of value, name and syntax.

use std::{collections::BTreeMap, fmt::Write as _, fs, sync::Arc};

use keysweep::{
    engine::{Scanner, Worker},
    model::Span,
    rules,
};

/// Least share of the random values that must be found: of each kind, under each name, in each syntax. Percent.
const FOUND: f64 = 95.0;

/// Values drawn for each cell of kind, length, name and syntax.
const DRAWS: usize = 2;

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
/// What a shell, a URL and every format take as it is.
const SIGNS: &str = "!*-_.~+";

/// What only quotes hold together.
const ALL_SIGNS: &str = "!@#$%^&*()-_=+[]{}:;,.?/|~";

/// How values are drawn.
struct Kind {
    name: &'static str,
    alphabets: &'static [&'static str],
    lengths: &'static [usize],
    uses: Uses,
}

/// Where values of a kind are put.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Uses {
    /// Under names of passwords.
    Short,
    /// Under names of tokens, too.
    Long,
    /// The same, but for names that end in `key`: the engine finds values of those by runs of 12 letters, digits and
    /// `-_./+`, which these need not have.
    Broken,
    /// Under names of passwords, in quotes.
    Quoted,
}

const fn kind(
    name: &'static str,
    alphabets: &'static [&'static str],
    lengths: &'static [usize],
    uses: Uses,
) -> Kind {
    Kind {
        name,
        alphabets,
        lengths,
        uses,
    }
}

const KINDS: [Kind; 9] = [
    kind("letters", &[LOWER, UPPER], &[10, 12, 16], Uses::Short),
    kind(
        "letters, digits",
        &[LOWER, UPPER, DIGITS],
        &[8, 10, 12, 14],
        Uses::Short,
    ),
    kind(
        "letters, digits, long",
        &[LOWER, UPPER, DIGITS],
        &[16, 20, 24, 32],
        Uses::Long,
    ),
    kind("small, digits", &[LOWER, DIGITS], &[8, 10, 12], Uses::Short),
    kind(
        "small, digits, long",
        &[LOWER, DIGITS],
        &[16, 24, 32],
        Uses::Long,
    ),
    kind(
        "signs",
        &[LOWER, UPPER, DIGITS, SIGNS],
        &[8, 12],
        Uses::Short,
    ),
    kind(
        "signs, long",
        &[LOWER, UPPER, DIGITS, SIGNS],
        &[16, 24, 32],
        Uses::Broken,
    ),
    kind(
        "all signs",
        &[LOWER, UPPER, DIGITS, ALL_SIGNS],
        &[8, 12, 16, 24],
        Uses::Quoted,
    ),
    kind("hex", &["0123456789abcdef"], &[16, 24, 32, 40], Uses::Long),
];

const PASSWORDS: [&str; 9] = [
    "password",
    "passwd",
    "pwd",
    "DB_PASSWORD",
    "dbPassword",
    "MYSQL_ROOT_PASSWORD",
    "smtp_pass",
    "userPassword",
    "secret",
];

const TOKENS: [&str; 7] = [
    "API_KEY",
    "api_key",
    "SECRET_KEY",
    "auth_token",
    "clientSecret",
    "JWT_SECRET",
    "access-token",
];

/// A syntax: `NAME` and `VALUE` stand for what is put in.
const ASSIGNMENTS: [(&str, &str); 22] = [
    ("dotenv", "HOST=db1\nNAME=VALUE\nPORT=80\n"),
    ("dotenv, quoted", "HOST=db1\nNAME=\"VALUE\"\n"),
    ("export", "export NAME=VALUE\n"),
    ("dockerfile", "ENV HOST=db1 NAME=VALUE\n"),
    ("compose", "    environment:\n      - NAME=VALUE\n"),
    ("yaml", "db:\n  host: db1\n  NAME: VALUE\n  port: 80\n"),
    ("yaml, quoted", "db:\n  host: db1\n  NAME: \"VALUE\"\n"),
    ("json", "{\"host\": \"db1\", \"NAME\": \"VALUE\"}\n"),
    ("python", "host = 'db1'\nNAME = \"VALUE\"\n"),
    (
        "python, argument",
        "db = connect(host='db1', NAME='VALUE')\n",
    ),
    ("javascript", "const NAME = 'VALUE';\n"),
    (
        "javascript, object",
        "const db = { host: 'db1', NAME: 'VALUE' };\n",
    ),
    ("go", "\tNAME := \"VALUE\"\n"),
    ("java", "  private static final String NAME = \"VALUE\";\n"),
    ("toml", "[db]\nhost = \"db1\"\nNAME = \"VALUE\"\n"),
    ("ini", "[db]\nhost = db1\nNAME = VALUE\n"),
    ("ini, tight", "[db]\nhost=db1\nNAME=VALUE\n"),
    ("properties", "spring.db.url=db1\nspring.db.NAME=VALUE\n"),
    ("xml, attribute", "<db host=\"db1\" NAME=\"VALUE\"/>\n"),
    (
        "xml, element",
        "<db><host>db1</host><NAME>VALUE</NAME></db>\n",
    ),
    ("flag", "$ tool --host db1 --NAME VALUE --verbose\n"),
    ("flag, joined", "$ tool --host db1 --NAME=VALUE --verbose\n"),
];

/// Syntaxes that need no name.
const PLACES: [(&str, &str); 10] = [
    (
        "url",
        "DATABASE_URL=postgres://app:VALUE@db1.example.com:5432/app\n",
    ),
    ("url, alone", "see https://anna:VALUE@example.com/x\n"),
    ("curl -u", "curl -u admin:VALUE https://example.com/x\n"),
    (
        "curl --user",
        "curl -X POST --user 'admin:VALUE' https://example.com/x\n",
    ),
    (
        "go dsn",
        "db, err := sql.Open(\"mysql\", \"root:VALUE@tcp(127.0.0.1:3306)/app\")\n",
    ),
    ("pgpass", "db1.example.com:5432:app:anna:VALUE\n"),
    ("netrc", "machine example.com login anna password VALUE\n"),
    (
        "netrc, lines",
        "machine example.com\n  login anna\n  password VALUE\n",
    ),
    ("mysql", "mysql -h db1 -u root -pVALUE app < dump.sql\n"),
    (
        "connection string",
        "Server=db1;Database=app;User Id=app;Password=VALUE;\n",
    ),
];

/// A small generator (SplitMix64), so that the values are the same on every run.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap();
        usize::try_from(self.next() % count).unwrap()
    }

    /// A value with at least one character of each alphabet, the first and the last a letter or digit.
    fn value(&mut self, kind: &Kind, len: usize) -> String {
        let all: Vec<char> = kind.alphabets.iter().flat_map(|a| a.chars()).collect();
        loop {
            let value: String = (0..len).map(|_| all[self.below(all.len())]).collect();
            let each = kind
                .alphabets
                .iter()
                .all(|a| value.chars().any(|c| a.contains(c)));
            let edges = [value.chars().next(), value.chars().last()];
            if each && edges.iter().flatten().all(char::is_ascii_alphanumeric) {
                return value;
            }
        }
    }
}

#[derive(Default)]
struct Table {
    rows: BTreeMap<String, (usize, usize)>,
    missed: BTreeMap<String, Vec<String>>,
}

impl Table {
    fn add(&mut self, row: &str, hit: bool, text: &str) {
        let (found, all) = self.rows.entry(row.to_owned()).or_default();
        *found += usize::from(hit);
        *all += 1;
        if !hit {
            self.missed
                .entry(row.to_owned())
                .or_default()
                .push(text.to_owned());
        }
    }

    fn low(&self) -> Vec<String> {
        let share = |(found, all): &(usize, usize)| 100.0 * *found as f64 / *all as f64;
        self.rows
            .iter()
            .filter(|(_, counts)| share(counts) < FOUND)
            .map(|(row, counts)| format!("{row}: {:.1} % of {}", share(counts), counts.1))
            .collect()
    }

    fn write(&self, out: &mut String) {
        for (row, (found, all)) in &self.rows {
            writeln!(out, "{found:>6} of {all:>6}  {row}").unwrap();
        }
        for (row, missed) in &self.missed {
            for text in missed.iter().take(12) {
                writeln!(out, "    {row}: {}", text.replace('\n', "\\n")).unwrap();
            }
        }
    }
}

fn is_found(worker: &mut Worker<'_>, text: &str, value: &str) -> bool {
    let at = text.find(value).unwrap();
    let whole = Span::new(0, text.len() as u64);
    worker.scan(text.as_bytes(), &[whole]).iter().any(|hit| {
        let (start, end) = (hit.span.start as usize, hit.span.end as usize);
        start <= at && at + value.len() <= end && end - start <= value.len() + 2
    })
}

impl Kind {
    fn takes_name(&self, name: &str) -> bool {
        match self.uses {
            Uses::Short => PASSWORDS.contains(&name),
            Uses::Long => true,
            Uses::Broken => !name.to_ascii_lowercase().ends_with("api_key"),
            Uses::Quoted => PASSWORDS.contains(&name) && name != "secret",
        }
    }

    fn takes_form(&self, form: &str) -> bool {
        self.uses != Uses::Quoted || form.contains("\"VALUE\"") || form.contains("'VALUE'")
    }
}

#[test]
fn made_up_values_are_found_under_every_name_in_every_syntax() {
    let scanner = Scanner::new(Arc::new(rules::builtin().unwrap()));
    let mut worker = scanner.worker();
    let mut draw = Draw(7);
    let mut table = Table::default();
    for kind in &KINDS {
        let names = PASSWORDS.iter().chain(&TOKENS);
        let forms: Vec<_> = names
            .filter(|name| kind.takes_name(name))
            .flat_map(|name| ASSIGNMENTS.map(|(syntax, form)| (name, syntax, form)))
            .filter(|(_, _, form)| kind.takes_form(form))
            .collect();
        for &len in kind.lengths {
            let row = format!("kind: {} {len:>2}", kind.name);
            for (name, syntax, form) in &forms {
                for _ in 0..DRAWS {
                    let value = draw.value(kind, len);
                    let text = form.replace("NAME", name).replace("VALUE", &value);
                    let hit = is_found(&mut worker, &text, &value);
                    table.add(&row, hit, &text);
                    table.add(&format!("name: {name}"), hit, &text);
                    table.add(&format!("syntax: {syntax}"), hit, &text);
                }
            }
            for (place, form) in PLACES.iter().filter(|_| kind.uses != Uses::Quoted) {
                for _ in 0..20 {
                    let value = draw.value(kind, len);
                    let text = form.replace("VALUE", &value);
                    let hit = is_found(&mut worker, &text, &value);
                    table.add(&format!("place: {place}"), hit, &text);
                    table.add(&row, hit, &text);
                }
            }
        }
    }
    if let Some(folder) = std::env::var_os("KEYSWEEP_DETECTION_DETAILS") {
        let mut out = String::new();
        table.write(&mut out);
        fs::write(std::path::Path::new(&folder).join("passwords.txt"), out).unwrap();
    }
    let low = table.low();
    assert!(low.is_empty(), "found too seldom:\n{}", low.join("\n"));
}

/// What people choose.
const CHOSEN: [&str; 12] = [
    "S3cr3tDbPw",
    "Str0ngP4ss",
    "letmein123",
    "abcd1234",
    "qwerty123",
    "DRsXTOfKWfCz7E",
    "winterHorse77",
    "benrocks",
    "hunter2",
    "Garden2019",
    "P@ssw0rd",
    "trustno1",
];

#[test]
fn passwords_that_people_choose_are_found() {
    let scanner = Scanner::new(Arc::new(rules::builtin().unwrap()));
    let mut worker = scanner.worker();
    let forms = [
        "DB_PASSWORD=VALUE\n",
        "password = \"VALUE\"\n",
        "db:\n  password: VALUE\n",
        "postgres://app:VALUE@db1.example.com/app\n",
        "curl -u admin:VALUE https://example.com\n",
        "root:VALUE@tcp(db1:3306)/app\n",
    ];
    let missed: Vec<String> = CHOSEN
        .iter()
        .flat_map(|value| forms.map(|form| (form.replace("VALUE", value), *value)))
        .filter(|(text, value)| !is_found(&mut worker, text, value))
        .map(|(text, _)| text)
        .collect();
    assert!(missed.is_empty(), "missed:\n{}", missed.join(""));
}

/// Where the name of a value stands further away, or the syntax says what it is.
const FURTHER: [(&str, &str); 20] = [
    (
        "terraform",
        "variable \"db_password\" { default = \"VALUE\" }\n",
    ),
    (
        "terraform, lines",
        "variable \"db_password\" {\n  type = string\n  default = \"VALUE\"\n}\n",
    ),
    ("manifest", "  - name: DB_PASSWORD\n    value: \"VALUE\"\n"),
    ("task", "{\"Name\":\"DB_PASSWORD\",\"Value\":\"VALUE\"}\n"),
    (
        "schema",
        "{\"db_password\": {\"type\": \"string\", \"default\": \"VALUE\"}}\n",
    ),
    (
        "stack",
        "  DbPassword:\n    Type: String\n    Default: VALUE\n",
    ),
    (
        "powershell",
        "$x = ConvertTo-SecureString \"VALUE\" -AsPlainText -Force\n",
    ),
    (
        "powershell, switches",
        "New-Object X('u', (ConvertTo-SecureString -AsPlainText -Force -String 'VALUE'))\n",
    ),
    (
        "credentials",
        "Cluster.builder().withCredentials(\"u\",\"VALUE\").build();\n",
    ),
    (
        "jdbc",
        "DriverManager.getConnection(\"jdbc:mysql://db/app\", \"root\", \"VALUE\");\n",
    ),
    (
        "php",
        "$db = new mysqli('localhost', 'root', 'VALUE', 'app');\n",
    ),
    ("go", "\treq.SetBasicAuth(\"svc\", \"VALUE\")\n"),
    ("redis-cli", "redis-cli -h cache -a VALUE ping\n"),
    ("mysql, quoted", "mysql -uroot -p'VALUE' app\n"),
    ("sshpass", "sshpass -p'VALUE' ssh root@host\n"),
    ("psql", "PGPASSWORD=VALUE psql -h db\n"),
    ("short name", "pw = \"VALUE\"\n"),
    ("wi-fi", "wifi_psk: \"VALUE\"\n"),
    ("api key", "API_KEY=\"VALUE\"\n"),
    ("api key, json", "{\"apiKey\": \"VALUE\"}\n"),
];

#[test]
fn values_whose_name_stands_further_away_are_found() {
    let scanner = Scanner::new(Arc::new(rules::builtin().unwrap()));
    let mut worker = scanner.worker();
    let mut draw = Draw(11);
    let mut table = Table::default();
    for kind in KINDS.iter().filter(|kind| kind.uses != Uses::Quoted) {
        for &len in kind.lengths {
            for (place, form) in FURTHER {
                // Short keys are words for all that is known.
                if place.starts_with("api key") && (len < 16 || kind.uses == Uses::Short) {
                    continue;
                }
                for _ in 0..10 {
                    let value = draw.value(kind, len);
                    let text = form.replace("VALUE", &value);
                    let hit = is_found(&mut worker, &text, &value);
                    table.add(&format!("place: {place}"), hit, &text);
                    table.add(&format!("kind: {} {len:>2}", kind.name), hit, &text);
                }
            }
        }
    }
    let mut out = String::new();
    table.write(&mut out);
    let low = table.low();
    assert!(
        low.is_empty(),
        "found too seldom:\n{}\n{out}",
        low.join("\n")
    );
}

/// What `django-admin startproject` draws keys from.
const DJANGO: &str = "abcdefghijklmnopqrstuvwxyz0123456789!@#$%^&*(-_=+)";

#[test]
fn keys_with_signs_that_look_like_templates_are_found() {
    let scanner = Scanner::new(Arc::new(rules::builtin().unwrap()));
    let mut worker = scanner.worker();
    let mut draw = Draw(13);
    let letters: Vec<char> = DJANGO.chars().collect();
    let missed: Vec<String> = (0..1000)
        .map(|_| (0..50).map(|_| letters[draw.below(50)]).collect::<String>())
        .filter(|key| !is_found(&mut worker, &format!("SECRET_KEY = '{key}'\n"), key))
        .collect();
    assert!(missed.len() <= 2, "missed:\n{}", missed.join("\n"));
}

/// Passphrases under names of passwords, and single lines that people write.
const PLAIN: &[(&str, &str)] = &[
    ("root_password: \"VALUE\"\n", "correct horse battery staple"),
    (
        "passphrase = \"VALUE\"\n",
        "seven purple lanterns drift home",
    ),
    ("MYSQL_PWD=VALUE\n", "Qwerty123!"),
    ("spring.rabbitmq.password=VALUE\n", "guest8831xQ"),
    ("wifi_psk: VALUE\n", "Blue-Otter-4471"),
    ("  - name: DB_PASSWORD\n    value: VALUE\n", "Blue-Horse7!"),
    (
        "variable \"db_password\" { default = \"VALUE\" }\n",
        "Blue-Horse7!",
    ),
    (".withCredentials(\"admin\", \"VALUE\")\n", "Blue-Horse7!"),
    ("pw: VALUE\n", "Blue-Horse7!"),
    ("API_KEY=VALUE\n", "K9x!5CY7r-zCLCi"),
    (
        "alter user app identified by VALUE container=all;\n",
        "Wm3jgtba0x",
    ),
    (
        "\"tokens\": [\"a012a50eeef99c47\", \"VALUE\"],\n",
        "9f2c4be01a7d8836",
    ),
];

#[test]
fn what_people_choose_is_found_in_further_places() {
    let scanner = Scanner::new(Arc::new(rules::builtin().unwrap()));
    let mut worker = scanner.worker();
    let missed: Vec<String> = PLAIN
        .iter()
        .map(|(form, value)| (form.replace("VALUE", value), *value))
        .filter(|(text, value)| !is_found(&mut worker, text, value))
        .map(|(text, _)| text)
        .collect();
    assert!(missed.is_empty(), "missed:\n{}", missed.join(""));
}

/// Lines about secrets that hold none.
const SILENT: &[&str] = &[
    "password = getPassword()\n",
    "password = getPassword\n",
    "password=dbPassword\n",
    "    connect(user=dbUser, password=dbPassword)\n",
    "const password = req.body.password;\n",
    "props.HasSshPassword = &plan.AdminPassword\n",
    "passwordField = \"confirmPassword\"\n",
    "password: String,\n",
    "  dbPassword: Input<string>;\n",
    "password: { type: 'string', required: true }\n",
    "'password' => 'required|confirmed|min:8',\n",
    "password = ENV['DB_PASSWORD']\n",
    "password = os.environ.get(\"DB_PASSWORD\")\n",
    "password: ${{ secrets.DB_PASSWORD }}\n",
    "password: {{ .Values.auth.password }}\n",
    "{{- range $user, $password := .Values.users }}\n",
    "MYSQL_PASSWORD: $$cap_db_password\n",
    "DATABASE_URL: postgres://app:$$cap_db_password@srv/app\n",
    "password=changeme\n",
    "password: your-password\n",
    "PASSWORD=xxxxxxxx\n",
    "PASSWORD=<password>\n",
    "password = \"my-secret-password\"\n",
    "authenticate.password.incorrect=Das Passwort ist falsch\n",
    "pdfjs-password-invalid = Niepoprawne hasło. Proszę spróbować ponownie.\n",
    "Password=Heslo\n",
    "Confirm\\ password=Bekräfta lösenord\n",
    "password.label=Пароль\n",
    "telegraf ALL=(root) NOPASSWD: IPTABLESSHOW\n",
    "\"test:loader\": \"PW_BUNDLE=loader_tracing yarn test\",\n",
    "optionally pass 'prng' with a custom implementation\n",
    "this.state = result.ok ? 'pass' : 'failed'\n",
    "    --ftp-ask-password      Allow asking for the FTP password\n",
    "data.ImportStep(\"admin_password\", \"email\"),\n",
    "api.use(['accounts-password', 'tinytest', 'tracker']);\n",
    "\"accounts-password@1.0.4\", \"meteor-platform@1.2.3\"\n",
    "const OID_challengePwd = \"1.2.840.113549.1.9.7\"\n",
    "adminPasswordMtime: \"2006-01-02T15:04:05Z\"\n",
    "PASS = \"\\033[32mPASS\\033[0m\"\n",
    "SMART_PASS = 0xc2f4\n",
    "assert event[\"password\"] == \"'[Filtered]'\"\n",
    "case moduletest.Pass:\n\treturn color.Color(\"[green]pass[reset]\")\n",
    "$ mysql --host=db --port=3306 --user=app app\n",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n",
    "\"signature\": \"MEUCIQDfGhq8vLxZ2kTtY7pWnRb3sAeU6oMjCiHdXyKzQw5g\",\n",
    "secret: my-tls-secret\n",
    "secretName: app-tls-2\n",
    "secret: kubernetes.io/tls\n",
    "token = next_token\n",
    "token: base64url1\n",
    "user:password@tcp(localhost:3306)/app\n",
    "Invalid\\ username\\ or\\ password=Nome utente o password non validi\n",
    "name == :foo ? \"pass\" : \"super\"\n",
    "- Add --client-pass support for encrypted keys\n",
    "using `accounts-password` or `accounts-passwordless` you can\n",
    "{{ if ne .Values.auth.password \"postgres\" }}\n",
    "MovedAttribute(\"HTTPPasswordMgr\", \"urllib2\", \"urllib.request\"),\n",
    "__params__ = [\"confirm_password\", \"macaroon_id\"]\n",
    "\"@inquirer/password\": \"npm:^4.0.1\"\n",
    "hash = self.hasher.hash(password=self.hasher.hash(password))\n",
    "#define CURLE_BAD_PASSWORD_ENTERED CURLE_OBSOLETE46\n",
    "$password = Get-AnsibleParam -obj $params -name \"password\"\n",
    "password_expiry_utc=1684756800\n",
    "report.secret = Secret::new(b\"\\xff\\x01\");\n",
    "$ mysqladmin -uroot -p$MYSQL_ROOT_PASSWORD shutdown\n",
    "passwordField.addEventListener(\"input\", check);\n",
    "const p = Buffer.from(password, 'base64').toString('utf8')\n",
    "The name of the service, such as \"password\" or \"twitter\".\n",
    "token.copy.password=Kopiera det nya och klistra in det nedan.\n",
    "can be specified with the --password flag: see below\n",
    "client_certificate_password = \"%[4]q\"\n",
    "headers = {'Authorization': 'Basic dXNlcjpwYXNzd29yZA=='}\n",
    "Authorization:\n    - SharedKey acmestore:q2Zx8FhP0sTq9LmWaB3dE5fG7hJ1kL4nM6pR8sT0uV2=\n",
    "Authorization: AWS4-HMAC-SHA256 Credential=x/20240101/us-east-1/s3/aws4_request, Signature=9f2c4be01a7d88369f2c4be01a7d8836\n",
    "Authorization: Digest username=\"u\", realm=\"r\", response=\"9f2c4be01a7d88369f2c4be01a7d8836\"\n",
    "TWILIO_ACCOUNT_SID=AC9f2c4be01a7d88369f2c4be01a7d8836\n",
    "{\"service_sid\": \"VA9f2c4be01a7d88369f2c4be01a7d8836\"}\n",
    "deviceToken: '9f2c4be01a7d88369f2c4be01a7d88369f2c4be01a7d88369f2c4be01a7d8836'\n",
    "return \"Pass\", \"green\"\n",
    "* pass CGO_ENABLED=0\n",
    "pwd DB_PASSWORD=x\n",
    "$ docker run -e DB_PWD DB_PASSWORD=x8f image\n",
    "bless \\$dont_store_passwords, \"_p_void\"\n",
    "is similar to CURLOPT_USERPWD, but\n",
    "$wiki_passwd = run_git_quoted([\"config\", \"--get\", $name]);\n",
    "host = v.(string)\n\tcfg.Password = v.(string)\n",
    "POSTGRES_PASSWORD: $$cap_pg-pass\n",
    "password: \"the password must not be empty\"\n",
    "password: \"your new passphrase goes here\"\n",
    "password: \"Forgot your password\"\n",
    "a user that is identified by name or address\n",
    "tokens = [\"if\", \"else\", \"while\", \"identifier\"]\n",
    "resty.SetBasicAuth(\"go-resty\", \"welcome\")\n",
    "pass = [\"some\", \"strings\"]\n",
    "with those identified by \"squash\" commands\n",
    "PrintWriter pw = new PrintWriter(\"dependee\");\n",
    "  apiKeys: IApiKeyDto[];\n",
    "\"apiKey\": \".+)|(\\\\$(\\\\.[\\\\w/_-]+(\\\\[(\\\\d+|\\\\*)\\\\])*)*)$\",\n",
    "\"ClientRequestToken\": \"a8ca07e4-61ec-4399-99f4-19853801bcd5\",\n",
    "User ID=Benutzer\nPassword=Contrase\u{f1}a\n",
    "type A = Pick<UserPasswordProps, 'email'>\n",
    "password = password.encode(\"utf-8\")\n",
    "arn = \"arn:aws:secretsmanager:us-east-1:123456789012:secret:07a4e645-fc95-4a10-853a-410b1b1eca5b-012nZO\"\n",
    "setPassword(\"org.example.pool.BasicSource#getPassword\");\n",
    "including secrets GHSA-3q8x-7wvp-2hjm (a reporter)\n",
    "<h3>--rc-htpasswd=PATH</h3>\n",
    "connect = lambda do |connection, exclude_user_password: false|\n",
    "base64.b64encode(bytes(credentials[\"password\"], \"utf-8\"), None),\n",
    "\"assetToken\": \"Paper3/v4/21/7f/ee/da94d869fb5b3cf3df296a46a036f809.png\",\n",
    "input \"password\" {\n  default = \"changeme\"\n}\n",
    "{\"password\": {\"type\": \"string\", \"default\": \"\"}, \"x\": \"y\"}\n",
];

#[test]
fn references_labels_and_stand_ins_stay_silent() {
    let scanner = Scanner::new(Arc::new(rules::builtin().unwrap()));
    let mut worker = scanner.worker();
    let loud: Vec<&str> = SILENT
        .iter()
        .filter(|text| {
            let whole = Span::new(0, text.len() as u64);
            !worker.scan(text.as_bytes(), &[whole]).is_empty()
        })
        .copied()
        .collect();
    assert!(loud.is_empty(), "loud:\n{}", loud.join(""));
}
