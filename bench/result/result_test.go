package result

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 100}, 3}} {
		before := append([]float64{}, c.v...)
		if got := Median(c.v); got != c.want {
			t.Errorf("Median(%v) = %v, want %v", c.v, got, c.want)
		}
		if !cmp.Equal(append([]float64{}, c.v...), before) {
			t.Errorf("Median changed its argument: %v, was %v", c.v, before)
		}
	}
}

// TestRatios: a ratio is of one round, so that what slows both in a round does not show.
func TestRatios(t *testing.T) {
	r := Row{Name: "x", Reference: "kernel"}
	r.Add("kernel", []float64{10, 20, 40})
	r.Add("uvtep", []float64{5, 20, 20})
	want := Series{System: "uvtep", Rounds: []float64{5, 20, 20}, Median: 20, Min: 5, Max: 20, Ratios: []float64{0.5, 1, 0.5}, Ratio: 0.5}
	got, ok := r.Find("uvtep")
	if !ok || !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if got.Spread() != 0.5 {
		t.Errorf("the spread is %v", got.Spread())
	}
	if k, _ := r.Find("kernel"); len(k.Ratios) != 0 {
		t.Errorf("the reference has a ratio to itself: %v", k.Ratios)
	}
	zero := Row{Reference: "kernel"}
	zero.Add("kernel", []float64{0, 2})
	zero.Add("uvtep", []float64{1, 1})
	if s, _ := zero.Find("uvtep"); !cmp.Equal(s.Ratios, []float64{0.5}) {
		t.Errorf("ratios to 0 and 2: %v", s.Ratios)
	}
}

func TestRoundTrip(t *testing.T) {
	f := File{
		Machine: Machine{CPU: "a CPU", Cores: 2, Kernel: "6.1", Go: "go1", Commit: "abc", Congestion: "bbr", Rounds: 3, Round: "2s",
			Date: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)},
		Absent: []Absent{{System: "ovs", Row: "x", Why: "not installed"}},
	}
	r := Row{Name: "x", Unit: "us", Less: true, Reference: "kernel"}
	r.Add("kernel", []float64{1, 2, 3})
	r.Add("uvtep", []float64{2, 3, 4.25})
	f.Rows = append(f.Rows, r)
	path := filepath.Join(t.TempDir(), "run.json")
	if err := f.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil || !cmp.Equal(got, f) {
		t.Errorf("%v\n%s", err, cmp.Diff(f, got))
	}
	// A file whose summary is not that of its rounds was edited.
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	forged := strings.Replace(string(b), `"median": 3`, `"median": 1`, 1)
	if err := os.WriteFile(path, []byte(forged), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "median") {
		t.Errorf("a forged median: %v", err)
	}
}

func TestMerge(t *testing.T) {
	run := func(kernel, uvtep []float64, more string) File {
		a := Row{Name: "a", Unit: "Gb/s", Reference: "kernel"}
		a.Add("kernel", kernel)
		a.Add("uvtep", uvtep)
		rows := []Row{a}
		if more != "" {
			b := Row{Name: more, Unit: "us", Less: true}
			b.Add("uvtep", []float64{7})
			rows = append(rows, b)
		}
		return File{Machine: Machine{Commit: more}, Rows: rows, Absent: []Absent{{System: "ovs", Why: "no"}}}
	}
	m := Merge([]File{
		run([]float64{10, 10, 10}, []float64{5, 6, 4}, ""),
		run([]float64{20, 20, 20}, []float64{20, 22, 18}, "b"),
		run([]float64{12, 12, 12}, []float64{6, 9, 9}, ""),
	})
	if len(m.Runs) != 3 || len(m.Rows) != 2 || len(m.Absent) != 1 {
		t.Fatalf("%d runs, %d rows, %d absent", len(m.Runs), len(m.Rows), len(m.Absent))
	}
	a, _ := m.Find("a")
	got, _ := a.Find("uvtep")
	want := MergedSeries{System: "uvtep", Runs: 3, Median: 9, Min: 4, Max: 22, Ratio: 0.75, RatioMin: 0.4, RatioMax: 1.1}
	if !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if b, ok := m.Find("b"); !ok || !b.Less || b.Systems[0].Runs != 1 || b.Systems[0].Ratio != 0 {
		t.Errorf("the row of one run: %+v", b)
	}
}
