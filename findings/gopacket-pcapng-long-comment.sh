#!/usr/bin/env bash
# github.com/gopacket/gopacket v1.7.7, pcapgo.NgWriter: a packet's comment of more than
# 65,535 bytes is written without an error and spoils the file from there on.
#
# An option's length has 16 bits (draft-ietf-opsawg-pcapng section 3.5). The writer keeps the
# low ones and writes the whole text, so that a reader takes its rest for options. The
# library's own reader fails in that packet; those after it are lost.
#
# Needs: Go. Seen:
#   65535 bytes: written <nil>, 2 packets read, then EOF
#   65537 bytes: written <nil>, 0 packets read, then an error
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'G'
module finding
go 1.26
require github.com/gopacket/gopacket v1.7.7
G
cat >main.go <<'G'
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

func main() {
	frame := make([]byte, 60)
	ci := gopacket.CaptureInfo{Timestamp: time.Unix(1700000000, 0), Length: len(frame), CaptureLength: len(frame)}
	for _, n := range []int{65535, 65537} {
		var file bytes.Buffer
		w, err := pcapgo.NewNgWriter(&file, layers.LinkTypeEthernet)
		if err != nil {
			log.Fatal(err)
		}
		err = w.WritePacketWithOptions(ci, frame, pcapgo.NgPacketOptions{Comments: []string{strings.Repeat("a", n)}})
		err = errors.Join(err, w.WritePacket(ci, frame), w.Flush())
		r, open := pcapgo.NewNgReader(&file, pcapgo.DefaultNgReaderOptions)
		if open != nil {
			log.Fatal(open)
		}
		got, end := 0, "EOF"
		for {
			_, _, err := r.ReadPacketData()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				end = "an error"
				break
			}
			got++
		}
		fmt.Printf("%d bytes: written %v, %d packets read, then %s\n", n, err, got, end)
	}
}
G
go mod tidy >/dev/null 2>&1
got=$(go run .)
printf '%s\n' "$got"
[ "$got" = '65535 bytes: written <nil>, 2 packets read, then EOF
65537 bytes: written <nil>, 0 packets read, then an error' ] || { echo "not as it was seen" >&2; exit 1; }
