// Command pictures draws the pictures of docs/concepts.md, the same byte for byte each time, to the directory that is
// named (docs/pictures where none is).
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	dir := filepath.Join("docs", "pictures")
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	for name, svg := range pictures() {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(svg), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "pictures:", err)
			os.Exit(1)
		}
	}
}

// pictures are the files by name.
func pictures() map[string]string {
	return map[string]string{"overlay.svg": overlay(), "packet.svg": packet(), "walk.svg": walk()}
}

// The colours, told apart by the colour-blind as well (Okabe and Ito's).
const (
	blue, orange, green, grey = "#56b4e9", "#e69f00", "#009e73", "#e8e8e8"
)

// drawing is an SVG under way.
type drawing struct {
	strings.Builder
	width, height int
}

func newDrawing(width, height int, about string) *drawing {
	d := &drawing{width: width, height: height}
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="14" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(d, "<title>%s</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", about, width, height)
	fmt.Fprintln(d, `<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>`)
	return d
}

func (d *drawing) box(x, y, w, h int, fill string, lines ...string) {
	fmt.Fprintf(d, `<rect x="%d" y="%d" width="%d" height="%d" rx="4" fill="%s" stroke="#333333"/>`+"\n", x, y, w, h, fill)
	for i, line := range lines {
		d.text(x+w/2, y+h/2+5+18*i-9*(len(lines)-1), "middle", line)
	}
}

func (d *drawing) text(x, y int, anchor, line string) {
	fmt.Fprintf(d, `<text x="%d" y="%d" text-anchor="%s">%s</text>`+"\n", x, y, anchor, line)
}

func (d *drawing) line(x1, y1, x2, y2 int, style string) {
	fmt.Fprintf(d, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#333333" %s/>`+"\n", x1, y1, x2, y2, style)
}

func (d *drawing) end() string { return d.String() + "</svg>\n" }

const (
	arrow  = `stroke-width="1.5" marker-end="url(#tip)"`
	dashed = `stroke-width="1.5" stroke-dasharray="6 4" marker-end="url(#tip)"`
	thin   = `stroke-width="1"`
)

func overlay() string {
	d := newDrawing(760, 330, "Two hosts with VTEPs, an overlay above an underlay")
	for i, host := range []string{"a", "b"} {
		x := 30 + 470*i
		d.box(x, 30, 230, 280, "#ffffff")
		d.text(x+115, 22, "middle", "host "+host)
		d.box(x+25, 50, 180, 44, green, "containers, VMs", fmt.Sprintf("198.51.100.%d", i+1))
		d.line(x+115, 94, x+115, 120, thin)
		d.box(x+25, 120, 180, 40, blue, "vxlan0: a TAP, VNI 42")
		d.line(x+115, 160, x+115, 185, thin)
		d.box(x+25, 185, 180, 44, blue, "uvtep", "FDB: MAC to remote")
		d.line(x+115, 229, x+115, 255, thin)
		d.box(x+25, 255, 180, 40, orange, fmt.Sprintf("eth0: 192.0.2.%d", i+1))
	}
	d.line(235, 140, 525, 140, `stroke-width="3" stroke-dasharray="10 5"`)
	d.text(380, 128, "middle", "overlay: one Ethernet, MTU 1450")
	d.line(235, 275, 525, 275, `stroke-width="3"`)
	d.text(380, 263, "middle", "underlay: IP, UDP port 4789")
	d.text(380, 297, "middle", "MTU 1500")
	return d.end()
}

func packet() string {
	d := newDrawing(760, 190, "The headers of a VXLAN packet and their lengths")
	x := 20
	for _, part := range []struct {
		width       int
		fill        string
		name, bytes string
	}{
		{110, orange, "Ethernet", "14"},
		{110, orange, "IPv4 or IPv6", "20 or 40"},
		{80, orange, "UDP", "8"},
		{80, orange, "VXLAN", "8"},
		{110, blue, "Ethernet", "14"},
		{230, green, "IP packet of the overlay", "1450, or 1430 over IPv6"},
	} {
		d.box(x, 60, part.width, 50, part.fill, part.name)
		d.text(x+part.width/2, 130, "middle", part.bytes)
		x += part.width
	}
	d.text(210, 45, "middle", "outer: from VTEP to VTEP")
	d.text(570, 45, "middle", "inner: the frame, as it was")
	d.text(360, 180, "middle", "what has to fit the underlay's MTU, 1500")
	d.line(130, 158, 740, 158, thin)
	d.line(130, 150, 130, 166, thin)
	d.line(740, 150, 740, 166, thin)
	d.text(20, 20, "start", "The VXLAN header has flags (I: there is a VNI) and the VNI, 24 bits (RFC 7348 section 5).")
	return d.end()
}

func walk() string {
	d := newDrawing(760, 340, "ARP is flooded, the answer learned, then all is unicast")
	for i, who := range []string{"host a", "VTEP 192.0.2.1", "VTEP 192.0.2.2", "host b"} {
		x := 80 + 200*i
		d.box(x-65, 15, 130, 30, []string{green, blue, blue, green}[i], who)
		d.line(x, 45, x, 325, `stroke-width="1" stroke-dasharray="2 3"`)
	}
	for _, s := range []struct {
		y, from, to int
		style, what string
	}{
		{75, 80, 280, dashed, "who has .2? (broadcast)"},
		{95, 280, 480, dashed, "to the flood list"},
		{115, 480, 680, dashed, "who has .2?"},
		{175, 680, 480, arrow, "I have, at MAC b"},
		{195, 480, 280, arrow, "to 192.0.2.1"},
		{215, 280, 80, arrow, "I have, at MAC b"},
		{285, 80, 280, arrow, "ping"},
		{285, 280, 480, arrow, "to 192.0.2.2 alone"},
		{285, 480, 680, arrow, "ping"},
	} {
		d.line(s.from, s.y, s.to, s.y, s.style)
		d.text((s.from+s.to)/2, s.y-5, "middle", s.what)
	}
	d.box(390, 128, 180, 26, grey, "learns: MAC a at .1")
	d.box(190, 228, 180, 26, grey, "learns: MAC b at .2")
	return d.end()
}
