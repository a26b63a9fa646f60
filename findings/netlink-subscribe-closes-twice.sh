#!/usr/bin/env bash
# github.com/vishvananda/netlink v1.3.1: nl.Subscribe that is refused closes its descriptor at once,
# and once more when the garbage collector runs. Whatever the program opened in between under the
# same number is closed.
#
# The socket is given to an os.File before bind; where bind fails, the number is closed by itself,
# and the os.File, which nobody has any more, closes it again at its cleanup. A process without
# CAP_NET_ADMIN meets it where it asks for groups of nfnetlink and means to go on without them: a
# file, a socket or an eventfd of another part of the program is gone some seconds later.
#
# Needs: go, setpriv, root. Seen:
#   subscribe: operation not permitted
#   descriptor of another: open
#   after garbage collections: bad file descriptor
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'M'
module try

go 1.23

require (
	github.com/vishvananda/netlink v1.3.1
	github.com/vishvananda/netns v0.0.5
	golang.org/x/sys v0.30.0
)
M
cat >main.go <<'G'
package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const nftables = 7 // a group of nfnetlink

func state(fd int) any {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
		return err
	}
	return "open"
}

func main() {
	_, err := nl.Subscribe(unix.NETLINK_NETFILTER, nftables)
	fmt.Println("subscribe:", err)
	other, err := unix.Dup(0)
	if err != nil {
		panic(err)
	}
	fmt.Println("descriptor of another:", state(other))
	for range 3 {
		runtime.GC()
		time.Sleep(50 * time.Millisecond)
	}
	fmt.Println("after garbage collections:", state(other))
}
G
GOFLAGS=-mod=mod go mod tidy >/dev/null 2>&1
go build -o try .
chmod 755 "$dir"
got=$(setpriv --reuid 65534 --regid 65534 --clear-groups ./try </dev/null)
printf '%s\n' "$got"
[ "$got" = 'subscribe: operation not permitted
descriptor of another: open
after garbage collections: bad file descriptor' ] || { echo "not as it was seen" >&2; exit 1; }
