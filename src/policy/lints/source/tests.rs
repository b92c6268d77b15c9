//! Tables of forms: what is told, and what is not.

use proptest::prelude::*;

use crate::model::{BlobPath, DigestKey, Severity};
use crate::policy::{Fault, environment::Environments, read::read, wants};

fn run(path: &str, text: &str) -> Vec<Fault> {
    let blob = BlobPath::from(path);
    let kind = wants(&blob).unwrap();
    read(
        &blob,
        kind,
        text.as_bytes(),
        &DigestKey::new([7; 32]),
        &Environments::default(),
    )
    .faults
}

/// Returns the ids told, with what they are told of.
fn told(path: &str, text: &str) -> Vec<String> {
    let faults = run(path, text);
    faults
        .iter()
        .map(|fault| format!("{} {}", fault.lint.id, &text[fault.span.clone()]))
        .collect()
}

/// Texts, and what is told of them.
const PYTHON: &[(&str, &str)] = &[
    (
        "import os\ntry:\n    U = os.environ['U_SECRET']\nexcept KeyError:\n    U = 'hunter2-Zq81'\n",
        "src-secret-fallback 'hunter2-Zq81'",
    ),
    (
        "from decouple import config\nA = config('X_SECRET', default='hunter2-Zq81')\n",
        "src-secret-fallback 'hunter2-Zq81'",
    ),
    (
        "k = os.environ.get('HMAC_KEY', 'Vx7kQ2mR9tLp')\n",
        "src-secret-fallback 'Vx7kQ2mR9tLp'",
    ),
    (
        "def f(password):\n    print(password)\n",
        "src-secret-logged password",
    ),
    (
        "def f(password):\n    print('a %s' % password)\n",
        "src-secret-logged password",
    ),
    (
        "def f(password):\n    print('a {}'.format(password))\n",
        "src-secret-logged password",
    ),
    (
        "def f(password):\n    log.warning('a' + str(password))\n",
        "src-secret-logged password",
    ),
    (
        "def f(self):\n    self.logger.error('x', extra={'p': self.db_password})\n",
        "src-secret-logged self.db_password",
    ),
    (
        "def f():\n    t = os.environ['TOKEN']\n    logging.info('t %s', t)\n",
        "src-secret-logged t",
    ),
    (
        "logger.info(config['token'])\n",
        "src-secret-logged config['token']",
    ),
    (
        "logger.info(settings.get('db_password'))\n",
        "src-secret-logged settings.get('db_password')",
    ),
    (
        "print(json.dumps({'password': password}))\n",
        "src-secret-logged password",
    ),
    (
        "print(json.dumps(dict(os.environ)))\n",
        "src-env-dumped os.environ",
    ),
    (
        "env = os.environ.copy()\nprint(env)\n",
        "src-env-dumped env",
    ),
    (
        "return_value = jsonify(dict(os.environ))\n",
        "src-env-dumped os.environ",
    ),
    (
        "os.system('mysql -p' + db_password)\n",
        "src-secret-subprocess-argv db_password",
    ),
    (
        "def f(password):\n    args = ['mysql', f'-p{password}']\n    subprocess.check_call(args)\n",
        "src-secret-subprocess-argv args",
    ),
    (
        "raise HTTPException(status_code=400, detail=f'bad {api_key}')\n",
        "src-secret-in-error api_key",
    ),
    (
        "x = env('SECRET_KEY', default='hunter2-Zq81')\n",
        "src-secret-fallback 'hunter2-Zq81'",
    ),
    (
        "user.password = random.choice(WORDS)\n",
        "src-weak-secret-generation random.choice(WORDS)",
    ),
    (
        "User(password=str(random.randint(1, 9)))\n",
        "src-weak-secret-generation random.randint(1, 9)",
    ),
    (
        "for _ in range(8):\n    password += random.choice(A)\n",
        "src-weak-secret-generation random.choice(A)",
    ),
    (
        "os.environ.setdefault('JWT_SECRET', 'hunter2-Zq81')\n",
        "src-secret-fallback 'hunter2-Zq81'",
    ),
    (
        "def generate_password():\n    out = ''\n    for _ in range(8):\n        out += random.choice(A)\n    return out\n",
        "src-weak-secret-generation random.choice(A)",
    ),
    (
        "logging.getLogger(__name__).info(password)\n",
        "src-secret-logged password",
    ),
    (
        "def f(request):\n    logger.info('by %s', request.headers['Authorization'])\n",
        "src-secret-logged request.headers['Authorization']",
    ),
    (
        "def f(request):\n    print(request.headers.get('Authorization'))\n",
        "src-secret-logged request.headers.get('Authorization')",
    ),
    (
        "reset_token = hashlib.md5(str(time.time()).encode()).hexdigest()\n",
        "src-weak-secret-generation hashlib.md5(str(time.time()).encode())",
    ),
    (
        "def generate_token():\n    return uuid.uuid1().hex\n",
        "src-weak-secret-generation uuid.uuid1()",
    ),
];

#[test]
fn what_is_told_in_python() {
    for (text, want) in PYTHON.iter().copied() {
        assert_eq!(told("app/x.py", text), [want], "{text}");
    }
}

/// Texts, and what is told of them.
const SCRIPTS: &[(&str, &str)] = &[
    (
        "process.env.X_SECRET ||= 'hunter2-Zq81';\n",
        "src-secret-fallback 'hunter2-Zq81'",
    ),
    (
        "const { DB_PASSWORD: pw = 'hunter2-Zq81' } = process.env;\n",
        "src-secret-fallback 'hunter2-Zq81'",
    ),
    (
        "const k = process.env.COOKIE_KEY || 'Vx7kQ2mR9tLp';\n",
        "src-secret-fallback 'Vx7kQ2mR9tLp'",
    ),
    (
        "const k = process.env.ENC_KEY ?? 'Vx7kQ2mR9tLp';\n",
        "src-secret-fallback 'Vx7kQ2mR9tLp'",
    ),
    (
        "app.use((req, res) => {\n  console.log('by', req.headers.authorization);\n});\n",
        "src-secret-logged req.headers.authorization",
    ),
    (
        "console.log(req.headers['authorization'])\n",
        "src-secret-logged req.headers['authorization']",
    ),
    (
        "const resetToken = crypto.createHash('md5').update(Date.now().toString()).digest('hex');\n",
        "src-weak-secret-generation crypto.createHash('md5').update(Date.now().toString())",
    ),
    ("console.log(password)\n", "src-secret-logged password"),
    ("console.log({ password })\n", "src-secret-logged password"),
    (
        "console.log('a', { p: user.password })\n",
        "src-secret-logged user.password",
    ),
    (
        "console.log(JSON.stringify({ apiKey: cfg.apiKey }))\n",
        "src-secret-logged cfg.apiKey",
    ),
    (
        "console.log(`${process.env.GITHUB_TOKEN}`)\n",
        "src-secret-logged process.env.GITHUB_TOKEN",
    ),
    (
        "const t = process.env['TOKEN'];\nlogger.info(t);\n",
        "src-secret-logged t",
    ),
    (
        "console.log(`a ${await f(x) || password}`)\n",
        "src-secret-logged password",
    ),
    (
        "console.log(JSON.stringify(process.env))\n",
        "src-env-dumped process.env",
    ),
    (
        "for (const [k, v] of Object.entries(process.env)) { console.log(k, v); }\n",
        "src-env-dumped v",
    ),
    (
        "module.exports = { plugins: [new DefinePlugin({ 'process.env': JSON.stringify(process.env) })] };\n",
        "dotenv-client-exposed 'process.env': JSON.stringify(process.env)",
    ),
    (
        "spawn('mysql', ['-p' + password]);\n",
        "src-secret-subprocess-argv password",
    ),
    (
        "reject(new HttpError('bad ' + accessToken));\n",
        "src-secret-in-error accessToken",
    ),
    (
        "const k = process.env.K_SECRET ?? `hunter2-Zq81`;\n",
        "src-secret-fallback `hunter2-Zq81`",
    ),
    (
        "const k = process.env.JWT_SECRET ? process.env.JWT_SECRET : 'hunter2-Zq81';\n",
        "src-secret-fallback 'hunter2-Zq81'",
    ),
    (
        "export default ({ env }) => ({ secret: env('JWT_SECRET', 'hunter2-Zq81') });\n",
        "src-secret-fallback 'hunter2-Zq81'",
    ),
    (
        "const u = { password: Math.random().toString(36) };\n",
        "src-weak-secret-generation Math.random()",
    ),
    (
        "const token = `${Math.random()}`;\n",
        "src-weak-secret-generation Math.random()",
    ),
    (
        "const token = 'a-' + Math.random();\n",
        "src-weak-secret-generation Math.random()",
    ),
    (
        "const token = String(Math.random());\n",
        "src-weak-secret-generation Math.random()",
    ),
    (
        "const apiKey = crypto.randomBytes(8).toString('hex');\n",
        "src-weak-secret-generation crypto.randomBytes(8)",
    ),
    (
        "const s = this.configService.get('JWT_SECRET') || 'hunter2-Zq81';\n",
        "src-secret-fallback 'hunter2-Zq81'",
    ),
    (
        "const makePassword = () => {\n  let s = '';\n  s += A.charAt(Math.floor(Math.random() * 9));\n  return s;\n};\n",
        "src-weak-secret-generation Math.random()",
    ),
    (
        "const s = this.configService.get('JWT_SECRET', 'hunter2-Zq81');\n",
        "src-secret-fallback 'hunter2-Zq81'",
    ),
    (
        "if (process.env.NODE_ENV === 'production') { secret = process.env.API_KEY || 'hunter2-Zq81'; }\n",
        "src-secret-fallback 'hunter2-Zq81'",
    ),
    (
        "const key = isDev ? '' : process.env.API_KEY || 'hunter2-Zq81';\n",
        "src-secret-fallback 'hunter2-Zq81'",
    ),
];

#[test]
fn what_is_told_in_scripts() {
    for (text, want) in SCRIPTS.iter().copied() {
        assert_eq!(told("src/x.js", text), [want], "{text}");
        assert_eq!(told("src/x.ts", text), [want], "{text}");
        assert_eq!(told("src/x.tsx", text), [want], "{text}");
    }
}

/// Texts, and what is told of them.
const GO: &[(&str, &str)] = &[
    (
        "func f() {\n\tsecret, ok := os.LookupEnv(\"APP_SECRET\")\n\tif !ok {\n\t\tsecret = \"hunter2-Zq81\"\n\t}\n}",
        "src-secret-fallback \"hunter2-Zq81\"",
    ),
    (
        "func f() {\n\tv, ok := os.LookupEnv(\"APP_SECRET\")\n\tif !ok {\n\t\tv = \"hunter2-Zq81\"\n\t}\n}",
        "src-secret-fallback \"hunter2-Zq81\"",
    ),
    (
        "func f() {\n\tsecret, _ := os.LookupEnv(\"APP_SECRET\")\n\tfmt.Println(secret)\n}",
        "src-secret-logged secret",
    ),
    (
        "func f() {\n\tif v, ok := os.LookupEnv(\"APP_SECRET\"); ok {\n\t\tlog.Println(v)\n\t}\n}",
        "src-secret-logged v",
    ),
    (
        "func f() {\n\tpw := os.Getenv(\"DB_PASSWORD\")\n\tif len(pw) == 0 {\n\t\tpw = \"hunter2-Zq81\"\n\t}\n}",
        "src-secret-fallback \"hunter2-Zq81\"",
    ),
    (
        "func f() {\n\tsecret := os.Getenv(\"APP_SECRET\")\n\tos.Stdout.WriteString(secret)\n}",
        "src-secret-logged secret",
    ),
    (
        "func f(dbPassword string) { os.Stderr.Write([]byte(dbPassword)) }",
        "src-secret-logged dbPassword",
    ),
    (
        "func f(password string) { fmt.Println(password) }",
        "src-secret-logged password",
    ),
    (
        "func f(password string) { log.Printf(\"%q\", password) }",
        "src-secret-logged password",
    ),
    (
        "func f(c *Config) { klog.V(2).Infof(\"%s\", c.Password) }",
        "src-secret-logged c.Password",
    ),
    (
        "func f(l *zap.Logger) { l.Info(\"x\", zap.String(\"password\", cfg.Password)) }",
        "src-secret-logged cfg.Password",
    ),
    (
        "func f(l *zap.Logger) { l.With(zap.Any(\"p\", password)).Info(\"x\") }",
        "src-secret-logged password",
    ),
    (
        "func f(c *Config) { logger.Info(\"x\", zap.String(\"p\", c.DBPassword)) }",
        "src-secret-logged c.DBPassword",
    ),
    (
        "func f() { logrus.WithFields(logrus.Fields{\"p\": dbPassword}).Info(\"x\") }",
        "src-secret-logged dbPassword",
    ),
    (
        "func f() { t := os.Getenv(\"TOKEN\")\n fmt.Fprintf(os.Stderr, \"%s\", t) }",
        "src-secret-logged t",
    ),
    (
        "func f() { s := fmt.Sprintf(\"x %s\", apiKey)\n slog.Info(s) }",
        "src-secret-logged s",
    ),
    (
        "func f() { for _, e := range os.Environ() { fmt.Println(e) } }",
        "src-env-dumped e",
    ),
    (
        "func f() { exec.CommandContext(ctx, \"mysql\", \"-p\"+password) }",
        "src-secret-subprocess-argv password",
    ),
    (
        "func f() error { return fmt.Errorf(\"bad key %s\", apiKey) }",
        "src-secret-in-error apiKey",
    ),
    (
        "type C struct { A string `env:\"JWT_SECRET\" envDefault:\"hunter2-Zq81\"` }",
        "src-secret-fallback hunter2-Zq81",
    ),
    (
        "func f() { viper.SetDefault(\"jwt.secret\", \"hunter2-Zq81\") }",
        "src-secret-fallback \"hunter2-Zq81\"",
    ),
    (
        "func f() { log.Info().Str(\"p\", dbPassword).Msg(\"x\") }",
        "src-secret-logged dbPassword",
    ),
    (
        "func f(l *log.Logger, dbPassword string) { l.Println(\"x\", dbPassword) }",
        "src-secret-logged dbPassword",
    ),
    (
        "var l = log.New(os.Stderr, \"\", 0)\nfunc f(dbPassword string) { l.Printf(\"%s\", dbPassword) }",
        "src-secret-logged dbPassword",
    ),
    (
        "func f(r *http.Request) { log.Println(r.Header.Get(\"Authorization\")) }",
        "src-secret-logged r.Header.Get(\"Authorization\")",
    ),
    (
        "import \"math/rand\"\nfunc newToken() string {\n\tb := make([]byte, 32)\n\trand.Read(b)\n\treturn hex.EncodeToString(b)\n}",
        "src-weak-secret-generation rand.Read(b)",
    ),
    (
        "import \"math/rand\"\nfunc f(apiToken []byte) { rand.Read(apiToken[:]) }",
        "src-weak-secret-generation rand.Read(apiToken[:])",
    ),
];

#[test]
fn what_is_told_in_go() {
    for (text, want) in GO.iter().copied() {
        let text = format!("package main\n{text}\n");
        assert_eq!(told("cmd/x.go", &text), [want], "{text}");
    }
}

/// Paths and texts of which nothing is told.
const NOTHING: &[(&str, &str)] = &[
    (
        "src/x.js",
        "const k = process.env.COOKIE_KEY || 'session-id';\nprocess.env.API_TOKEN ||= '';\nconst { API_KEY: k2 = '' } = process.env;\n",
    ),
    (
        "cmd/x.go",
        "package a\nfunc f() {\n\tsecret, ok := os.LookupEnv(\"APP_SECRET\")\n\tif !ok {\n\t\tsecret = \"\"\n\t\tother = \"hunter2-Zq81\"\n\t}\n\tfmt.Println(ok)\n}\n",
    ),
    (
        "app/x.py",
        "try:\n    U = os.environ['U_SECRET']\nexcept KeyError:\n    U = None\n    v = 'hunter2-Zq81'\n",
    ),
    ("app/x.py", "password = mask(password)\nprint(password)\n"),
    (
        "app/x.py",
        "PASSWORD_ENV = 'DB_PASSWORD'\napi_key = 'api_key'\nprint(api_key, PASSWORD_ENV)\n",
    ),
    (
        "app/x.py",
        "print(token[:4], api_key[:4], '*' * len(api_key))\n",
    ),
    (
        "app/x.py",
        "print(f'{len(password)}', file=out)\nprint(password, file=out)\n",
    ),
    (
        "app/x.py",
        "def f(password: bool, api_key: SecretStr):\n    print(password, api_key)\n",
    ),
    (
        "app/x.py",
        "raise KeyError('password')\nraise ValueError(token)\n",
    ),
    (
        "app/x.py",
        "logger.info('password %s', 'set' if password else 'unset')\n",
    ),
    (
        "app/x.py",
        "os.environ.setdefault('A', 'b')\nos.getenv('PASSWORD_FILE', '/run/x')\nos.getenv('API_KEY', '${X}')\n",
    ),
    ("app/x.py", "password = PasswordField()\nprint(password)\n"),
    (
        "app/x.py",
        "print('authorization' in request.headers, len(request.headers['Authorization']))\nheaders['Authorization'] = x\n",
    ),
    (
        "app/x.py",
        "cache_token = hashlib.md5(str(time.time()).encode()).hexdigest()\nreset_token = hmac.new(secret_key, str(time.time())).hexdigest()\n",
    ),
    (
        "src/x.js",
        "console.log(!!req.headers.authorization, authorization.rules, headers.accept)\nfetch(url, { headers: { Authorization: x } })\n",
    ),
    (
        "cmd/x.go",
        "package a\nfunc f(cmd *cobra.Command, p *message.Printer) { cmd.Println(apiToken); p.Printf(\"%s\", apiToken) }\nvar l *log.Logger\n",
    ),
    (
        "cmd/x.go",
        "package a\nimport (\n\t\"crypto/rand\"\n\tmrand \"math/rand\"\n)\nfunc newToken() { rand.Read(b) }\n",
    ),
    (
        "src/x.js",
        "const password = () => 1;\nconsole.log(password, TokenType.ApiKey, apiKey.length);\n",
    ),
    (
        "src/x.js",
        "console.log(apiKey && '***', hash(apiKey), apiKey.slice(0, 4), apiKey === other)\n",
    ),
    (
        "src/x.ts",
        "interface A { password: boolean }\nconsole.log(a.password)\n",
    ),
    (
        "src/x.ts",
        "const apiKey: boolean = f();\nconsole.log(apiKey)\n",
    ),
    (
        "src/x.js",
        "import apiKey from './routes/apiKey';\nconsole.log(apiKey);\n",
    ),
    (
        "src/x.js",
        "res.json({ accessToken });\nres.status(200).send(password);\n",
    ),
    (
        "cmd/x.go",
        "package a\nimport \"k8s.io/api/core/v1\"\nfunc f(authSecret string) { fmt.Println(authSecret) }\n",
    ),
    (
        "app/x.py",
        "random = SystemRandom()\npassword = random.choice(A)\n",
    ),
    (
        "src/x.js",
        "const refreshToken = Math.random();\nconst token = Math.random() * 9;\nconst nextToken = 1 + Math.random();\n",
    ),
    (
        "cmd/x.go",
        "package a\nfunc f(privateKey *rsa.PrivateKey) { fmt.Println(privateKey) }\n",
    ),
    (
        "cmd/x.go",
        "package a\nfunc f() { fmt.Fprintln(f, password)\n cmd := exec.Command(\"x\")\n cmd.Stdin = strings.NewReader(password) }\n",
    ),
    (
        "src/x.js",
        "const key = process.env.NODE_ENV !== 'production' ? process.env.API_KEY || 'hunter2-Zq81' : f();\n",
    ),
    (
        "src/x.js",
        "if (isProd) { f(); } else { secret = process.env.API_KEY || 'hunter2-Zq81'; }\n",
    ),
    (
        "src/x.js",
        "const kmsKeyName = process.env.GOOGLE_KMS_KEY_US;\nconst tokenName = process.env.API_TOKEN;\nconsole.log(kmsKeyName, tokenName);\n",
    ),
];

#[test]
fn what_is_not_told() {
    for (path, text) in NOTHING.iter().copied() {
        assert_eq!(told(path, text), [""; 0], "{text}");
    }
}

#[test]
fn traps_that_real_trees_set() {
    for (path, text) in [
        // The name of another variable that is read then, and what sets variables in tests.
        (
            "src/x.mjs",
            "const key = requireEnv('SHOP_API_KEY', 'SHOP_ACCESS_KEY');\n",
        ),
        ("src/x.ts", "vi.stubEnv('SHOP_API_KEY', 'hunter2-Zq81');\n"),
        // What tells one process from another.
        (
            "src/x.ts",
            "const RUN_PROCESS_TOKEN: string = randomBytes(4).toString('hex');\n",
        ),
        // A path, by the first word of its name.
        (
            "src/x.go",
            "package main\n\nfunc f(pathPrivateKey string) error {\n\treturn fmt.Errorf(\"no key in '%s'\", pathPrivateKey)\n}\n",
        ),
        (
            "src/z.go",
            "package main\n\nfunc f(dir string) error {\n\tpathPrivateKey := filepath.Join(dir, filePrivateKey)\n\treturn fmt.Errorf(\"no key in '%s'\", pathPrivateKey)\n}\n",
        ),
        // The name under which a Secret of Kubernetes keeps it.
        (
            "src/y.go",
            "package main\n\nfunc f(tls *v1.Secret) error {\n\tif _, ok := tls.Data[privateKey]; !ok {\n\t\treturn fmt.Errorf(\"no '%s' in it\", privateKey)\n\t}\n\treturn nil\n}\n",
        ),
        // A program that is there to print it.
        (
            "cmd/git-ask-pass/git_ask_pass.go",
            "package main\n\nfunc main() {\n\tfmt.Println(creds.Password)\n}\n",
        ),
    ] {
        assert_eq!(told(path, text), [""; 0], "{path} {text}");
    }
    let weak = "const token = Math.random().toString(36).slice(2);\n";
    for (path, text, want) in [
        ("src/x.ts", weak.to_owned(), Severity::Medium),
        ("src/x.tsx", weak.to_owned(), Severity::Info),
        (
            "src/x.js",
            format!("import {{ useState }} from 'react';\n{weak}"),
            Severity::Info,
        ),
    ] {
        let graded: Vec<_> = run(path, &text)
            .iter()
            .map(|fault| fault.severity)
            .collect();
        assert_eq!(graded, [want], "{path}");
    }
}

#[test]
fn tests_and_examples_are_only_told() {
    for path in [
        "tests/x.py",
        "src/test_x.py",
        "src/x_test.go",
        "src/x.spec.ts",
        "examples/x.js",
        "src/__tests__/x.js",
    ] {
        assert!(super::is_test(path), "{path}");
    }
    for path in ["src/latest.py", "src/contest.go", "src/testimonial.ts"] {
        assert!(!super::is_test(path), "{path}");
    }
    let faults = run("tests/x.py", "print(db_password)\n");
    assert!(
        faults.iter().all(|fault| fault.severity == Severity::Info) && faults.len() == 1,
        "{faults:?}"
    );
}

#[test]
fn what_stands_at_the_left_edge_inside_of_a_function_hides_nothing() {
    for (path, text) in [
        (
            "src/a.ts",
            "function f() {\n  const k = apiKey;\n/*\nfoo\n*/\n  console.log(k);\n}\n",
        ),
        (
            "src/a.ts",
            "function f() {\n  const k = apiKey;\n  foo(\nbar,\n  );\n  console.log(k);\n}\n",
        ),
        (
            "a/x.go",
            "package a\n\nfunc f() {\n\tk := apiKey\n/*\nfunc old() {\n}\n*/\n\tfmt.Println(k)\n}\n",
        ),
        (
            "a/x.py",
            "def f():\n    k = api_key\n    x = {\nfoo: 1,\n    }\n    print(k)\n",
        ),
    ] {
        let faults = told(path, text);
        assert_eq!(faults, ["src-secret-logged k"], "{text}");
    }
}

#[test]
fn more_than_fits_a_tree_is_noted() {
    let blob = BlobPath::from("src/a.ts");
    let text = "console.log(dbPassword);\n".repeat(50_000);
    let reading = read(
        &blob,
        wants(&blob).unwrap(),
        text.as_bytes(),
        &DigestKey::new([7; 32]),
        &Environments::default(),
    );
    assert_eq!(reading.faults.len(), 0);
    assert!(reading.note.is_some_and(|note| note.text.contains("1 MiB")));
}

#[test]
fn what_a_third_party_wrote_is_noted() {
    for path in [
        "web/vendor/a.js",
        "a/node_modules/b/c.js",
        "web/lib/x.min.js",
    ] {
        let blob = BlobPath::from(path);
        let reading = read(
            &blob,
            wants(&blob).unwrap(),
            b"console.log(dbPassword)\n",
            &DigestKey::new([7; 32]),
            &Environments::default(),
        );
        assert_eq!(reading.faults.len(), 0, "{path}");
        assert!(reading.note.is_some(), "{path}");
    }
}

#[test]
fn fallbacks_are_graded_by_what_they_guard() {
    for (path, text, want) in [
        (
            "app/x.py",
            "os.getenv('DB_PASSWORD', 'hunter2-Zq81')\n",
            Severity::Medium,
        ),
        (
            "app/x.py",
            "os.getenv('JWT_SECRET', 'changeme')\n",
            Severity::High,
        ),
        (
            "app/x.py",
            "os.getenv('API_TOKEN', 'changeme')\n",
            Severity::Info,
        ),
        (
            "settings/production.py",
            "os.getenv('DB_PASSWORD', 'hunter2-Zq81')\n",
            Severity::High,
        ),
        (
            "settings/dev.py",
            "os.getenv('JWT_SECRET', 'hunter2-Zq81')\n",
            Severity::Info,
        ),
        (
            "tests/x.py",
            "os.getenv('JWT_SECRET', 'hunter2-Zq81')\n",
            Severity::Info,
        ),
    ] {
        let faults = run(path, text);
        let graded: Vec<_> = faults.iter().map(|fault| fault.severity).collect();
        assert_eq!(graded, [want], "{path} {text}");
    }
}

#[test]
fn fixes_leave_nothing_to_tell() {
    for (path, text) in [
        (
            "app/x.py",
            "a = os.getenv(\"JWT_SECRET\", \"hunter2-Zq81\")\n",
        ),
        (
            "app/x.py",
            "a = os.environ.get('JWT_SECRET') or 'hunter2-Zq81'\n",
        ),
        (
            "src/x.js",
            "const a = process.env.JWT_SECRET || 'hunter2-Zq81';\n",
        ),
        ("app/x.py", "api_key = secrets.token_hex(8)\n"),
    ] {
        let faults = run(path, text);
        let fix = faults[0].fix.as_ref().unwrap();
        let mut fixed = text.to_owned();
        for edit in &fix.edits {
            fixed.replace_range(edit.span.clone(), &edit.text);
        }
        assert!(!fixed.contains("hunter2"), "{fixed}");
        assert_eq!(told(path, &fixed), [""; 0], "{fixed}");
    }
}

const FAILS: &str = "drop the fallback: fail when the variable is not set";
const MUST: &str = "drop the fallback: the variable must be set, and the program must test that";

/// What a fix is called, and what it makes of a text.
type Mended = Option<(&'static str, &'static str)>;

/// Paths, and texts with a fallback.
const FALLBACKS: &[(&str, &str, Mended)] = &[
    (
        "app/x.py",
        "a = os.getenv('JWT_SECRET') or 'hunter2-Zq81'\n",
        Some((FAILS, "a = os.environ['JWT_SECRET']\n")),
    ),
    (
        "app/x.py",
        "a = os.environ.get(\"JWT_SECRET\", '') or 'hunter2-Zq81'\n",
        Some((FAILS, "a = os.environ[\"JWT_SECRET\"]\n")),
    ),
    (
        "app/x.py",
        "from os import environ\na = environ.get('JWT_SECRET', 'hunter2-Zq81')\n",
        Some((FAILS, "from os import environ\na = environ['JWT_SECRET']\n")),
    ),
    (
        "app/x.py",
        "a = os.environ['JWT_SECRET'] or 'hunter2-Zq81'\n",
        Some((FAILS, "a = os.environ['JWT_SECRET']\n")),
    ),
    // Without `os` there is nothing known that fails; and what else is read first goes on.
    (
        "app/x.py",
        "from os import getenv\na = getenv('JWT_SECRET') or 'hunter2-Zq81'\n",
        None,
    ),
    (
        "app/x.py",
        "a = os.getenv('JWT_SECRET') or os.getenv('B_SECRET') or 'hunter2-Zq81'\n",
        None,
    ),
    (
        "app/x.py",
        "token = os.getenv('TOKEN') or os.environ['JWT_SECRET'] or 'hunter2-Zq81'\n",
        None,
    ),
    (
        "src/x.ts",
        "const a = process.env.JWT_SECRET || 'hunter2-Zq81';\n",
        Some((MUST, "const a = process.env.JWT_SECRET;\n")),
    ),
    (
        "src/x.js",
        "const a = process.env.JWT_SECRET ?? 'hunter2-Zq81';\n",
        Some((MUST, "const a = process.env.JWT_SECRET;\n")),
    ),
];

#[test]
fn fixes_of_fallbacks_do_what_they_say() {
    for (path, text, want) in FALLBACKS.iter().copied() {
        let faults = run(path, text);
        assert_eq!(faults.len(), 1, "{text}");
        let mended = faults[0].fix.as_ref().map(|fix| {
            let mut fixed = text.to_owned();
            for edit in &fix.edits {
                fixed.replace_range(edit.span.clone(), &edit.text);
            }
            (fix.title.as_str(), fixed)
        });
        let mended = mended
            .as_ref()
            .map(|(title, fixed)| (*title, fixed.as_str()));
        assert_eq!(mended, want, "{text}");
    }
}

#[test]
fn deep_nests_are_read_in_time() {
    for unit in [
        "str(",
        "[",
        "print(",
        "f(a, ",
        "'a' + ",
        "{'a': ",
        "lambda: ",
        "(",
        "x = password or ",
    ] {
        let text = format!("print(password)\n{}", unit.repeat(20_000));
        let _ = run("app/x.py", &text);
        let _ = run("src/x.js", &text);
        let _ = run("cmd/x.go", &text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn spans_lie_within_any_text(parts in prop::collection::vec(prop::sample::select(vec![
        "print(", "password", "console.log(", "`${", "}`", "f'{", "}'", "os.getenv('JWT_SECRET', ", "'x9'", ")", " || ", "process.env.", "API_KEY",
        "\n", "raise E(", "random.choice(", " = ", "if ", ":", "{", "}", "é", "\"", "func f() ", "exec.Command(", ", ", "%", "+", "/*", "`env:\"JWT_SECRET\" envDefault:\"",
    ]), 0..40)) {
        let text = format!("print(password)\n{}", parts.concat());
        for path in ["a/x.py", "a/x.js", "a/x.ts", "a/x.tsx", "a/x.go"] {
            for fault in run(path, &text) {
                prop_assert!(text.get(fault.span.clone()).is_some());
                prop_assert!(fault.secret.is_none_or(|span| text.get(span).is_some()));
            }
        }
    }
}

#[test]
fn long_files_are_read_in_time() {
    for (path, unit) in [
        ("app/x.py", "x = os.getenv('JWT_SECRET', 'hunter2-Zq81')\n"),
        (
            "app/x.py",
            "for k, v in os.environ.items():\n    print(v)\n",
        ),
        (
            "src/x.js",
            "const { JWT_SECRET = 'hunter2-Zq81' } = process.env;\n",
        ),
        ("src/x.js", "const f = () => { console.log(password); };\n"),
        ("src/x.js", "x = { token: { a: Math.random(), b: [\n"),
        (
            "cmd/x.go",
            "func f() { if x == \"\" { log.Println(password) } }\n",
        ),
    ] {
        let text = format!("package main\n{}", unit.repeat(8_000));
        let text = text.strip_prefix(if path.ends_with("go") {
            ""
        } else {
            "package main\n"
        });
        let faults = run(path, text.unwrap_or_default());
        assert!(
            path.ends_with("js") || faults.len() >= 8_000,
            "{path} {unit} {}",
            faults.len()
        );
    }
}
