package vtep

import "github.com/uvtep/uvtep/underlay"

// Tuner tunes devices of the underlay.
type Tuner interface {
	// Tune tunes the interface of that index, and returns its name and what it changed,
	// in words. On an error it may have changed something.
	Tune(index int) (device string, changed []string, err error)
}

var _ Tuner = (*SystemHost)(nil)

// Tune switches GRO on, so that datagrams of one flow reach the receive socket joined.
func (h *SystemHost) Tune(index int) (device string, changed []string, err error) {
	device, on, err := underlay.EnableGRO(index)
	if on {
		changed = append(changed, "gro on")
	}
	return device, changed, err
}

// tune tunes the device that the link's packets take, once, and logs the changes. Where there
// is no route yet, everySecond tries again. The caller holds v.mu.
func (v *VTEP) tune(l *link) {
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
		l.log.Warn("no underlay device was tuned: give the link dev or a remote to find the device by")
		return
	case v.tuned[index]:
		return
	}
	v.tuned[index] = true
	device, changed, err := v.tuner.Tune(index)
	for _, what := range changed {
		l.log.Info("tuned the underlay device", "dev", device, "set", what)
	}
	if err != nil {
		l.log.Warn("tuning the underlay device failed", "dev", device, "err", err)
	}
}

// underlayDevice is the index of the device that a link's packets take, 0 where the
// configuration does not tell. false: it is not known yet.
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
