# SPDX-License-Identifier: Apache-2.0
# What the scripts of this folder share; sourced, not run. Works from any current directory.
set -euo pipefail

# Bash of this process tree must not be sent elsewhere by the caller's CDPATH.
unset CDPATH
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly root

# Prints the comment at the top of the calling script: all lines after the licence up to the first that is no comment.
print_help() {
  sed -n '3,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$1"
}

# phase <title> <command...>: runs the command and prints what is done and how long it took.
phase() {
  local title="$1" started=$SECONDS status=0
  shift
  printf '\n== %s\n' "$title"
  "$@" || status=$?
  if ((status == 0)); then
    printf '== %s: done in %d s\n' "$title" $((SECONDS - started))
  else
    printf '== %s: FAILED with status %d after %d s\n' "$title" "$status" $((SECONDS - started)) >&2
  fi
  return "$status"
}

# Compilations are found again in another clone: ccache sees paths relative to the tree.
export CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=true
