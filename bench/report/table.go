package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/uvtep/uvtep/bench/result"
)

// The markers in the document. What stands between them is the report's.
const (
	beginMark = "<!-- begin: go run ./bench/report -->\n"
	endMark   = "<!-- end: go run ./bench/report -->\n"
)

var errMarkers = errors.New("the markers of the report are missing: " + strings.TrimSpace(beginMark) + " and " +
	strings.TrimSpace(endMark) + ", each on a line of its own")

// replaceBetween puts content between the markers of text.
func replaceBetween(text, content string) (string, error) {
	before, rest, ok := strings.Cut(text, beginMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return "", errMarkers
	}
	return before + beginMark + content + endMark + after, nil
}

// table is everything that is generated: the machines, what met its target, all rows, what was absent.
func table(m *result.Merged) string {
	var b strings.Builder
	runs(&b, m)
	b.WriteString("\n### Against the targets\n\n| row | system | figure | against | ratio | spread | target | met |\n|---|---|---|---|---|---|---|---|\n")
	for _, t := range targets() {
		targetLine(&b, m, t)
	}
	b.WriteString("\n### All rows\n\nThe ratio is to the first system of the row, in the same round.\n\n" +
		"| row | unit | system | median | min - max | ratio | spread |\n|---|---|---|---|---|---|---|\n")
	for i := range m.Rows {
		rowLines(&b, &m.Rows[i])
	}
	if len(m.Absent) > 0 {
		b.WriteString("\nNot measured:\n\n")
		var said []string
		for _, a := range m.Absent {
			line := fmt.Sprintf("- %s: %s\n", a.System, cell(a.Why))
			if !slices.Contains(said, line) { // once, not for each row
				said = append(said, line)
			}
		}
		b.WriteString(strings.Join(said, ""))
	}
	return b.String()
}

func runs(b *strings.Builder, m *result.Merged) {
	for _, r := range m.Runs {
		fmt.Fprintf(b, "- %s: commit %s, %s, %d cores, Linux %s, %s, TCP %s, %d rounds of %s\n",
			r.Date.Format("2006-01-02 15:04 MST"), r.Commit, r.CPU, r.Cores, r.Kernel, r.Go, r.Congestion, r.Rounds, r.Round)
	}
}

func targetLine(b *strings.Builder, m *result.Merged, t target) {
	row, ok := m.Find(t.row)
	o := t.find(&row)
	if !ok || !o.found {
		fmt.Fprintf(b, "| %s | %s | | | | | %s | not measured |\n", t.row, o.system, o.text(row.Less))
		return
	}
	s, _ := row.Find(o.system)
	against := row.Reference
	if t.against != "" {
		against = t.against
	}
	ratio, spread := number(o.got), ""
	switch {
	case t.atMost > 0:
		against, ratio = "", ""
	case t.against == "":
		spread = number(s.RatioMin) + " - " + number(s.RatioMax)
	}
	if against != "" {
		other, _ := row.Find(against)
		against += " " + number(other.Median)
	}
	met := "no"
	if o.met(row.Less) {
		met = "yes"
	}
	fmt.Fprintf(b, "| %s | %s | %s %s | %s | %s | %s | %s | %s |\n", t.row, o.system, number(s.Median), row.Unit, against, ratio,
		spread, o.text(row.Less), met)
}

func rowLines(b *strings.Builder, r *result.MergedRow) {
	name, unit := r.Name, r.Unit
	for _, s := range r.Systems {
		ratio, spread := "", ""
		if s.Ratio > 0 {
			ratio, spread = number(s.Ratio), number(s.RatioMin)+" - "+number(s.RatioMax)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s - %s | %s | %s |\n", name, unit, s.System, number(s.Median), number(s.Min),
			number(s.Max), ratio, spread)
		name, unit = "", ""
	}
}

// number writes three digits that count.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// cell keeps a text on one line.
func cell(s string) string { return strings.Join(strings.Fields(strings.ReplaceAll(s, "|", "/")), " ") }
