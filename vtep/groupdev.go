package vtep

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// device is the name of the underlay device: dev, or for a group without it the one that
// has local, which a host with one address a network means by it. "": the routing table
// says, and of a group the route to it.
func (v *VTEP) device(c *LinkConfig) string {
	if c.Dev != "" || !c.Group.IsValid() || !c.source().IsValid() {
		return c.Dev
	}
	o := v.seen.Load()
	if o == nil {
		return ""
	}
	name := o.Devices[o.Own[encap.AddrFrom(c.Local)]].Name
	if name == "lo" {
		return "" // has no neighbours
	}
	return name
}

// findDevice is device, which is asked for where nothing is known of it: local may have
// come to the host since. The caller holds v.mu.
func (v *VTEP) findDevice(c *LinkConfig) string {
	v.findOrigins()
	name := v.device(c)
	if name != "" || !c.Group.IsValid() || !c.source().IsValid() || v.askedDevs == v.now()+1 {
		return name
	}
	v.askedDevs = v.now() + 1 // once a second, for all links
	o, err := v.host.Origins(nil)
	if err != nil {
		v.log.Warn("asking for the addresses of the underlay failed, trying again", "err", err)
		return ""
	}
	v.publishArrivals(o)
	return v.device(c)
}

// noDevice reports whether a group's device is yet to be found: no device has local. The
// caller holds v.mu.
func (v *VTEP) noDevice(c *LinkConfig) bool {
	if c.Dev != "" || !c.Group.IsValid() || !c.source().IsValid() {
		return false
	}
	_, has := v.origins.Own[encap.AddrFrom(c.Local)]
	return !has
}

// interfaceOf describes the underlay device; the zero value where none is said. The caller
// holds v.mu.
func (v *VTEP) interfaceOf(c *LinkConfig) (underlay.Interface, error) {
	name := v.findDevice(c)
	if name == "" {
		return underlay.Interface{}, nil
	}
	return v.host.Interface(name)
}
