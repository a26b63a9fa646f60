package names

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// longest is how long an answer holds at most, and how long one holds that has no TTL,
	// such as one from /etc/hosts.
	longest = time.Minute
	// shortest keeps a TTL of 0 from making a loop.
	shortest = time.Second
	// again is when a name that gave no address is asked for again.
	again = 5 * time.Second
	// patience is how long a look-up may take.
	patience = 8 * time.Second
)

// Resolver looks names up. The zero value asks the system's servers.
type Resolver struct {
	// Dial connects to a name server; nil: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Answer has the addresses of a name.
type Answer struct {
	Name string
	// IPv4 and IPv6 are in order and without repetition.
	IPv4, IPv6 Addresses
	// Holds is when to ask again.
	Holds time.Duration
}

// Addresses are a name's of one family.
type Addresses struct {
	Addrs []netip.Addr
	// Err is why the name could not be looked up; then nothing is known of it. A
	// name that does not exist has no addresses and no error.
	Err error
}

// Lookup asks for all names at once and returns when each has its answer.
func (r *Resolver) Lookup(ctx context.Context, names []string) []Answer {
	answers := make([]Answer, len(names))
	var wait sync.WaitGroup
	for i, name := range names {
		wait.Go(func() { answers[i] = r.lookup(ctx, name) })
	}
	wait.Wait()
	return answers
}

func (r *Resolver) lookup(ctx context.Context, name string) Answer {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	watch := &ttlWatch{dial: r.Dial}
	if watch.dial == nil {
		watch.dial = (&net.Dialer{}).DialContext
	}
	// Each name has a resolver of its own, so that the TTLs that it sees are of this name.
	resolver := &net.Resolver{PreferGo: true, Dial: watch.connect}
	a := Answer{Name: name}
	var wait sync.WaitGroup
	wait.Go(func() { a.IPv4 = addresses(ctx, resolver, "ip4", name) })
	wait.Go(func() { a.IPv6 = addresses(ctx, resolver, "ip6", name) })
	wait.Wait()
	a.Holds = min(watch.ttl(), longest)
	if len(a.IPv4.Addrs)+len(a.IPv6.Addrs) == 0 || a.IPv4.Err != nil || a.IPv6.Err != nil {
		a.Holds = min(a.Holds, again)
	}
	a.Holds = max(a.Holds, shortest)
	return a
}

// addresses asks for one family alone: in an answer for both, the addresses of a family whose
// answer did not come would seem to be gone.
func addresses(ctx context.Context, r *net.Resolver, network, name string) Addresses {
	addrs, err := r.LookupNetIP(ctx, network, name)
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return Addresses{}
	}
	if err != nil {
		return Addresses{Err: err}
	}
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return Addresses{Addrs: slices.Compact(addrs)}
}
