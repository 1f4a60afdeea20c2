# SPDX-License-Identifier: Apache-2.0
# Completion of `tutti` for bash: the program itself says which words may follow.
_tutti() {
  local current="${COMP_WORDS[COMP_CWORD]}" line="${COMP_LINE:0:COMP_POINT}"
  # A colon ends a word for bash; what is before it is the same word here.
  local word="${line##* }"
  local -a before
  read -ra before <<<"${line% *}"
  mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" completion words -- "${before[@]:1}" 2>/dev/null | grep -F -- "$word" | sed -n "s/^${word//\//\\/}/&/p")
  if [[ "$word" == *:* ]]; then
    COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*:}"}"}")
  fi
  if ((${#COMPREPLY[@]} == 0)); then
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -o nosort -F _tutti tutti
