#!/usr/bin/env bash
# github.com/vishvananda/netlink v1.3.1: the buffer of an answer is on the stack, 64 KiB whatever the
# answer's size: a goroutine that asks for one netdev once (nl.NetlinkRequest.Execute, so LinkByIndex,
# LinkSetUp and all others) has a stack of 128 KiB from there on, which is cleared, copied as it grows, and
# scanned by each garbage collection until one shrinks it. A thousand goroutines that each
# asked once and wait have 128 MiB.
#
# Needs: Go, Linux. Seen:
#   the answer: under 4 KiB
#   stacks of 1000 goroutines that have asked and wait: 120 to 140 KiB each
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'G'
module finding
go 1.26
require github.com/vishvananda/netlink v1.3.1
G
cat >main.go <<'G'
package main

import (
	"fmt"
	"log"
	"runtime"
	"runtime/debug"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// look asks for netdev 1, lo.
func look() int {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = 1
	req.AddData(msg)
	answers, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err != nil {
		log.Fatal(err)
	}
	return len(answers[0])
}

func main() {
	debug.SetGCPercent(-1)
	const goroutines = 1000
	sizes := make(chan int)
	for range goroutines {
		go func() {
			sizes <- look()
			select {}
		}()
	}
	size := 0
	for range goroutines {
		size = max(size, <-sizes)
	}
	if size < 4<<10 {
		fmt.Println("the answer: under 4 KiB")
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	each := m.StackInuse / goroutines >> 10
	if each >= 120 && each <= 140 {
		fmt.Println("stacks of 1000 goroutines that have asked and wait: 120 to 140 KiB each")
	} else {
		fmt.Println("KiB of stack each:", each)
	}
}
G
go mod tidy >/dev/null 2>&1
go build -o ask .
got=$(./ask)
printf '%s\n' "$got"
[ "$got" = 'the answer: under 4 KiB
stacks of 1000 goroutines that have asked and wait: 120 to 140 KiB each' ] || { echo "not as it was seen" >&2; exit 1; }
