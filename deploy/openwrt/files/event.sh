#!/bin/sh
# A hook command of the daemon: tells netifd what interface $1 has become. The variables are those of docs/observe.md.
INCLUDE_ONLY=1
. /lib/functions.sh
. /lib/netifd/netifd-proto.sh

interface="$1"
case "$ACTION" in
bond-up | addresses)
	# The device and its addresses are the daemon's: netifd knows them and leaves them alone. Its resolver needs the
	# name servers.
	proto_init_update "$DEVICE" 1 1
	for server in $SERVERS; do
		proto_add_dns_server "$server"
	done
	[ -z "$DOMAIN" ] || proto_add_dns_search "$DOMAIN"
	proto_send_update "$interface"
	;;
bond-down | stopping)
	proto_init_update "*" 0
	proto_send_update "$interface"
	;;
esac
[ ! -x /etc/spillway/hook ] || exec /etc/spillway/hook
