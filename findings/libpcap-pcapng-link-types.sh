#!/usr/bin/env bash
# tcpdump 4.99.3-1 with libpcap 1.10.3-1 of Debian 12: a pcapng file whose interfaces have
# different link types, which the format is made for, is read up to the second
# interface and then given up, with the packets of the first interface behind it. tshark reads
# all.
#
# So a capture of a tunnel that has its inner side as Ethernet and its outer as raw IP
# in one file is none for the tools that stand on libpcap.
#
# Needs: Go, apt-get download, dpkg-deb. Seen:
#   link types 1 and 1: 3 packets
#   link types 1 and 101: 1 packets, an interface has a type 101 different from the type of the first interface
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q tcpdump=4.99.3-1 libpcap0.8=1.10.3-1 libdbus-1-3 libssl3 >/dev/null 2>&1
for deb in *.deb; do dpkg-deb -x "$deb" root; done
cat >go.mod <<'G'
module finding
go 1.26
require github.com/gopacket/gopacket v1.7.7
G
cat >main.go <<'G'
package main

import (
	"fmt"
	"log"
	"os"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

func main() {
	for _, second := range []layers.LinkType{layers.LinkTypeEthernet, layers.LinkTypeRaw} {
		f, err := os.Create(fmt.Sprintf("%d.pcapng", second))
		check(err)
		w, err := pcapgo.NewNgWriter(f, layers.LinkTypeEthernet)
		check(err)
		write := func(on int, b []byte) {
			check(w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(1700000000, 0), Length: len(b), CaptureLength: len(b), InterfaceIndex: on}, b))
		}
		write(0, make([]byte, 60))
		other, err := w.AddInterface(pcapgo.NgInterface{Name: "eth0", LinkType: second})
		check(err)
		ip := append([]byte{0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}, make([]byte, 40)...)
		write(other, ip)
		write(0, make([]byte, 60))
		check(w.Flush())
		check(f.Close())
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
G
go mod tidy >/dev/null 2>&1
go run .
export LD_LIBRARY_PATH="$PWD/root/usr/lib/x86_64-linux-gnu"
got=$(for second in 1 101; do
	n=$(root/usr/bin/tcpdump -nr $second.pcapng 2>log | grep -cE '^[0-9]{2}:[0-9]{2}:')
	why=$(grep -o 'an interface has a type.*' log || true)
	echo "link types 1 and $second: $n packets${why:+, $why}"
done)
printf '%s\n' "$got"
[ "$got" = 'link types 1 and 1: 3 packets
link types 1 and 101: 1 packets, an interface has a type 101 different from the type of the first interface' ] || { echo "not as it was seen" >&2; exit 1; }
