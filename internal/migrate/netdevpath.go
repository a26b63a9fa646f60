package migrate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/uvtep/uvtep/internal/config"
)

// NetworkDirs are where networkd looks for its files (NETWORK_DIRS in
// src/network/networkd-manager.h): of files of one name that of the first of
// them counts.
func NetworkDirs() []string {
	return []string{"/etc/systemd/network", "/run/systemd/network", "/usr/local/lib/systemd/network", "/usr/lib/systemd/network", "/lib/systemd/network"}
}

// unitPath is where files are looked for.
type unitPath struct {
	dirs  []string
	whole map[string]bool // directories that were named themselves
	named map[string]bool // files that were
}

// newUnitPath are the directories and files of paths, in that order; of none,
// networkd's own, as far as they are there.
func newUnitPath(paths []string) (*unitPath, error) {
	p := &unitPath{whole: map[string]bool{}, named: map[string]bool{}}
	optional := len(paths) == 0
	if optional {
		paths = NetworkDirs()
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		dir := path
		if info.IsDir() {
			p.whole[dir] = true
		} else {
			dir = filepath.Dir(path)
			p.named[path] = true
		}
		if !p.has(dir) {
			p.dirs = append(p.dirs, dir)
		}
	}
	return p, nil
}

// has reports whether the directory is there already, by this name or another
// (/lib is /usr/lib on most hosts).
func (p *unitPath) has(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && slices.ContainsFunc(p.dirs, func(d string) bool {
		other, err := os.Stat(d)
		return err == nil && os.SameFile(info, other)
	})
}

// unit is a file of networkd's with its drop-ins.
type unit struct {
	file     string
	sections []unitSection
}

// files are the files with one of the extensions, sorted by name, the first
// directory's of each name. What another one hides of VXLAN is told.
func (r *netdevReader) files(in []string, keep func(path string) bool) ([]string, error) {
	var found []string
	for _, dir := range in {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if !keep(path) {
				continue
			}
			i := slices.IndexFunc(found, func(f string) bool { return filepath.Base(f) == e.Name() })
			if i < 0 {
				found = append(found, path)
				continue
			}
			r.hidden(path, found[i])
		}
	}
	slices.SortFunc(found, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	return slices.DeleteFunc(found, masked), nil
}

// masked reports whether a file is empty or /dev/null: it says that there is no
// file of its name (systemd.netdev(5)).
func masked(path string) bool {
	info, err := os.Stat(path)
	return err == nil && (info.Mode()&os.ModeCharDevice != 0 || info.Mode().IsRegular() && info.Size() == 0)
}

// hidden tells of a file that does not count, if it is about VXLAN.
func (r *netdevReader) hidden(path, by string) {
	text, err := config.ReadInput(path)
	if err != nil || !strings.Contains(strings.ToLower(string(text)), "vxlan") && !strings.Contains(string(text), "BridgeFDB") {
		return
	}
	why := "replaces"
	if masked(by) {
		why = "masks"
	}
	r.notes.addf(place{path, 1}, "the file is left out: %s %s it", by, why)
}

// read is a file with its drop-ins, FILE.d/*.conf of all directories
// (systemd.netdev(5)). It is nil where networkd refuses one of them.
func (r *netdevReader) read(name string) (*unit, error) {
	dirs := make([]string, len(r.path.dirs))
	for i, dir := range r.path.dirs {
		dirs[i] = filepath.Join(dir, filepath.Base(name)+".d")
	}
	dropIns, err := r.files(dirs, func(path string) bool { return filepath.Ext(path) == ".conf" })
	if err != nil {
		return nil, err
	}
	u := &unit{file: name}
	for _, file := range append([]string{name}, dropIns...) {
		text, err := config.ReadInput(file)
		if err != nil {
			return nil, err
		}
		sections, err := parseUnit(file, string(text), &r.notes)
		if err != nil {
			r.notes = append(r.notes, printable(err.Error()))
			return nil, nil
		}
		u.sections = append(u.sections, sections...)
	}
	return u, nil
}
