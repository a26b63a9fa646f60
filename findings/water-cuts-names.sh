#!/usr/bin/env bash
# github.com/songgao/water v0.0.0-20200317203138-2b4b6d7c09d8 on Linux: a device name of
# more than 15 bytes is cut without an error, and two names that differ behind
# the 15th byte are one device: the second New attaches to the first one's (with MultiQueue)
# or fails with "device or resource busy" (without), naming neither.
#
# ip refuses such a name ("not a valid ifname").
#
# Needs: Go, root. It works in a network namespace of its own. Seen:
#   tenant-blue-vxlan-a: made as tenant-blue-vxl
#   tenant-blue-vxlan-b: made as tenant-blue-vxl
#   netdevs besides lo: 1
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'G'
module finding
go 1.26
require github.com/songgao/water v0.0.0-20200317203138-2b4b6d7c09d8
G
cat >main.go <<'G'
package main

import (
	"fmt"
	"log"
	"net"

	"github.com/songgao/water"
)

func main() {
	for _, name := range []string{"tenant-blue-vxlan-a", "tenant-blue-vxlan-b"} {
		c := water.Config{DeviceType: water.TAP}
		c.Name, c.MultiQueue = name, true
		t, err := water.New(c)
		if err != nil {
			log.Fatal(err)
		}
		defer t.Close()
		fmt.Printf("%s: made as %s\n", name, t.Name())
	}
	all, err := net.Interfaces()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("netdevs besides lo:", len(all)-1)
}
G
go mod tidy >/dev/null 2>&1
go build -o open .
got=$(unshare --net ./open)
printf '%s\n' "$got"
[ "$got" = 'tenant-blue-vxlan-a: made as tenant-blue-vxl
tenant-blue-vxlan-b: made as tenant-blue-vxl
netdevs besides lo: 1' ] || { echo "not as it was seen" >&2; exit 1; }
