package vtep_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/vtep"
)

// TestFilterTooSmall: of a link with more peers than the kernel's filter holds everybody's packets pass it, which the link
// tells of, until there is room again; a link that is switched to other peers, or off them, follows.
func TestFilterTooSmall(t *testing.T) {
	l := lab.ForTest(t)
	host, err := l.Host("a")
	if err != nil {
		t.Fatal(err)
	}
	v := vtep.New(vtep.Config{Host: &vtep.SystemHost{}, Log: slog.New(slog.DiscardHandler)})
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- v.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	err = host.Do(func() error {
		return v.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB, MaxAddresses: vtep.UnlimitedAddresses})
	})
	if err != nil {
		t.Fatal(err)
	}
	filtering := func(on bool, reason string) {
		t.Helper()
		err := lab.Eventually(10*time.Second, func() error {
			i, err := v.Link("vxlan0")
			if f := i.Offloads.Filter; err == nil && (f.On != on || !strings.Contains(f.Reason, reason) || (f.Reason == "") != (reason == "")) {
				return fmt.Errorf("%+v", f)
			}
			return err
		})
		if err != nil {
			t.Fatalf("%v, want on %v, because %q", err, on, reason)
		}
	}
	if i, _ := v.Link("vxlan0"); strings.Contains(i.Offloads.Filter.Reason, "CAP_BPF") {
		t.Skip(i.Offloads.Filter.Reason)
	}
	filtering(true, "")
	for i := range uint32(65536) {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 198<<24|18<<16+i) // the benchmarking range (RFC 2544) has 131,072
		e := vtep.FDBEntry{Link: "vxlan0", MAC: encap.MAC{2, 0, a[0], a[1], a[2], a[3]}, State: fdb.Permanent, Remote: vtep.Remote{Addr: netip.AddrFrom4(a)}}
		if err := v.FDBAdd(e); err != nil {
			t.Fatal(err)
		}
	}
	filtering(false, "more peers than the filter holds")
	if _, err := v.FDBFlush("vxlan0", vtep.FDBFilter{Dst: netip.MustParseAddr("198.18.0.7")}); err != nil {
		t.Fatal(err)
	}
	filtering(true, "")
	set := func(m vtep.AcceptMode) {
		t.Helper()
		if err := v.UpdateLink("vxlan0", func(c *vtep.LinkConfig) error { c.Accept.Mode = m; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	set(vtep.AcceptAny)
	filtering(false, "")
	set(vtep.AcceptPeers)
	filtering(true, "")
}
