package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/vtep"
)

func newRunCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "run [NAME id VNI ...]",
		Short: "Run the daemon, with one link that is up if a sentence is given",
		Long: "uvtep run [LINK-SENTENCE]\n\nThe daemon, in the foreground. With a sentence it makes that link and brings it up:\n\n  uvtep run " +
			linkSentence + "\n\nIt prints one line, uvtep: ready, to stderr. SIGTERM and SIGINT end it.",
		RunE: func(cmd *cobra.Command, args []string) error { return a.daemon(cmd.Context(), args) },
	}
}

// daemon serves until ctx ends. What it made is gone when it returns.
func (a *app) daemon(ctx context.Context, sentence []string) (err error) {
	var link *control.LinkChange
	if len(sentence) > 0 {
		l, err := config.ParseLinkAdd(sentence, a.family())
		if err != nil {
			return err
		}
		link = &l
	}
	limitProcessors()
	log := slog.New(slog.NewTextHandler(a.err, nil))
	v := vtep.New(vtep.Config{Host: &vtep.SystemHost{}, Log: log})
	defer func() { err = errors.Join(err, v.Close()) }()
	// The socket first: it says whether another daemon runs before anything is
	// made.
	server, err := control.Listen(control.ServerConfig{Path: a.control, Backend: v, Stats: v.Stats, Version: version(), Log: log})
	if err != nil {
		return err
	}
	if link != nil {
		if err := addUp(v, link); err != nil {
			return errors.Join(err, server.Close())
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return v.Run(ctx) })
	g.Go(func() error { return server.Serve(ctx) })
	fmt.Fprintln(a.err, "uvtep: ready")
	return g.Wait()
}

// limitProcessors leaves half of the processors, rounded down, to the rest of the
// host: the stack on both sides of the VTEP needs them, and a goroutine that wakes
// on another processor than its data is in costs more than it saves
// (docs/decisions/0003-waiting.md). $GOMAXPROCS overrules it.
func limitProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS((runtime.GOMAXPROCS(0) + 1) / 2)
	}
}

// addUp makes the link of a sentence and brings it up, unless it says down.
func addUp(v control.LinkBackend, link *control.LinkChange) error {
	c, err := link.Config()
	if err != nil {
		return err
	}
	if err := v.AddLink(c); err != nil {
		return err
	}
	return v.SetLinkUp(c.Name, link.Up == nil || *link.Up)
}
