package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/words"
)

// linkWord reads one word of the link sentence and what follows it.
type linkWord func(p *linkParser, word string) error

// linkWords are the words of the link sentence, iproute2's (vxlan_parse_opt in
// ip/iplink_vxlan.c, iplink_parse in ip/iplink.c) and uvtep's own.
func linkWords() map[string]linkWord {
	known := map[string]linkWord{
		"id": (*linkParser).id, "vni": (*linkParser).id,
		"remote": (*linkParser).remote, "group": (*linkParser).group, "local": (*linkParser).local,
		"dev": (*linkParser).dev, "dstport": (*linkParser).dstport, "srcport": (*linkParser).srcport, "port": (*linkParser).srcport,
		"ttl": (*linkParser).ttl, "hoplimit": (*linkParser).ttl,
		"tos": (*linkParser).tos, "dsfield": (*linkParser).tos,
		"df": (*linkParser).df, "ageing": (*linkParser).ageing, "maxaddress": (*linkParser).maxaddress,
		"mtu": (*linkParser).mtu, "address": (*linkParser).lladdr,
		"accept": (*linkParser).accept, "reserved": (*linkParser).reserved, "reserved_bits": (*linkParser).reservedBits, "innervlan": (*linkParser).innervlan,
		"queues": (*linkParser).queues, "name": (*linkParser).rename,
		"up": (*linkParser).admin, "down": (*linkParser).admin,
	}
	addOptionWords(known)
	return known
}

func (p *linkParser) id(string) error {
	if err := p.Once("id"); err != nil {
		return err
	}
	n, err := p.Number("id", 0, uint64(encap.MaxVNI))
	p.out.ID = new(uint32(n))
	return err
}

func (p *linkParser) remote(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	a, err := p.Address(word)
	p.out.Remote = &a
	return err
}

func (p *linkParser) group(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	a, err := p.Address(word)
	p.out.Group = &a
	return err
}

func (p *linkParser) local(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	a, err := p.Address(word)
	p.out.Local = &a
	return err
}

func (p *linkParser) dev(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	v, err := p.Value(word, "DEVICE")
	p.out.Dev = &v
	return err
}

func (p *linkParser) dstport(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	// 0 is read, so that its refusal can say what it means to `ip`.
	n, err := p.Number(word, 0, 65535)
	p.out.DstPort = new(uint16(n))
	return err
}

// srcport is port, too, in iproute2.
func (p *linkParser) srcport(word string) error {
	if err := p.Once("srcport"); err != nil {
		return err
	}
	low, err := p.Number(word, 0, 65535)
	if err != nil {
		return err
	}
	high, err := p.Number("srcport MIN", 0, 65535)
	p.out.SrcPort = &api.PortRange{uint16(low), uint16(high)}
	return err
}

func (p *linkParser) ttl(string) error {
	if err := p.Once("ttl"); err != nil {
		return err
	}
	v, err := p.Value("ttl", "1-255, auto or inherit")
	if err != nil {
		return err
	}
	p.out.TTL = new(api.Value(v))
	if n, err := words.ParseNumber(v); err == nil {
		p.out.TTL = new(api.Value(strconv.FormatUint(n, 10)))
	}
	return nil
}

// tos reads hexadecimal with or without 0x, and the DSCP names, as iproute2
// does (rtnl_dsfield_a2n in lib/rt_names.c).
func (p *linkParser) tos(string) error {
	if err := p.Once("tos"); err != nil {
		return err
	}
	v, err := p.Value("tos", "0x00-0xff or inherit")
	if err != nil {
		return err
	}
	if v == "inherit" {
		p.out.TOS = new(api.Value(v))
		return nil
	}
	n, ok := dsfield(v)
	if !ok {
		digits := strings.TrimPrefix(strings.ToLower(v), "0x")
		hex, err := strconv.ParseUint(digits, 16, 8)
		if err != nil {
			return words.Usagef("tos %q cannot be: write 0x00-0xff (hexadecimal, as ip reads it) or inherit", v)
		}
		n = uint8(hex)
	}
	p.out.TOS = new(api.NumberValue(n))
	return nil
}

// dsfield is the value of a DSCP name, ECN bits 0: class selectors (RFC 2474
// section 4.2.2), assured forwarding (RFC 2597 section 6), expedited
// forwarding (RFC 3246 section 2.7), in the upper case that iproute2 has.
func dsfield(name string) (uint8, bool) {
	var class, precedence uint8
	switch {
	case name == "EF":
		return 46 << 2, true
	case len(name) == 3 && scan(name, "CS%1d", &class) && class <= 7:
		return class << 5, true
	case len(name) == 4 && scan(name, "AF%1d%1d", &class, &precedence) &&
		class >= 1 && class <= 4 && precedence >= 1 && precedence <= 3:
		return class<<5 | precedence<<3, true
	}
	return 0, false
}

func scan(s, format string, a ...any) bool {
	n, err := fmt.Sscanf(s, format, a...)
	return err == nil && n == len(a)
}

func (p *linkParser) df(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	v, err := p.OneOf(word, "set", "unset", "inherit")
	p.out.DF = &v
	return err
}

func (p *linkParser) ageing(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	if len(p.Rest) > 0 && p.Rest[0] == "none" {
		p.Rest = p.Rest[1:]
		p.out.Ageing = new(uint32(0))
		return nil
	}
	n, err := p.Number(word, 0, 1<<32-1)
	p.out.Ageing = new(uint32(n))
	return err
}

func (p *linkParser) maxaddress(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	v, err := p.Value(word, "a number or unlimited")
	if err != nil {
		return err
	}
	p.out.MaxAddress = new(api.Value(v))
	if n, err := words.ParseNumber(v); err == nil {
		p.out.MaxAddress = new(api.Value(strconv.FormatUint(n, 10)))
	}
	return nil
}

func (p *linkParser) mtu(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	n, err := p.Number(word, 0, 1<<31-1)
	p.out.MTU = new(int(n))
	return err
}

func (p *linkParser) lladdr(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	v, err := p.Value(word, "MAC")
	p.out.Address = &v
	return err
}

func (p *linkParser) accept(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	v, err := p.Value(word, "peers, any or PREFIX[,PREFIX...]")
	p.out.Accept = &v
	return err
}

func (p *linkParser) innervlan(word string) error {
	if err := p.Once(word); err != nil {
		return err
	}
	v, err := p.OneOf(word, "pass", "drop")
	p.out.InnerVLAN = &v
	return err
}

// queues is queues, and iproute2's txqueues: a TAP's queues are both ways.
func (p *linkParser) queues(word string) error {
	if err := p.Once("queues"); err != nil {
		return err
	}
	n, err := p.Number(word, 1, 256)
	p.out.Queues = new(int(n))
	return err
}

func (p *linkParser) rename(word string) error {
	if !p.change {
		return words.Usagef("the link has a name already, %q", p.name)
	}
	if err := p.Once(word); err != nil {
		return err
	}
	v, err := p.Value(word, "NEW-NAME")
	if err != nil {
		return err
	}
	if err := control.ValidName(v); err != nil {
		return words.Usagef("%v", err)
	}
	p.newName = v
	return nil
}

// admin is up and down.
func (p *linkParser) admin(word string) error {
	p.out.Up = new(word == "up")
	return p.Once("up/down")
}

// LinkWords are the words by which ParseLinkSet changes something.
func LinkWords() []string {
	return append(slices.Sorted(maps.Keys(linkWords())), "master", "nomaster")
}
