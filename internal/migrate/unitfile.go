package migrate

import (
	"errors"
	"fmt"
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

func (v *unitValue) String() string { return v.key + "=" + v.value }

// errUnit is a file that systemd refuses as a whole.
var errUnit = errors.New("networkd takes nothing of a file with such a line")

// parseUnit reads the syntax of systemd.syntax(7), as config_parse in
// src/shared/conf-parser.c does. The parsers that there are (go-systemd's unit,
// ini.v1) forget the lines, which the notes are about.
func parseUnit(file, text string, n *notes) ([]unitSection, error) {
	var sections []unitSection
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		at := place{file, i + 1}
		line := strings.TrimLeft(strings.TrimPrefix(lines[i], "\ufeff"), whitespace)
		if strings.TrimSpace(line) == "" || ignoredComment(line) {
			continue
		}
		for goesOn(line) {
			line = strings.TrimSuffix(line, `\`) + " "
			for i++; i < len(lines) && ignoredComment(lines[i]); i++ {
			}
			if i >= len(lines) {
				break
			}
			line += strings.TrimLeft(lines[i], whitespace)
		}
		line = strings.TrimSpace(line)
		if !utf8.ValidString(line) {
			n.addf(at, "a line that is no UTF-8 is left out")
			continue
		}
		if strings.HasPrefix(line, "[") {
			name, ok := strings.CutSuffix(line[1:], "]")
			if !ok {
				return nil, fmt.Errorf("%v: %q is no section: write [SECTION] and nothing behind it; %w", at, line, errUnit)
			}
			sections = append(sections, unitSection{name: name, at: at})
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" || len(sections) == 0 {
			n.addf(at, "%q is left out: it is no KEY=VALUE of a section", line)
			continue
		}
		last := &sections[len(sections)-1]
		last.values = append(last.values, unitValue{key: key, value: strings.TrimSpace(value), at: at})
	}
	return sections, nil
}

const whitespace = " \t\r"

// goesOn reports whether the line goes on in the next one: it ends in a
// backslash that no other one escapes.
func goesOn(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

func ignoredComment(line string) bool {
	line = strings.TrimSpace(line)
	return line != "" && (line[0] == '#' || line[0] == ';')
}
