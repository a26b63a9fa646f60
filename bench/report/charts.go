package main

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/uvtep/uvtep/bench/result"
)

// The colours of a system, which it has in every chart (Okabe and Ito's, told apart by the colour-blind as well).
func colour(system string) color.Color {
	switch system {
	case "kernel":
		return color.RGBA{R: 0xd5, G: 0x5e, A: 0xff}
	case "uvtep":
		return color.RGBA{G: 0x72, B: 0xb2, A: 0xff}
	case "uvtep-spin":
		return color.RGBA{R: 0x56, G: 0xb4, B: 0xe9, A: 0xff}
	}
	return color.RGBA{R: 0x99, G: 0x99, B: 0x99, A: 0xff}
}

func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(8)
	p.Legend.Padding = vg.Points(3)
	return p
}

// ratioPoints are the ratios with their spread, one a line of the chart.
type ratioPoints struct {
	plotter.XYs
	plotter.XErrors
}

// ratioChart draws each ratio that has a target beside it: uvtep's figure divided by the reference's.
func ratioChart(m *result.Merged, path string) error {
	var names []string
	var got ratioPoints
	var want plotter.XYs
	for _, t := range slices.Backward(targets()) { // the first on top
		row, _ := m.Find(t.row)
		o := t.find(&row)
		if !o.found || t.atMost > 0 || t.against != "" {
			continue
		}
		s, _ := row.Find(o.system)
		name := t.row
		if o.system != "uvtep" {
			name += " " + o.system
		}
		if row.Less {
			name += " (less is better)"
		}
		y := float64(len(names))
		names = append(names, name)
		got.XYs = append(got.XYs, plotter.XY{X: o.got, Y: y})
		got.XErrors = append(got.XErrors, struct{ Low, High float64 }{o.got - s.RatioMin, s.RatioMax - o.got})
		want = append(want, plotter.XY{X: t.reach, Y: y})
	}
	if len(names) == 0 {
		return nil
	}
	p := newPlot("Ratio to the kernel (growth: to the fewest) in the same run", "ratio, logarithmic", "")
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, ratioTicks{}
	p.NominalY(names...)
	bars, err := plotter.NewXErrorBars(got)
	if err != nil {
		return err
	}
	bars.Color = colour("uvtep")
	marks, err := plotter.NewScatter(got.XYs)
	if err != nil {
		return err
	}
	marks.GlyphStyle = draw.GlyphStyle{Color: colour("uvtep"), Radius: vg.Points(4), Shape: draw.CircleGlyph{}}
	goals, err := plotter.NewScatter(want)
	if err != nil {
		return err
	}
	goals.GlyphStyle = draw.GlyphStyle{Color: colour("kernel"), Radius: vg.Points(5), Shape: draw.CrossGlyph{}}
	p.Add(plotter.NewGrid(), bars, marks, goals)
	p.Legend.Add("measured, with the spread of the rounds", marks)
	p.Legend.Add("target", goals)
	p.Y.Min, p.Y.Max = -1, float64(len(names))+1.5
	p.Legend.Top, p.Legend.Left = true, true
	return p.Save(24*vg.Centimeter, vg.Length(4+0.7*float64(len(names)))*vg.Centimeter, path)
}

// ratioTicks are the ticks of a logarithmic axis of ratios.
type ratioTicks struct{}

// Ticks implements plot.Ticker.
func (ratioTicks) Ticks(lo, hi float64) []plot.Tick {
	var t []plot.Tick
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for _, f := range []float64{1, 2, 5} {
			if v := f * math.Pow(10, e); v >= lo && v <= hi {
				t = append(t, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', -1, 64)})
			}
		}
	}
	return t
}

// replicationChart draws copies a second over the number of remotes.
func replicationChart(m *result.Merged, path string) error {
	p := newPlot("Head-end replication of 64-byte broadcast frames", "remotes", "thousand copies a second")
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = ratioTicks{}, ratioTicks{}
	p.Add(plotter.NewGrid())
	drawn := false
	for _, system := range []string{"kernel", "uvtep"} {
		for _, burst := range []string{"1", "32"} {
			var points plotter.XYs
			for _, r := range m.Rows {
				var remotes float64
				var frames string
				name := strings.ReplaceAll(r.Name, "/", " ")
				if n, _ := fmt.Sscanf(name, "Replicate remotes=%f burst=%s", &remotes, &frames); n != 2 || frames != burst ||
					strings.Count(r.Name, "/") != 2 {
					continue
				}
				if s, ok := r.Find(system); ok && s.Median > 0 {
					points = append(points, plotter.XY{X: remotes, Y: s.Median})
				}
			}
			if len(points) == 0 {
				continue
			}
			line, marks, err := plotter.NewLinePoints(points)
			if err != nil {
				return err
			}
			line.Color, marks.Color, line.Width = colour(system), colour(system), vg.Points(1.5)
			label := system + ", bursts of 32"
			if burst == "1" {
				label = system + ", single frames"
				line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
			}
			p.Add(line, marks)
			p.Legend.Add(label, line, marks)
			drawn = true
		}
	}
	if !drawn {
		return nil
	}
	p.Legend.Top, p.Legend.Left = true, true
	return p.Save(18*vg.Centimeter, 12*vg.Centimeter, path)
}

// latencyChart draws the percentiles of round trips side by side.
func latencyChart(m *result.Merged, path string) error {
	p := newPlot("Round trip of a 64-byte frame", "", "microseconds")
	percentiles := []string{"p50", "p99", "p99.9"}
	width, drawn := vg.Points(28), 0
	for i, system := range []string{"kernel", "uvtep", "uvtep-spin"} {
		var values plotter.Values
		for _, at := range percentiles {
			if r, ok := m.Find("RTT/64B/" + at); ok {
				if s, ok := r.Find(system); ok {
					values = append(values, s.Median)
				}
			}
		}
		if len(values) != len(percentiles) {
			continue
		}
		bars, err := plotter.NewBarChart(values, width)
		if err != nil {
			return err
		}
		bars.Color, bars.LineStyle.Width, bars.Offset = colour(system), 0, width*vg.Length(i-1)
		p.Add(bars)
		p.Legend.Add(system, bars)
		drawn++
	}
	if drawn == 0 {
		return nil
	}
	p.NominalX(percentiles...)
	p.X.Min, p.X.Max = -0.5, float64(len(percentiles))-0.5
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Left = true, true
	return p.Save(18*vg.Centimeter, 10*vg.Centimeter, path)
}
