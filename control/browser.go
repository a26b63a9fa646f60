package control

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/uvtep/uvtep/api"
)

// errBrowser is the answer to a browser. It is permission that is denied.
var errBrowser = fmt.Errorf("%w: browsers get the status page at /web/ alone: ask with uvtep, or with curl by a name without a dot, such as localhost", api.ErrDenied)

// ofBrowser reports whether a browser asks for something that is not the status page. Its owner may
// have forwarded a port to the socket (ssh -L), and so be one who may change links, while pages of others
// run in it. Inferred from the headers that browsers add and scripts cannot set: Origin (RFC 6454 section
// 7) with each request that changes something and with those to another origin, Sec-Fetch-Site where
// the address is localhost; and, while the socket has a page to look at, from a Host that others may own,
// which is what a request to a name that leads here for a moment has alone (DNS rebinding).
// Who could lie: no page of a browser; any other program, which gains what it has without this.
func (s *Server) ofBrowser(r *http.Request) bool {
	if s.config.Page != nil && (r.URL.Path == "/web" || strings.HasPrefix(r.URL.Path, "/web/")) {
		return false
	}
	return r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" || s.config.Page != nil && mayBeOthers(r.Host)
}

// mayBeOthers reports whether a host is a name of the DNS.
func mayBeOthers(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err != nil && strings.Contains(host, ".")
}
