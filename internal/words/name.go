package words

import (
	"strings"

	"github.com/uvtep/uvtep/api"
)

const maxNameLen = 15 // IFNAMSIZ-1, include/uapi/linux/if.h

// ValidName reports why name is no name of a netdev, or nil. The rule is the kernel's
// (dev_valid_name in net/core/dev.c), and excludes format characters as well.
func ValidName(name string) error {
	switch {
	case name == "":
		return api.Invalidf("the link needs a name")
	case len(name) > maxNameLen:
		return api.Invalidf("name %q has %d bytes: write %d at most", name, len(name), maxNameLen)
	case name == "." || name == "..":
		return api.Invalidf("name %q is no device name: write another", name)
	}
	for _, r := range name {
		if r <= ' ' || r == 0x7f || r == 0xa0 || strings.ContainsRune("/:%\\\"", r) {
			return api.Invalidf("name %q has a space, slash, colon, percent sign, quote or control character: leave it out", name)
		}
	}
	return nil
}
