package words

import (
	"net/netip"

	"github.com/google/go-cmp/cmp"
)

var compareAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
