package names

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// server is a name server on a UDP and a TCP port of 127.0.0.1.
type server struct {
	udp *net.UDPConn
	tcp *net.TCPListener

	mu       sync.Mutex
	records  map[string][]record // by name with a dot at its end
	silent   bool                // answer SERVFAIL
	overflow bool                // say over UDP that the answer is too long
	streams  int                 // questions over TCP
}

type record struct {
	addr  string
	alias string
	ttl   uint32
}

func newServer(t *testing.T) *server {
	t.Helper()
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tcp.Addr().(*net.TCPAddr).Port})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{udp: udp, tcp: tcp, records: map[string][]record{}}
	var wait sync.WaitGroup
	wait.Go(s.serveUDP)
	wait.Go(s.serveTCP)
	t.Cleanup(func() {
		_ = udp.Close()
		_ = tcp.Close()
		wait.Wait()
	})
	return s
}

func (s *server) resolver() *Resolver {
	return &Resolver{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, strings.TrimRight(network, "46"), s.tcp.Addr().String())
	}}
}

func (s *server) set(name string, records ...record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[name] = records
}

func (s *server) serveUDP() {
	b := make([]byte, 1500)
	for {
		n, from, err := s.udp.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		_, _ = s.udp.WriteToUDPAddrPort(s.answer(b[:n], true), from)
	}
}

func (s *server) serveTCP() {
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			return
		}
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err == nil {
			question := make([]byte, binary.BigEndian.Uint16(length[:]))
			if _, err := io.ReadFull(c, question); err == nil {
				answer := s.answer(question, false)
				_, _ = c.Write(binary.BigEndian.AppendUint16(nil, uint16(len(answer))))
				// In two pieces, as a network may deliver it.
				_, _ = c.Write(answer[:len(answer)/2])
				_, _ = c.Write(answer[len(answer)/2:])
			}
		}
		_ = c.Close()
	}
}

func (s *server) answer(question []byte, udp bool) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	out := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
	records, known := s.records[q.Name.String()]
	switch {
	case s.silent:
		out.RCode = dnsmessage.RCodeServerFailure
	case !known:
		out.RCode = dnsmessage.RCodeNameError
	case udp && s.overflow:
		out.Truncated = true
		records = nil
	}
	if !udp {
		s.streams++
	}
	name := q.Name
	for _, r := range records {
		h := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: r.ttl}
		if r.alias != "" {
			alias := dnsmessage.MustNewName(r.alias)
			h.Type = dnsmessage.TypeCNAME
			out.Answers = append(out.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.CNAMEResource{CNAME: alias}})
			name = alias
			continue
		}
		a := netip.MustParseAddr(r.addr)
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			h.Type = dnsmessage.TypeA
			out.Answers = append(out.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			h.Type = dnsmessage.TypeAAAA
			out.Answers = append(out.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	b, err := out.Pack()
	if err != nil {
		return nil
	}
	return b
}

func TestLookup(t *testing.T) {
	s := newServer(t)
	s.set("one.example.net.", record{addr: "192.0.2.1", ttl: 30})
	s.set("both.example.net.", record{addr: "192.0.2.2", ttl: 40}, record{addr: "192.0.2.1", ttl: 20}, record{addr: "2001:db8::1", ttl: 50})
	s.set("alias.example.net.", record{alias: "one.example.net.", ttl: 7}, record{addr: "192.0.2.1", ttl: 30})
	s.set("long.example.net.", record{addr: "192.0.2.1", ttl: 86400})
	s.set("zero.example.net.", record{addr: "192.0.2.1", ttl: 0})
	s.set("empty.example.net.")
	want := map[string]string{
		"one.example.net":   "[192.0.2.1] [] 30s",
		"both.example.net":  "[192.0.2.1 192.0.2.2] [2001:db8::1] 20s",
		"alias.example.net": "[192.0.2.1] [] 7s",
		"long.example.net":  "[192.0.2.1] [] 1m0s",
		"zero.example.net":  "[192.0.2.1] [] 1s",
		"empty.example.net": "[] [] 5s",
		"none.example.net":  "[] [] 5s",
	}
	lookup := func(t *testing.T, want map[string]string) {
		t.Helper()
		var names []string
		for name := range want {
			names = append(names, name)
		}
		for i, a := range s.resolver().Lookup(t.Context(), names) {
			got := fmt.Sprint(a.IPv4.Addrs, " ", a.IPv6.Addrs, " ", a.Holds)
			if a.Name != names[i] || got != want[a.Name] || a.IPv4.Err != nil || a.IPv6.Err != nil {
				t.Errorf("%s: %s, %v, %v, want %s", a.Name, got, a.IPv4.Err, a.IPv6.Err, want[names[i]])
			}
		}
	}
	lookup(t, want)
	s.mu.Lock()
	s.overflow = true // now over TCP
	s.mu.Unlock()
	lookup(t, want)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams == 0 {
		t.Error("nothing was asked over TCP")
	}
}

// TestLookupFails: a server that has no answer is not one that says that there
// is none.
func TestLookupFails(t *testing.T) {
	s := newServer(t)
	s.set("one.example.net.", record{addr: "192.0.2.1", ttl: 30})
	s.mu.Lock()
	s.silent = true
	s.mu.Unlock()
	a := s.resolver().Lookup(t.Context(), []string{"one.example.net"})[0]
	if a.IPv4.Err == nil || a.IPv6.Err == nil || a.Holds != again {
		t.Errorf("from a server that fails: %+v", a)
	}
	gone := &Resolver{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, io.ErrClosedPipe }}
	if a := gone.Lookup(t.Context(), []string{"one.example.net"})[0]; a.IPv4.Err == nil || a.IPv6.Err == nil {
		t.Errorf("without a server: %+v", a)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := time.Now()
	if a := s.resolver().Lookup(ctx, []string{"one.example.net"})[0]; a.IPv4.Err == nil || time.Since(before) > patience {
		t.Errorf("with a context that has ended: %+v", a)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte{0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		w := &ttlWatch{}
		w.message(b)
		if d := w.ttl(); d < 0 {
			t.Errorf("a TTL of %v", d)
		}
	})
}
