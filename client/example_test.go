package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
)

// startDaemon answers as `uvtep run` does to what the example asks, for which it
// stands here, and returns its socket and what ends it.
func startDaemon() (socket string, end func()) {
	dir, err := os.MkdirTemp("", "uvtep")
	if err != nil {
		panic(err)
	}
	socket = filepath.Join(dir, "uvtep.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		panic(err)
	}
	again := make(chan struct{}) // closed when the entry is added again
	added := make(chan api.FDBEntry, 1)
	daemon := http.NewServeMux()
	daemon.HandleFunc("POST /v1/links", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "{}") })
	daemon.HandleFunc("POST /v1/fdb/add", func(w http.ResponseWriter, r *http.Request) {
		e := api.FDBEntry{State: api.Permanent}
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			panic(err)
		}
		select {
		case added <- e:
			fmt.Fprintln(w, "{}")
		default:
			close(again)
			w.WriteHeader(http.StatusConflict)
			fmt.Fprintln(w, `{"error":"File exists","code":"exist"}`)
		}
	})
	daemon.HandleFunc("GET /v1/monitor", func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush() // it listens from here on
		<-again
		e := <-added
		_ = json.NewEncoder(w).Encode(api.Event{Event: api.EventNew, Object: api.ObjectFDB, FDB: &e})
	})
	s := &http.Server{Handler: daemon}
	go func() { _ = s.Serve(l) }()
	return socket, func() { _ = errors.Join(s.Close(), os.RemoveAll(dir)) }
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
	err := c.AddLink(ctx, api.LinkChange{
		LinkSpec: api.LinkSpec{Name: "vxlan0", ID: &vni, Local: &local, Learning: &learning},
		Up:       &up,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	events, err := c.Monitor(ctx, api.ObjectFDB)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer events.Close()

	entry := api.FDBEntry{Dev: "vxlan0", MAC: "02:00:00:00:00:07", Dst: netip.MustParseAddr("192.0.2.7"), ExternLearn: true}
	if err := c.ChangeFDB(ctx, client.Add, entry); err != nil {
		fmt.Println(err)
	}
	if err := c.ChangeFDB(ctx, client.Add, entry); errors.Is(err, api.ErrExist) {
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
