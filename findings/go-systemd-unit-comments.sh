#!/usr/bin/env bash
# github.com/coreos/go-systemd/v22 v22.7.0, package unit: comments are not read as systemd reads
# them.
#
# systemd.syntax(7): a line that begins with # or ; is ignored, also between the lines of a value
# that goes on behind a backslash.
#
# - A comment that ends in a backslash takes the line behind it along (ignoreLineFunc in
#   unit/deserialize.go): a setting that systemd obeys is missing, and nothing says so.
# - A comment inside a value becomes part of it and ends it, so that the rest is taken for another
#   setting: an error where it has no "=".
#
# Needs: Go, systemd-analyze of the host (252). Seen:
#   behind a comment that ends in a backslash: systemd reads ExecStart, unit reads Type
#   around a comment: systemd reads ExecStart, unit reads nothing: unexpected newline encountered
#   while parsing option name
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'G'
module finding
go 1.26
require github.com/coreos/go-systemd/v22 v22.7.0
G
cat >main.go <<'G'
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/coreos/go-systemd/v22/unit"
)

func main() {
	f, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	options, err := unit.DeserializeOptions(f)
	if err != nil {
		fmt.Print(" nothing: ", err)
		return
	}
	for _, o := range options {
		fmt.Print(" ", o.Name)
	}
}
G
cat >behind.service <<'U'
[Service]
Type=oneshot
# The program was once in C:\programs\
ExecStart=/absent/program
U
cat >around.service <<'U'
[Service]
Type=oneshot
ExecStart= \
# from the package
  /absent/program one
U
go mod tidy >/dev/null 2>&1
# That the program is not there is how systemd-analyze tells that it has read the setting.
systemd() {
	case $(systemd-analyze verify "./$1" 2>&1) in
	*'Command /absent/program is not executable'*) echo "systemd reads ExecStart" ;;
	*) echo "systemd reads no ExecStart" ;;
	esac
}
got=$(echo "behind a comment that ends in a backslash: $(systemd behind.service), unit reads$(go run . behind.service)"
	echo "around a comment: $(systemd around.service), unit reads$(go run . around.service)")
printf '%s\n' "$got"
[ "$got" = 'behind a comment that ends in a backslash: systemd reads ExecStart, unit reads Type
around a comment: systemd reads ExecStart, unit reads nothing: unexpected newline encountered while parsing option name' ] ||
	{ echo "not as it was seen" >&2; exit 1; }
