package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/bench/result"
)

// sample is a run with rows that meet their targets and rows that do not.
func sample() result.File {
	row := func(name, unit string, less bool, reference string, series map[string][]float64, order ...string) result.Row {
		r := result.Row{Name: name, Unit: unit, Less: less, Reference: reference}
		for _, s := range order {
			r.Add(s, series[s])
		}
		return r
	}
	f := result.File{Machine: result.Machine{CPU: "a CPU", Cores: 2, Commit: "abc"}}
	f.Rows = []result.Row{
		row("TCP/as-is/streams=1/forward", "Gb/s", false, "kernel",
			map[string][]float64{"kernel": {10, 10}, "uvtep": {7, 8}, "ovs": {2, 2}}, "kernel", "uvtep", "ovs"),
		row("UDP/64B/flows=1", "kpps", false, "kernel", map[string][]float64{"kernel": {150}, "uvtep": {200}}, "kernel", "uvtep"),
		row("Growth/fdb/RSS/growth", "MiB", true, "", map[string][]float64{"uvtep-1000000": {31}}, "uvtep-1000000"),
		row("Replicate/remotes=10/burst=1", "kcopies/s", false, "kernel", map[string][]float64{"kernel": {300}, "uvtep": {100}},
			"kernel", "uvtep"),
		row("Replicate/remotes=100/burst=1", "kcopies/s", false, "kernel", map[string][]float64{"kernel": {500}, "uvtep": {250}},
			"kernel", "uvtep"),
	}
	for _, at := range []string{"p50", "p99", "p99.9"} {
		f.Rows = append(f.Rows, row("RTT/64B/"+at, "us", true, "kernel",
			map[string][]float64{"kernel": {80}, "uvtep": {100}, "uvtep-spin": {56}}, "kernel", "uvtep", "uvtep-spin"))
	}
	f.Absent = []result.Absent{{System: "vde", Row: "a", Why: "a | b\nc"}, {System: "vde", Row: "b", Why: "a | b\nc"}}
	return f
}

func TestTable(t *testing.T) {
	m := result.Merge([]result.File{sample()})
	got := table(&m)
	for _, want := range []string{
		"| TCP/as-is/streams=1/forward | uvtep | 7.50 Gb/s | kernel 10.0 | 0.75 | 0.70 - 0.80 | >= 0.65 | yes |\n",
		"| TCP/as-is/streams=1/forward | uvtep | 7.50 Gb/s | ovs 2.00 | 3.75 |  | >= 5 | no |\n",
		"| UDP/64B/flows=1 | uvtep | 200 kpps | kernel 150 | 1.33 | 1.33 - 1.33 | >= 2 | no |\n",
		"| RTT/64B/p50 | uvtep | 100 us | kernel 80.0 | 1.25 | 1.25 - 1.25 | <= 1.5 | yes |\n",
		"| RTT/64B/p50 | uvtep-spin | 56.0 us | kernel 80.0 | 0.70 | 0.70 - 0.70 | <= 0.6 | no |\n",
		"| Growth/fdb/RSS/growth | uvtep-1000000 | 31.0 MiB |  |  |  | <= 32 | yes |\n",
		"| UDP/64B/flows=64 | uvtep | | | | | >= 1.5 | not measured |\n",
		"| TCP/as-is/streams=1/forward | Gb/s | kernel | 10.0 | 10.0 - 10.0 |  |  |\n|  |  | uvtep | 7.50 | 7.00 - 8.00 | 0.75 |",
		"\n- vde: a / b c\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
	if strings.Count(got, "- vde:") != 1 {
		t.Error("an absent system is named once a row")
	}
}

// TestTargetsHaveRows: each target's row is one that the benchmarks can make, by the first words of its name.
func TestTargetsHaveRows(t *testing.T) {
	source := ""
	files, err := filepath.Glob("../*_linux_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		source += string(b)
	}
	for _, target := range targets() {
		if (target.reach == 0) == (target.atMost == 0) {
			t.Errorf("%s: one of a ratio and a figure must be the target", target.row)
		}
		for part := range strings.SplitSeq(target.row, "/") {
			name, _, _ := strings.Cut(part, "=")
			if !strings.Contains(source, `"`+name) && !strings.Contains(source, "/"+name) && !strings.HasPrefix(name, "p5") {
				t.Errorf("%s: nothing in bench makes %q", target.row, part)
			}
		}
	}
}

func TestReplaceBetween(t *testing.T) {
	got, err := replaceBetween("before\n"+beginMark+"old\n"+endMark+"after\n", "new\n")
	if want := "before\n" + beginMark + "new\n" + endMark + "after\n"; err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []string{"", beginMark, endMark, endMark + beginMark} {
		if _, err := replaceBetween(bad, "new\n"); !errors.Is(err, errMarkers) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	doc, in, charts := filepath.Join(dir, "doc.md"), filepath.Join(dir, "run.json"), filepath.Join(dir, "charts")
	f := sample()
	if err := f.Write(in); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(doc, []byte("# Title\n"+beginMark+endMark), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time over its own output
		if err := run(doc, charts, []string{in, in}); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(doc)
	if err != nil || strings.Count(string(text), "### All rows") != 1 {
		t.Errorf("%v: %s", err, text)
	}
	for _, name := range []string{"ratios.svg", "replication.svg", "rtt.svg"} {
		svg, err := os.Open(filepath.Join(charts, name))
		if err != nil {
			t.Error(err)
			continue
		}
		defer svg.Close()
		d := xml.NewDecoder(svg)
		d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
		}
	}
	if err := run(doc, charts, nil); err == nil {
		t.Error("no files are no error")
	}
}
