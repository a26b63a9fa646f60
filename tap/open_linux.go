package tap

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/songgao/water"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

// Open opens the TAP that c describes, in the calling thread's network
// namespace. A new device is left down. What fails leaves nothing behind.
func Open(c Config) (*Device, error) {
	c, err := c.validated()
	if err != nil {
		return nil, err
	}
	// The device, the hub and what is asked of it must be of one namespace.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var d *Device
	if len(c.Inherited) > 0 {
		d, err = openInherited(c)
	} else {
		d, err = open(c)
	}
	if err != nil {
		return nil, fmt.Errorf("tap: open %q: %w", c.Name, err)
	}
	return d, nil
}

func open(c Config) (*Device, error) {
	// First of all, so that a missing driver or right is found before water,
	// which does not close what it opened when it fails later on.
	fd, err := openClone(c.clonePath)
	if err != nil {
		return nil, err
	}
	h, err := hubs.acquire()
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	d := newDevice(h, c)
	p, err := h.prepare(c, fd)
	d.dropped = p.dropped
	if err == nil {
		err = d.attachAll(fd, c, p)
	} else {
		err = errors.Join(err, unix.Close(fd))
	}
	if err == nil {
		err = d.configure(c)
		if errors.Is(err, ErrPermission) && !p.created { // a TAP made for whoever may not set it
			err = nil
		}
	}
	if err != nil {
		if p.created {
			err = errors.Join(err, d.abandon(p))
		}
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func newDevice(h *hub, c Config) *Device {
	d := &Device{hub: h, config: c, lookEvery: awayInterval, done: make(chan struct{}), gone: make(chan struct{})}
	d.super.switchOff(c.NoWriteOffload)
	return d
}

// openInherited is open of queues that are open.
func openInherited(c Config) (*Device, error) {
	h, err := hubs.acquire()
	if err != nil {
		return nil, errors.Join(err, c.closeInherited())
	}
	d := newDevice(h, c)
	err = errors.Join(d.inherit(c), c.closeInherited())
	if d.config.Inherited = nil; err == nil {
		err = d.configure(c)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// prepared is the netdev, persistent and without a queue, that queues are to
// be attached to.
type prepared struct {
	name       string
	multiQueue bool
	created    bool
	dropped    uint64 // by the kernel so far
}

// prepare finds the TAP that c names or has water create it. With an index fd creates it,
// as the first queue: water sets none (TUNSETIFFINDEX, drivers/net/tun.c).
//
// It must be persistent and without a queue for a moment: IFF_VNET_HDR belongs
// to the netdev, and the kernel takes it over from the first queue that is
// attached only (tun_set_iff in drivers/net/tun.c), which water's is not fit
// to be. So water's queue is closed before ours come. (A crash in between leaves
// a netdev that the next Open takes over.)
func (h *hub) prepare(c Config, fd int) (prepared, error) {
	if c.Name != "" {
		m, err := h.rtnl.link(c.Name, home, 0)
		if err == nil {
			return adopt(m, c)
		}
		if !errors.Is(err, unix.ENODEV) {
			return prepared{}, err
		}
	}
	if !capable() {
		return prepared{}, ErrPermission
	}
	// Each queue more costs the kernel memory, and IFF_MULTI_QUEUE costs it 256
	// transmit queues at once.
	multi := c.Queues > 1
	if c.Index != 0 {
		err := unix.IoctlSetPointerInt(fd, tunSetIffIndex, c.Index)
		return prepared{name: c.Name, multiQueue: multi, created: true}, os.NewSyscallError("TUNSETIFFINDEX", err)
	}
	// water opens without O_CLOEXEC: no child may be started meanwhile.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	i, err := water.New(water.Config{
		DeviceType: water.TAP,
		PlatformSpecificParams: water.PlatformSpecificParams{
			Name:       c.Name,
			Persist:    true,
			MultiQueue: multi,
		},
	})
	if err != nil {
		return prepared{}, explain(err)
	}
	p := prepared{name: i.Name(), multiQueue: multi, created: true}
	if err := i.Close(); err != nil {
		return p, err
	}
	return p, nil
}

// adopt checks that the netdev of a link message is a TAP that nobody has open
// and that has the queues that c asks for.
func adopt(m []byte, c Config) (prepared, error) {
	l, err := netlink.LinkDeserialize(nil, m)
	if err != nil {
		return prepared{}, err
	}
	t, ok := l.(*netlink.Tuntap)
	if !ok || t.Mode != netlink.TUNTAP_MODE_TAP {
		kind := l.Type()
		if ok {
			kind = "tun"
		}
		return prepared{}, fmt.Errorf("%w (it is of type %s)", ErrExist, kind)
	}
	if t.Queues+t.DisabledQueues > 0 {
		return prepared{}, ErrBusy
	}
	if c.Index != 0 && c.Index != t.Index {
		return prepared{}, fmt.Errorf("the TAP has index %d, which it keeps: write that one, or delete it with `ip link del`", t.Index)
	}
	p := prepared{name: c.Name, multiQueue: t.Flags&netlink.TUNTAP_MULTI_QUEUE != 0, dropped: txDropped(m)}
	if c.Queues > 1 && !p.multiQueue {
		return prepared{}, fmt.Errorf("the TAP was created with one queue and cannot have %d: "+
			"delete it, or create it with `ip tuntap add %s mode tap multi_queue`", c.Queues, c.Name)
	}
	return p, nil
}

// capable reports whether the process has CAP_NET_ADMIN, or cannot find out.
func capable() bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return true
	}
	return data[0].Effective&(1<<unix.CAP_NET_ADMIN) != 0
}

// attachAll makes fd, which it takes over, and the further queues of c.
func (d *Device) attachAll(fd int, c Config, p prepared) error {
	flags := uint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if p.multiQueue {
		flags |= unix.IFF_MULTI_QUEUE
	}
	for {
		if err := d.attachQueue(fd, p.name, flags, c); err != nil {
			return err
		}
		if len(d.queues) == 1 {
			if err := d.setUp(fd, c, p); err != nil {
				return err
			}
		}
		if len(d.queues) == c.Queues {
			return d.steer()
		}
		var err error
		if fd, err = openClone(c.clonePath); err != nil {
			return err
		}
	}
}

// steer is steer of the netdev, if it has queues to choose from.
func (d *Device) steer() error {
	if len(d.queues) == 1 {
		return nil
	}
	return d.queues[0].control(steer)
}

// attachQueue takes over fd.
func (d *Device) attachQueue(fd int, name string, flags uint16, c Config) error {
	if _, err := attach(fd, name, flags); err != nil {
		if errors.Is(err, unix.EBUSY) && c.Index != 0 && len(d.queues) == 0 {
			return errors.Join(fmt.Errorf("index %d: %w", c.Index, ErrIndex), unix.Close(fd))
		}
		return errors.Join(explain(err), unix.Close(fd))
	}
	// With somebody else's queue there before, the netdev keeps that one's flags.
	_, got, err := attached(fd)
	if err == nil && got&unix.IFF_VNET_HDR == 0 {
		err = ErrBusy
	}
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	q, err := newQueue(fd, c, &d.super)
	if err != nil {
		return err
	}
	d.queues = append(d.queues, q)
	return nil
}

// setUp sets, through its first queue, what belongs to the netdev.
func (d *Device) setUp(fd int, c Config, p prepared) error {
	if err := setVnet(fd); err != nil {
		return err
	}
	var err error
	if d.offload, err = grantOffload(fd, c); err != nil {
		return err
	}
	if err := setOwners(fd, c.Owner, c.Group); err != nil {
		return err
	}
	if c.Persist || p.created {
		return setPersist(fd, c.Persist)
	}
	return nil
}

// setOwners says who may open the netdev; nil leaves it as it is.
func setOwners(fd int, owner, group *uint32) error {
	if owner != nil {
		if err := unix.IoctlSetInt(fd, unix.TUNSETOWNER, int(*owner)); err != nil {
			return explain(os.NewSyscallError("TUNSETOWNER", err))
		}
	}
	if group != nil {
		if err := unix.IoctlSetInt(fd, unix.TUNSETGROUP, int(*group)); err != nil {
			return explain(os.NewSyscallError("TUNSETGROUP", err))
		}
	}
	return nil
}

func setPersist(fd int, persist bool) error {
	value := 0
	if persist {
		value = 1
	}
	return os.NewSyscallError("TUNSETPERSIST", unix.IoctlSetInt(fd, unix.TUNSETPERSIST, value))
}

// configure applies the rest of c.
func (d *Device) configure(c Config) error {
	var ch Change
	if c.MAC != (encap.MAC{}) {
		ch.MAC = &c.MAC
	}
	if c.MTU != 0 {
		ch.MTU = &c.MTU
	}
	if c.TxQueueLen != 0 {
		ch.TxQueueLen = &c.TxQueueLen
	}
	if c.GSOMaxSize != 0 {
		ch.GSOMaxSize = &c.GSOMaxSize
	}
	if c.GSOMaxSegs != 0 {
		ch.GSOMaxSegs = &c.GSOMaxSegs
	}
	if ch == (Change{}) {
		return nil
	}
	s, nsid, err := d.locate()
	if err != nil {
		return err
	}
	return d.set(s.Index, nsid, ch)
}

// abandon deletes the netdev that a failed Open created.
func (d *Device) abandon(p prepared) error {
	m, err := d.hub.rtnl.link(p.name, home, rtextFilterSkipStats)
	if errors.Is(err, unix.ENODEV) {
		return nil // the kernel refused to make it
	}
	if err != nil {
		return err
	}
	return d.hub.rtnl.del(stateOf(m, 0).Index)
}

// explain turns the errors of TUNSETIFF and its like into those of this package.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (%w)", ErrPermission, err)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w (%w)", ErrBusy, err)
	}
	return err
}
