#!/bin/sh
# netifd's handler for `option proto spillway`: a home gateway whose legs are two interfaces of /etc/config/network.
# The daemon makes the bond's device and gives it its addresses; netifd is told of them by event.sh.

[ -n "$INCLUDE_ONLY" ] || {
	. /lib/functions.sh
	. /lib/functions/network.sh
	. ../netifd-proto.sh
	init_proto "$@"
}
. "${SPILLWAY_LIB:-/lib/spillway}/settings.sh"

proto_spillway_init_config() {
	no_device=1
	available=1
	proto_config_add_string haap
	proto_config_add_string cin
	proto_config_add_string family
	proto_config_add_string dialect
	proto_config_add_string dsl
	proto_config_add_string lte
	proto_config_add_string dsl_upstream
	proto_config_add_string dsl_downstream
	proto_config_add_string lte_upstream
	proto_config_add_string lte_downstream
	proto_config_add_array 'lan:list(string)'
	proto_config_add_string ipaddr
	proto_config_add_string ip6addr
	proto_config_add_int mtu
	proto_config_add_boolean masquerade
	proto_config_add_boolean defaultroute
}

# Where the settings of interface $1 are written.
spillway_folder() { echo "${SPILLWAY_RUN:-/var/run/spillway}/$1"; }

spillway_collect_lan() {
	local device
	network_get_device device "$1" || device="$1"
	lan_devices="$lan_devices $device"
}

# Settings of interface $1 from the variables of its section; $dsl_device and $lte_device are known.
spillway_settings() {
	toml_line role hg
	toml_line haap "$haap"
	toml_line cin "$cin"
	toml_line family "$family"
	toml_line dialect "$dialect"
	# shellcheck disable=SC2086
	toml_list lan $lan_devices
	printf '\n[dsl]\n'
	toml_line interface "$dsl_device"
	toml_line upstream "$dsl_upstream"
	toml_line downstream "$dsl_downstream"
	printf '\n[lte]\n'
	toml_line interface "$lte_device"
	toml_line upstream "$lte_upstream"
	toml_line downstream "$lte_downstream"
	printf '\n[tunnel]\n'
	# At most 15 bytes: the name of a network interface.
	toml_line name "$(printf '%.15s' "bond-$1")"
	toml_line address "$ipaddr"
	toml_line address6 "$ip6addr"
	[ -z "$mtu" ] || printf 'mtu = %d\n' "$mtu"
	toml_boolean masquerade "$masquerade"
	toml_boolean default_route "$defaultroute"
	printf '\n[control]\n'
	toml_line socket "$(spillway_folder "$1")/control.sock"
	printf '\n[hooks]\n'
	toml_line command "$(spillway_folder "$1")/event"
}

proto_spillway_setup() {
	local config="$1" folder dsl_device lte_device lan_devices=""
	local haap cin family dialect dsl lte dsl_upstream dsl_downstream lte_upstream lte_downstream ipaddr ip6addr mtu
	local masquerade defaultroute
	json_get_vars haap cin family dialect dsl lte dsl_upstream dsl_downstream lte_upstream lte_downstream ipaddr \
		ip6addr mtu masquerade defaultroute
	json_for_each_item spillway_collect_lan lan

	for leg in dsl lte; do
		eval "interface=\$$leg"
		# shellcheck disable=SC2154
		if [ -z "$interface" ] || ! network_get_device device "$interface"; then
			# Tried again when netifd has brought the leg up: a leg may come later than the bond.
			device="$interface"
		fi
		# shellcheck disable=SC2154
		[ -n "$device" ] || {
			proto_notify_error "$config" "NO_${leg}_INTERFACE"
			proto_block_restart "$config"
			return 1
		}
		eval "${leg}_device=\$device"
		device=""
	done

	folder=$(spillway_folder "$config")
	mkdir -p "$folder"
	spillway_settings "$config" >"$folder/spillway.toml"
	printf '#!/bin/sh\nexec %s/event.sh %s\n' "${SPILLWAY_LIB:-/lib/spillway}" "'$config'" >"$folder/event"
	chmod 755 "$folder/event"
	if ! problems=$("${SPILLWAY:-/usr/sbin/spillway}" check --any-interface --config "$folder/spillway.toml" 2>&1); then
		logger -t spillway -p daemon.err "$config: $problems"
		proto_notify_error "$config" WRONG_SETTINGS
		proto_block_restart "$config"
		return 1
	fi
	proto_run_command "$config" "${SPILLWAY:-/usr/sbin/spillway}" run --config "$folder/spillway.toml"
}

proto_spillway_teardown() {
	# SIGTERM: the peer is told, and the kernel is left as it was.
	proto_kill_command "$1"
}

[ -n "$INCLUDE_ONLY" ] || {
	add_protocol spillway
}
