package lab

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// TestProgram is [TestMain] for the packages whose tests run a program: the test's binary is that program where it is
// started by the program's name. So the program is always what the sources say, `go test` sees that it changed, -race
// and -cover hold for it as well, and nothing is built. path is set to where tests find it, which any user may run.
//
//	var exe string
//
//	func TestMain(m *testing.M) { os.Exit(lab.TestProgram(m, "uvtep", cli.Main, &exe)) }
func TestProgram(m interface{ Run() int }, name string, program func() int, path *string) int {
	if filepath.Base(os.Args[0]) == name {
		return program()
	}
	return TestMain(programTests{m, name, path})
}

// programTests are the tests of a package, with the program that they run.
type programTests struct {
	tests interface{ Run() int }
	name  string
	path  *string
}

// Run runs the tests while the program lies at its path.
func (p programTests) Run() int {
	dir, err := os.MkdirTemp("", p.name+"-test-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		*p.path = filepath.Join(dir, p.name)
		err = errors.Join(os.Chmod(dir, 0o755), placeProgram(*p.path), programEnv())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab: the program under test:", err)
		return 1
	}
	return p.tests.Run()
}

// placeProgram gives this process's executable a second name: where go test
// left it, only its owner can reach it.
func placeProgram(path string) error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Link(own, path); err != nil { // another file system, or not our file
		if err := copyFile(path, own); err != nil {
			return err
		}
	}
	return os.Chmod(path, 0o755)
}

func copyFile(to, from string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}

// programEnv has the program, where it is built with -cover, leave its counters
// where `go test` adds up those of the tests, and, with -race, end without the
// detector's pause of a second.
func programEnv() error {
	flag.Parse()
	err := errors.Join(os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")),
		os.Setenv("UVTEP_LOG_FORMAT", "text"), // the log is compared with texts
		severalAtOnce())
	if f := flag.Lookup("test.gocoverdir"); f != nil && f.Value.String() != "" {
		err = errors.Join(err, os.Setenv("GOCOVERDIR", f.Value.String()))
	}
	return err
}

// atOnce is how many parallel tests of a lab run at a time where nobody says: they wait for the kernel and for processes
// more than they work.
const atOnce = 4

// severalAtOnce raises the default of -parallel, which is for tests that work all the time.
func severalAtOnce() error {
	given := flag.Lookup("test.parallel") == nil
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return nil
	}
	return flag.Set("test.parallel", strconv.Itoa(max(atOnce, runtime.GOMAXPROCS(0))))
}
