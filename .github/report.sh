#!/usr/bin/env bash
# What the action runs: a report of this commit, its comparison with the base commit's, and the claims.
#   bash report.sh FOLDER      # CONFIG, CLAIMS, LATENCY, FAIL_ON, ALLOW_MISSING, BASE, BASELINE: each may be empty
# FOLDER gets report/, explorer.html, compare.md, claims.md, and comment.md: at most 20 lines of what changed and what
# failed, and all the rest folded. The base's results are the file BASELINE in that commit; without one, the base commit's
# own CONFIG and LATENCY are drawn with this program.
# Exit 1 where a threshold or a claim is broken, 2 or 3 where one could not be judged: the comment has the error.
# The summary goes to $GITHUB_STEP_SUMMARY, cut below 1 MiB.
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
missing=()
[ "${ALLOW_MISSING:-}" = true ] && missing=(--allow-missing)

# tried COMMAND...: runs it and keeps what it says on stderr in $scratch/said. Its exit code counts if it is the worst.
tried() {
  local code
  "$@" 2>"$scratch/said"
  code=$?
  cat "$scratch/said" >&2
  [ "$code" -gt "$status" ] && status=$code
  [ "$code" -le 1 ] || errors "skaprof $2"
  return "$code"
}

# errors WHAT: what was said last, as the comment's error: a block that no text in it can end, without this machine's paths.
errors() {
  local text
  echo "**$1 could not be done:**" && echo
  text=$(grep -v '^wrote ' "$scratch/said" | tail -n 5)
  for place in "$scratch/tree" "$scratch" "$folder" "$PWD"; do text=${text//"$place/"/}; done
  printf '%s\n\n' "$text" | sed 's/^./    &/'
} >>"$scratch/errors.md"

# Leaves the base's results in $scratch/base.json, if there are any; 2 where they could not be had.
base_results() {
  git cat-file -e "$BASE^{commit}" 2>/dev/null || git fetch --quiet --depth 1 origin "$BASE" 2>"$scratch/said" || return 2
  if [ -n "${BASELINE:-}" ] && git show "$BASE:$BASELINE" >"$scratch/base.json" 2>/dev/null; then return 0; fi
  rm -f "$scratch/base.json"
  git worktree add --quiet --detach "$scratch/tree" "$BASE" 2>"$scratch/said" || return 2
  while read -r file; do
    [ -e "$scratch/tree/$file" ] || return 0 # it has no report yet
  done < <(lines "${CONFIG:-}"$'\n'"${LATENCY:-}")
  (cd "$scratch/tree" && skaprof report "${contents[@]}" --output "$scratch/base" 2>"$scratch/said") || return 2
  mv "$scratch/base/results.json" "$scratch/base.json"
}

compared() {
  local thresholds=()
  base_results || {
    cat "$scratch/said" >&2
    [ -z "${FAIL_ON:-}" ] || status=2 # a check that has nothing to compare with passes nothing
    errors "The comparison with the base commit"
    return
  }
  if [ ! -s "$scratch/base.json" ]; then
    echo "The base commit has no report to compare with." | tee "$folder/compare.md" >"$scratch/brief.md"
    return
  fi
  cp "$folder/report/results.json" "$scratch/this.json"
  while read -r threshold; do thresholds+=(--fail-on "$threshold"); done < <(lines "${FAIL_ON:-}")
  cd "$scratch" || exit 2 # where both have a name that says what they are
  tried skaprof compare base.json this.json "${thresholds[@]}" "${missing[@]}" --output "$folder/compare.md"
  [ $? -gt 1 ] || skaprof compare base.json this.json "${thresholds[@]}" "${missing[@]}" --top 8 --format markdown \
    >"$scratch/brief.md" 2>/dev/null
  cd - >/dev/null || exit 2
}

claimed() {
  local results=() code
  while read -r file; do results+=(--results "$file"); done < <(lines "${LATENCY:-}")
  tried skaprof check "$CLAIMS" "${results[@]}" "${missing[@]}" --output "$folder/claims.md"
  code=$?
  [ "$code" -gt 1 ] && return
  head -n 1 "$folder/claims.md" >"$scratch/claims.md"
  [ "$code" -eq 0 ] || sed -n 's/^skaprof: /- /p' "$scratch/said" | head -n 3 >>"$scratch/claims.md"
}

rm -f "$folder/explorer.html" "$folder/compare.md" "$folder/claims.md" "$folder/comment.md"
tried skaprof report "${contents[@]}" --force --output "$folder/report"
if [ "$status" -eq 0 ]; then
  skaprof explore --output "$folder/explorer.html" # which judges nothing
  if [ -n "${BASE:-}" ]; then
    compared
  elif [ -n "${FAIL_ON:-}" ]; then
    echo "No base commit to compare with: fail-on was not judged." >"$scratch/brief.md"
  fi
  [ -n "${CLAIMS:-}" ] && claimed
fi

case $status in 0) verdict=passed ;; 1) verdict=failed ;; *) verdict=error ;; esac
{
  {
    printf '## skaprof: %s\n\n' "$verdict"
    cat "$scratch/errors.md" "$scratch/claims.md" "$scratch/brief.md" 2>/dev/null
  } | head -n 18
  printf '\n<details><summary>All of it</summary>\n\n'
  {
    for part in compare claims; do
      [ -s "$folder/$part.md" ] && printf '## skaprof %s\n\n%s\n\n' "$part" "$(cat "$folder/$part.md")"
    done
    grep -v '^\[!\[' "$folder/report/report.md" 2>/dev/null # a comment can show no figures of an artifact
  } | python3 "$here/cut.py" 50000
  printf '\n</details>\n'
} >"$folder/comment.md"
[ -n "${GITHUB_STEP_SUMMARY:-}" ] && python3 "$here/cut.py" 1000000 <"$folder/comment.md" >>"$GITHUB_STEP_SUMMARY"
[ -n "${GITHUB_OUTPUT:-}" ] && echo "folder=$folder/report" >>"$GITHUB_OUTPUT"
exit $status
