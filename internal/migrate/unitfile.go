package migrate

import (
	"strings"
	"unicode/utf8"
)

// unitSection is a section of a systemd configuration file.
type unitSection struct {
	name   string
	at     place
	values []unitValue
}

// unitValue is an assignment.
type unitValue struct {
	key, value string
	at         place
}

// parseUnit reads the syntax of systemd.syntax(7). The parsers that there are
// (go-systemd's unit, ini.v1) forget the lines, which the notes are about.
func parseUnit(file, text string, n *notes) []unitSection {
	var sections []unitSection
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		at := place{file, i + 1}
		line := strings.TrimSpace(strings.TrimPrefix(lines[i], "\ufeff"))
		if ignoredLine(line) {
			continue
		}
		for strings.HasSuffix(line, `\`) {
			line = strings.TrimSuffix(line, `\`)
			for i++; i < len(lines) && ignoredComment(lines[i]); i++ {
			}
			if i >= len(lines) {
				break
			}
			line = strings.TrimSpace(line) + " " + strings.TrimSpace(lines[i])
		}
		line = strings.TrimSpace(line)
		if !utf8.ValidString(line) {
			n.addf(at, "a line that is no UTF-8 is left out")
			continue
		}
		if inner, ok := strings.CutPrefix(line, "["); ok {
			name, ok := strings.CutSuffix(inner, "]")
			if !ok {
				n.addf(at, "%q is no section: write [SECTION]", line)
			}
			sections = append(sections, unitSection{name: name, at: at})
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || len(sections) == 0 {
			n.addf(at, "%q is left out: it is no KEY=VALUE of a section", line)
			continue
		}
		last := &sections[len(sections)-1]
		last.values = append(last.values, unitValue{key: strings.TrimSpace(key), value: strings.TrimSpace(value), at: at})
	}
	return sections
}

func ignoredLine(line string) bool { return line == "" || ignoredComment(line) }

func ignoredComment(line string) bool {
	line = strings.TrimSpace(line)
	return line != "" && (line[0] == '#' || line[0] == ';')
}
