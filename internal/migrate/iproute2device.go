package migrate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/uvtep/uvtep/encap"
)

const (
	maxQueues = 256 // MAX_TAP_QUEUES in drivers/net/tun.c
	// etherMTU is what ether_setup gives a device (net/ethernet/eth.c): a vxlan
	// device without a lower one keeps it.
	etherMTU = 1500
	// defaultQLen is DEFAULT_TX_QUEUE_LEN in include/net/sch_generic.h.
	defaultQLen = 1000
	// allReserved are the header bits that drop a packet unless a link says
	// otherwise, but for those that gbp and remcsumrx use (vxlan_nl2conf in
	// drivers/net/vxlan/vxlan_core.c, include/net/vxlan.h).
	allReserved = 0xf7ffffff_000000ff
	gbpBits     = 0x80ffffff_00000000
	remcsumBits = 0x00200000_000000ff
)

// underlay writes the link's lower device.
func (w *writer) underlay(l *link) {
	dev, ok := w.take("link").(string)
	index := w.take("link_index") // ip up to 4.15 has no name for what is elsewhere
	switch {
	case w.elsewhere && (ok || index != nil): // and ip has looked its name up in this one
		w.warnf("its underlay is in another network namespace: run uvtep there, write the dev, and move the device here with ip link set dev %s netns NAME", quote(l.Name))
		return
	case w.elsewhere:
		w.warnf("its underlay is in another network namespace: run uvtep there, and move the device here with ip link set dev %s netns NAME", quote(l.Name))
		return
	case index != nil:
		w.warnf("only the index of its dev is known, %v: write the dev", index)
		return
	case !ok:
		return
	}
	w.dev = dev
	w.say("dev", dev)
}

// mtu writes an MTU that somebody set: one that the kernel would have chosen is
// left to uvtep, so that it follows the underlay (vxlan_config_apply in
// drivers/net/vxlan/vxlan_core.c).
func (w *writer) mtu(l *link) {
	lower, known := w.mtus[w.dev]
	switch {
	case w.dev == "" && !w.elsewhere && l.MTU == etherMTU:
		w.warnf("mtu %d is left out: the kernel gives it to a link without dev, uvtep takes what fits the route; write mtu: %[1]d to keep it", l.MTU)
	case w.dev != "" && known && l.MTU == max(lower-encap.Overhead(w.family == 6), encap.MinMTU):
	default:
		w.say("mtu", l.MTU)
	}
}

// usualReserved are the header bits that drop a packet where nobody chose them.
func (w *writer) usualReserved() uint64 {
	bits := uint64(allReserved)
	if w.data["gbp"] == true {
		bits &^= gbpBits
	}
	if w.data["remcsum_rx"] == true {
		bits &^= remcsumBits
	}
	return bits
}

// reserved writes which header bits drop a packet: the usual ones, unless ip or
// the kernel says otherwise (from 6.14 on).
func (w *writer) reserved(usual uint64) {
	said := w.take("reserved_bits")
	if said == nil {
		w.say("reserved", "drop")
		return
	}
	bits, err := strconv.ParseUint(fmt.Sprint(said), 0, 64)
	switch {
	case err != nil || bits&^encap.AllReserved != 0:
		w.warnf("reserved_bits %v is not a mask of the header's reserved bits; the link drops packets with any of them", said)
		w.say("reserved", "drop")
	case bits == usual:
		w.say("reserved", "drop")
	case bits == 0:
		w.say("reserved", "ignore")
	default:
		w.say("reserved", fmt.Sprintf("0x%x", bits))
	}
}

// device tells what the device has of its own, as commands to say of uvtep's.
func (w *writer) device(l *link) {
	again := func(format string, a ...any) {
		w.warnf("set this again on the device when uvtep runs: ip link "+format, a...)
	}
	own := deviceWords{name: l.Name, txqlen: l.TxQLen, usualTxQLen: defaultQLen, group: l.Group, alias: l.Alias, genMode: l.GenMode, flags: l.Flags}
	for _, words := range own.commands() {
		again("%s", words)
	}
	name := quote(l.Name)
	for _, alt := range l.AltNames {
		again("property add dev %s altname %s", name, quote(alt))
	}
	if l.Master != "" {
		again("set dev %s master %s", name, quote(l.Master))
	}
	if l.Info.Slave != "" {
		w.warnf("set again, too, what %s has set for it as its port (bridge -d link show, bridge vlan show)", l.Master)
	}
	if w.deaf && l.Master == "" {
		w.warnf("it does not learn, and neighbours that were given to the device are not the link's: list them with ip neigh show dev %[1]s nud permanent, "+
			"and when uvtep runs give each again with ip neigh replace IP lladdr MAC dev %[1]s nud permanent", name)
	}
}

// deviceWords are what a device has that is not of the link.
type deviceWords struct {
	name                  string
	txqlen, usualTxQLen   int
	group, alias, genMode string
	flags                 []string // nil: not known
}

// commands are what `ip link` has to be told for it.
func (d *deviceWords) commands() []string {
	var all []string
	set := func(words ...string) {
		all = append(all, "set dev "+quote(d.name)+" "+strings.Join(words, " "))
	}
	if d.txqlen != 0 && d.txqlen != d.usualTxQLen {
		set("txqueuelen", strconv.Itoa(d.txqlen))
	}
	if d.group != "" && d.group != "default" {
		set("group", quote(d.group))
	}
	if d.alias != "" {
		set("alias", quote(d.alias))
	}
	if d.genMode != "" && d.genMode != "eui64" {
		set("addrgenmode", quote(d.genMode))
	}
	for _, f := range []struct {
		flag    string
		usually bool
		words   string
	}{{"NOARP", false, "arp off"}, {"MULTICAST", true, "multicast off"}, {"ALLMULTI", false, "allmulticast on"}, {"PROMISC", false, "promisc on"}} {
		if d.flags != nil && slices.Contains(d.flags, f.flag) != f.usually {
			set(f.words)
		}
	}
	return all
}

// entries writes the entries that were given to the link. What it learned it
// learns again. The entry that the link's own remote or group makes is not
// written twice.
func (w *writer) entries(all []entry) {
	var list []yamlEntry
	learned, bridge, standard := 0, 0, w.peer == ""
	for i := range all {
		e := &all[i]
		if w.elsewhere { // as is the name of the device
			e.Via = ""
		}
		given := e.State == "permanent" || e.State == "static" || slices.Contains(e.Flags, "extern_learn")
		switch {
		case !slices.Contains(e.Flags, "self"):
			bridge++
		case !given:
			learned++
		case e.Dst == "":
			w.warnf("the entry of %s cannot be kept: it has no dst (a nexthop, or none)", e.MAC)
		case e.MAC == zeroMAC && e.Dst == w.peer && e.Port == nil && e.VNI == nil && e.Via == w.dev:
			standard = true
		case strings.Contains(e.Dst, ":") != (w.family == 6):
			w.warnf("the entry of %s to %s cannot be kept: nothing says that the underlay is IPv%d; write local, and the entry", e.MAC, e.Dst, map[bool]int{true: 4, false: 6}[w.family == 6])
		default:
			list = append(list, e.say())
		}
	}
	if learned > 0 {
		w.warnf("learned entries left out: %d; the link learns them again", learned)
	}
	if bridge > 0 {
		w.warnf("entries of its bridge left out: %d; they are the bridge's own", bridge)
	}
	if !standard {
		w.warnf("its own entry of %s was deleted; delete it again when uvtep runs: uvtep fdb del %[1]s dev %s dst %s%s", zeroMAC, quote(w.name), w.peer, w.via())
	}
	if list != nil {
		w.say("fdb", list)
	}
}

func (w *writer) via() string {
	if w.dev == "" {
		return ""
	}
	return " via " + quote(w.dev)
}
