package tap

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

// Losses is what was lost until now. The netdev's tx_dropped is what the kernel
// would have queued and did not (tun_net_xmit in drivers/net/tun.c). It asks the
// kernel, which takes rtnl_lock.
func (d *Device) Losses() (encap.Losses, error) {
	var l encap.Losses
	for _, q := range d.queues {
		l.Unreadable += q.unreadable.Load()
	}
	m, _, _, err := d.message(0)
	if err != nil {
		return l, err
	}
	if n := txDropped(m); n > d.dropped {
		l.Overflow = n - d.dropped
	}
	return l, nil
}

// txDroppedAt is where struct rtnl_link_stats64 (include/uapi/linux/if_link.h) has
// tx_dropped.
const txDroppedAt = 7 * 8

// txDropped is the counter of the netdev that a link message is about. A persistent
// one has that of before.
func txDropped(m []byte) (n uint64) {
	if len(m) < unix.SizeofIfInfomsg {
		return 0
	}
	eachAttr(m[unix.SizeofIfInfomsg:], func(kind uint16, value []byte) {
		if kind == unix.IFLA_STATS64 && len(value) >= txDroppedAt+8 {
			n = nl.NativeEndian().Uint64(value[txDroppedAt:])
		}
	})
	return n
}
