package bench

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/bench/result"
)

// TestInterleaved: the systems take turns, and a ratio is of one turn.
func TestInterleaved(t *testing.T) {
	var calls []string
	supply := func(name string, values ...float64) contestant {
		i := 0
		return contestant{name: name, measure: func() ([]figure, error) {
			calls = append(calls, name)
			v := values[i]
			i++
			return []figure{{unit: "Gb/s", value: v}, {suffix: "loss", unit: "%", value: v / 10, less: true}}, nil
		}}
	}
	h := &harness{rounds: 3}
	rows, err := h.measure("row", "kernel", []contestant{supply("uvtep", 1, 4, 9), supply("kernel", 2, 4, 3)})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"uvtep", "kernel", "uvtep", "kernel", "uvtep", "kernel"}; !slices.Equal(calls, want) {
		t.Errorf("the order was %v", calls)
	}
	if len(rows) != 2 || rows[0].Name != "row" || rows[1].Name != "row/loss" || !rows[1].Less {
		t.Fatalf("rows: %+v", rows)
	}
	if s, _ := rows[0].Find("uvtep"); !slices.Equal(s.Ratios, []float64{0.5, 1, 3}) || s.Median != 4 {
		t.Errorf("uvtep: %+v", s)
	}
	if s, _ := rows[1].Find("uvtep"); len(s.Ratios) != 0 {
		t.Errorf("a loss has ratios: %v", s.Ratios)
	}
}

// TestAbsent: a rival that is not there, or fails half way, is left out and said; one of the two that matter is an error.
func TestAbsent(t *testing.T) {
	calls := 0
	fails := func(err error) contestant {
		return contestant{name: "rival", optional: true, measure: func() ([]figure, error) {
			if calls++; calls == 2 {
				return nil, err
			}
			return []figure{{unit: "x", value: 1}}, nil
		}}
	}
	good := contestant{name: "kernel", measure: func() ([]figure, error) { return []figure{{unit: "x", value: 2}}, nil }}
	h := &harness{rounds: 4}
	broken := errors.New("it broke")
	rows, err := h.measure("row", "kernel", []contestant{good, fails(broken)})
	if err != nil || calls != 2 || len(rows) != 1 || len(rows[0].Series) != 1 || len(rows[0].Series[0].Rounds) != 4 {
		t.Errorf("%v, %d calls, rows %+v", err, calls, rows)
	}
	if want := (result.Absent{System: "rival", Row: "row", Why: "it broke"}); !slices.Equal(h.file.Absent, []result.Absent{want}) {
		t.Errorf("absent: %+v", h.file.Absent)
	}
	calls = 1
	bad := fails(broken)
	bad.optional = false
	if _, err := h.measure("row", "kernel", []contestant{good, bad}); !errors.Is(err, broken) {
		t.Errorf("a failure of what must be there: %v", err)
	}
	calls = 1
	gone := fails(errAbsent)
	gone.optional = false
	if _, err := h.measure("row", "kernel", []contestant{good, gone}); err != nil {
		t.Errorf("a system that is not here: %v", err)
	}
}

func TestParseResident(t *testing.T) {
	got, err := parseResident("00400000-7ffc0000 ---p 00000000 00:00 0 [rollup]\nRss:               11984 kB\nPss:  1 kB\n")
	if err != nil || got != 11984 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := parseResident("Pss: 1 kB\n"); err == nil {
		t.Error("no Rss is no error")
	}
}

func TestParseIperf3(t *testing.T) {
	got, err := parseIperf3(`{"end":{"sum_sent":{"bits_per_second":9e9},"sum_received":{"seconds":1,"bits_per_second":8.5e9}}}`)
	if err != nil || got != 8.5e9 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "{}", `{"error":"unable to connect","end":{}}`} {
		if _, err := parseIperf3(bad); err == nil || !strings.HasPrefix(err.Error(), "iperf3: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestPayload: 64 bytes is the least frame, its check sequence included.
func TestPayload(t *testing.T) {
	if payload(64) != 18 || payload(1500) != 1454 {
		t.Errorf("payloads: %d, %d", payload(64), payload(1500))
	}
}
