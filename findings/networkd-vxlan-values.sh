#!/usr/bin/env bash
# systemd-networkd 252.38 (Debian 12), 257.7 the same: two values of a .netdev file of kind
# vxlan come to be something else than what is written.
#
# FDBAgeingSec=infinity: src/network/netdev/vxlan.c divides USEC_INFINITY by 1,000,000 and appends
# the result as 32 bits, so learned addresses age after 4154504685 seconds (131 years); right would be
# an ageing that does not end, or a refusal. FDBAgeingSec=500ms is sent as 0, which the kernel takes for 300.
#
# RemoteChecksumRx=no, the default: networkd sends IFLA_VXLAN_REMCSUM_RX with 0 all the same, and
# Linux from 6.14 on takes the attribute, not its value, for the bits being used (vxlan_nl2conf in
# drivers/net/vxlan/vxlan_core.c). Such a link takes packets with the remote checksum's bits, which one of
# ip's drops: reserved_bits is 0xf7dfffff00000000 where ip has 0xf7ffffff000000ff (ip from 6.14 prints it).
#
# Needs: root, Debian's packages systemd and iproute2, vxlan in the kernel. Seen (ageing):
#   infinity 4154504685
#   half 300
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
netdev() { printf '[NetDev]\nName=%s\nKind=vxlan\n[VXLAN]\nVNI=%s\nDestinationPort=%s\nIndependent=yes\nFDBAgeingSec=%s\n' "$@" >"$dir/$1.netdev"; }
netdev infinity 1 4790 infinity
netdev half 2 4791 500ms
cat >"$dir/run" <<'S'
set -e
mount --make-rprivate /
for d in /run /usr/lib/systemd/network /etc/systemd; do mount -t tmpfs "${d##*/}" "$d"; done
mount -t sysfs -o ro sys /sys
mkdir -p /etc/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
chown -R systemd-network: /run/systemd/netif
cp "$1"/*.netdev /etc/systemd/network/
chmod -R a+rX /etc/systemd
/lib/systemd/systemd-networkd 2>"$1/log" &
n=0
until ip link show infinity && ip link show half; do
	n=$((n + 1))
	[ $n -lt 100 ] || break
	sleep 0.1
done >/dev/null 2>&1
for dev in infinity half; do
	ip -d link show "$dev" | sed -n "s/.* ageing \([0-9]*\).*/$dev \1/p"
done
kill $!
S
got=$(cd / && unshare -n -m bash "$dir/run" "$dir")
printf '%s\n' "$got"
[ "$got" = "infinity 4154504685
half 300" ] || { echo "not as it was seen" >&2; exit 1; }
