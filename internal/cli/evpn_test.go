package cli

import (
	"fmt"
	"strings"
	"testing"
)

// TestEVPNShowWords: uvtep's words and FRR's, and what is wrong with others.
func TestEVPNShowWords(t *testing.T) {
	for words, want := range map[string]string{
		"":                      "neighbor",
		"mac dev vx1":           "mac link vx1",
		"dev vx1 mac vni 42":    "mac link vx1 vni 42",
		"mac vni all":           "mac",
		"vni 42":                "vni vni 42",
		"vni vni 42":            "vni vni 42",
		"duplicate vni 42":      "duplicate vni 42",
		"route type macip":      "route type 2",
		"route type 5":          "route type 5",
		"route type 6":          "1 to 5",
		"route type 0":          "1 to 5",
		"route type ethernet":   "1 to 5",
		"route vni 42":          "no word",
		"mac type 2":            "no word",
		"mac vni":               "has no value",
		"mac vni 16777216":      "0 to 16777215",
		"mac 02:00:00:00:00:01": "has no value",
		"macs":                  "unknown word",
		"mac dev":               "dev needs a link",
	} {
		w, err := parseEVPNShow(strings.Fields(words))
		got := w.what
		if w.link != "" {
			got += " link " + w.link
		}
		if w.vni != nil {
			got += fmt.Sprint(" vni ", *w.vni)
		}
		if w.routeType > 0 {
			got += fmt.Sprint(" type ", w.routeType)
		}
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != want || err != nil && !strings.Contains(got, want) {
			t.Errorf("show %s: %s, want %s", words, got, want)
		}
	}
}
