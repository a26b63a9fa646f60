//go:build !linux

package sandbox

func enter(Config) error { return ErrMissing }
