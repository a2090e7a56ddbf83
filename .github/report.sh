#!/usr/bin/env bash
# What the action runs: a report of this commit, its comparison with the base commit's, and the claims.
#   bash report.sh FOLDER      # CONFIG, CLAIMS, LATENCY, FAIL_ON, BASE and BASELINE in the environment, each may be empty
# FOLDER gets report/, compare.md, claims.md, and comment.md, which has the tables alone. The base's results are the file
# BASELINE in that commit; without one, the base commit's own CONFIG and LATENCY are drawn with this program.
# Exit 1 where a threshold or a claim is broken. The summary goes to $GITHUB_STEP_SUMMARY, cut below 1 MiB.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
scratch=$(mktemp -d)
status=0

tidy() {
  [ -d "$scratch/tree" ] && git worktree remove --force "$scratch/tree"
  rm -rf "$scratch"
}
trap tidy EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 129' HUP

lines() { printf '%s\n' "$1" | sed '/^[[:space:]]*$/d'; }
contents=()
[ -n "${CONFIG:-}" ] && contents+=(--config "$CONFIG")
while read -r file; do contents+=(--latency "$file"); done < <(lines "${LATENCY:-}")
[ -z "${LATENCY:-}" ] && contents+=(--analytic-only)

# Leaves the base's results in $scratch/base.json, if there are any.
base_results() {
  git cat-file -e "$BASE^{commit}" 2>/dev/null || git fetch --quiet --depth 1 origin "$BASE" || return 1
  if [ -n "${BASELINE:-}" ] && git show "$BASE:$BASELINE" >"$scratch/base.json" 2>/dev/null; then return 0; fi
  rm -f "$scratch/base.json"
  git worktree add --quiet --detach "$scratch/tree" "$BASE" || return 1
  (cd "$scratch/tree" && skaprof report "${contents[@]}" --output "$scratch/base") || return 1
  mv "$scratch/base/results.json" "$scratch/base.json"
}

skaprof report "${contents[@]}" --force --output "$folder/report" || exit 2

rm -f "$folder/compare.md" "$folder/claims.md"
if [ -n "${BASE:-}" ]; then
  base_results
  if [ -s "$scratch/base.json" ]; then
    thresholds=()
    while read -r threshold; do thresholds+=(--fail-on "$threshold"); done < <(lines "${FAIL_ON:-}")
    skaprof compare "$scratch/base.json" "$folder/report/results.json" "${thresholds[@]}" \
      --format markdown --output "$folder/compare.md" || status=1
  else
    echo "The base commit has no report to compare with." >"$folder/compare.md"
  fi
fi

if [ -n "${CLAIMS:-}" ]; then
  results=()
  while read -r file; do results+=(--results "$file"); done < <(lines "${LATENCY:-}")
  skaprof check "$CLAIMS" "${results[@]}" --format markdown --output "$folder/claims.md" || status=1
fi

{
  for part in compare claims; do
    [ -s "$folder/$part.md" ] && printf '## skaprof %s\n\n%s\n\n' "$part" "$(cat "$folder/$part.md")"
  done
  grep -v '^\[!\[' "$folder/report/report.md" # a comment can show no figures of an artifact
} | python3 "$here/cut.py" 60000 >"$folder/comment.md"
[ -n "${GITHUB_STEP_SUMMARY:-}" ] && python3 "$here/cut.py" 1000000 <"$folder/comment.md" >>"$GITHUB_STEP_SUMMARY"
[ -n "${GITHUB_OUTPUT:-}" ] && echo "folder=$folder/report" >>"$GITHUB_OUTPUT"
exit $status
