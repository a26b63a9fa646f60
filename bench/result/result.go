// Package result holds what a run of the end-to-end benchmarks measured: the
// figures of each round, what is made of them, and the JSON file they are kept in.
package result

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"time"
)

// File is one run.
type File struct {
	Machine Machine  `json:"machine"`
	Rows    []Row    `json:"rows"`
	Absent  []Absent `json:"absent,omitempty"`
}

// Machine says what the figures were measured on and how.
type Machine struct {
	CPU        string    `json:"cpu"`
	Cores      int       `json:"cores"`
	Kernel     string    `json:"kernel"`
	Go         string    `json:"go"`
	Commit     string    `json:"commit"`
	Date       time.Time `json:"date"`
	Congestion string    `json:"tcp_congestion_control"`
	Rounds     int       `json:"rounds"`
	Round      string    `json:"round"` // how long each lasted
}

// Absent is a system that was not measured, in all rows or in one.
type Absent struct {
	System string `json:"system"`
	Row    string `json:"row,omitempty"`
	Why    string `json:"why"`
}

// Row is one kind of work, done by several systems in turn.
type Row struct {
	Name      string   `json:"name"`
	Unit      string   `json:"unit"`
	Less      bool     `json:"less_is_better,omitempty"`
	Reference string   `json:"reference,omitempty"` // the system that ratios are to
	Series    []Series `json:"series"`
}

// Series is what one system did in the rounds of a row.
type Series struct {
	System string    `json:"system"`
	Rounds []float64 `json:"rounds"`
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`

	// To the reference in the same round; none where there is no reference or it was 0.
	Ratios []float64 `json:"ratios,omitempty"`
	Ratio  float64   `json:"ratio,omitempty"` // their median
}

// Add appends a series; its rounds must be those of the reference, if that is in the row already.
func (r *Row) Add(system string, rounds []float64) {
	s := Series{System: system, Rounds: rounds, Median: Median(rounds), Min: slices.Min(rounds), Max: slices.Max(rounds)}
	if ref, ok := r.Find(r.Reference); ok && system != r.Reference {
		for i, v := range rounds {
			if i < len(ref.Rounds) && ref.Rounds[i] != 0 {
				s.Ratios = append(s.Ratios, v/ref.Rounds[i])
			}
		}
		s.Ratio = Median(s.Ratios)
	}
	r.Series = append(r.Series, s)
}

// Find returns the series of a system.
func (r *Row) Find(system string) (Series, bool) {
	i := slices.IndexFunc(r.Series, func(s Series) bool { return s.System == system })
	if i < 0 {
		return Series{}, false
	}
	return r.Series[i], true
}

// Spread returns the distance of the largest ratio from the smallest, 0 where there are none.
func (s *Series) Spread() float64 {
	if len(s.Ratios) == 0 {
		return 0
	}
	return slices.Max(s.Ratios) - slices.Min(s.Ratios)
}

// Median returns the middle of v, or the mean of both middles; 0 of nothing.
func Median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	m := len(s) / 2
	if len(s)%2 == 1 {
		return s[m]
	}
	return (s[m-1] + s[m]) / 2
}

// Write writes f to a file.
func (f *File) Write(path string) error {
	b, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		return fmt.Errorf("result: %w", err)
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// Read reads a file that Write wrote.
func Read(path string) (File, error) {
	var f File
	b, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("result: %s: %w", path, err)
	}
	for _, r := range f.Rows {
		for _, s := range r.Series {
			if len(s.Rounds) == 0 || math.Abs(s.Median-Median(s.Rounds)) > 1e-9*math.Abs(s.Median) {
				return f, fmt.Errorf("result: %s: row %s: the median of %s is not that of its rounds", path, r.Name, s.System)
			}
		}
	}
	return f, nil
}
