package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Place is where something stands in a configuration file. Lines and columns
// count from 1; a line of 0 means the file as a whole.
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

// FileErrors are all that a configuration file has, in its order.
type FileErrors []*FileError

func (e FileErrors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// complaints collects the refusals of what is being read.
type complaints struct {
	all  FileErrors
	more int // that are not told
}

// maxComplaints is how many mistakes of a file are told: a file that is of
// something else altogether may have a million.
const maxComplaints = 100

// add notes err, which may be nil, as what stands at p.
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

// count is how many there were, told or not.
func (c *complaints) count() int { return len(c.all) + c.more }

// result is nil where there is nothing to complain of. Each file's complaints
// come in the order of its lines, whichever check they are of.
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
