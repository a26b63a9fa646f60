package tap

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/uvtep/uvtep/encap"
)

// Errors on which a caller branches. Those of Open say what to do about them.
var (
	// ErrGone: the netdev was deleted. The Device is of no more use but to be
	// closed.
	ErrGone = errors.New("tap: the device was deleted")
	// ErrDown: the netdev is down, so the kernel took no frame.
	ErrDown = errors.New("tap: the device is down")
	// ErrRefused: the kernel refused single frames of a batch, e.g. one shorter
	// than an Ethernet header or with an offload that does not fit it.
	ErrRefused = errors.New("tap: the kernel refused a frame")
	// ErrNoDevice: the system has no TAP driver to offer.
	ErrNoDevice = errors.New("/dev/net/tun is missing: modprobe tun, or pass --device /dev/net/tun to the container")
	// ErrPermission: the process may not create or change the netdev.
	ErrPermission = errors.New("not permitted: run as root, or grant CAP_NET_ADMIN and read-write access to /dev/net/tun")
	// ErrExist: the name belongs to a netdev that is no TAP.
	ErrExist = errors.New("a network device that is no TAP has this name: choose another, or delete it with `ip link del`")
	// ErrIndex: another netdev has the index.
	ErrIndex = errors.New("another network device has this index: choose another, or leave it out")
	// ErrBusy: the name belongs to a TAP that a process holds open.
	ErrBusy = errors.New("the TAP is in use by another process: stop that process, or choose another name")
)

// Offload is a set of work that the kernel may leave undone in the frames
// that it hands to a Device; [encap.Offload] then says what is left to do.
// What a Device may write does not depend on it.
type Offload uint8

const (
	// OffloadChecksum: transport checksums may be partial.
	OffloadChecksum Offload = 1 << iota
	// OffloadTSO: TCP arrives in superframes. Implies OffloadChecksum.
	OffloadTSO
	// OffloadUSO: UDP arrives in superframes (Linux 6.2). Implies
	// OffloadChecksum.
	OffloadUSO
	// OffloadNone asks for complete, unjoined frames; the zero Offload in a
	// Config means the default, OffloadChecksum.
	OffloadNone Offload = 1 << 7
)

// Words are the names of the offloads: checksum, tso, uso.
func (o Offload) Words() []string {
	words := []string{}
	for _, n := range []struct {
		bit  Offload
		word string
	}{{OffloadChecksum, "checksum"}, {OffloadTSO, "tso"}, {OffloadUSO, "uso"}} {
		if o&n.bit != 0 {
			words = append(words, n.word)
		}
	}
	return words
}

// String lists the offloads in words: "checksum,tso", or "none".
func (o Offload) String() string {
	words := o.Words()
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ",")
}

// Config describes the TAP to open. Its zero value is a new device of the
// kernel's naming with one queue.
type Config struct {
	// Name is the netdev's name; "" lets the kernel choose tap0, tap1, ... A
	// persistent TAP of that name which nobody holds open is taken over as it
	// is, with whatever is set in this Config applied to it. Its owner may lack
	// CAP_NET_ADMIN: then address, MTU, queue length and GSO limits stay as they
	// are, as State tells.
	Name string
	// Index is that of the netdev; 0: the kernel's next. A TAP that is there keeps
	// its own, which has to be this one.
	Index int
	// Queues is the number of queues, each read by one worker; 0 means 1.
	Queues int
	// Persist lets the netdev outlive the Device, with its addresses and its
	// bridge membership (TUNSETPERSIST). A device that was persistent already
	// stays so.
	Persist bool
	// Owner and Group may open the persistent device without CAP_NET_ADMIN;
	// nil leaves them as they are.
	Owner, Group *uint32
	// MAC is the netdev's address; zero leaves the kernel's random choice.
	MAC encap.MAC
	// MTU is the netdev's MTU; 0 leaves the kernel's 1500.
	MTU int
	// TxQueueLen is how many frames the kernel keeps for a reader that is late,
	// before it drops; 0 leaves the kernel's 1000.
	TxQueueLen int
	// GSOMaxSize and GSOMaxSegs bound a superframe that is read: the bytes from
	// its IP header on, and the segments. A longer one is cut by the kernel
	// first. 0 leaves the kernel's 65,536 and 65,535.
	GSOMaxSize, GSOMaxSegs int
	// Offload is what the kernel may leave to the reader; 0 means
	// OffloadChecksum. See [Device.Offload] for what it granted.
	Offload Offload

	// NoWriteOffload is what is not left to the kernel in writes: superframes of
	// these kinds are cut before.
	NoWriteOffload Offload
	// Inherited are open queues of the TAP, by [Device.Descriptors] of a Device before, perhaps another process's. They
	// are used instead of opening the TAP by its name, or Open fails with ErrInherited; it closes them in either case.
	// nil: there are none. Linux only.
	Inherited []*os.File
	// Spin is how long a reader looks for the next frame before it waits, where
	// the traffic is sparse and the processor has nothing else to do; 0: not at
	// all. Linux only; elsewhere nothing spins.
	Spin time.Duration

	// Tests replace these: "" is /dev/net/tun, nil is TUNSETOFFLOAD.
	clonePath  string
	setOffload func(fd int, o Offload) error
}

// Kernel limits: IFNAMSIZ in include/uapi/linux/if.h counts the final zero
// byte, MAX_TAP_QUEUES stands in drivers/net/tun.c.
const (
	maxNameLen = 15
	maxQueues  = 256
)

// validated checks c and fills in what the zero values stand for.
func (c Config) validated() (Config, error) {
	switch {
	case len(c.Name) > maxNameLen:
		return c, fmt.Errorf("tap: open %q: the name is longer than %d bytes", c.Name, maxNameLen)
	case strings.ContainsAny(c.Name, "/: \t\n\x00") || c.Name == "." || c.Name == "..":
		return c, fmt.Errorf("tap: open %q: not a device name: no slash, colon, space, \".\" or \"..\"", c.Name)
	case c.Queues < 0 || c.Queues > maxQueues:
		return c, fmt.Errorf("tap: open %q: %d queues: want 1 to %d", c.Name, c.Queues, maxQueues)
	case c.MAC.IsMulticast():
		return c, fmt.Errorf("tap: open %q: %s is a multicast address: a device needs a unicast one", c.Name, c.MAC)
	case c.MTU < 0 || c.TxQueueLen < 0 || c.GSOMaxSize < 0 || c.GSOMaxSegs < 0:
		return c, fmt.Errorf("tap: open %q: MTU, transmit queue length and GSO limits must not be negative", c.Name)
	case c.Spin < 0:
		return c, fmt.Errorf("tap: open %q: spinning for %s: want 0 or more", c.Name, c.Spin)
	}
	if c.Queues == 0 {
		c.Queues = 1
	}
	switch {
	case c.Offload == 0:
		c.Offload = OffloadChecksum
	case c.Offload&OffloadNone != 0:
		c.Offload = 0
	default:
		c.Offload |= OffloadChecksum
	}
	return c, nil
}

// State is what the netdev behind a Device is at present. States compare with
// ==.
type State struct {
	Name  string
	Index int
	MAC   encap.MAC
	MTU   int
	// TxQueueLen, GSOMaxSize and GSOMaxSegs are as in Config, and 0 where the
	// system does not tell.
	TxQueueLen, GSOMaxSize, GSOMaxSegs int
	// Up is the administrative state (IFF_UP); a netdev that is down takes and
	// gives no frames.
	Up bool
	// LowerUp is the carrier (IFF_LOWER_UP), which a TAP has while a queue is
	// attached and `ip link set ... carrier off` was not said.
	LowerUp bool
	// Namespace is the inode number of the network namespace that the netdev is
	// in, as `readlink /proc/self/ns/net` prints it; 0 where there are none.
	Namespace uint64
	// Away: the netdev is in another namespace than the one in which it was opened, whose
	// id for the other one is NSID (`ip netns list-id`).
	Away bool
	NSID int
	// Neighbours counts the changes of the netdev's neighbour tables that a Watch
	// was notified of. State and others leave it 0.
	Neighbours uint64
}

// Neighbour is an address and the MAC that has it.
type Neighbour struct {
	IP  netip.Addr
	MAC encap.MAC
}

// Change says what Set changes; what is nil or "" stays.
type Change struct {
	Up         *bool
	MAC        *encap.MAC
	MTU        *int
	TxQueueLen *int
	GSOMaxSize *int
	GSOMaxSegs *int
	Name       string
	// Persist, Owner and Group are as in Config.
	Persist      *bool
	Owner, Group *uint32
}
