package bgp

import (
	"fmt"
	"time"
)

// Defaults of a neighbour.
const (
	defaultPort         = 179
	defaultHoldTime     = 90 * time.Second
	defaultConnectRetry = 10 * time.Second
	defaultStaleTime    = 120 * time.Second
	defaultLimit        = 1_000_000
)

// complete checks what is given and puts in the defaults.
func (c *NeighbourConfig) complete(ownAS uint32) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("bgp: neighbour %v: %s", c.Address, fmt.Sprintf(format, args...))
	}
	switch {
	case !c.Address.IsValid() || c.Address.IsUnspecified() || c.Address.IsMulticast() || c.Address.Is4In6():
		return bad("its address is that of no host")
	case c.RemoteAS == 0 && !c.External:
		return bad("it needs its AS number (remote-as)")
	case c.RemoteAS != 0 && c.External:
		return bad("it is of AS %d, or of any other AS than this speaker: not both", c.RemoteAS)
	case len(c.Password) > 80: // TCP_MD5SIG_MAXKEYLEN
		return bad("the password has %d bytes: at most 80", len(c.Password))
	case c.Source.IsValid() && c.Source.Is4() != c.Address.Is4():
		return bad("the source %v is of the other address family", c.Source)
	case c.HoldTime != 0 && (c.HoldTime < 3*time.Second || c.HoldTime > 65535*time.Second):
		return bad("hold time %v is out of range: 3 to 65535 s", c.HoldTime)
	case c.ConnectRetry < 0:
		return bad("connect retry %v is negative", c.ConnectRetry)
	case c.Limit < 0:
		return bad("limit %d is negative", c.Limit)
	}
	switch c.LimitAction {
	case "":
		c.LimitAction = LimitDiscard
	case LimitDiscard, LimitReset, LimitWarn:
	default:
		return bad("there is no action %q at the limit: %s, %s or %s", c.LimitAction, LimitDiscard, LimitReset, LimitWarn)
	}
	if c.Hops == 0 {
		c.Hops = 1
		if c.RemoteAS == ownAS && !c.TTLSecurity {
			c.Hops = maxTTL
		}
	}
	orDefault(&c.Port, defaultPort)
	orDefault(&c.HoldTime, defaultHoldTime)
	orDefault(&c.ConnectRetry, defaultConnectRetry)
	orDefault(&c.StaleTime, defaultStaleTime)
	orDefault(&c.Limit, defaultLimit)
	return nil
}

func orDefault[T comparable](v *T, is T) {
	var zero T
	if *v == zero {
		*v = is
	}
}
