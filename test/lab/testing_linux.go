package lab

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// TB is what this package needs of testing.TB. The interface keeps package testing out of programs that import lab.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// TestMain runs the tests of a package that needs a lab: where the caller is not root, in a new user namespace if that is
// possible. Where no lab is possible the tests run all the same and those that call [ForTest] skip, or fail under
// [Required].
//
//	func TestMain(m *testing.M) { os.Exit(lab.TestMain(m)) }
func TestMain(m interface{ Run() int }) int {
	code, done, err := Reexec()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "tests that need a lab will not run:", err)
	case done:
		return code
	}
	return m.Run()
}

// Required reports whether a test must fail, not skip, where no lab is possible: UVTEP_REQUIRE_LAB=1, or CI=true unless
// UVTEP_REQUIRE_LAB=0.
func Required() bool {
	switch os.Getenv("UVTEP_REQUIRE_LAB") {
	case "":
		return os.Getenv("CI") == "true"
	case "0", "false":
		return false
	}
	return true
}

// ForTest returns a lab that is closed when the test ends. Where there can be none the test skips, or fails under
// [Required].
func ForTest(t TB) *Lab {
	t.Helper()
	l, err := New()
	if err != nil {
		SkipOrFail(t, err)
		return nil
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
	})
	return l
}

// SkipOrFail ends a test that cannot run here for the reason err: it skips where err wraps [ErrUnavailable] and no lab
// is [Required], else it fails.
func SkipOrFail(t TB, err error) {
	t.Helper()
	if !errors.Is(err, ErrUnavailable) || Required() {
		t.Fatalf("no lab: %v", err)
		return
	}
	t.Skipf("no lab: %v", err)
}

// NeedKernelVXLAN skips (or, under [Required], fails) a test on a kernel without vxlan devices.
func NeedKernelVXLAN(t TB) {
	t.Helper()
	if !KernelHasVXLAN() {
		SkipOrFail(t, fmt.Errorf("%w: the kernel has no vxlan devices (modprobe vxlan)", ErrUnavailable))
	}
}

// Eventually calls cond until it returns nil, with growing pauses, and gives up after timeout with cond's last error.
func Eventually(timeout time.Duration, cond func() error) error {
	deadline := time.Now().Add(timeout)
	pause := time.Millisecond
	for {
		err := cond()
		if err == nil {
			return nil
		}
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("lab: not within %v: %w", timeout, err)
		}
		time.Sleep(min(pause, left))
		pause = min(2*pause, 50*time.Millisecond)
	}
}
