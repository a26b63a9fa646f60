// Package sandbox confines this process to what a running daemon needs: seccomp(2) takes
// the system calls away that it never makes, Landlock (landlock(7)) the files that it never
// opens. Whoever makes the daemon run code of theirs can start no program, open no other
// file for writing, and change no other process.
//
// It confines all threads, now and later, and cannot be undone.
package sandbox

import "errors"

// Config is what the daemon needs beside what every daemon needs.
type Config struct {
	// Files are read, links to them followed as they are now, with all that is in
	// their directories: who replaces a file makes another one beside it.
	Files []string
	// Own are directories in which files are made, written and removed.
	Own []string
	// Listen are the TCP ports that are listened on again.
	Listen []uint16
	// Notify is the socket of the service manager, or "".
	Notify string
}

// Enter confines this process. Where the kernel, or the library for this architecture, lacks
// a part, the other part confines it; the error joins what is missing and why, and wraps
// [ErrMissing]. Any other error ends the daemon: it would run less confined than this says.
func Enter(c Config) error {
	return enter(c)
}

// ErrMissing is that this machine has no seccomp or no Landlock.
var ErrMissing = errors.New("this machine lacks a part of the sandbox")
