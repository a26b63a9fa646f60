#!/usr/bin/env bash
# github.com/osrg/gobgp/v4 v4.8.0, package bgp: an EVPN extended community of a
# subtype that it does not know makes the whole UPDATE a withdrawal.
#
# RFC 9047 section 2.1 (ARP/ND Extended Community, type 0x06 subtype 0x08) is sent
# by FRR with the MAC/IP routes of IPv6 routers. RFC 4360 section 6 has a speaker
# ignore what it does not know of this attribute. ParseBGPMessage gives an error instead
# whose ErrorHandling is ERROR_HANDLING_TREAT_AS_WITHDRAW, so a route reflector on
# this library drops the host's route. The same community with a type that is
# unknown as a whole (0x43) passes.
#
# Needs: Go. Seen:
#   060001000000000a parsed
#   060802000000000a unknown evpn subtype: 8, treat as withdrawal
#   436300000000000a parsed
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
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"net/netip"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// update is an UPDATE with one MAC/IP route and one extended community.
func update(community [8]byte) []byte {
	rd, err := bgp.ParseRouteDistinguisher("192.0.2.1:2")
	check(err)
	route, err := bgp.NewEVPNMacIPAdvertisementRoute(rd, bgp.EthernetSegmentIdentifier{}, 0,
		"02:00:00:00:00:07", netip.MustParseAddr("2001:db8:2::7"), []uint32{42})
	check(err)
	reach, err := bgp.NewPathAttributeMpReachNLRI(bgp.RF_EVPN, []bgp.PathNLRI{{NLRI: route}}, netip.MustParseAddr("192.0.2.1"))
	check(err)
	m, err := bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{
		bgp.NewPathAttributeOrigin(0), bgp.NewPathAttributeAsPath(nil), reach}, nil).Serialize()
	check(err)
	// The attribute as it stands on the wire: optional transitive, type 16.
	attribute := append([]byte{0xc0, 16, 8}, community[:]...)
	m = append(m, attribute...)
	binary.BigEndian.PutUint16(m[16:], uint16(len(m)))
	binary.BigEndian.PutUint16(m[21:], binary.BigEndian.Uint16(m[21:])+uint16(len(attribute)))
	return m
}

func main() {
	for _, c := range [][8]byte{{6, 0, 1, 0, 0, 0, 0, 10}, {6, 8, 2, 0, 0, 0, 0, 10}, {0x43, 0x63, 0, 0, 0, 0, 0, 10}} {
		_, err := bgp.ParseBGPMessage(update(c))
		var e *bgp.MessageError
		switch {
		case err == nil:
			fmt.Printf("%x parsed\n", c)
		case errors.As(err, &e) && e.ErrorHandling == bgp.ERROR_HANDLING_TREAT_AS_WITHDRAW:
			fmt.Printf("%x %v, treat as withdrawal\n", c, err)
		default:
			fmt.Printf("%x %v\n", c, err)
		}
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
G
go mod tidy >/dev/null 2>&1
want='060001000000000a parsed
060802000000000a unknown evpn subtype: 8, treat as withdrawal
436300000000000a parsed'
got=$(go run .)
printf '%s\n' "$got"
[ "$got" = "$want" ] || { echo "not as it was seen" >&2; exit 1; }
