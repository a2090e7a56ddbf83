#!/usr/bin/env bash
# One comment on a pull request that is updated, not repeated: bash comment.sh FILE OWNER/REPOSITORY NUMBER
# The comment is found again by the mark in its first line.
set -euo pipefail
file=$1 repository=$2 number=$3
mark=$(head -n 1 "$file")
found=$(gh api --paginate "repos/$repository/issues/$number/comments" \
  --jq ".[] | select(.body | startswith(\"$mark\")) | .id" | head -n 1)
if [ -n "$found" ]; then
  gh api --method PATCH "repos/$repository/issues/comments/$found" --field body=@"$file" >/dev/null
else
  gh api --method POST "repos/$repository/issues/$number/comments" --field body=@"$file" >/dev/null
fi
