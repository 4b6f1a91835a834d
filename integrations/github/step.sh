#!/usr/bin/env bash
# The step of action.yml. The program finds the job's token, commit, base and summary in its variables by itself.
set -euo pipefail

args=()
while IFS= read -r line; do
    [[ -z $line ]] || args+=("$line")
done <<<"${COUNTERSIGN_STEP_ARGS:-}"

case $COUNTERSIGN_STEP_COMMAND in
    run) command=(run --no-progress) ;;
    record) command=(record) ;;
    gate-check) command=(gate check) ;;
    *)
        echo "::error::command is run, record or gate-check" >&2
        exit 2
        ;;
esac
case $COUNTERSIGN_STEP_PENDING in
    fail | pass) ;;
    *)
        echo "::error::pending is fail or pass" >&2
        exit 2
        ;;
esac

code=0
"$COUNTERSIGN_STEP_BINARY" "${command[@]}" ${args[@]+"${args[@]}"} || code=$?
case $code in
    0) outcome=pass ;;
    10) outcome=denied ;;
    11) outcome=pending ;;
    *) outcome=error ;;
esac
{
    echo "exit-code=$code"
    echo "outcome=$outcome"
} >>"$GITHUB_OUTPUT"
if [[ $outcome == pending && $COUNTERSIGN_STEP_PENDING == pass ]]; then
    echo '::notice::the run waits for signatures; it is not released'
    exit 0
fi
exit "$code"
