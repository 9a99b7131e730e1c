#!/bin/sh
# Begins an execution, polls for its result with growing pauses, and prints the result.
# Exits with 0 only if the execution resolved.
#
#   examples/poll.sh ID [FUNCTION [INPUT]]     BASE_URL and TOKEN come from the environment
#
# One id is one execution: a second run with the same id polls for the result of the first.
set -eu
base=${BASE_URL:-http://localhost:5001}
id=${1:?usage: poll.sh ID [FUNCTION [INPUT]]}
function=${2:-foo}
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# Prints the status of an answer and keeps its body in $answer; the status is 000 without an answer.
ask() {
    curl --silent --max-time 30 --output "$answer" --write-out '%{http_code}' \
        ${TOKEN:+--header "Authorization: Bearer $TOKEN"} "$@" || true
}

begin() {
    ask --request POST "$base/begin?id=$id&function=$function" \
        --header 'Content-Type: application/json' --data "${3:-}"
}

poll() {
    ask "$base/result?id=$id"
}

pause=1
next=begin
while :; do
    status=$($next "$@")
    case $next/$status in
    begin/200 | begin/202)
        next=poll
        pause=1
        continue
        ;;
    poll/200)
        cat "$answer"
        echo
        exit 0
        ;;
    poll/202 | */429 | */502 | */503 | */000) ;; # pending, busy, or cut off: both requests may be repeated
    *)
        cat "$answer" >&2
        echo >&2
        exit 1
        ;;
    esac
    sleep "$pause"
    pause=$((pause < 16 ? pause * 2 : 30))
done
