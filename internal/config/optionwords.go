package config

import (
	"strconv"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/words"
)

// addOptionWords adds the words that switch something on or off, and those of
// uvtep's own options.
func addOptionWords(known map[string]linkWord) {
	for _, w := range []string{"learning", "udpcsum", "udp6zerocsumtx", "udp6zerocsumrx", "localbypass", "gbp", "proxy", "persist", "l2miss", "l3miss"} {
		known[w], known["no"+w] = (*linkParser).toggle, (*linkParser).toggle
	}
	known["txqueues"], known["numtxqueues"] = (*linkParser).queues, (*linkParser).queues
	known["user"], known["group-owner"] = (*linkParser).owner, (*linkParser).owner
	known["mss"], known["moveguard"], known["loopguard"] = (*linkParser).mss, (*linkParser).guard, (*linkParser).guard
	known["bumlimit"], known["peerbumlimit"] = (*linkParser).bumlimit, (*linkParser).bumlimit
	known["trunk"], known["vlan"] = (*linkParser).trunk, (*linkParser).vlan
	known["gbpid"], known["samehost"] = (*linkParser).gbpid, (*linkParser).samehost
	known["flowlabel"], known["label"] = (*linkParser).flowlabel, (*linkParser).flowlabel
}

// addCommandWords adds what a command can say, as `ip link` can, and a
// configuration file cannot: the master of the device, and that a link has not
// what none has.
func addCommandWords(known map[string]linkWord) {
	known["master"], known["nomaster"] = (*linkParser).master, (*linkParser).nomaster
	for _, w := range []string{"external", "rsc", "vnifilter", "gpe", "remcsumtx", "remcsumrx"} {
		known["no"+w] = (*linkParser).without
	}
}

func (p *linkParser) master(word string) error {
	if err := p.Once("master"); err != nil {
		return err
	}
	v, err := p.Value(word, "DEVICE")
	if err != nil {
		return err
	}
	if err := control.ValidName(v); err != nil {
		return words.Usagef("%s: %v", word, err)
	}
	p.out.Master = &v
	return nil
}

func (p *linkParser) samehost(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	v, err := p.Value(word, "auto, none or PREFIX[,PREFIX...]")
	p.out.SameHost = &v
	return err
}

func (p *linkParser) nomaster(string) error {
	p.out.Master = new("")
	return p.Once("master")
}

// toggle is a word with or without "no" before it.
func (p *linkParser) toggle(word string) error {
	plain, on := strings.CutPrefix(word, "no")
	on = !on
	switch plain {
	case "learning":
		p.out.Learning = &on
	case "udpcsum":
		p.out.UDPCsum = &on
	case "udp6zerocsumtx":
		p.out.UDP6ZeroCsumTx = &on
	case "udp6zerocsumrx":
		p.out.UDP6ZeroCsumRx = &on
	case "localbypass":
		p.out.LocalBypass = &on
	case "proxy":
		p.proxy(on)
	case "persist":
		p.out.Persist = &on
	case "l2miss":
		p.out.L2Miss = &on
	case "l3miss":
		p.out.L3Miss = &on
	case "gbp":
		p.out.GBP = &on
	}
	return p.Once("[no]" + plain)
}

// proxy is proxy, and `proxy learn`, which is no word of its own: cut short,
// ip has it for learning.
func (p *linkParser) proxy(on bool) {
	p.out.Proxy = &on
	if on && len(p.Rest) > 0 && p.Rest[0] == "learn" {
		p.Rest = p.Rest[1:]
		p.out.ProxyLearn = &on
	}
}

// without takes a word that says that something is off which no link of uvtep
// has. That cannot be changed of a link, not of the kernel's either.
func (p *linkParser) without(word string) error {
	if p.change {
		return words.Usagef("%q is so of every link: leave it out", word)
	}
	return p.Once("[no]" + strings.TrimPrefix(word, "no"))
}

func (p *linkParser) gbpid(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	n, err := p.Number(word, 0, 65535)
	p.out.GBPID = new(uint16(n))
	return err
}

func (p *linkParser) flowlabel(string) error {
	if err := p.Once("flowlabel"); err != nil {
		return err
	}
	v, err := p.Value("flowlabel", "0-0xfffff or inherit")
	if err != nil {
		return err
	}
	p.out.FlowLabel = new(api.Value(v))
	if n, err := words.ParseNumber(v); err == nil {
		p.out.FlowLabel = new(api.Value(strconv.FormatUint(n, 10)))
	}
	return nil
}

// owner is user UID and group-owner GID.
func (p *linkParser) owner(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	n, err := p.Number(word, 0, 1<<32-2) // -1 is nobody
	if word == "user" {
		p.out.User = new(uint32(n))
	} else {
		p.out.GroupOwner = new(uint32(n))
	}
	return err
}

func (p *linkParser) mss(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	v, err := p.OneOf(word, "clamp", "none")
	p.out.MSS = &v
	return err
}

// guard is moveguard and loopguard.
func (p *linkParser) guard(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	v, err := p.OneOf(word, "on", "off")
	if word == "moveguard" {
		p.out.MoveGuard = &v
	} else {
		p.out.LoopGuard = &v
	}
	return err
}

// bumlimit is bumlimit and peerbumlimit: frames a second, 0 for any number.
func (p *linkParser) bumlimit(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	n, err := p.Number(word, 0, 1<<32-1)
	if word == "bumlimit" {
		p.out.BUMLimit = new(uint32(n))
	} else {
		p.out.PeerBUMLimit = new(uint32(n))
	}
	return err
}
