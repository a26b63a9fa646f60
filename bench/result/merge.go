package result

import "slices"

// Merged is what several runs say together.
type Merged struct {
	Runs   []Machine
	Rows   []MergedRow
	Absent []Absent
}

// MergedRow is a row of all runs that have it.
type MergedRow struct {
	Name, Unit string
	Less       bool // is better
	Reference  string
	Systems    []MergedSeries
}

// MergedSeries is one system's part of a row: medians of the runs' medians, the extremes of all rounds of all runs.
type MergedSeries struct {
	System             string
	Runs               int
	Median, Min, Max   float64
	Ratio              float64 // to the reference in the same run; 0: there is none
	RatioMin, RatioMax float64
}

// Find returns the series of a system.
func (r *MergedRow) Find(system string) (MergedSeries, bool) {
	i := slices.IndexFunc(r.Systems, func(s MergedSeries) bool { return s.System == system })
	if i < 0 {
		return MergedSeries{}, false
	}
	return r.Systems[i], true
}

// Find returns a row.
func (m *Merged) Find(name string) (MergedRow, bool) {
	i := slices.IndexFunc(m.Rows, func(r MergedRow) bool { return r.Name == name })
	if i < 0 {
		return MergedRow{}, false
	}
	return m.Rows[i], true
}

// Merge joins runs. Rows and systems keep the order in which they first appear.
func Merge(files []File) Merged {
	var m Merged
	gathered := map[[2]string][]Series{}
	for _, f := range files {
		m.Runs = append(m.Runs, f.Machine)
		for _, a := range f.Absent {
			if !slices.Contains(m.Absent, a) {
				m.Absent = append(m.Absent, a)
			}
		}
		for _, r := range f.Rows {
			i := slices.IndexFunc(m.Rows, func(have MergedRow) bool { return have.Name == r.Name })
			if i < 0 {
				i = len(m.Rows)
				m.Rows = append(m.Rows, MergedRow{Name: r.Name, Unit: r.Unit, Less: r.Less, Reference: r.Reference})
			}
			for _, s := range r.Series {
				if _, ok := m.Rows[i].Find(s.System); !ok {
					m.Rows[i].Systems = append(m.Rows[i].Systems, MergedSeries{System: s.System})
				}
				key := [2]string{r.Name, s.System}
				gathered[key] = append(gathered[key], s)
			}
		}
	}
	for _, r := range m.Rows {
		for i := range r.Systems {
			r.Systems[i] = mergeSeries(gathered[[2]string{r.Name, r.Systems[i].System}])
		}
	}
	return m
}

// mergeSeries joins one system's series of several runs; there is at least one.
func mergeSeries(runs []Series) MergedSeries {
	out := MergedSeries{System: runs[0].System, Runs: len(runs), Min: runs[0].Min, Max: runs[0].Max}
	var medians, ratios, all []float64
	for _, s := range runs {
		medians = append(medians, s.Median)
		out.Min, out.Max = min(out.Min, s.Min), max(out.Max, s.Max)
		if len(s.Ratios) > 0 {
			ratios = append(ratios, s.Ratio)
			all = append(all, s.Ratios...)
		}
	}
	out.Median = Median(medians)
	if len(all) > 0 {
		out.Ratio, out.RatioMin, out.RatioMax = Median(ratios), slices.Min(all), slices.Max(all)
	}
	return out
}
