package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Place is a place in a configuration file. Lines and columns count from 1; line 0 stands for
// the file as a whole.
type Place struct {
	File         string
	Line, Column int
}

// String writes a place as editors take it: file:line:column.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// FileError is a mistake in a configuration file, and its place.
type FileError struct {
	Place   Place
	Message string
}

func (e *FileError) Error() string { return e.Place.String() + ": " + e.Message }

// FileErrors are all mistakes in a configuration file, in the order of the file.
type FileErrors []*FileError

func (e FileErrors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// complaints collects the mistakes in the files that are read.
type complaints struct {
	all  FileErrors
	more int // that are not told
}

// maxComplaints is how many mistakes are reported: a file that is no configuration at all may
// have a million.
const maxComplaints = 100

// add adds err, which may be nil, as a mistake at p.
func (c *complaints) add(p Place, err error) bool {
	switch {
	case err == nil:
	case len(c.all) < maxComplaints:
		c.all = append(c.all, &FileError{Place: p, Message: err.Error()})
	default:
		c.more++
	}
	return err != nil
}

func (c *complaints) addf(p Place, format string, a ...any) {
	c.add(p, fmt.Errorf(format, a...))
}

// count is the number of mistakes, reported or not.
func (c *complaints) count() int { return len(c.all) + c.more }

// result has the mistakes of each file in the order of its lines; nil: there are none.
func (c *complaints) result() error {
	if len(c.all) == 0 {
		return nil
	}
	files := []string{}
	for _, e := range c.all {
		if !slices.Contains(files, e.Place.File) {
			files = append(files, e.Place.File)
		}
	}
	slices.SortStableFunc(c.all, func(a, b *FileError) int {
		return cmp.Or(
			slices.Index(files, a.Place.File)-slices.Index(files, b.Place.File),
			a.Place.Line-b.Place.Line, a.Place.Column-b.Place.Column)
	})
	if c.more > 0 {
		last := c.all[len(c.all)-1]
		c.all = append(c.all, &FileError{Place: last.Place, Message: fmt.Sprintf("and %d more mistakes", c.more)})
	}
	return c.all
}
