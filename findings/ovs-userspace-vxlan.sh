#!/usr/bin/env bash
# Open vSwitch 3.1.0-2+deb12u1 of Debian 12, userspace datapath (datapath_type=netdev): what a
# VXLAN port receives.
#
# - A packet with the G bit of the group policy extension (draft-smith-vxlan-group-policy) is
#   dropped ("invalid vxlan flags=0x88000007"), also by a port with exts=gbp, which is to take it: its
#   log says "VXLAN-GBP, and non-VXLAN-GBP tunnels can't be configured on the same dst_port" of the only
#   port that there is.
# - A datagram that came in two fragments is not decapsulated. A host that has the address puts it
#   together first (RFC 791, section 3.2).
#
# Needs: root, bash, iproute2, python3, openvswitch-switch of the host. Seen:
#   plain port: plain 1, G bit 1, fragments 1, plain 2
#   exts=gbp: plain 1, G bit 1, fragments 1, plain 2
set -euo pipefail
if [ -z "${INSIDE:-}" ]; then
	got=$(INSIDE=plain unshare -n "$0" && INSIDE=gbp unshare -n "$0")
	printf '%s\n' "$got"
	[ "$got" = 'plain port: plain 1, G bit 1, fragments 1, plain 2
exts=gbp: plain 1, G bit 1, fragments 1, plain 2' ] || { echo "not as it was seen" >&2; exit 1; }
	exit
fi
dir=$(mktemp -d)
stop() {
	for pid in "$dir"/*.pid; do kill "$(cat "$pid")" || true; done
	rm -rf "$dir"
}
trap stop EXIT
export OVS_RUNDIR=$dir OVS_LOGDIR=$dir OVS_DBDIR=$dir
# The sender has a network namespace of its own.
unshare -n sleep 300 &
sender=$!
echo $sender >"$dir/sender.pid"
until [ "$(readlink "/proc/$sender/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
ip link add u1 type veth peer name u0 mtu 800 netns $sender
ip link set u1 up
nsenter -t $sender -n ip addr add 192.0.2.1/24 dev u0
nsenter -t $sender -n ip link set u0 up
ovsdb-tool create "$dir/conf.db" /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server "$dir/conf.db" --remote="punix:$dir/db.sock" --pidfile="$dir/db.pid" --detach --log-file="$dir/db.log" 2>/dev/null
vsctl() { ovs-vsctl --db="unix:$dir/db.sock" --timeout=20 "$@"; }
vsctl --no-wait init
ovs-vswitchd "unix:$dir/db.sock" --disable-system --pidfile="$dir/vs.pid" --detach --log-file="$dir/vs.log" 2>/dev/null
vsctl add-br br-phy -- set bridge br-phy datapath_type=netdev other_config:hwaddr=02:00:00:00:00:02
vsctl add-port br-phy u1
vsctl add-br br-int -- set bridge br-int datapath_type=netdev
exts=() name='plain port'
[ "$INSIDE" = plain ] || { exts=(options:exts=gbp) name='exts=gbp'; }
vsctl add-port br-int vx -- set interface vx type=vxlan options:remote_ip=192.0.2.1 options:key=flow "${exts[@]}"
ip addr add 192.0.2.2/24 dev br-phy
ip link set br-phy up
ip link set br-int up
sleep 2 # until ovs-vswitchd has seen the address
# send FLAGS POLICY BYTES: one VXLAN packet of VNI 42 with a broadcast frame.
send() {
	nsenter -t $sender -n python3 -c '
import socket, sys
flags, policy, size = (int(a, 16) for a in sys.argv[1:])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 10, 0) # IP_MTU_DISCOVER: IP_PMTUDISC_DONT
s.setsockopt(socket.SOL_SOCKET, 11, 1) # SO_NO_CHECK: veth leaves a checksum undone
header = bytes([flags, 0]) + policy.to_bytes(2, "big") + bytes([0, 0, 42, 0])
s.sendto(header + bytes.fromhex("ffffffffffff" "020000000009" "88b5") + bytes(size), ("192.0.2.2", 4789))
' "$@"
	sleep 7 # the statistics are of every 5 seconds
	n=$(vsctl --if-exists get interface vx statistics:rx_packets 2>/dev/null || true)
	printf '%s' "${n:-0}"
}
plain=$(send 8 0 40) gbit=$(send 88 7 40) fragments=$(send 8 0 4b0) again=$(send 8 0 40)
echo "$name: plain $plain, G bit $gbit, fragments $fragments, plain $again"
