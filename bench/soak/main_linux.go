package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// options are how it was started.
type options struct {
	duration, reload time.Duration
	share            float64
	rate             int
	lost             float64
	growth           int
	exe              string
}

func main() {
	var o options
	flag.DurationVar(&o.duration, "for", 30*time.Minute, "how long to send")
	flag.DurationVar(&o.reload, "reload", 10*time.Second, "how often the daemons read a changed file")
	flag.Float64Var(&o.share, "share", 0.7, "of the rate without loss, how much is sent")
	flag.IntVar(&o.rate, "rate", 0, "packets a second each way; 0: share of what is measured")
	flag.Float64Var(&o.lost, "lost", 1e-6, "how much of what is sent may be lost")
	flag.IntVar(&o.growth, "growth", 1024, "how much memory each daemon may have more in the last third than in the second, in KiB")
	flag.StringVar(&o.exe, "exe", "", "the program; unless said it is built")
	flag.Parse()
	if err := soak(&o); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func soak(o *options) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "soak-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.exe == "" {
		o.exe = filepath.Join(dir, "uvtep")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", o.exe, "github.com/uvtep/uvtep/cmd/uvtep").CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w: %s", err, out)
		}
	}
	l, err := lab.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	r, err := newRig(l, o.exe, dir)
	if err != nil {
		return err
	}
	if o.rate == 0 {
		capacity, err := r.capacity(ctx)
		if err != nil {
			return err
		}
		o.rate = int(float64(capacity) * o.share)
		fmt.Printf("without loss: %d packets a second each way; %d are sent\n", capacity, o.rate)
	}
	return r.endure(ctx, o)
}
