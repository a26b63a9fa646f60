#!/usr/bin/env bash
# github.com/songgao/water v0.0.0-20200317203138-2b4b6d7c09d8 on Linux: opening a
# persistent TAP without Config.Persist takes its persistence away, so that the
# netdev, with its addresses and bridge, is gone when the program ends.
#
# water.New calls TUNSETPERSIST with 0 where Persist is false, which is the zero value,
# instead of leaving alone what `ip tuntap add` made.
#
# Needs: Go, ip, root. It works in a network namespace of its own. Seen:
#   made by ip tuntap: persist on
#   opened by water, open: persist off
#   closed: no such device
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
	"os/exec"
	"regexp"

	"github.com/songgao/water"
)

func persist() string {
	out, err := exec.Command("ip", "-d", "link", "show", "tap9").CombinedOutput()
	if err != nil {
		return "no such device"
	}
	return regexp.MustCompile(`persist (on|off)`).FindString(string(out))
}

func main() {
	fmt.Println("made by ip tuntap:", persist())
	c := water.Config{DeviceType: water.TAP}
	c.Name = "tap9"
	t, err := water.New(c)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("opened by water, open:", persist())
	if err := t.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("closed:", persist())
}
G
go mod tidy >/dev/null 2>&1
go build -o open .
got=$(unshare --net sh -c 'ip tuntap add dev tap9 mode tap && ./open')
printf '%s\n' "$got"
[ "$got" = 'made by ip tuntap: persist on
opened by water, open: persist off
closed: no such device' ] || { echo "not as it was seen" >&2; exit 1; }
