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

// readRegular reads a regular file of at most limit bytes. To open or read a FIFO or a device
// can take for ever, and have effects.
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

// kindOf is a word for a file that is no regular one.
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

// ErrTooLarge is the error of a file that is larger than any configuration.
var ErrTooLarge = errors.New("it is too large")

// readBounded reads all of r, at most limit bytes.
func readBounded(r io.Reader, limit int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(data) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return data, err
}

// maxInput is more than ip and bridge print of 4,094 links with as many entries each as a
// configuration file may have.
const maxInput = 64 << 20

// ReadInput reads the input of a command. It may be a pipe, since the user waits for the
// command. Errors are *fs.PathError.
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

// confD are the files of conf.d beside a file named uvtep.yaml, in the order of their names.
// It leaves out names that begin with a dot, as the shell does: editors keep such files.
// there reports whether the directory exists.
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

// How long nobody must have written to a file before it is read, and how long ReadAtRest waits
// for that.
const (
	rest     = 100 * time.Millisecond
	patience = 2 * time.Second
)

// ReadAtRest is ReadFile, once nobody has written to the file or to conf.d for a moment: SIGHUP
// may come while an editor, which truncates the file first, still writes to it.
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
			// The times may be of another clock: a file that does not change rests as well.
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

// stamps are sizes and times that change when files are written to.
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

// rests reports whether no file was written to of late.
func (s stamps) rests(now time.Time) bool {
	return !slices.ContainsFunc(s, func(s stamp) bool { return now.Sub(s.changed) < rest })
}
