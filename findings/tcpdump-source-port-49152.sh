#!/usr/bin/env bash
# tcpdump 4.99.3-1 of Debian 12: a VXLAN packet (UDP destination port 4789) whose source
# port is 49152 is printed as another protocol, BCM-LI-SHIM; from any other
# source port of the dynamic range it is printed as VXLAN with its inner packet.
#
# tcpdump looks at both ports in one chain of comparisons, and that protocol's default
# port is 49152, the first port of the range that RFC 7348 section 5 recommends for
# the source. So of the flows of a VTEP some look as if they were no VXLAN.
#
# Needs: bash, apt-get download, dpkg-deb, perl. Seen:
#   49152 BCM-LI-SHIM
#   49153 VXLAN
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q tcpdump=4.99.3-1 libpcap0.8=1.10.3-1 libdbus-1-3 libssl3 >/dev/null
for deb in *.deb; do dpkg-deb -x "$deb" root; done
# Ethernet, IPv4, UDP, VXLAN with VNI 42, an inner ARP request; classic pcap.
perl -e '
sub packet { my $port = shift;
  my $arp = pack("H*", "ffffffffffff020000000001" . "0806" . "0001080006040001" . "020000000001c6336401" . "000000000000c6336402");
  my $vxlan = pack("H*", "0800000000002a00") . $arp;
  my $udp = pack("nnnn", $port, 4789, 8 + length $vxlan, 0) . $vxlan;
  my $ip = pack("H*", "4500") . pack("n", 20 + length $udp) . pack("H*", "00004000" . "4011") . pack("n", 0) . pack("H*", "c0000201c0000202");
  my $frame = pack("H*", "020000000002020000000003" . "0800") . $ip . $udp;
  return pack("VVVV", 0, 0, length $frame, length $frame) . $frame; }
print pack("VvvVVVV", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1), packet(49152), packet(49153);
' >in.pcap
got=$(LD_LIBRARY_PATH="$PWD/root/usr/lib/x86_64-linux-gnu" root/usr/bin/tcpdump -nr in.pcap 2>/dev/null |
	sed -nE 's/.*192\.0\.2\.1\.([0-9]+) > 192\.0\.2\.2\.4789: (BCM-LI-SHIM|VXLAN).*/\1 \2/p')
printf '%s\n' "$got"
[ "$got" = '49152 BCM-LI-SHIM
49153 VXLAN' ] || { echo "not as it was seen" >&2; exit 1; }
