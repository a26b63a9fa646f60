package state

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// The files of a directory. What clients made is written whenever they change something, and is small; what was
// learned may be large.
const (
	madeFile    = "made"
	learnedFile = "learned"
	lockFile    = "lock"
	newSuffix   = ".new" // of a file that is being written
)

// touchEvery is how often a file that is as it should be is noted to be so, by its time.
const touchEvery = time.Minute

// Dir is a directory of one daemon, which keeps its state there.
type Dir struct {
	path    string
	lock    *os.File
	written map[string]*written
}

// written is what a file holds.
type written struct {
	sum     [sha256.Size]byte
	touched time.Time
}

// Open takes the directory, and makes it where it is not there. Another process that has it is an error, as is a
// directory that others can write to: who writes a state has links made.
func Open(path string) (*Dir, error) {
	d, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("state directory %s: %w", path, err)
	}
	return d, nil
}

func open(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := owned(info); err != nil {
		return nil, err
	}
	lock, err := takeLock(filepath.Join(path, lockFile))
	if err != nil {
		return nil, err
	}
	return &Dir{path: path, lock: lock, written: make(map[string]*written)}, nil
}

// Close gives the directory up.
func (d *Dir) Close() error {
	if d == nil || d.lock == nil {
		return nil
	}
	lock := d.lock
	d.lock = nil
	return lock.Close()
}

// Save writes the parts of s that differ from what was written before. What cannot be written leaves the file that
// there is.
func (d *Dir) Save(s *State) error {
	return errors.Join(d.save(madeFile, s.Made()), d.save(learnedFile, s.Learned()))
}

func (d *Dir) save(name string, s *State) error {
	b, err := Encode(s)
	if err != nil {
		return fmt.Errorf("state %s: %w", name, err)
	}
	sum, now := sha256.Sum256(b), time.Now()
	w := d.written[name]
	switch {
	case w == nil || w.sum != sum:
		if err := replace(filepath.Join(d.path, name), b); err != nil {
			return err
		}
		d.written[name] = &written{sum, now}
	case now.Sub(w.touched) >= touchEvery:
		if err := os.Chtimes(filepath.Join(d.path, name), now, now); err != nil {
			d.written[name] = nil // it may be gone
			return err
		}
		w.touched = now
	}
	return nil
}

// replace has the file hold b, or what it held before, whatever happens meanwhile.
func replace(path string, b []byte) (err error) {
	f, err := createNew(path + newSuffix)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync() // before the name leads to it
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(path+newSuffix, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path+newSuffix))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Saved is a state that was read, and how old it is at most.
type Saved struct {
	*State
	Age time.Duration
}

// Load reads what was saved, made and learned. Either is nil where there is none; what cannot be used is an error
// beside it.
func (d *Dir) Load() (made, learned *Saved, err error) {
	made, err = d.load(madeFile)
	learned, lerr := d.load(learnedFile)
	return made, learned, errors.Join(err, lerr)
}

func (d *Dir) load(name string) (*Saved, error) {
	path := filepath.Join(d.path, name)
	f, err := openRead(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxEncoding {
		return nil, fmt.Errorf("%s: %w", path, errBroken)
	}
	if err := owned(info); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxEncoding+1))
	if err != nil {
		return nil, err
	}
	s, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Saved{s, max(0, time.Since(info.ModTime()))}, nil
}
