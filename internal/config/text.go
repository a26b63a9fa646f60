package config

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// A text is checked before it is parsed, since the parser could take all memory for a hostile
// one.
const (
	// MaxBytes is the size of a configuration, with the files of conf.d. One of
	// 4,094 links of ten words with sixteen remotes and sixteen entries each has
	// 7 MB.
	MaxBytes = 8 << 20
	// maxValues bounds the keys and values of a file, as mostValues counts them;
	// those 4,094 links have 700,000. The parser allocates up to some 800 bytes
	// for each.
	maxValues = 768 << 10
)

// tooLarge is the error of a file that has more than MaxBytes.
const tooLarge = "the file, or those of conf.d with it, have more than 8 MiB: write the path of a configuration file, or less into it"

// checkText refuses a text that is no configuration file.
func checkText(name string, data []byte) *FileError {
	if len(data) > MaxBytes {
		return &FileError{Place: Place{File: name}, Message: tooLarge}
	}
	if n := mostValues(data); n > maxValues {
		return &FileError{Place: Place{File: name}, Message: fmt.Sprintf("the file has more than %d keys and values: write fewer, or the path of a configuration file", maxValues)}
	}
	if at, ok := directive(data); ok {
		return &FileError{Place: Place{name, at, 1}, Message: "directives (%) are not read: leave the line out"}
	}
	return checkCharacters(name, data)
}

// mostValues is an upper bound of the values in any text: each value but the first comes
// after one of these characters.
func mostValues(data []byte) int {
	n := 1
	for _, c := range []string{"\n", "\r", ",", "[", "{", "- ", ": ", "? "} {
		n += bytes.Count(data, []byte(c))
	}
	return n
}

// directive finds a line that begins with % before the document does (YAML 1.2
// section 6.8).
func directive(data []byte) (line int, found bool) {
	for text := range bytes.Lines(data) {
		line++
		switch text = bytes.TrimSpace(text); {
		case len(text) == 0 || text[0] == '#':
		default:
			return line, text[0] == '%'
		}
	}
	return 0, false
}

// checkCharacters finds the first byte that is no UTF-8, or character that is no text (YAML
// 1.2 section 5.1).
func checkCharacters(name string, data []byte) *FileError {
	line := 0
	for text := range bytes.Lines(data) {
		line++
		for column := 1; len(text) > 0; column++ {
			r, n := utf8.DecodeRune(text)
			text = text[n:]
			switch {
			case r == utf8.RuneError && n == 1:
				return &FileError{Place: Place{name, line, column}, Message: "no YAML: this byte is no UTF-8; save the file as UTF-8"}
			case unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' && r != '\u0085':
				return &FileError{Place: Place{name, line, column}, Message: fmt.Sprintf("no YAML: the character %U is no text; leave it out", r)}
			}
		}
	}
	return nil
}
