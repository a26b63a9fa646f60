package bench

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/bench/result"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/test/load"
)

func TestMain(m *testing.M) { os.Exit(load.TestMain(m)) }

// outEnv names the file that the figures are written to.
const outEnv = "UVTEP_BENCH_OUT"

// harness is one run of the end-to-end benchmarks.
type harness struct {
	exe    string // uvtep
	dir    string
	rounds int
	round  time.Duration
	file   result.File
}

func newHarness(b *testing.B) *harness {
	b.Helper()
	lab.NeedKernelVXLAN(b)
	h := &harness{dir: b.TempDir(), rounds: 5, round: time.Second}
	if d, err := time.ParseDuration(flag.Lookup("test.benchtime").Value.String()); err == nil { // else a count of iterations
		h.round = d
	}
	if testing.Short() {
		h.rounds, h.round = 1, 100*time.Millisecond
	}
	h.exe = filepath.Join(h.dir, "uvtep")
	if out, err := exec.Command("go", "build", "-o", h.exe, "../cmd/uvtep").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	h.file.Machine, h.file.Absent = machine(h), neverHere()
	return h
}

// save writes what there is so far, if it is wanted: a run that is cut short has its rows.
func (h *harness) save() error {
	path := os.Getenv(outEnv)
	if path == "" {
		return nil
	}
	if err := h.file.Write(path); err != nil {
		return fmt.Errorf("%s: %w", outEnv, err)
	}
	return nil
}

// machine says where this is. What cannot be told is left out.
func machine(h *harness) result.Machine {
	m := result.Machine{
		Cores: runtime.NumCPU(), Go: runtime.Version(), Date: time.Now().UTC().Truncate(time.Second),
		Rounds: h.rounds, Round: h.round.String(),
	}
	cpus, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(cpus)) {
		if name, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(v)
		}
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12").Output(); err == nil {
		m.Commit = strings.TrimSpace(string(out))
	}
	cc, _ := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control") // a new namespace has the first one's
	m.Congestion = strings.TrimSpace(string(cc))
	return m
}

// figure is one value of a measurement.
type figure struct {
	suffix string // of the row's name, for all but the first
	unit   string
	value  float64
	less   bool // is better
}

// contestant is one of those that are measured in turn.
type contestant struct {
	name     string
	optional bool // that it cannot be measured is no failure
	measure  func() ([]figure, error)
}

// row measures the contestants in turn, round by round, as a sub-benchmark. The
// ratios are to the contestant called reference.
func (h *harness) row(b *testing.B, name, reference string, list []contestant) {
	var rows []result.Row
	b.Run(name, func(b *testing.B) {
		if b.N == 1 { // package testing wants more iterations of what takes less than -benchtime: it gets the same again
			var err error
			if rows, err = h.measure(rowName(b), reference, list); err != nil {
				b.Fatal(err)
			}
			h.file.Rows = append(h.file.Rows, rows...)
			if err := h.save(); err != nil {
				b.Fatal(err)
			}
			for _, a := range h.file.Absent {
				if a.Row == rowName(b) {
					b.Logf("without %s: %s", a.System, a.Why)
				}
			}
		}
		for _, r := range rows {
			metrics(b, &r)
		}
		b.ReportMetric(0, "ns/op") // an iteration is all rounds: its time says nothing
	})
}

// rowName is the name of a benchmark in the results.
func rowName(b *testing.B) string { return strings.TrimPrefix(b.Name(), "BenchmarkEndToEnd/") }

// metrics reports a row beside what else its benchmark measured.
func metrics(b *testing.B, r *result.Row) {
	what := r.Unit
	if _, suffix, ok := strings.Cut(r.Name, rowName(b)+"/"); ok {
		what = suffix + "-" + what
	}
	what = strings.ReplaceAll(what, " ", "-")
	for _, s := range r.Series {
		b.ReportMetric(s.Median, s.System+"-"+what)
		if len(s.Ratios) > 0 {
			b.ReportMetric(s.Ratio, s.System+"-"+what+"-ratio")
			b.ReportMetric(s.Spread(), s.System+"-"+what+"-ratio-spread")
		}
	}
}

// measure does the rounds and returns a row a figure.
func (h *harness) measure(name, reference string, list []contestant) ([]result.Row, error) {
	var shape []figure
	values := make([][][]float64, len(list)) // by contestant, figure, round
	gone := make([]bool, len(list))
	for range h.rounds {
		for i, c := range list {
			if gone[i] {
				continue
			}
			got, err := c.measure()
			if err != nil && (c.optional || errors.Is(err, errAbsent)) {
				gone[i] = true
				h.file.Absent = append(h.file.Absent, result.Absent{System: c.name, Row: name, Why: err.Error()})
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			shape = got
			if values[i] == nil {
				values[i] = make([][]float64, len(got))
			}
			for k, f := range got {
				values[i][k] = append(values[i][k], f.value)
			}
		}
	}
	var rows []result.Row
	for k, f := range shape {
		r := result.Row{Name: name, Unit: f.unit, Less: f.less, Reference: reference}
		if f.suffix != "" {
			r.Name += "/" + f.suffix
		}
		if f.unit == "%" { // a ratio of losses says nothing
			r.Reference = ""
		}
		// The reference first: the others' ratios are to it.
		for _, first := range []bool{true, false} {
			for i, c := range list {
				if !gone[i] && (c.name == reference) == first {
					r.Add(c.name, values[i][k])
				}
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// errAbsent marks a system that is not here.
var errAbsent = errors.New("not available here")

// group is the pairs of one underlay. They are built when they are first needed,
// so that -bench can select rows, and last until close.
type group struct {
	h     *harness
	under setting
	pairs map[string]*pair
	fails map[string]error
}

func (h *harness) group(under string) *group {
	return &group{h: h, under: settings()[under], pairs: map[string]*pair{}, fails: map[string]error{}}
}

// pair returns the pair of a system. What could not be built is not tried again.
func (g *group) pair(s system) (*pair, error) {
	if p, ok := g.pairs[s.name]; ok {
		return p, nil
	}
	if err, ok := g.fails[s.name]; ok {
		return nil, err
	}
	var p *pair
	var err error
	if s.absent != nil {
		if why := s.absent(); why != "" {
			err = fmt.Errorf("%w: %s", errAbsent, why)
		}
	}
	if err == nil {
		p, err = newPair(g.under, s, g.h.dir)
	}
	if err != nil {
		g.fails[s.name] = err
		return nil, err
	}
	g.pairs[s.name] = p
	return p, nil
}

func (g *group) close(b *testing.B) {
	for name, p := range g.pairs {
		if err := p.close(); err != nil {
			b.Errorf("%s on %s: %v", name, g.under.name, err)
		}
	}
}

// measure gives the figures of a pair.
type measure func(*pair) ([]figure, error)

// contestants are systems that m is done with.
func (g *group) contestants(m measure, systems ...system) []contestant {
	var list []contestant
	for _, s := range systems {
		list = append(list, contestant{
			name:     s.name,
			optional: s.absent != nil && !strings.HasPrefix(s.name, "uvtep"),
			measure: func() ([]figure, error) {
				p, err := g.pair(s)
				if err != nil {
					return nil, err
				}
				return m(p)
			},
		})
	}
	return list
}
