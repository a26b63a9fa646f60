package migrate

import (
	"regexp"
	"strings"
)

// interfacesLine is a line of /etc/network/interfaces, with those that continue
// it.
type interfacesLine struct {
	at   place
	text string
}

// continued are the lines of a text that are no comments: a backslash at a line's
// end stands, with all white space behind it, for a space.
func continued(name, text string) []interfacesLine {
	var all []interfacesLine
	lines := strings.Split(text, "\n")
	for n := 0; n < len(lines); n++ {
		at, line := place{name, n + 1}, strings.TrimSpace(lines[n])
		for strings.HasSuffix(line, `\`) && n+1 < len(lines) {
			n++
			for n+1 < len(lines) && strings.TrimSpace(lines[n]) == "" {
				n++
			}
			line = strings.TrimSpace(strings.TrimSuffix(line, `\`)) + " " + strings.TrimSpace(lines[n])
		}
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			all = append(all, interfacesLine{at, line})
		}
	}
	return all
}

// template tells which lines are of a Mako template, which ifupdown2 renders
// before it reads them (docs.makotemplates.org, syntax).
type template struct {
	enabled bool
	depth   int    // of % for, % if and the like
	until   string // what ends a block of Python, or a tag
}

var (
	makoControl = regexp.MustCompile(`^%\s*([a-z]+)`)
	makoTag     = regexp.MustCompile(`<%([a-z.:]*)`)
)

// takes reports whether a line is of a template.
func (t *template) takes(line string) bool {
	if !t.enabled {
		return false
	}
	if t.until != "" {
		if strings.Contains(line, t.until) {
			t.until = ""
		}
		return true
	}
	if strings.HasPrefix(line, "%") && !strings.HasPrefix(line, "%%") {
		if m := makoControl.FindStringSubmatch(line); m != nil {
			t.control(m[1])
		}
		return true
	}
	if m := makoTag.FindStringSubmatchIndex(line); m != nil {
		name, rest := line[m[2]:m[3]], line[m[1]:]
		t.until = "%>"
		if name != "" {
			t.until = "</%" + name
		}
		if strings.Contains(rest, t.until) || name != "" && strings.HasSuffix(line, "/>") {
			t.until = ""
		}
		return true
	}
	return t.depth > 0 || strings.Contains(line, "${")
}

func (t *template) control(word string) {
	switch word {
	case "for", "if", "while", "try", "with":
		t.depth++
	case "endfor", "endif", "endwhile", "endtry", "endwith":
		t.depth = max(t.depth-1, 0)
	}
}
