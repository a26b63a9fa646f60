package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
)

func openAPI(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// operations are all of the description: "GET /v1/links" to the statuses.
func operations(doc *openapi3.T) map[string][]string {
	all := map[string][]string{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			all[method+" "+path] = slices.Sorted(maps.Keys(op.Responses.Map()))
		}
	}
	return all
}

// TestOpenAPIRoutes: the description has the server's routes and no others, and
// docs/api.md a row for each.
func TestOpenAPIRoutes(t *testing.T) {
	var s Server
	have, want := slices.Sorted(maps.Keys(operations(openAPI(t)))), slices.Sorted(maps.Keys(s.routes()))
	if !slices.Equal(have, want) {
		t.Errorf("docs/openapi.yaml has %q, the server %q", have, want)
	}
	page, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range want {
		if !bytes.Contains(page, []byte("\n| `"+route+"` |")) {
			t.Errorf("docs/api.md has no row of %s", route)
		}
	}
	for _, c := range refusals() {
		if !bytes.Contains(page, []byte("`"+c.wire.Code+"`")) {
			t.Errorf("docs/api.md has no row of code %s", c.wire.Code)
		}
	}
}

// TestOpenAPIFields: each schema has the fields of its Go type and no others.
func TestOpenAPIFields(t *testing.T) {
	doc := openAPI(t)
	types := map[string]any{
		"Version": api.Version{}, "Error": api.Error{}, "LinkSpec": api.LinkChange{}, "Link": api.Link{}, "Netdev": api.Netdev{}, "Offload": api.Offload{},
		"TAPOffload": api.TAPOffload{}, "UDPGSO": api.UDPGSO{}, "UDPGRO": api.UDPGRO{}, "TunnelGSO": api.TunnelGSO{}, "TXRing": api.TXRing{}, "Filter": api.Filter{}, "Counts": api.Counts{}, "LinkStats": api.LinkStats{}, "Stats": api.Stats{}, "FailedReload": api.FailedReload{},
		"FDBEntry": api.FDBEntry{}, "FDBFilter": api.FDBFilter{}, "Flushed": api.Flushed{}, "Event": api.Event{}, "LocalEntry": api.LocalEntry{},
		"FDBBatch": api.FDBBatch{}, "FDBChange": api.FDBChange{}, "BatchResult": api.BatchResult{}, "ChangeResult": api.ChangeResult{},
		"NeighBatch": api.NeighBatch{}, "NeighChange": api.NeighChange{}, "NeighEntry": api.NeighEntry{}, "Sweep": api.Sweep{}, "Swept": api.Swept{},
		"Policy": api.Policy{}, "Drop": api.Drop{}, "Trouble": api.Trouble{}, "Done": done{},
		"ConfigApply": api.ConfigApply{}, "ConfigApplied": api.ConfigApplied{},
		"RemoteStats": api.RemoteStats{}, "PortSpec": api.PortChange{}, "Port": api.Port{}, "PortVLAN": api.PortVLAN{},
		"Explanation": api.Explanation{}, "ExplainStep": api.ExplainStep{}, "Sample": api.Sample{}, "Log": api.Log{},
	}
	for name, schema := range doc.Components.Schemas {
		v, ok := types[name]
		if !ok {
			if schema.Value.Type.Is("object") {
				t.Errorf("schema %s has no Go type", name)
			}
			continue
		}
		want := jsonFields(reflect.TypeOf(v))
		slices.Sort(want)
		if have := slices.Sorted(maps.Keys(schema.Value.Properties)); !slices.Equal(have, want) {
			t.Errorf("schema %s has %q, the Go type %q", name, have, want)
		}
		delete(types, name)
	}
	for name := range types {
		t.Errorf("no schema %s", name)
	}
	codes := doc.Components.Schemas["Error"].Value.Properties["code"].Value.Enum
	for _, c := range refusals() {
		if !slices.Contains(codes, any(c.wire.Code)) {
			t.Errorf("code %s is not described", c.wire.Code)
		}
	}
}

// jsonFields are the keys that encoding/json gives a struct, those of embedded
// ones included.
func jsonFields(t reflect.Type) (names []string) {
	for f := range t.Fields() {
		if f.Anonymous {
			names = append(names, jsonFields(f.Type)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// stubborn is a backend that the kernel refuses things.
type stubborn struct{ Backend }

var errKernel = errors.New("the kernel says no")

func (stubborn) AddLink(vtep.LinkConfig) error                         { return errKernel }
func (stubborn) UpdateLink(string, func(*vtep.LinkConfig) error) error { return vtep.ErrExist }
func (stubborn) SetLinkUp(string, bool) error                          { return errKernel }
func (stubborn) FDBAdd(vtep.FDBEntry) error                            { return errKernel }
func (stubborn) FDBReplace(vtep.FDBEntry) error                        { return vtep.ErrFull }
func (stubborn) FDBFlush(string, vtep.FDBFilter) (int, error)          { return 0, vtep.ErrNoLink }
func (stubborn) FDBDel(string, encap.MAC, *vtep.Remote) error          { return vtep.ErrNotExist }
func (stubborn) DelLink(string) error                                  { return api.ErrDenied }

// TestOpenAPIAnswers sends real requests of every kind and holds them and the
// answers to the description: each operation with each status that it lists.
func TestOpenAPIAnswers(t *testing.T) {
	doc := openAPI(t)
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	v, _, path, _ := watched(t)
	real := inspected(t, path, &inspector{t: t, router: router, seen: seen})
	exercise(t, real)
	eventLines(t, doc, real, path)
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if err := real.AddPort(t.Context(), api.PortChange{PortSpec: api.PortSpec{Name: "trunk9"}}); !errors.Is(err, api.ErrClosed) {
		t.Errorf("a port on a closed VTEP: %v", err)
	}
	if err := real.AddLink(t.Context(), api.LinkChange{LinkSpec: api.LinkSpec{Name: "vx9", ID: new(uint32(9))}}); !errors.Is(err, api.ErrClosed) {
		t.Errorf("on a closed VTEP: %v", err)
	}
	if _, err := real.Monitor(t.Context()); !errors.Is(err, api.ErrClosed) {
		t.Errorf("on a closed VTEP: %v", err)
	}
	if _, err := real.Capture(t.Context(), api.CaptureFilter{}); !errors.Is(err, api.ErrClosed) {
		t.Errorf("a capture on a closed VTEP: %v", err)
	}
	stubborns(t, inspected(t, serve(t, stubborn{&fakeBackend{}}), &inspector{t: t, router: router, seen: seen}))
	for op, statuses := range operations(doc) {
		for _, status := range statuses {
			// Who may write is another test's: TestPeer. So is what follows an upgrade: TestTakeOver in test/interop.
			if status != "403" && status != "101" && !seen[op+" "+status] {
				t.Errorf("%s was not answered with %s", op, status)
			}
		}
	}
}

// call is what was asked for, and what came of it.
type call struct {
	what string
	want error // nil: done
	err  error
}

// exercisePorts is exercise for ports.
func exercisePorts(ctx context.Context, c *client.Client) []call {
	spec := api.PortSpec{Name: "trunk0", Type: api.TypeTrunk, MTU: new(1400), Address: new("02:00:00:00:00:01")}
	link := api.LinkSpec{Name: "v10", ID: new(uint32(1010)), Trunk: new("trunk0"), VLAN: new(uint16(10))}
	calls := []call{
		{"add port", nil, c.AddPort(ctx, api.PortChange{PortSpec: spec, Up: new(true)})},
		{"add port again", api.ErrExist, c.AddPort(ctx, api.PortChange{PortSpec: spec})},
		{"add no port", api.ErrInvalid, c.AddPort(ctx, api.PortChange{})},
		{"change port", nil, c.ChangePort(ctx, "trunk0", api.PortChange{PortSpec: api.PortSpec{MTU: new(1300)}})},
		{"change port badly", api.ErrInvalid, c.ChangePort(ctx, "trunk0", api.PortChange{PortSpec: api.PortSpec{MTU: new(1)}})},
		{"change no port", api.ErrNoPort, c.ChangePort(ctx, "trunk1", api.PortChange{Up: new(true)})},
		{"link on a VLAN", nil, c.AddLink(ctx, api.LinkChange{LinkSpec: link, Up: new(true)})},
		{"delete a port in use", api.ErrInvalid, c.DeletePort(ctx, "trunk0")},
	}
	ports, err := c.Ports(ctx)
	calls = append(calls, call{"ports", nil, err})
	if len(ports) != 1 || len(ports[0].VLANs) != 1 || ports[0].VLANs[0] != (api.PortVLAN{VLAN: 10, ID: 1010, Link: "v10"}) {
		calls = append(calls, call{"ports", nil, fmt.Errorf("%+v", ports)})
	}
	_, err = c.Port(ctx, "trunk0")
	_, errNone := c.Port(ctx, "trunk1")
	return append(calls, call{"port", nil, err}, call{"no port", api.ErrNoPort, errNone},
		call{"delete link", nil, c.DeleteLink(ctx, "v10")}, call{"delete port", nil, c.DeletePort(ctx, "trunk0")},
		call{"delete port again", api.ErrNoPort, c.DeletePort(ctx, "trunk0")})
}

// tooLarge sends a body beyond the limit to each path that takes one.
func tooLarge(ctx context.Context, c *client.Client) []call {
	long := strings.Repeat("x", maxBody)
	link, port := api.LinkChange{LinkSpec: api.LinkSpec{Accept: &long}}, api.PortChange{PortSpec: api.PortSpec{Address: &long}}
	_, err := c.FlushFDB(ctx, api.FDBFilter{Via: long})
	return []call{
		{"add a long link", api.ErrTooLarge, c.AddLink(ctx, link)}, {"change to a long link", api.ErrTooLarge, c.ChangeLink(ctx, "vx1", link)},
		{"add a long port", api.ErrTooLarge, c.AddPort(ctx, port)}, {"change to a long port", api.ErrTooLarge, c.ChangePort(ctx, "trunk0", port)},
		{"fdb add a long entry", api.ErrTooLarge, c.ChangeFDB(ctx, "add", api.FDBEntry{Dev: "vx1", Via: long})}, {"flush by a long filter", api.ErrTooLarge, err},
	}
}

// exercise asks for everything once, and for what is refused.
func exercise(t *testing.T, c *client.Client) {
	ctx := t.Context()
	spec := api.LinkSpec{Name: "vx1", ID: new(uint32(42)), Remote: addr("192.0.2.2"), Local: addr("192.0.2.1"), TTL: new(api.Value("inherit")),
		SrcPort: &api.PortRange{1000, 2000}, MaxAddress: new(api.Value("9")), Accept: new("192.0.2.0/24")}
	entry := api.FDBEntry{Dev: "vx1", MAC: "02:00:00:00:00:01", Dst: *addr("192.0.2.3"), Port: 8472, VNI: new(uint32(7)), Router: true}
	zeros := api.FDBEntry{Dev: "vx1", MAC: "00:00:00:00:00:00", Dst: *addr("192.0.2.4")}
	many, cancel := context.WithCancel(ctx)
	for range 100 {
		if _, err := c.Monitor(many, "fdb", "link"); err != nil {
			break
		}
	}
	cancel()
	_, errVersion := c.Version(ctx)
	_, errStats := c.Stats(ctx)
	_, errLog := c.Log(ctx)
	calls := []call{
		{"version", nil, errVersion}, {"log", nil, errLog}, {"stats", nil, errStats},
		{"add", nil, c.AddLink(ctx, api.LinkChange{LinkSpec: spec, Up: new(true)})},
		{"add again", api.ErrExist, c.AddLink(ctx, api.LinkChange{LinkSpec: spec})},
		{"add nothing", api.ErrInvalid, c.AddLink(ctx, api.LinkChange{})},
		{"change", nil, c.ChangeLink(ctx, "vx1", api.LinkChange{LinkSpec: api.LinkSpec{DF: new("unset")}})},
		{"change badly", api.ErrInvalid, c.ChangeLink(ctx, "vx1", api.LinkChange{LinkSpec: api.LinkSpec{DF: new("maybe")}})},
		{"change what is not there", api.ErrNoLink, c.ChangeLink(ctx, "vx2", api.LinkChange{Up: new(true)})},
		{"fdb add", nil, c.ChangeFDB(ctx, "add", entry)}, {"fdb add again", api.ErrExist, c.ChangeFDB(ctx, "add", entry)},
		{"fdb append", nil, c.ChangeFDB(ctx, "append", zeros)}, {"fdb replace", nil, c.ChangeFDB(ctx, "replace", entry)},
		{"fdb of no MAC", api.ErrInvalid, c.ChangeFDB(ctx, "add", api.FDBEntry{Dev: "vx1"})},
	}
	calls = append(append(append(append(calls, exercisePorts(ctx, c)...), exerciseBatches(ctx, c)...), tooLarge(ctx, c)...), slices.Concat(exerciseExplain(ctx, c), exerciseCapture(ctx, c))...)
	links, err := c.Links(ctx)
	calls = append(calls, call{"links", nil, err})
	_, err = c.Link(ctx, "vx1")
	calls = append(calls, call{"link", nil, err})
	_, err = c.Link(ctx, "vx2")
	calls = append(calls, call{"no link", api.ErrNoLink, err})
	entries, err := c.FDB(ctx, api.FDBFilter{Dev: "vx1", SrcVNI: new(uint32(42)), States: []string{api.Permanent, api.Static}})
	calls = append(calls, call{"fdb", nil, err})
	_, err = c.FDB(ctx, api.FDBFilter{Dev: "vx2"})
	calls = append(calls, call{"fdb of no link", api.ErrNoLink, err})
	_, err = c.FDB(ctx, api.FDBFilter{MAC: "x"})
	calls = append(calls, call{"fdb by no MAC", api.ErrInvalid, err})
	n, err := c.FlushFDB(ctx, api.FDBFilter{Dev: "vx1", Dst: *addr("192.0.2.4")})
	calls = append(calls, call{"flush", nil, err})
	_, err = c.FlushFDB(ctx, api.FDBFilter{})
	calls = append(calls, call{"flush of all", api.ErrInvalid, err})
	applied, err := c.ApplyConfig(ctx, api.ConfigApply{Force: true})
	calls = append(calls, call{"apply the file", nil, err})
	if want := (api.ConfigApplied{File: "f.yaml", Links: 1, Removed: []string{"vx2"}}); !reflect.DeepEqual(applied, want) {
		t.Errorf("applied %+v, want %+v", applied, want)
	}
	if _, err = c.ApplyConfig(ctx, api.ConfigApply{}); err == nil || err.Error() != errKernel.Error() {
		t.Errorf("a file that is refused: %v", err)
	}
	_, err = c.Monitor(ctx, "banana")
	calls = append(calls, call{"monitor of nothing", api.ErrInvalid, err},
		call{"fdb del", nil, c.ChangeFDB(ctx, "del", api.FDBEntry{Dev: "vx1", MAC: entry.MAC})},
		call{"fdb del again", api.ErrNotExist, c.ChangeFDB(ctx, "del", api.FDBEntry{Dev: "vx1", MAC: entry.MAC})},
		call{"delete", nil, c.DeleteLink(ctx, "vx1")}, call{"delete again", api.ErrNoLink, c.DeleteLink(ctx, "vx1")})
	for _, got := range calls {
		if !errors.Is(got.err, got.want) {
			t.Errorf("%s: %v, want %v", got.what, got.err, got.want)
		}
	}
	if len(links) != 1 || len(entries) != 3 || n != 1 {
		t.Errorf("%d links, %d entries, %d flushed", len(links), len(entries), n)
	}
}

// stubborns asks a backend that refuses.
func stubborns(t *testing.T, c *client.Client) {
	ctx := t.Context()
	e := api.FDBEntry{Dev: "vx1", MAC: "02:00:00:00:00:01", Dst: netip.MustParseAddr("192.0.2.3")}
	_, flush := c.FlushFDB(ctx, api.FDBFilter{Dev: "vx1"})
	if _, err := c.ApplyConfig(ctx, api.ConfigApply{}); !errors.Is(err, api.ErrNoFile) {
		t.Errorf("apply no file: %v", err)
	}
	for what, err := range map[string]error{
		"add": c.AddLink(ctx, api.LinkChange{LinkSpec: api.LinkSpec{Name: "vx1", ID: new(uint32(1))}}), "up": c.ChangeLink(ctx, "vx1", api.LinkChange{Up: new(true)}),
		"change":  c.ChangeLink(ctx, "vx1", api.LinkChange{LinkSpec: api.LinkSpec{DstPort: new(uint16(8472))}}),
		"fdb add": c.ChangeFDB(ctx, "add", e), "fdb replace": c.ChangeFDB(ctx, "replace", e), "fdb del": c.ChangeFDB(ctx, "del", e),
		"delete": c.DeleteLink(ctx, "vx1"), "flush": flush,
		"port":        c.AddPort(ctx, api.PortChange{PortSpec: api.PortSpec{Name: "trunk0"}}),
		"change port": c.ChangePort(ctx, "trunk0", api.PortChange{PortSpec: api.PortSpec{MTU: new(1300)}}),
	} {
		if err == nil {
			t.Errorf("%s: not refused", what)
		}
	}
}

// eventLines holds lines of the stream to the schema of an Event.
func eventLines(t *testing.T, doc *openapi3.T, c *client.Client, path string) {
	ctx := t.Context()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://uvtep/v1/monitor", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := web(t, path).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Body.Close() }()
	lines := json.NewDecoder(stream.Body)
	for _, err := range []error{
		c.AddLink(ctx, api.LinkChange{LinkSpec: api.LinkSpec{Name: "vx1", ID: new(uint32(42)), Remote: addr("192.0.2.2")}}), c.DeleteLink(ctx, "vx1"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 4 { // the link and its default entry come and go
		var line any
		if err := lines.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if err := doc.Components.Schemas["Event"].Value.VisitJSON(line); err != nil {
			t.Errorf("%v: %v", line, err)
		}
	}
	for _, e := range []api.Event{{Event: api.EventLost, Lost: 5}, {Event: api.EventDrop, Object: api.ObjectDrop, Drop: &api.Drop{Dev: "vx1", Reason: "rx-ecn", Count: 1}},
		{Event: api.EventListed, Listed: true}, {Event: api.EventMove, Object: api.ObjectLocal, OldMAC: "02:00:00:00:00:02", Local: &api.LocalEntry{Dev: "vx1", MAC: "02:00:00:00:00:01"}},
		{Event: api.EventConflict, Object: api.ObjectLocal, Local: &api.LocalEntry{Dev: "vx1", MAC: "02:00:00:00:00:01", Contested: true}},
		{Event: api.EventPolicy, Object: api.ObjectLink, Policy: &api.Policy{Dev: "vx1", ID: 7}}, {Event: api.EventHold, Object: api.ObjectFDB}, {Event: api.EventRelease, Object: api.ObjectFDB}} {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var line any
		if err := json.Unmarshal(b, &line); err != nil {
			t.Fatal(err)
		}
		if err := doc.Components.Schemas["Event"].Value.VisitJSON(line); err != nil {
			t.Errorf("%s: %v", b, err)
		}
	}
}
