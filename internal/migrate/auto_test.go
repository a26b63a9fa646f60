package migrate_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/internal/migrate"
)

// TestAuto: the first source that has links is used, and all is told.
func TestAuto(t *testing.T) {
	source := func(name, file, note string, err error) migrate.Source {
		return migrate.Source{Name: name, Read: func() ([]byte, []string, error) { return []byte(file), []string{note}, err }}
	}
	none := source("none", "", "a note of none", &migrate.NothingError{Looked: []string{"/etc/none"}})
	absent := source("absent", "", "", &fs.PathError{Op: "open", Path: "/etc/absent", Err: fs.ErrNotExist})
	broken := source("broken", "", "", errors.New("line 1: no"))
	first := source("first", "links:\n- {name: vx1, id: 1}\n", "a note of first", nil)
	second := source("second", "links:\n- {name: vx1, id: 9}\n- {name: vx2, id: 2}\n", "a note of second", nil)

	file, told, err := migrate.Auto([]migrate.Source{none, absent, broken, first, second})
	want := "a note of none\nbroken is left out: line 1: no\na note of first\nthe output is that of uvtep import first\nvx2 is left out: only second has it; uvtep import second prints it"
	if err != nil || !strings.Contains(string(file), "vx1") || strings.Join(told, "\n") != want {
		t.Errorf("%s%s\n%v; want\n%s", file, strings.Join(told, "\n"), err, want)
	}
	_, told, err = migrate.Auto([]migrate.Source{none, absent, broken})
	nothing, ok := errors.AsType[*migrate.NothingError](err)
	if !ok || len(nothing.Looked) != 3 || len(told) != 2 {
		t.Errorf("without a link: %v, told %q", err, told)
	}
}
