package vtep

import "github.com/uvtep/uvtep/underlay"

// Tuner sets devices of the underlay for speed.
type Tuner interface {
	// Tune sets what helps at the interface of that index and returns its name
	// and what it changed, in words. On an error it may have changed some.
	Tune(index int) (device string, changed []string, err error)
}

var _ Tuner = (*SystemHost)(nil)

// Tune switches GRO on: datagrams of one flow then reach the receive socket
// joined.
func (h *SystemHost) Tune(index int) (device string, changed []string, err error) {
	device, on, err := underlay.EnableGRO(index)
	if on {
		changed = append(changed, "gro on")
	}
	return device, changed, err
}

// tune has the device that the link's packets take tuned, once, and logs what
// was done. Without a route there is another try. The caller holds v.mu.
func (v *VTEP) tune(l *Link) {
	if v.tuner == nil || l.tuned {
		return
	}
	index, known := v.underlayDevice(&l.cfg)
	if !known {
		return
	}
	l.tuned = true
	switch {
	case index == 0:
		l.log.Warn("nothing tuned: the link names neither dev nor a remote to find it by")
		return
	case v.tuned[index]:
		return
	}
	v.tuned[index] = true
	device, changed, err := v.tuner.Tune(index)
	for _, what := range changed {
		l.log.Info("tuned the underlay", "dev", device, "set", what)
	}
	if err != nil {
		l.log.Warn("the underlay could not be tuned", "dev", device, "err", err)
	}
}

// underlayDevice is the index of the device that a link's packets take, 0 where
// the configuration does not say; false: it is not known yet.
func (v *VTEP) underlayDevice(c *LinkConfig) (index int, known bool) {
	if c.Dev != "" {
		i, err := v.host.Interface(c.Dev)
		return i.Index, err == nil
	}
	dst := c.destination()
	if !dst.IsValid() {
		return 0, true
	}
	r, err := v.host.RouteTo(dst, "")
	return r.Interface, err == nil
}
