#!/usr/bin/env bash
# What the action runs: a report of this commit, its comparison with the base commit's, and the claims.
#   bash report.sh FOLDER      # with CONFIG, CLAIMS, LATENCY, FAIL_ON and BASE in the environment, each may be empty
# FOLDER gets report/, base/ where there is a base, compare.md, claims.md, and comment.md, which has the tables alone.
# Exit 1 where a threshold or a claim is broken. Writes FOLDER's summary to $GITHUB_STEP_SUMMARY, cut below 1 MiB.
set -uo pipefail
folder=$1
mkdir -p "$folder"
status=0

lines() { printf '%s\n' "$1" | sed '/^[[:space:]]*$/d'; }
contents=()
[ -n "${CONFIG:-}" ] && contents+=(--config "$CONFIG")
while read -r file; do contents+=(--latency "$file"); done < <(lines "${LATENCY:-}")
[ -z "${LATENCY:-}" ] && contents+=(--analytic-only)

skaprof report "${contents[@]}" --force --output "$folder/report" || exit 2

: >"$folder/compare.md"
if [ -n "${BASE:-}" ]; then
  tree=$(mktemp -d)
  git fetch --quiet --depth 1 origin "$BASE" && git worktree add --quiet --detach "$tree" "$BASE"
  if (cd "$tree" && skaprof report "${contents[@]}" --force --output "$folder/base"); then
    thresholds=()
    while read -r threshold; do thresholds+=(--fail-on "$threshold"); done < <(lines "${FAIL_ON:-}")
    skaprof compare "$folder/base/results.json" "$folder/report/results.json" "${thresholds[@]}" \
      --format markdown --output "$folder/compare.md" || status=1
  else
    echo "The base commit has no report to compare with." >"$folder/compare.md"
  fi
  git worktree remove --force "$tree"
fi

: >"$folder/claims.md"
if [ -n "${CLAIMS:-}" ]; then
  results=()
  while read -r file; do results+=(--results "$file"); done < <(lines "${LATENCY:-}")
  skaprof check "$CLAIMS" "${results[@]}" --format markdown --output "$folder/claims.md" || status=1
fi

{
  echo "<!-- skaprof -->"
  for part in compare claims; do
    [ -s "$folder/$part.md" ] && printf '## %s\n\n%s\n\n' "$part" "$(cat "$folder/$part.md")"
  done
  grep -v '^\[!\[' "$folder/report/report.md" # a comment can show no figures of an artifact
} | python3 "$(dirname "$0")/cut.py" 60000 >"$folder/comment.md"
[ -n "${GITHUB_STEP_SUMMARY:-}" ] && python3 "$(dirname "$0")/cut.py" 1000000 <"$folder/comment.md" >>"$GITHUB_STEP_SUMMARY"
[ -n "${GITHUB_OUTPUT:-}" ] && echo "folder=$folder/report" >>"$GITHUB_OUTPUT"
exit $status
