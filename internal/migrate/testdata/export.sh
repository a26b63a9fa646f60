#!/bin/sh
# The VXLAN links of uvtep as links of the kernel: made by uvtep export --to iproute2.
# End uvtep before this is run: the devices have the same names.
set -e

# vx0: the kernel has no word for: accept peers, moveguard on, loopguard on, an mtu that follows the route
# vx0: reserved ignore is reserved_bits 0 to Linux and iproute2 from 6.14 on: write it behind type vxlan there
# vx0: remote peer.example.net is a name, and the kernel has addresses only: bridge fdb append 00:00:00:00:00:00 dev vx0 dst IP
ip link add name vx0 type vxlan id 1 remote 192.0.2.2 local 192.0.2.1 dstport 4789 df set maxaddress 16384
bridge fdb append 00:00:00:00:00:00 dev vx0 dst 192.0.2.3 self permanent
ip link set dev vx0 up

# vx1: the kernel has no word for: accept 192.0.2.0/24, innervlan drop, gbpid 7, mss clamp, bumlimit 100, samehost 192.0.2.8/32,2001:db8::/64, persist, user 5, group-owner 6, ageing 0 (136 years stand for it)
ip link add name vx1 mtu 1400 address 02:00:00:00:00:01 numtxqueues 4 numrxqueues 4 type vxlan id 2 remote 192.0.2.2 dev eth0 dstport 4790 srcport 1000 2000 ttl 9 tos 0x10 df inherit ageing 4294967295 maxaddress 5 nolearning proxy l2miss l3miss noudpcsum nolocalbypass gbp
bridge fdb replace 02:00:00:00:00:07 dev vx1 dst 192.0.2.7 self static router
bridge fdb append 01:00:5e:00:00:07 dev vx1 dst 192.0.2.7 port 5 vni 6 via eth1 self permanent
bridge fdb replace 02:00:00:00:00:08 dev vx1 dst 192.0.2.7 self dynamic extern_learn

# vx2: the kernel has no word for: accept peers, moveguard on, loopguard on, an mtu that follows the route
# vx2: reserved ignore is reserved_bits 0 to Linux and iproute2 from 6.14 on: write it behind type vxlan there
# vx2: the kernel refuses it beside vx0: one id on one dstport, whatever the local address
ip link add name vx2 type vxlan id 1 remote 192.0.2.2 local 192.0.2.9 dstport 4789 df set maxaddress 16384
ip link set dev vx2 up

# vx3: the kernel has no word for: an mtu that follows the route
# vx3: reserved ignore is reserved_bits 0 to Linux and iproute2 from 6.14 on: write it behind type vxlan there
# vx3: the kernel wants a device for a group: write dev DEVICE
ip link add name vx3 type vxlan id 1 group ff05::1 dstport 4789 ttl inherit tos inherit flowlabel inherit udp6zerocsumtx udp6zerocsumrx
ip link set dev vx3 up
