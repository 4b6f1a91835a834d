#!/usr/bin/env bash
# One release at a broker-dealer, played from the first commit to the auditor's desk against the real binary.
#
#     examples/broker-dealer/run.sh [--keep]
#
# Everything happens in a fresh directory with its own home, keys and ledger; nothing of yours is read or written.
# The directory is removed at the end; `--keep` leaves it there to look at.
#
# It is also a test: every exit code and every claim below is checked, and the first deviation ends the story with 1.
# It needs bash, git (2.34 or newer) and ssh-keygen (OpenSSH 8.2 or newer). The checks in the last act that use Go are
# skipped, and say so, where Go or its package golang.org/x/mod is missing; under CI=true that is a failure.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
project=$(cd "$here/../.." && pwd -P)

# ---------------------------------------------------------------------------------------------------------------------
# Telling and checking
# ---------------------------------------------------------------------------------------------------------------------

act_number=0
act_title='before the first act'
checks=0
skips=0

act() { # TITLE: the next act
    act_number=$((act_number + 1))
    act_title=$1
    printf '\n=== Act %d. %s ===\n' "$act_number" "$1"
}

say() { printf '\n# %s\n' "$*"; }

fail() { # WHAT: the story did not go as it must
    {
        printf '\nSTORY FAILED in act %d (%s)\n' "$act_number" "$act_title"
        printf '%s\n' "$@"
        [[ -n ${keep:-} ]] || printf 'run it again with --keep to look at the files\n'
    } >&2
    exit 1
}

typed() { # COMMAND…: as somebody would have typed it
    local word line='$'
    # Somebody at another machine: the functions below of that name.
    case $1 in
        ruth | auditor | eve | whatif)
            line="$1\$ countersign"
            shift
            ;;
    esac
    for word in "$@"; do
        if [[ $word == "$countersign" ]]; then word=countersign; fi
        if [[ $word =~ ^[A-Za-z0-9_./:@=,+%-]+$ || $word == '<' ]]; then line+=" $word"; else line+=" '$word'"; fi
    done
    printf '\n%s\n' "$line"
}

# Runs COMMAND, shows what it says, and insists on its exit code. What it said is in $said until the next one.
expect() { # CODE COMMAND…
    local wanted=$1 code=0
    shift
    typed "$@"
    "$@" >"$stage/said" 2>&1 </dev/null || code=$?
    said=$(<"$stage/said")
    cat "$stage/said" >>"$stage/transcript"
    [[ -z $said ]] || sed 's/^/    /' "$stage/said"
    [[ $code == "$wanted" ]] || fail "expected exit $wanted, got $code, from: $*"
    printf '    (exit %d, as expected)\n' "$code"
    checks=$((checks + 1))
}

# The same without showing what it says, for output that programs read.
quietly() { # CODE FILE COMMAND…
    local wanted=$1 file=$2 code=0
    shift 2
    typed "$@"
    "$@" >"$file" 2>"$stage/said" </dev/null || code=$?
    cat "$file" "$stage/said" >>"$stage/transcript"
    if [[ $code != "$wanted" ]]; then
        sed 's/^/    /' "$file" "$stage/said"
        fail "expected exit $wanted, got $code, from: $*"
    fi
    printf '    (exit %d, as expected; %d bytes)\n' "$code" "$(wc -c <"$file")"
    checks=$((checks + 1))
}

shows() { # TEXT…: the last command said each of these
    local text
    for text in "$@"; do
        [[ $said == *"$text"* ]] || fail "expected the output above to hold: $text"
        checks=$((checks + 1))
    done
}

holds() { # WHAT COMMAND…: a claim about the world, checked
    local what=$1
    shift
    "$@" >/dev/null 2>&1 || fail "this does not hold: $what" "(checked by: $*)"
    printf '    ok: %s\n' "$what"
    checks=$((checks + 1))
}

not() { ! "$@"; }

skip() { # WHAT: a check that this machine cannot make. A skipped proof is none, so not under CI.
    [[ ${CI:-} != true ]] || fail "cannot be checked under CI=true: $1"
    printf '    SKIP: %s\n' "$1"
    skips=$((skips + 1))
}

# The value of a text or number field, the first of that name, in a JSON file. Enough for flat fields we know.
field() { # NAME FILE
    tr -d '\n' <"$2" | grep -oE "\"$1\" *: *(\"[^\"]*\"|[0-9]+|true|false|null)" | sed -n 1p |
        sed -E 's/^"[^"]*" *: *"?//; s/"$//'
}

# ---------------------------------------------------------------------------------------------------------------------
# The stage
# ---------------------------------------------------------------------------------------------------------------------

keep=
case ${1:-} in
    '') ;;
    --keep) keep=yes ;;
    *)
        printf 'usage: run.sh [--keep]\n' >&2
        exit 2
        ;;
esac

for tool in git ssh-keygen; do
    command -v "$tool" >/dev/null || fail "this story needs $tool"
done

# The binary: as told, else the newest that was built here, else build it.
countersign=${COUNTERSIGN:-}
if [[ -z $countersign ]]; then
    target=${CARGO_TARGET_DIR:-$project/target}
    for built in "$target/release/countersign" "$target/debug/countersign"; do
        if [[ -x $built && (-z $countersign || $built -nt $countersign) ]]; then countersign=$built; fi
    done
    if [[ -z $countersign ]]; then
        (cd "$project" && cargo build)
        countersign=$target/debug/countersign
    fi
fi
[[ -x $countersign ]] || fail "not a program: $countersign"
countersign=$(cd "$(dirname "$countersign")" && pwd -P)/$(basename "$countersign")

stage=$(mktemp -d "${TMPDIR:-/tmp}/broker-dealer.XXXXXX")
stage=$(cd "$stage" && pwd -P)
leave() {
    local code=$?
    if [[ -n $keep ]]; then printf '\nkept: %s\n' "$stage" >&2; else rm -rf "$stage"; fi
    exit "$code"
}
trap leave EXIT
# Whatever fails outside of a check says where.
trap 'printf "\nSTORY FAILED in act %d (%s), line %d\n" "$act_number" "$act_title" "$LINENO" >&2' ERR

# Nobody's own configuration, keys or agent take part.
while read -r name; do unset "$name"; done < <(compgen -e | grep -E '^(GIT_|COUNTERSIGN|SSH_|XDG_|CLICOLOR)' || true)
export HOME=$stage/home COUNTERSIGN_DATA_DIR=$stage/desk/data GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_CONFIG_NOSYSTEM=1 TZ=UTC LC_ALL=C NO_COLOR=1
mkdir -p "$HOME" "$stage/keys" "$stage/desk" "$stage/evidence" "$stage/order-routing"
: >"$stage/transcript"

for person in priya mia dan ruth omar eve; do
    ssh-keygen -q -t ed25519 -N '' -C "$person@broker.example" -f "$stage/keys/$person"
done

printf 'The cast: priya (administrator), mia (developer), dan (engineer), ruth (compliance officer),\n'
printf '          omar (release manager), and eve, who is none of these.\n'
printf 'The tool: %s\n' "$("$countersign" --version)"

# ---------------------------------------------------------------------------------------------------------------------
act 'Mia builds an order router'
# ---------------------------------------------------------------------------------------------------------------------

cd "$stage/order-routing"
git init -q -b main
git config user.name Mia
git config user.email mia@broker.example
git config gpg.format ssh
git config user.signingKey "$stage/keys/mia"
git config commit.gpgSign true
mkdir -p bin lib test config .github/workflows

cat >README.md <<'FILE'
# Order routing

Reads client orders, one a line, refuses what is beyond the pre-trade limits, and names a venue for the rest.

    $ echo 'ACME buy 200 1050' | bin/route
    NORTH ACME buy 200 1050
FILE
cat >lib/venues.sh <<'FILE'
# Which venue gets an order. Symbols are split by their first letter.
venue_of() { # SYMBOL
    case $1 in
        [A-M]*) echo NORTH ;;
        [N-Z]*) echo SOUTH ;;
        *) return 1 ;;
    esac
}
FILE
cat >bin/route <<'FILE'
#!/usr/bin/env bash
# SYMBOL SIDE QUANTITY PRICE-IN-CENTS on standard input; one answer a line.
set -euo pipefail
. "$(dirname "$0")/../lib/venues.sh"

while read -r symbol side quantity price; do
    if venue=$(venue_of "$symbol"); then
        echo "$venue $symbol $side $quantity $price"
    else
        echo "REJECT $symbol no-venue"
    fi
done
FILE
chmod +x bin/route
git add -A
git commit -q -m 'Route orders by symbol'

git switch -q -c limits
cat >lib/limits.sh <<'FILE'
# Pre-trade limits: no single order may be larger than these (SEC rule 15c3-5).
max_quantity=10000
max_notional_cents=25000000

within_limits() { # QUANTITY PRICE-IN-CENTS
    (($1 > 0 && $2 > 0 && $1 <= max_quantity && $1 * $2 <= max_notional_cents))
}
FILE
cat >bin/route <<'FILE'
#!/usr/bin/env bash
# SYMBOL SIDE QUANTITY PRICE-IN-CENTS on standard input; one answer a line.
set -euo pipefail
. "$(dirname "$0")/../lib/venues.sh"
. "$(dirname "$0")/../lib/limits.sh"

while read -r symbol side quantity price; do
    if ! [[ $quantity =~ ^[1-9][0-9]{0,8}$ && $price =~ ^[1-9][0-9]{0,8}$ ]]; then
        echo "REJECT $symbol malformed"
    elif ! within_limits "$quantity" "$price"; then
        echo "REJECT $symbol beyond-limits"
    elif venue=$(venue_of "$symbol"); then
        echo "$venue $symbol $side $quantity $price"
    else
        echo "REJECT $symbol no-venue"
    fi
done
FILE
git add -A
git commit -q -m 'Refuse orders beyond the pre-trade limits'

cat >test/run <<'FILE'
#!/usr/bin/env bash
# Routes known orders and compares; writes junit.xml beside itself unless told where.
set -euo pipefail
cd "$(dirname "$0")/.."
report=${1:-test/junit.xml}
total=0 failed=0 cases=

check() { # NAME ORDER ANSWER
    local got
    got=$(echo "$2" | bin/route)
    total=$((total + 1))
    if [[ $got == "$3" ]]; then
        cases+="  <testcase classname=\"route\" name=\"$1\"/>"$'\n'
    else
        failed=$((failed + 1))
        cases+="  <testcase classname=\"route\" name=\"$1\"><failure message=\"$got\"/></testcase>"$'\n'
    fi
}

check north 'ACME buy 200 1050' 'NORTH ACME buy 200 1050'
check south 'ZETA sell 10 99' 'SOUTH ZETA sell 10 99'
check quantity 'ACME buy 10001 1' 'REJECT ACME beyond-limits'
check notional 'ACME buy 10000 2501' 'REJECT ACME beyond-limits'
check malformed 'ACME buy many 1' 'REJECT ACME malformed'
check unknown '9X buy 1 1' 'REJECT 9X no-venue'

printf '<?xml version="1.0" encoding="UTF-8"?>\n<testsuite name="order-routing" tests="%d" failures="%d">\n%s</testsuite>\n' \
    "$total" "$failed" "$cases" >"$report"
echo "$total tests, $failed failed"
((failed == 0))
FILE
chmod +x test/run
git add -A
git commit -q -m 'Test the router'
git switch -q main

cat >.github/workflows/ci.yml <<'FILE'
name: ci
on: [push]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - run: test/run
      - run: ./build.sh
FILE
cat >build.sh <<'FILE'
#!/usr/bin/env bash
# The artifact, and a bill of what is in it.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p dist
tar -cf dist/order-routing.tar bin lib
cat >dist/sbom.cdx.json <<BOM
{
  "bomFormat": "CycloneDX",
  "specVersion": "1.6",
  "version": 1,
  "metadata": {"component": {"type": "application", "name": "order-routing", "version": "$(git rev-parse --short HEAD)"}},
  "components": [{"type": "application", "name": "bash", "version": "${BASH_VERSION%%(*}"}]
}
BOM
FILE
cat >deploy.sh <<'FILE'
#!/usr/bin/env bash
# Unpacks the artifact where production runs. Only `countersign deploy --grant` sets these variables.
set -euo pipefail
cd "$(dirname "$0")"
echo "deploying ${COUNTERSIGN_COMMIT:?} to ${COUNTERSIGN_ENVIRONMENT:?} under ${COUNTERSIGN_GRANT:?}"
mkdir -p ../production
tar -xf dist/order-routing.tar -C ../production
echo "$COUNTERSIGN_GRANT" >>../production/grants
FILE
chmod +x build.sh deploy.sh
printf 'dist/\ntest/junit.xml\n' >.gitignore
git add -A
git commit -q -m 'Build, deploy and test in the pipeline'
git merge -q --no-ff -m 'Merge the pre-trade limits' limits
expect 0 git log --graph --format='%h %an: %s' # signed with Mia's key, all of them
expect 0 test/run

say 'Nobody is enrolled yet. Even so the tool looks, decides and records; but a release has nobody to trust.'
expect 11 "$countersign" run
shows no-trust-root

# ---------------------------------------------------------------------------------------------------------------------
act 'Priya establishes trust and says who is who'
# ---------------------------------------------------------------------------------------------------------------------

expect 0 "$countersign" init --yes --ssh-key ../keys/priya.pub --key ../keys/priya --name priya
for person in mia dan ruth omar; do
    expect 0 "$countersign" person add "$person" --ssh-key "../keys/$person.pub" --key ../keys/priya
done
while read -r person role; do
    expect 0 "$countersign" role grant "$person" "$role" --reason "the work of $person" --key ../keys/priya
done <<'ROLES'
mia developer
mia engineer
dan engineer
dan compliance-officer
dan release-manager
ruth compliance-officer
omar release-manager
ROLES
expect 0 "$countersign" person list
shows priya mia dan ruth omar administrator release-manager

say 'Enrolling is an act of an administrator. Mia is none.'
expect 4 "$countersign" person add eve --ssh-key ../keys/eve.pub --key ../keys/mia

say 'Mia adds the configuration that init proposed. It holds no trust: people and roles are in the ledger alone.'
git add -A
git commit -q -m 'Add the configuration of countersign'
holds 'the ledger stays out of git' test -z "$(git ls-files .countersign)"

# What an auditor elsewhere needs in order to believe this ledger, taken now and kept.
expect 0 "$countersign" trust export --out ../evidence/trust.json

# ---------------------------------------------------------------------------------------------------------------------
act 'A cloud key slips into a commit, and is stopped'
# ---------------------------------------------------------------------------------------------------------------------

# The key is made here and now, so that none stands in this script: distinct characters drawn from an alphabet.
draw() { # COUNT ALPHABET
    local count=$1 rest=$2 drawn='' at
    while ((count-- > 0)); do
        at=$((RANDOM % ${#rest}))
        drawn+=${rest:at:1}
        rest=${rest:0:at}${rest:at+1}
    done
    printf '%s' "$drawn"
}
# The first drawn character keeps the account number inside the id below 10^12, as every real one is.
key_id="AKIA$(draw 1 CDEFGH)$(draw 15 KLMNOPQRSTUVWXYZ234567)"
secret=$(draw 40 ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789)

cat >config/market-data.env <<FILE
# Where the router reads last night's closing prices.
BUCKET=broker-closing-prices
AWS_ACCESS_KEY_ID=$key_id
AWS_SECRET_ACCESS_KEY=$secret
FILE
git add -A
git commit -q -m 'Read closing prices from the bucket'
expect 10 "$countersign" run --ticket CHG-1042 --reason 'closing prices for the limits'
shows config/market-data.env:3 config/market-data.env:4 secrets/aws-access-key-id secrets/aws-secret-access-key

say 'The finding is on record. The value is not: neither printed, nor anywhere in the ledger or the data directory.'
for value in "$key_id" "$secret"; do
    holds "${value:0:4}… was never printed" not grep -qF -e "$value" "$stage/transcript"
    holds "${value:0:4}… is not in the ledger" not grep -rqaF -e "$value" .countersign
    holds "${value:0:4}… is not in the data directory" not grep -rqaF -e "$value" "$COUNTERSIGN_DATA_DIR"
done

say 'A denied change cannot be signed away.'
expect 10 "$countersign" approve latest --as technical --key ../keys/dan

# ---------------------------------------------------------------------------------------------------------------------
act 'Mia takes the key out, and the change waits for two people'
# ---------------------------------------------------------------------------------------------------------------------

cat >config/market-data.env <<'FILE'
# Where the router reads last night's closing prices. The host's own role may read it; no key is needed.
BUCKET=broker-closing-prices
FILE
git add -A
git commit -q -m 'Read closing prices with the role of the host' -m 'The key was deactivated first.'
commit=$(git rev-parse HEAD)
expect 11 "$countersign" run --ticket CHG-1042 --reason 'closing prices for the limits'
shows technical regulatory
decision_before=$(grep -oE 'dec-[0-9a-f]+' <<<"$said")

say 'Without the two signatures there is no grant.'
expect 11 "$countersign" deploy latest --env production --key ../keys/omar

cp -R .countersign "$stage/old-ledger" # for act 12: somebody will want this history back

# ---------------------------------------------------------------------------------------------------------------------
act 'Nobody approves their own change'
# ---------------------------------------------------------------------------------------------------------------------

say 'Mia holds the role of an engineer. The commits are signed with her key, so she is an author all the same.'
expect 4 "$countersign" approve latest --as technical --key ../keys/mia
shows author
say 'Eve is nobody here.'
expect 4 "$countersign" approve latest --as technical --key ../keys/eve
say 'Omar is somebody, but no engineer.'
expect 4 "$countersign" approve latest --as technical --key ../keys/omar

say 'Refusals are evidence too: the enrolment by Mia, the approval of a denied change, the early grant, Mia, Eve and Omar.'
expect 0 "$countersign" ledger entries
refused=($(awk '$3 == "ActRefused" { print $1 }' <<<"$said"))
holds 'six refusals are on record' test "${#refused[@]}" -eq 6
expect 0 "$countersign" ledger show "${refused[3]}" --statement
shows '"act":"approve"' CS-RELEASE-004

# ---------------------------------------------------------------------------------------------------------------------
act 'The build leaves its artifact and evidence'
# ---------------------------------------------------------------------------------------------------------------------

expect 0 test/run
expect 0 ./build.sh
expect 0 "$countersign" record --artifact dist/order-routing.tar
artifact=$(grep -oE 'sha256:[0-9a-f]{64}' <<<"$said")
expect 0 "$countersign" record test/junit.xml dist/sbom.cdx.json
shows junit cyclonedx
say 'New facts make a new decision: from here on people sign for exactly this artifact.'
expect 11 "$countersign" gate check latest
decision=$(grep -oE 'dec-[0-9a-f]+' <<<"$said")
holds 'it is another decision' test "$decision" != "$decision_before"

# ---------------------------------------------------------------------------------------------------------------------
act 'An engineer and a compliance officer sign'
# ---------------------------------------------------------------------------------------------------------------------

expect 0 "$countersign" approve latest --as technical --key ../keys/dan
say 'Dan is a compliance officer as well. One person cannot be both pairs of eyes.'
expect 4 "$countersign" approve latest --as regulatory --key ../keys/dan

say "Ruth works on another machine. She has a clone, a copy of the ledger, and Priya's word for whose ledger it is."
mkdir -p "$stage/ruth"
git clone -q . "$stage/ruth/order-routing"
cp -R .countersign "$stage/ruth/order-routing/.countersign"
ruth() { COUNTERSIGN_DATA_DIR=$stage/ruth/data "$countersign" --repo "$stage/ruth/order-routing" "$@"; }
expect 0 ruth trust import ../evidence/trust.json
expect 0 ruth approve latest --as regulatory --key ../keys/ruth --out "$stage/evidence/ruth.approval"
expect 0 "$countersign" import ../evidence/ruth.approval

say 'Brought again, it does not count twice.'
expect 4 "$countersign" import ../evidence/ruth.approval

# ---------------------------------------------------------------------------------------------------------------------
act 'The same commit, judged again'
# ---------------------------------------------------------------------------------------------------------------------

quietly 0 "$stage/run.json" "$countersign" run --ticket CHG-1042 --reason 'closing prices for the limits' --format json
holds 'it is this commit' test "$(field commit "$stage/run.json")" = "$commit"
run=$(grep -oE 'run-[0-9a-f]+' "$stage/run.json" | sed -n 1p)
expect 0 "$countersign" run --ticket CHG-1042 --reason 'closing prices for the limits'
say 'The same run, a new attempt, and the recorded decision with its two signatures.'
shows "$run  attempt 3" "$decision" reused dan ruth

say 'What if the build had left something else? On a copy of the desk, one more artifact closes the gate again.'
mkdir "$stage/whatif"
cp -R .countersign "$stage/whatif/ledger"
cp -R "$COUNTERSIGN_DATA_DIR" "$stage/whatif/data"
whatif() { COUNTERSIGN_DATA_DIR=$stage/whatif/data "$countersign" --ledger "$stage/whatif/ledger" "$@"; }
{ cat dist/order-routing.tar && printf '\0'; } >"$stage/whatif/order-routing.tar"
expect 0 whatif record --artifact "$stage/whatif/order-routing.tar"
expect 11 whatif gate check latest
expect 11 whatif deploy latest --env production --key ../keys/omar

# ---------------------------------------------------------------------------------------------------------------------
act 'Omar deploys, once'
# ---------------------------------------------------------------------------------------------------------------------

say 'Dan is a release manager as well. But he approved, and who approves does not deploy.'
expect 4 "$countersign" deploy latest --env production --key ../keys/dan
shows approver
expect 0 "$countersign" deploy latest --env production --key ../keys/omar --out ../evidence/grant.json
expect 0 "$countersign" deploy --grant ../evidence/grant.json -- ./deploy.sh
shows "deploying $commit to production"
holds 'production routes orders' test "$(echo 'ACME buy 200 1050' | "$stage/production/bin/route")" = 'NORTH ACME buy 200 1050'

say 'A grant is good for one deployment.'
expect 4 "$countersign" deploy --grant ../evidence/grant.json -- ./deploy.sh
holds 'production was touched once' test "$(wc -l <"$stage/production/grants")" -eq 1

# ---------------------------------------------------------------------------------------------------------------------
act 'The decision is computed again'
# ---------------------------------------------------------------------------------------------------------------------

expect 0 "$countersign" replay latest
shows identical

# ---------------------------------------------------------------------------------------------------------------------
act 'What may stand for a while, and who answers for a gate'
# ---------------------------------------------------------------------------------------------------------------------

say 'Priya says what this repository is a part of. Omar, who releases it, cannot make it less.'
expect 0 "$countersign" application register order-routing --owner mia --deputy dan --criticality critical \
    --data client-confidential,market-sensitive --this-repository
expect 0 "$countersign" environment register production --tier production
expect 4 "$countersign" application change order-routing --criticality low --key ../keys/omar
shows 'it lowers the criticality'

say 'A compliance officer says how strongly controls hold a change up, and where. What is misspelt has no effect.'
cat >../evidence/enforcement.yaml <<'FILE'
version: 1
rules:
  - controls: [secrets-out-of-source]
    tiers: [test, development]
    level: advisory
    why: no key of clients is there
FILE
sed 's/secrets-out-of-source/secrets-out-of-sauce/' ../evidence/enforcement.yaml >../evidence/misspelt.yaml
expect 2 "$countersign" enforcement activate ../evidence/misspelt.yaml --key ../keys/dan
shows CS-ENFORCE-001 misspelt.yaml:3
expect 0 "$countersign" enforcement activate ../evidence/enforcement.yaml --reason 'as resolved in May' --key ../keys/dan
expect 0 "$countersign" enforcement show
shows 'test            advisory'

say 'Mia asks for a waiver. She cannot grant it, Omar may not, Dan does; and it ends.'
expect 0 "$countersign" waive request --control secrets-out-of-source --path 'test/**' --days 30 \
    --accept 'samples of the exchange, valid nowhere' --key ../keys/mia
waiver=$(grep -oE 'wai-[0-9a-f]{20}' <<<"$said" | sed -n 1p)
expect 4 "$countersign" waive grant "$waiver" --reason 'mine' --key ../keys/mia
shows CS-WAIVER-006
expect 4 "$countersign" waive grant "$waiver" --reason 'for the release' --key ../keys/omar
expect 0 "$countersign" waive grant "$waiver" --reason 'seen with the exchange' --key ../keys/dan
expect 0 "$countersign" waive list
shows "$waiver" active

say 'Every gate is somebody'"'"'s. The runbook is written from what is in effect, and the lint says what is missing.'
expect 10 "$countersign" runbook lint
shows no-owner
cat >../evidence/gates.yaml <<'FILE'
version: 1
gates:
  - gate: pre-commit
    owner: mia
    respond_within: 1d
    fallback: commit without it; the gate build looks again
  - gate: build
    owner: dan
    deputy: mia
    respond_within: 2h
    escalation: [{after: 4h, role: administrator}]
    fallback: nobody releases until it answers
  - gate: release
    owner: dan
    deputy: omar
    respond_within: 4h
    escalation: [{after: 8h, role: administrator}]
    fallback: two officers decide on paper, and record it within a day
FILE
expect 0 "$countersign" gate activate ../evidence/gates.yaml --key ../keys/dan
expect 10 "$countersign" runbook lint
shows unacknowledged
expect 0 "$countersign" gate acknowledge build --key ../keys/dan
expect 0 "$countersign" gate acknowledge release --key ../keys/dan
expect 0 "$countersign" runbook lint
expect 0 "$countersign" runbook --format html --out ../evidence/runbook.html
holds 'the runbook names the waiver' grep -qF "$waiver" ../evidence/runbook.html
holds 'it needs nothing else' not grep -qE '<script|src=|href=' ../evidence/runbook.html

# ---------------------------------------------------------------------------------------------------------------------
act 'The ledger is verified, then tampered with'
# ---------------------------------------------------------------------------------------------------------------------

expect 0 "$countersign" verify
say 'An auditor who knows nothing but the trust file comes to the same end; without it, a ledger is only consistent.'
auditor() { COUNTERSIGN_DATA_DIR=$stage/auditor "$countersign" "$@"; }
expect 0 auditor verify . --trust ../evidence/trust.json
expect 13 auditor verify .
shows 'consistent, but untrusted'

flip() { # FILE: one bit of the byte in the middle
    local at byte
    at=$(($(wc -c <"$1") / 2))
    byte=$(od -An -tu1 -j "$at" -N 1 "$1" | tr -d ' ')
    chmod u+w "$1"
    # shellcheck disable=SC2059
    printf "\\$(printf '%03o' $((byte ^ 1)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}
tampered() { # FILE: a copy of the ledger in which one bit of that file is turned
    rm -rf "$stage/tampered"
    cp -R .countersign "$stage/tampered"
    printf '\n# One bit of %s is turned.\n' "$1"
    flip "$stage/tampered/$1"
    expect 13 "$countersign" verify "$stage/tampered"
    shows "$1"
}
size=$(sed -n 2p .countersign/ledger/checkpoint)
((size < 256)) || fail "this story expects its entries in one bundle, and there are $size"
tampered "ledger/tile/entries/000.p/$size"
shows "ledger/tile/entries/000.p/$size entry "
blob=$(cd .countersign && find blobs -type f | LC_ALL=C sort | sed -n 1p)
tampered "$blob"
shows "$blob entry "
tampered ledger/checkpoint

say 'The ledger as it was before the refusals is put back. It is in itself consistent; but this machine has seen more.'
expect 13 "$countersign" verify "$stage/old-ledger"

say 'Eve writes a ledger of her own from the first byte, with an administrator of the same name, and signs it all anew.'
mkdir -p "$stage/eve"
git clone -q . "$stage/eve/order-routing"
eve() { COUNTERSIGN_DATA_DIR=$stage/eve/data "$countersign" --repo "$stage/eve/order-routing" "$@"; }
expect 0 eve init --yes --ssh-key ../keys/eve.pub --key ../keys/eve --name priya
expect 11 eve run --ticket CHG-1042 --reason 'closing prices for the limits'
expect 0 eve verify
mv .countersign "$stage/genuine-ledger"
cp -R "$stage/eve/order-routing/.countersign" .countersign
expect 13 "$countersign" verify
expect 13 "$countersign" verify . --trust ../evidence/trust.json
rm -rf .countersign
mv "$stage/genuine-ledger" .countersign
expect 0 "$countersign" verify

# ---------------------------------------------------------------------------------------------------------------------
act 'Programs that are not ours say the same'
# ---------------------------------------------------------------------------------------------------------------------

evidence=$stage/evidence
quietly 0 "$evidence/allowed_signers" "$countersign" person list --format allowed-signers

# The allowed signers are named by their opaque ids; the list of people says whose they are.
quietly 0 "$evidence/people" "$countersign" person list
id_of() { awk -v name="$1" '$2 == name { print $1 }' "$evidence/people"; }
quietly 0 "$evidence/entries" "$countersign" ledger entries
approvals=$(awk '$3 == "ApprovalSigned" { print $1 }' "$evidence/entries")
holds 'two approvals are in the ledger' test "$(wc -w <<<"$approvals")" -eq 2
signers=(dan ruth) # in this order, see act 7
at=0
for index in $approvals; do
    name=${signers[at]}
    at=$((at + 1))
    quietly 0 "$evidence/$index.statement" "$countersign" ledger show "$index" --statement
    quietly 0 "$evidence/$index.sig" "$countersign" ledger show "$index" --signature
    typed ssh-keygen -Y verify -f allowed_signers -I "$(id_of "$name")" -n countersign-approval@v1 -s "$index.sig" '<' "$index.statement"
    ssh_says() { # SIGNER STATEMENT
        ssh-keygen -Y verify -f "$evidence/allowed_signers" -I "$(id_of "$1")" -n countersign-approval@v1 \
            -s "$evidence/$index.sig" <"$2"
    }
    holds "ssh-keygen: the approval in entry $index is by $name" ssh_says "$name" "$evidence/$index.statement"
    holds 'ssh-keygen: and by nobody else' not ssh_says mia "$evidence/$index.statement"
    cp "$evidence/$index.statement" "$evidence/altered.statement"
    flip "$evidence/altered.statement"
    holds 'ssh-keygen: and of nothing else' not ssh_says "$name" "$evidence/altered.statement"
    holds 'it names the commit and the artifact' grep -qE "$commit.*${artifact#sha256:}" "$evidence/$index.statement"
done

quietly 0 "$evidence/info.json" "$countersign" ledger info --format json
vkey=$(field vkey "$evidence/info.json")
tiles=$(field tiles "$evidence/info.json")
receipts=
for index in $approvals; do
    expect 0 "$countersign" ledger receipt "$index" --out "$evidence/$index.tlog-proof"
    receipts=$evidence/$index.tlog-proof
done
holds 'the verifier key is the one of the trust file' test "$vkey" = "$(field vkey "$evidence/trust.json")"

# Debian puts the package where a build without modules finds it; nothing is downloaded.
if ! command -v go >/dev/null; then
    skip 'the log by Go (package golang-go is not installed)'
elif ! [[ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ]]; then
    skip 'the log by Go (package golang-golang-x-mod-dev is not installed)'
else
    (cd "$project/tests/go-verifier" && GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS='' GOCACHE=$stage/go-cache \
        go build -o "$stage/verifier" main.go) || fail 'the Go verifier does not build'
    for index in $approvals; do
        expect 0 "$stage/verifier" "$tiles" "$vkey" "$evidence/$index.tlog-proof"
        shows "ok size=$(field size "$evidence/info.json")"
    done
    say 'It says no to a log in which one bit is turned.'
    rm -rf "$stage/tampered"
    cp -R .countersign "$stage/tampered"
    flip "$stage/tampered/ledger/tile/0/000.p/$(field size "$evidence/info.json")"
    expect 1 "$stage/verifier" "$stage/tampered/ledger" "$vkey" "$receipts"
fi

# ---------------------------------------------------------------------------------------------------------------------
act 'What the clauses say'
# ---------------------------------------------------------------------------------------------------------------------

say 'The same ledger, held against the general controls of Sarbanes-Oxley. What is broken ends with 10, and names who must act.'
expect 10 "$countersign" assess --framework sox
shows 'CM-2' tested-before-release dual-approval standing-duties-split 'not verified'
quietly 10 "$evidence/assessment.json" "$countersign" assess --record --format json
say 'Two people approved; and Dan, who is engineer and release manager, holds roles that must not meet.'
holds 'the breach names Dan by his id' grep -qF "$(id_of dan)" "$evidence/assessment.json"
holds 'and nobody by name' not grep -qiwE 'priya|mia|dan|ruth|omar' "$evidence/assessment.json"
expect 0 "$countersign" control test dual-approval standing-duties-split
say 'A certificate needs an assessment at both ends of its period; one alone proves nothing. And the levels changed in act 11.'
expect 10 "$countersign" control certificate dual-approval
shows 'not-proved' 'refuted' 'how strongly controls are enforced did not change' 'Operations'
expect 0 "$countersign" verify

# ---------------------------------------------------------------------------------------------------------------------
act 'The auditor takes a pack home'
# ---------------------------------------------------------------------------------------------------------------------

say 'What was the control applied to? The list is sealed before the auditor names a seed.'
expect 0 "$countersign" audit population --control dual-approval --seal
shows 'operated 1 of 1 times, 0 exceptions' 'sealed in entry'
[[ $said =~ 'sealed in entry '([0-9]+) ]] || fail 'no entry was named'
expect 0 "$countersign" audit sample --population "${BASH_REMATCH[1]}" --seed '4 6 1 1 3'
expect 0 "$countersign" audit reconcile
shows 'no gap'

say 'One file, with the whole log in it, and everything that is derived from it.'
expect 0 "$countersign" audit pack --out ../pack.zip
shows '1 deployment' 'recorded in entry'
expect 2 "$countersign" audit pack --out ../pack.zip
expect 0 auditor verify ../pack.zip --trust ../evidence/trust.json --re-evaluate
shows 'every byte of these the same' 'verified'
expect 13 auditor verify ../pack.zip
shows 'consistent, but untrusted'
flip ../pack.zip
expect 13 auditor verify ../pack.zip --trust ../evidence/trust.json
flip ../pack.zip
expect 0 auditor verify ../pack.zip --trust ../evidence/trust.json

say 'And with sha256sum, openssl and ssh-keygen alone, as VERIFY.md in it says.'
if command -v unzip >/dev/null && command -v openssl >/dev/null; then
    mkdir "$stage/unpacked"
    unzip -q ../pack.zip -d "$stage/unpacked"
    holds 'every file is the one that was packed' bash -c "cd '$stage/unpacked' && sha256sum --quiet --check SHA256SUMS"
    holds 'people signed what they are said to have signed' bash -c "cd '$stage/unpacked' && for s in acts/*.statement; do
        n=\${s%.statement}
        ssh-keygen -Y verify -f trust/allowed_signers -I \"\$(cat \"\$n.signer\")\" -n \"\$(cat \"\$n.namespace\")\" -s \"\$n.sig\" <\"\$s\" || exit 1
    done"
    holds 'the first page needs no script and no network' not grep -qE '<script|://' "$stage/unpacked/index.html"
    holds 'the key that Mia planted is not in it' not grep -rqaF -e "$secret" "$stage/unpacked"
else
    skip 'unzip or openssl is not installed'
fi
expect 0 "$countersign" verify

say 'And to the end, the key that Mia planted was never said again.'
for value in "$key_id" "$secret"; do
    holds "${value:0:4}… is nowhere" not grep -rqaF -e "$value" .countersign "$stage/desk" "$stage/ruth/data" \
        "$stage/ruth/order-routing/.countersign" "$stage/transcript" "$evidence"
done

printf '\n'
((skips == 0)) || printf '%d skipped, see above.\n' "$skips"
printf 'All %d acts passed (%d checks).\n' "$act_number" "$checks"
