package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// startDaemon serves a VTEP on an in-memory host, which stands here for `uvtep
// run`, and returns its socket and what ends it.
func startDaemon() (socket string, end func()) {
	dir, err := os.MkdirTemp("", "uvtep")
	if err != nil {
		panic(err)
	}
	log := slog.New(slog.DiscardHandler)
	v := vtep.New(vtep.Config{Host: vteptest.NewNetwork().Host(netip.MustParseAddr("192.0.2.1")), Log: log})
	socket = filepath.Join(dir, "uvtep.sock")
	s, err := control.Listen(control.ServerConfig{Path: socket, Backend: v, Subscribe: v.Subscribe, Log: log})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx) }()
	return socket, func() {
		cancel()
		if err := errors.Join(<-ended, v.Close(), os.RemoveAll(dir)); err != nil {
			panic(err)
		}
	}
}

// A controller makes a link, listens to what happens to its entries, and gives
// one.
func Example() {
	socket, end := startDaemon()
	defer end()
	ctx := context.Background()

	c := client.New(socket)
	defer c.Close()
	vni, local, learning, up := uint32(42), netip.MustParseAddr("192.0.2.1"), false, true
	err := c.AddLink(ctx, client.LinkChange{
		LinkSpec: client.LinkSpec{Name: "vxlan0", ID: &vni, Local: &local, Learning: &learning},
		Up:       &up,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	events, err := c.Monitor(ctx, client.ObjectFDB)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer events.Close()

	entry := client.FDBEntry{Dev: "vxlan0", MAC: "02:00:00:00:00:07", Dst: netip.MustParseAddr("192.0.2.7"), ExternLearn: true}
	if err := c.ChangeFDB(ctx, client.Add, entry); err != nil {
		fmt.Println(err)
	}
	if err := c.ChangeFDB(ctx, client.Add, entry); errors.Is(err, client.ErrExist) {
		fmt.Println("it is there already")
	}
	e, err := events.Next()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Event, e.FDB.Dev, e.FDB.MAC, e.FDB.Dst, e.FDB.State)
	// Output:
	// it is there already
	// new vxlan0 02:00:00:00:00:07 192.0.2.7 permanent
}
