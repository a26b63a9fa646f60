// Package cli is the program uvtep: the daemon (`uvtep run`) and its commands, with the words,
// output and habits of iproute2's `ip link ... type vxlan` and `bridge fdb`. It is a package,
// not a command, so that the binary of a test can be the program that it tests.
//
// Exit status: 0 done, 1 usage, 2 refused by the daemon or the kernel, 3 no daemon is running.
// The status is 2 for a daemon that does not answer, so that a script that starts a daemon at
// 3 starts no second one.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/migrate"
	"github.com/uvtep/uvtep/internal/words"
)

// Main runs the command line of this process and returns its exit status. SIGINT
// and SIGTERM end a daemon cleanly.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	status := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	return status
}

// The exit statuses.
const (
	exitDone       = 0
	exitUsage      = 1
	exitRefused    = 2
	exitNotRunning = 3
	exitNothing    = 4 // an importer found no link
)

// exitStatus is the error of a command that has printed its errors: the exit status.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// execute runs one command line and returns the exit status.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := run(ctx, args, stdout, stderr)
	if err == nil {
		return exitDone
	}
	if status, ok := errors.AsType[exitStatus](err); ok {
		return int(status)
	}
	return report(stderr, err)
}

// report prints an error and returns the exit status for it.
func report(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "uvtep: %s\n", oneLine(err))
	if _, ok := errors.AsType[*words.UsageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[config.FileErrors](err); ok {
		return exitUsage
	}
	if errors.Is(err, client.ErrNotRunning) {
		return exitNotRunning
	}
	if _, ok := errors.AsType[*migrate.NothingError](err); ok {
		return exitNothing
	}
	return exitRefused
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	args, err := normalise(args)
	if err != nil {
		return err
	}
	if name, rest, err := runElsewhere(args); err != nil || name != "" {
		return errors.Join(err, inNetns(name, rest))
	}
	a := &app{out: stdout, err: stderr}
	if slices.ContainsFunc(args, batchFlag) {
		a.batchOptions = slices.DeleteFunc(slices.Clone(args), batchFlag)
	}
	root := newRootCommand(a)
	if len(args) > 0 && strings.HasPrefix(args[0], completeCommand) {
		a.completes(root)
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

// oneLine is an error's text without line breaks, which errors.Join makes.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

func usagef(format string, a ...any) error {
	return &words.UsageError{Message: fmt.Sprintf(format, a...)}
}
