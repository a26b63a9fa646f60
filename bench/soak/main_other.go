//go:build !linux

package main

import "os"

func main() {
	os.Stderr.WriteString("soak: hosts in network namespaces take Linux\n")
	os.Exit(1)
}
