package fleet_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"sync"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

const document = "../../docs/evpn.md"

// fence is a block of the page: its language, its name, its text.
var fence = regexp.MustCompile("(?ms)^```([a-z]+) ?([a-z-]*)\n(.*?)^```$")

// used are the blocks that tests took.
var used sync.Map

// recipe is a block of docs/evpn.md.
func recipe(t *testing.T, name string) string {
	t.Helper()
	for _, m := range fence.FindAllStringSubmatch(string(must(os.ReadFile(document))(t)), -1) {
		if m[2] == name {
			used.Store(name, true)
			return m[3]
		}
	}
	t.Fatalf("docs/evpn.md has no block %s", name)
	return ""
}

// wholePage fails where all tests have run and left a block of the page alone.
type wholePage struct{ *testing.M }

func (m wholePage) Run() int {
	code := m.M.Run()
	page, err := os.ReadFile(document)
	if code != 0 || err != nil || !lab.Required() || flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" || flag.Lookup("test.list").Value.String() != "" {
		return code
	}
	for _, b := range fence.FindAllStringSubmatch(string(page), -1) {
		if _, ok := used.Load(b[2]); !ok {
			fmt.Fprintf(os.Stderr, "no test runs this block of docs/evpn.md:\n%s\n", b[0])
			code = 1
		}
	}
	return code
}
