package underlay

import "errors"

// openPool opens sockets over cfg's source ports until there are cfg.Sockets.
// Ports that somebody else holds are passed over; where none is left the error
// wraps [ErrPortInUse]. On another error the caller closes the sockets that are returned.
func openPool[S any](cfg *TransmitterConfig, open func(port uint16) (S, error)) (sockets []S, err error) {
	portPermutation(cfg.SrcPortMin, cfg.SrcPortMax, cfg.Sockets, func(port uint16) bool {
		var s S
		switch s, err = open(port); {
		case errors.Is(err, ErrPortInUse):
			return true
		case err != nil:
			return false
		}
		sockets = append(sockets, s)
		return len(sockets) < cfg.Sockets
	})
	switch {
	case err != nil && !errors.Is(err, ErrPortInUse):
		return sockets, err
	case len(sockets) == 0:
		return nil, errPoolTaken(cfg)
	}
	return sockets, nil
}

// portPermutation yields each port of the range once: the first n spread
// evenly, so that a port held by somebody else costs one step, not a gap.
func portPermutation(lo, hi uint16, n int, yield func(uint16) bool) {
	size := int(hi-lo) + 1
	step := max(size/n, 1)
	for gcd(step, size) != 1 {
		step++
	}
	for k, at := 0, 0; k < size; k, at = k+1, (at+step)%size {
		if !yield(lo + uint16(at)) {
			return
		}
	}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
