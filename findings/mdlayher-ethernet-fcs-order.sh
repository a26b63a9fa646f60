#!/usr/bin/env bash
# github.com/mdlayher/ethernet v0.0.0-20220221185849-529eae5b6118: the frame check sequence has its
# bytes the wrong way round.
#
# Frame.MarshalFCS appends the CRC-32 with its highest byte first. IEEE 802.3 section 3.2.9 sends
# its bits in the order of the polynomial, which in the reflected form that hash/crc32 computes is
# the lowest byte first. tshark, told that the frames end in an FCS, calls the library's bad and the
# other order good. UnmarshalFCS expects the library's order, so it refuses what a network card
# gives (RX-FCS), and a test that uses both sees nothing.
#
# Needs: Go, tshark 4.0 of the host. Seen:
#   MarshalFCS: tshark says bad, UnmarshalFCS says <nil>
#   lowest byte first: tshark says good, UnmarshalFCS says invalid frame check sequence
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'G'
module finding
go 1.26
require github.com/mdlayher/ethernet v0.0.0-20220221185849-529eae5b6118
G
cat >main.go <<'G'
package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"log"
	"net"
	"os"
	"os/exec"
	"strings"

	"github.com/mdlayher/ethernet"
)

// tshark says of a frame that ends in an FCS whether it is right.
func tshark(frame []byte) string {
	// Classic pcap, little-endian, Ethernet; one packet.
	file := []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0}
	file = append(file, make([]byte, 8)...)
	for range 2 {
		file = binary.LittleEndian.AppendUint32(file, uint32(len(frame)))
	}
	check(os.WriteFile("in.pcap", append(file, frame...), 0o600))
	out, err := exec.Command("tshark", "-r", "in.pcap", "-o", "eth.fcs:Always", "-o", "eth.check_fcs:TRUE",
		"-T", "fields", "-e", "eth.fcs.status").Output()
	check(err)
	switch s := strings.TrimSpace(string(out)); s {
	case "0":
		return "bad"
	case "1":
		return "good"
	default:
		return s
	}
}

func main() {
	f := &ethernet.Frame{Destination: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Source: net.HardwareAddr{2, 0, 0, 0, 0, 2},
		EtherType: 0x88b5, Payload: make([]byte, 46)}
	marshalled, err := f.MarshalFCS()
	check(err)
	frame, err := f.MarshalBinary()
	check(err)
	lowest := binary.LittleEndian.AppendUint32(frame, crc32.ChecksumIEEE(frame))
	fmt.Printf("MarshalFCS: tshark says %s, UnmarshalFCS says %v\n", tshark(marshalled), f.UnmarshalFCS(marshalled))
	fmt.Printf("lowest byte first: tshark says %s, UnmarshalFCS says %v\n", tshark(lowest), f.UnmarshalFCS(lowest))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
G
go mod tidy >/dev/null 2>&1
got=$(go run .)
printf '%s\n' "$got"
[ "$got" = 'MarshalFCS: tshark says bad, UnmarshalFCS says <nil>
lowest byte first: tshark says good, UnmarshalFCS says invalid frame check sequence' ] || { echo "not as it was seen" >&2; exit 1; }
