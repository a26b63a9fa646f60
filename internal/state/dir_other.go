//go:build !unix

package state

import (
	"io/fs"
	"os"
)

func owned(fs.FileInfo) error { return nil }

func takeLock(path string) (*os.File, error) { return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) }

func createNew(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
}

func openRead(path string) (*os.File, error) { return os.Open(path) }
