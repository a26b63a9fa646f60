// Command uvtep is a VXLAN tunnel endpoint in user space; package
// internal/cli is what it does.
package main

import (
	"os"

	"github.com/uvtep/uvtep/internal/cli"
)

func main() { os.Exit(cli.Main()) }
