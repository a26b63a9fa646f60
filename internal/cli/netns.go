package cli

import (
	"slices"
	"strings"
)

// netnsDir is where `ip netns` keeps the namespaces that have a name
// (NETNS_RUN_DIR in iproute2's include/namespace.h).
const netnsDir = "/run/netns"

// runElsewhere takes `--netns NAME` out of a normalised command line that is to
// run the daemon, and says where the daemon's socket is. The other commands
// only ask the daemon of that namespace, from wherever they are.
func runElsewhere(args []string) (name string, rest []string, err error) {
	n := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "--netns=") })
	if end := slices.Index(args, "--"); n < 0 || end >= 0 && n > end {
		return "", nil, nil
	}
	name = strings.TrimPrefix(args[n], "--netns=")
	if name == "" || strings.ContainsRune(name, '/') || name == "." || name == ".." {
		return "", nil, usagef("-netns %q: write the name of a network namespace, see ip netns", name)
	}
	if args[0] != "run" {
		return "", nil, nil
	}
	rest = slices.Delete(slices.Clone(args), n, n+1)
	if !slices.ContainsFunc(rest, func(a string) bool { return strings.HasPrefix(a, "--control=") }) {
		rest = slices.Insert(rest, 1, "--control="+netnsSocket(name))
	}
	return name, rest, nil
}
