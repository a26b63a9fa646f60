package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

func sample() *State {
	return &State{
		Boot:    "b",
		Ports:   []Port{{Spec: api.PortSpec{Name: "tr0"}, Up: true}},
		Links:   []Link{{Name: "a", ID: 1}, {Name: "b", ID: 2, Made: &api.LinkSpec{Name: "b", ID: new(uint32(2))}, Up: true}},
		Remotes: []Remote{{Dst: "192.0.2.2"}, {Dst: "2001:db8::1", Port: 4790, VNI: new(uint32(7)), Via: "eth0"}},
		Entries: []Entry{
			{MAC: encap.MAC{2, 0, 0, 0, 0, 1}, Flags: fdb.FlagUser, State: fdb.Permanent, Remote: 1},
			{MAC: encap.MAC{2, 0, 0, 0, 0, 2}, Link: 1},
			{MAC: encap.MAC{}, Flags: fdb.FlagUser | fdb.FlagExternLearn, State: fdb.Static, Link: 1},
		},
		Owners: []Owner{{Name: "evpn", Generation: 3}},
		Neighbours: []Neighbour{
			{IP: encap.AddrFrom(netip.MustParseAddr("198.51.100.7")), MAC: encap.MAC{2, 7}},
			{IP: encap.AddrFrom(netip.MustParseAddr("2001:db8::7")), MAC: encap.MAC{2, 8}, Router: true, Override: true, Link: 1},
		},
	}
}

func encoded(t testing.TB, s *State) []byte {
	t.Helper()
	b, err := Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeIsEncodesInverse(t *testing.T) {
	got, err := Decode(encoded(t, sample()))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(sample(), got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// TestBroken: whatever byte is changed, and wherever it is cut, an encoding is refused; as another version's it is told.
func TestBroken(t *testing.T) {
	b := encoded(t, sample())
	for i := range b {
		if _, err := Decode(b[:i]); err == nil {
			t.Fatalf("cut to %d of %d bytes it is taken", i, len(b))
		}
		changed := bytes.Clone(b)
		changed[i] ^= 0x10
		if _, err := Decode(changed); err == nil {
			t.Fatalf("with byte %d changed it is taken", i)
		}
	}
	if _, err := Decode(append(bytes.Clone(b), 0)); err == nil {
		t.Error("with a byte more it is taken")
	}
	binary.BigEndian.PutUint32(b[8:], Version+1)
	if _, err := Decode(b); !errors.Is(err, ErrVersion) {
		t.Errorf("another version's: %v", err)
	}
}

// TestPositions: an entry of a link or remote that is not there is refused although the checksum is right.
func TestPositions(t *testing.T) {
	for _, e := range []Entry{{Link: 2}, {Remote: 2}, {State: fdb.Permanent + 1}, {Flags: 0x80}} {
		s := sample()
		s.Entries = append(s.Entries, e)
		if _, err := Decode(encoded(t, s)); err == nil {
			t.Errorf("%+v is taken", e)
		}
	}
	for _, n := range []Neighbour{{Link: 2}, {Owner: 1}} {
		s := sample()
		s.Neighbours = append(s.Neighbours, n)
		if _, err := Decode(encoded(t, s)); err == nil {
			t.Errorf("%+v is taken", n)
		}
	}
}

func TestDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if made, learned, err := d.Load(); made != nil || learned != nil || err != nil {
		t.Errorf("of nothing: %v, %v, %v", made, learned, err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second daemon: %v", err)
	}
	if err := d.Save(sample()); err != nil {
		t.Fatal(err)
	}
	made, learned, err := d.Load()
	if err != nil || len(made.Entries) != 2 || len(learned.Entries) != 1 || len(made.Neighbours) != 2 || learned.Neighbours != nil || made.Links[0].Made == nil || learned.Links[0].Made != nil || made.Age > time.Minute {
		t.Errorf("%+v, %+v, %v", made, learned, err)
	}
	// What cannot be written leaves what there is, and is told.
	if err := os.Mkdir(filepath.Join(path, madeFile+newSuffix), 0o700); err != nil {
		t.Fatal(err)
	}
	other := sample()
	other.Ports = nil
	if err := d.Save(other); err == nil {
		t.Error("a file that cannot be written is not told")
	}
	if made, _, err := d.Load(); err != nil || len(made.Ports) != 1 {
		t.Errorf("after a failure: %+v, %v", made, err)
	}
	if err := errors.Join(os.Remove(filepath.Join(path, madeFile+newSuffix)), d.Save(other)); err != nil {
		t.Errorf("the second time: %v", err)
	}
	if err := os.WriteFile(filepath.Join(path, learnedFile), []byte("cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	if made, learned, err := d.Load(); made == nil || learned != nil || err == nil {
		t.Errorf("of a broken file: %v, %v, %v", made, learned, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "others may write") {
		t.Errorf("a directory of everybody's: %v", err)
	}
}

// FuzzDecode: nothing that is read as a state panics, and what is taken is what its encoding says.
func FuzzDecode(f *testing.F) {
	f.Add(encoded(f, sample()))
	f.Add(encoded(f, &State{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= headLen { // past the checksum
			sum := checksum(b)
			copy(b[sumAt:], sum[:])
		}
		s, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Decode(encoded(t, s))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s, again); d != "" {
			t.Error(d)
		}
	})
}
