#!/usr/bin/env bash
# github.com/google/gopacket v1.1.19 and its successor github.com/gopacket/gopacket v1.7.7,
# layers.IGMP: the times of an IGMPv3 query are read wrongly.
#
# - IntervalTime, the querier's query interval, is a tenth: its code counts seconds (RFC 3376
#   section 4.1.7), igmpTimeDecode takes it for tenths of a second as it does the response time's.
#   The default, 125 s (section 8.2), is read as 12.5 s.
# - A code from 128 on is 1|exp|mant with three bits of exponent, then four of mantissa (section
#   4.1.1): (mant|0x10) << (exp+3). igmpTimeDecode takes three bits for the mantissa and four for
#   the exponent, and shifts in 8 bits, so that many codes are read as 0.
#
# Needs: Go. Seen, for a response code, an interval code and both libraries:
#   100 and 125: 10s and 12.5s, 10s and 12.5s; RFC 3376: 10s and 2m5s
#   138 and 138: 0s and 0s, 0s and 0s; RFC 3376: 20.8s and 3m28s
#   160 and 160: 14.4s and 14.4s, 14.4s and 14.4s; RFC 3376: 51.2s and 8m32s
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'G'
module finding
go 1.26
require (
	github.com/google/gopacket v1.1.19
	github.com/gopacket/gopacket v1.7.7
)
G
cat >main.go <<'G'
package main

import (
	"fmt"
	"log"
	"time"

	old "github.com/google/gopacket"
	oldlayers "github.com/google/gopacket/layers"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// value is what RFC 3376 section 4.1.1 has a code stand for.
func value(code byte) time.Duration {
	if code < 128 {
		return time.Duration(code)
	}
	return time.Duration(code&15|16) << (code>>4&7 + 3)
}

func main() {
	for _, codes := range [][2]byte{{100, 125}, {0x8a, 0x8a}, {0xa0, 0xa0}} {
		query := []byte{0x11, codes[0], 0, 0, 0, 0, 0, 0, 2, codes[1], 0, 0}
		var a oldlayers.IGMP
		check(a.DecodeFromBytes(query, old.NilDecodeFeedback))
		var b layers.IGMP
		check(b.DecodeFromBytes(query, gopacket.NilDecodeFeedback))
		fmt.Printf("%d and %d: %v and %v, %v and %v; RFC 3376: %v and %v\n", codes[0], codes[1],
			a.MaxResponseTime, a.IntervalTime, b.MaxResponseTime, b.IntervalTime,
			value(codes[0])*time.Second/10, value(codes[1])*time.Second)
	}
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
[ "$got" = '100 and 125: 10s and 12.5s, 10s and 12.5s; RFC 3376: 10s and 2m5s
138 and 138: 0s and 0s, 0s and 0s; RFC 3376: 20.8s and 3m28s
160 and 160: 14.4s and 14.4s, 14.4s and 14.4s; RFC 3376: 51.2s and 8m32s' ] || { echo "not as it was seen" >&2; exit 1; }
