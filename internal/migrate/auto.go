package migrate

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/uvtep/uvtep/internal/config"
)

// Source is a place where a host may have VXLAN links.
type Source struct {
	Name string // of the importer
	Read func() (file []byte, told []string, err error)
}

// Auto returns what the first of sources that has links makes of them, says which
// that was, and which links others have that it does not.
func Auto(sources []Source) (file []byte, told []string, err error) {
	var used string
	var looked, names, more []string
	for _, s := range sources {
		made, notes, err := s.Read()
		nothing, none := errors.AsType[*NothingError](err)
		switch {
		case none:
			looked = append(looked, fmt.Sprintf("%s (%s)", s.Name, strings.Join(nothing.Looked, ", ")))
			told = append(told, notes...)
			continue
		case errors.Is(err, fs.ErrNotExist):
			looked = append(looked, fmt.Sprintf("%s (%v)", s.Name, err))
			continue
		case err != nil:
			told = append(told, printable(fmt.Sprintf("%s is left out: %v", s.Name, err)))
			looked = append(looked, s.Name)
			continue
		}
		has := linkNames(made)
		if used == "" {
			used, file, names = s.Name, made, has
			told = append(told, notes...)
			continue
		}
		for _, name := range has {
			if !slices.Contains(names, name) {
				names = append(names, name)
				more = append(more, fmt.Sprintf("%s is left out: only %s has it; uvtep import %[2]s prints it", name, s.Name))
			}
		}
	}
	if used == "" {
		return nil, told, &NothingError{looked}
	}
	told = append(told, "the output is that of uvtep import "+used)
	return file, append(told, more...), nil
}

// linkNames are the names of the links of a file.
func linkNames(file []byte) []string {
	var names []string
	if f, err := config.Read("", file); err == nil {
		for _, l := range f.Links {
			names = append(names, l.Name)
		}
	}
	return names
}
