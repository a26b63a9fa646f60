package sandbox

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// enter has Landlock first: its own calls are none that the filter passes.
func enter(c Config) error {
	var missing []error
	for _, part := range []func() error{func() error { return restrictFiles(c) }, restrictCalls} {
		if err := part(); errors.Is(err, ErrMissing) {
			missing = append(missing, err)
		} else if err != nil {
			return err
		}
	}
	return errors.Join(missing...)
}

// restrictCalls installs the filters of calls_linux.go in all threads.
func restrictCalls() error {
	a, err := arch.GetInfo("")
	if err != nil {
		return fmt.Errorf("%w: seccomp: no table of the system calls of %s", ErrMissing, runtime.GOARCH)
	}
	if !seccomp.Supported() {
		return fmt.Errorf("%w: seccomp: the kernel was built without CONFIG_SECCOMP_FILTER", ErrMissing)
	}
	for _, p := range policies(a) {
		filter := seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync | seccomp.FilterFlagLog, Policy: p}
		err := seccomp.LoadFilter(filter)
		if errors.Is(err, unix.EINVAL) { // before 4.14 the kernel knows no flag to log
			filter.Flag = seccomp.FilterFlagTSync
			err = seccomp.LoadFilter(filter)
		}
		if err != nil {
			return fmt.Errorf("sandbox: %w: start the daemon with --no-sandbox to do without, and report this", err)
		}
	}
	return nil
}
