#!/usr/bin/env bash
# One comment on a pull request that is updated, not repeated: bash comment.sh FILE OWNER/REPOSITORY NUMBER
# FILE was written where the pull request's code ran, so nothing in it is believed: the mark by which the comment is found
# again is added here, only a comment of the action's own user is taken for it, and nobody is called.
set -euo pipefail
file=$1 repository=$2 number=$3
here=$(cd "$(dirname "$0")" && pwd)
mark='<!-- skaprof -->'
author=${COMMENT_AUTHOR:-github-actions[bot]}
if [ ! -f "$file" ] || [ -L "$file" ]; then
  echo "comment.sh: $file: expected the comment.md of a report" >&2
  exit 2
fi
found=$(MARK=$mark AUTHOR=$author gh api --paginate "repos/$repository/issues/$number/comments" \
  --jq '.[] | select(.user.login == env.AUTHOR and (.body | startswith(env.MARK))) | .id' | head -n 1)
if [ -n "$found" ]; then
  target=(--method PATCH "repos/$repository/issues/comments/$found")
else
  target=(--method POST "repos/$repository/issues/$number/comments")
fi
{
  echo "$mark"
  python3 "$here/quiet.py" <"$file" | python3 "$here/cut.py" 60000
} | gh api "${target[@]}" --field body=@- >/dev/null
