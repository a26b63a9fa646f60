#!/usr/bin/env bash
# github.com/google/gopacket v1.1.19, layers.VXLAN: the A bit (policy applied) of
# VXLAN-GBP is written to and read from the wrong place: 0x80 of the header's second
# byte instead of 0x08 (draft-smith-vxlan-group-policy-05 section 2.1:
# G|R|R|R|I|R|R|R and R|D|R|R|A|R|R|R). What Linux sends with it set (0x48 with D)
# is read as not applied. The successor github.com/gopacket/gopacket v1.7.7 has it right.
#
# Needs: Go. Seen:
#   google/gopacket writes 88800007 00002a00, reads 88080007 as applied=false
#   gopacket/gopacket writes 88080007 00002a00, reads 88080007 as applied=true
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

	old "github.com/google/gopacket"
	oldlayers "github.com/google/gopacket/layers"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

func main() {
	wire := []byte{0x88, 0x08, 0, 7, 0, 0, 42, 0, 0, 0, 0, 0}
	a := oldlayers.VXLAN{ValidIDFlag: true, VNI: 42, GBPExtension: true, GBPApplied: true, GBPGroupPolicyID: 7}
	ab := old.NewSerializeBuffer()
	check(a.SerializeTo(ab, old.SerializeOptions{}))
	var ar oldlayers.VXLAN
	check(ar.DecodeFromBytes(wire, old.NilDecodeFeedback))
	fmt.Printf("google/gopacket writes %x %x, reads %x as applied=%v\n", ab.Bytes()[:4], ab.Bytes()[4:], wire[:4], ar.GBPApplied)
	b := layers.VXLAN{ValidIDFlag: true, VNI: 42, GBPExtension: true, GBPApplied: true, GBPGroupPolicyID: 7}
	bb := gopacket.NewSerializeBuffer()
	check(b.SerializeTo(bb, gopacket.SerializeOptions{}))
	var br layers.VXLAN
	check(br.DecodeFromBytes(wire, gopacket.NilDecodeFeedback))
	fmt.Printf("gopacket/gopacket writes %x %x, reads %x as applied=%v\n", bb.Bytes()[:4], bb.Bytes()[4:], wire[:4], br.GBPApplied)
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
[ "$got" = 'google/gopacket writes 88800007 00002a00, reads 88080007 as applied=false
gopacket/gopacket writes 88080007 00002a00, reads 88080007 as applied=true' ] || { echo "not as it was seen" >&2; exit 1; }
