#!/bin/sh
# The VXLAN links of uvtep as links of the kernel: made by uvtep export --to iproute2.
# End uvtep before this is run: the devices have the same names.
set -e

# $(id): the kernel has no word for: an mtu that follows the route
ip link add name '$(id)' mtu 1450 address 02:00:00:00:00:01 type vxlan id 42 remote 192.0.2.2 dev 'a;b' dstport 4789
ip link set dev '$(id)' txqueuelen 5
ip link set dev '$(id)' group 7
ip link set dev '$(id)' alias 'it'\''s
rm -rf `x`'
ip link set dev '$(id)' addrgenmode none
ip link set dev '$(id)' arp off
ip link set dev '$(id)' multicast off
# $(id): learned entries left out: 1; the link learns them again
bridge fdb append 00:00:00:00:00:00 dev '$(id)' dst 192.0.2.3 via 'a;b' self permanent
ip link set dev '$(id)' master 'br 0'
ip link set dev '$(id)' up
