package interop_test

// script is what is said to ip and bridge in one network namespace and to uvtep
// in another that is equal, line by line, from top to bottom. Links are told
// what uvtep's defaults differ in (README, "Differences from the kernel's
// VXLAN"): those lines would differ in nothing else.
const script = `
ip link add dev vx1 address 02:00:00:00:00:01 type vxlan id 42 local 192.0.2.1 remote 192.0.2.2 dstport 4789 dev eth0 SAME
ip link add name vx2 address 02:00:00:00:00:02 up type vxlan id 2000 dstport 4790 dev eth0 nolearning noudpcsum tos inherit ttl 100 SAME
ip link add vx3 address 02:00:00:00:00:03 type vxlan vni 16777215 group 239.1.1.1 dev eth0 dstport 4791 ageing 100 maxaddress 10 df set srcport 1000 2000 tos 10
ip link add vx4 mtu 1400 address 02:00:00:00:00:04 type vxlan id 0 local 2001:db8:1::1 remote 2001:db8:1::2 dstport 4792 dev eth0 udp6zerocsumtx udp6zerocsumrx ttl inherit df inherit maxaddress 0
ip link add vx5 address 02:00:00:00:00:05 type vxlan id 7 remote 192.0.2.2 dstport 4789 port 2000 3000 ageing 0x40 dev eth0 SAME
ip link add vx1 type vxlan id 43 dstport 4789
ip link add vx6 type vxlan id 16777216 dstport 4789
ip link add vx6 type vxlan dstport 4789
ip link add vx6 type vxlan id 6 remote 192.0.2.2 group 239.1.1.1 dev eth0 dstport 4789
ip link add vx6 type vxlan id 6 remote 192.0.2.2 local 2001:db8:1::1 dstport 4789
ip link add vx6 type vxlan id 6 remote 192.0.2.2 dstport 4789 dev eth7
ip link add vx6 type vxlan id 6 remote 192.0.2.2 dstport 4789 banana
ip link add vx6 type vxlan id 6 id 7 dstport 4789
ip link add vx6 type vxlan id 6 remote 192.0.2.300 dstport 4789
ip link add vx6 type vxlan id 6 ttl 256 dstport 4789
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 df banana
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 srcport 2000 1000
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 ageing 99999999999
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 maxaddress x
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 tos 0x1ff
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 group 192.0.2.1
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 remote 224.0.0.1
ip link add vx6 type vxlan id 6 dstport 4795 dev eth0 local 239.1.1.1
ip link add vx6 type vxlan id 42 dstport 4789 dev eth0 local 192.0.2.1
ip link add vx6 address 01:00:5e:00:00:01 type vxlan id 6 dstport 4795 dev eth0
ip link add vx6 mtu 70000 type vxlan id 6 dstport 4795 dev eth0
ip link add vx67890123456789 type vxlan id 6 dstport 4795 dev eth0
ip link add eth0 type vxlan id 6 dstport 4795
ip link add vx6 address 02:00:00:00:00:06 type vxlan id 010 dstport 0x12bf dev eth0 ttl auto tos EF SAME
ip -d link show dev vx6 group default type vxlan
ip link del dev vx6
ip link add
ip link show vx1
ip link show dev vx1
ip link show type vxlan
ip link show type bridge
ip link show up type vxlan
ip link ls vx2
ip li lst dev vx2
ip l sh vx3
ip -o link show vx1
ip -oneline link show vx3
ip -br link show vx2
ip -brief link show type vxlan
ip -0 link show vx1
ip -f inet link show vx1
ip -c=never link show vx1
ip -s -s link show vx5
ip -s link show vx5
ip -statistics -details link show vx5
ip -o -d -s link show vx5
ip -d link show vx1
ip -d link show vx2
ip -details link show dev vx3
ip -d link show vx4
ip -d link show vx5
ip link show nope
ip link show dev
ip link set dev vx1 up
ip link set up dev vx4
ip link show vx1
ip link set vx1 down
ip link show vx1
ip link set dev vx1 mtu 1300
ip link set vx1 address 02:00:00:00:00:11
ip link show vx1
ip link set vx1 mtu 1450 up
ip link set dev vx1 mtu 67
ip link set dev vx1 address banana
ip link set nope up
ip link set dev vx1 type vxlan remote 192.0.2.20
bridge fdb show dev vx1
ip link set vx1 type vxlan ageing 77 ttl 9
ip -d link show vx1
ip link set dev vx1 type vxlan id 16777216
ip link set dev vx1 type vxlan banana
bridge fdb sh dev vx2
bridge fdb ap dev vx2 00:00:00:00:00:00 dst 192.0.2.20 self permanent
bridge fdb append dev vx2 00:00:00:00:00:00 dst 192.0.2.30 self
bridge fdb show dev vx2
bridge fdb show dev vx2 state stat
bridge fdb append 00:00:00:00:00:00 dev vx2 dst 192.0.2.30 port 1111 vni 2001 via eth0
bridge fdb append 00:00:00:00:00:00 dev vx2 dst 192.0.2.30
ip link set dev vx2 type vxlan remote 192.0.2.30
bridge fdb show dev vx2
bridge fdb del dev vx2 00:00:00:00:00:00 dst 192.0.2.20 self
bridge fdb show dev vx2
bridge fdb add 02:00:00:00:01:01 dev vx2 dst 192.0.2.40
bridge fdb add 02:00:00:00:01:01 dev vx2 dst 192.0.2.40
bridge fdb add dst 192.0.2.40 port 1234 dev vx2 to 02:00:00:00:01:02 static self
bridge fdb add 02:00:00:00:01:03 dev vx2 self static permanent dst 192.0.2.40
bridge fdb a 02:00:00:00:01:04 dev vx2 dyn dst 192.0.2.40 vni 77
bridge fdb add 02:00:00:00:01:05 dev vx2 dst 192.0.2.40 extern_learn
bridge fdb add 02:00:00:00:01:06 dev vx2 dst 192.0.2.41 router dynamic extern_learn
bridge fdb add 02:00:00:00:01:07 vlan 1 dev vx2 self dst 192.0.2.41
bridge fdb add 02:00:00:00:01:08 dev vx2 dst 192.0.2.41 local use
bridge fdb add 02:00:00:00:01:09 dev vx2 dst 192.0.2.41 temp via eth0
bridge fdb add 02:00:00:00:01:0a dev vx2 dst 192.0.2.41 static dynamic
bridge fdb add 01:00:5e:00:00:05 dev vx2 dst 192.0.2.41
bridge fdb append 01:00:5e:00:00:05 dev vx2 dst 192.0.2.42
bridge fdb add 02:00:00:00:01:0b dev vx2
bridge fdb add 02:00:00:00:01:0b dev vx2 dst 2001:db8:1::40
bridge fdb add 02:00:00:00:01:0b dev vx2 dst 192.0.2.300
bridge fdb add 02:00:00:00:01:0b dev vx2 dst 192.0.2.40 port 70000
bridge fdb add 02:00:00:00:01:0b dev vx2 dst 192.0.2.40 vni 16777216
bridge fdb add 02:00:00:00:01:0b dev vx2 dst 192.0.2.40 via eth7
bridge fdb add 02:00:00:00:01:0b dev nope dst 192.0.2.40
bridge fdb add dev vx2 dst 192.0.2.40
bridge fdb add 02:00:00:00:01:0b dst 192.0.2.40
bridge fdb add 2:0:0:0:0:e dev vx2 dst 192.0.2.40 port 0
bridge fdb add 02:00:00:00:01:0E dev vx2 dst 192.0.2.40 vni 0 router router
bridge fdb add 02-00-00-00-01-0f dev vx2 dst 192.0.2.40
bridge fdb add ff:ff:ff:ff:ff:ff dev vx2 dst 192.0.2.40 src_vni 2000
bridge fdb add 02:00:00:00:01:0b dev vx2 dst 192.0.2.40 vlan 4095
bridge fdb add 02:00:00:00:01:0b dev vx2 dst 192.0.2.40 nhid 5
bridge fdb append 02:00:00:00:01:11 dev vx2 dst 224.0.0.7
bridge fdb add banana dev vx2 dst 192.0.2.40
bridge fdb add 02:00:00:00:01:0b 02:00:00:00:01:0c dev vx2 dst 192.0.2.40
bridge fdb add 02:00:00:00:01:0d dev vx4 dst 2001:db8:1::40
bridge fdb show dev vx2
bridge fdb show
bridge fdb
bridge fdb list dev vx4
bridge fdb lst brport vx2
bridge -s fdb show dev vx2
bridge -o fdb show dev vx4
bridge fdb show dev vx2 state permanent
bridge fdb show dev vx2 state stale
bridge fdb show dev vx2 state 0x40 dynamic
bridge fdb show dev vx2 dynamic
bridge fdb show dev vx2 vlan 7
bridge fdb show dev vx2 state banana
bridge fdb show br nope
bridge fdb show dev nope
bridge fdb get 02:00:00:00:01:02 dev vx2 self
bridge fdb get to 02:00:00:00:01:04 brport vx2 self dynamic
bridge fdb get 02:00:00:00:09:09 dev vx2 self
bridge fdb get 02:00:00:00:01:02 dev nope self
bridge fdb get dev vx2 self
bridge fdb replace 02:00:00:00:01:01 dev vx2 dst 192.0.2.50 port 4790
bridge fdb replace 02:00:00:00:01:0c dev vx2 dst 192.0.2.50 static
bridge fdb replace 00:00:00:00:00:00 dev vx2 dst 192.0.2.50
bridge fdb replace 01:00:5e:00:00:05 dev vx2 dst 192.0.2.50
bridge fdb repl 02:00:00:00:01:02 dev vx2 dst 192.0.2.50 dynamic
bridge fdb show dev vx2
bridge fdb del 01:00:5e:00:00:05 dev vx2 dst 192.0.2.41
bridge fdb del 02:00:00:00:01:03 dev vx2
bridge fdb delete 02:00:00:00:01:03 dev vx2
bridge fdb del 02:00:00:00:01:04 dev nope
bridge fdb show dev vx2
bridge fdb flush dev vx2 dynamic
bridge fdb show dev vx2
bridge fdb flush dev vx2 extern_learn
bridge fdb flush dev vx2 offloaded
bridge fdb flush dev vx2 self sticky
bridge fdb flush dev vx2 nodynamic nopermanent nosticky
bridge fdb flush dev vx2 vlan 3
bridge fdb flush dev vx2 brport vx2
bridge fdb flush dev nope
bridge fdb flush
bridge fdb show dev vx2
bridge fdb flush dev vx2 static
bridge fdb flush dev vx2 nopermanent
bridge fdb show dev vx2
bridge fdb flush dev vx2 permanent
bridge fdb show dev vx2
bridge fdb banana
ip link set dev vx5 name vx9
ip link show vx9
ip link show vx5
ip link set vx9 name vx1
ip link del vx9 type vxlan
ip link delete dev vx4
ip link del nope
ip link del
ip link show type vxlan
ip link set dev vx3 type vxlan remote 2001:db8:1::9
ip link set vx3 nosuch up
ip link set vx3 type vxlan nolearning ageing 0x100 tos 4 df inherit local 192.0.2.99
ip -d link show vx3
bridge fdb append 02:00:00:00:02:01 dev vx2 dst 192.0.2.60
bridge fdb append 00:00:00:00:00:00 dev vx2 dst 192.0.2.61
ip link add vx8 address 02:00:00:00:00:08 type vxlan id 8 remote 192.0.2.8 dstport 4793 dev eth0 ageing none SAME
bridge fdb add 02:00:00:00:02:04 dev vx8 dst 192.0.2.8
ip link add vx12 address 02:00:00:00:00:12 type vxlan id 12 local 2001:db8:1::1 dstport 4794 nolearning noudpcsum tos inherit ttl 100 SAME
ip -d link show vx12
ip link del vx12
ip link add vx14 address 02:00:00:00:00:14 type vxlan id 14 remote 192.0.2.2 dstport 4796 dev eth0 gbp proxy l2miss l3miss SAME
ip -d link show vx14
ip l s vx14 up
ip l s dev vx14 down
ip l l vx14
ip link ls dev vx14
ip link list vx14
ip link lst vx14
ip link sh vx14
ip link s
ip link x vx14
ip link add vx15 address 02:00:00:00:00:15 type vxlan id 15 remote 2001:db8:1::2 dstport 4796 dev eth0 flowlabel 0x12345 noproxy nol2miss nol3miss SAME
ip -d link show vx15
ip link set vx15 type vxlan flowlabel 0x100000
ip link set vx15 type vxlan flowlabel banana
ip link set vx15 type vxlan flowlabel
ip link add vx16 type vxlan id 16 flowlabel 0x100000 dstport 4796 dev eth0 remote 2001:db8:1::2
ip link add vx16 type vxlan id
ip link add vx16 type vxlan id 16 dstport
ip link add vx16 type vxlan id 16 dstport 4796 remote
ip link add vx16 type vxlan id 16 dstport 4796 group
ip link add vx16 type vxlan id 16 dstport 4796 local
ip link add vx16 type vxlan id 16 dstport 4796 dev
ip link add vx16 type vxlan id 16 dstport 4796 ttl
ip link add vx16 type vxlan id 16 dstport 4796 tos
ip link add vx16 type vxlan id 16 dstport 4796 df
ip link add vx16 type vxlan id 16 dstport 4796 srcport 5
ip link add vx16 type vxlan id 16 dstport 4796 ageing
ip link add vx16 type vxlan id 16 dstport 4796 maxaddress
ip link add vx16 type vxlan id 16 dstport 65536
ip link add vx16 type vxlan id 16 dstport 4796 tos banana
ip link add vx16 type vxlan id 16 dstport 4796 ttl banana
ip link add vx16 type vxlan id 16 dstport 4796 ttl -1
ip link add vx16 type vxlan id 16 dstport 4796 local banana
ip link add vx16 type vxlan id 0x10 dstport 4796 ttl inherit noexternal norsc SAME
ip link del vx16
ip l a vx16 mtu 1450 address 02:00:00:00:00:16 type vxlan id 16 rem 192.0.2.2 loc 192.0.2.1 dstp 4797 nole age 60 SAME
ip -d l sh vx16
ip l d vx16
ip link set vx14 mtu
ip link set vx14 mtu banana
ip link set vx14 address
ip link set vx14 address 02:00:00:00:00
ip link set vx14 name
ip link set vx14 type
ip link set vx14 type vxlan ageing
bridge f sh dev vx2
bridge fdb li dev vx2
bridge fdb l dev vx2
bridge fdb s dev vx2
bridge fdb add 02:00:00:00:03:01 dev vx2 dst
bridge fdb add 02:00:00:00:03:01 dev
bridge fdb add 02:00:00:00:03:01 dev vx2 dst 192.0.2.41 port
bridge fdb add 02:00:00:00:03:01 dev vx2 dst 192.0.2.41 vni
bridge fdb add 02:00:00:00:03:01 dev vx2 dst 192.0.2.41 via
bridge fdb add 02:00:00:00:03:01 dev vx2 dst 192.0.2.41 port -1
bridge fdb add 02:00:00:00:03 dev vx2 dst 192.0.2.41
bridge fdb add
bridge fdb del
bridge fdb get
bridge fdb x
`
