#!/usr/bin/env bash
# github.com/osrg/gobgp/v4 v4.8.0, package bgp: the Multicast Flags extended community of a VTEP
# that proxies both IGMP and MLD loses its MLD bit on the way through.
#
# RFC 9251 section 9.5 (type 0x06, subtype 0x09) has a bit each, which stand by themselves.
# MulticastFlagsExtended.Serialize writes the second one only where the first is not set. What is
# parsed is right, but a speaker passes on what it serialises: behind a route reflector on this
# library the others take the VTEP for one without MLD proxy. A community without either bit is
# refused, as one of a subtype that the library does not know.
#
# Needs: Go. Seen:
#   0609000000000000 refused, unknown evpn subtype: 9
#   0609000100000000 read as multicast-flags: igmp-proxy, written as 0609000100000000
#   0609000200000000 read as multicast-flags: mld-proxy, written as 0609000200000000
#   0609000300000000 read as multicast-flags: igmp-proxy,mld-proxy, written as 0609000100000000
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'G'
module finding
go 1.26
require github.com/osrg/gobgp/v4 v4.8.0
G
cat >main.go <<'G'
package main

import (
	"fmt"
	"log"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

func main() {
	for flags := byte(0); flags <= 3; flags++ {
		wire := []byte{6, 9, 0, flags, 0, 0, 0, 0}
		c, err := bgp.ParseExtended(wire)
		if err != nil {
			fmt.Printf("%x refused, %v\n", wire, err)
			continue
		}
		again, err := c.Serialize()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%x read as %s, written as %x\n", wire, c, again)
	}
}
G
go mod tidy >/dev/null 2>&1
got=$(go run .)
printf '%s\n' "$got"
[ "$got" = '0609000000000000 refused, unknown evpn subtype: 9
0609000100000000 read as multicast-flags: igmp-proxy, written as 0609000100000000
0609000200000000 read as multicast-flags: mld-proxy, written as 0609000200000000
0609000300000000 read as multicast-flags: igmp-proxy,mld-proxy, written as 0609000100000000' ] || { echo "not as it was seen" >&2; exit 1; }
