#!/bin/sh
# ubus call spillway status '{"interface": "wan_bond"}': what `spillway status --json` says; without an interface, of
# the daemon with settings of its own.
. /usr/share/libubox/jshn.sh

case "$1" in
list)
	echo '{"status":{"interface":"string"}}'
	;;
call)
	[ "$2" = status ] || exit 1
	read -r input
	json_load "${input:-{\}}"
	json_get_var interface interface
	# A name of netifd's and no path.
	case "$interface" in
	*[!A-Za-z0-9_-]*) exit 1 ;;
	"") socket=/run/spillway/control.sock ;;
	*) socket="${SPILLWAY_RUN:-/var/run/spillway}/$interface/control.sock" ;;
	esac
	"${SPILLWAY:-/usr/sbin/spillway}" status --json --socket "$socket" 2>/dev/null || echo '{"state":"not running"}'
	;;
esac
