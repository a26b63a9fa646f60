package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// errNoFile says what is to be written instead of what is no regular file.
var errNoFile = errors.New("it is no regular file")

// readRegular reads a file of at most limit bytes, and one that is a file: to
// open or read a FIFO or a device can take for ever, and have effects.
func readRegular(name string, limit int) ([]byte, error) {
	if info, err := os.Stat(name); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w but %s", errNoFile, kindOf(info.Mode()))
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil { // what is opened may be another one
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w but %s", errNoFile, kindOf(info.Mode()))
	}
	return readBounded(f, limit)
}

// kindOf is a word for what is no regular file.
func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// ErrTooLarge is a file that has more than anybody can mean.
var ErrTooLarge = errors.New("it is too large")

// readBounded reads all of r, at most limit bytes.
func readBounded(r io.Reader, limit int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(data) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return data, err
}

// maxInput is more than ip and bridge print of 4,094 links with as many entries
// each as a file of ours can have.
const maxInput = 64 << 20

// ReadInput reads what a command is given to read, which may be a pipe, for the
// command's user waits for it. Errors are *fs.PathError.
func ReadInput(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := readBounded(f, maxInput)
	if errors.Is(err, ErrTooLarge) {
		err = &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return data, err
}

// confD are the files of conf.d beside a file named uvtep.yaml, in the order of
// their names; those whose names begin with a dot are left out, as the shell does:
// editors keep such. there says whether the directory is.
func confD(name string) (files []string, there bool, err error) {
	if filepath.Base(name) != mainName {
		return nil, false, nil
	}
	dir := filepath.Join(filepath.Dir(name), "conf.d")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	for _, e := range entries {
		if n := e.Name(); strings.HasSuffix(n, ".yaml") && !strings.HasPrefix(n, ".") {
			files = append(files, filepath.Join(dir, n))
		}
	}
	return files, true, err
}

// How long a file has to have been left alone before it is read, and how long is
// waited for that.
const (
	rest     = 100 * time.Millisecond
	patience = 2 * time.Second
)

// ReadAtRest reads a file as ReadFile does, once nobody has written to it or to
// conf.d for a moment: who sends SIGHUP may be quicker than an editor that
// truncates what it writes to.
func ReadAtRest(name string) (*File, error) {
	began := time.Now()
	for {
		before := stampsOf(name)
		if before.rests(time.Now()) {
			f, err := ReadFile(name)
			if slices.Equal(before, stampsOf(name)) {
				return f, err
			}
		} else {
			// The times may be another clock's: what stays as it is rests, too.
			time.Sleep(rest)
			if f, err := ReadFile(name); slices.Equal(before, stampsOf(name)) {
				return f, err
			}
		}
		if time.Since(began) > patience {
			return nil, FileErrors{{Place: Place{File: name}, Message: "the file, or conf.d, is being written to: nothing is changed; try again when it is written"}}
		}
	}
}

// stamps are what tells that files were written to.
type stamps []stamp

type stamp struct {
	name    string
	size    int64
	changed time.Time
}

func stampsOf(name string) stamps {
	more, _, _ := confD(name)
	var all stamps
	for _, n := range append([]string{name, filepath.Join(filepath.Dir(name), "conf.d")}, more...) {
		s := stamp{name: n, size: -1}
		if info, err := os.Stat(n); err == nil {
			s.size, s.changed = info.Size(), info.ModTime()
		}
		all = append(all, s)
	}
	return all
}

// rests reports whether nothing was written to of late.
func (s stamps) rests(now time.Time) bool {
	return !slices.ContainsFunc(s, func(s stamp) bool { return now.Sub(s.changed) < rest })
}
