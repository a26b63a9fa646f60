package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep"
)

func TestParseNoOffload(t *testing.T) {
	for words, want := range map[string]vtep.NoOffload{
		"":                    {},
		"tap":                 {TAP: true},
		"udp-gso":             {UDPGSO: true},
		"udp-gro udp-gro":     {UDPGRO: true},
		"udp-gro udp-gso tap": {TAP: true, UDPGSO: true, UDPGRO: true},
		"filter":              {Filter: true},
	} {
		if got, err := parseNoOffload(strings.Fields(words)); got != want || err != nil {
			t.Errorf("%q: %+v, %v", words, got, err)
		}
	}
	for _, bad := range []string{"TAP", "tso", "tap udp", " "} {
		_, err := parseNoOffload(strings.Split(bad, " "))
		if err == nil || !strings.Contains(err.Error(), "tap, udp-gso, udp-gro and filter") {
			t.Errorf("%q: %v, which does not list the words", bad, err)
		}
	}
}

func TestShowOffload(t *testing.T) {
	for want, o := range map[string]api.Offload{
		"tap checksum,tso,uso tap-write tso,uso udp-gso 128 tunnel-gso on tx-ring on udp-gro on filter on": {
			TAP:    api.TAPOffload{Read: []string{"checksum", "tso", "uso"}, Write: []string{"tso", "uso"}},
			UDPGSO: api.UDPGSO{Segments: 128}, TunnelGSO: api.TunnelGSO{On: true}, TXRing: api.TXRing{On: true}, UDPGRO: api.UDPGRO{On: true}, Filter: api.Filter{On: true},
		},
		`tap checksum tap-write none tap-reason "a" udp-gso 1 udp-gso-reason "b" tunnel-gso off tunnel-gso-reason "e" tx-ring off tx-ring-reason "f" udp-gro off udp-gro-reason "c" filter off filter-reason "d"`: {
			TAP:    api.TAPOffload{Read: []string{"checksum"}, Reason: "a"},
			UDPGSO: api.UDPGSO{Segments: 1, Reason: "b"}, TunnelGSO: api.TunnelGSO{Reason: "e"}, TXRing: api.TXRing{Reason: "f"}, UDPGRO: api.UDPGRO{Reason: "c"}, Filter: api.Filter{Reason: "d"},
		},
	} {
		var b bytes.Buffer
		showOffload(&b, &o)
		if got := b.String(); got != "\n    uvtep offload "+want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
