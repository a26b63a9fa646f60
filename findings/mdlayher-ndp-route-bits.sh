#!/usr/bin/env bash
# github.com/mdlayher/ndp v1.1.0: a Route Information option whose prefix length is no multiple of 8
# is read as another prefix: the bits behind the last whole byte are 0.
#
# RouteInformation.unmarshal copies PrefixLength/8 bytes, rounded down. The option on the wire is
# right (RFC 4191 section 2.3: the prefix has 8 or 16 bytes and counts up to its length), also the
# one that the library itself writes. Who installs the routes of an advertisement by it sends the
# traffic of 2001:db8:0:f0::/60 by what it was told of 2001:db8::/60. Prefix Information, whose
# prefix always has 16 bytes, is read whole.
#
# Needs: Go. Seen:
#   2001:db8:0:f000::/56 read as 2001:db8:0:f000::/56
#   2001:db8:0:f0::/60 read as 2001:db8::/60
#   2001:db8:8000::/33 read as 2001:db8::/33
#   2001:db8:0:f0::/64 read as 2001:db8:0:f0::/64
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'G'
module finding
go 1.26
require github.com/mdlayher/ndp v1.1.0
G
cat >main.go <<'G'
package main

import (
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/mdlayher/ndp"
)

func main() {
	for _, s := range []string{"2001:db8:0:f000::/56", "2001:db8:0:f0::/60", "2001:db8:8000::/33", "2001:db8:0:f0::/64"} {
		p := netip.MustParsePrefix(s)
		b, err := ndp.MarshalMessage(&ndp.RouterAdvertisement{Options: []ndp.Option{
			&ndp.RouteInformation{PrefixLength: uint8(p.Bits()), Prefix: p.Addr(), RouteLifetime: time.Hour}}})
		check(err)
		// The option begins behind the 16 bytes of the advertisement, its prefix 8 bytes further on.
		if wire := p.Addr().As16(); string(b[24:32]) != string(wire[:8]) {
			log.Fatalf("written as %x", b[24:32])
		}
		m, err := ndp.ParseMessage(b)
		check(err)
		r := m.(*ndp.RouterAdvertisement).Options[0].(*ndp.RouteInformation)
		fmt.Printf("%s read as %s/%d\n", s, r.Prefix, r.PrefixLength)
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
[ "$got" = '2001:db8:0:f000::/56 read as 2001:db8:0:f000::/56
2001:db8:0:f0::/60 read as 2001:db8::/60
2001:db8:8000::/33 read as 2001:db8::/33
2001:db8:0:f0::/64 read as 2001:db8:0:f0::/64' ] || { echo "not as it was seen" >&2; exit 1; }
