#!/usr/bin/env bash
# github.com/osrg/gobgp/v4 v4.8.0, package bgp: a Per-Region I-PMSI A-D route (EVPN route type 9,
# RFC 9572 section 3.1) is written 8 bytes longer than its length field says, with the Region ID in
# the wrong place, and is not known to the package's own parser.
#
# The route has 20 bytes: RD, Ethernet tag, Region ID. EVPNIPMSIRoute.Serialize fills a buffer of 20
# from the front, leaves its last 8 at 0 and appends the Region ID behind it, while the length stays
# 20. A peer takes the Region ID for the route that follows. getEVPNRouteType has no type 9. The
# command line has the route: `gobgp global rib add -a evpn i-pmsi ...`.
#
# Needs: Go. Seen:
#   9, length 20: 28 bytes, 0000 in place of the Region ID, 0002fde8000003e7 behind the end
#   parsed: Unknown EVPN Route type: 9
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
	rd, err := bgp.ParseRouteDistinguisher("192.0.2.1:2")
	check(err)
	region := bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 65000, 999, true)
	wire, err := bgp.NewEVPNIPMSIRoute(rd, 42, region).Serialize()
	check(err)
	body := wire[2:]
	fmt.Printf("%d, length %d: %d bytes, %x in place of the Region ID, %x behind the end\n",
		wire[0], wire[1], len(body), body[12:20], body[20:])
	_, err = bgp.NLRIFromSlice(bgp.RF_EVPN, wire[:22])
	fmt.Println("parsed:", err)
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
[ "$got" = '9, length 20: 28 bytes, 0000000000000000 in place of the Region ID, 0002fde8000003e7 behind the end
parsed: Unknown EVPN Route type: 9' ] || { echo "not as it was seen" >&2; exit 1; }
