#!/usr/bin/env bash
# Linux (seen on 6.18, iproute2 6.1): two `bridge fdb` commands on a vxlan device that do
# nothing and exit 0.
#
# - `append` of a second destination to a unicast MAC: the entry keeps its first
#   (drivers/net/vxlan/vxlan_core.c: vxlan_fdb_update_existing appends to multicast and
#   all-zeros addresses alone). `add` of the same says File exists.
# - `del` of a destination that an all-zeros entry of several does not have, which
#   for an entry that is not there at all is No such file or directory.
#
# Needs: ip, bridge, root, kernel VXLAN. It works in a network namespace of its own. Seen:
#   append: exit 0, dst 192.0.2.7
#   add: exit 255, dst 192.0.2.7
#   del of another destination: exit 0, 2 left
set -euo pipefail
got=$(unshare --net bash -c '
set -e
ip link add vx type vxlan id 42 dstport 4789 local 192.0.2.1
bridge fdb add 02:00:00:00:00:07 dev vx dst 192.0.2.7
for verb in append add; do
	status=0
	bridge fdb $verb 02:00:00:00:00:07 dev vx dst 192.0.2.8 2>/dev/null || status=$?
	echo "$verb: exit $status," $(bridge fdb show dev vx | grep ^02: | grep -o "dst [0-9.]*")
done
bridge fdb append 00:00:00:00:00:00 dev vx dst 192.0.2.7
bridge fdb append 00:00:00:00:00:00 dev vx dst 192.0.2.8
status=0
bridge fdb del 00:00:00:00:00:00 dev vx dst 192.0.2.9 || status=$?
echo "del of another destination: exit $status, $(bridge fdb show dev vx | grep -c ^00:) left"')
uname -r
printf '%s\n' "$got"
[ "$got" = 'append: exit 0, dst 192.0.2.7
add: exit 255, dst 192.0.2.7
del of another destination: exit 0, 2 left' ] || { echo "not as it was seen" >&2; exit 1; }
