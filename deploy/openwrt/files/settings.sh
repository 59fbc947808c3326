# shellcheck shell=sh
# From words of UCI to TOML. Values are written as TOML strings whatever they hold: what they may be is said by
# `spillway check`, with file and line.

# A TOML string. Control characters have no business in a setting and are left out.
toml_string() {
	printf '"%s"' "$(printf '%s' "$1" | tr -d '\000-\037\177' | sed 's/[\\"]/\\&/g')"
}

# KEY VALUE: a line, unless the value is empty.
toml_line() {
	[ -z "$2" ] || printf '%s = %s\n' "$1" "$(toml_string "$2")"
}

# KEY VALUE: 1, true, yes, on and 0, false, no, off; nothing for anything else.
toml_boolean() {
	case "$2" in
	1 | true | yes | on | enabled) printf '%s = true\n' "$1" ;;
	0 | false | no | off | disabled) printf '%s = false\n' "$1" ;;
	esac
}

# KEY VALUE…: a list.
toml_list() {
	local key="$1" separator="" item
	shift
	[ $# -gt 0 ] || return 0
	printf '%s = [' "$key"
	for item in "$@"; do
		printf '%s%s' "$separator" "$(toml_string "$item")"
		separator=", "
	done
	printf ']\n'
}
