//! What is known of rules 76 to 81, with examples.

use crate::model::{Confidence, Severity};
use crate::policy::{
    fault::FixClass,
    lint::{LintMeta, Persona},
};

const LANGUAGES: &str = "Python, JavaScript, TypeScript, Go";

/// All of them.
pub(super) static ALL: &[&LintMeta] = &[&LOGGED, &DUMPED, &FALLBACK, &ARGUMENT, &ERROR, &WEAK];

/// Rule 76.
pub(super) static LOGGED: LintMeta = LintMeta {
    id: "src-secret-logged",
    title: "A secret reaches a log or the output of a program",
    tool: LANGUAGES,
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet, section 8.3",
        "CWE-532: Insertion of Sensitive Information into Log File",
    ],
    cwe: 532,
    fix: FixClass::None,
    why: "Logs are copied, kept for long and read by many more people and programs than may know the secret.",
    help: "Log what happened, the id of the key, or its length. If a value must be told apart, log a keyed hash of it.",
    bad: &[
        &[(
            "app/db.py",
            "def connect(db_password):\n    logger.info(f\"connecting with {db_password}\")\n",
        )],
        &[(
            "src/auth.js",
            "function login(user, apiKey) {\n  console.log('key ' + apiKey);\n}\n",
        )],
        &[(
            "cmd/main.go",
            "package main\n\nfunc run() {\n\tkey := os.Getenv(\"API_KEY\")\n\tlog.Printf(\"using %s\", key)\n}\n",
        )],
        &[(
            "src/auth.ts",
            "export function login(password: string): void {\n  logger.debug(`trying ${password}`);\n}\n",
        )],
    ],
    good: &[
        &[(
            "app/db.py",
            "def connect(db_password):\n    logger.info(\"connecting, password has %d characters\", len(db_password))\n",
        )],
        &[(
            "src/lexer.js",
            "function next(token, currentToken) {\n  console.log('unexpected token', token, currentToken, tokenCount);\n}\n",
        )],
        &[(
            "app/form.py",
            "def check(form, password):\n    logger.info(\"password given: %s\", bool(password))\n    logger.info(\"token %s\", mask(api_token))\n    print(\"Enter password\")\n",
        )],
        &[(
            "cmd/main.go",
            "package main\n\nfunc run(secret *corev1.Secret, password string) {\n\tlog.Printf(\"secret %s/%s %T\", secret.Namespace, secret.Name, password)\n}\n",
        )],
        &[(
            "src/form.ts",
            "console.log(errors.password, t.password, password ? 'set' : 'not set', !!apiKey, typeof password);\n",
        )],
    ],
};

/// Rule 77.
pub(super) static DUMPED: LintMeta = LintMeta {
    id: "src-env-dumped",
    title: "The whole environment is logged, answered or bundled",
    tool: LANGUAGES,
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet, section 8.3",
        "CWE-526: Cleartext Storage of Sensitive Information in an Environment Variable",
    ],
    cwe: 526,
    fix: FixClass::None,
    why: "The environment of a service holds its secrets, those of tomorrow among them.",
    help: "Name the variables that are worth telling.",
    bad: &[
        &[("app/main.py", "logger.debug(os.environ)\n")],
        &[("src/main.js", "console.log(process.env);\n")],
        &[(
            "cmd/main.go",
            "package main\n\nfunc main() {\n\tfmt.Println(os.Environ())\n}\n",
        )],
        &[(
            "app/env.py",
            "for name, value in os.environ.items():\n    print(name, value)\n",
        )],
        &[(
            "src/routes.js",
            "app.get('/env', (req, res) => res.json(process.env));\n",
        )],
    ],
    good: &[
        &[(
            "app/main.py",
            "logger.debug(os.environ[\"LANG\"])\nprint(\", \".join(os.environ))\n",
        )],
        &[(
            "app/run.py",
            "subprocess.run([\"make\"], env=dict(os.environ, LANG=\"C\"))\n",
        )],
        &[(
            "src/main.js",
            "const child = spawn('node', ['x.js'], { env: { ...process.env, LANG: 'C' } });\nconsole.log(Object.keys(process.env), process.env.HOME);\n",
        )],
        &[(
            "cmd/main.go",
            "package main\n\nfunc main() {\n\tcmd.Env = append(os.Environ(), \"LANG=C\")\n\tfmt.Println(len(os.Environ()))\n}\n",
        )],
    ],
};

/// Rule 78.
pub(super) static FALLBACK: LintMeta = LintMeta {
    id: "src-secret-fallback",
    title: "A secret falls back to a value in the code",
    tool: LANGUAGES,
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Top 10 Non-Human Identities, NHI2: Secret Leakage",
        "CWE-1392: Use of Default Credentials",
        "CWE-798: Use of Hard-coded Credentials",
    ],
    cwe: 1392,
    fix: FixClass::Unsafe,
    why: "Where the variable is missing, by a slip in a deployment, the service runs with a secret that every reader of the code knows.",
    help: "Fail at start when the variable is not set. Give development its values in a file that is not committed.",
    bad: &[
        &[(
            "app/settings.py",
            "JWT_SECRET = os.getenv(\"JWT_SECRET\", \"changeme\")\n",
        )],
        &[(
            "src/config.js",
            "const secret = process.env.JWT_SECRET || 'hunter2-Zq81';\n",
        )],
        &[(
            "app/config.py",
            "password = os.environ.get(\"DB_PASSWORD\") or \"hunter2-Zq81\"\n",
        )],
        &[(
            "cmd/main.go",
            "package main\n\nvar key = getEnv(\"API_TOKEN\", \"hunter2-Zq81\")\n",
        )],
        &[(
            "cmd/config.go",
            "package main\n\nfunc load() string {\n\tpassword := os.Getenv(\"DB_PASSWORD\")\n\tif password == \"\" {\n\t\tpassword = \"hunter2-Zq81\"\n\t}\n\treturn password\n}\n",
        )],
        &[(
            "src/env.ts",
            "const { SESSION_SECRET = 'hunter2-Zq81' } = process.env;\n",
        )],
    ],
    good: &[
        &[(
            "app/settings.py",
            "JWT_SECRET = os.environ[\"JWT_SECRET\"]\nAPI_KEY = os.getenv(\"API_KEY\", \"\")\nTOKEN = os.getenv(\"TOKEN\", None)\n",
        )],
        &[(
            "app/base.py",
            "if DEBUG:\n    SECRET_KEY = os.getenv(\"SECRET_KEY\", \"hunter2-Zq81\")\n",
        )],
        &[(
            "src/config.js",
            "const key = process.env.API_KEY || '';\nconst file = process.env.PASSWORD_FILE || '/run/secrets/password';\nconst key2 = process.env.NODE_ENV === 'development' ? process.env.API_KEY || 'hunter2-Zq81' : process.env.API_KEY;\n",
        )],
        &[(
            "cmd/main.go",
            "package main\n\nvar header = getEnv(\"TOKEN_HEADER\", \"X-Auth\")\nvar level = getEnv(\"LOG_LEVEL\", \"info\")\n",
        )],
    ],
};

/// Rule 79.
pub(super) static ARGUMENT: LintMeta = LintMeta {
    id: "src-secret-subprocess-argv",
    title: "A secret is an argument of a process that the program starts",
    tool: LANGUAGES,
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &["CWE-214: Invocation of Process Using Visible Sensitive Information"],
    cwe: 214,
    fix: FixClass::None,
    why: "Every user of the machine can list the arguments of its processes, and tools that watch processes keep them.",
    help: "Hand the secret over by standard input, by the environment of the child alone, or by a file that only it can read.",
    bad: &[
        &[(
            "app/dump.py",
            "def dump(db_password):\n    subprocess.run([\"mysqldump\", \"-p\" + db_password, \"app\"])\n",
        )],
        &[(
            "src/push.js",
            "exec(`curl -u bot:${process.env.BOT_TOKEN} https://example.org`);\n",
        )],
        &[(
            "cmd/main.go",
            "package main\n\nfunc dump(password string) {\n\texec.Command(\"mysqldump\", \"-p\"+password)\n}\n",
        )],
    ],
    good: &[
        &[(
            "app/dump.py",
            "def dump(db_password):\n    subprocess.run([\"mysqldump\", \"app\"], env={\"MYSQL_PWD\": db_password})\n",
        )],
        &[(
            "app/login.py",
            "def login(password):\n    subprocess.run([\"docker\", \"login\", \"--password-stdin\"], input=password)\n",
        )],
        &[(
            "src/find.js",
            "const found = /^[a-z]+$/.exec(password);\nspawn('psql', ['app'], { env: { PGPASSWORD: password } });\n",
        )],
    ],
};

/// Rule 80.
pub(super) static ERROR: LintMeta = LintMeta {
    id: "src-secret-in-error",
    title: "A secret becomes part of an error's text",
    tool: LANGUAGES,
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet, section 8.3",
        "CWE-209: Generation of Error Message Containing Sensitive Information",
    ],
    cwe: 209,
    fix: FixClass::None,
    why: "Errors end in logs, in trackers of errors and on the screens of users.",
    help: "Name what was wrong and where, not the value.",
    bad: &[
        &[(
            "app/key.py",
            "def use(api_key):\n    raise ValueError(f\"bad key {api_key}\")\n",
        )],
        &[(
            "src/key.js",
            "function use(apiKey) {\n  throw new Error(`bad key ${apiKey}`);\n}\n",
        )],
        &[(
            "cmd/main.go",
            "package main\n\nfunc open(w http.ResponseWriter, dsn string) {\n\thttp.Error(w, \"cannot open \"+dsn, 500)\n}\n",
        )],
        &[(
            "src/server.ts",
            "app.post('/login', (req, res) => res.status(401).send('wrong password ' + req.body.password));\n",
        )],
    ],
    good: &[
        &[(
            "app/key.py",
            "def use(api_key):\n    raise ValueError(f\"the key has {len(api_key)} characters\")\n",
        )],
        &[(
            "src/key.js",
            "function use(apiKey, token) {\n  throw new Error('apiKey is missing', { cause: error });\n}\n",
        )],
        &[(
            "cmd/main.go",
            "package main\n\nfunc use(token string) error {\n\treturn fmt.Errorf(\"unexpected token %q in %s\", token, passwordField)\n}\n",
        )],
    ],
};

/// Rule 81.
pub(super) static WEAK: LintMeta = LintMeta {
    id: "src-weak-secret-generation",
    title: "A secret is made from a source that can be guessed",
    tool: LANGUAGES,
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet, section 2.7.1: Creation",
        "CWE-338: Use of Cryptographically Weak Pseudo-Random Number Generator",
    ],
    cwe: 338,
    fix: FixClass::Unsafe,
    why: "Who sees some results of such a source can work out the others; a short secret can be tried out.",
    help: "Use `secrets.token_urlsafe(32)`, `crypto.randomBytes(32)` or `crypto/rand` with 32 bytes.",
    bad: &[
        &[(
            "app/user.py",
            "password = ''.join(random.choice(string.ascii_letters) for _ in range(12))\n",
        )],
        &[(
            "src/token.js",
            "const token = Math.random().toString(36).slice(2);\n",
        )],
        &[(
            "cmd/main.go",
            "package main\n\nimport \"math/rand\"\n\nfunc generatePassword() string {\n\treturn alphabet[rand.Intn(len(alphabet))]\n}\n",
        )],
        &[("app/key.py", "api_key = secrets.token_hex(8)\n")],
    ],
    good: &[
        &[(
            "app/user.py",
            "password = secrets.token_urlsafe(32)\njitter = random.random()\nrequest_token = random.randint(0, 9)\n",
        )],
        &[(
            "src/token.js",
            "const token = crypto.randomBytes(32).toString('hex');\nconst requestId = Math.random().toString(36);\n",
        )],
        &[(
            "cmd/main.go",
            "package main\n\nimport \"crypto/rand\"\n\nfunc generatePassword() string {\n\treturn alphabet[rand.Intn(len(alphabet))]\n}\n",
        )],
    ],
};
