package top

import (
	"strings"
	"unicode/utf8"
)

// style says what a text means, and so how it looks.
type style uint8

const (
	plain style = iota
	faint
	strong
	header
	good
	warning
	bad
	graph
)

// sgr has the parameters of ECMA-48 section 8.3.117 for each style: with colours, the first 8
// of which every terminal has, and without.
func (s style) sgr(colour bool) string {
	if !colour {
		return [...]string{plain: "", faint: "2", strong: "1", header: "7", good: "", warning: "1", bad: "1", graph: ""}[s]
	}
	return [...]string{plain: "", faint: "2", strong: "1", header: "7", good: "32", warning: "33", bad: "1;31", graph: "36"}[s]
}

// span is a text of one style. Each rune takes one cell: clean sees to that.
type span struct {
	text  string
	style style
}

// line is a line of the screen.
type line struct {
	spans  []span
	chosen bool // the cursor is here
}

func text(s string) line                    { return line{spans: []span{{s, plain}}} }
func styled(s string, as style) line        { return line{spans: []span{{s, as}}} }
func (l *line) add(s string)                { l.spans = append(l.spans, span{s, plain}) }
func (l *line) addStyled(s string, a style) { l.spans = append(l.spans, span{s, a}) }

// width is how many cells the line takes.
func (l *line) width() (n int) {
	for _, s := range l.spans {
		n += utf8.RuneCountInString(s.text)
	}
	return n
}

// draw writes the line, cut or filled up to a width.
func (l *line) draw(to *strings.Builder, width int, o *Options) {
	rest := width
	if cut := l.width() > width; cut {
		rest = width - 1
		defer to.WriteString(o.ellipsis())
	}
	for _, s := range l.spans {
		runes := []rune(s.text)
		runes = runes[:min(len(runes), rest)]
		rest -= len(runes)
		put(to, string(runes), l.sgr(s.style, o.Colour))
	}
	if l.chosen || len(l.spans) > 0 && l.spans[0].style == header {
		put(to, strings.Repeat(" ", max(rest, 0)), l.sgr(header, o.Colour))
	}
}

// sgr is a style's in this line: where the cursor is, all of it is inverse.
func (l *line) sgr(s style, colour bool) string {
	if l.chosen {
		return header.sgr(colour)
	}
	return s.sgr(colour)
}

func put(to *strings.Builder, text, sgr string) {
	if text == "" || sgr == "" {
		to.WriteString(text)
		return
	}
	to.WriteString("\x1b[" + sgr + "m" + text + "\x1b[m")
}

// clean is a text of others for the screen: a device's name may have any byte but a slash, a
// colon and white space (dev_valid_name in net/core/dev.c), so escape sequences, too. What is not printable ASCII
// becomes a question mark.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// left and right fill a text up to a width, and cut it there.
func left(s string, width int, o *Options) string {
	n := utf8.RuneCountInString(s)
	if n <= width {
		return s + strings.Repeat(" ", width-n)
	}
	return string([]rune(s)[:width-1]) + o.ellipsis()
}

func right(s string, width int) string {
	return strings.Repeat(" ", max(width-utf8.RuneCountInString(s), 0)) + s
}

// tail is left that keeps the end, by which addresses differ.
func tail(s string, width int, o *Options) string {
	runes := []rune(s)
	if len(runes) <= width {
		return left(s, width, o)
	}
	return o.ellipsis() + string(runes[len(runes)-width+1:])
}

// wrap breaks a text at spaces into lines of a width.
func wrap(s string, width int) (all []string) {
	now := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case now == "":
			now = word
		case len(now)+1+len(word) <= width:
			now += " " + word
		default:
			all, now = append(all, now), word
		}
	}
	if now != "" {
		all = append(all, now)
	}
	return all
}
