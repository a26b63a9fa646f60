#!/usr/bin/env bash
# go.yaml.in/yaml/v3 v3.0.6: the line in an error is often not that of the mistake. A
# line that is indented wrongly in a list is told with the line where the list
# begins, and that counted from 0; other mistakes are counted from 1 (fail in decode.go
# takes the context's mark before the problem's, and adds 1 for the scanner's errors
# alone). Here the list begins in line 2 and line 4 is wrong.
#
# go.yaml.in/yaml/v4 v4.0.0 tells both places, "L2.C3-L4.C4".
#
# Needs: Go. Seen:
#   v3: yaml: line 1: did not find expected '-' indicator
#   v4: L2.C3-L4.C4
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'G'
module finding
go 1.26
require (
	go.yaml.in/yaml/v3 v3.0.6
	go.yaml.in/yaml/v4 v4.0.0
)
G
cat >main.go <<'G'
package main

import (
	"fmt"
	"regexp"

	v3 "go.yaml.in/yaml/v3"
	v4 "go.yaml.in/yaml/v4"
)

func main() {
	text := []byte("links:\n  - name: a\n    id: 1\n   ttl: 3\n")
	var a v3.Node
	fmt.Println("v3:", v3.Unmarshal(text, &a))
	var b v4.Node
	fmt.Println("v4:", regexp.MustCompile(`L\d[^:]*`).FindString(fmt.Sprint(v4.Load(text, &b))))
}
G
go mod tidy >/dev/null 2>&1
got=$(go run .)
printf '%s\n' "$got"
[ "$got" = "v3: yaml: line 1: did not find expected '-' indicator
v4: L2.C3-L4.C4" ] || { echo "not as it was seen" >&2; exit 1; }
