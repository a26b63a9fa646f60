// Package lab builds hosts out of Linux network namespaces, from Go alone: no ip, bridge, ethtool, ping or iperf
// program is needed. The interop tests, the `uvtep demo` command and the end-to-end benchmarks stand on it.
//
//	l, err := lab.New()              // needs root, or Reexec first
//	a, err := l.Host("a")            // a namespace held by a file descriptor: nothing outlives the process
//	b, err := l.Host("b")
//	w, err := l.Wire(a, b, lab.WireOptions{})
//	err = a.AddAddr(w.A, netip.MustParsePrefix("192.0.2.1/24"))
//	err = b.AddAddr(w.B, netip.MustParsePrefix("192.0.2.2/24"))
//	r, err := lab.Ping(a, netip.Addr{}, netip.MustParseAddr("192.0.2.2"), 56, 3)
//	err = l.Close()                  // kills what was started, removes every device and namespace
//
// A file descriptor, once opened inside a namespace, stays in it: [Host.Do] is the door, and sockets or TAP devices that
// the function opens keep working after it returned. Goroutines that the function starts run outside, and so do the
// ones that a net.Resolver starts: use numeric addresses.
//
// Everything but this comment is Linux only; on other systems the package is empty.
package lab
