package top

import (
	"bytes"
	"flag"
	"fmt"
	"html"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write the pictures of docs/pictures anew")

// TestPictures: the pictures in docs/pictures are what top draws of the demo. This makes them
// anew:
//
//	go test ./internal/top -run TestPictures -update
func TestPictures(t *testing.T) {
	for name, where := range map[string][]string{"top": nil, "top-link": {"down", "down", "down", "down", "down", "enter"}} {
		m, _ := watched(60, usual())
		m.Resize(100, 30)
		keys(m, where...)
		if _, ask := m.Question(m.looked); ask {
			answer(t, m, 40)
		}
		path, got := "../../docs/pictures/"+name+".svg", picture(m)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		// A checkout may have other line ends.
		if want, err := os.ReadFile(path); err != nil || !bytes.Equal(bytes.ReplaceAll(want, []byte("\r"), nil), got) {
			t.Errorf("%s is not what top draws (%v): go test ./internal/top -run TestPictures -update", path, err)
		}
	}
}

// The cells of a picture in its units, and its colours: those that terminals have.
const (
	cellWidth  = 8.4
	cellHeight = 18
	background = "#14181d"
	foreground = "#d5dae0"
)

// picture is the model's screen as SVG: a terminal that knows the styles of line.go and no more.
func picture(m *Model) []byte {
	var b bytes.Buffer
	w, h := float64(m.width)*cellWidth+16, m.height*cellHeight+16
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %d\" font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"14\">\n", w, h)
	fmt.Fprintf(&b, "<title>uvtep top</title>\n<rect width=\"100%%\" height=\"100%%\" rx=\"8\" fill=\"%s\"/>\n", background)
	for row, s := range strings.Split(m.View(), "\n") {
		column := 0
		for s != "" {
			parameters := ""
			if rest, ok := strings.CutPrefix(s, "\x1b["); ok {
				parameters, s, _ = strings.Cut(rest, "m")
			}
			text, rest, found := strings.Cut(s, "\x1b[")
			if s = ""; found {
				s = "\x1b[" + rest
			}
			cells(&b, row, column, text, parameters)
			column += utf8.RuneCountInString(text)
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// cells draws a text of one style.
func cells(b *bytes.Buffer, row, column int, text, parameters string) {
	x, y, n := 8+float64(column)*cellWidth, 8+row*cellHeight, utf8.RuneCountInString(text)
	fill, more := foreground, ""
	switch parameters {
	case "1":
		more = " font-weight=\"bold\""
	case "2":
		fill = "#8a939e"
	case "7":
		fmt.Fprintf(b, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", x, y, float64(n)*cellWidth, cellHeight, foreground)
		fill = background
	case "32":
		fill = "#7ec07e"
	case "33":
		fill = "#e0b45c"
	case "1;31":
		fill, more = "#f07068", " font-weight=\"bold\""
	case "36":
		fill = "#5cb8c4"
	}
	if strings.TrimSpace(text) == "" {
		return
	}
	if strings.ContainsAny(text, "▁▂▃▄▅▆▇█") {
		bars(b, x, y, text, fill)
		text = strings.Map(func(r rune) rune {
			if r >= '▁' && r <= '█' {
				return ' '
			}
			return r
		}, text)
		if strings.TrimSpace(text) == "" {
			return
		}
	}
	fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%d\" textLength=\"%.1f\" fill=\"%s\"%s xml:space=\"preserve\">%s</text>\n",
		x, y+14, float64(n)*cellWidth, fill, more, html.EscapeString(text))
}

// bars draws block elements, which fonts draw at different heights, as one path.
func bars(b *bytes.Buffer, x float64, y int, text, fill string) {
	fmt.Fprintf(b, "<path fill=\"%s\" d=\"", fill)
	i := 0
	for _, r := range text {
		if r >= '▁' && r <= '█' {
			height := float64(r-'▁'+1) / 8 * cellHeight
			fmt.Fprintf(b, "M%.1f %.1fh%.1fv%.1fh-%.1fz", x+float64(i)*cellWidth, float64(y)+cellHeight-height, cellWidth, height, cellWidth)
		}
		i++
	}
	b.WriteString("\"/>\n")
}
